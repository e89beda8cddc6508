"""What is published once: which rows of a night are stored already, and which sessions are still to make."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import dagster as dg
import polars as pl

from resources.lake.errors import CorruptFileError, LakeError, MigrationNeededError

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from assets.night import Night


def published(
    night: Night, names: Sequence[str], *, may_lose: bool
) -> tuple[dict[str, pl.DataFrame], tuple[dt.date, ...]]:
    """Return the stored rows of the sessions to make, by table, and the sessions of which the first table has none.

    Tables that are made together are published together: of a session to make anew no row of another is kept. What
    cannot be read is an error, or counts as not stored when it ``may_lose``: month by month, so that one damaged file
    takes no readable row with it.
    """
    stored = set(night.lake.sessions(names[0]))
    months = [list(days) for _, days in itertools.groupby(night.sessions, key=lambda day: (day.year, day.month))]
    kept: dict[str, list[pl.DataFrame]] = {name: [night.lake.table(name).empty()] for name in names}
    for name in names:
        for days in months if may_lose else [list(night.sessions)]:
            try:
                kept[name].append(night.only(night.lake.read(name, first=days[0], last=days[-1])))
            except (CorruptFileError, MigrationNeededError) as error:
                if not may_lose:
                    raise dg.Failure(f"{name}: {error}", allow_retries=False) from error
                night.warn(f"{name}: {error}; made anew, as this run was asked to")
                stored -= set(days)
            except LakeError as error:
                raise dg.Failure(f"{name}: {error}", allow_retries=False) from error
    todo = tuple(session for session in night.sessions if session not in stored)
    is_kept = ~pl.col("session").is_in(todo)
    return {name: pl.concat(parts).filter(is_kept) for name, parts in kept.items()}, todo
