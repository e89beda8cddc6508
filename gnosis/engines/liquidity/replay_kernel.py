"""Compiled loop behind :mod:`gnosis.engines.liquidity.replay`."""

from __future__ import annotations

import numpy as np
from numba import njit

from gnosis.engines.points import Integers
from gnosis.engines.protocol import Bools


@njit(cache=True, nogil=True, error_model="numpy")
def apply(
    starts: Integers,
    is_snapshot: Bools,
    is_known: Bools,
    side: Integers,
    place: Integers,
    removes: Bools,
    n_prices: int,
    depth: int,
    wanted: Bools,
    top: Integers,
    best_places: Integers,
) -> None:
    """Write the rows of the best levels into ``top`` (wanted, 2, levels) and where the best prices are.

    ``place`` is the rank of a row's price among the ``n_prices`` distinct ones, ``best_places`` (messages, 2) the rank
    of the best price of each side.
    """
    book = np.full((2, n_prices), -1, np.int64)
    count = np.zeros(2, np.int64)
    # The best and the worst place of a side lie within these bounds; a bid gets worse downwards, an ask upwards.
    low = np.full(2, n_prices, np.int64)
    high = np.full(2, -1, np.int64)
    given = 0
    for m in range(is_snapshot.size):
        if is_snapshot[m]:
            book[:] = -1
            count[:] = 0
            low[:] = n_prices
            high[:] = -1
        if is_known[m]:
            for row in range(starts[m], starts[m + 1]):
                s, p = side[row], place[row]
                if removes[row]:
                    if book[s, p] >= 0:
                        count[s] -= 1
                    book[s, p] = -1
                else:
                    if book[s, p] < 0:
                        count[s] += 1
                    book[s, p] = row
                    low[s] = min(low[s], p)
                    high[s] = max(high[s], p)
            for s in range(2):
                while high[s] >= 0 and book[s, high[s]] < 0:
                    high[s] -= 1
                while low[s] < n_prices and book[s, low[s]] < 0:
                    low[s] += 1
                while count[s] > depth:
                    worst = low[s] if s == 0 else high[s]
                    if book[s, worst] >= 0:
                        book[s, worst] = -1
                        count[s] -= 1
                    if s == 0:
                        low[s] += 1
                    else:
                        high[s] -= 1
                if count[s] > 0:
                    best_places[m, s] = high[s] if s == 0 else low[s]
        if wanted[m]:
            for s in range(2):
                p = best_places[m, s]
                step = -1 if s == 0 else 1
                left = min(count[s], top.shape[2])
                k = 0
                while k < left:
                    if book[s, p] >= 0:
                        top[given, s, k] = book[s, p]
                        k += 1
                    p += step
            given += 1
