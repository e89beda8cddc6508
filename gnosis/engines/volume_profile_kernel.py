"""Compiled loops behind :mod:`gnosis.engines.volume_profile`.

Windows of neighbouring sessions mostly have one range of prices, hence one set of bins: a run of them is filled
together, bar after bar, each bar into all windows that hold it. Every window still gets its bars from the first on.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

# Prices nearer than this share of a bin to an edge are on it: rounding fills no bin.
ON_EDGE = 1e-9
# Volumes that differ by less than this share are equal: rounding decides no tie.
EQUAL = 1e-12
LANES = 8
AT_ONCE = 256


def _add_to_lanes(_context: Any, _address: Any, _index: Any, _value: Any) -> Any:
    def build(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        address, index, value = arguments
        lanes = ir.VectorType(ir.DoubleType(), LANES)
        whole = builder.inttoptr(
            builder.add(address, builder.mul(index, ir.Constant(index.type, 8 * LANES))), lanes.as_pointer()
        )
        undefined = ir.Constant(lanes, ir.Undefined)
        first = builder.insert_element(undefined, value, ir.Constant(ir.IntType(32), 0))
        everywhere = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        added = builder.fadd(builder.load(whole, align=8), builder.shuffle_vector(first, undefined, everywhere))
        builder.store(added, whole, align=8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.float64), build


# Adds a value to all lanes of row ``index`` of the array at an address: the compiler does not join so few additions.
add_to_lanes: Any = intrinsic(_add_to_lanes)


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"nnan", "nsz"})
def extremes(low: np.ndarray, high: np.ndarray) -> tuple[float, float]:
    """Return the lowest low and the highest high of bars that are all known."""
    bottom, top = np.inf, -np.inf
    for i in range(low.size):
        bottom = min(bottom, low[i])
        top = max(top, high[i])
    return bottom, top


@njit(cache=True, nogil=True, error_model="numpy")
def place_bars(
    low: np.ndarray, high: np.ndarray, volume: np.ndarray, bottom: float, top: float, bins: int, placed: np.ndarray
) -> None:
    """Fill ``placed`` (3, bars) with where lows and highs are in [bottom, top], in bins, and with volume per bin."""
    span = top - bottom
    lows, highs, densities = placed[0], placed[1], placed[2]
    for i in range(low.size):
        a = (low[i] - bottom) / span * bins
        b = (high[i] - bottom) / span * bins
        nearest_a, nearest_b = np.round(a), np.round(b)
        a = nearest_a if abs(a - nearest_a) < ON_EDGE else a
        b = nearest_b if abs(b - nearest_b) < ON_EDGE else b
        lows[i] = a
        highs[i] = b
        densities[i] = volume[i] / (b - a)


@njit(cache=True, nogil=True, error_model="numpy")
def fill_run(placed: np.ndarray, volume: np.ndarray, length: int, run: int, bins: int, rows: np.ndarray) -> None:
    """Fill the bins of ``run`` windows of ``length`` bars, each one bar later than the one before.

    ``rows`` has the bins of up to :data:`LANES` windows side by side, shape (bins, LANES).
    """
    lows, highs, densities = placed[0], placed[1], placed[2]
    rows[:] = 0.0
    address = np.int64(rows.ctypes.data)
    for i in range(length + run - 1):
        a, b, density = lows[i], highs[i], densities[i]
        k = min(int(a), bins - 1)
        # Windows that hold the bar; in between all lanes, unused ones too.
        first, after = max(i - length + 1, 0), i + 1
        is_inner = after >= run and first == 0
        added = volume[i] if a == b else density * (min(b, k + 1.0) - a)
        while True:
            if is_inner:
                add_to_lanes(address, k, added)
            else:
                for lane in range(first, min(after, run)):
                    rows[k, lane] += added
            k += 1
            if k >= b or k >= bins:
                break
            added = density * (min(b, k + 1.0) - k)


@njit(cache=True, nogil=True, error_model="numpy")
def fill_one(placed: np.ndarray, volume: np.ndarray, bins: int, row: np.ndarray) -> None:
    """Fill the bins of one window."""
    lows, highs, densities = placed[0], placed[1], placed[2]
    row[:] = 0.0
    for i in range(volume.size):
        a, b, density = lows[i], highs[i], densities[i]
        k = min(int(a), bins - 1)
        if a == b:
            row[k] += volume[i]
            continue
        row[k] += density * (min(b, k + 1.0) - a)
        last = min(int(b), bins - 1)
        for whole in range(k + 1, last):
            row[whole] += density
        if k < last and last < b:
            row[last] += density * (min(b, last + 1.0) - last)


@njit(cache=True, nogil=True, error_model="numpy")
def profiles(
    low: np.ndarray, high: np.ndarray, volume: np.ndarray, starts: np.ndarray, ends: np.ndarray, bins: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return volume by bin (windows, bins), lowest low and highest high of each window; NaN where a bar is unknown."""
    out = np.empty((starts.size, bins))
    lowest, highest = np.empty(starts.size), np.empty(starts.size)
    fill(low, high, volume, unknown_before(low, high, volume), starts, ends, out, lowest, highest)
    return out, lowest, highest


@njit(cache=True, nogil=True, error_model="numpy")
def unknown_before(low: np.ndarray, high: np.ndarray, volume: np.ndarray) -> np.ndarray:
    """Return how many bars before each, and in all, are not wholly known."""
    unknown = np.zeros(low.size + 1, np.int64)
    for i in range(low.size):
        unknown[i + 1] = unknown[i] + (1 if np.isnan(low[i] + high[i] + volume[i]) else 0)
    return unknown


@njit(cache=True, nogil=True, error_model="numpy")
def fill(
    low: np.ndarray,
    high: np.ndarray,
    volume: np.ndarray,
    unknown: np.ndarray,
    starts: np.ndarray,
    ends: np.ndarray,
    out: np.ndarray,
    lowest: np.ndarray,
    highest: np.ndarray,
) -> None:
    """Fill ``out`` (windows, bins), ``lowest`` and ``highest`` as :func:`profiles` returns them."""
    bins = out.shape[1]
    lowest[:] = np.nan
    highest[:] = np.nan
    longest = 0
    for w in range(starts.size):
        longest = max(longest, ends[w] - starts[w])
    placed = np.empty((3, longest + LANES))
    rows = np.empty((bins, LANES))
    w = 0
    while w < starts.size:
        first, end = starts[w], ends[w]
        if first >= end or unknown[end] > unknown[first]:
            out[w] = np.nan
            w += 1
            continue
        bottom, top = extremes(low[first:end], high[first:end])
        lowest[w], highest[w] = bottom, top
        if top == bottom:
            out[w] = 0.0
            for i in range(first, end):
                out[w, 0] += volume[i]
            w += 1
            continue
        run = 1
        while run < LANES and w + run < starts.size:
            gone, come = first + run - 1, end + run - 1
            if starts[w + run] != gone + 1 or ends[w + run] != come + 1 or unknown[come + 1] > unknown[come]:
                break
            if low[gone] == bottom or high[gone] == top or low[come] < bottom or high[come] > top:
                break
            lowest[w + run], highest[w + run] = bottom, top
            run += 1
        last = end + run - 1
        place_bars(low[first:last], high[first:last], volume[first:last], bottom, top, bins, placed)
        if run == 1:
            fill_one(placed, volume[first:end], bins, out[w])
        else:
            fill_run(placed, volume[first:last], end - first, run, bins, rows)
            for k in range(bins):
                for lane in range(run):
                    out[w + lane, k] = rows[k, lane]
        w += run


@njit(cache=True, nogil=True, error_model="numpy")
def value_bins(volume: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the first and last bin of each window's value area; -1 without volume."""
    windows, bins = volume.shape
    first = np.full(windows, -1)
    last = np.full(windows, -1)
    for w in range(windows):
        row = volume[w]
        total, fullest = 0.0, 0
        for k in range(bins):
            total += row[k]
            if row[k] > row[fullest] * (1.0 + EQUAL):
                fullest = k
        if not total > 0.0:
            continue
        below, above = fullest, fullest
        inside = row[fullest]
        while inside < share * total * (1.0 - EQUAL) and (below > 0 or above < bins - 1):
            lower = row[below - 1] if below > 0 else -1.0
            upper = row[above + 1] if above < bins - 1 else -1.0
            if upper > lower * (1.0 + EQUAL) if lower >= 0.0 else True:
                above += 1
                inside += upper
            else:
                below -= 1
                inside += lower
        first[w], last[w] = below, above
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
    filled = np.empty((min(n, AT_ONCE), bins))
    for a in range(0, n, AT_ONCE):
        b = min(a + AT_ONCE, n)
        part = filled[: b - a]
        fill(low, high, volume, unknown, starts[a:b], ends[a:b], part, lowest[a:b], highest[a:b])
        first[a:b], last[a:b] = value_bins(part, share)
    return first, last, lowest, highest
