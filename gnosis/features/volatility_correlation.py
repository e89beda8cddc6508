"""How a symbol's returns go together with changes of the VIX: the one hedge feature that needs no option chain."""

from __future__ import annotations

import numpy as np
import polars as pl

from gnosis.engines.elasticity.inputs import VIX
from gnosis.engines.elasticity.sources import seen_rows
from gnosis.engines.elasticity.vanna_flow import correlation
from gnosis.engines.points import Floats, Points
from gnosis.engines.trailing import least

WINDOW = 20


def correlation_with_vix(points: Points, bars: pl.DataFrame, index_levels: pl.DataFrame) -> Floats:
    """Return the correlation of 20 daily log returns with the changes of the VIX in their sessions; NaN where unknown.

    Parameters
    ----------
    points
        Symbols, sessions and cut-offs of the rows wanted.
    bars
        Rows of ``raw.equity_bars`` with 20 sessions before each.
    index_levels
        Rows of ``raw.index_levels`` with the same sessions of ^VIX.
    """
    seen = seen_rows(points, bars, WINDOW + 1, "raw.equity_bars")
    returns = np.diff(np.log(seen.taken(bars["close"]) * seen.taken(bars["adjustment_factor"])), axis=1)
    return correlation(returns, vix_changes(points.frame, index_levels), least(WINDOW))


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


__all__ = ["WINDOW", "correlation_with_vix", "vix_changes"]
