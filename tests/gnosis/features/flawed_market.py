"""A small market with everything that goes wrong in real ones: halts, late rows, splits, missing volume, revisions."""

from __future__ import annotations

import datetime as dt
from functools import cache

import numpy as np
import polars as pl

from gnosis.sessions import schedule
from gnosis.tables import TABLES

LAST = dt.date(2016, 12, 30)
SESSIONS = 640
UTC_US = pl.Datetime("us", "UTC")


def trading_days(last: dt.date = LAST, count: int = SESSIONS) -> pl.DataFrame:
    return schedule().filter(pl.col("session") <= last).tail(count).select("session", "close_at")


def table(name: str, frame: pl.DataFrame) -> pl.DataFrame:
    """Return the frame as a validated table; columns that do not matter are null."""
    schema = TABLES[name].polars_schema
    missing = [
        pl.lit(None, dtype=dtype).alias(column) for column, dtype in schema.items() if column not in frame.columns
    ]
    return TABLES[name].schema.validate(frame.with_columns(missing).select(list(schema)), cast=True)


def random_bars(symbol: str, seed: int, days: pl.DataFrame | None = None) -> pl.DataFrame:
    days = trading_days() if days is None else days
    n, rng = days.height, np.random.default_rng(seed)
    close = 50.0 * np.exp(np.cumsum(rng.normal(0.0003, 0.015, n)))
    opening = close * np.exp(rng.normal(0.0, 0.006, n))
    return table(
        "raw.equity_bars",
        days.with_columns(
            symbol=pl.lit(symbol),
            ts="close_at",
            known_at="close_at",
            open=pl.Series(opening),
            high=pl.Series(np.maximum(opening, close) * np.exp(np.abs(rng.normal(0, 0.006, n)))),
            low=pl.Series(np.minimum(opening, close) * np.exp(-np.abs(rng.normal(0, 0.006, n)))),
            close=pl.Series(close),
            volume=pl.Series(np.exp(rng.normal(14.0, 0.4, n)).round()),
            adjustment_factor=pl.lit(1.0),
            provider=pl.lit("tape"),
            synthetic=pl.lit(value=False),
        ),
    )


def late(frame: pl.DataFrame, rows: np.ndarray, days: float) -> pl.DataFrame:
    """Move ``known_at`` of some rows into the future."""
    is_late = pl.Series(np.isin(np.arange(frame.height), rows))
    delay = dt.timedelta(days=days)
    return frame.with_columns(pl.when(is_late).then(pl.col("known_at") + delay).otherwise("known_at").alias("known_at"))


def split(frame: pl.DataFrame, first: dt.date, ratio: float) -> pl.DataFrame:
    """Return the bars as they would have traded with a split on ``first``."""
    after = pl.col("session") >= first
    prices = [pl.when(after).then(pl.col(c) / ratio).otherwise(c).alias(c) for c in ("open", "high", "low", "close")]
    return frame.with_columns(
        *prices,
        pl.when(after).then(pl.col("volume") * ratio).otherwise("volume").alias("volume"),
        pl.when(after)
        .then(pl.col("adjustment_factor") * ratio)
        .otherwise("adjustment_factor")
        .alias("adjustment_factor"),
    )


def index_levels(symbol: str, close: np.ndarray, days: pl.DataFrame | None = None) -> pl.DataFrame:
    days = trading_days() if days is None else days
    return table(
        "raw.index_levels",
        days.with_columns(
            symbol=pl.lit(symbol),
            ts="close_at",
            known_at="close_at",
            close=pl.Series(close),
            provider=pl.lit("index"),
            synthetic=pl.lit(value=False),
        ),
    )


def publications(rows: list[tuple[str, dt.date, dt.datetime, float]]) -> pl.DataFrame:
    """Return ``raw.macro`` from (series, reference date, publication, value)."""
    frame = pl.DataFrame(
        rows,
        schema={"series_id": pl.String, "ref_date": pl.Date, "known_at": UTC_US, "value": pl.Float64},
        orient="row",
    ).sort("known_at")
    closes = schedule().select("session", "close_at")
    frame = frame.join_asof(closes, left_on="known_at", right_on="close_at", strategy="forward")
    return table(
        "raw.macro",
        frame.with_columns(is_vintage=pl.lit(value=True), provider=pl.lit("agency"), synthetic=pl.lit(value=False)),
    )


def random_economy(seed: int) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    rows: list[tuple[str, dt.date, dt.datetime, float]] = []
    first = trading_days()["session"][0] - dt.timedelta(days=500)

    def at(day: dt.date, hour: int) -> dt.datetime:
        return dt.datetime.combine(day, dt.time(hour, 30), dt.UTC)

    for day in pl.date_range(first, LAST, "1d", eager=True).to_list():
        rows.append(("DFF", day, at(day + dt.timedelta(days=1), 13), 0.4 + 0.01 * rng.normal()))
        if day.weekday() < 5:
            for series, level in (("DGS10", 2.0), ("DGS2", 0.8), ("BAA10Y", 2.7)):
                if rng.random() < 0.95:
                    rows.append((series, day, at(day, 20 + int(rng.integers(0, 3))), level + 0.05 * rng.normal()))
    for month in pl.date_range(first.replace(day=1), LAST, "1mo", eager=True).to_list():
        cpi, unemployment = 230.0 * np.exp(0.02 * (month - first).days / 365.0), 5.0 + 0.1 * rng.normal()
        for delay in (45, 75, 400):
            rows.append(("CPIAUCSL", month, at(month + dt.timedelta(days=delay), 13), cpi + 0.2 * rng.normal()))
            rows.append(
                ("UNRATE", month, at(month + dt.timedelta(days=delay - 10), 13), unemployment + 0.1 * rng.normal())
            )
        if month.month in (1, 4, 7, 10):
            rows.extend(
                ("A191RL1Q025SBEA", month, at(month + dt.timedelta(days=delay), 13), 2.0 + rng.normal())
                for delay in (120, 150, 180)
            )
    return publications([row for row in rows if row[2].date() <= LAST])


@cache
def flawed_tables() -> dict[str, pl.DataFrame]:
    """Bars of five symbols, two indices and the economy over 640 sessions, by table name."""
    rng = np.random.default_rng(2016)
    days = trading_days()
    halted = random_bars("HALT", 2).filter(~pl.Series(np.isin(np.arange(SESSIONS), [120, 300, 301, 615, 630])))
    bars = pl.concat(
        [
            random_bars("PLAIN", 1),
            halted.with_columns(
                pl.when(pl.int_range(pl.len()) % 17 == 0).then(None).otherwise("volume").alias("volume")
            ),
            late(random_bars("LATE", 3), np.arange(100, SESSIONS - 6, 9), 5.0),
            split(random_bars("SPLIT", 4), days["session"][560], 4.0),
            random_bars("YOUNG", 5).tail(180).with_columns(synthetic=pl.lit(value=True), provider=pl.lit("made")),
        ]
    )
    vix = index_levels("^VIX", np.exp(rng.normal(3.0, 0.35, SESSIONS)))
    vix = late(
        vix.filter(~pl.Series(np.isin(np.arange(SESSIONS), [560, 561, 562, 600]))), np.arange(553, SESSIONS - 4, 5), 1.0
    )
    spx = late(
        index_levels("^GSPC", 2000.0 * np.exp(np.cumsum(rng.normal(0, 0.01, SESSIONS)))),
        np.arange(555, SESSIONS - 6, 7),
        1.5,
    )
    return {
        "raw.equity_bars": bars,
        "raw.index_levels": pl.concat([vix, spx]),
        "raw.macro": random_economy(7),
    }
