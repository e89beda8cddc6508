"""The greeks room: volatility, sensitivities and dealer exposures from the quotes of one snapshot."""

from __future__ import annotations

import polars as pl

from assets import plots
from assets.night import Night
from assets.table_asset import table_asset
from gnosis import options
from gnosis.options.rates import LOOKBACK_SESSIONS

SIGN_CONVENTIONS = ("naive", "customer_long")


@table_asset(
    "greeks.option_greeks",
    reads=("raw.option_quotes", "raw.macro"),
    kinds=("polars", "numba", "parquet"),
    plots=plots.smile,
)
def option_greeks(night: Night) -> pl.DataFrame:
    """Implied volatility on the out-of-the-money side, forward from put-call parity, then ten Greeks in closed form."""
    quotes = night.read("raw.option_quotes")
    rates = night.read("raw.macro", lookback=LOOKBACK_SESSIONS)
    return options.option_greeks(quotes, rates)


@table_asset("greeks.exposure", reads=("greeks.option_greeks",), plots=plots.exposure_by_strike)
def exposure(night: Night) -> pl.DataFrame:
    """Greeks x open interest x multiplier x dealer sign, by strike, expiry bucket and sign convention."""
    return options.exposure(night.read("greeks.option_greeks"), SIGN_CONVENTIONS)
