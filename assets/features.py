"""The features room: what a model may know at the close of a session."""

from __future__ import annotations

import polars as pl

from assets import feature_checks as checks
from assets.night import Night
from assets.plots import features as plots
from assets.proofs import SEES_NO_FUTURE
from assets.table_asset import table_asset
from gnosis.features import BY_NAME, GROUPS, codes, lookback_of
from gnosis.features.hedge import CONVENTION
from gnosis.features.hedge import hedge as hedge_features
from gnosis.features.liquidity import liquidity as liquidity_features
from gnosis.features.macro import macro as macro_features
from gnosis.features.matrix import matrix as side_by_side
from gnosis.features.regime import regime as regime_features
from gnosis.features.sentiment import sentiment as sentiment_features
from gnosis.features.technical import technical as technical_features

BARS = lookback_of("technical")
INDEX_LEVELS = lookback_of("regime")
OBSERVATIONS = lookback_of("macro")
VIX_SESSIONS = BY_NAME["hedge_cross_asset_correlation"].lookback_sessions


@table_asset(
    "features.hedge",
    reads=("raw.equity_bars", "raw.index_levels", "engines.elasticity"),
    plots=plots.missing_by_feature,
    own_checks=[checks.NULLS_HAVE_REASONS],
)
def hedge(night: Night) -> pl.DataFrame:
    """What dealers must trade when the price moves, under the naive convention; null without a chain."""
    own = pl.col("sign_convention") == CONVENTION
    return hedge_features(
        night.read("raw.equity_bars", lookback=VIX_SESSIONS),
        night.read("engines.elasticity", where=own),
        night.read("raw.index_levels", lookback=VIX_SESSIONS),
        night.sessions,
    )


@table_asset(
    "features.liquidity",
    reads=("raw.equity_bars", "engines.liquidity"),
    plots=plots.missing_by_feature,
    own_checks=[checks.NULLS_HAVE_REASONS],
)
def liquidity(night: Night) -> pl.DataFrame:
    """What it costs to trade and who is trading, as the liquidity engine stored it."""
    return liquidity_features(night.read("raw.equity_bars"), night.read("engines.liquidity"))


@table_asset(
    "features.sentiment",
    reads=("raw.equity_bars", "engines.sentiment"),
    plots=plots.missing_by_feature,
    own_checks=[checks.NULLS_HAVE_REASONS],
)
def sentiment(night: Night) -> pl.DataFrame:
    """What is said, positioned and seen in prices, as the sentiment engine stored it."""
    return sentiment_features(night.read("raw.equity_bars"), night.read("engines.sentiment"))


@table_asset(
    "features.technical",
    reads=("raw.equity_bars",),
    plots=plots.missing_by_feature,
    own_checks=[checks.NULLS_HAVE_REASONS],
)
def technical(night: Night) -> pl.DataFrame:
    """Indicators over fixed finite windows of adjusted prices, so that more history never changes a value."""
    return technical_features(night.read("raw.equity_bars", lookback=BARS), night.sessions)


@table_asset(
    "features.regime",
    reads=("raw.equity_bars", "raw.index_levels"),
    plots=plots.missing_by_feature,
    own_checks=[checks.NULLS_HAVE_REASONS],
)
def regime(night: Night) -> pl.DataFrame:
    """State of the market from index levels known at the close, and of the symbol from its own bars."""
    bars = night.read("raw.equity_bars", lookback=BARS)
    levels = night.read("raw.index_levels", lookback=INDEX_LEVELS)
    return regime_features(bars, levels, night.sessions)


@table_asset(
    "features.macro",
    reads=("raw.equity_bars", "raw.macro"),
    plots=plots.missing_by_feature,
    own_checks=[checks.NULLS_HAVE_REASONS],
)
def macro(night: Night) -> pl.DataFrame:
    """Macroeconomic state as published by the close: the vintage current then, never a later revision."""
    keys = night.read("raw.equity_bars").with_columns(as_of=pl.col("known_at"))
    observations = night.read("raw.macro", lookback=OBSERVATIONS)
    return macro_features(keys, observations, night.sessions)


@table_asset(
    "features.matrix",
    reads=tuple(f"features.{group}" for group in GROUPS),
    plots=plots.missing_by_feature,
    own_checks=[SEES_NO_FUTURE],
)
def matrix(night: Night) -> pl.DataFrame:
    """The 141 features side by side: numbers in single precision, categories by code, null where missing."""
    return side_by_side({group: night.read(f"features.{group}") for group in GROUPS})


@table_asset("features.categories", reads=("features.matrix",))
def categories(_: Night) -> pl.DataFrame:
    """The dictionary of the codes; it follows from the registry alone."""
    return codes.categories()
