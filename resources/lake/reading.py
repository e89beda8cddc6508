"""Reading a table: the files of one manifest, cut down to the periods and rows that were asked for."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import polars as pl

from gnosis.sessions import schedule
from gnosis.tables import Table
from resources.lake import parquet, versions
from resources.lake.manifest import Entry
from resources.lake.writing import ALL, PERIOD_FORMAT

if TYPE_CHECKING:
    from resources.lake.lake import Lake

NightOf = dt.date | Literal["each"]


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
    if as_of is not None and (as_of.tzinfo is None or night_of is not None):
        raise ValueError(
            f"as_of is an instant with a time zone and asked for alone, found {as_of!r} and night_of {night_of!r}; "
            "pass datetime(..., tzinfo=UTC)"
        )
    conditions = _conditions(table, first, last, symbols)
    rows = _scan_files(lake, table, _entries(lake, table, first, last, version)).filter(*conditions)
    superseded = None if as_of is None and night_of is None else _superseded(lake, table, first, last)
    if as_of is not None:
        return _known(table, rows, as_of, None if superseded is None else superseded.filter(*conditions))
    if superseded is None:
        return rows
    at = superseded.filter(*conditions).join(_ends_of_nights(night_of), on="session", how="left")
    first_known = pl.coalesce("first_known_at", "known_at").alias("known_at")
    return versions.current(table, rows, at).with_columns(first_known).drop("first_known_at")


def restatements(lake: Lake, table: Table, last: dt.date | None) -> pl.DataFrame:
    """Return session and instant of the restated rows of a table; see :meth:`Lake.restatements`."""
    superseded = _superseded(lake, table, None, last)
    columns = ["session", "superseded_at"]
    if superseded is None:
        return pl.DataFrame(schema=pl.Schema({"session": pl.Date(), "superseded_at": pl.Datetime("us", "UTC")}))
    rows = superseded if last is None else superseded.filter(pl.col("session") <= last)
    return rows.select(columns).unique().sort(columns).collect()


def _known(table: Table, rows: pl.LazyFrame, as_of: dt.datetime, superseded: pl.LazyFrame | None) -> pl.LazyFrame:
    if "known_at" not in table.polars_schema:
        raise ValueError(f"{table.name} has no column known_at: it cannot be filtered by as_of")
    if superseded is not None:
        at = pl.lit(as_of).cast(pl.Datetime("us", "UTC"))
        rows = versions.current(table, rows, superseded.with_columns(at=at)).drop("first_known_at")
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


def _ends_of_nights(night_of: NightOf | None) -> pl.LazyFrame:
    """Return each session with the instant ``at`` which the night that reads it has ended: an open after its last."""
    calendar = schedule().lazy().select("session", at=pl.col("open_at").shift(-1))
    if night_of == "each":
        return calendar
    return calendar.with_columns(pl.col("at").filter(pl.col("session") == night_of).first())


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
