"""Versions of restated rows: what a row said before it was learnt to be otherwise is kept, and found again by instant.

A raw table holds the present rows. Beside it ``superseded.raw_<table>`` holds each earlier version of a row whole, with
the instant at which another one was learnt, or at which the row was gone.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from gnosis.tables import Table
from resources.lake import parquet
from resources.lake.errors import CorruptFileError, LakeError, MigrationNeededError

if TYPE_CHECKING:
    from resources.lake.lake import Lake

UNREADABLE = (CorruptFileError, MigrationNeededError)
NOT_PAYLOAD = ("known_at", "provider")
"""Columns that may differ although a row says the same: who delivered it, and when that counts as known."""


@dataclass(frozen=True)
class Learnt:
    """What storing newly delivered rows of some sessions means.

    Attributes
    ----------
    rows
        Rows to store in the table.
    superseded
        All rows of these sessions to store in its companion; None when nothing changes there.
    restated_rows
        Stored rows that are replaced by other values or by none.
    """

    rows: pl.DataFrame
    superseded: pl.DataFrame | None = None
    restated_rows: int = 0


def companion_of(lake: Lake, table: Table) -> Table | None:
    """Return the table of the superseded versions of ``table``; None for a table that is not versioned."""
    return lake.dictionary.get(f"superseded.{table.room}_{table.short_name}")


def learn(
    lake: Lake,
    table: Table,
    rows: pl.DataFrame,
    sessions: Sequence[dt.date],
    learnt_at: dt.datetime,
    *,
    corrects_history: bool,
) -> Learnt:
    """Compare rows of ``sessions`` learnt at an instant with those stored, which become superseded versions.

    A row that says the same stays as it is stored. One that says something else, or is back after it was gone, is
    known from ``learnt_at`` on; one that was never stored keeps its own ``known_at``, and so does every row when
    history is corrected. What is stored and cannot be read leaves no version behind.

    Raises
    ------
    CorruptFileError, MigrationNeededError
        When versions kept before cannot be read, unless history is corrected.
    """
    companion = companion_of(lake, table)
    if companion is None:
        return Learnt(rows)
    stored, unread = _stored(lake, table, sessions, UNREADABLE)
    versions, _ = _stored(lake, companion, sessions, UNREADABLE if corrects_history else ())
    if stored.is_empty() and versions.is_empty():
        return Learnt(rows)
    kept_before = _without_leftovers(table, versions, stored)
    told = [name for name in table.polars_schema if name not in NOT_PAYLOAD or name in table.key]
    if corrects_history:
        gone = stored.join(rows, on=[*dict.fromkeys([*told, "known_at"])], how="anti", nulls_equal=True)
        kept_before = kept_before.with_columns(is_corrected=pl.lit(True))
        present = rows
    else:
        gone = stored.join(rows, on=told, how="anti", nulls_equal=True)
        same = stored.join(rows, on=told, how="semi", nulls_equal=True)
        others = rows.join(same, on=table.key, how="anti")
        present = pl.concat([same, _known_since(table, others, gone, kept_before, learnt_at, unread)])
    ended = gone.with_columns(
        superseded_at=pl.lit(learnt_at, pl.Datetime("us", "UTC")), is_corrected=pl.lit(corrects_history)
    )
    superseded = pl.concat([kept_before, ended.select(list(companion.polars_schema))])
    is_changed = not superseded.sort(companion.key).equals(versions.sort(companion.key))
    return Learnt(present, superseded if is_changed else None, gone.height)


def current(table: Table, rows: pl.LazyFrame, superseded: pl.LazyFrame) -> pl.LazyFrame:
    """Return the rows as they were at the instants given with their versions, sorted by key.

    Parameters
    ----------
    rows
        Present rows of ``table``.
    superseded
        Earlier versions in the table's columns, with ``superseded_at`` and the instant ``at`` asked for; null asks for
        the present row.

    Returns
    -------
    pl.LazyFrame
        At most one row per key, with ``first_known_at`` of its earliest version; null for a row without versions. Rows
        without versions are there whenever they became known.
    """
    key = table.key
    versions = superseded.with_columns(first_known_at=pl.col("known_at").min().over(key))
    is_later = pl.col("superseded_at") > pl.col("at")
    then = versions.filter(is_later).sort("superseded_at").unique(key, keep="first", maintain_order=True)
    restated = versions.group_by(key).agg(
        pl.col("at", "first_known_at").first(), is_later.any().alias("was_another_version")
    )
    is_present = ~pl.col("was_another_version") & (pl.col("known_at") <= pl.col("at")).fill_null(True)
    present = rows.join(restated, on=key, how="left").filter(is_present.fill_null(True))
    columns = [*table.polars_schema, "first_known_at"]
    return pl.concat([present.select(columns), then.select(columns)]).sort(key)


def _stored(
    lake: Lake, table: Table, sessions: Collection[dt.date], forgiven: tuple[type[LakeError], ...]
) -> tuple[pl.DataFrame, list[dt.date]]:
    """Return the stored rows of the sessions, and those of the sessions whose file cannot be read."""
    parts, unread = [table.empty()], []
    for period, entry in sorted(lake.manifest(table.name).entries.items()):
        if not (touched := sorted(set(entry.sessions) & set(sessions))):
            continue
        try:
            content = lake.content(table.name, period, entry)
            how = parquet.sources(table, period, entry, pl.read_parquet_schema(content))
        except forgiven:
            unread += touched
            continue
        rows = pl.read_parquet(content, hive_partitioning=False).select(parquet.present_columns(table, how))
        parts.append(rows.filter(pl.col("session").is_in(touched)))
    return pl.concat(parts), unread


def _without_leftovers(table: Table, versions: pl.DataFrame, stored: pl.DataFrame) -> pl.DataFrame:
    """Leave out the last version of each row that is stored as it was: a write killed before its end put it there."""
    identity = [*table.key, "superseded_at"]
    last = versions.group_by(table.key).agg(pl.col("superseded_at").max())
    leftovers = versions.join(last, on=identity, how="semi")
    leftovers = leftovers.join(stored, on=list(table.polars_schema), how="semi", nulls_equal=True)
    return versions.join(leftovers, on=identity, how="anti")


def _known_since(
    table: Table,
    rows: pl.DataFrame,
    gone: pl.DataFrame,
    versions: pl.DataFrame,
    learnt_at: dt.datetime,
    unread: list[dt.date],
) -> pl.DataFrame:
    """Return the rows with ``known_at`` moved to when they were learnt, where another version was known before."""
    if "known_at" in table.key:
        return rows
    now = pl.lit(learnt_at, pl.Datetime("us", "UTC"))
    ended = versions.filter(~pl.col("is_corrected")).group_by(table.key).agg(since=pl.col("superseded_at").max())
    # Of a row whose file is damaged its last version tells since when it holds.
    ended = ended.with_columns(since=pl.when(pl.col("session").is_in(unread)).then("since").otherwise(now))
    changed = gone.select(*table.key, since=now)
    moved = rows.join(pl.concat([changed, ended.join(changed, on=table.key, how="anti")]), on=table.key, how="left")
    return moved.with_columns(known_at=pl.max_horizontal("known_at", "since")).drop("since")
