"""Compiled loops over the snapshots of order books."""

from __future__ import annotations

import numpy as np
from numba import njit

from gnosis.engines.points import Floats, Integers


@njit(cache=True, nogil=True, error_model="numpy")
def coverage(
    ts: Integers,
    bid_price: Floats,
    ask_price: Floats,
    starts: Integers,
    ends: Integers,
    first: Integers,
    last: Integers,
    expected: Integers,
    levels: int,
) -> Floats:
    """Return the share of the expected level rows of each slice.

    The time from ``first`` to ``last`` is cut into as many parts as snapshots are expected, and of each part the
    fullest snapshot counts: a second one in the same part does not make up for one that is missing elsewhere. Parts
    hold either their beginning or their end, whichever gives more, as feeds stamp minutes either way.
    """
    found = np.zeros(starts.size)
    width = min(levels, bid_price.shape[1])
    for i in range(starts.size):
        n = expected[i]
        length = last[i] - first[i]
        before = after = -1
        in_before = in_after = 0
        total_before = total_after = 0
        for s in range(starts[i], ends[i]):
            there = 0
            for k in range(width):
                there += (not np.isnan(bid_price[s, k])) + (not np.isnan(ask_price[s, k]))
            passed = (ts[s] - first[i]) * n
            part = min(passed // length, n - 1)
            if part != before:
                before = part
                total_before += in_before
                in_before = 0
            in_before = max(in_before, there)
            part = max((passed + length - 1) // length - 1, 0)
            if part != after:
                after = part
                total_after += in_after
                in_after = 0
            in_after = max(in_after, there)
        found[i] = max(total_before + in_before, total_after + in_after) / (2.0 * levels * n)
    return found


@njit(cache=True, nogil=True, error_model="numpy")
def depths(
    bid_price: Floats,
    bid_size: Floats,
    ask_price: Floats,
    ask_size: Floats,
    rows: Integers,
    distances: Floats,
    decay: float,
    fewest: int,
) -> Floats:
    """Return what snapshots display around their mid.

    Columns: dollars within each distance on the bid, the same on the ask, slope of log cumulative dollars on log
    distance of both sides, imbalance of dollars weighted exp(-distance/decay).
    """
    n = distances.size
    found = np.full((rows.size, 2 * n + 2), np.nan)
    for i in range(rows.size):
        s = rows[i]
        mid = (bid_price[s, 0] + ask_price[s, 0]) / 2
        if np.isnan(mid):
            continue
        found[i, : 2 * n] = 0.0
        count = 0
        sum_x = sum_y = sum_xx = sum_xy = 0.0
        weighted = total = 0.0
        for side in range(2):
            prices, sizes = (bid_price, bid_size) if side == 0 else (ask_price, ask_size)
            sign = 1.0 - 2.0 * side
            cumulative = 0.0
            for k in range(prices.shape[1]):
                if np.isnan(prices[s, k]):
                    continue
                distance = sign * (mid - prices[s, k]) / mid
                dollars = prices[s, k] * sizes[s, k]
                cumulative += dollars
                for j in range(n):
                    # A level that lies on the edge belongs to it whatever its last bit says.
                    if distance <= distances[j] * (1.0 + 1e-9):
                        found[i, side * n + j] += dollars
                weight = np.exp(-distance / decay) * dollars
                weighted += sign * weight
                total += weight
                if cumulative > 0.0:
                    x, y = np.log(distance), np.log(cumulative)
                    count += 1
                    sum_x += x
                    sum_y += y
                    sum_xx += x * x
                    sum_xy += x * y
        if count >= fewest:
            spread = sum_xx - sum_x * sum_x / count
            if spread > 1e-12:
                found[i, 2 * n] = (sum_xy - sum_x * sum_y / count) / spread
        if total > 0.0:
            found[i, 2 * n + 1] = weighted / total
    return found


@njit(cache=True, nogil=True, error_model="numpy")
def medians(values: Floats, starts: Integers, ends: Integers) -> Floats:
    """Return the median of the known values of each slice of rows, by column; NaN where there is none."""
    found = np.full((starts.size, values.shape[1]), np.nan)
    for i in range(starts.size):
        sample = np.empty(ends[i] - starts[i])
        for column in range(values.shape[1]):
            n = 0
            for s in range(starts[i], ends[i]):
                if not np.isnan(values[s, column]):
                    sample[n] = values[s, column]
                    n += 1
            if n:
                ordered = np.sort(sample[:n])
                found[i, column] = (ordered[(n - 1) // 2] + ordered[n // 2]) / 2
    return found


@njit(cache=True, nogil=True, error_model="numpy")
def half_lives(ts: Integers, depth: Floats, starts: Integers, ends: Integers, loss: float, fewest: int) -> Floats:
    """Return the median time in seconds in which each slice regained half of a loss from one snapshot to the next.

    A loss that was not made good by the end of the slice counts as longer than any other, so the median is unknown
    when half of them were not.
    """
    found = np.full(starts.size, np.nan)
    for i in range(starts.size):
        sample = np.empty(max(ends[i] - starts[i], 1))
        n = 0
        for s in range(starts[i] + 1, ends[i]):
            if not depth[s] < (1.0 - loss) * depth[s - 1]:
                continue
            half = (depth[s] + depth[s - 1]) / 2
            sample[n] = np.inf
            for later in range(s + 1, ends[i]):
                if depth[later] >= half:
                    sample[n] = (ts[later] - ts[s]) / 1e6
                    break
            n += 1
        if n >= fewest:
            ordered = np.sort(sample[:n])
            middle = (ordered[(n - 1) // 2] + ordered[n // 2]) / 2
            if middle < np.inf:
                found[i] = middle
    return found
