"""Kernels of the feature library that heed when each bar was known.

The series of all symbols stand in one array, one after the other, sorted by symbol and session. The recursions of the
indicators themselves are in :mod:`gnosis.engines.indicators_kernel`; their caller keeps only rows with enough sessions
in a row, as :func:`visible_history` counts them.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

# Log returns carry a rounding error of about 2e-16: a smaller spread than this is no spread.
NO_SPREAD = 1e-14


@njit(cache=True, nogil=True, error_model="numpy")
def visible_history(
    symbol: np.ndarray, position: np.ndarray, known_at: np.ndarray, origin: np.ndarray, window: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return how many sessions in a row each row may read, and from which origins the rows of its window come.

    Parameters
    ----------
    symbol, position, known_at, origin
        int64 arrays of one length, sorted by symbol and position.
    window
        Sessions that a row may read, its own included.

    Returns
    -------
    run, origins
        int64 arrays. ``run`` counts consecutive sessions up to ``window``; ``origins`` has the bit of each origin set
        that occurs among the visible rows of the window, with gaps or without.
    """
    n = symbol.size
    run = np.empty(n, np.int64)
    origins = np.empty(n, np.int64)
    plain = 0
    consecutive = 0
    for t in range(n):
        same = t > 0 and symbol[t] == symbol[t - 1]
        plain = plain + 1 if same and origin[t] == origin[t - 1] and known_at[t] >= known_at[t - 1] else 1
        consecutive = consecutive + 1 if same and position[t] == position[t - 1] + 1 else 1
        if plain >= window:
            run[t] = min(consecutive, window)
            origins[t] = 1 << origin[t]
            continue
        length = 1
        mask = 1 << origin[t]
        j = t - 1
        while j >= 0 and symbol[j] == symbol[t] and position[t] - position[j] < window:
            if known_at[j] <= known_at[t]:
                mask |= 1 << origin[j]
                if position[t] - position[j] == length:
                    length += 1
            j -= 1
        run[t] = length
        origins[t] = mask
    return run, origins


@njit(cache=True, nogil=True, error_model="numpy")
def return_score(
    symbol: np.ndarray, position: np.ndarray, known_at: np.ndarray, close: np.ndarray, window: int, fewest: int
) -> np.ndarray:
    """Return each row's log return in standard deviations from the mean of the ``window`` sessions before it.

    Returns of sessions that are missing, or that were not known at the row's cut-off, are left out of the reference
    sample. NaN when the row's own return is unknown, fewer than ``fewest`` are left or they are all equal.
    """
    n = close.size
    out = np.full(n, np.nan)
    step = np.full(n, np.nan)
    for t in range(1, n):
        if symbol[t] == symbol[t - 1] and position[t] == position[t - 1] + 1:
            step[t] = math.log(close[t] / close[t - 1])
    sample = np.empty(window)
    for t in range(1, n):
        if math.isnan(step[t]) or known_at[t - 1] > known_at[t]:
            continue
        count = 0
        j = t - 1
        while j > 0 and symbol[j] == symbol[t] and position[t] - position[j] <= window:
            if not math.isnan(step[j]) and known_at[j] <= known_at[t] and known_at[j - 1] <= known_at[t]:
                sample[count] = step[j]
                count += 1
            j -= 1
        if count < fewest:
            continue
        mean = 0.0
        for value in sample[:count]:
            mean += value
        mean /= count
        squares = 0.0
        for value in sample[:count]:
            squares += (value - mean) * (value - mean)
        spread = math.sqrt(squares / (count - 1))
        if spread > NO_SPREAD:
            out[t] = (step[t] - mean) / spread
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def ratio_to_usual(
    symbol: np.ndarray, position: np.ndarray, known_at: np.ndarray, x: np.ndarray, window: int, fewest: int
) -> np.ndarray:
    """Return each row's value over the mean of the ``window`` sessions before it.

    Sessions that are missing, NaN or not known at the row's cut-off are left out of the mean. NaN when the row's own
    value is, when fewer than ``fewest`` are left or when their mean is 0.
    """
    n = x.size
    out = np.full(n, np.nan)
    for t in range(1, n):
        count = 0
        total = 0.0
        j = t - 1
        while j >= 0 and symbol[j] == symbol[t] and position[t] - position[j] <= window:
            if not math.isnan(x[j]) and known_at[j] <= known_at[t]:
                total += x[j]
                count += 1
            j -= 1
        if count >= fewest and total > 0.0:
            out[t] = x[t] / (total / count)
    return out
