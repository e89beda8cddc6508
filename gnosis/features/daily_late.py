"""Daily features of symbols whose bars were known late or out of order: the engines' own rows, symbol by symbol."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection

import numpy as np
import polars as pl

from gnosis.engines.elasticity.inputs import VIX
from gnosis.engines.elasticity.sources import seen_rows
from gnosis.engines.elasticity.vanna_flow import correlation
from gnosis.engines.liquidity import liquidity
from gnosis.engines.points import Floats, Points, daily_points
from gnosis.engines.sentiment import sentiment
from gnosis.engines.trailing import least
from gnosis.features.codes import coded
from gnosis.features.regime import regime
from gnosis.features.registry import BY_NAME, FEATURES
from gnosis.features.technical import technical

KEY = ["session", "symbol"]
WINDOW = 20


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
    returns = _returns(points, bars)
    found = correlation(returns, vix_changes(rows, index_levels), least(WINDOW))
    rows = rows.with_columns(pl.Series("hedge_cross_asset_correlation", found, nan_to_null=True))
    missing = [pl.lit(None).alias(feature.name) for feature in FEATURES if feature.name not in rows.columns]
    rows = rows.with_columns(missing)
    return rows if sessions is None else rows.filter(pl.col("session").is_in(list(sessions)))


def vix_changes(moments: pl.DataFrame, index_levels: pl.DataFrame) -> Floats:
    """Return the last 20 daily changes of VIX that each session and cut-off sees, the newest last, in points.

    Parameters
    ----------
    moments
        ``session`` and ``as_of``.
    index_levels
        Rows of ``raw.index_levels``.
    """
    distinct = moments.select("session", "as_of").unique().sort("session", "as_of")
    # One symbol per cut-off of a session: points name each symbol and session once.
    numbered = distinct.with_columns(symbol=pl.int_range(pl.len()).over("session").cast(pl.String))
    points = Points.of(numbered)
    changes = np.empty((len(points), WINDOW))
    for code in range(len(points.symbols)):
        at = np.flatnonzero(points.symbol == code)
        some = points.only(at)
        own = Points(some.frame, (VIX,), np.zeros(at.size, np.int64), some.position, some.as_of)
        closes = seen_rows(own, index_levels, WINDOW + 1, "raw.index_levels").taken(index_levels["close"])
        changes[at] = np.diff(closes, axis=1)
    placed = points.frame.select("session", "as_of").with_columns(row=pl.int_range(pl.len()))
    row = moments.join(placed, on=["session", "as_of"], how="left", maintain_order="left")["row"]
    return changes[row.to_numpy()]


def _returns(points: Points, bars: pl.DataFrame) -> Floats:
    seen = seen_rows(points, bars, WINDOW + 1, "raw.equity_bars")
    return np.diff(np.log(seen.taken(bars["close"]) * seen.taken(bars["adjustment_factor"])), axis=1)


__all__ = ["late_features", "vix_changes"]
