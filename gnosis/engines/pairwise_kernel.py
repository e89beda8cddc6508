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
def trailing_counts(values: np.ndarray, length: int) -> np.ndarray:
    """Return how many of the last ``length`` values are finite, shape (symbols, sessions).

    Examples
    --------
    >>> trailing_counts(np.array([[1.0, np.nan, 3.0, 4.0]]), 2).tolist()
    [[1.0, 1.0, 1.0, 2.0]]
    """
    counts = np.empty(values.shape)
    for symbol in range(values.shape[0]):
        n = 0
        for t in range(values.shape[1]):
            n += np.isfinite(values[symbol, t])
            if t >= length:
                n -= np.isfinite(values[symbol, t - length])
            counts[symbol, t] = n
    return counts


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
    other = np.full((length, windows.shape[0] + BLOCK), np.nan)
    other[:, : windows.shape[0]] = windows.T
    parts, terms = np.empty((3, PARTS + 1, BLOCK)), np.empty((3, BLOCK))
    n, mean_a, mean_b = np.empty(BLOCK), np.empty(BLOCK), np.empty(BLOCK)
    for symbol in range(x.shape[0]):
        past = padded(x[symbol], length - 1)
        for start in range(0, windows.shape[0], BLOCK):
            n[:] = 0.0
            for k in range(length):
                own = past[first + start + k : first + start + k + BLOCK]
                _known_pairs(own, other[k, start : start + BLOCK], terms)
                for lane in range(BLOCK):
                    n[lane] += terms[2, lane]
                add_term(parts[0], k, length, terms[0])
                add_term(parts[1], k, length, terms[1])
            for lane in range(BLOCK):
                # numpy begins with 0, which makes a negative zero positive.
                mean_a[lane] = (0.0 + parts[0, PARTS, lane]) / n[lane]
                mean_b[lane] = (0.0 + parts[1, PARTS, lane]) / n[lane]
            for k in range(length):
                own = past[first + start + k : first + start + k + BLOCK]
                _products(own, other[k, start : start + BLOCK], mean_a, mean_b, terms)
                for part in range(3):
                    add_term(parts[part], k, length, terms[part])
            for lane in range(min(BLOCK, windows.shape[0] - start)):
                size = np.sqrt(0.0 + parts[0, PARTS, lane]) * np.sqrt(0.0 + parts[1, PARTS, lane])
                if n[lane] >= fewest and size > 0.0:
                    out[symbol, start + lane] = min(max((0.0 + parts[2, PARTS, lane]) / size, -1.0), 1.0)
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def _known_pairs(a: np.ndarray, b: np.ndarray, terms: np.ndarray) -> None:
    """Fill ``terms`` (3, BLOCK) with both sides of the pairs of which both are known, else 0, and with 1 for a pair."""
    for lane in range(a.size):
        is_pair = (a[lane] == a[lane]) & (b[lane] == b[lane])
        terms[0, lane] = a[lane] if is_pair else 0.0
        terms[1, lane] = b[lane] if is_pair else 0.0
        terms[2, lane] = 1.0 if is_pair else 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def _products(a: np.ndarray, b: np.ndarray, mean_a: np.ndarray, mean_b: np.ndarray, terms: np.ndarray) -> None:
    """Fill ``terms`` (3, BLOCK) with the squares and the product of the deviations of known pairs, else 0."""
    for lane in range(a.size):
        is_pair = (a[lane] == a[lane]) & (b[lane] == b[lane])
        left = a[lane] - mean_a[lane] if is_pair else 0.0
        right = b[lane] - mean_b[lane] if is_pair else 0.0
        terms[0, lane] = left * left
        terms[1, lane] = right * right
        terms[2, lane] = left * right
