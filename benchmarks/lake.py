"""The lake beside plain Polars on the same frame in the same run: writing, publishing, counting, reading.

Run as ``python benchmarks/lake.py [SESSIONS]``. Figures are seconds and the ratio to plain Polars, which writes
without hash, manifest, lock or ``fsync``.
"""

from __future__ import annotations

import datetime as dt
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from gnosis.tables import TABLES, Table
from resources.lake import Lake

NAME = "greeks.option_greeks"
CONTRACTS_PER_SESSION = 850


def weekdays(n: int) -> list[dt.date]:
    days = (dt.date(2012, 1, 2) + dt.timedelta(days=number) for number in range(2 * n))
    return [day for day in days if day.weekday() < 5][:n]


def option_rows(sessions: list[dt.date], seed: int = 1) -> pl.DataFrame:
    """Return one row per contract and session; prices and Greeks are noise, so that nothing compresses unduly."""
    schema = TABLES[NAME].polars_schema
    n_rows = len(sessions) * CONTRACTS_PER_SESSION
    rng = np.random.default_rng(seed)
    keys = pl.DataFrame({"session": sessions}).join(
        pl.DataFrame({"strike": np.arange(CONTRACTS_PER_SESSION, dtype=float)}), how="cross"
    )
    instant = pl.col("session").cast(pl.Datetime("us", "UTC")).dt.offset_by("20h45m")
    made: dict[str, pl.Expr | pl.Series] = {}
    for name, dtype in schema.items():
        if name in keys.columns:
            continue
        if isinstance(dtype, pl.Float64):
            made[name] = pl.Series(rng.random(n_rows))
        elif isinstance(dtype, pl.Datetime):
            made[name] = instant
        elif isinstance(dtype, pl.Date):
            made[name] = pl.col("session")
        elif isinstance(dtype, pl.Enum):
            made[name] = pl.lit(dtype.categories[0])
        else:
            made[name] = pl.lit("SPY" if isinstance(dtype, pl.String) else 0)
    return keys.with_columns(**made).select(list(schema)).cast(schema)


def seconds(work: Callable[[], object], repeats: int = 1) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def say(what: str, lake_s: float, plain_s: float | None = None) -> None:
    beside = "" if plain_s is None else f"{plain_s:12.3f} {lake_s / plain_s:8.2f}"
    print(f"{what:<58} {lake_s:9.3f} {beside}")


def write_plain(folder: Path, frame: pl.DataFrame) -> list[Path]:
    paths = []
    for (session,), part in frame.partition_by("session", as_dict=True).items():
        path = folder / f"{session}" / "rows.parquet"
        path.parent.mkdir()
        part.write_parquet(path)
        paths.append(path)
    return paths


def count_in_sql(lake: Lake) -> float:
    with lake.connect() as connection:
        return seconds(lambda: connection.execute(f"SELECT count(*) FROM {NAME}").fetchall(), repeats=5)


def main(n_sessions: int = 1260) -> None:
    sessions = weekdays(n_sessions)
    frame = option_rows(sessions)
    print(f"{frame.height:,} rows, {frame.width} columns, {len(sessions)} sessions")
    print(f"{'':<58} {'lake s':>9} {'Polars s':>12} {'ratio':>8}")
    with tempfile.TemporaryDirectory() as scratch:
        plain = Path(scratch) / "plain"
        plain.mkdir()
        plain_write_s = seconds(lambda: write_plain(plain, frame))
        paths = sorted(plain.rglob("*.parquet"))
        day = Lake(Path(scratch) / "day")
        say("write, one file per session", seconds(lambda: day.write(NAME, frame, sessions, "day")), plain_write_s)
        say("write the same again (no change)", seconds(lambda: day.write(NAME, frame, sessions, "day")), plain_write_s)
        schema = TABLES[NAME].schema
        month = Lake(Path(scratch) / "month", {NAME: Table(NAME, schema, period="month")})
        single_s = seconds(lambda: frame.write_parquet(Path(scratch) / "single.parquet"))
        say(
            "write, one file per month (Polars: one file)",
            seconds(lambda: month.write(NAME, frame, sessions, "month")),
            single_s,
        )
        night = frame.filter(session=sessions[-1]).with_columns(pl.col("spot") + 1)
        night_s = seconds(lambda: night.write_parquet(Path(scratch) / "night.parquet"))
        say("write one night into day files", seconds(lambda: day.write(NAME, night, sessions[-1:], "night")), night_s)
        say(
            "write one night into month files",
            seconds(lambda: month.write(NAME, night, sessions[-1:], "night")),
            night_s,
        )
        say("publish the catalog of 40 tables", seconds(day.publish_catalog))
        say("publish again (nothing new)", seconds(day.publish_catalog))
        month.publish_catalog()
        count_s = seconds(lambda: pl.scan_parquet(paths).select(pl.len()).collect(), repeats=5)
        day_s, month_s = count_in_sql(day), count_in_sql(month)
        say("count(*) in SQL over day files", day_s, count_s)
        say(f"count(*) in SQL over month files ({day_s / month_s:.0f} times faster)", month_s, count_s)
        plain_read_s = seconds(lambda: pl.scan_parquet(paths).collect(), repeats=3)
        say("scan all rows of day files", seconds(lambda: day.scan(NAME).collect(), repeats=3), plain_read_s)
        say("read all rows of day files, sorted by key", seconds(lambda: day.read(NAME), repeats=3), plain_read_s)
        one_s = seconds(lambda: pl.read_parquet(paths[-1]), repeats=5)
        say(
            "read one session of day files (Polars: its file by name)",
            seconds(lambda: day.read(NAME, first=sessions[-1]), repeats=5),
            one_s,
        )
        say("verify every hash", seconds(day.verify), plain_read_s)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
