"""Compiled measures of volume profiles: clusters of full and of thin bins, and the volume below prices.

Profiles are measured a tile at a time (:mod:`gnosis.engines.volume_profile_kernel`). The sums have the bits of
:func:`gnosis.engines.volume_profile.clusters` and of ``numpy.sum`` over the bins: eight partial sums, then their tree.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from gnosis.engines.profile_median_kernel import exchanges, tile_medians
from gnosis.engines.volume_profile_kernel import LANES, empty_tile, fill_tile, put_rows, room, unknown_before

PARTS = 8
MEASURES = ("near_clusters", "thin_clusters", "heavy_below", "heavy", "below_down", "below", "below_up")
NEAR, THIN, HEAVY_BELOW, HEAVY, DOWN, HERE, UP = range(7)
LOW, WIDTH, CLOSE, FULL, BELOW = range(0, 5 * LANES, LANES)
TOTAL, WORTH, BEGUN, BEGUN_WORTH, FIRST, LAST, N_NEAR, N_THIN = range(0, 8 * LANES, LANES)


@njit(cache=True, nogil=True, error_model="numpy")
def tile_clusters(tile: np.ndarray, given: np.ndarray, near: float, state: np.ndarray, out: np.ndarray) -> None:
    """Fill the rows NEAR and THIN of ``out`` with the clusters of full bins near the close and of thin ones within.

    ``given`` has low, width and close of each window and the volumes that a full bin exceeds and a thin one does not
    reach, one after the other, shape (5 x LANES,); ``state`` is room for eight such rows.
    """
    bins = tile.shape[0] - 2
    state[:] = 0.0
    state[FIRST : FIRST + LANES] = float(bins)
    state[LAST : LAST + LANES] = -1.0
    for k in range(bins + 1):
        _add_bin(tile[k + 1], tile[k], float(k), (k + 0.5) / bins, given, near, state)
    for k in range(bins):
        _add_thin(tile[k + 1], tile[k + 2], float(k), given, state)
    out[NEAR], out[THIN] = state[N_NEAR : N_NEAR + LANES], state[N_THIN : N_THIN + LANES]


@njit(cache=True, nogil=True, error_model="numpy")
def _add_bin(
    row: np.ndarray, before: np.ndarray, place: float, middle: float, given: np.ndarray, near: float, state: np.ndarray
) -> None:
    """Add a bin to the sums, and count the cluster that ends before it; outside the range no bin is full."""
    # One array with fixed distances: of many arrays the compiler would not know that they are apart.
    for lane in range(row.size):
        full = given[FULL + lane]
        is_full, was_full = row[lane] > full, before[lane] > full
        total, worth = state[TOTAL + lane], state[WORTH + lane]
        begun, begun_worth = state[BEGUN + lane], state[BEGUN_WORTH + lane]
        # The centre is worth over volume; the two are compared, which needs no division.
        at_close, at_centre = (total - begun) * given[CLOSE + lane], worth - begun_worth
        is_near = (at_centre >= (1.0 - near) * at_close) & (at_centre <= (1.0 + near) * at_close)
        is_near &= was_full & (not is_full)
        state[N_NEAR + lane] += 1.0 if is_near else 0.0
        is_first = is_full & (not was_full)
        state[BEGUN + lane] = total if is_first else begun
        state[BEGUN_WORTH + lane] = worth if is_first else begun_worth
        first, last = state[FIRST + lane], state[LAST + lane]
        state[FIRST + lane] = place if is_full & (place < first) else first
        state[LAST + lane] = place if is_full else last
        state[TOTAL + lane] = total + row[lane]
        state[WORTH + lane] = worth + row[lane] * (given[LOW + lane] + given[WIDTH + lane] * middle)


@njit(cache=True, nogil=True, error_model="numpy")
def _add_thin(row: np.ndarray, after: np.ndarray, place: float, given: np.ndarray, state: np.ndarray) -> None:
    """Count the cluster of thin bins that ends with a bin between the first and the last full one."""
    for lane in range(row.size):
        thin = given[BELOW + lane]
        is_thin = (row[lane] > 0.0) & (row[lane] < thin)
        goes_on = (after[lane] > 0.0) & (after[lane] < thin)
        is_within = (state[FIRST + lane] < place) & (place < state[LAST + lane])
        state[N_THIN + lane] += 1.0 if is_thin & (not goes_on) & is_within else 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def tile_sum_below(tile: np.ndarray, place: np.ndarray, above: np.ndarray, parts: np.ndarray, out: np.ndarray) -> None:
    """Fill ``out`` with the volume of bins fuller than ``above`` below a place in bins; ``parts`` is (8, LANES)."""
    bins = tile.shape[0] - 2
    whole = bins - bins % PARTS
    parts[:] = 0.0
    for k in range(bins):
        if k == whole:
            _add_parts(parts, out)
        row, total, start = tile[k + 1], parts[k % PARTS] if k < whole else out, float(k)
        for lane in range(LANES):
            inside = min(max(place[lane] - start, 0.0), 1.0)
            total[lane] += row[lane] * inside if row[lane] > above[lane] else 0.0
    if whole == bins:
        _add_parts(parts, out)
    for lane in range(LANES):
        out[lane] += place[lane] * 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def _add_parts(parts: np.ndarray, out: np.ndarray) -> None:
    for lane in range(LANES):
        left = (parts[0, lane] + parts[1, lane]) + (parts[2, lane] + parts[3, lane])
        right = (parts[4, lane] + parts[5, lane]) + (parts[6, lane] + parts[7, lane])
        out[lane] = left + right


@njit(cache=True, nogil=True, error_model="numpy")
def tile_shapes(
    tile: np.ndarray, low: np.ndarray, high: np.ndarray, middle: np.ndarray, close: np.ndarray, step: np.ndarray,
    full_above: float, thin_below: float, near: float, parts: np.ndarray, found: np.ndarray,
) -> None:  # fmt: skip
    """Fill ``found`` (7, LANES) with the measures of a tile; arguments as of :func:`shapes`, of LANES windows each."""
    bins = tile.shape[0] - 2
    given, state, none = np.empty(5 * LANES), np.empty(8 * LANES), np.full(LANES, -1.0)
    down, here, up, top = np.empty(LANES), np.empty(LANES), np.empty(LANES), np.full(LANES, float(bins))
    for lane in range(LANES):
        width = high[lane] - low[lane]
        given[LOW + lane], given[WIDTH + lane], given[CLOSE + lane] = low[lane], width, close[lane]
        given[FULL + lane], given[BELOW + lane] = full_above * middle[lane], thin_below * middle[lane]
        down[lane] = _place(close[lane] - step[lane], low[lane], width, bins)
        here[lane] = _place(close[lane] + 0.0, low[lane], width, bins)
        up[lane] = _place(close[lane] + step[lane], low[lane], width, bins)
    tile_clusters(tile, given, near, state, found)
    full = given[FULL : FULL + LANES]
    tile_sum_below(tile, here, full, parts, found[HEAVY_BELOW])
    tile_sum_below(tile, top, full, parts, found[HEAVY])
    tile_sum_below(tile, down, none, parts, found[DOWN])
    tile_sum_below(tile, here, none, parts, found[HERE])
    tile_sum_below(tile, up, none, parts, found[UP])
    for lane in range(LANES):
        if np.isnan(tile[1, lane]) or np.isnan(close[lane]):
            found[:, lane] = np.nan


@njit(cache=True, nogil=True, error_model="numpy")
def _place(price: float, low: float, width: float, bins: int) -> float:
    found = (price - low) / (width if width > 0.0 else np.nan) * bins
    return found if np.isnan(found) else min(max(found, 0.0), float(bins))


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
    parts, found, own = np.empty((PARTS, LANES)), np.empty((7, LANES)), np.ones((4, LANES))
    for a in range(0, n, LANES):
        b = min(a + LANES, n)
        put_rows(volume[a:b], tile)
        own[0, : b - a], own[1, : b - a], own[2, : b - a], own[3, : b - a] = low[a:b], high[a:b], close[a:b], step[a:b]
        tile_medians(tile, pairs, ordered, middle)
        tile_shapes(tile, own[0], own[1], middle, own[2], own[3], full_above, thin_below, near, parts, found)
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
    parts, found, own = np.empty((PARTS, LANES)), np.empty((7, LANES)), np.ones((4, LANES))
    for a in range(0, n, LANES):
        b = min(a + LANES, n)
        fill_tile(
            low, high, volume, unknown, starts[a:b], ends[a:b], at, units, steps, tile, own[0, : b - a], own[1, : b - a]
        )
        own[2, : b - a], own[3, : b - a] = close[a:b], step[a:b]
        tile_medians(tile, pairs, ordered, middle)
        tile_shapes(tile, own[0], own[1], middle, own[2], own[3], full_above, thin_below, near, parts, found)
        out[:, a:b] = found[:, : b - a]
    return out
