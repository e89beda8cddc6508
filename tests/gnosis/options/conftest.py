"""Chains and rates with known answers."""

from __future__ import annotations

import datetime as dt
import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
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


def _module(name: str) -> ModuleType:
    """Return a module of this folder that is no test."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def hard_grid_module() -> ModuleType:
    """The maker of contracts that are hard to value, and of their 50-digit references."""
    return _module("hard_grid")


@pytest.fixture(scope="session")
def hard_grid(hard_grid_module: ModuleType) -> Any:
    """Contracts that are hard to value, and what is true of them to 50 digits."""
    return hard_grid_module.hard_grid(n=360)


@pytest.fixture(scope="session")
def oracles() -> ModuleType:
    """vollib and pyvolr in this project's units."""
    return _module("oracles")


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


@pytest.fixture
def dividend_rows() -> Rows:
    """Rows of raw.dividends from (ex_date, amount_usd, known_at)."""

    def build(announced: list[tuple[dt.date, float, dt.datetime]], **columns: Any) -> pl.DataFrame:
        common = {"session": SESSION, "symbol": "XYZ", "provider": "issuer", "synthetic": False} | columns
        return as_table(
            [common | {"ex_date": day, "amount_usd": usd, "known_at": known} for day, usd, known in announced],
            "raw.dividends",
        )

    return build


@pytest.fixture(scope="session")
def surface_greeks() -> Rows:
    """Rows of greeks.option_greeks of a known surface: total variance as a function of log-moneyness and expiry."""

    def build(
        tau_years: Any,
        log_moneyness: Any,
        total_variance: Callable[[Any, int], Any],
        half_spread: float = 0.004,
        noise: float = 0.0,
        seed: int = 0,
        **columns: Any,
    ) -> pl.DataFrame:
        k = np.asarray(log_moneyness, dtype=float)
        draws = np.random.default_rng(seed)
        expiries = []
        for number, tau in enumerate(tau_years):
            iv = np.sqrt(total_variance(k, number) / tau) + noise * draws.standard_normal(k.size)
            smile = {"strike": 100 * np.exp(k), "iv": iv, "iv_bid": iv - half_spread, "iv_ask": iv + half_spread}
            days = round(tau * 365)
            common = {"expiry": SESSION + dt.timedelta(days), "dte_days": days, "tau_years": float(tau)}
            both = pl.concat(pl.DataFrame(smile).with_columns(right=pl.lit(right)) for right in "CP")
            expiries.append(both.with_columns(pl.lit(value).alias(name) for name, value in common.items()))
        rest = {
            "known_at": CLOSE,
            "provider": "cboe",
            "synthetic": False,
            "session": SESSION,
            "symbol": "XYZ",
            "settlement": "pm",
            "root": "XYZ",
            "ts": CLOSE,
            "spot": 99.0,
            "is_tau_floored": False,
            "style": "E",
            "forward": 100.0,
            "forward_source": "parity",
            "discount": 0.99,
            "iv_source": "own",
            "exercise_model": "closed_form",
            "is_vertical": False,
            "is_butterfly": False,
            "open_interest": 10.0,
            "multiplier": 100.0,
        } | columns
        schema = TABLES["greeks.option_greeks"].polars_schema
        rows = pl.concat(expiries).with_columns(pl.lit(value).alias(name) for name, value in rest.items())
        missing = [pl.lit(None, dtype=dtype).alias(name) for name, dtype in schema.items() if name not in rows.columns]
        return rows.with_columns(missing).select(list(schema)).cast(schema)

    return build
