"""The engines room: the state of the market's elasticity per symbol and session."""

from __future__ import annotations

import polars as pl

from assets.greeks import INDEX_AND_ETF_SYMBOLS
from assets.night import Night
from assets.plots import engines as plots
from assets.table_asset import table_asset
from gnosis.engines import elasticity as elasticity_engine

BARS_LOOKBACK = 21
LISTING_LOOKBACK = 1


@table_asset(
    "engines.elasticity",
    reads=("greeks.option_greeks", "greeks.exposure", "raw.equity_bars"),
    kinds=("polars", "numba", "parquet"),
    plots=plots.amplification,
)
def elasticity(night: Night) -> pl.DataFrame:
    """Depth by the linear law plus dealer gamma, the work of a one per cent move, and what hedging does to it."""
    greeks = night.read("greeks.option_greeks", lookback=LISTING_LOOKBACK)
    listing = elasticity_engine.expected_listing(greeks)
    exposure = night.read("greeks.exposure")
    bars = night.read("raw.equity_bars", lookback=BARS_LOOKBACK)
    return elasticity_engine.elasticity(
        night.only(greeks), exposure, bars, index_symbols=INDEX_AND_ETF_SYMBOLS, listing=listing
    )
