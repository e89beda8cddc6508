"""A volatility index made from the closes of the index it belongs to."""

from __future__ import annotations

import numpy as np
import polars as pl

from gnosis.sessions import schedule
from gnosis.simulate.draws import stream
from gnosis.simulate.rows import rows_of
from gnosis.simulate.volatility import persistent_factor, realised_volatility

VIX_WINDOW = 63


def vix_from_index(index_levels: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Return generated ^VIX levels for the sessions of ^GSPC, where no observed ones are at hand.

    Realised variance is taken over the last 10, 21 and 63 returns (weights 1/2, 3/10, 1/5). The level is its root,
    drawn a quarter of the way (in logs) to 18 points, times a premium of 1.15 and persistent seeded noise of 4%. The
    close of a session uses returns up to that session and nothing later.

    Parameters
    ----------
    index_levels
        Rows of raw.index_levels; only ^GSPC is read. The first 64 sessions serve as history and have no row.
    seed
        Integer >= 0.

    Returns
    -------
    polars.DataFrame
        Rows of raw.index_levels for ``^VIX``, sorted by key, ``synthetic`` true.

    Raises
    ------
    ValueError
        When there are no rows of ^GSPC.

    Examples
    --------
    >>> from gnosis.sessions import sessions_between
    >>> import datetime as dt
    >>> days = sessions_between(dt.date(2008, 1, 2), dt.date(2008, 5, 30))
    >>> gspc = schedule().filter(pl.col("session").is_in(days)).select(
    ...     "session", symbol=pl.lit("^GSPC"), ts="close_at", known_at="close_at",
    ...     close=1400 * (1 + 0.01 * (pl.int_range(pl.len()) % 2)))
    >>> vix_from_index(gspc, seed=7).select("session", pl.col("close").round(2)).row(0)
    (datetime.date(2008, 4, 4), 18.2)
    """
    levels = index_levels.filter(pl.col("symbol") == "^GSPC").sort("session")
    if levels.is_empty():
        raise ValueError("expected rows of ^GSPC in index_levels, found none; pass raw.index_levels with symbol ^GSPC")
    returns = np.diff(np.log(levels["close"].to_numpy()), prepend=np.nan)
    # One entry later, so that the trailing window ends with the session itself.
    following = np.append(returns, 0.0)
    ten, month, quarter = (realised_volatility(following, window)[1:] for window in (10, 21, VIX_WINDOW))
    variance = 0.5 * ten**2 + 0.3 * month**2 + 0.2 * quarter**2

    calendar = schedule()["session"]
    ordinals = calendar.search_sorted(levels["session"]).to_numpy()
    draws = stream(seed, "index.vix").standard_normal((int(ordinals.max()) + 1, 3))
    noise = 0.04 * persistent_factor(draws[:, 0], 0.9)[ordinals]
    close = 100 * 1.15 * np.clip(np.sqrt(variance), 0.06, 1.5) ** 0.75 * 0.18**0.25 * np.exp(noise)
    before = np.concatenate([[np.nan], close[:-1]])
    open_ = before * np.exp(0.01 * draws[ordinals, 1])
    spread = 0.03 * np.abs(draws[ordinals, 2])
    rows = levels.with_columns(
        symbol=pl.lit("^VIX"),
        open=pl.Series(np.round(open_, 2)),
        high=pl.Series(np.round(np.fmax(open_, close) * np.exp(spread), 2)),
        low=pl.Series(np.round(np.fmin(open_, close) * np.exp(-spread), 2)),
        close=pl.Series(np.round(close, 2)),
        provider=pl.lit("simulate"),
        synthetic=pl.lit(True),
    )
    # One session more than the window: opening levels start from the level before.
    return rows_of("raw.index_levels", rows.slice(VIX_WINDOW + 1))
