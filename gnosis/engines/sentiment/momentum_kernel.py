"""Compiled loop behind :mod:`gnosis.engines.sentiment.momentum`."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True, error_model="numpy")
def correlation(x: np.ndarray, y: np.ndarray, length: int) -> np.ndarray:
    """Return the correlation of the last ``length`` values of each row, arrays of shape (symbols, sessions).

    NaN where a value of the window is, or where all values of one side are equal.

    Examples
    --------
    >>> correlation(np.array([[1.0, 2.0, 3.0]]), np.array([[1.0, 2.0, 2.0]]), 3)[0, 2].round(6).item()
    0.866025
    """
    out = np.full(x.shape, np.nan)
    for row in range(x.shape[0]):
        for t in range(length - 1, x.shape[1]):
            first = t - length + 1
            mean_x, mean_y = 0.0, 0.0
            # Differences from the first value: equal values leave no rounding behind.
            for k in range(first, t + 1):
                mean_x += x[row, k] - x[row, first]
                mean_y += y[row, k] - y[row, first]
            mean_x /= length
            mean_y /= length
            xx, yy, xy = 0.0, 0.0, 0.0
            for k in range(first, t + 1):
                a = x[row, k] - x[row, first] - mean_x
                b = y[row, k] - y[row, first] - mean_y
                xx += a * a
                yy += b * b
                xy += a * b
            if xx > 0.0 and yy > 0.0:
                out[row, t] = min(1.0, max(-1.0, xy / np.sqrt(xx * yy)))
    return out
