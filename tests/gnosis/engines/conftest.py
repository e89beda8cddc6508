"""Small worlds for the engines: bars with a given volume and volatility."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest

from gnosis.sessions import schedule, sessions_between, shift_session
from gnosis.tables import TABLES

SESSION = dt.date(2019, 5, 1)


def make_bars(*, symbol="AAA", last=SESSION, n=21, sigma_d=0.01, adv_usd=1e8, close=100.0):
    """Return bars whose last 20 log returns have standard deviation ``sigma_d``, of constant dollar volume."""
    days = sessions_between(shift_session(last, 1 - n), last)
    step = sigma_d * np.sqrt(19 / 20)
    prices = close * np.exp(np.where(np.arange(n) % 2 == 0, 0.0, step))
    table = TABLES["raw.equity_bars"]
    closes = schedule().filter(pl.col("session").is_in(days))["close_at"]
    frame = pl.DataFrame(
        {
            "session": days,
            "symbol": symbol,
            "known_at": closes,
            "provider": "yahoo",
            "synthetic": False,
            "ts": closes,
            "open": prices,
            "high": prices,
            "low": prices,
            "close": prices,
            "volume": adv_usd / prices,
            "adjustment_factor": 1.0,
        }
    )
    return frame.select(list(table.polars_schema)).cast(table.polars_schema)


@pytest.fixture(scope="session")
def mini_bars():
    return make_bars()


@pytest.fixture(scope="session")
def bars():
    """Factory of bars."""
    return make_bars
