"""Compiled loops behind :mod:`gnosis.engines.order_books`."""

from __future__ import annotations

import numpy as np
from numba import njit

from gnosis.engines.points import Floats, Integers


@njit(cache=True, nogil=True, error_model="numpy")
def fill(
    starts: Integers,
    stops: Integers,
    snapshot: Integers,
    is_ask: Integers,
    level: Integers,
    price: Floats,
    size: Floats,
    known_at: Integers,
    known: Integers,
    prices: Floats,
    sizes: Floats,
) -> None:
    """Write the rows of runs into ``prices`` and ``sizes`` of shape (snapshots, 2, levels), the last known ones.

    Of several rows known at the same instant the one with the largest price, then size counts, so that their order
    does not matter.
    """
    for run in range(starts.size):
        s = snapshot[run]
        for row in range(starts[run], stops[run]):
            a, b = is_ask[row], level[row] - 1
            if b >= prices.shape[2] or known_at[row] < known[s, a, b]:
                continue
            if known_at[row] == known[s, a, b] and (
                price[row] < prices[s, a, b] or (price[row] == prices[s, a, b] and size[row] < sizes[s, a, b])
            ):
                continue
            known[s, a, b] = known_at[row]
            prices[s, a, b] = price[row]
            sizes[s, a, b] = size[row]


@njit(cache=True, nogil=True, error_model="numpy")
def disordered(prices: Floats) -> Integers:
    """Return 1 for every snapshot that is crossed, locked, or does not get worse from level to level, else 0."""
    found = np.zeros(prices.shape[0], np.int64)
    for s in range(prices.shape[0]):
        bid = np.inf
        ask = -np.inf
        best_bid = -np.inf
        best_ask = np.inf
        for k in range(prices.shape[2]):
            p = prices[s, 0, k]
            if not np.isnan(p):
                if p >= bid:
                    found[s] = 1
                bid = p
                best_bid = max(best_bid, p)
            p = prices[s, 1, k]
            if not np.isnan(p):
                if p <= ask:
                    found[s] = 1
                ask = p
                best_ask = min(best_ask, p)
        if best_bid >= best_ask:
            found[s] = 1
    return found


@njit(cache=True, nogil=True, error_model="numpy")
def first_at(ts: Integers, starts: Integers, ends: Integers, instants: Integers) -> Integers:
    """Return the first position of each slice at or after an instant, its end when there is none."""
    found = np.empty(starts.size, np.int64)
    for i in range(starts.size):
        low, high = starts[i], ends[i]
        while low < high:
            middle = (low + high) // 2
            if ts[middle] < instants[i]:
                low = middle + 1
            else:
                high = middle
        found[i] = low
    return found


@njit(cache=True, nogil=True, error_model="numpy")
def last_value_before(
    ts: Integers, values: Floats, starts: Integers, ends: Integers, instants: Integers, longest: int
) -> Floats:
    """Return the last value of each slice that is not NaN and lies before its end by at most ``longest``."""
    found = np.full(starts.size, np.nan)
    for i in range(starts.size):
        for k in range(ends[i] - 1, starts[i] - 1, -1):
            if instants[i] - ts[k] > longest:
                break
            if not np.isnan(values[k]):
                found[i] = values[k]
                break
    return found
