"""Daily features of symbols whose bars were known late or out of order: the engines' own rows, symbol by symbol."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection

import polars as pl

from gnosis.engines.liquidity import liquidity
from gnosis.engines.points import daily_points
from gnosis.engines.sentiment import sentiment
from gnosis.features.codes import coded
from gnosis.features.regime import regime
from gnosis.features.registry import BY_NAME, FEATURES
from gnosis.features.technical import technical
from gnosis.features.volatility_correlation import correlation_with_vix

KEY = ["session", "symbol"]


def late_features(
    bars: pl.DataFrame, index_levels: pl.DataFrame, breadth: pl.DataFrame, sessions: Collection[dt.date] | None
) -> pl.DataFrame:
    """Return the features from the functions that store them, over all given bars; later bars may have changed earlier.

    Parameters
    ----------
    bars
        Rows of ``raw.equity_bars`` of these symbols.
    index_levels
        Rows of ``raw.index_levels``.
    breadth
        Market-wide measures of all symbols, as :func:`gnosis.engines.sentiment.breadth.universe_breadth` returns them.
    sessions
        Sessions whose rows are wanted; all when None.
    """
    points = daily_points(bars)
    rows = points.frame
    for own in (
        liquidity(bars),
        sentiment(bars, index_levels=index_levels, breadth=breadth),
        technical(bars),
        regime(bars, index_levels),
    ):
        names = [name for name in BY_NAME if name in own.columns]
        is_coded = BY_NAME[names[0]].group in ("technical", "regime")
        columns = [pl.col(name) if is_coded else coded(name) for name in names]
        rows = rows.join(own.select(*KEY, *columns), on=KEY, how="left", maintain_order="left")
    found = correlation_with_vix(points, bars, index_levels)
    rows = rows.with_columns(pl.Series("hedge_cross_asset_correlation", found, nan_to_null=True))
    missing = [pl.lit(None).alias(feature.name) for feature in FEATURES if feature.name not in rows.columns]
    rows = rows.with_columns(missing)
    return rows if sessions is None else rows.filter(pl.col("session").is_in(list(sessions)))


__all__ = ["late_features"]
