"""Chains and rates with known answers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest

from gnosis.options import carry_forward, discount_factor, price
from gnosis.tables import TABLES

SESSION = dt.date(2019, 5, 15)
EXPIRY = dt.date(2019, 6, 14)
CLOSE = dt.datetime(2019, 5, 15, 20, 0, tzinfo=dt.UTC)

Rows = Callable[..., pl.DataFrame]


def as_table(rows: list[dict[str, Any]], name: str) -> pl.DataFrame:
    schema = TABLES[name].polars_schema
    return pl.DataFrame(rows, schema=schema, strict=False) if rows else TABLES[name].empty()


@pytest.fixture
def quote_rows() -> Rows:
    """Rows of raw.option_quotes from (right, strike, bid, ask); the quote is exactly 30 days before settlement."""

    def build(contracts: list[tuple[str, float, float | None, float | None]], **columns: Any) -> pl.DataFrame:
        common = {
            "known_at": CLOSE,
            "provider": "cboe",
            "synthetic": False,
            "session": SESSION,
            "symbol": "XYZ",
            "expiry": EXPIRY,
            "settlement": "pm",
            "root": "XYZ",
            "ts": CLOSE,
            "open_interest": 100.0,
            "multiplier": 100.0,
            "style": "E",
            "spot": 100.0,
        } | columns
        return as_table(
            [
                common | {"right": right, "strike": float(strike), "bid": bid, "ask": ask}
                for right, strike, bid, ask in contracts
            ],
            "raw.option_quotes",
        )

    return build


@pytest.fixture
def model_quotes(quote_rows: Rows) -> Rows:
    """Quotes around Black-Scholes-Merton prices: r = 5 %, q = 1.5 %, volatility a function of strike."""

    def build(
        strikes: Any,
        sigma: Callable[[Any], Any] = lambda strike: 0.2 + 0.0 * strike,
        half_spread: float = 0.005,
        spot: float = 100.0,
        **columns: Any,
    ) -> pl.DataFrame:
        strike = np.repeat(np.asarray(strikes, dtype=float), 2)
        is_call = np.tile([True, False], len(strike) // 2)
        tau = 30 / 365
        mid = price(
            spot, strike, tau, carry_forward(spot, tau, 0.05, 0.015), discount_factor(0.05, tau), sigma(strike), is_call
        )
        return quote_rows(
            [
                ("C" if call else "P", k, m - half_spread, m + half_spread)
                for call, k, m in zip(is_call, strike, mid, strict=True)
            ],
            spot=spot,
            **columns,
        )

    return build


@pytest.fixture
def rate_rows() -> Rows:
    """Rows of raw.macro with one Treasury yield that is 5 % when compounded continuously."""

    def build(**columns: Any) -> pl.DataFrame:
        common = {
            "session": SESSION,
            "series_id": "DGS3MO",
            "ref_date": dt.date(2019, 5, 14),
            "known_at": dt.datetime(2019, 5, 15, 12, 0, tzinfo=dt.UTC),
            "value": 200 * float(np.expm1(0.025)),
            "is_vintage": True,
            "provider": "fred",
            "synthetic": False,
        }
        return as_table([common | columns], "raw.macro")

    return build
