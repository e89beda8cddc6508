"""What a decision knows of its own bars: the side of the primary rule and the volatility scale."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from gnosis.learning.bar_grid import BarGrid, shifted
from gnosis.learning.meta_labels import sides
from gnosis.learning.volatility import ewm_sigma

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

_SCHEMA = {"session": pl.Date, "symbol": pl.String, "side": pl.Int8, "sigma_bar": pl.Float64}


def known_at_decision(bars: pl.DataFrame, sessions: Sequence[dt.date] | None = None) -> pl.DataFrame:
    """Return the primary side and the volatility scale at the close of every bar, known with that bar.

    Parameters
    ----------
    bars
        Rows of ``raw.equity_bars``, any order, from :data:`gnosis.learning.labels.LOOKBACK_SESSIONS` sessions before
        the first decision on: more history changes no bit.
    sessions
        Decisions to tell about; None for every bar.

    Returns
    -------
    polars.DataFrame
        ``session``, ``symbol``, ``side`` (Int8: +1, -1, or null where there is none) and ``sigma_bar``
        (1/sqrt(session), null while there are too few returns), sorted; one row per bar, as in ``models.labels``.

    Raises
    ------
    gnosis.learning.bar_grid.BarsError
        Missing columns, days that are not sessions or repeated keys.

    Examples
    --------
    >>> from gnosis.sessions import schedule
    >>> days = schedule().select("session", known_at="close_at").head(21)
    >>> prices = {name: pl.Series(range(100, 121), dtype=pl.Float64) for name in ("open", "high", "low", "close")}
    >>> bars = days.with_columns(symbol=pl.lit("ABC"), volume=1.0, adjustment_factor=1.0, provider=pl.lit("a"),
    ...     synthetic=True, **prices)
    >>> known_at_decision(bars)["side"].to_list()[-2:]
    [None, 1]
    """
    if bars.is_empty():
        return pl.DataFrame(schema=_SCHEMA)
    grid = BarGrid(bars)
    close = np.log(grid.close)
    sigma = ewm_sigma(close - shifted(close, 1, np.nan))
    column, symbol = np.nonzero(grid.has_bar.T)
    frame = pl.DataFrame(
        {
            "session": grid.exchange["session"].gather(column),
            "symbol": grid.symbols.gather(symbol),
            "side": sides(grid)[symbol, column],
            "sigma_bar": sigma[symbol, column],
        },
        schema_overrides=_SCHEMA,
    ).with_columns(pl.col("sigma_bar").fill_nan(None), side=pl.when(pl.col("side") != 0).then("side"))
    return frame if sessions is None else frame.filter(pl.col("session").is_in(sessions))
