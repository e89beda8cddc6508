"""The trades room: ideas for the next open, published once."""

from __future__ import annotations

import polars as pl

from assets.night import Night
from assets.plots import trades as plots
from assets.table_asset import table_asset
from gnosis import trading


@table_asset(
    "trades.ideas",
    reads=("models.predictions", "engines.elasticity", "raw.equity_bars"),
    plots=plots.sides,
)
def ideas(night: Night) -> pl.DataFrame:
    """Side from the odds, size from volatility and movement energy, and a veto with its reason. Published once."""
    return night.only(
        trading.ideas(
            night.read("models.predictions"),
            night.read("engines.elasticity", lookback=trading.ENERGY_LOOKBACK_SESSIONS),
            night.read("raw.equity_bars", lookback=trading.BARS_LOOKBACK_SESSIONS),
        )
    )
