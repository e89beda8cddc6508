"""Compiled median of the bins of volume profiles, a tile of windows at once."""

from __future__ import annotations

import numpy as np
from numba import njit

from gnosis.engines.volume_profile_kernel import LANES, empty_tile, put_rows


@njit(cache=True, nogil=True, error_model="numpy")
def exchanges(n: int) -> np.ndarray:
    """Return the pairs of places whose values, put in order one pair after the other, sort n values (Batcher 1968)."""
    pairs = np.empty((n * n, 2), np.uint64)
    count, widest = 0, 1
    while 2 * widest < n:
        widest *= 2
    part = widest
    while part > 0:
        step, remainder, distance = widest, 0, part
        while True:
            for i in range(n - distance):
                if (i & part) == remainder:
                    pairs[count, 0], pairs[count, 1] = i, i + distance
                    count += 1
            if step == part:
                break
            distance = step - part
            step //= 2
            remainder = part
        part //= 2
    return pairs[:count]


@njit(cache=True, nogil=True, error_model="numpy")
def sort_lanes(tile: np.ndarray, pairs: np.ndarray) -> None:
    """Sort the values of every lane of a tile; ``pairs`` are :func:`exchanges` of their number."""
    for pair in range(pairs.shape[0]):
        lower, upper = tile[pairs[pair, 0]], tile[pairs[pair, 1]]
        for lane in range(LANES):
            x, y = lower[lane], upper[lane]
            lower[lane] = x if x < y else y
            upper[lane] = y if x < y else x


@njit(cache=True, nogil=True, error_model="numpy")
def tile_medians(tile: np.ndarray, pairs: np.ndarray, ordered: np.ndarray, middle: np.ndarray) -> None:
    """Fill ``middle`` (LANES,) with the median of the bins that are not empty, NaN where all are.

    ``pairs`` are :func:`exchanges` of the bins, ``ordered`` is room for a tile.
    """
    bins = tile.shape[0] - 2
    filled = np.zeros(LANES)
    for k in range(bins):
        row, kept = tile[k + 1], ordered[k]
        for lane in range(LANES):
            is_filled = row[lane] > 0.0
            kept[lane] = row[lane] if is_filled else np.inf
            filled[lane] += 1.0 if is_filled else 0.0
    sort_lanes(ordered, pairs)
    for lane in range(middle.size):
        n = int(filled[lane])
        middle[lane] = (ordered[(n - 1) // 2, lane] + ordered[n // 2, lane]) / 2.0 if n > 0 else np.nan


@njit(cache=True, nogil=True, error_model="numpy")
def medians(volume: np.ndarray) -> np.ndarray:
    """Return the median of the bins that are not empty of profiles (windows, bins); NaN where all are."""
    n, bins = volume.shape
    middle = np.empty(n)
    tile, ordered, pairs = empty_tile(bins), empty_tile(bins), exchanges(bins)
    for a in range(0, n, LANES):
        put_rows(volume[a : a + LANES], tile)
        tile_medians(tile, pairs, ordered, middle[a : a + LANES])
    return middle
