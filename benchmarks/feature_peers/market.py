"""A seeded market of daily bars, index levels, macro series and engine rows, in the schemas of their tables."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl

from gnosis.features.registry import features_of
from gnosis.sessions import schedule
from gnosis.tables import TABLES

LAST = dt.date(2024, 6, 28)
ENGINES = {"hedge": "engines.elasticity", "liquidity": "engines.liquidity", "sentiment": "engines.sentiment"}
FUNDS = ("XLB", "XLI", "XLK", "XLP", "XLU", "XLV", "XLY")


def days(count: int) -> pl.DataFrame:
    return schedule().filter(pl.col("session") <= LAST).tail(count).select("session", "close_at")


def prices(symbols: int, sessions: int) -> dict[str, np.ndarray]:
    """Return seeded random paths of shape (symbols, sessions)."""
    rng = np.random.default_rng(0)
    shape = (symbols, sessions)
    close = 50.0 * np.exp(np.cumsum(rng.normal(0.0, 0.015, shape), axis=1))
    opening = close * np.exp(rng.normal(0.0, 0.005, shape))
    high = np.maximum(opening, close) * np.exp(np.abs(rng.normal(0.0, 0.006, shape)))
    low = np.minimum(opening, close) * np.exp(-np.abs(rng.normal(0.0, 0.006, shape)))
    volume = rng.uniform(1e6, 5e6, shape).round()
    return {"open": opening, "high": high, "low": low, "close": close, "volume": volume}


def names(symbols: int) -> list[str]:
    """Return sorted names, the sector funds among them."""
    return sorted([*FUNDS, *(f"S{number:04d}" for number in range(symbols))][:symbols])


def bars(symbols: int, sessions: int) -> pl.DataFrame:
    """Return rows of ``raw.equity_bars``, sorted by session and symbol as the lake stores them."""
    values = {name: pl.Series(name, path.ravel()) for name, path in prices(symbols, sessions).items()}
    rows = pl.DataFrame({"symbol": names(symbols)}).join(days(sessions), how="cross").with_columns(**values)
    return in_schema(rows.with_columns(adjustment_factor=pl.lit(1.0)), "raw.equity_bars")


def index_levels(sessions: int) -> pl.DataFrame:
    """Return rows of ``raw.index_levels``."""
    rng = np.random.default_rng(1)
    paths = {
        "^VIX": np.exp(rng.normal(2.9, 0.3, sessions)),
        "^GSPC": 3000.0 * np.exp(np.cumsum(rng.normal(0.0, 0.01, sessions))),
    }
    rows = [days(sessions).with_columns(symbol=pl.lit(name), close=pl.Series(path)) for name, path in paths.items()]
    return in_schema(pl.concat(rows), "raw.index_levels")


def observations(sessions: int) -> pl.DataFrame:
    """Return rows of ``raw.macro``: every series published one session later."""
    published = days(sessions).with_columns(known_at=pl.col("close_at").shift(-1)).drop_nulls()
    return pl.concat(
        published.select(
            "known_at",
            series_id=pl.lit(series),
            ref_date="session",
            value=2.0 + pl.int_range(pl.len()) / 10_000,
            provider=pl.lit("benchmark"),
            synthetic=pl.lit(value=True),
        )
        for feature in features_of("macro")
        for series in feature.series
    )


def engine_rows(group: str, keys: pl.DataFrame) -> pl.DataFrame:
    """Return what a group of features reads of its engine: random values for every key."""
    rng = np.random.default_rng(2)
    schema = TABLES[ENGINES[group]].polars_schema
    made: dict[str, pl.Series] = {}
    for feature in features_of(group):
        dtype = schema[feature.name]
        if isinstance(dtype, pl.Enum):
            labels = pl.Series(dtype.categories, dtype=dtype)
            made[feature.name] = labels.gather(rng.integers(0, len(labels), keys.height))
        elif dtype.is_float():
            made[feature.name] = pl.Series(rng.random(keys.height))
        else:
            made[feature.name] = pl.Series(rng.integers(0, 2, keys.height))
    rows = keys.with_columns(**{name: values.cast(schema[name]) for name, values in made.items()})
    fixed = {"sign_convention": "naive", "confidence": 0.9, "reasons": ""}
    return rows.with_columns(
        pl.lit(value).cast(schema[name]).alias(name)
        for name, value in fixed.items()
        if name in schema and name not in rows.columns
    )


def in_schema(rows: pl.DataFrame, table: str) -> pl.DataFrame:
    """Return rows with all columns of a table, known at the close of their session, sorted by its key."""
    schema = TABLES[table].polars_schema
    given = {"provider": pl.lit("benchmark"), "synthetic": pl.lit(value=True), "ts": "close_at", "known_at": "close_at"}
    whole = rows.with_columns(**given)
    absent = [pl.lit(None, dtype).alias(name) for name, dtype in schema.items() if name not in whole.columns]
    return whole.with_columns(absent).select(list(schema)).cast(schema).sort(TABLES[table].key)
