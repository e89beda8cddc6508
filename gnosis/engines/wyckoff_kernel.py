"""Compiled rule behind :mod:`gnosis.engines.wyckoff`."""

from __future__ import annotations

import numpy as np
from numba import njit

from gnosis.engines.rolling_kernel import MAX, MEAN, MIN, SD, SUM, rolling

A, B, C, D, E, UNKNOWN = range(6)
TO_TEST = 6
"""Code of a point on which the earlier edges decide."""

BARS = 146
SCORE_WINDOW = 60


@njit(cache=True, nogil=True, error_model="numpy")
def unusual_volume(volume: np.ndarray) -> np.ndarray:
    """Return 1 where a volume is more than 2 sd above the mean of the 60 before it, else 0."""
    out = np.zeros(volume.size)
    mean, sd = rolling(volume, SCORE_WINDOW, MEAN), rolling(volume, SCORE_WINDOW, SD)
    for t in range(SCORE_WINDOW, volume.size):
        is_above = volume[t] - mean[t - 1] > 2.0 * sd[t - 1]
        out[t] = 1.0 if is_above and sd[t - 1] > 1e-14 * mean[t - 1] else 0.0
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
    high: np.ndarray, low: np.ndarray, close: np.ndarray, volume: np.ndarray, symbol: np.ndarray, column: np.ndarray,
    window: int, lower: np.ndarray, upper: np.ndarray, reach: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Return the code of the phase at each point; bars of shape (symbols, sessions), the rest one per point.

    A point on which the earlier edges decide has the code :data:`TO_TEST`, and in the second array the one that is left
    when they do not speak for D. Points are sorted by symbol.
    """
    out, otherwise = np.full(symbol.size, float(UNKNOWN)), np.full(symbol.size, float(UNKNOWN))
    own = -1
    run = np.zeros(0, np.int64)
    recent = usual = n_unusual = lowest5 = highest5 = lowest10 = highest10 = np.zeros(0)
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
        c = close[own]
        lo, up, half = lower[i], upper[i], 0.5 * reach[i]
        if np.isnan(lo + up + half) or run[t] < BARS:
            continue
        above = c[t] > up and c[t - 1] > up and c[t - 2] > up
        below = c[t] < lo and c[t - 1] < lo and c[t - 2] < lo
        if above or below:
            out[i] = E
            continue
        if (lowest5[t] < lo - half and c[t] > lo) or (highest5[t] > up + half and c[t] < up):
            out[i] = C
            continue
        move = abs(c[t - 10] - c[t - 30])
        if move > 6.0 * half and highest10[t] - lowest10[t] < 0.5 * move and n_unusual[t] > 0.0:
            otherwise[i] = A
        elif lo <= c[t] <= up and lowest10[t] >= lo and highest10[t] <= up:
            otherwise[i] = B
        out[i] = TO_TEST if recent[t] > usual[t] else otherwise[i]
    return out, otherwise


@njit(cache=True, nogil=True, error_model="numpy")
def after_test(
    high: np.ndarray, low: np.ndarray, close: np.ndarray, symbol: np.ndarray, column: np.ndarray,
    lower: np.ndarray, upper: np.ndarray, reach: np.ndarray, otherwise: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """Return the code of the points on which the earlier edges, ``lower`` and ``upper``, decide: D or ``otherwise``."""
    out = np.empty(symbol.size)
    for i in range(symbol.size):
        own, t = symbol[i], column[i]
        price, lo, up, half = close[own, t], lower[i], upper[i], 0.5 * reach[i]
        third = (up - lo) / 3.0
        # The test comes before the last five bars.
        lowest, highest = np.inf, -np.inf
        for k in range(t - 19, t - 4):
            lowest, highest = min(lowest, low[own, k]), max(highest, high[own, k])
        in_upper, in_lower = up - third <= price <= up, lo <= price <= lo + third
        is_tested = (lowest < lo - half and in_upper) or (highest > up + half and in_lower)
        out[i] = D if is_tested else otherwise[i]
    return out
