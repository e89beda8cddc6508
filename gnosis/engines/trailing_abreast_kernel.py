"""Compiled statistics of trailing samples of neighbouring points, a block of points side by side."""

from __future__ import annotations

import numpy as np
from numba import njit

from gnosis.engines.points import Floats

STATISTICS = ("count", "mean", "sd", "z", "rank", "quantile", "mad")
COUNT, MEAN, SD, Z, RANK, QUANTILE, MAD = range(7)
BLOCK = 128


@njit(cache=True, nogil=True, error_model="numpy")
def abreast(row: Floats, column: int, values: Floats, window: int, fewest: int, statistic: int, out: Floats) -> None:
    """Fill ``out`` with a statistic of neighbouring points, a block of them side by side.

    Every point goes through the known values of its own window from the oldest on, as it would alone; what is unknown
    adds 0, which changes no bit.
    """
    # Before the first column nothing is known.
    past = np.full(window + values.size, np.nan)
    oldest, end = max(column - window, 0), min(column + values.size, row.size)
    past[oldest - column + window : end - column + window] = row[oldest:end] + 0.0
    known = np.empty(past.size + 1)
    known[0] = 0.0
    for k in range(past.size):
        known[k + 1] = known[k] + (0.0 if np.isnan(past[k]) else 1.0)
    n = np.empty(BLOCK)
    mean = np.empty(BLOCK)
    squares = np.empty(BLOCK)
    for first in range(0, values.size, BLOCK):
        width = min(BLOCK, values.size - first)
        own = values[first : first + width]
        for lane in range(width):
            n[lane] = known[first + lane + window] - known[first + lane]
        mean[:] = 0.0
        squares[:] = 0.0
        if statistic == RANK:
            whole = window - window % 4
            for k in range(0, whole, 4):
                _count_below(past[first + k : first + k + width + 3], own, mean)
            for k in range(whole, window):
                sample = past[first + k : first + k + width]
                for lane in range(width):
                    mean[lane] += _below(sample[lane], own[lane])
        elif statistic != COUNT:
            for k in range(window):
                sample = past[first + k : first + k + width]
                for lane in range(width):
                    mean[lane] += sample[lane] if sample[lane] == sample[lane] else 0.0
        for lane in range(width):
            mean[lane] /= n[lane]
        if statistic in (SD, Z):
            for k in range(window):
                sample = past[first + k : first + k + width]
                for lane in range(width):
                    away = sample[lane] - mean[lane]
                    squares[lane] += away * away if sample[lane] == sample[lane] else 0.0
        for lane in range(width):
            i = first + lane
            if statistic == COUNT:
                out[i] = n[lane]
            elif n[lane] < fewest:
                continue
            elif statistic == MEAN:
                out[i] = mean[lane]
            elif statistic == RANK:
                if not np.isnan(own[lane]):
                    out[i] = mean[lane]
            else:
                sd = np.sqrt(squares[lane] / (n[lane] - 1.0))
                if statistic == SD:
                    out[i] = sd
                elif sd > 1e-14 * abs(mean[lane]) and sd > 0.0:
                    out[i] = (own[lane] - mean[lane]) / sd


@njit(cache=True, nogil=True, error_model="numpy")
def _below(x: float, own: float) -> float:
    return (1.0 if x < own else 0.0) + (0.5 if x == own else 0.0)


@njit(cache=True, nogil=True, error_model="numpy")
def _count_below(past: Floats, own: Floats, count: Floats) -> None:
    """Count, for neighbouring points, how many of four neighbouring values are below the point's own."""
    for lane in range(own.size):
        x = own[lane]
        first = _below(past[lane], x) + _below(past[lane + 1], x)
        count[lane] += first + (_below(past[lane + 2], x) + _below(past[lane + 3], x))
