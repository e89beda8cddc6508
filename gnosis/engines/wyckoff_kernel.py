"""Compiled rule behind :mod:`gnosis.engines.wyckoff`."""

from __future__ import annotations

import numpy as np
from numba import njit

from gnosis.engines.indicators_kernel import BLOCK, MEAN, rolling

A, B, C, D, E, UNKNOWN = range(6)
TO_TEST = 6
"""Code of a point on which the earlier edges decide, when they were not given."""

BARS = 146
SCORE_WINDOW = 60


@njit(cache=True, nogil=True, error_model="numpy")
def unusual_volume(volume: np.ndarray) -> np.ndarray:
    """Return 1 where a volume is more than 2 sd above the mean of the 60 before it, else 0."""
    n = volume.size
    out = np.zeros(n, np.int64)
    mean, squares = np.empty(BLOCK), np.empty(BLOCK)
    for first in range(SCORE_WINDOW, n, BLOCK):
        width = min(BLOCK, n - first)
        oldest = first - SCORE_WINDOW
        mean[:] = 0.0
        squares[:] = 0.0
        for k in range(SCORE_WINDOW):
            values = volume[oldest + k : oldest + k + width]
            for lane in range(width):
                mean[lane] += values[lane]
        for lane in range(width):
            mean[lane] /= SCORE_WINDOW
        for k in range(SCORE_WINDOW):
            values = volume[oldest + k : oldest + k + width]
            for lane in range(width):
                away = values[lane] - mean[lane]
                squares[lane] += away * away
        for lane in range(width):
            sd = np.sqrt(squares[lane] / (SCORE_WINDOW - 1))
            is_above = volume[first + lane] - mean[lane] > 2.0 * sd
            out[first + lane] = 1 if sd > 1e-14 * mean[lane] and is_above else 0
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def known_in_a_row(high: np.ndarray, low: np.ndarray, close: np.ndarray, volume: np.ndarray) -> np.ndarray:
    """Return how many bars up to each, itself included, are known without a gap."""
    out = np.zeros(close.size, np.int64)
    run = 0
    for t in range(close.size):
        run = 0 if np.isnan(high[t] + low[t] + close[t] + volume[t]) else run + 1
        out[t] = run
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def phases(
    high: np.ndarray,
    low: np.ndarray,
    close: np.ndarray,
    volume: np.ndarray,
    symbol: np.ndarray,
    column: np.ndarray,
    window: int,
    lower: np.ndarray,
    upper: np.ndarray,
    earlier_lower: np.ndarray,
    earlier_upper: np.ndarray,
    reach: np.ndarray,
) -> np.ndarray:
    """Return the code of the phase at each point; bars of shape (symbols, sessions), the rest one per point.

    Without earlier edges (empty arrays) a point on which they decide has the code :data:`TO_TEST`. Points are sorted by
    symbol.
    """
    out = np.full(symbol.size, float(UNKNOWN))
    is_given = earlier_lower.size > 0
    own = -1
    run = unusual = np.zeros(0, np.int64)
    recent = usual = np.zeros(0)
    for i in range(symbol.size):
        t = column[i]
        if t < BARS - 1:
            continue
        tops, bottoms, c, v = high[symbol[i]], low[symbol[i]], close[symbol[i]], volume[symbol[i]]
        if symbol[i] != own:
            own = symbol[i]
            run, unusual = known_in_a_row(tops, bottoms, c, v), unusual_volume(v)
            recent, usual = rolling(v, 5, MEAN), rolling(v, window, MEAN)
        lo, up, half = lower[i], upper[i], 0.5 * reach[i]
        known = lo + up + half
        if is_given:
            known += earlier_lower[i] + earlier_upper[i]
        if np.isnan(known) or run[t] < BARS:
            continue
        lowest, highest = np.inf, -np.inf
        for j in range(t - 4, t + 1):
            lowest, highest = min(lowest, bottoms[j]), max(highest, tops[j])
        above = c[t] > up and c[t - 1] > up and c[t - 2] > up
        below = c[t] < lo and c[t - 1] < lo and c[t - 2] < lo
        if above or below:
            out[i] = E
            continue
        if (lowest < lo - half and c[t] > lo) or (highest > up + half and c[t] < up):
            out[i] = C
            continue
        if recent[t] > usual[t]:
            if not is_given:
                out[i] = TO_TEST
                continue
            lo2, up2 = earlier_lower[i], earlier_upper[i]
            third = (up2 - lo2) / 3.0
            tested_low, tested_high = False, False
            for j in range(t - 19, t - 4):
                tested_low |= bottoms[j] < lo2 - half
                tested_high |= tops[j] > up2 + half
            in_upper = up2 - third <= c[t] <= up2
            in_lower = lo2 <= c[t] <= lo2 + third
            if (tested_low and in_upper) or (tested_high and in_lower):
                out[i] = D
                continue
        lowest, highest = np.inf, -np.inf
        for j in range(t - 9, t + 1):
            lowest, highest = min(lowest, bottoms[j]), max(highest, tops[j])
        move = abs(c[t - 10] - c[t - 30])
        if move > 6.0 * half and highest - lowest < 0.5 * move and unusual[t - 9 : t + 1].any():
            out[i] = A
        elif lo <= c[t] <= up and lowest >= lo and highest <= up:
            out[i] = B
    return out
