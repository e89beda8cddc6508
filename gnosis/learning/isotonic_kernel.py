"""Compiled loop behind :mod:`gnosis.learning.isotonic`."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True, error_model="numpy")
def pooled(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the non-decreasing sequence nearest to ``values``: neighbours out of order become their weighted mean.

    Parameters
    ----------
    values, weights
        float64 of shape (n,), weights positive.

    Returns
    -------
    numpy.ndarray
        float64 of shape (n,).
    """
    n = values.size
    level, weight, length = np.empty(n), np.empty(n), np.empty(n, dtype=np.int64)
    blocks = 0
    for i in range(n):
        level[blocks], weight[blocks], length[blocks] = values[i], weights[i], 1
        blocks += 1
        while blocks > 1 and level[blocks - 2] >= level[blocks - 1]:
            both = weight[blocks - 2] + weight[blocks - 1]
            # An average of equals must be that value to the bit.
            if level[blocks - 2] > level[blocks - 1]:
                gap = level[blocks - 1] - level[blocks - 2]
                level[blocks - 2] += gap * (weight[blocks - 1] / both)
            weight[blocks - 2] = both
            length[blocks - 2] += length[blocks - 1]
            blocks -= 1
    out = np.empty(n)
    start = 0
    for block in range(blocks):
        out[start : start + length[block]] = level[block]
        start += length[block]
    return out
