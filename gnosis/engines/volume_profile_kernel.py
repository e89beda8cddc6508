"""Compiled loops behind :mod:`gnosis.engines.volume_profile`."""

from __future__ import annotations

import numpy as np
from numba import njit

# Prices nearer than this share of a bin to an edge are on it: rounding fills no bin.
ON_EDGE = 1e-9
# Volumes that differ by less than this share are equal: rounding decides no tie.
EQUAL = 1e-12


@njit(cache=True, nogil=True, error_model="numpy")
def place(price: float, low: float, high: float, bins: int) -> float:
    """Return where a price is in [low, high], in bins."""
    if high == low:
        return 0.0
    found = (price - low) / (high - low) * bins
    nearest = np.round(found)
    return nearest if abs(found - nearest) < ON_EDGE else found


@njit(cache=True, nogil=True, error_model="numpy")
def profiles(
    low: np.ndarray, high: np.ndarray, volume: np.ndarray, starts: np.ndarray, ends: np.ndarray, bins: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return volume by bin (windows, bins), lowest low and highest high of each window; NaN where a bar is unknown."""
    out = np.zeros((starts.size, bins))
    lowest = np.full(starts.size, np.nan)
    highest = np.full(starts.size, np.nan)
    for w in range(starts.size):
        bottom, top, total = np.inf, -np.inf, 0.0
        for i in range(starts[w], ends[w]):
            bottom = min(bottom, low[i])
            top = max(top, high[i])
            total += low[i] + high[i] + volume[i]
        if starts[w] >= ends[w] or np.isnan(total):
            out[w] = np.nan
            continue
        lowest[w], highest[w] = bottom, top
        for i in range(starts[w], ends[w]):
            a = place(low[i], bottom, top, bins)
            b = place(high[i], bottom, top, bins)
            first = min(int(a), bins - 1)
            if a == b:
                out[w, first] += volume[i]
                continue
            density = volume[i] / (b - a)
            for k in range(first, bins):
                if k >= b:
                    break
                out[w, k] += density * (min(b, k + 1.0) - max(a, float(k)))
    return out, lowest, highest


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
