"""Compiled quantiles of trailing samples of neighbouring points.

The values of a symbol are sorted once. A window is then a set of places in that order, one binary digit each: moving it
on by a session takes one digit out and puts one in, and every order statistic is found by counting digits. Counts are
whole numbers, so a quantile depends on the values of its window alone.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from gnosis.engines.binary_digits_kernel import digits, lowest
from gnosis.engines.points import Floats, Integers


@njit(cache=True, nogil=True, error_model="numpy")
def _two_from(words: np.ndarray, cursors: Integers, share: int, n: int) -> tuple[int, int]:
    """Return the place of the set before which ``n`` others come, and the next one, itself if it is the last.

    ``cursors`` (shares, 2) are a word and how many places come before it; neighbouring windows find theirs near by.
    """
    word, before = cursors[share, 0], cursors[share, 1]
    while before > n:
        word -= 1
        before -= digits(words[word])
    own = digits(words[word])
    while before + own <= n:
        before += own
        word += 1
        own = digits(words[word])
    cursors[share, 0], cursors[share, 1] = word, before
    rest = words[word]
    for _ in range(n - before):
        rest &= rest - np.uint64(1)
    first = (word << 6) + lowest(rest)
    rest &= rest - np.uint64(1)
    while rest == np.uint64(0):
        word += 1
        if word == words.size:
            return first, first
        rest = words[word]
    return first, (word << 6) + lowest(rest)


@njit(cache=True, nogil=True, error_model="numpy")
def _moved(words: np.ndarray, cursors: Integers, place: Integers, known: int, last: int, end: int, window: int) -> int:
    """Make the set that of the window before column ``end``, out of that before ``last``, -1 for none; return its size.

    ``cursors`` (shares, 2) are as of :func:`_two_from`.
    """
    if last < 0:
        words[:] = np.uint64(0)
        cursors[:] = 0
        known = 0
        last = max(end - window, 0)
        oldest = last
    else:
        oldest = max(last - window, 0)
    for come in range(last, end):
        known += _exchange(words, cursors, place[come], 1)
    for gone in range(oldest, max(end - window, 0)):
        known += _exchange(words, cursors, place[gone], -1)
    return known


@njit(cache=True, nogil=True, error_model="numpy")
def _exchange(words: np.ndarray, cursors: Integers, place: int, by: int) -> int:
    """Put a place into the set (``by`` 1) or take it out (-1), none if it is -1; return by how many the set grew."""
    if place < 0:
        return 0
    word = place >> 6
    words[word] ^= np.uint64(1) << np.uint64(place & 63)
    for k in range(cursors.shape[0]):
        cursors[k, 1] += by if word < cursors[k, 0] else 0
    return by


@njit(cache=True, nogil=True, error_model="numpy")
def _sort_row(row: Floats, order: Integers, ordered: Floats, place: Integers) -> None:
    """Fill values in ascending order and the place of each column among them, -1 if unknown."""
    n = 0
    for k in range(order.size):
        column = order[k]
        if np.isnan(row[column]):
            place[column] = -1
        else:
            # Of equal values any may come first, so that zero has one sign.
            ordered[n] = row[column] + 0.0
            place[column] = n
            n += 1


@njit(cache=True, nogil=True, error_model="numpy")
def trailing_quantiles(
    matrix: Floats, order: Integers, symbol: Integers, column: Integers, window: int, fewest: int, shares: Floats
) -> Floats:
    """Return quantiles of the ``window`` columns before each point, linear between order statistics.

    Shape (shares, points); NaN with fewer than ``fewest`` known columns. ``order`` sorts each row of ``matrix``.
    """
    out = np.full((shares.size, symbol.size), np.nan)
    width = matrix.shape[1]
    words, cursors = np.zeros((width >> 6) + 1, np.uint64), np.zeros((shares.size, 2), np.int64)
    ordered, place = np.empty(width), np.empty(width, np.int64)
    known, own = 0, -1
    for i in range(symbol.size):
        last = column[i - 1] if symbol[i] == own and column[i] >= column[i - 1] else -1
        if symbol[i] != own:
            own = symbol[i]
            _sort_row(matrix[own], order[own], ordered, place)
        known = _moved(words, cursors, place, known, last, column[i], window)
        if known < fewest:
            continue
        for k in range(shares.size):
            at = shares[k] * (known - 1)
            below = int(np.floor(at))
            first, second = _two_from(words, cursors, k, below)
            out[k, i] = ordered[first] + (ordered[second] - ordered[first]) * (at - below)
    return out
