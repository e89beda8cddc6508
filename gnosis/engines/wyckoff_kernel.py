"""Compiled rule behind :mod:`gnosis.engines.wyckoff`."""

from __future__ import annotations

import numpy as np
from numba import njit

A, B, C, D, E, UNKNOWN = range(6)
BARS = 146
SCORE_WINDOW = 60


@njit(cache=True, nogil=True, error_model="numpy")
def unusual_volume(volume: np.ndarray, first: int, last: int) -> bool:
    """Return whether a volume from first to last is more than 2 sd above the mean of the 60 before it; all known."""
    for j in range(first, last + 1):
        total = 0.0
        for k in range(j - SCORE_WINDOW, j):
            total += volume[k]
        mean = total / SCORE_WINDOW
        squares = 0.0
        for k in range(j - SCORE_WINDOW, j):
            squares += (volume[k] - mean) ** 2
        sd = np.sqrt(squares / (SCORE_WINDOW - 1))
        if sd > 1e-14 * mean and volume[j] - mean > 2.0 * sd:
            return True
    return False


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
    """Return the code of the phase at each point; bars of shape (symbols, sessions), the rest one per point."""
    out = np.full(symbol.size, float(UNKNOWN))
    for i in range(symbol.size):
        t = column[i]
        if t < BARS - 1:
            continue
        tops, bottoms, c, v = high[symbol[i]], low[symbol[i]], close[symbol[i]], volume[symbol[i]]
        lo, up, half = lower[i], upper[i], 0.5 * reach[i]
        known = lo + up + earlier_lower[i] + earlier_upper[i] + half
        for j in range(t - BARS + 1, t + 1):
            known += tops[j] + bottoms[j] + c[j] + v[j]
        if np.isnan(known):
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
        recent, whole = v[t - 4 : t + 1].mean(), v[t - window + 1 : t + 1].mean()
        if recent > whole:
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
        if move > 6.0 * half and highest - lowest < 0.5 * move and unusual_volume(v, t - 9, t):
            out[i] = A
        elif lo <= c[t] <= up and lowest >= lo and highest <= up:
            out[i] = B
    return out
