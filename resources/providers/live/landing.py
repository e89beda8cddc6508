"""Where answers land as they come, so that a fetch that was killed goes on where it stopped.

Each answer is one part (:mod:`resources.providers.live.parts`). A damaged one is set aside and asked for again. Two
processes may land at once: of two parts for one cell (a symbol in a session) the first counts, unless a later one was
put with ``again``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl

from gnosis.tables import TABLES
from resources.lake.parquet import schema_sha256, sha256
from resources.providers.live import parts
from resources.providers.live.cells import CELLS, NO_SYMBOL, cells_of, sides
from resources.providers.live.notes import Notes
from resources.providers.live.parts import Part
from resources.providers.live.price_check import unverified
from resources.providers.live.quality import EVENTS_TABLE, merged, no_events
from resources.providers.protocol import REJECTED_SCHEMA, Source, conform
from resources.providers.rejections import no_rejections


@dataclass(frozen=True)
class Landed:
    """What is there of the cells asked for.

    Attributes
    ----------
    cells
        ``symbol``, ``session`` of what was answered, with rows or with a proper none.
    sources
        Records of the raw material; the bytes are in the archive.
    """

    cells: pl.DataFrame
    frame: pl.DataFrame
    rejected: pl.DataFrame
    events: pl.DataFrame
    sources: tuple[Source, ...]


class Landing:
    """The parts below one folder; see the module."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._notes = Notes(folder / "notes")
        self._unsettled: list[Path] = []

    def put(
        self,
        table: str,
        cells: pl.DataFrame,
        frame: pl.DataFrame,
        *,
        rejected: pl.DataFrame,
        events: pl.DataFrame,
        sources: Sequence[Source],
        service: str,
        received_at: dt.datetime,
        alone: str | None = None,
        again: bool = False,
    ) -> Path:
        """Land one answer and return the path of its record.

        It survives a killed process at once, and a power cut after :meth:`settle`; before that a cut may cost it.

        Parameters
        ----------
        cells
            ``symbol``, ``session`` that are answered by it, at least one, each once; those without rows had none.
        frame
            Rows of the table with its columns, of these cells only.
        alone
            Why no other service confirmed the prices, None when one did or none was to: :meth:`read` gives the event
            of each row.
        again
            True to go before what had landed for these cells.
        """
        symbols, days = sides(cells)
        said = {
            "again": again,
            "alone": alone,
            "cells": _grouped(cells, symbols, days),
            "received_at": received_at.astimezone(dt.UTC).isoformat(),
            "form": _form(table),
            "service": service,
            "sources": sorted(map(_told, sources), key=lambda told: (told["sha256"], told["url_or_path"])),
        }
        rows = frame.sort(TABLES[table].key, maintain_order=True)
        frames = {"rows": rows, "rejected": rejected, "events": events}
        path = parts.write_part(self.folder / table, frames, said, received_at, (days[0], days[-1]))
        self._unsettled.append(path)
        return path

    def settle(self) -> None:
        """Force what was put to the disk."""
        parts.settle(self._unsettled)
        self._unsettled.clear()

    def covered(self, table: str, sessions: Sequence[dt.date] | None = None) -> pl.DataFrame:
        """Return the cells that have landed, ``symbol`` and ``session``, sorted; of some sessions or of all.

        Records are checked here, rows when they are read.
        """
        found = _cells(self._records(table, sessions))
        if sessions is not None:
            found = found.filter(pl.col("session").is_in(list(sessions)))
        return found.select(list(CELLS)).unique().sort("symbol", "session")

    def read(self, table: str, symbols: Sequence[str], sessions: Sequence[dt.date]) -> Landed:
        """Return what has landed of ``symbols`` x ``sessions``; symbol ``""`` for tables without symbols."""
        while True:
            records = self._records(table, sessions)
            known = _cells(records, symbols).filter(pl.col("session").is_in(list(sessions)))
            cells = _first_or_again(known)
            numbers = cells["part"].unique().sort().to_list()
            frames = {number: parts.read_frames(records[number]) for number in numbers}
            whole = {number: content for number, content in frames.items() if content is not None}
            # Where one was damaged, another part may count.
            if len(whole) == len(numbers):
                break
        rows = _rows(table, cells, whole)
        return Landed(
            cells.select(list(CELLS)).sort("symbol", "session"),
            conform(rows, table),
            _rejected(cells, whole),
            merged(pl.concat([_events(cells, whole), *_unverified(table, rows, records)])),
            _sources([records[number] for number in numbers]),
        )

    def note(self, table: str, sessions: Sequence[dt.date], events: pl.DataFrame) -> None:
        """Keep the events of some sessions of a table in place of those kept for them before."""
        self._notes.put(table, sessions, events)

    def noted(self, sessions: Sequence[dt.date]) -> pl.DataFrame:
        """Return the events kept for some sessions, of all tables, sorted by key."""
        return self._notes.read(sessions)

    def _records(self, table: str, sessions: Sequence[dt.date] | None) -> list[Part]:
        # Rows of an older form of the table are asked for anew.
        form = _form(table)
        return [part for part in parts.read_records(self.folder / table, sessions) if part.said["form"] == form]


@cache
def _form(table: str) -> str:
    schemas = (TABLES[table].polars_schema, TABLES[EVENTS_TABLE].polars_schema, REJECTED_SCHEMA)
    return sha256("".join(map(schema_sha256, schemas)).encode())


def _grouped(cells: pl.DataFrame, symbols: list[str], days: list[dt.date]) -> list[dict[str, list[str]]]:
    if cells.height == len(symbols) * len(days):
        return [{"symbols": symbols, "sessions": [day.isoformat() for day in days]}]
    by_symbol = cells.group_by("symbol").agg(sessions=pl.col("session").sort().dt.to_string())
    groups = by_symbol.group_by("sessions").agg(symbols=pl.col("symbol").sort())
    return sorted(groups.to_dicts(), key=lambda group: (group["symbols"], group["sessions"]))


def _cells(records: Sequence[Part], symbols: Sequence[str] | None = None) -> pl.DataFrame:
    told = [
        (number, part.said["again"], group["symbols"], group["sessions"])
        for number, part in enumerate(records)
        for group in part.said["cells"]
    ]
    words = pl.List(pl.String)
    schema = pl.Schema({"part": pl.Int64(), "is_again": pl.Boolean(), "symbol": words, "session": words})
    by_symbol = pl.DataFrame(told, schema=schema, orient="row").explode("symbol")
    if symbols is not None:
        by_symbol = by_symbol.filter(pl.col("symbol").is_in(list(symbols)))
    return by_symbol.explode("session").with_columns(pl.col("session").str.to_date("%Y-%m-%d"))


def _first_or_again(cells: pl.DataFrame) -> pl.DataFrame:
    # Of each cell the last part that was put again, or else the first.
    rank = pl.when("is_again").then(-1 - pl.col("part")).otherwise("part")
    return cells.sort(rank, maintain_order=True).unique(list(CELLS), keep="first", maintain_order=True)


def _rows(table: str, cells: pl.DataFrame, contents: dict[int, dict[str, pl.DataFrame]]) -> pl.DataFrame:
    on = ["part", *CELLS]
    hidden = {name: f"_{name}" for name in on}
    frames = [
        content["rows"].with_columns(
            cells_of(content["rows"], table).with_columns(part=pl.lit(number, dtype=pl.Int64)).rename(hidden)
        )
        for number, content in contents.items()
        if "rows" in content
    ]
    if not frames:
        return TABLES[table].empty().with_columns(_part=pl.lit(0, dtype=pl.Int64))
    counted = cells.select(on).rename(hidden)
    return pl.concat(frames).join(counted, on=list(hidden.values()), how="semi", maintain_order="left")


def _unverified(table: str, rows: pl.DataFrame, records: Sequence[Part]) -> list[pl.DataFrame]:
    # ``rows`` know their part in the column ``_part``.
    told = [
        (number, part.said["alone"], dt.datetime.fromisoformat(part.said["received_at"]))
        for number, part in enumerate(records)
        if part.said["alone"] is not None
    ]
    if not told:
        return []
    schema = pl.Schema({"_part": pl.Int64(), "_alone": pl.String(), "_received_at": pl.Datetime("us", "UTC")})
    single = rows.join(pl.DataFrame(told, schema=schema, orient="row"), on="_part", maintain_order="left")
    return [unverified(table, single, pl.col("_alone"), pl.col("_received_at"))]


def _events(cells: pl.DataFrame, contents: dict[int, dict[str, pl.DataFrame]]) -> pl.DataFrame:
    # Those of cells that count, and of sessions in which any cell of the part does.
    counted = cells.select("part", "session", "symbol")
    of_sessions = counted.with_columns(symbol=pl.lit(NO_SYMBOL))
    found = _numbered(contents, "events", no_events())
    on = ["part", "session", "symbol"]
    return found.join(pl.concat([counted, of_sessions]), on=on, how="semi", maintain_order="left").drop("part")


def _rejected(cells: pl.DataFrame, contents: dict[int, dict[str, pl.DataFrame]]) -> pl.DataFrame:
    # Of sessions in which any cell of the part counts: rows that never fitted may be of no symbol. A row that several
    # parts report, such as one of a file for all symbols, is one; equal rows of one part are not.
    found = _numbered(contents, "rejected", no_rejections())
    counted = found.join(cells, on=["part", "session"], how="semi", maintain_order="left")
    copies = counted.with_columns(copy=pl.int_range(pl.len()).over("part", *REJECTED_SCHEMA)).drop("part")
    return copies.unique(maintain_order=True).drop("copy")


def _numbered(contents: dict[int, dict[str, pl.DataFrame]], what: str, empty: pl.DataFrame) -> pl.DataFrame:
    # The frames of all parts, with the number of the part.
    frames = [(number, content[what]) for number, content in contents.items() if what in content]
    part = pl.lit(0, dtype=pl.Int64).alias("part")
    return pl.concat([empty.with_columns(part), *(rows.with_columns(part + number) for number, rows in frames)])


def _sources(records: Sequence[Part]) -> tuple[Source, ...]:
    found = {(told["sha256"], told["url_or_path"]): _source(told) for part in records for told in part.said["sources"]}
    return tuple(found[key] for key in sorted(found))


def _told(source: Source) -> dict[str, Any]:
    at = source.fetched_at
    told = {"name": source.name, "sha256": source.sha256, "url_or_path": source.url_or_path}
    return told | {"fetched_at": None if at is None else at.isoformat()}


def _source(told: dict[str, Any]) -> Source:
    at = None if told["fetched_at"] is None else dt.datetime.fromisoformat(told["fetched_at"])
    return Source(told["name"], told["sha256"], None, told["url_or_path"], at)
