"""Bars and levels made by hand, and what the product says of their last session, for numbers worked out on paper."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from gnosis.engines.points import DailyBars, daily_points
from gnosis.engines.regimes import REGIMES, labels
from gnosis.engines.sentiment.breadth import universe_breadth
from gnosis.engines.sentiment.technical_regime import daily_features
from gnosis.features.codes import labelled
from gnosis.features.regime import regime
from gnosis.features.technical import technical
from gnosis.sessions import schedule
from gnosis.tables import TABLES

LAST = dt.date(2016, 5, 19)
DAYS = schedule().filter(pl.col("session") <= LAST).select("session", "close_at")
ORIGIN = {"ts": "close_at", "known_at": "close_at", "provider": pl.lit("tape"), "synthetic": pl.lit(value=False)}


def bars_of(
    close: Sequence[float] | np.ndarray,
    *,
    reach: float = 0.0,
    high: dict[int, float] | None = None,
    low: dict[int, float] | None = None,
    volume: Sequence[float | None] | float = 100.0,
    symbol: str = "SPY",
) -> pl.DataFrame:
    """Return bars with these closes up to the last day, high and low ``reach`` dollars above and below.

    ``high`` and ``low`` put others in their place, by position; negative positions count from the end.
    """
    top, bottom = [c + reach for c in close], [c - reach for c in close]
    for side, given in ((top, high), (bottom, low)):
        for position, price in (given or {}).items():
            side[position] = price
    shares = [volume] * len(top) if isinstance(volume, float) else list(volume)
    frame = DAYS.tail(len(top)).select(
        "session",
        symbol=pl.lit(symbol),
        open=pl.Series(close, dtype=pl.Float64),
        high=pl.Series(top, dtype=pl.Float64),
        low=pl.Series(bottom, dtype=pl.Float64),
        close=pl.Series(close, dtype=pl.Float64),
        volume=pl.Series(shares, dtype=pl.Float64),
        adjustment_factor=pl.lit(1.0),
        **ORIGIN,
    )
    schema = TABLES["raw.equity_bars"].polars_schema
    return frame.select(list(schema)).cast(dict(schema))


def levels_of(symbol: str, close: Sequence[float] | np.ndarray) -> pl.DataFrame:
    """Return levels of an index with these closes up to the last day."""
    level = pl.Series(close, dtype=pl.Float64)
    frame = DAYS.tail(len(level)).select("session", symbol=pl.lit(symbol), close=level, **ORIGIN)
    schema = TABLES["raw.index_levels"].polars_schema
    missing = [pl.lit(None).alias(name) for name in schema if name not in frame.columns]
    return frame.with_columns(missing).select(list(schema)).cast(dict(schema))


NO_LEVELS = levels_of("^VIX", [15.0]).clear()
ONE_BAR = bars_of([100.0], reach=1.0)


def closes(returns: Sequence[float], first: float = 100.0) -> list[float]:
    """Return closes with these log returns between them."""
    return (first * np.exp(np.cumsum([0.0, *returns]))).tolist()


def sentiment_value(name: str, bars: pl.DataFrame) -> object:
    """Return a sentiment feature of a symbol's own bars, categories in words."""
    points = daily_points(bars, [LAST])
    value = DailyBars(points, bars).compute_all(daily_features)[name].item()
    if np.isnan(value):
        return None
    return labels(name)[int(value)] if name in REGIMES else value


def breadth_value(name: str, universe: pl.DataFrame, index: pl.DataFrame | None = None) -> object:
    """Return a sentiment feature of the market, categories in words."""
    cut_offs = DAYS.tail(1).select("session", as_of="close_at")
    value = universe_breadth(cut_offs, universe, index)[name].item()
    return labels(name)[int(value)] if name in REGIMES and value is not None else value


def technical_value(name: str, bars: pl.DataFrame) -> object:
    return technical(bars)[name][-1]


def regime_row(levels: pl.DataFrame = NO_LEVELS, bars: pl.DataFrame = ONE_BAR) -> dict[str, Any]:
    """Return the last row of the regime features, categories in words."""
    return labelled(regime(bars, levels)).row(-1, named=True)
