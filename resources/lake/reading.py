"""Reading a table: the files of one manifest, cut down to the periods and rows that were asked for."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import polars as pl

from gnosis.sessions import require_session, schedule
from gnosis.tables import Table
from resources.lake import parquet, versions
from resources.lake.manifest import Entry
from resources.lake.writing import ALL, PERIOD_FORMAT

if TYPE_CHECKING:
    from resources.lake.lake import Lake

NightOf = dt.date | Literal["newest"]


def scan(
    lake: Lake,
    table_name: str,
    first: dt.date | None,
    last: dt.date | None,
    symbols: Sequence[str] | None,
    version: int | None,
    as_of: dt.datetime | None,
    night_of: NightOf | None,
) -> pl.LazyFrame:
    """Return all columns of the rows that meet the filters; see :meth:`Lake.scan`."""
    table = lake.table(table_name)
    if as_of is not None and as_of.tzinfo is None:
        raise ValueError(f"as_of is an instant with a time zone, found {as_of!r}; pass datetime(..., tzinfo=UTC)")
    asked = {"version": version, "as_of": as_of, "night_of": night_of}
    if len(given := [f"{name} {value!r}" for name, value in asked.items() if value is not None]) > 1:
        raise ValueError(f"expected one of version, as_of and night_of, found {' and '.join(given)}; ask for one")
    conditions = _conditions(table, first, last, symbols)
    rows = _scan_files(lake, table, _entries(lake, table, first, last, version)).filter(*conditions)
    superseded = None if as_of is None and night_of is None else _superseded(lake, table, first, last)
    if as_of is not None:
        return _known(table, rows, as_of, None if superseded is None else superseded.filter(*conditions))
    if superseded is None or night_of is None:
        return rows
    at = None if night_of == "newest" else _decision_time(night_of)
    first_known = pl.coalesce("first_known_at", "known_at").alias("known_at")
    return current(table, rows, superseded.filter(*conditions), at).with_columns(first_known).drop("first_known_at")


def restatements(lake: Lake, table: Table, last: dt.date | None) -> pl.DataFrame:
    """Return sessions and instants of the restated rows of a table; see :meth:`Lake.restatements`."""
    superseded, key = _superseded(lake, table, None, last), table.key
    if superseded is None:
        return pl.DataFrame(schema=pl.Schema({"session": pl.Date(), "learnt_at": pl.Datetime("us", "UTC")}))
    companion = lake.table(f"superseded.{table.room}_{table.short_name}")
    periods = _entries(lake, companion, None, last, None)
    entries = _entries(lake, table, None, last, None)
    present = _scan_files(lake, table, {period: entries[period] for period in entries if period in periods})
    columns = [*dict.fromkeys([*key, "known_at"])]
    versions = pl.concat([superseded.select(columns), present.select(columns).join(superseded, on=key, how="semi")])
    # A row that is back is known since an instant at which no other version ended.
    later = versions.filter(pl.col("known_at") > pl.col("known_at").min().over(key))
    turns = [superseded.select("session", learnt_at="superseded_at"), later.select("session", learnt_at="known_at")]
    rows = pl.concat(turns) if last is None else pl.concat(turns).filter(pl.col("session") <= last)
    return rows.unique().sort("session", "learnt_at").collect()


def _known(table: Table, rows: pl.LazyFrame, as_of: dt.datetime, superseded: pl.LazyFrame | None) -> pl.LazyFrame:
    if "known_at" not in table.polars_schema:
        raise ValueError(f"{table.name} has no column known_at: it cannot be filtered by as_of")
    if superseded is not None:
        rows = current(table, rows, superseded, as_of).drop("first_known_at")
    known, subject = rows.filter(pl.col("known_at") <= as_of), vintage_subject(table)
    if not subject:
        return known
    return known.sort("known_at", "session").unique(subject, keep="last", maintain_order=True)


def _superseded(lake: Lake, table: Table, first: dt.date | None, last: dt.date | None) -> pl.LazyFrame | None:
    """Return the versions that count, of the periods asked for; None when there are none, so that nothing is slower."""
    companion = versions.companion_of(lake, table)
    if companion is None or not (entries := _entries(lake, companion, first, last, None)):
        return None
    return _scan_files(lake, companion, entries).filter(~pl.col("is_corrected"))


def current(table: Table, rows: pl.LazyFrame, superseded: pl.LazyFrame, at: dt.datetime | None) -> pl.LazyFrame:
    """Return the rows as they were at an instant.

    Parameters
    ----------
    rows
        Present rows of ``table``.
    superseded
        Earlier versions in the table's columns, with ``superseded_at``.
    at
        Instant; None asks for the present rows.

    Returns
    -------
    pl.LazyFrame
        At most one row per key, with ``first_known_at`` of its earliest version; null for a row without versions. Of a
        row that first became known after the instant its earliest version is there, and rows without versions always
        are.
    """
    key, columns = table.key, [*table.polars_schema, "first_known_at"]
    if at is None:
        first_known = superseded.group_by(key).agg(first_known_at=pl.col("known_at").min())
        return rows.join(first_known, on=key, how="left").select(columns)
    instant = pl.lit(at).cast(pl.Datetime("us", "UTC"))
    versions = superseded.with_columns(first_known_at=pl.col("known_at").min().over(key))
    is_later = pl.col("superseded_at") > instant
    then = versions.filter(is_later).sort("superseded_at").unique(key, keep="first", maintain_order=True)
    # A row that was gone at the instant and came back afterwards is not there.
    then = then.filter((pl.col("known_at") <= instant) | (pl.col("first_known_at") > instant))
    restated = versions.group_by(key).agg(pl.col("first_known_at").first(), is_later.any().alias("was_another_version"))
    is_present = ~pl.col("was_another_version") & (pl.col("known_at") <= instant)
    present = rows.join(restated, on=key, how="left").filter(pl.col("was_another_version").is_null() | is_present)
    return pl.concat([present.select(columns), then.select(columns)])


def _decision_time(session: dt.date) -> dt.datetime:
    """Return when the night of a session decides: with its chain, 15 minutes before the close."""
    require_session(session)
    instant: dt.datetime = schedule().filter(pl.col("session") == session)["chain_at"].item()
    return instant


def vintage_subject(table: Table) -> list[str]:
    """Return the columns that say what a value is about in a table that keeps its vintages; none elsewhere.

    Examples
    --------
    >>> from gnosis.tables import TABLES
    >>> vintage_subject(TABLES["raw.macro"]), vintage_subject(TABLES["raw.equity_bars"])
    (['series_id', 'ref_date'], [])
    """
    if "known_at" not in table.key:
        return []
    return [name for name in table.key if name not in ("session", "known_at")]


def stored_schema(lake: Lake, table: Table, entry: Entry) -> pl.Schema:
    """Return the columns that a period's file was written with."""
    return pl.Schema(pl.read_parquet_schema(lake.objects.scannable(f"{lake.folder(table.name)}/{entry.file}")))


def by_schema(entries: Mapping[str, Entry]) -> list[dict[str, Entry]]:
    """Return the periods grouped by the schema they were written with."""
    groups: dict[str, dict[str, Entry]] = {}
    for period, entry in entries.items():
        groups.setdefault(entry.schema_sha256, {})[period] = entry
    return list(groups.values())


def _meets(table: Table, period: str, first: dt.date | None, last: dt.date | None) -> bool:
    if table.period == ALL:
        return True
    pattern = PERIOD_FORMAT[table.period]
    is_after = first is None or period >= first.strftime(pattern)
    return is_after and (last is None or period <= last.strftime(pattern))


def _entries(
    lake: Lake, table: Table, first: dt.date | None, last: dt.date | None, version: int | None
) -> dict[str, Entry]:
    entries = lake.manifest(table.name, version).entries
    return {period: entries[period] for period in sorted(entries) if _meets(table, period, first, last)}


def _conditions(
    table: Table, first: dt.date | None, last: dt.date | None, symbols: Sequence[str] | None
) -> list[pl.Expr]:
    asked: list[tuple[str, str, pl.Expr]] = []
    if first is not None:
        asked.append(("first", "session", pl.col("session") >= first))
    if last is not None:
        asked.append(("last", "session", pl.col("session") <= last))
    if symbols is not None:
        asked.append(("symbols", "symbol", pl.col("symbol").is_in(list(symbols))))
    for name, column, _ in asked:
        if column not in table.polars_schema:
            raise ValueError(f"{table.name} has no column {column}: it cannot be filtered by {name}")
    return [condition for *_, condition in asked]


def _scan_files(lake: Lake, table: Table, entries: Mapping[str, Entry]) -> pl.LazyFrame:
    present_sha256 = parquet.schema_sha256(table.polars_schema)
    scans = []
    for group in by_schema(entries):
        period, entry = next(iter(group.items()))
        is_present = entry.schema_sha256 == present_sha256
        schema = table.polars_schema if is_present else stored_schema(lake, table, entry)
        files = [lake.objects.scannable(f"{lake.folder(table.name)}/{entry.file}") for entry in group.values()]
        rows = pl.scan_parquet(
            files,  # type: ignore[arg-type]
            schema=schema,
            glob=False,
            hive_partitioning=False,
        )
        how = parquet.sources(table, period, entry, schema)
        scans.append(rows if is_present else rows.select(parquet.present_columns(table, how)))
    return pl.concat(scans) if scans else table.empty().lazy()
