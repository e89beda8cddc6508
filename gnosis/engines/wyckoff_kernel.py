"""Compiled rule behind :mod:`gnosis.engines.wyckoff`."""

from __future__ import annotations

import numpy as np
from numba import njit

from gnosis.engines.rolling_kernel import MAX, MEAN, MIN, SD, SUM, rolling

A, B, C, D, E, UNKNOWN = range(6)
TO_TEST = 6
"""Code of a point on which the earlier edges decide, when they were not given."""

BARS = 146
SCORE_WINDOW = 60


@njit(cache=True, nogil=True, error_model="numpy")
def unusual_volume(volume: np.ndarray) -> np.ndarray:
    """Return 1 where a volume is more than 2 sd above the mean of the 60 before it, else 0."""
    out = np.zeros(volume.size)
    mean, sd = rolling(volume, SCORE_WINDOW, MEAN), rolling(volume, SCORE_WINDOW, SD)
    for t in range(SCORE_WINDOW, volume.size):
        is_above = volume[t] - mean[t - 1] > 2.0 * sd[t - 1]
        out[t] = 1.0 if sd[t - 1] > 1e-14 * mean[t - 1] and is_above else 0.0
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
    run = np.zeros(0, np.int64)
    recent = usual = n_unusual = lowest5 = highest5 = lowest10 = highest10 = lowest15 = highest15 = np.zeros(0)
    for i in range(symbol.size):
        t = column[i]
        if t < BARS - 1:
            continue
        if symbol[i] != own:
            own = symbol[i]
            tops, bottoms, v = high[own], low[own], volume[own]
            run, n_unusual = known_in_a_row(tops, bottoms, close[own], v), rolling(unusual_volume(v), 10, SUM)
            recent, usual = rolling(v, 5, MEAN), rolling(v, window, MEAN)
            lowest5, highest5 = rolling(bottoms, 5, MIN), rolling(tops, 5, MAX)
            lowest10, highest10 = rolling(bottoms, 10, MIN), rolling(tops, 10, MAX)
            lowest15, highest15 = rolling(bottoms, 15, MIN), rolling(tops, 15, MAX)
        c = close[own]
        lo, up, half = lower[i], upper[i], 0.5 * reach[i]
        known = lo + up + half
        if is_given:
            known += earlier_lower[i] + earlier_upper[i]
        if np.isnan(known) or run[t] < BARS:
            continue
        above = c[t] > up and c[t - 1] > up and c[t - 2] > up
        below = c[t] < lo and c[t - 1] < lo and c[t - 2] < lo
        if above or below:
            out[i] = E
            continue
        if (lowest5[t] < lo - half and c[t] > lo) or (highest5[t] > up + half and c[t] < up):
            out[i] = C
            continue
        if recent[t] > usual[t]:
            if not is_given:
                out[i] = TO_TEST
                continue
            lo2, up2 = earlier_lower[i], earlier_upper[i]
            third = (up2 - lo2) / 3.0
            # The test comes before the last five bars.
            tested_low, tested_high = lowest15[t - 5] < lo2 - half, highest15[t - 5] > up2 + half
            in_upper = up2 - third <= c[t] <= up2
            in_lower = lo2 <= c[t] <= lo2 + third
            if (tested_low and in_upper) or (tested_high and in_lower):
                out[i] = D
                continue
        move = abs(c[t - 10] - c[t - 30])
        if move > 6.0 * half and highest10[t] - lowest10[t] < 0.5 * move and n_unusual[t] > 0.0:
            out[i] = A
        elif lo <= c[t] <= up and lowest10[t] >= lo and highest10[t] <= up:
            out[i] = B
    return out
