"""Compiled loops behind :mod:`gnosis.engines.volume_profile`.

Volumes are counted in whole units, a fixed small share of the largest volume of the window: sums of whole numbers are
exact in any order. So a window has the bits it has alone although neighbouring windows with one range of prices, hence
one set of bins, are filled together: each is the one before, a bar less and a bar more.

A tile holds the bins of :data:`LANES` windows side by side, shape (bins + 2, LANES): what is asked of every window is
done for all of them at once. Its first and last row, -1, stand for the bins outside the range.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

# Prices nearer than this share of a bin to an edge are on it: rounding fills no bin.
ON_EDGE = 1e-9
# Volumes that differ by less than this share are equal: rounding decides no tie.
EQUAL = 1e-12
LANES = 64
GROUP = 8
# Binary digits of a sum of units; two more, for rounding and for the sign, do not overflow.
DIGITS = 61
MOST_DIGITS = 1000


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"nnan", "nsz"})
def extremes(low: np.ndarray, high: np.ndarray, volume: np.ndarray) -> tuple[float, float, float]:
    """Return the lowest low, the highest high and the largest volume of bars that are all known."""
    bottom, top, most = np.inf, -np.inf, 0.0
    for i in range(low.size):
        bottom = min(bottom, low[i])
        top = max(top, high[i])
        most = max(most, volume[i])
    return bottom, top, most


@njit(cache=True, nogil=True, error_model="numpy")
def place_bars(
    low: np.ndarray,
    high: np.ndarray,
    volume: np.ndarray,
    bottom: float,
    top: float,
    bins: int,
    scale: float,
    at: np.ndarray,
    units: np.ndarray,
) -> None:
    """Fill ``at`` (2, bars) with first and last bin of bars in [bottom, top], and ``units`` (4, bars) with their steps.

    The steps are by how many units the bin rises above the one below it: at the first bin, after it, at the last, after
    it. ``scale`` is units per share.
    """
    span = top - bottom
    for i in range(low.size):
        a = (low[i] - bottom) / span * bins
        b = (high[i] - bottom) / span * bins
        nearest_a, nearest_b = np.round(a), np.round(b)
        a = nearest_a if abs(a - nearest_a) < ON_EDGE else a
        b = nearest_b if abs(b - nearest_b) < ON_EDGE else b
        first, last = min(int(a), bins - 1), int(b)
        amount = volume[i] * scale
        is_inside = last <= first or a == b
        per_bin = amount / (b - a)
        before = amount if is_inside else per_bin * (first + 1.0 - a)
        after = 0.0 if is_inside else per_bin * (b - last)
        # Of a bar that fills no whole bin the volume per bin knows no limit.
        between = per_bin if last > first + 1 and not is_inside else 0.0
        in_first, in_between, in_last = int(before + 0.5), int(between + 0.5), int(after + 0.5)
        at[0, i] = first
        at[1, i] = first if is_inside else last
        units[0, i] = in_first
        units[1, i] = in_between - in_first
        units[2, i] = in_last - in_between
        units[3, i] = -in_last


@njit(cache=True, nogil=True, error_model="numpy")
def fill_run(
    at: np.ndarray, units: np.ndarray, length: int, run: int, shares: float, steps: np.ndarray, tile: np.ndarray
) -> None:
    """Fill ``tile`` (bins + 2, run) with windows of ``length`` bars, each one bar later than the one before.

    ``shares`` is shares per unit, ``steps`` is room for (bins + 2) whole numbers.
    """
    next_bin = np.uint64(1)
    bins = tile.shape[0] - 2
    steps[:] = 0
    for i in range(length):
        first, last = at[0, i], at[1, i]
        steps[first] += units[0, i]
        steps[first + next_bin] += units[1, i]
        steps[last] += units[2, i]
        steps[last + next_bin] += units[3, i]
    for w in range(run):
        if w > 0:
            gone, come = w - 1, length + w - 1
            first, last = at[0, gone], at[1, gone]
            steps[first] -= units[0, gone]
            steps[first + next_bin] -= units[1, gone]
            steps[last] -= units[2, gone]
            steps[last + next_bin] -= units[3, gone]
            first, last = at[0, come], at[1, come]
            steps[first] += units[0, come]
            steps[first + next_bin] += units[1, come]
            steps[last] += units[2, come]
            steps[last + next_bin] += units[3, come]
        total = 0
        for k in range(bins):
            total += steps[k]
            tile[k + 1, w] = total * shares


@njit(cache=True, nogil=True, error_model="numpy")
def unknown_before(low: np.ndarray, high: np.ndarray, volume: np.ndarray) -> np.ndarray:
    """Return how many bars before each, and in all, are not wholly known."""
    unknown = np.zeros(low.size + 1, np.int64)
    for i in range(low.size):
        unknown[i + 1] = unknown[i] + (1 if np.isnan(low[i] + high[i] + volume[i]) else 0)
    return unknown


@njit(cache=True, nogil=True, error_model="numpy")
def empty_tile(bins: int) -> np.ndarray:
    """Return a tile of empty windows."""
    tile = np.zeros((bins + 2, LANES))
    tile[0] = -1.0
    tile[bins + 1] = -1.0
    return tile


@njit(cache=True, nogil=True, error_model="numpy")
def room(starts: np.ndarray, ends: np.ndarray, bins: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return room for the places, the units and the steps of the bars of some windows."""
    longest = 0
    for w in range(starts.size):
        longest = max(longest, ends[w] - starts[w])
    bars = longest + LANES
    return np.zeros((2, bars), np.uint64), np.zeros((4, bars), np.int64), np.zeros(bins + 2, np.int64)


@njit(cache=True, nogil=True, error_model="numpy")
def fill_tile(
    low: np.ndarray,
    high: np.ndarray,
    volume: np.ndarray,
    unknown: np.ndarray,
    starts: np.ndarray,
    ends: np.ndarray,
    at: np.ndarray,
    units: np.ndarray,
    steps: np.ndarray,
    tile: np.ndarray,
    lowest: np.ndarray,
    highest: np.ndarray,
) -> None:
    """Fill ``tile``, ``lowest`` and ``highest`` with up to :data:`LANES` windows; NaN where a bar is unknown."""
    bins = tile.shape[0] - 2
    w = 0
    while w < starts.size:
        first, end = starts[w], ends[w]
        if first >= end or unknown[end] > unknown[first]:
            tile[1 : bins + 1, w] = np.nan
            lowest[w], highest[w] = np.nan, np.nan
            w += 1
            continue
        bottom, top, most = extremes(low[first:end], high[first:end], volume[first:end])
        lowest[w], highest[w] = bottom, top
        if top == bottom:
            tile[1 : bins + 1, w] = 0.0
            for i in range(first, end):
                tile[1, w] += volume[i]
            w += 1
            continue
        # Volumes are below 2**exponent, their sum below 2**DIGITS units.
        exponent = math.frexp(most)[1]
        digits = min(DIGITS - exponent - math.frexp(float(end - first))[1], MOST_DIGITS)
        large = math.ldexp(0.5, exponent) if most > 0.0 else 0.0
        n_large = 0
        for i in range(first, end):
            n_large += volume[i] >= large
        run = 1
        while w + run < starts.size:
            gone, come = first + run - 1, end + run - 1
            if starts[w + run] != gone + 1 or ends[w + run] != come + 1 or unknown[come + 1] > unknown[come]:
                break
            n_large += (volume[come] >= large) - (volume[gone] >= large)
            if low[gone] == bottom or high[gone] == top or low[come] < bottom or high[come] > top:
                break
            if volume[come] >= 2.0 * large or n_large == 0:
                break
            lowest[w + run], highest[w + run] = bottom, top
            run += 1
        last = end + run - 1
        scale, shares = math.ldexp(1.0, digits), math.ldexp(1.0, -digits)
        place_bars(low[first:last], high[first:last], volume[first:last], bottom, top, bins, scale, at, units)
        fill_run(at, units, end - first, run, shares, steps, tile[:, w : w + run])
        w += run


@njit(cache=True, nogil=True, error_model="numpy")
def profiles(
    low: np.ndarray, high: np.ndarray, volume: np.ndarray, starts: np.ndarray, ends: np.ndarray, bins: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return volume by bin (windows, bins), lowest low and highest high of each window; NaN where a bar is unknown."""
    n = starts.size
    out = np.empty((n, bins))
    lowest, highest = np.empty(n), np.empty(n)
    unknown = unknown_before(low, high, volume)
    at, units, steps = room(starts, ends, bins)
    tile = empty_tile(bins)
    for a in range(0, n, LANES):
        b = min(a + LANES, n)
        fill_tile(low, high, volume, unknown, starts[a:b], ends[a:b], at, units, steps, tile, lowest[a:b], highest[a:b])
        for w in range(a, b):
            for k in range(bins):
                out[w, k] = tile[k + 1, w - a]
    return out, lowest, highest


@njit(cache=True, nogil=True, error_model="numpy")
def put_rows(rows: np.ndarray, tile: np.ndarray) -> None:
    """Put the bins of up to :data:`LANES` windows, shape (windows, bins), into a tile."""
    for w in range(rows.shape[0]):
        for k in range(rows.shape[1]):
            tile[k + 1, w] = rows[w, k]


@njit(cache=True, nogil=True, error_model="numpy")
def tile_value_bins(tile: np.ndarray, share: float, first: np.ndarray, last: np.ndarray) -> None:
    """Fill ``first`` and ``last`` with the value area of each window of a tile; -1 without volume."""
    bins = tile.shape[0] - 2
    total, inside = np.zeros(LANES), np.empty(LANES)
    below, above = np.ones(LANES, np.uint64), np.empty(LANES, np.uint64)
    inside[:] = tile[1]
    for k in range(1, bins + 1):
        row, here = tile[k], np.uint64(k)
        for lane in range(row.size):
            is_fuller = row[lane] > inside[lane] * (1.0 + EQUAL)
            total[lane] += row[lane]
            inside[lane] = row[lane] if is_fuller else inside[lane]
            below[lane] = here if is_fuller else below[lane]
    above[:] = below
    for lane in range(LANES):
        total[lane] *= share * (1.0 - EQUAL)
    one, none = np.uint64(1), np.uint64(0)
    for start in range(0, LANES, GROUP):
        n_open = 1
        while n_open > 0:
            n_open = 0
            for lane in range(start, start + GROUP):
                lower, upper = tile[below[lane] - one, lane], tile[above[lane] + one, lane]
                is_open = (inside[lane] < total[lane]) & ((lower >= 0.0) | (upper >= 0.0))
                is_up = upper > lower * (1.0 + EQUAL)
                added = upper if is_up else lower
                inside[lane] += added if is_open else 0.0
                above[lane] += one if is_open & is_up else none
                below[lane] -= one if is_open & (not is_up) else none
                n_open += is_open
    for lane in range(first.size):
        is_filled = total[lane] > 0.0
        first[lane] = int(below[lane]) - 1 if is_filled else -1
        last[lane] = int(above[lane]) - 1 if is_filled else -1


@njit(cache=True, nogil=True, error_model="numpy")
def value_bins(volume: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the first and last bin of each window's value area, of profiles (windows, bins); -1 without volume."""
    n, bins = volume.shape
    first, last = np.empty(n, np.int64), np.empty(n, np.int64)
    tile = empty_tile(bins)
    for a in range(0, n, LANES):
        put_rows(volume[a : a + LANES], tile)
        tile_value_bins(tile, share, first[a : a + LANES], last[a : a + LANES])
    return first, last


@njit(cache=True, nogil=True, error_model="numpy")
def value_areas(
    low: np.ndarray, high: np.ndarray, volume: np.ndarray, starts: np.ndarray, ends: np.ndarray, bins: int, share: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return first and last bin of each window's value area, and lowest low and highest high, without the profiles."""
    n = starts.size
    first, last = np.empty(n, np.int64), np.empty(n, np.int64)
    lowest, highest = np.empty(n), np.empty(n)
    unknown = unknown_before(low, high, volume)
    at, units, steps = room(starts, ends, bins)
    tile = empty_tile(bins)
    for a in range(0, n, LANES):
        b = min(a + LANES, n)
        fill_tile(low, high, volume, unknown, starts[a:b], ends[a:b], at, units, steps, tile, lowest[a:b], highest[a:b])
        tile_value_bins(tile, share, first[a:b], last[a:b])
    return first, last, lowest, highest
