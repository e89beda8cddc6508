"""Chains whose every price is known: Black-Scholes-Merton on a smile of one's choice."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import ArrayLike

from gnosis.options import price
from gnosis.options.surface.svi import RawSvi, total_variance
from gnosis.tables import TABLES
from gnosis.trading.structures import OptionChain, option_chain

SESSION = dt.date(2019, 5, 15)
RATE, CARRY, VOLATILITY = 0.04, 0.01, 0.20


def flat_slice(tau: float, volatility: float = VOLATILITY) -> RawSvi:
    return RawSvi(volatility**2 * tau, 0.0, 0.0, 0.0, 0.1)


def skewed_slice(tau: float, volatility: float = VOLATILITY) -> RawSvi:
    """An SSVI slice: lower strikes have more volatility."""
    theta, rho = volatility**2 * tau, -0.4
    phi = 0.8 / np.sqrt(theta)
    wing = np.sqrt(1 - rho**2)
    return RawSvi(theta * (1 - rho**2) / 2, theta * phi / 2, rho, -rho / phi, wing / phi)


def frames(
    days: Sequence[int] = (35,),
    *,
    spot: float = 100.0,
    strikes: ArrayLike | None = None,
    half_spread: float = 0.0,
    style: str = "E",
    smile=flat_slice,
    rate: float = RATE,
    carry: float = CARRY,
    certificate: str = "passed",
    multiplier: float = 100.0,
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Return rows of raw.option_quotes, greeks.option_greeks and greeks.surface."""
    strikes = np.arange(60.0, 141.0) * spot / 100.0 if strikes is None else np.asarray(strikes)
    ts = dt.datetime(2019, 5, 15, 20, tzinfo=dt.UTC)
    quotes, slices = [], []
    for number, day in enumerate(days, start=1):
        tau = day / 365
        forward, discount = spot * np.exp((rate - carry) * tau), np.exp(-rate * tau)
        raw = smile(tau)
        iv = np.sqrt(total_variance(raw, np.log(strikes / forward)).w / tau)
        expiry = SESSION + dt.timedelta(days=day)
        for right in ("C", "P"):
            mid = price(spot, strikes, tau, forward, discount, iv, np.full(strikes.size, right == "C"))
            quotes.append(
                pl.DataFrame({"strike": strikes, "bid": mid - half_spread, "ask": mid + half_spread}).with_columns(
                    pl.lit(right).alias("right"), pl.lit(expiry).alias("expiry")
                )
            )
        slices.append(
            {"expiry": expiry, "slice_number": number, "tau_years": tau, "forward": forward, "discount": discount}
            | dict(zip(("svi_a", "svi_b", "svi_rho", "svi_m", "svi_s"), raw, strict=True))
        )
    shared = {"session": SESSION, "symbol": "XYZ", "settlement": "pm", "root": "XYZ", "spot": spot}
    rows = pl.concat(quotes).with_columns(
        *(pl.lit(value).alias(name) for name, value in shared.items()),
        ts=pl.lit(ts), known_at=pl.lit(ts), provider=pl.lit("example"), synthetic=pl.lit(True),
        multiplier=pl.lit(multiplier), style=pl.lit(style),
    )  # fmt: skip
    surface = pl.DataFrame(slices).with_columns(
        *(pl.lit(value).alias(name) for name, value in shared.items()), certificate=pl.lit(certificate)
    )
    return (
        _as_table(rows, "raw.option_quotes"),
        _as_table(rows.drop("bid", "ask"), "greeks.option_greeks"),
        _as_table(surface, "greeks.surface"),
    )


def chain_of(days: Sequence[int] = (35,), **rest) -> OptionChain:
    return option_chain(*frames(days, **rest))


def _as_table(rows: pl.DataFrame, name: str) -> pl.DataFrame:
    schema = TABLES[name].polars_schema
    known = [pl.col(column).cast(schema[column]) for column in rows.columns if column in schema]
    unknown = [
        pl.lit(None, dtype=dtype).alias(column) for column, dtype in schema.items() if column not in rows.columns
    ]
    return rows.select(*known, *unknown).select(list(schema))
