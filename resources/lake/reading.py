"""Reading a table: the files of one manifest, cut down to the periods and rows that were asked for."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import polars as pl

from gnosis.tables import Table
from resources.lake import parquet
from resources.lake.manifest import Entry
from resources.lake.writing import ALL, PERIOD_FORMAT

if TYPE_CHECKING:
    from resources.lake.lake import Lake


def scan(
    lake: Lake,
    table_name: str,
    first: dt.date | None,
    last: dt.date | None,
    symbols: Sequence[str] | None,
    version: int | None,
    as_of: dt.datetime | None,
) -> pl.LazyFrame:
    """Return all columns of the rows that meet the filters; see :meth:`Lake.scan`."""
    table = lake.table(table_name)
    conditions = _conditions(table, first, last, symbols, as_of)
    entries = lake.manifest(table_name, version).entries
    chosen = {period: entries[period] for period in sorted(entries) if _meets(table, period, first, last)}
    rows = _scan_files(lake, table, chosen).filter(*conditions)
    subject = vintage_subject(table)
    if as_of is None or not subject:
        return rows
    return rows.sort("known_at", "session").unique(subject, keep="last", maintain_order=True)


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


def _conditions(
    table: Table,
    first: dt.date | None,
    last: dt.date | None,
    symbols: Sequence[str] | None,
    as_of: dt.datetime | None,
) -> list[pl.Expr]:
    if as_of is not None and as_of.tzinfo is None:
        raise ValueError(f"as_of is an instant and needs a time zone, found {as_of!r}; pass datetime(..., tzinfo=UTC)")
    asked: list[tuple[str, str, pl.Expr]] = []
    if first is not None:
        asked.append(("first", "session", pl.col("session") >= first))
    if last is not None:
        asked.append(("last", "session", pl.col("session") <= last))
    if symbols is not None:
        asked.append(("symbols", "symbol", pl.col("symbol").is_in(list(symbols))))
    if as_of is not None:
        asked.append(("as_of", "known_at", pl.col("known_at") <= as_of))
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
