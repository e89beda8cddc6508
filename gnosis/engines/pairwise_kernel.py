"""Sums over windows of sessions in the order in which numpy adds a row: eight partial sums, then their tree.

The sum over a window then has the bits of ``numpy.where(known, window, 0.0).sum(axis=-1)`` without a window being
copied out of the series, and a block of neighbouring windows is summed side by side.
"""

from __future__ import annotations

import numpy as np
from numba import njit

BLOCK = 128
PARTS = 8


@njit(cache=True, nogil=True, error_model="numpy")
def add_term(parts: np.ndarray, k: int, length: int, term: np.ndarray) -> None:
    """Add the k-th terms of a block of windows of ``length`` (8 to 128) to its partial sums, shape (9, BLOCK).

    Terms must come in their order; the last row of ``parts`` holds the sums once the last has come.
    """
    whole = length - length % PARTS
    if k < PARTS:
        part = parts[k]
        for lane in range(BLOCK):
            part[lane] = term[lane]
    elif k < whole:
        part = parts[k % PARTS]
        for lane in range(BLOCK):
            part[lane] += term[lane]
    if k == whole - 1:
        total = parts[PARTS]
        for lane in range(BLOCK):
            left = (parts[0, lane] + parts[1, lane]) + (parts[2, lane] + parts[3, lane])
            right = (parts[4, lane] + parts[5, lane]) + (parts[6, lane] + parts[7, lane])
            total[lane] = left + right
    elif k >= whole:
        total = parts[PARTS]
        for lane in range(BLOCK):
            total[lane] += term[lane]


@njit(cache=True, nogil=True, error_model="numpy")
def window_sums(x: np.ndarray, first: int, length: int, parts: np.ndarray, term: np.ndarray, out: np.ndarray) -> None:
    """Fill ``out`` (2, BLOCK) with sum and number of the known values of the windows from ``first`` on."""
    n = out[1]
    n[:] = 0.0
    for k in range(length):
        values = x[first + k : first + k + BLOCK]
        for lane in range(BLOCK):
            is_known = values[lane] == values[lane]
            term[lane] = values[lane] if is_known else 0.0
            n[lane] += 1.0 if is_known else 0.0
        add_term(parts, k, length, term)
    total = out[0]
    for lane in range(BLOCK):
        # numpy begins with 0, which makes a negative zero positive.
        total[lane] = 0.0 + parts[PARTS, lane]


@njit(cache=True, nogil=True, error_model="numpy")
def padded(row: np.ndarray, before: int) -> np.ndarray:
    """Return a row with ``before`` unknown values before it and a block of them after it."""
    out = np.full(before + row.size + BLOCK, np.nan)
    out[before : before + row.size] = row
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def trailing_sums(values: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Return sum and number of the known ones of the last ``length`` (8 to 128) values, shape (symbols, sessions).

    Examples
    --------
    >>> values = np.arange(10.0)[None]
    >>> values[0, 3] = np.nan
    >>> [part[0, 8:].tolist() for part in trailing_sums(values, 8)]
    [[33.0, 41.0], [7.0, 7.0]]
    """
    totals = np.empty(values.shape)
    counts = np.empty(values.shape)
    parts = np.empty((PARTS + 1, BLOCK))
    term = np.empty(BLOCK)
    out = np.empty((2, BLOCK))
    for symbol in range(values.shape[0]):
        x = padded(values[symbol], length - 1)
        for first in range(0, values.shape[1], BLOCK):
            width = min(BLOCK, values.shape[1] - first)
            window_sums(x, first, length, parts, term, out)
            totals[symbol, first : first + width] = out[0, :width]
            counts[symbol, first : first + width] = out[1, :width]
    return totals, counts


@njit(cache=True, nogil=True, error_model="numpy")
def trailing_deviation(values: np.ndarray, length: int, fewest: int) -> np.ndarray:
    """Return the standard deviation (n - 1) of the known ones of the last ``length`` (8 to 128) values of each.

    NaN with fewer than ``fewest`` known ones, or where the last one is unknown; shape (symbols, sessions).

    Examples
    --------
    >>> trailing_deviation(np.arange(8.0)[None], 8, 8)[0, -1].round(6).item()
    2.44949
    """
    found = np.full(values.shape, np.nan)
    parts = np.empty((PARTS + 1, BLOCK))
    term = np.empty(BLOCK)
    out = np.empty((2, BLOCK))
    for symbol in range(values.shape[0]):
        x = padded(values[symbol], length - 1)
        for first in range(0, values.shape[1], BLOCK):
            width = min(BLOCK, values.shape[1] - first)
            window_sums(x, first, length, parts, term, out)
            total, n = out[0], out[1]
            for lane in range(BLOCK):
                total[lane] /= n[lane]
            for k in range(length):
                window = x[first + k : first + k + BLOCK]
                for lane in range(BLOCK):
                    away = window[lane] - total[lane]
                    term[lane] = away * away if away == away else 0.0
                add_term(parts, k, length, term)
            for lane in range(width):
                if n[lane] >= fewest and not np.isnan(values[symbol, first + lane]):
                    mean = (0.0 + parts[PARTS, lane]) / n[lane]
                    found[symbol, first + lane] = np.sqrt(mean * (n[lane] / max(n[lane] - 1.0, 1.0)))
    return found


@njit(cache=True, nogil=True, error_model="numpy")
def trailing_correlation(x: np.ndarray, windows: np.ndarray, first: int, fewest: int) -> np.ndarray:
    """Return the correlation of the last values of each row of ``x`` with those that each session sees of another.

    Parameters
    ----------
    x
        Shape (symbols, sessions).
    windows
        The other series as it was known at each session from ``first`` on, shape (sessions - first, length), the
        session's own value last; ``length`` is 8 to 128.
    first
        First session wanted; the ones before it only serve as past.
    fewest
        Pairs that the correlation needs.

    Returns
    -------
    numpy.ndarray
        Shape (symbols, sessions - first), in [-1, 1]; NaN with fewer pairs or where one side does not move.
    """
    length = windows.shape[1]
    out = np.full((x.shape[0], windows.shape[0]), np.nan)
    terms = np.empty((5, length))
    for symbol in range(x.shape[0]):
        for i in range(windows.shape[0]):
            n = 0
            for k in range(length):
                at = first + i + k - length + 1
                a = x[symbol, at] if at >= 0 else np.nan
                b = windows[i, k]
                is_pair = not np.isnan(a + b)
                n += is_pair
                terms[0, k] = a if is_pair else 0.0
                terms[1, k] = b if is_pair else 0.0
                terms[2, k] = 1.0 if is_pair else 0.0
            if n < fewest:
                continue
            mean_a, mean_b = row_sum(terms[0]) / n, row_sum(terms[1]) / n
            for k in range(length):
                a = terms[0, k] - mean_a if terms[2, k] == 1.0 else 0.0
                b = terms[1, k] - mean_b if terms[2, k] == 1.0 else 0.0
                terms[0, k], terms[1, k], terms[3, k] = a * a, b * b, a * b
            size = np.sqrt(row_sum(terms[0])) * np.sqrt(row_sum(terms[1]))
            if size > 0.0:
                out[symbol, i] = min(max(row_sum(terms[3]) / size, -1.0), 1.0)
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def row_sum(x: np.ndarray) -> float:
    """Return the sum of 8 to 128 values."""
    a, b, c, d = x[0], x[1], x[2], x[3]
    e, f, g, h = x[4], x[5], x[6], x[7]
    whole = x.size - x.size % PARTS
    for k in range(PARTS, whole, PARTS):
        a += x[k]
        b += x[k + 1]
        c += x[k + 2]
        d += x[k + 3]
        e += x[k + 4]
        f += x[k + 5]
        g += x[k + 6]
        h += x[k + 7]
    total = ((a + b) + (c + d)) + ((e + f) + (g + h))
    for k in range(whole, x.size):
        total += x[k]
    return 0.0 + total
