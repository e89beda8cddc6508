"""Writing a table: rows are cut into periods, each becomes one immutable file, one commit names them all."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import polars as pl

from gnosis.tables import Table
from resources.lake import parquet, versions
from resources.lake.errors import SessionMismatchError
from resources.lake.manifest import Entry, Manifest

if TYPE_CHECKING:
    from resources.lake.lake import Lake

PERIOD_FORMAT = {"day": "%Y-%m-%d", "month": "%Y-%m", "year": "%Y"}
ALL = "all"
WRITER_THREADS = 4


@dataclass(frozen=True)
class Commit:
    """What one write did.

    Attributes
    ----------
    table, version
        Table and its version after the write.
    files
        Files written, below the table's folder; one that was there already is not written again.
    rows, sessions, size_bytes
        Rows and sessions handed in, and bytes of the files written.
    changed
        False when the table held exactly these rows and sessions before: the version is then the old one.
    changes
        What the rows changed in sessions that were stored before, of a write that says when they were learnt.
    """

    table: str
    version: int
    files: tuple[str, ...]
    rows: int
    sessions: tuple[dt.date, ...]
    size_bytes: int
    changed: bool
    changes: versions.Changes = field(default_factory=versions.Changes)

    @property
    def restated_rows(self) -> int:
        """Stored rows that were replaced by other values or by none, and are kept as superseded versions."""
        return sum(self.changes.restated.values())


@dataclass(frozen=True)
class _Part:
    period: str
    rows: pl.DataFrame
    sessions: tuple[dt.date, ...]


def write(
    lake: Lake,
    table: Table,
    frame: pl.DataFrame,
    sessions: Sequence[dt.date] | None,
    run_id: str,
    learnt_at: versions.LearntAt | None = None,
    correction: versions.Correction | None = None,
) -> Commit:
    """Replace the rows of some sessions, or of the whole table; see :meth:`Lake.write`."""
    rows = parquet.require_schema(table, frame)
    days = _require_sessions(table, rows, sessions)
    schema_sha256 = parquet.schema_sha256(table.polars_schema)
    lake.claim_home()
    with lake.lock(table.name), ExitStack() as undo:
        before = lake.manifest(table.name)
        learnt = versions.Learnt(rows)
        if learnt_at is not None:
            learnt = versions.learn(lake, table, rows, days, learnt_at, correction)
            _write_superseded(lake, table, learnt.before, days, run_id)
            rows = learnt.rows
        added: list[str] = []
        undo.callback(_remove_unnamed, lake, table, added)

        def make(part: _Part) -> tuple[str, Entry, bool]:
            old = before.entries.get(part.period)
            whole = _with_other_sessions(lake, table, part, old)
            content = parquet.encode(table, whole.rows)
            new = _entry(whole, content, schema_sha256, run_id)
            is_written = _store(lake, f"{lake.folder(table.name)}/{new.file}", content, added)
            return part.period, old if old is not None and new.same_content(old) else new, is_written

        # Threads wait for the disk while others compress; which one writes a file has no say in its bytes.
        with ThreadPoolExecutor(WRITER_THREADS) as threads:
            made = list(threads.map(make, _parts(table, rows, days)))
        entries = {**before.entries, **{period: entry for period, entry, _ in made}}
        after = Manifest(table.name, before.version + 1, schema_sha256, dt.datetime.now(dt.UTC), entries)
        written = [entry for _, entry, is_written in made if is_written]
        is_changed = entries != before.entries
        if written or is_changed:
            lake.objects.settle(f"{lake.folder(table.name)}/{entry.file}" for _, entry, _ in made)
        if is_changed:
            lake.commit(before, after)
        undo.pop_all()
        _write_superseded(lake, table, learnt.after, days, run_id)
    return Commit(
        table=table.name,
        version=after.version if is_changed else before.version,
        files=tuple(entry.file for entry in written),
        rows=frame.height,
        sessions=days,
        size_bytes=sum(entry.size_bytes for entry in written),
        changed=is_changed,
        changes=learnt.changes,
    )


def _write_superseded(
    lake: Lake, table: Table, superseded: pl.DataFrame | None, days: Sequence[dt.date], run_id: str
) -> None:
    companion = versions.companion_of(lake, table)
    if superseded is not None and companion is not None:
        touched = {*superseded["session"], *lake.sessions(companion.name)} & set(days)
        write(lake, companion, superseded, sorted(touched), run_id)


def _require_sessions(table: Table, rows: pl.DataFrame, sessions: Sequence[dt.date] | None) -> tuple[dt.date, ...]:
    if table.period == ALL:
        if sessions is not None:
            raise SessionMismatchError(
                f"{table.name} is stored as one file and replaced as a whole: pass sessions=None"
            )
        return ()
    if sessions is None or any(type(session) is not dt.date for session in sessions):
        raise SessionMismatchError(
            f"{table.name} is stored by {table.period}: pass its sessions as dates, not {sessions}"
        )
    outside = rows.select("session").unique().filter(~pl.col("session").is_in(list(sessions)).fill_null(False))
    if outside.height:
        found = ", ".join(str(session) for session in outside["session"].sort().head(5))
        raise SessionMismatchError(
            f"{table.name}: rows of {outside.height} sessions that were not to be written, first of them {found}. "
            "Pass every session of the frame, or filter the frame"
        )
    return tuple(sorted(set(sessions)))


def _parts(table: Table, rows: pl.DataFrame, days: Sequence[dt.date]) -> Iterator[_Part]:
    if table.period == ALL:
        yield _Part(ALL, rows, ())
        return
    pattern = PERIOD_FORMAT[table.period]
    days_of: dict[str, list[dt.date]] = {}
    for day in days:
        days_of.setdefault(day.strftime(pattern), []).append(day)
    cut = rows.with_columns(pl.col("session").dt.strftime(pattern).alias("lake_period"))
    rows_of = cut.partition_by("lake_period", as_dict=True, include_key=False)
    for period, period_days in days_of.items():
        yield _Part(period, rows_of.get((period,), rows.clear()), tuple(period_days))


def _with_other_sessions(lake: Lake, table: Table, part: _Part, old: Entry | None) -> _Part:
    others = [] if old is None else sorted(set(old.sessions) - set(part.sessions))
    if old is None or not others:
        return part
    # The hash is compared first: a damaged file must not come back under a new, valid hash.
    content = lake.content(table.name, part.period, old)
    how = parquet.sources(table, part.period, old, pl.read_parquet_schema(content))
    stored = pl.read_parquet(content, hive_partitioning=False).select(parquet.present_columns(table, how))
    kept = stored.filter(pl.col("session").is_in(others))
    return replace(part, rows=pl.concat([kept, part.rows]), sessions=tuple(sorted({*others, *part.sessions})))


def _entry(part: _Part, content: bytes, schema_sha256: str, run_id: str) -> Entry:
    content_sha256 = parquet.sha256(content)
    known_at = part.rows["known_at"] if "known_at" in part.rows.columns else pl.Series(dtype=pl.Datetime("us", "UTC"))
    return Entry(
        file=f"{part.period}/{content_sha256}.parquet",
        rows=part.rows.height,
        size_bytes=len(content),
        sha256=content_sha256,
        schema_sha256=schema_sha256,
        run_id=run_id,
        sessions=part.sessions,
        known_at_min=known_at.min(),  # type: ignore[arg-type]
        known_at_max=known_at.max(),  # type: ignore[arg-type]
    )


def _store(lake: Lake, key: str, content: bytes, added: list[str]) -> bool:
    if lake.objects.exists(key):
        if lake.objects.read(key) == content:
            return False
    else:
        added.append(key)
    lake.objects.write(key, content)
    return True


def _remove_unnamed(lake: Lake, table: Table, added: Sequence[str]) -> None:
    # An interrupt may strike right after the commit: what the manifest names by now has to stay.
    named = {f"{lake.folder(table.name)}/{file}" for file in lake.manifest(table.name).files}
    for key in added:
        if key not in named:
            lake.objects.remove(key)
