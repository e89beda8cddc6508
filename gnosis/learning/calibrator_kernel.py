"""Compiled map of probabilities to frequencies: the one definition for a lone row and for a million."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from gnosis.learning.metrics import SMALLEST_PROBABILITY
from gnosis.learning.reliability import Z_95

IDENTITY, PLATT, ISOTONIC = 0, 1, 2


class Maps(NamedTuple):
    """Fitted maps of consecutive classes, one class against the rest, laid end to end.

    Attributes
    ----------
    method
        int64, shape (classes,): ``IDENTITY``, ``PLATT`` or ``ISOTONIC``.
    low
        float64, shape (classes,): smallest calibrated probability; the largest is one minus it.
    first
        int64, shape (classes + 1,): where the numbers of each class begin in ``x`` and ``y``.
    x, y
        float64: intercept and slope of Platt's line, or the corners of the isotonic map.
    first_bin
        int64, shape (classes + 1,): where the bins of each class begin.
    bin_start, bin_rows
        float64, shape (bins,): where a bin of uncalibrated probabilities begins, minus infinity for the first one, and
        its calibration rows.
    """

    method: NDArray[np.int64]
    low: NDArray[np.float64]
    first: NDArray[np.int64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    first_bin: NDArray[np.int64]
    bin_start: NDArray[np.float64]
    bin_rows: NDArray[np.float64]


@njit(cache=True, nogil=True, error_model="numpy")
def _platt(probability: float, intercept: float, slope: float) -> float:
    inside = min(max(probability, SMALLEST_PROBABILITY), 1.0 - SMALLEST_PROBABILITY)
    score = intercept + slope * math.log(inside / (1.0 - inside))
    shrunk = math.exp(-abs(score))
    return (shrunk if score < 0.0 else 1.0) / (1.0 + shrunk)


@njit(cache=True, nogil=True, error_model="numpy")
def _interpolated(value: float, x: np.ndarray, y: np.ndarray, first: int, end: int) -> float:
    """Return the straight line between the two corners around a value, as ``numpy.interp``."""
    if value >= x[end - 1]:
        return y[end - 1]
    if value <= x[first]:
        return y[first]
    low, high = first, end - 1
    while high - low > 1:
        middle = (low + high) // 2
        if x[middle] <= value:
            low = middle
        else:
            high = middle
    slope = (y[low + 1] - y[low]) / (x[low + 1] - x[low])
    return slope * (value - x[low]) + y[low]


@njit(cache=True, nogil=True, error_model="numpy")
def odds(maps: Maps, begin: int, raw: np.ndarray, out: np.ndarray) -> None:
    """Map each class against the rest, within its bounds, before the sum is made 1.

    Parameters
    ----------
    maps
        Of the classes of one calibrator or of several.
    begin
        Class in ``maps`` that the first column is.
    raw, out
        float64, shape (rows, classes).
    """
    for row in range(raw.shape[0]):
        for at in range(raw.shape[1]):
            place = begin + at
            value, low = raw[row, at], maps.low[place]
            first, end = maps.first[place], maps.first[place + 1]
            if maps.method[place] == IDENTITY:
                out[row, at] = value
            else:
                if maps.method[place] == PLATT:
                    mapped = _platt(value, maps.x[first], maps.y[first])
                else:
                    mapped = _interpolated(value, maps.x, maps.y, first, end)
                out[row, at] = min(max(mapped, low), 1.0 - low)


@njit(cache=True, nogil=True, error_model="numpy")
def calibrate(maps: Maps, begin: int, raw: np.ndarray, out: np.ndarray) -> None:
    """Write calibrated probabilities of shape (rows, classes): odds with the sum 1, lifted where they fell too low.

    Sums are added class by class, so that no row's last bit depends on another row. Parameters as of :func:`odds`.
    """
    odds(maps, begin, raw, out)
    low = maps.low[begin]
    for row in range(raw.shape[0]):
        total = out[row, 0]
        for at in range(1, raw.shape[1]):
            total += out[row, at]
        largest, is_short = 0, False
        for at in range(raw.shape[1]):
            out[row, at] /= total
            is_short = is_short or out[row, at] < low
            if out[row, at] > out[row, largest]:
                largest = at
        if maps.method[begin] == IDENTITY or not is_short:
            continue
        # What the small ones are lifted by is taken from the largest.
        lifted = 0.0
        for at in range(raw.shape[1]):
            if at != largest:
                out[row, at] = max(out[row, at], low)
                lifted += out[row, at]
        out[row, largest] = 1.0 - lifted


@njit(cache=True, nogil=True, error_model="numpy")
def intervals(
    maps: Maps, place: int, raw: np.ndarray, calibrated: np.ndarray, low: np.ndarray, high: np.ndarray
) -> None:
    """Write the ends of Wilson's interval around calibrated probabilities of a class.

    The sample is as large as the bin of calibration rows that the uncalibrated probability falls into.

    Parameters
    ----------
    maps
        Of the classes.
    place
        Class in ``maps``.
    raw, calibrated
        float64, shape (rows,).
    low, high
        float64, shape (rows,); NaN where the class has no bins.
    """
    first, end = maps.first_bin[place], maps.first_bin[place + 1]
    for row in range(raw.size):
        if end == first:
            low[row] = high[row] = np.nan
            continue
        at = end - 1
        while at > first and raw[row] < maps.bin_start[at]:
            at -= 1
        p, n = calibrated[row], maps.bin_rows[at]
        shrink = 1.0 + Z_95**2 / n
        centre = (p + Z_95**2 / (2.0 * n)) / shrink
        half = Z_95 / shrink * math.sqrt(p * (1.0 - p) / n + (Z_95 / (2.0 * n)) ** 2)
        # At 0 and at 1 one end is the probability itself; rounding must not put it on the other side.
        low[row] = min(max(centre - half, 0.0), p)
        high[row] = max(min(centre + half, 1.0), p)
