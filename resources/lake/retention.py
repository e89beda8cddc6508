"""Retiring what no reader needs any more: superseded versions and the remains of killed writers."""

from __future__ import annotations

import datetime as dt
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resources.lake import catalog
from resources.lake.objects import TEMPORARY_SUFFIX, Found

if TYPE_CHECKING:
    from resources.lake.lake import Lake


@dataclass(frozen=True)
class Sweep:
    """What a sweep removed: superseded manifests, files and their bytes."""

    versions: int
    files: int
    size_bytes: int


def sweep(lake: Lake, keep_versions: int, older_than: dt.timedelta, grace: dt.timedelta) -> Sweep:
    """Retire superseded versions, then every file that no kept version names.

    A superseded version goes when it is not among the last ``keep_versions`` of its table, the present one included,
    was superseded longer than ``older_than`` ago, and is not the one that the published catalog shows. Files without
    a manifest are what killed writers left; they go once older than ``grace``. A reader that still holds an earlier
    catalog open finds its files as long as it reconnects within ``older_than``.

    Raises
    ------
    ValueError
        When ``keep_versions`` is less than 1.
    """
    if keep_versions < 1:
        raise ValueError(f"keep_versions counts the present version and is at least 1, found {keep_versions}")
    now = dt.datetime.now(dt.UTC)
    done = Sweep(0, 0, 0)
    with catalog.lock(lake):
        shown = catalog.published_versions(lake)
        for name in lake.tables():
            with lake.lock(name):
                retired = _retired_versions(lake, name, keep_versions, now - older_than, shown.get(name, set()))
                for version in retired:
                    lake.objects.remove(lake.kept_key(name, version))
                unnamed = _unnamed(lake, name, now - grace)
            done = Sweep(
                done.versions + len(retired),
                done.files + len(unnamed),
                done.size_bytes + sum(found.size_bytes for found in unnamed),
            )
        catalog.remove_unfinished(lake)
    return done


def _retired_versions(
    lake: Lake, table_name: str, keep_versions: int, superseded_before: dt.datetime, shown: set[int]
) -> list[int]:
    versions = lake.kept_versions(table_name)
    retired = []
    for version, next_version in itertools.pairwise(versions):
        superseded_at = lake.manifest(table_name, next_version).committed_at
        is_recent = version > versions[-1] - keep_versions
        if not is_recent and version not in shown and superseded_at is not None and superseded_at <= superseded_before:
            retired.append(version)
    return retired


def _unnamed(lake: Lake, table_name: str, written_before: dt.datetime) -> list[Found]:
    folder = lake.folder(table_name)
    named = {
        f"{folder}/{file}"
        for version in lake.kept_versions(table_name)
        for file in lake.manifest(table_name, version).files
    }
    removed = [
        found
        for found in lake.objects.found(folder)
        if found.key.endswith((".parquet", TEMPORARY_SUFFIX))
        and found.key not in named
        and found.modified_at <= written_before
    ]
    for found in removed:
        lake.objects.remove(found.key)
    return removed
