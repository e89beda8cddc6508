"""Compiled loops behind :mod:`gnosis.learning.drift` and :mod:`gnosis.learning.drift_rows`."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True, error_model="numpy")
def largest_distance(reference: np.ndarray, actual: np.ndarray) -> int:
    """Return the largest distance of two empirical distributions, in multiples of 1/(m n).

    Parameters
    ----------
    reference, actual
        float64, ascending, no NaN, shapes (m,) and (n,).
    """
    m, n = reference.size, actual.size
    largest, i, j = 0, 0, 0
    while i < m and j < n:
        # Both distributions step at once where values are equal.
        value = min(reference[i], actual[j])
        while i < m and reference[i] == value:
            i += 1
        while j < n and actual[j] == value:
            j += 1
        largest = max(largest, abs(i * n - j * m))
    return largest


@njit(cache=True, nogil=True, error_model="numpy")
def exact_p_values(steps: np.ndarray, m: int, sizes: np.ndarray, largest_product: int) -> np.ndarray:
    """Return the probability that a random lattice path strays as far as each distance (Hodges 1957).

    Parameters
    ----------
    steps
        int64, shape (tests,): distances in multiples of 1/(m n).
    m, sizes
        Size of the reference and, int64 of shape (tests,), of the other samples.
    largest_product
        Tests with a larger product of sizes are left out.

    Returns
    -------
    numpy.ndarray
        float64, shape (tests,); NaN where left out and where a sample is empty.
    """
    out = np.full(steps.size, np.nan)
    for test in range(steps.size):
        n, limit = sizes[test], steps[test]
        if m == 0 or n == 0 or m * n > largest_product:
            continue
        # Of the paths to (i, j), the share that has been at or beyond the limit: a sum of positive terms only. It is
        # 1 wherever |i n - j m| is at the limit, so only the band inside is worked out.
        strayed = np.ones(n + 1)
        for i in range(m + 1):
            low = max((i * n - limit) // m + 1, 0)
            high = min(-((-i * n - limit) // m) - 1, n)
            if low > 0:
                strayed[low - 1] = 1.0
            for j in range(low, high + 1):
                if i == 0 or j == 0:
                    strayed[j] = 0.0
                else:
                    strayed[j] = (i * strayed[j] + j * strayed[j - 1]) / (i + j)
        out[test] = strayed[n]
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def rolling_stability(
    codes: np.ndarray,
    offsets: np.ndarray,
    asked: np.ndarray,
    window: int,
    reference: np.ndarray,
    pseudo_count: float,
    is_inside: bool,
) -> np.ndarray:
    """Return the population stability index of a trailing window of sessions, for each session asked.

    Bins without a value on either side are none: what they are called later does not change what is said now.

    Parameters
    ----------
    codes
        int64, bin of each row, rows in the order of their sessions.
    offsets
        int64, shape (sessions + 1,): first row of each session.
    asked
        int64, positions of the last sessions of the windows, ascending, each at least ``window - 1``.
    window
        Sessions.
    reference
        int64, shape (bins,): values of the reference in each bin.
    pseudo_count
        Added to each bin.
    is_inside
        Whether the rows are those of the reference; each window is then compared with the others.
    """
    counts = np.zeros(reference.size, dtype=np.int64)
    out = np.empty(asked.size)
    others = reference.copy()
    begin = end = offsets[asked[0] - window + 1]
    for at in range(asked.size):
        for row in range(end, offsets[asked[at] + 1]):
            counts[codes[row]] += 1
        for row in range(begin, offsets[asked[at] - window + 1]):
            counts[codes[row]] -= 1
        begin, end = offsets[asked[at] - window + 1], offsets[asked[at] + 1]
        bins, total, total_others = 0, 0, 0
        for b in range(reference.size):
            others[b] = reference[b] - is_inside * counts[b]
            total += counts[b]
            total_others += others[b]
            # The last bin is that of the missing, which always counts.
            bins += b == reference.size - 1 or counts[b] + reference[b] > 0
        index = 0.0
        for b in range(reference.size):
            if b == reference.size - 1 or counts[b] + reference[b] > 0:
                expected = (others[b] + pseudo_count) / (total_others + pseudo_count * bins)
                found = (counts[b] + pseudo_count) / (total + pseudo_count * bins)
                index += (found - expected) * np.log(found / expected)
        out[at] = index
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def rolling_mean(values: np.ndarray, offsets: np.ndarray, asked: np.ndarray, window: int) -> tuple:
    """Return the mean and the number of the known values of a trailing window, for each session asked.

    Every window is added up by itself: a running total would depend on where it began. Arguments as of
    :func:`rolling_stability`, ``values`` in place of the codes.
    """
    means, known = np.full(asked.size, np.nan), np.zeros(asked.size, dtype=np.int64)
    for at in range(asked.size):
        total = 0.0
        for row in range(offsets[asked[at] - window + 1], offsets[asked[at] + 1]):
            if not np.isnan(values[row]):
                total += values[row]
                known[at] += 1
        if known[at]:
            means[at] = total / known[at]
    return means, known


@njit(cache=True, nogil=True, error_model="numpy")
def rolling_distance(
    values: np.ndarray, offsets: np.ndarray, asked: np.ndarray, window: int, spacing: int, reference: np.ndarray
) -> tuple:
    """Return the largest distance of a thinned trailing window from the reference, in multiples of 1/(m n).

    Parameters
    ----------
    values, offsets, asked, window
        As of :func:`rolling_mean`.
    spacing
        Every how many sessions one is looked at, from the last one of the window back.
    reference
        float64, ascending, no NaN, shape (m,).

    Returns
    -------
    tuple
        Distances and the numbers of values n, int64 of the shape of ``asked``.
    """
    steps, sizes = np.zeros(asked.size, dtype=np.int64), np.zeros(asked.size, dtype=np.int64)
    for at in range(asked.size):
        size = 0
        for session in range(asked[at], asked[at] - window, -spacing):
            size += offsets[session + 1] - offsets[session]
        thinned, n = np.empty(size), 0
        for session in range(asked[at], asked[at] - window, -spacing):
            for row in range(offsets[session], offsets[session + 1]):
                if not np.isnan(values[row]):
                    thinned[n] = values[row]
                    n += 1
        sizes[at] = n
        if n and reference.size:
            steps[at] = largest_distance(reference, np.sort(thinned[:n]))
    return steps, sizes


__all__ = [
    "exact_p_values",
    "largest_distance",
    "rolling_distance",
    "rolling_mean",
    "rolling_stability",
]
