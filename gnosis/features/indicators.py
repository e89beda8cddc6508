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
BLOCK = 512


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
    # A change also reads the row before its own.
    plain = _plain_run(symbol, position, known_at, step) - 1
    sample = np.empty(window)
    mean, squares = np.empty(BLOCK), np.empty(BLOCK)
    t = 1
    while t < n:
        end = t
        while end < min(t + BLOCK, n) and plain[end] > window:
            end += 1
        if end > t:
            # Every row of a block has its whole window: they step through it together, from the newest on.
            width = end - t
            mean[:] = 0.0
            squares[:] = 0.0
            for k in range(1, window + 1):
                _add(step[t - k : end - k], mean[:width])
            for lane in range(width):
                mean[lane] /= window
            for k in range(1, window + 1):
                _add_squares(step[t - k : end - k], mean[:width], squares[:width])
            for lane in range(width):
                spread = math.sqrt(squares[lane] / (window - 1))
                if spread > NO_SPREAD:
                    out[t + lane] = (step[t + lane] - mean[lane]) / spread
            t = end
            continue
        if not math.isnan(step[t]) and known_at[t - 1] <= known_at[t]:
            count = 0
            j = t - 1
            while j > 0 and symbol[j] == symbol[t] and position[t] - position[j] <= window:
                if not math.isnan(step[j]) and known_at[j] <= known_at[t] and known_at[j - 1] <= known_at[t]:
                    sample[count] = step[j]
                    count += 1
                j -= 1
            if count >= fewest:
                out[t] = _score(step[t], sample[:count])
        t += 1
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def _plain_run(symbol: np.ndarray, position: np.ndarray, known_at: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return how many rows up to each are known values of neighbouring sessions, known in order; 0 where NaN."""
    run = np.zeros(x.size, np.int64)
    for t in range(x.size):
        if math.isnan(x[t]):
            continue
        is_next = t > 0 and symbol[t] == symbol[t - 1] and position[t] == position[t - 1] + 1
        run[t] = run[t - 1] + 1 if is_next and known_at[t] >= known_at[t - 1] else 1
    return run


@njit(cache=True, nogil=True, error_model="numpy")
def _add(x: np.ndarray, total: np.ndarray) -> None:
    for lane in range(total.size):
        total[lane] += x[lane]


@njit(cache=True, nogil=True, error_model="numpy")
def _add_squares(x: np.ndarray, mean: np.ndarray, total: np.ndarray) -> None:
    for lane in range(total.size):
        total[lane] += (x[lane] - mean[lane]) * (x[lane] - mean[lane])


@njit(cache=True, nogil=True, error_model="numpy")
def _score(own: float, sample: np.ndarray) -> float:
    mean = 0.0
    for value in sample:
        mean += value
    mean /= sample.size
    squares = 0.0
    for value in sample:
        squares += (value - mean) * (value - mean)
    spread = math.sqrt(squares / (sample.size - 1))
    return (own - mean) / spread if spread > NO_SPREAD else np.nan


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
    plain = _plain_run(symbol, position, known_at, x)
    total = np.empty(BLOCK)
    t = 1
    while t < n:
        end = t
        while end < min(t + BLOCK, n) and plain[end] > window:
            end += 1
        if end > t:
            total[:] = 0.0
            for k in range(1, window + 1):
                _add(x[t - k : end - k], total[: end - t])
            for lane in range(end - t):
                if total[lane] > 0.0:
                    out[t + lane] = x[t + lane] / (total[lane] / window)
            t = end
            continue
        count = 0
        own_total = 0.0
        j = t - 1
        while j >= 0 and symbol[j] == symbol[t] and position[t] - position[j] <= window:
            if not math.isnan(x[j]) and known_at[j] <= known_at[t]:
                own_total += x[j]
                count += 1
            j -= 1
        if count >= fewest and own_total > 0.0:
            out[t] = x[t] / (own_total / count)
        t += 1
    return out
