"""Compiled search for overnight gaps that later prices left open, and for how often closes lay in a range."""

from __future__ import annotations

import numpy as np
from numba import njit

BLOCK = 128


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
    width = high.shape[1]
    narrow, count = np.empty(width), np.empty(width)
    first = 0
    while first < symbol.size:
        own, end = symbol[first], first
        narrow[:] = np.inf
        while end < symbol.size and symbol[end] == own:
            narrow[column[end]] = narrowest[end]
            end += 1
        covered = covered_after(high[own], low[own], sessions)
        count[:] = 0.0
        for j in range(1, width):
            if covered[j] > 0:
                bottom, top = gap_before(high[own], low[own], j)
                after = min(j + covered[j], width)
                _count_near(close[own, j:after], narrow[j:after], bottom, top, within, count[j:after])
        for i in range(first, end):
            t = column[i]
            if not np.isnan(close[own, t] + narrowest[i]) and t >= sessions:
                out[i] = min(count[t], most)
        first = end
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def _count_near(
    close: np.ndarray, narrow: np.ndarray, bottom: float, top: float, within: float, count: np.ndarray
) -> None:
    """Count a gap in the sessions in which it is open, where it is near the close and wide enough."""
    width = top - bottom
    for t in range(count.size):
        is_near = (bottom >= (1.0 - within) * close[t]) & (top <= (1.0 + within) * close[t])
        count[t] += 1.0 if is_near & (width > narrow[t]) else 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def closes_inside(
    close: np.ndarray, symbol: np.ndarray, column: np.ndarray, low: np.ndarray, high: np.ndarray, sessions: int
) -> np.ndarray:
    """Return how many of the last closes up to each point lie in its range; NaN where one of them is unknown."""
    out = np.full(symbol.size, np.nan)
    known = np.zeros(close.shape[1] + 1)
    first = 0
    while first < symbol.size:
        own, end = close[symbol[first]], first + 1
        while end < symbol.size and symbol[end] == symbol[first] and column[end] == column[end - 1] + 1:
            end += 1
        for t in range(own.size):
            known[t + 1] = known[t] + (1.0 if own[t] == own[t] else 0.0)
        start = max(first, first + sessions - 1 - column[first])
        while start < end:
            # Neighbouring points step through their windows together.
            last = min(start + BLOCK, end)
            oldest = column[start] - sessions + 1
            out[start:last] = 0.0
            whole = sessions - sessions % 4
            for k in range(oldest, oldest + whole, 4):
                _count_inside(own[k : k + last - start + 3], 4, low[start:last], high[start:last], out[start:last])
            for k in range(oldest + whole, oldest + sessions):
                _count_inside(own[k : k + last - start], 1, low[start:last], high[start:last], out[start:last])
            for i in range(start, last):
                if known[column[i] + 1] - known[column[i] + 1 - sessions] < sessions:
                    out[i] = np.nan
            start = last
        first = end
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def _count_inside(close: np.ndarray, closes: int, low: np.ndarray, high: np.ndarray, count: np.ndarray) -> None:
    """Count, for neighbouring points, how many of one or four neighbouring closes lie in the point's range."""
    if closes == 1:
        for lane in range(count.size):
            count[lane] += _is_inside(close[lane], low[lane], high[lane])
        return
    for lane in range(count.size):
        bottom, top = low[lane], high[lane]
        two = _is_inside(close[lane], bottom, top) + _is_inside(close[lane + 1], bottom, top)
        count[lane] += two + (_is_inside(close[lane + 2], bottom, top) + _is_inside(close[lane + 3], bottom, top))


@njit(cache=True, nogil=True, error_model="numpy")
def _is_inside(x: float, low: float, high: float) -> float:
    return 1.0 if (x >= low) & (x <= high) else 0.0
