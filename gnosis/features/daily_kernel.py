"""Compiled placing of values by symbol and session into columns sorted by session and symbol."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def session_major(position: np.ndarray) -> np.ndarray:
    """Return the place of each row, given symbol by symbol, when they are sorted by session and then by symbol.

    Examples
    --------
    >>> session_major(np.array([4, 5, 5])).tolist()
    [0, 1, 2]
    """
    place = np.empty(position.size, np.int64)
    if position.size == 0:
        return place
    first = position.min()
    counts = np.zeros(position.max() - first + 2, np.int64)
    for p in position:
        counts[p - first + 1] += 1
    start = np.cumsum(counts)
    for row in range(position.size):
        place[row] = start[position[row] - first]
        start[position[row] - first] += 1
    return place


@njit(cache=True, nogil=True)
def put(values: np.ndarray, places: np.ndarray, out: np.ndarray) -> None:
    """Put values of shape (symbols, sessions) at their ``places`` in ``out``, int32 (sessions, symbols), -1 for none.

    Session after session, as ``out`` is sorted: what is written together lies together.

    Examples
    --------
    >>> out = np.zeros(3)
    >>> put(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[0, 1], [-1, 2]], np.int32), out)
    >>> out.tolist()
    [1.0, 3.0, 4.0]
    """
    for session in range(places.shape[0]):
        for symbol in range(places.shape[1]):
            place = places[session, symbol]
            if place >= 0:
                out[place] = values[symbol, session]


@njit(cache=True, nogil=True)
def put_codes(values: np.ndarray, places: np.ndarray, unknown: int, first: int, out: np.ndarray) -> None:
    """Put whole numbers, shifted by ``first``, at their places as :func:`put` does; ``unknown`` stands for NaN."""
    for session in range(places.shape[0]):
        for symbol in range(places.shape[1]):
            place = places[session, symbol]
            if place >= 0:
                value = values[symbol, session]
                out[place] = unknown if np.isnan(value) else np.int8(value) + first
