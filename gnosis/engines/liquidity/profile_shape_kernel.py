"""Compiled measures of volume profiles: clusters of full and of thin bins, and the volume below prices.

Profiles are measured a tile at a time (:mod:`gnosis.engines.volume_profile_kernel`): sums from the lowest bin on are
made for all windows of a tile at once, and every measure is read off them. They have the bits of ``numpy.cumsum``.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from gnosis.engines.binary_digits_kernel import digits, lowest
from gnosis.engines.profile_median_kernel import exchanges, tile_medians
from gnosis.engines.volume_profile_kernel import LANES, empty_tile, fill_tile, put_rows, room, unknown_before

MEASURES = ("near_clusters", "thin_clusters", "heavy_below", "heavy", "below_down", "below", "below_up")
NEAR, THIN, HEAVY_BELOW, HEAVY, DOWN, HERE, UP = range(7)
LOW, WIDTH, FULL, BELOW = range(0, 4 * LANES, LANES)
TOTAL, WORTH, OF_FULL = range(0, 3 * LANES, LANES)
MOST_BINS = 62
"""Bins whose kinds fit into the binary digits of one number."""


@njit(cache=True, nogil=True, error_model="numpy")
def tile_sums(tile: np.ndarray, given: np.ndarray, sums: np.ndarray, kinds: np.ndarray) -> None:
    """Fill ``sums`` and ``kinds`` of a tile.

    Parameters
    ----------
    tile
        As in :mod:`gnosis.engines.volume_profile_kernel`.
    given
        Low and width of each window, and the volumes that a full bin exceeds and a thin one does not reach, one after
        the other, shape (4 x LANES,).
    sums
        Volume, volume x price and volume of full bins below each edge, shape (bins + 1, 3 x LANES).
    kinds
        Full and thin bins of each window as binary digits, uint64 (2 x LANES).
    """
    bins = tile.shape[0] - 2
    sums[0] = 0.0
    kinds[:] = np.uint64(0)
    for k in range(bins):
        _add_bin(tile[k + 1], (k + 0.5) / bins, np.uint64(1) << np.uint64(k), given, sums[k], sums[k + 1], kinds)


@njit(cache=True, nogil=True, error_model="numpy")
def _add_bin(
    row: np.ndarray, middle: float, digit: np.uint64, given: np.ndarray, below: np.ndarray, above: np.ndarray,
    kinds: np.ndarray,
) -> None:  # fmt: skip
    # One array with fixed distances: of many arrays the compiler would not know that they are apart.
    for lane in range(LANES):
        volume = row[lane]
        is_full = volume > given[FULL + lane]
        is_thin = (volume > 0.0) & (volume < given[BELOW + lane])
        above[TOTAL + lane] = below[TOTAL + lane] + volume
        above[WORTH + lane] = below[WORTH + lane] + volume * (given[LOW + lane] + given[WIDTH + lane] * middle)
        above[OF_FULL + lane] = below[OF_FULL + lane] + (volume if is_full else 0.0)
        kinds[lane] |= digit if is_full else np.uint64(0)
        kinds[LANES + lane] |= digit if is_thin else np.uint64(0)


@njit(cache=True, nogil=True, error_model="numpy")
def _near_clusters(full: np.uint64, sums: np.ndarray, lane: int, close: float, near: float) -> int:
    """Return how many runs of full bins have their centre near the close."""
    one = np.uint64(1)
    count = 0
    rest = full
    while rest > np.uint64(0):
        # Below the lowest digit that is set all are 0; adding it carries over the run.
        after = rest + (rest & (~rest + one))
        first, end = lowest(rest), lowest(after)
        # The centre is worth over volume; the two are compared, which needs no division.
        at_close = (sums[end, TOTAL + lane] - sums[first, TOTAL + lane]) * close
        at_centre = sums[end, WORTH + lane] - sums[first, WORTH + lane]
        count += (at_centre >= (1.0 - near) * at_close) & (at_centre <= (1.0 + near) * at_close)
        rest &= after
    return count


@njit(cache=True, nogil=True, error_model="numpy")
def _thin_clusters(full: np.uint64, thin: np.uint64) -> int:
    """Return how many runs of thin bins end between the lowest and the highest full bin."""
    one = np.uint64(1)
    if full == np.uint64(0):
        return 0
    highest = full
    for shift in (1, 2, 4, 8, 16, 32):
        highest |= highest >> np.uint64(shift)
    above_first, up_to_last = ~((full & (~full + one)) - one), highest >> one
    return int(digits(thin & ~(thin >> one) & above_first & up_to_last))


@njit(cache=True, nogil=True, error_model="numpy")
def _sum_below(place: float, sums: np.ndarray, at: int) -> float:
    """Return the sum below a place in bins, spread evenly within the bins."""
    k = int(place)
    if k == sums.shape[0] - 1:
        return sums[k, at]
    return sums[k, at] + (sums[k + 1, at] - sums[k, at]) * (place - k)


@njit(cache=True, nogil=True, error_model="numpy")
def tile_shapes(
    tile: np.ndarray, low: np.ndarray, high: np.ndarray, middle: np.ndarray, close: np.ndarray, step: np.ndarray,
    full_above: float, thin_below: float, near: float, sums: np.ndarray, found: np.ndarray,
) -> None:  # fmt: skip
    """Fill ``found`` (7, LANES) with the measures of a tile; arguments as of :func:`shapes`, of LANES windows each."""
    bins = tile.shape[0] - 2
    given, kinds = np.empty(4 * LANES), np.empty(2 * LANES, np.uint64)
    for lane in range(LANES):
        given[LOW + lane], given[WIDTH + lane] = low[lane], high[lane] - low[lane]
        given[FULL + lane], given[BELOW + lane] = full_above * middle[lane], thin_below * middle[lane]
    tile_sums(tile, given, sums, kinds)
    for lane in range(LANES):
        found[:, lane] = np.nan
        if np.isnan(tile[1, lane]) or np.isnan(close[lane]):
            continue
        full, thin = kinds[lane], kinds[LANES + lane]
        found[NEAR, lane] = _near_clusters(full, sums, lane, close[lane], near)
        found[THIN, lane] = _thin_clusters(full, thin)
        found[HEAVY, lane] = sums[bins, OF_FULL + lane]
        width = given[WIDTH + lane]
        if width > 0.0:
            here = _place(close[lane], low[lane], width, bins)
            found[HEAVY_BELOW, lane] = _sum_below(here, sums, OF_FULL + lane)
            found[HERE, lane] = _sum_below(here, sums, TOTAL + lane)
            if not np.isnan(step[lane]):
                down = _place(close[lane] - step[lane], low[lane], width, bins)
                up = _place(close[lane] + step[lane], low[lane], width, bins)
                found[DOWN, lane] = _sum_below(down, sums, TOTAL + lane)
                found[UP, lane] = _sum_below(up, sums, TOTAL + lane)


@njit(cache=True, nogil=True, error_model="numpy")
def _place(price: float, low: float, width: float, bins: int) -> float:
    return min(max((price - low) / width * bins, 0.0), float(bins))


@njit(cache=True, nogil=True, error_model="numpy")
def shapes(
    volume: np.ndarray, low: np.ndarray, high: np.ndarray, close: np.ndarray, step: np.ndarray,
    full_above: float, thin_below: float, near: float,
) -> np.ndarray:  # fmt: skip
    """Return the measures of :data:`MEASURES` of each window, shape (7, windows); NaN where the profile is unknown.

    Parameters
    ----------
    volume
        Volume of each bin, shape (windows, bins).
    low, high
        Range of each window in $.
    close, step
        Price in $, and how far above and below it the last two sums look.
    full_above, thin_below
        Multiples of the median of the bins that are not empty above and below which a bin is full or thin.
    near
        Distance from the close, as a share of it, up to which the centre of a cluster counts.
    """
    n, bins = volume.shape
    out = np.empty((7, n))
    tile, ordered, pairs, middle = empty_tile(bins), empty_tile(bins), exchanges(bins), np.empty(LANES)
    sums, found, own = np.empty((bins + 1, 3 * LANES)), np.empty((7, LANES)), np.ones((4, LANES))
    for a in range(0, n, LANES):
        b = min(a + LANES, n)
        put_rows(volume[a:b], tile)
        own[0, : b - a], own[1, : b - a], own[2, : b - a], own[3, : b - a] = low[a:b], high[a:b], close[a:b], step[a:b]
        tile_medians(tile, pairs, ordered, middle)
        tile_shapes(tile, own[0], own[1], middle, own[2], own[3], full_above, thin_below, near, sums, found)
        out[:, a:b] = found[:, : b - a]
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def shapes_of_bars(
    low: np.ndarray, high: np.ndarray, volume: np.ndarray, starts: np.ndarray, ends: np.ndarray, bins: int,
    close: np.ndarray, step: np.ndarray, full_above: float, thin_below: float, near: float,
) -> np.ndarray:  # fmt: skip
    """Return :func:`shapes` of the profiles of windows of bars, without keeping the profiles."""
    n = starts.size
    out = np.empty((7, n))
    unknown = unknown_before(low, high, volume)
    at, units, steps = room(starts, ends, bins)
    tile, ordered, pairs, middle = empty_tile(bins), empty_tile(bins), exchanges(bins), np.empty(LANES)
    sums, found, own = np.empty((bins + 1, 3 * LANES)), np.empty((7, LANES)), np.ones((4, LANES))
    for a in range(0, n, LANES):
        b = min(a + LANES, n)
        fill_tile(
            low, high, volume, unknown, starts[a:b], ends[a:b], at, units, steps, tile, own[0, : b - a], own[1, : b - a]
        )
        own[2, : b - a], own[3, : b - a] = close[a:b], step[a:b]
        tile_medians(tile, pairs, ordered, middle)
        tile_shapes(tile, own[0], own[1], middle, own[2], own[3], full_above, thin_below, near, sums, found)
        out[:, a:b] = found[:, : b - a]
    return out
