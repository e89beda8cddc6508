"""The greeks room: forwards, volatility, its surface, sensitivities and dealer positioning from one snapshot."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial

import polars as pl

from assets import option_checks as checks
from assets.night import Night, TableRows
from assets.plots import greeks as plots
from assets.table_asset import table_asset
from gnosis import options
from gnosis.options.chain.declared_dividends import LOOKBACK_SESSIONS as DIVIDEND_SESSIONS
from gnosis.options.chain.rates import LOOKBACK_SESSIONS as RATE_SESSIONS
from gnosis.symbols import INDEX_CHAINS

SIGN_CONVENTIONS = ("naive", "customer_long")
INDEX_AND_ETF_SYMBOLS = (
    *INDEX_CHAINS,
    *(
        "ARKK",
        "DIA",
        "EEM",
        "EFA",
        "EWZ",
        "FXI",
        "GDX",
        "GLD",
        "HYG",
        "IBIT",
        "IWM",
        "IYR",
        "KRE",
        "KWEB",
        "LQD",
        "QQQ",
    ),
    *("SLV", "SMH", "SOXL", "SPXU", "SPY", "SQQQ", "TLT", "TNA", "TQQQ", "UNG", "USO", "UVXY", "VXX", "XBI", "XHB"),
    *("XLB", "XLC", "XLE", "XLF", "XLI", "XLK", "XLP", "XLRE", "XLU", "XLV", "XLY", "XOP", "XRT"),
)
"""Indices and funds; every other symbol is a single name, of whose dealers' side nothing is assumed in the bands."""

KINDS = ("polars", "numba", "parquet")
THREADS = os.cpu_count() or 1
"""Chains are shared out among so many threads; no result depends on it."""


@table_asset(
    "greeks.option_greeks",
    "greeks.forwards",
    reads=("raw.option_quotes", "raw.macro", "raw.dividends"),
    kinds=KINDS,
    plots={"greeks.option_greeks": plots.smile, "greeks.forwards": plots.carry},
    own_checks={
        "greeks.option_greeks": [checks.CHAINS_HAVE_VOLATILITIES],
        "greeks.forwards": [checks.DISCOUNT_AGREES],
    },
)
def option_greeks(night: Night) -> Mapping[str, pl.DataFrame]:
    """Clean quotes, forward from put-call parity, volatility from the out-of-the-money side, ten Greeks."""
    found = options.chain_analytics(
        night.read("raw.option_quotes", lookback=1),
        night.read("raw.macro", lookback=RATE_SESSIONS),
        night.read("raw.dividends", lookback=DIVIDEND_SESSIONS) if night.serves("raw.dividends") else None,
    )
    return {
        "greeks.option_greeks": night.only(found.greeks),
        "greeks.forwards": night.only(found.forwards),
    }


@table_asset(
    "greeks.surface",
    "greeks.surface_certificate",
    reads=("greeks.option_greeks",),
    kinds=KINDS,
    own_checks={"greeks.surface_certificate": [checks.SURFACES_CERTIFIED]},
)
def surface(night: Night) -> Mapping[str, TableRows]:
    """SSVI over all expiries, refined to SVI slices, each with its certificate of no arbitrage."""
    greeks = night.read("greeks.option_greeks")
    found = options.volatility_surface(greeks, threads=THREADS)
    return {
        "greeks.surface": TableRows(found.slices, picture=partial(plots.surface, found.slices, greeks)),
        "greeks.surface_certificate": TableRows(
            found.certificate, picture=partial(plots.certificates, found.certificate)
        ),
    }


@table_asset("greeks.exposure", reads=("greeks.option_greeks",), kinds=KINDS, plots=plots.exposure_by_strike)
def exposure(night: Night) -> pl.DataFrame:
    """Greeks x open interest x shares x dealer sign, by strike, expiry bucket and sign convention."""
    return options.exposure(night.read("greeks.option_greeks"), SIGN_CONVENTIONS)


@table_asset(
    "greeks.levels",
    reads=("greeks.option_greeks", "greeks.exposure"),
    kinds=KINDS,
    own_checks=[checks.TOTALS_AGREE],
)
def levels(night: Night) -> TableRows:
    """Net exposures with their bands, every zero-gamma spot and the walls, by expiry set and sign convention."""
    greeks = night.read("greeks.option_greeks")
    found = options.levels(greeks, SIGN_CONVENTIONS, index_symbols=INDEX_AND_ETF_SYMBOLS, threads=THREADS)
    return TableRows(found, picture=partial(plots.gamma_profile, found, greeks, INDEX_AND_ETF_SYMBOLS))
