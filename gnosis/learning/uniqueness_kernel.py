"""Compiled loops behind :mod:`gnosis.learning.uniqueness`.

This module imports numba; import it where a kernel is needed, not from the package's front.
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True, error_model="numpy")
def mean_share(count: np.ndarray, start: np.ndarray, end: np.ndarray, more: int) -> np.ndarray:
    """Return the mean of ``1 / (count + more)`` over each interval of positions, both ends inclusive."""
    out = np.empty(start.size)
    for row in range(start.size):
        total = 0.0
        for at in range(start[row], end[row] + 1):
            total += 1.0 / (count[at] + more)
        out[row] = total / (end[row] - start[row] + 1)
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def draw_in_sequence(
    start: np.ndarray, end: np.ndarray, n_positions: int, longest: int, numbers: np.ndarray
) -> np.ndarray:
    """Draw intervals one after another, each in proportion to the uniqueness it would have among those drawn.

    Parameters
    ----------
    start, end
        int64, ascending by ``start``; both ends inclusive.
    n_positions
        Positions that intervals can cover.
    longest
        Length of the longest interval in positions.
    numbers
        float64 in [0, 1), one per draw.

    Returns
    -------
    numpy.ndarray
        int64, the interval of each draw.
    """
    n = start.size
    count = np.zeros(n_positions, dtype=np.int64)
    uniqueness = np.ones(n)
    drawn = np.empty(numbers.size, dtype=np.int64)
    for draw in range(numbers.size):
        total = 0.0
        for row in range(n):
            total += uniqueness[row]
        target = numbers[draw] * total
        chosen, until = n - 1, 0.0
        for row in range(n):
            until += uniqueness[row]
            if until > target:
                chosen = row
                break
        drawn[draw] = chosen
        for at in range(start[chosen], end[chosen] + 1):
            count[at] += 1
        # Only intervals that begin before the end of the chosen one, and not too long before it, can meet it.
        row = np.searchsorted(start, start[chosen] - longest + 1)
        while row < n and start[row] <= end[chosen]:
            share = 0.0
            for at in range(start[row], end[row] + 1):
                share += 1.0 / (count[at] + 1)
            uniqueness[row] = share / (end[row] - start[row] + 1)
            row += 1
    return drawn
