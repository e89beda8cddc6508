"""Compiled loop behind :mod:`gnosis.engines.trailing`."""

from __future__ import annotations

import numpy as np
from numba import njit

from gnosis.engines.points import Floats, Integers
from gnosis.engines.trailing_abreast_kernel import COUNT, MEAN, QUANTILE, RANK, SD, Z, abreast

# From so many neighbouring sessions on, taking them side by side is quicker than one after the other.
FEWEST_ABREAST = 16


@njit(cache=True, nogil=True, error_model="numpy")
def quantile(ordered: Floats, share: float) -> float:
    """Return a quantile of ascending values, linear between order statistics."""
    place = share * (ordered.size - 1)
    below = int(np.floor(place))
    above = min(below + 1, ordered.size - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


@njit(cache=True, nogil=True, error_model="numpy")
def trailing(
    matrix: Floats,
    symbol: Integers,
    column: Integers,
    values: Floats,
    known_at: Integers,
    as_of: Integers,
    window: int,
    fewest: int,
    statistic: int,
    share: float,
) -> Floats:
    """Return one statistic of the ``window`` columns before each point; NaN with fewer than ``fewest`` known values.

    Cells with ``known_at`` after the point's ``as_of`` are left out, unless ``as_of`` is empty. Points in the order of
    their columns share the sorted sample, so the order of points costs time but changes nothing. Sums are made anew at
    every point: a running sum would depend on the points before.
    """
    out = np.full(values.size, np.nan)
    sample = np.empty(window)
    n, is_whole = 0, False
    i = -1
    while i + 1 < values.size:
        i += 1
        if as_of.size == 0 and statistic <= RANK:
            end = _run_end(symbol, column, i)
            if end - i >= FEWEST_ABREAST:
                abreast(matrix[symbol[i]], column[i], values[i:end], window, fewest, statistic, out[i:end])
                i = end - 1
                is_whole = False
                continue
        if statistic > Z and is_whole and _is_next(symbol, column, as_of, window, i):
            n, is_whole = _moved(matrix, symbol[i], column, known_at, as_of, window, i, sample, n)
        else:
            n, is_whole = _taken(matrix, symbol[i], column[i], known_at, as_of, window, i, sample)
            is_shared = is_whole and i + 1 < values.size and _is_next(symbol, column, as_of, window, i + 1)
            if statistic == RANK and not is_shared:
                # Counting once is quicker than sorting.
                is_whole = False
                if n >= fewest and not np.isnan(values[i]):
                    below = 0.0
                    for x in sample[:n]:
                        if x < values[i]:
                            below += 1.0
                        elif x == values[i]:
                            below += 0.5
                    out[i] = below / n
                continue
            if statistic > Z:
                sample[:n].sort()
        if statistic == COUNT:
            out[i] = n
        elif n < fewest:
            continue
        elif statistic <= Z:
            mean = 0.0
            for x in sample[:n]:
                mean += x
            mean /= n
            squares = 0.0
            for x in sample[:n]:
                squares += (x - mean) * (x - mean)
            sd = np.sqrt(squares / (n - 1))
            if statistic == MEAN:
                out[i] = mean
            elif statistic == SD:
                out[i] = sd
            elif sd > 1e-14 * abs(mean) and sd > 0.0:
                out[i] = (values[i] - mean) / sd
        elif statistic == RANK:
            if not np.isnan(values[i]):
                first = _first_from(sample, n, values[i])
                last = first
                while last < n and sample[last] == values[i]:
                    last += 1
                out[i] = (first + 0.5 * (last - first)) / n
        elif statistic == QUANTILE:
            out[i] = quantile(sample[:n], share)
        else:
            out[i] = 1.4826 * _median_deviation(sample[:n], quantile(sample[:n], 0.5))
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def _run_end(symbol: Integers, column: Integers, i: int) -> int:
    """Return the point after the last of those that follow point ``i`` session by session."""
    end = i + 1
    while end < symbol.size and symbol[end] == symbol[i] and column[end] == column[end - 1] + 1:
        end += 1
    return end


@njit(cache=True, nogil=True, error_model="numpy")
def _taken(
    matrix: Floats, row: int, end: int, known_at: Integers, as_of: Integers, window: int, i: int, sample: Floats
) -> tuple[int, bool]:
    """Put the known values before a point into ``sample``; return how many, and whether none was left out as late."""
    n, n_late = 0, 0
    for j in range(max(end - window, 0), end):
        x = matrix[row, j]
        if not np.isnan(x):
            if as_of.size == 0 or known_at[row, j] <= as_of[i]:
                # Of equal values any may come first, so that zero has one sign.
                sample[n] = x + 0.0
                n += 1
            else:
                n_late += 1
    return n, n_late == 0


@njit(cache=True, nogil=True, error_model="numpy")
def _is_next(symbol: Integers, column: Integers, as_of: Integers, window: int, i: int) -> bool:
    """Return whether a point's sample is the one of the point before with a few values gone and a few come."""
    step = column[i] - column[i - 1] if i > 0 and symbol[i] == symbol[i - 1] else -1
    return 0 <= step <= window // 8 and (as_of.size == 0 or as_of[i] >= as_of[i - 1])


@njit(cache=True, nogil=True, error_model="numpy")
def _moved(
    matrix: Floats,
    row: int,
    column: Integers,
    known_at: Integers,
    as_of: Integers,
    window: int,
    i: int,
    sample: Floats,
    n: int,
) -> tuple[int, bool]:
    """Move the sorted ``sample`` from the point before to point ``i``; return as :func:`_taken`."""
    for j in range(max(column[i - 1] - window, 0), max(column[i] - window, 0)):
        x = matrix[row, j]
        if not np.isnan(x):
            n -= 1
            for at in range(_first_from(sample, n + 1, x), n):
                sample[at] = sample[at + 1]
    is_whole = True
    for j in range(column[i - 1], column[i]):
        x = matrix[row, j] + 0.0
        if not np.isnan(x):
            if as_of.size == 0 or known_at[row, j] <= as_of[i]:
                place = _first_from(sample, n, x)
                for at in range(n, place, -1):
                    sample[at] = sample[at - 1]
                sample[place] = x
                n += 1
            else:
                is_whole = False
    return n, is_whole


@njit(cache=True, nogil=True, error_model="numpy")
def _first_from(ordered: Floats, n: int, x: float) -> int:
    """Return the position of the first of n ascending values that is not below x."""
    low, high = 0, n
    while low < high:
        middle = (low + high) // 2
        if ordered[middle] < x:
            low = middle + 1
        else:
            high = middle
    return low


@njit(cache=True, nogil=True, error_model="numpy")
def _median_deviation(ordered: Floats, middle: float) -> float:
    """Return the median absolute deviation of ascending values from ``middle``."""
    n = ordered.size
    right = _first_from(ordered, n, middle)
    left = right - 1
    # Deviations ascend away from the middle on both sides: merged up to the two that the median lies between.
    nearest = np.zeros(2)
    for _ in range(min(n // 2 + 1, n)):
        nearest[0] = nearest[1]
        if right == n or (left >= 0 and middle - ordered[left] <= ordered[right] - middle):
            nearest[1] = abs(ordered[left] - middle)
            left -= 1
        else:
            nearest[1] = abs(ordered[right] - middle)
            right += 1
    return nearest[1] if n % 2 else quantile(nearest, 0.5)
