"""A small world of option contracts with Greeks."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest

from gnosis.options.pricing.black_scholes import greeks
from gnosis.sessions import schedule, shift_session
from gnosis.tables import TABLES

SESSION = dt.date(2019, 5, 1)
RATE, CARRY = 0.05, 0.015
GREEKS = TABLES["greeks.option_greeks"]
MINI_BOOK = [("P", 95.0, 1000.0), ("P", 100.0, 300.0), ("C", 100.0, 800.0), ("C", 105.0, 1000.0)]


def instants(session):
    row = schedule().filter(pl.col("session") == session).row(0, named=True)
    return row["chain_at"], row["close_at"]


def make_greeks(
    contracts,
    *,
    session=SESSION,
    symbol="AAA",
    spot=100.0,
    days=30,
    smile=lambda k: 0.2,
    source="own",
    multiplier=100.0,
):
    """Return rows of one expiry; ``contracts`` are (right, strike, open interest or None)."""
    chain_at, _ = instants(session)
    right, strike, oi = (list(column) for column in zip(*contracts, strict=True))
    tau = days / 365
    forward, discount = spot * np.exp((RATE - CARRY) * tau), np.exp(-RATE * tau)
    iv = np.array([smile(np.log(k / forward)) for k in strike])
    values = greeks(spot, strike, tau, forward, discount, iv, np.array(right) == "C")
    n = len(strike)
    frame = pl.DataFrame(
        {name: getattr(values, name) for name in values._fields[1:]}
        | {
            "session": [session] * n,
            "symbol": symbol,
            "expiry": [session + dt.timedelta(days=days)] * n,
            "settlement": "pm",
            "right": right,
            "strike": strike,
            "root": symbol,
            "ts": [chain_at] * n,
            "spot": spot,
            "mid": values.price,
            "tau_years": tau,
            "is_tau_floored": False,
            "is_vertical": False,
            "is_butterfly": False,
            "dte_days": days,
            "forward": forward,
            "forward_source": "parity",
            "discount": discount,
            "iv": iv,
            "iv_source": source,
            "style": "E",
            "exercise_model": "closed_form",
            "reason": None,
            "open_interest": pl.Series(oi, dtype=pl.Float64),
            "oi_session": [shift_session(session, -1)] * n,
            "multiplier": multiplier,
            "deliverable_shares": multiplier,
            "known_at": [chain_at] * n,
            "provider": "cboe",
            "synthetic": False,
        }
    )
    unknown = {name: None for name in GREEKS.polars_schema if name not in frame.columns}
    return frame.with_columns(**unknown).select(list(GREEKS.polars_schema)).cast(GREEKS.polars_schema)


@pytest.fixture(scope="session")
def mini_book():
    """The reference mini-book."""
    return make_greeks(MINI_BOOK)


@pytest.fixture(scope="session")
def book():
    """Factory of option rows."""
    return make_greeks
