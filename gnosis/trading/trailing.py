"""Figures over the last rows of each symbol, computed afresh for every row.

A running sum depends in its last bits on where the history begins; these do not, so one night and a backfill of ten
years write the same bytes.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gnosis.engines.volatility import close_to_close_variance
from gnosis.sessions import schedule

VOLATILITY_RETURNS = 20


def trailing_windows(values: NDArray[np.float64], symbols: NDArray[np.int64], n: int) -> NDArray[np.float64]:
    """Return the last ``n`` values of the same symbol up to each row; NaN throughout where there are fewer.

    Parameters
    ----------
    values
        Sorted by symbol and time, shape (rows,).
    symbols
        Code of the symbol of each row, shape (rows,), equal codes adjacent.
    n
        Rows in a window, the current one included.

    Returns
    -------
    numpy.ndarray
        Shape (rows, n).

    Examples
    --------
    >>> trailing_windows(np.array([1.0, 2.0, 3.0, 9.0]), np.array([0, 0, 0, 1]), 2).tolist()
    [[nan, nan], [1.0, 2.0], [2.0, 3.0], [nan, nan]]
    """
    if len(values) == 0:
        return np.empty((0, n))
    padded = np.concatenate([np.full(n - 1, np.nan), values])
    windows = np.lib.stride_tricks.sliding_window_view(padded, n).copy()
    owner = np.concatenate([np.full(n - 1, -1, dtype=np.int64), symbols])[: len(values)]
    windows[owner != symbols] = np.nan
    return windows


def trailing_sigma_d(adjusted_close: NDArray[np.float64], symbols: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the sample standard deviation of the last 20 daily log returns, 1/sqrt(session); NaN with fewer.

    Parameters
    ----------
    adjusted_close
        Closes adjusted for splits and dividends, sorted by symbol and session, shape (rows,).
    symbols
        Code of the symbol of each row, shape (rows,), equal codes adjacent.

    Examples
    --------
    >>> closes = np.exp(np.tile([0.0, 0.01], 11))
    >>> trailing_sigma_d(closes, np.zeros(22, dtype=np.int64))[-2:].round(6).tolist()
    [0.01026, 0.01026]
    """
    windows = trailing_windows(adjusted_close, symbols, VOLATILITY_RETURNS + 1)
    return np.sqrt(close_to_close_variance(windows))


def trailing_figures(
    history: pl.DataFrame, column: str, wanted: pl.DataFrame, sessions: int = 252, least: int = 20
) -> pl.DataFrame:
    """Return the median of the sessions before and the place of today's value among them.

    Parameters
    ----------
    history
        ``session``, ``symbol``, ``known_at`` and the column, null where missing: today's values too.
    column
        Name of the values.
    wanted
        ``session``, ``symbol``, ``as_of``: what to tell about; a value known after ``as_of`` is not used.
    sessions
        Exchange sessions in the window, today's not among them.
    least
        Values that the window must have; with fewer the figures are null.

    Returns
    -------
    polars.DataFrame
        ``median`` and ``rank`` (share of the window below today's value, ties half, 0 to 1), rows as ``wanted``.

    Examples
    --------
    >>> from gnosis.sessions import schedule
    >>> days = schedule().select("session", known_at="close_at").head(31)
    >>> history = days.with_columns(symbol=pl.lit("ABC"), energy=pl.int_range(31))
    >>> wanted = history.tail(1).select("session", "symbol", as_of="known_at")
    >>> trailing_figures(history, "energy", wanted, sessions=20).row(0)
    (19.5, 1.0)
    """
    calendar = schedule()["session"]
    places = calendar.search_sorted(wanted["session"]).cast(pl.Int64).to_numpy()
    median, rank = np.full(wanted.height, np.nan), np.full(wanted.height, np.nan)
    as_of = wanted["as_of"].dt.epoch("us").to_numpy()
    symbols = wanted["symbol"].to_numpy()
    known = history.filter(pl.col(column).is_not_null()).select(
        "symbol",
        place=calendar.search_sorted(history.filter(pl.col(column).is_not_null())["session"]).cast(pl.Int64),
        known=pl.col("known_at").dt.epoch("us"),
        value=pl.col(column).cast(pl.Float64),
    )
    for symbol, own in known.partition_by("symbol", as_dict=True).items():
        rows = np.flatnonzero(symbols == symbol[0])
        if rows.size == 0:
            continue
        first, last = int(places[rows].min()) - sessions, int(places[rows].max())
        own = own.filter(pl.col("place").is_between(first, last))
        values, learnt = np.full(last - first + 1, np.nan), np.full(last - first + 1, np.iinfo(np.int64).max)
        at = own["place"].to_numpy() - first
        values[at], learnt[at] = own["value"].to_numpy(), own["known"].to_numpy()
        window = places[rows, None] - first - sessions + np.arange(sessions + 1)
        seen = np.where(learnt[window] <= as_of[rows, None], values[window], np.nan)
        before, today = seen[:, :-1], seen[:, -1:]
        n = np.isfinite(before).sum(axis=1)
        told = n >= least
        median[rows[told]] = np.nanmedian(before[told], axis=1)
        below = (before < today).sum(axis=1) + 0.5 * (before == today).sum(axis=1)
        told &= np.isfinite(today[:, 0])
        rank[rows[told]] = below[told] / n[told]
    return pl.DataFrame({"median": median, "rank": rank}).fill_nan(None)
