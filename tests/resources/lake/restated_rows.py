"""Rows of few tables that are restated, and how they are read as of an instant."""

from __future__ import annotations

import datetime as dt

import polars as pl

from gnosis.tables import TABLES, Table
from resources.lake import Changes, Correction, Lake

BARS, KEPT = "raw.equity_bars", "superseded.raw_equity_bars"
DAYS = [dt.date(2012, 3, day) for day in (1, 2, 5, 6)]
DAY, NEXT = DAYS[:2]
UTC = dt.UTC


def small(*names: str) -> dict[str, Table]:
    """Return raw tables with their companions: a catalog of few tables is built fast."""
    return {name: TABLES[name] for raw in names for name in (f"raw.{raw}", f"superseded.raw_{raw}")}


def at(day: int, hour: int = 22, month: int = 3) -> dt.datetime:
    return dt.datetime(2012, month, day, hour, tzinfo=UTC)


def in_sql(lake: Lake, name: str, instants: list[dt.datetime]) -> list[pl.DataFrame]:
    """Return what the macro gives at each instant, in the table's types and order."""
    schema, key = lake.table(name).polars_schema, lake.table(name).key
    with lake.connect() as connection:
        connection.execute("SET threads = 1")
        found = [connection.execute(f"SELECT * FROM {name}_as_of(?)", [instant]).fetchall() for instant in instants]
    return [pl.DataFrame(rows, schema=schema, orient="row").sort(key) for rows in found]


def known(lake: Lake, name: str, instant: dt.datetime) -> pl.DataFrame:
    """Return what was known, after seeing that the lake and the macro agree."""
    lake.publish_catalog()
    rows = lake.read(name, as_of=instant)
    assert rows.equals(in_sql(lake, name, [instant])[0])
    return rows


def changes(
    lake: Lake, name: str, rows: list[dict[str, object]], learnt_at: dt.datetime, correction: Correction | None = None
) -> Changes:
    """Store rows of one session and return what that changed."""
    table = TABLES[name]
    base = dict.fromkeys(table.polars_schema) | {"session": DAY, "known_at": at(1), "provider": "example"}
    frame = pl.DataFrame([base | {"synthetic": True} | row for row in rows], schema=table.polars_schema)
    return lake.write(name, frame, [DAY], "run", learnt_at, correction).changes


def stored(lake: Lake, name: str, rows: list[dict[str, object]], learnt_at: dt.datetime) -> int:
    """Store rows of one session and return how many were restated."""
    return sum(changes(lake, name, rows, learnt_at).restated.values())


MACRO = {"series_id": "CPIAUCSL", "ref_date": dt.date(2012, 1, 1), "is_vintage": True}
QUOTE = {
    "symbol": "AAA", "expiry": dt.date(2012, 3, 16), "settlement": "pm", "right": "C", "strike": 10.0, "root": "AAA",
    "ts": at(1, 20), "known_at": at(1, 20), "multiplier": 100.0, "style": "A", "spot": 10.0,
}  # fmt: skip
BAR = dict.fromkeys(("open", "high", "low", "close", "volume"), 9.0) | {"symbol": "AAA", "ts": at(1, 21)}
POST = {"symbol": "AAA", "source": "x", "post_id": "1", "ts": at(1, 15), "known_at": at(1, 15), "tag": "none"}
POST |= {"text_hash": "0"}


class Killed(Lake):
    """A lake whose process dies when it commits one of its tables."""

    dies_at = BARS

    def commit(self, before, after):
        if after.table == self.dies_at:
            raise KeyboardInterrupt
        super().commit(before, after)
