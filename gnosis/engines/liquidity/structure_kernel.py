"""Compiled search for overnight gaps that later prices left open, and for how often closes lay in a range."""

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
def covered_after(high: np.ndarray, low: np.ndarray, sessions: int) -> np.ndarray:
    """Return, per session, how many later ones it takes to cover the gap before it; 0 where there is no gap.

    A gap that stays open for ``sessions`` has that number.
    """
    out = np.zeros(high.size, np.int64)
    for j in range(1, high.size):
        bottom, top = gap_before(high, low, j)
        if not bottom < top:
            continue
        out[j] = sessions
        lowest, highest = np.inf, -np.inf
        for t in range(j + 1, min(j + sessions, high.size)):
            # Only a bar that reaches into the gap can complete its cover, and only once both edges are reached.
            if low[t] <= top and high[t] > bottom:
                lowest, highest = min(lowest, low[t]), max(highest, high[t])
                if lowest > bottom or highest < top:
                    continue
                if is_covered(bottom, top, low[j + 1 : t + 1], high[j + 1 : t + 1]):
                    out[j] = t - j
                    break
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def gap_before(high: np.ndarray, low: np.ndarray, j: int) -> tuple[float, float]:
    """Return the edges of the gap between session j and the one before it; both 0 where there is none."""
    if low[j] > high[j - 1]:
        return high[j - 1], low[j]
    if high[j] < low[j - 1]:
        return high[j], low[j - 1]
    return 0.0, 0.0


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
    gaps = np.empty(high.shape[1], np.int64)
    bottoms, tops = np.empty(high.shape[1]), np.empty(high.shape[1])
    covered = np.empty(0, np.int64)
    n, own = 0, -1
    for i in range(symbol.size):
        if symbol[i] != own:
            own, n = symbol[i], 0
            covered = covered_after(high[own], low[own], sessions)
            for j in range(1, high.shape[1]):
                if covered[j] > 0:
                    gaps[n] = j
                    bottoms[n], tops[n] = gap_before(high[own], low[own], j)
                    n += 1
        t = column[i]
        c = close[own, t]
        if np.isnan(c + narrowest[i]) or t < sessions:
            continue
        count = 0
        for g in range(np.searchsorted(gaps[:n], t - sessions + 1), n):
            if gaps[g] > t:
                break
            if gaps[g] + covered[gaps[g]] <= t:
                continue
            bottom, top = bottoms[g], tops[g]
            is_near = bottom >= (1.0 - within) * c and top <= (1.0 + within) * c
            if is_near and top - bottom > narrowest[i]:
                count += 1
        out[i] = min(count, most)
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def closes_inside(
    close: np.ndarray, symbol: np.ndarray, column: np.ndarray, low: np.ndarray, high: np.ndarray, sessions: int
) -> np.ndarray:
    """Return how many of the last closes up to each point lie in its range; NaN where one of them is unknown."""
    out = np.full(symbol.size, np.nan)
    for i in range(symbol.size):
        first = column[i] - sessions + 1
        if first < 0:
            continue
        inside, known = 0, 0
        for c in close[symbol[i], first : column[i] + 1]:
            known += c == c
            inside += (c >= low[i]) & (c <= high[i])
        if known == sessions:
            out[i] = inside
    return out
