"""Compiled loop behind :mod:`gnosis.learning.feature_report`."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True, error_model="numpy")
def correlations(values: np.ndarray, fewest: int) -> np.ndarray:
    """Return Pearson's correlation of every pair of rows over the columns that both have.

    Parameters
    ----------
    values
        float64 of shape (features, rows), NaN where missing.
    fewest
        Columns that a pair needs.

    Returns
    -------
    numpy.ndarray
        float64 of shape (features, features), symmetric; NaN on the diagonal, where a pair has too few and where a
        side does not vary.
    """
    n, length = values.shape
    out = np.full((n, n), np.nan)
    for i in range(n):
        for j in range(i):
            count, sum_x, sum_y = 0, 0.0, 0.0
            for t in range(length):
                x, y = values[i, t], values[j, t]
                if not (np.isnan(x) or np.isnan(y)):
                    count += 1
                    sum_x += x
                    sum_y += y
            if count < fewest:
                continue
            mean_x, mean_y = sum_x / count, sum_y / count
            xx, yy, xy = 0.0, 0.0, 0.0
            for t in range(length):
                x, y = values[i, t], values[j, t]
                if not (np.isnan(x) or np.isnan(y)):
                    xx += (x - mean_x) * (x - mean_x)
                    yy += (y - mean_y) * (y - mean_y)
                    xy += (x - mean_x) * (y - mean_y)
            if xx > 0.0 and yy > 0.0:
                out[i, j] = out[j, i] = xy / np.sqrt(xx * yy)
    return out
