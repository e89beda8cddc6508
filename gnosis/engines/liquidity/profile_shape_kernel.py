"""Compiled measures of volume profiles: clusters of full and of thin bins, and the volume below prices.

One pass over the bins of each window in place of arrays of the size of all profiles. The sums have the bits of
:func:`gnosis.engines.volume_profile.clusters` and of ``numpy.sum`` over the bins: eight partial sums, then their tree.
"""

from __future__ import annotations

import numpy as np
from numba import njit

PARTS = 8
MEASURES = ("near_clusters", "thin_clusters", "heavy_below", "heavy", "below_down", "below", "below_up")
HEAVY_BELOW, HEAVY, DOWN, HERE, UP = range(2, 7)


@njit(cache=True, nogil=True, error_model="numpy")
def partial_sums(row: np.ndarray, sums: np.ndarray) -> None:
    """Fill ``sums`` (rounds + 1, PARTS) with the sums of every eighth bin after each round of eight."""
    sums[0] = 0.0
    for turn in range(row.size // PARTS):
        for part in range(PARTS):
            sums[turn + 1, part] = sums[turn, part] + row[PARTS * turn + part]


@njit(cache=True, nogil=True, error_model="numpy")
def sum_below(row: np.ndarray, sums: np.ndarray, place: float, part: np.ndarray) -> float:
    """Return the volume of a row below a place in bins, spread evenly within its own; ``part`` is room for sums."""
    if np.isnan(place):
        return np.nan
    whole = int(place)
    share = place - whole
    rounds = row.size // PARTS
    turn = min(whole // PARTS, rounds)
    for k in range(PARTS):
        part[k] = sums[turn, k]
    if turn < rounds:
        for k in range(PARTS * turn, whole):
            part[k - PARTS * turn] += row[k]
        part[whole - PARTS * turn] += row[whole] * share
    total = ((part[0] + part[1]) + (part[2] + part[3])) + ((part[4] + part[5]) + (part[6] + part[7]))
    for k in range(PARTS * rounds, row.size):
        total += row[k] * min(max(place - k, 0.0), 1.0)
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def shapes(
    volume: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    middle: np.ndarray,
    close: np.ndarray,
    step: np.ndarray,
    full_above: float,
    thin_below: float,
    near: float,
) -> np.ndarray:
    """Return the measures of :data:`MEASURES` of each window, shape (7, windows); NaN where the profile is unknown.

    Parameters
    ----------
    volume
        Volume of each bin, at least 8 of them, shape (windows, bins).
    low, high
        Range of each window in $.
    middle
        Median of the bins that are not empty.
    close, step
        Price in $, and how far above and below it the last two sums look.
    full_above, thin_below
        Multiples of the median above and below which a bin is full or thin.
    near
        Distance from the close, as a share of it, up to which the centre of a cluster counts.
    """
    n, bins = volume.shape
    out = np.full((7, n), np.nan)
    heavy = np.empty(bins)
    middles = (np.arange(bins) + 0.5) / bins
    sums, part = np.empty((bins // PARTS + 1, PARTS)), np.empty(PARTS)
    for w in range(n):
        row, width = volume[w], high[w] - low[w]
        if np.isnan(row[0]) or np.isnan(close[w]):
            continue
        full, thin = full_above * middle[w], thin_below * middle[w]
        total, worth, begun, begun_worth = 0.0, 0.0, 0.0, 0.0
        first_full, last_full, count = bins, -1, 0
        for k in range(bins + 1):
            is_full = k < bins and row[k] > full
            was_full = k > 0 and row[k - 1] > full
            if was_full and not is_full:
                centre = (worth - begun_worth) / (total - begun)
                count += abs(centre / close[w] - 1.0) <= near
            if is_full and not was_full:
                begun, begun_worth = total, worth
                first_full = min(first_full, k)
            if k < bins:
                last_full = k if is_full else last_full
                heavy[k] = row[k] if is_full else 0.0
                total += row[k]
                worth += row[k] * (low[w] + width * middles[k])
        out[0, w] = count
        count, is_inside = 0, False
        for k in range(bins):
            is_thin = row[k] > 0.0 and row[k] < thin
            if is_thin and not is_inside:
                is_inside = first_full < k
            if is_inside and (k + 1 == bins or not (row[k + 1] > 0.0 and row[k + 1] < thin)):
                count += k < last_full
                is_inside = False
        out[1, w] = count
        scale = width if width > 0.0 else np.nan
        partial_sums(heavy, sums)
        out[HEAVY_BELOW, w] = sum_below(heavy, sums, _place(close[w], low[w], scale, bins), part)
        out[HEAVY, w] = sum_below(heavy, sums, float(bins), part)
        partial_sums(row, sums)
        out[DOWN, w] = sum_below(row, sums, _place(close[w] - step[w], low[w], scale, bins), part)
        out[HERE, w] = sum_below(row, sums, _place(close[w] + 0.0, low[w], scale, bins), part)
        out[UP, w] = sum_below(row, sums, _place(close[w] + step[w], low[w], scale, bins), part)
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def _place(price: float, low: float, width: float, bins: int) -> float:
    found = (price - low) / width * bins
    return found if np.isnan(found) else min(max(found, 0.0), float(bins))
