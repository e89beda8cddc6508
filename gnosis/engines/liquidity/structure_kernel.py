"""Compiled search for overnight gaps that later prices left open."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True, error_model="numpy")
def is_covered(bottom: float, top: float, low: np.ndarray, high: np.ndarray) -> bool:
    """Return whether the ranges [low, high] together cover [bottom, top]; ranges of NaN cover nothing."""
    reached = bottom
    while reached < top:
        furthest = reached
        for k in range(low.size):
            if low[k] <= reached and high[k] > furthest:
                furthest = high[k]
        if furthest == reached:
            return False
        reached = furthest
    return True


@njit(cache=True, nogil=True, error_model="numpy")
def open_gaps(
    high: np.ndarray,
    low: np.ndarray,
    close: np.ndarray,
    symbol: np.ndarray,
    column: np.ndarray,
    narrowest: np.ndarray,
    sessions: int,
    within: float,
    most: int,
) -> np.ndarray:
    """Return how many gaps between neighbouring sessions each point sees open near its close."""
    out = np.full(symbol.size, np.nan)
    for i in range(symbol.size):
        t = column[i]
        tops, bottoms, c = high[symbol[i]], low[symbol[i]], close[symbol[i], t]
        if np.isnan(c + narrowest[i]) or t < sessions:
            continue
        count = 0
        for j in range(t - sessions + 1, t + 1):
            if bottoms[j] > tops[j - 1]:
                bottom, top = tops[j - 1], bottoms[j]
            elif tops[j] < bottoms[j - 1]:
                bottom, top = tops[j], bottoms[j - 1]
            else:
                continue
            is_near = bottom >= (1.0 - within) * c and top <= (1.0 + within) * c
            if (
                is_near
                and top - bottom > narrowest[i]
                and not is_covered(bottom, top, bottoms[j + 1 : t + 1], tops[j + 1 : t + 1])
            ):
                count += 1
        out[i] = min(count, most)
    return out
