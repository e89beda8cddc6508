"""The features room: what a model may know at the close of a session."""

from __future__ import annotations

import polars as pl

from assets.night import Night
from assets.plots import features as plots
from assets.table_asset import table_asset
from gnosis.features import features_of
from gnosis.features.macro import macro as macro_features
from gnosis.features.regime import regime as regime_features
from gnosis.features.technical import technical as technical_features

BARS_LOOKBACK = max(feature.lookback_sessions for feature in features_of("technical"))
INDEX_LOOKBACK = max(feature.lookback_sessions for feature in features_of("regime"))
MACRO_LOOKBACK = max(feature.lookback_sessions for feature in features_of("macro"))


@table_asset("features.technical", reads=("raw.equity_bars",), plots=plots.missing_by_column)
def technical(night: Night) -> pl.DataFrame:
    """Indicators over fixed finite windows of adjusted prices, so that more history never changes a value."""
    return night.only(technical_features(night.read("raw.equity_bars", lookback=BARS_LOOKBACK)))


@table_asset("features.regime", reads=("raw.equity_bars", "raw.index_levels"), plots=plots.missing_by_column)
def regime(night: Night) -> pl.DataFrame:
    """State of the market from index levels known at the close, and of the symbol from its own bars."""
    bars = night.read("raw.equity_bars", lookback=BARS_LOOKBACK)
    levels = night.read("raw.index_levels", lookback=INDEX_LOOKBACK)
    return night.only(regime_features(bars, levels))


@table_asset("features.macro", reads=("raw.equity_bars", "raw.macro"), plots=plots.missing_by_column)
def macro(night: Night) -> pl.DataFrame:
    """Macroeconomic state as published by the close: the vintage current then, never a later revision."""
    keys = night.read("raw.equity_bars").with_columns(as_of=pl.col("known_at"))
    observations = night.read("raw.macro", lookback=MACRO_LOOKBACK)
    return night.only(macro_features(keys, observations))
