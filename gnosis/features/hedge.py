"""Hedge features: what dealers must trade when the price moves, from the elasticity engine."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection

import numpy as np
import polars as pl

from gnosis.features.group_rows import KEY, engine_features

CONVENTION = "naive"
"""Sign convention of the stored features: dealers are long calls and short puts."""
WITHOUT_CHAIN = "hedge_cross_asset_correlation"
"""The one feature of the group that bars and index levels suffice for."""


def hedge(
    bars: pl.DataFrame,
    elasticity: pl.DataFrame,
    index_levels: pl.DataFrame,
    sessions: Collection[dt.date] | None = None,
    convention: str = CONVENTION,
) -> pl.DataFrame:
    """Return the rows of ``features.hedge``: one per bar.

    A bar whose symbol has no chain in its session is null with ``NO_CHAIN``, but for the correlation with the VIX.

    Parameters
    ----------
    bars
        Rows of ``raw.equity_bars`` of the sessions to make, and of the 20 before for symbols without a chain.
    elasticity
        Rows of ``engines.elasticity`` of the sessions to make.
    index_levels
        Rows of ``raw.index_levels`` of the same sessions as the bars.
    sessions
        Sessions to make; all of the bars when None.
    convention
        Sign convention whose rows are taken.

    Raises
    ------
    ValueError
        When a column is missing or a key occurs twice.

    Examples
    --------
    >>> from gnosis.tables import TABLES
    >>> no_rows = [TABLES[name].empty() for name in ("raw.equity_bars", "engines.elasticity", "raw.index_levels")]
    >>> hedge(*no_rows).shape
    (0, 32)
    """
    own = elasticity.filter(pl.col("sign_convention").cast(pl.String) == convention)
    wanted = bars if sessions is None else bars.filter(pl.col("session").is_in(list(sessions)))
    rows = engine_features("hedge", wanted, own, confidence="confidence", absent="NO_CHAIN")
    without = rows.join(own.select(KEY), on=KEY, how="anti")
    if without.is_empty():
        return rows
    known = _from_bars(without.select(*KEY, "as_of"), bars, index_levels)
    return rows.update(known, on=KEY).select(rows.columns)


def _from_bars(keys: pl.DataFrame, bars: pl.DataFrame, index_levels: pl.DataFrame) -> pl.DataFrame:
    """Return the correlation with the VIX of symbols without a chain, and the origin of what it was made from."""
    from gnosis.engines.elasticity.inputs import VIX
    from gnosis.engines.input_origin import input_origin, market_origin
    from gnosis.engines.points import Points
    from gnosis.features.volatility_correlation import WINDOW, correlation_with_vix
    from gnosis.options.origin import Providers

    points = Points.of(keys)
    found = correlation_with_vix(points, bars, index_levels)
    vix = index_levels.filter(pl.col("symbol") == VIX)
    of_bars = input_origin(points, [(bars, WINDOW + 1)])
    of_vix = market_origin(points.frame, [(vix, WINDOW + 1, ~np.isnan(found))])
    providers = Providers(of_bars[0], of_vix[0])
    return points.frame.select(*KEY).with_columns(
        pl.Series(WITHOUT_CHAIN, found, nan_to_null=True),
        providers.joined(providers.members(of_bars[0]) | providers.members(of_vix[0])).alias("provider"),
        synthetic=pl.Series(of_bars[1] | of_vix[1]),
    )


__all__ = ["CONVENTION", "hedge"]
