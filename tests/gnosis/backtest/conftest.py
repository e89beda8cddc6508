"""Small markets for the tests of the backtest room."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from gnosis.sessions import schedule

FIRST = dt.date(2015, 1, 2)


def bars_of(symbol: str, opens: object, closes: object, *, volume: object = 1e6, factor: object = 1.0) -> pl.DataFrame:
    """Return bars of one symbol on consecutive sessions from 2015-01-02."""
    opens, closes = np.asarray(opens, dtype=float), np.asarray(closes, dtype=float)
    days = schedule().filter(pl.col("session") >= FIRST).head(len(opens))
    return pl.DataFrame(
        {
            "session": days["session"],
            "symbol": pl.Series([symbol] * len(opens), dtype=pl.String),
            "ts": days["close_at"],
            "open": opens,
            "high": np.maximum(opens, closes),
            "low": np.minimum(opens, closes),
            "close": closes,
            "volume": np.broadcast_to(np.asarray(volume, dtype=float), opens.shape),
            "adjustment_factor": np.broadcast_to(np.asarray(factor, dtype=float), opens.shape),
            "known_at": days["close_at"],
            "provider": "test",
            "synthetic": True,
        }
    )


def walk(symbols: list[str], n: int, seed: int = 0, volume: float = 5e6) -> pl.DataFrame:
    """Return seeded random walks."""
    rng = np.random.default_rng(seed)
    frames = []
    for symbol in symbols:
        closes = 100 * np.exp(np.cumsum(rng.normal(0, 0.015, n)))
        opens = closes * np.exp(rng.normal(0, 0.004, n))
        frames.append(bars_of(symbol, opens.round(2), closes.round(2), volume=volume))
    return pl.concat(frames)


@pytest.fixture(scope="session")
def make_bars() -> Callable[..., pl.DataFrame]:
    """Return the maker of bars of one symbol."""
    return bars_of


@pytest.fixture(scope="session")
def make_walk() -> Callable[..., pl.DataFrame]:
    """Return the maker of random walks."""
    return walk


@pytest.fixture(scope="session")
def random_targets() -> Callable[..., pl.DataFrame]:
    """Return the maker of seeded random target weights from the 26th session on."""

    def make(bars: pl.DataFrame, seed: int = 1, skip: int = 25) -> pl.DataFrame:
        rng = np.random.default_rng(seed)
        days = bars["session"].unique().sort()[skip:]
        rows = (
            bars.filter(pl.col("session").is_in(days.implode())).select("session", "symbol").sort("session", "symbol")
        )
        return rows.with_columns(target_weight=pl.Series(rng.uniform(-0.4, 0.4, rows.height).round(3)))

    return make
