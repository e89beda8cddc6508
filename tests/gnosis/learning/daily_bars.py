"""Daily bars and bars of minutes for the tests of labels."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl

from gnosis.sessions import schedule
from gnosis.tables import TABLES

# The bars of V1 to V4 of the learning specification.
V1_OPEN = [100.0, 101, 102, 101, 103, 104, 103, 105]
V1_HIGH = [101.5, 102.5, 103, 103.5, 104.5, 105, 105.5, 106]
V1_LOW = [99.5, 100.5, 100.5, 100.5, 102.5, 102.5, 102, 104]
V1_CLOSE = [101.0, 102, 101, 103, 104, 103, 105, 105.5]


def bars_of(open_, close, factor=None, symbol="ABC", high=None, low=None, volume=1e6) -> pl.DataFrame:
    """Rows of raw.equity_bars from the first sessions of 2014 on, known one hour after their close."""
    days = schedule().filter(pl.col("session") >= dt.date(2014, 1, 2)).head(len(open_))
    high = np.maximum(open_, close) if high is None else high
    low = np.minimum(open_, close) if low is None else low
    columns = {"open": open_, "high": high, "low": low, "close": close}
    return days.select(
        "session",
        symbol=pl.lit(symbol),
        **{name: pl.Series(values, dtype=pl.Float64) for name, values in columns.items()},
        volume=pl.Series(np.broadcast_to(np.asarray(volume, dtype=np.float64), len(open_))),
        adjustment_factor=pl.Series(factor or [1.0] * len(open_)),
        known_at=pl.col("close_at") + pl.duration(hours=1),
        provider=pl.lit("vendor"),
        synthetic=pl.lit(False),
    )


def walk_bars(n_sessions: int, seed: int, symbol: str = "ABC", spread: float = 0.003) -> pl.DataFrame:
    """A random walk of 1 % a session whose highs and lows lie about ``spread`` beyond open and close."""
    rng = np.random.default_rng(seed)
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.01, n_sessions)))
    open_ = close * np.exp(rng.normal(0, 0.003, n_sessions))
    high = np.maximum(open_, close) * np.exp(np.abs(rng.normal(0, spread, n_sessions)))
    low = np.minimum(open_, close) * np.exp(-np.abs(rng.normal(0, spread, n_sessions)))
    return bars_of(open_.tolist(), close.tolist(), symbol=symbol, high=high, low=low)


def v4_bars() -> pl.DataFrame:
    """The bars of V4 after 60 closes that alternate by one return, so that sigma is 0.012 at the first of them."""
    before = [101.0 * np.exp(0.012 * (at % 2)) for at in range(60)]
    return bars_of(before + V1_OPEN, before + V1_CLOSE, high=before + V1_HIGH, low=before + V1_LOW)


def minute_bars(daily: pl.DataFrame, minutes: int, is_high_first, is_torn: bool = False) -> pl.DataFrame:
    """Bars of minutes that stay at the open, touch the high and the low of the day in turn, and end at its close.

    The first extreme is reached in the second bar, the other in the fourth; with ``is_torn`` both in the second.
    """
    days = daily.join(schedule().select("session", "open_at", "close_at"), on="session")
    rows = []
    for day, high_first in zip(days.iter_rows(named=True), is_high_first, strict=True):
        n = int((day["close_at"] - day["open_at"]).total_seconds()) // 60 // minutes
        for k in range(n):
            price = day["open"] if k < n - 1 else day["close"]
            touches_high = k == (1 if high_first else 3) or (is_torn and k == 1)
            touches_low = k == (3 if high_first else 1) or (is_torn and k == 1)
            end = day["open_at"] + dt.timedelta(minutes=minutes * (k + 1))
            rows.append(
                {
                    "session": day["session"],
                    "symbol": day["symbol"],
                    "frequency": f"{minutes}min",
                    "ts": end,
                    "open": price,
                    "high": day["high"] if touches_high else price,
                    "low": day["low"] if touches_low else price,
                    "close": price,
                    "volume": 100.0,
                    "known_at": day["close_at"] + dt.timedelta(hours=2),
                    "provider": "minutes",
                    "synthetic": False,
                }
            )
    schema = TABLES["raw.intraday_bars"].polars_schema
    return pl.DataFrame(rows, schema_overrides=dict(schema)).select(list(schema)).cast(dict(schema))
