"""Versions of restated rows: what a row said before it was learnt to be otherwise is kept, and found again by instant.

A raw table holds the present rows. Beside it ``superseded.raw_<table>`` holds each earlier version of a row whole, with
the instant at which another one was learnt, or at which the row was gone.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
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
UTC_US = pl.Datetime("us", "UTC")
MICROSECOND = dt.timedelta(microseconds=1)

LearntAt = dt.datetime | Callable[[], dt.datetime]


@dataclass(frozen=True)
class Correction:
    """Rows that come with other values say what should have been known all along.

    Attributes
    ----------
    also_learnt_at
        Instant at which restatements were learnt before: they are corrections too.
    """

    also_learnt_at: dt.datetime | None = None

    @classmethod
    def asked_of(cls, table: str, demands: Iterable[str]) -> Correction | None:
        """Return the correction of a table among demands ``TABLE`` or ``TABLE@INSTANT``; None when it is in none.

        Examples
        --------
        >>> demands = ["raw.posts", "raw.equity_bars@2026-11-23T21:02:03.000004+00:00"]
        >>> Correction.asked_of("raw.posts", demands), Correction.asked_of("raw.news", demands)
        (Correction(also_learnt_at=None), None)
        >>> Correction.asked_of("raw.equity_bars", demands).also_learnt_at.isoformat()
        '2026-11-23T21:02:03.000004+00:00'
        """
        for demand in demands:
            name, _, learnt_at = demand.partition("@")
            if name == table:
                return cls(dt.datetime.fromisoformat(learnt_at) if learnt_at else None)
        return None


@dataclass(frozen=True)
class Changes:
    """What newly delivered rows changed in sessions that were stored before.

    Attributes
    ----------
    learnt_at
        Instant from which changed rows count as known; None when nothing was compared.
    restated
        Rows by session that say something else than before, are gone, or are corrected.
    added
        Rows by session that were never stored before and keep their own ``known_at``.
    unread
        Sessions whose stored rows cannot be read, so that no version of them was kept.
    """

    learnt_at: dt.datetime | None = None
    restated: Mapping[dt.date, int] = field(default_factory=dict)
    added: Mapping[dt.date, int] = field(default_factory=dict)
    unread: tuple[dt.date, ...] = ()


@dataclass(frozen=True)
class Learnt:
    """What storing newly delivered rows of some sessions means.

    Attributes
    ----------
    rows
        Rows to store in the table.
    before, after
        All rows of these sessions to store in its companion before and after the table is written; None when nothing
        changes there. A write killed in between has lost no version.
    changes
        What to tell of it.
    """

    rows: pl.DataFrame
    before: pl.DataFrame | None = None
    after: pl.DataFrame | None = None
    changes: Changes = field(default_factory=Changes)


def companion_of(lake: Lake, table: Table) -> Table | None:
    """Return the table of the superseded versions of ``table``; None for a table that is not versioned."""
    return lake.dictionary.get(f"superseded.{table.room}_{table.short_name}")


def learn(
    lake: Lake,
    table: Table,
    rows: pl.DataFrame,
    sessions: Sequence[dt.date],
    learnt_at: LearntAt,
    correction: Correction | None = None,
) -> Learnt:
    """Compare rows of ``sessions`` with those stored, which become superseded versions. The caller holds the lock.

    A row that says the same stays as it is stored. One that says something else, or is back after it was gone, is
    known from ``learnt_at`` on, or from a microsecond after whatever is kept of it when a clock was set back. One that
    was never stored keeps its own ``known_at``, and so does every row that is corrected. What is stored and cannot be
    read leaves no version behind.

    Raises
    ------
    CorruptFileError, MigrationNeededError
        When versions kept before cannot be read, unless history is corrected.
    """
    companion = companion_of(lake, table)
    if companion is None:
        return Learnt(rows)
    stored, unread = _stored(lake, table, sessions, UNREADABLE)
    versions, given_up = _stored(lake, companion, sessions, UNREADABLE if correction else ())
    stored_before = set(lake.sessions(table.name)) & set(sessions)
    if not stored_before and versions.is_empty() and not given_up:
        return Learnt(rows)
    kept = _with_finished_corrections(table, _without_leftovers(table, versions, stored))
    told = [name for name in table.polars_schema if name not in NOT_PAYLOAD or name in table.key]
    gone = stored.join(rows, on=told, how="anti", nulls_equal=True)
    same = stored.join(rows, on=told, how="semi", nulls_equal=True)
    others = rows.join(same, on=table.key, how="anti")
    keys = pl.concat([gone.select(table.key), others.select(table.key)])
    if correction:
        keys = pl.concat([keys, _also_corrected(table, kept, rows, correction, given_up)])
    keys = keys.unique()
    now = _after_all(table, keys, stored, kept, learnt_at() if callable(learnt_at) else learnt_at)
    if correction is None:
        present = pl.concat([same, _known_since(table, others, gone, kept, now, unread)])
        kept = pl.concat([kept, _ended_again(table, others, gone, kept).with_columns(superseded_at=_instant(now))])
        marked = kept
    else:
        present = pl.concat([same.join(keys, on=table.key, how="anti"), rows.join(keys, on=table.key, how="semi")])
        gone = stored.join(present, on=[*dict.fromkeys([*told, "known_at"])], how="anti", nulls_equal=True)
        of_keys = kept.join(keys, on=table.key, how="semi").with_columns(is_corrected=pl.lit(True))
        marked = pl.concat([kept.join(keys, on=table.key, how="anti"), of_keys])
    ended = gone.with_columns(superseded_at=_instant(now), is_corrected=pl.lit(correction is not None))
    before, after = (pl.concat([some, ended.select(list(companion.polars_schema))]) for some in (kept, marked))
    known = pl.concat([stored.select(table.key), kept.select(table.key)])
    news = others.join(known, on=table.key, how="anti")
    marked = marked.filter("is_corrected").join(kept.filter("is_corrected"), on=companion.key, how="anti")
    restated = pl.concat([gone.select(table.key), marked.select(table.key)]).unique()
    return Learnt(
        present,
        None if _same(companion, before, versions) and not given_up else before,
        None if _same(companion, after, before) else after,
        Changes(
            now,
            _by_session(restated),
            _by_session(news.filter(pl.col("session").is_in(sorted(stored_before - {*unread})))),
            tuple(sorted(unread)),
        ),
    )


def _also_corrected(
    table: Table, versions: pl.DataFrame, rows: pl.DataFrame, correction: Correction, given_up: Sequence[dt.date]
) -> pl.DataFrame:
    """Return the keys restated at the instant that is corrected too, and those whose versions cannot be read."""
    last = _last(table, versions.filter(~pl.col("is_corrected")))
    late = last.filter(pl.col("superseded_at") == _instant(correction.also_learnt_at))
    return pl.concat([late.select(table.key), rows.filter(pl.col("session").is_in(given_up)).select(table.key)])


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


def _last(table: Table, versions: pl.DataFrame) -> pl.DataFrame:
    """Return the last version of each key."""
    return versions.sort("superseded_at").unique(table.key, keep="last", maintain_order=True)


def _without_leftovers(table: Table, versions: pl.DataFrame, stored: pl.DataFrame) -> pl.DataFrame:
    """Leave out the last version of each row that is stored as it was: a write killed before its end put it there."""
    leftovers = _last(table, versions).join(stored, on=list(table.polars_schema), how="semi", nulls_equal=True)
    return versions.join(leftovers, on=[*table.key, "superseded_at"], how="anti")


def _with_finished_corrections(table: Table, versions: pl.DataFrame) -> pl.DataFrame:
    """Mark the versions before a corrected one of the same row: a correction killed before its end did not."""
    corrected_at = pl.col("superseded_at").filter(pl.col("is_corrected")).max().over(table.key)
    return versions.with_columns(is_corrected=(pl.col("superseded_at") <= corrected_at).fill_null(False))


def _after_all(
    table: Table, keys: pl.DataFrame, stored: pl.DataFrame, versions: pl.DataFrame, now: dt.datetime
) -> dt.datetime:
    """Return an instant after everything that is kept of these keys: ``now`` unless a clock was set back."""
    instants = pl.concat(
        [
            stored.join(keys, on=table.key, how="semi")["known_at"],
            *versions.join(keys, on=table.key, how="semi").select("known_at", "superseded_at"),
        ]
    )
    last = instants.max()
    return max(now, last + MICROSECOND) if isinstance(last, dt.datetime) else now


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
    now = _instant(learnt_at)
    ended = versions.filter(~pl.col("is_corrected")).group_by(table.key).agg(since=pl.col("superseded_at").max())
    # Of a row whose file is damaged its last version tells since when it holds.
    ended = ended.with_columns(since=pl.when(pl.col("session").is_in(unread)).then("since").otherwise(now))
    changed = gone.select(*table.key, since=now)
    moved = rows.join(pl.concat([changed, ended.join(changed, on=table.key, how="anti")]), on=table.key, how="left")
    return moved.with_columns(known_at=pl.max_horizontal("known_at", "since")).drop("since")


def _ended_again(table: Table, rows: pl.DataFrame, gone: pl.DataFrame, versions: pl.DataFrame) -> pl.DataFrame:
    """Return the last version of each row that is back with other values and whose ``known_at`` cannot say since when.

    It stands for the row while that was gone, so that the new values are not read before they were learnt.
    """
    if "known_at" not in table.key:
        return versions.clear()
    back = rows.join(gone, on=table.key, how="anti")
    last = _last(table, versions.filter(~pl.col("is_corrected"))).join(back, on=table.key, how="semi")
    told = [name for name in table.polars_schema if name not in NOT_PAYLOAD or name in table.key]
    return last.join(back, on=told, how="anti", nulls_equal=True)


def _by_session(rows: pl.DataFrame) -> dict[dt.date, int]:
    return dict(rows.group_by("session").len().sort("session").rows())


def _same(table: Table, some: pl.DataFrame, others: pl.DataFrame) -> bool:
    return some.sort(table.key).equals(others.sort(table.key))


def _instant(moment: dt.datetime | None) -> pl.Expr:
    return pl.lit(moment, UTC_US)
