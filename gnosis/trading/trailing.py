"""Figures over the last rows of each symbol, computed afresh for every row.

A running sum depends in its last bits on where the history begins; these do not, so one night and a backfill of ten
years write the same bytes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gnosis.engines.volatility import close_to_close_variance

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
