"""Compiled loop behind :mod:`gnosis.engines.trailing`."""

from __future__ import annotations

import numpy as np
from numba import njit

from gnosis.engines.points import Floats, Integers

STATISTICS = ("count", "mean", "sd", "z", "rank", "quantile", "mad")
COUNT, MEAN, SD, Z, RANK, QUANTILE, MAD = range(7)


@njit(cache=True, nogil=True, error_model="numpy")
def quantile(ordered: Floats, share: float) -> float:
    """Return a quantile of ascending values, linear between order statistics."""
    place = share * (ordered.size - 1)
    below = int(np.floor(place))
    above = min(below + 1, ordered.size - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


@njit(cache=True, nogil=True, error_model="numpy")
def trailing(
    matrix: Floats,
    symbol: Integers,
    column: Integers,
    values: Floats,
    known_at: Integers,
    as_of: Integers,
    window: int,
    fewest: int,
    statistic: int,
    share: float,
) -> Floats:
    """Return one statistic of the ``window`` columns before each point; NaN with fewer than ``fewest`` known values.

    Cells with ``known_at`` after the point's ``as_of`` are left out, unless ``as_of`` is empty.
    """
    out = np.full(values.size, np.nan)
    sample = np.empty(window)
    for i in range(values.size):
        n = 0
        for j in range(max(column[i] - window, 0), column[i]):
            x = matrix[symbol[i], j]
            if not np.isnan(x) and (as_of.size == 0 or known_at[symbol[i], j] <= as_of[i]):
                sample[n] = x
                n += 1
        if statistic == COUNT:
            out[i] = n
            continue
        if n < fewest:
            continue
        known = sample[:n]
        if statistic <= Z:
            mean = 0.0
            for x in known:
                mean += x
            mean /= n
            squares = 0.0
            for x in known:
                squares += (x - mean) * (x - mean)
            sd = np.sqrt(squares / (n - 1))
            if statistic == MEAN:
                out[i] = mean
            elif statistic == SD:
                out[i] = sd
            elif sd > 1e-14 * abs(mean) and sd > 0.0:
                out[i] = (values[i] - mean) / sd
        elif statistic == RANK:
            if np.isnan(values[i]):
                continue
            below = 0.0
            for x in known:
                if x < values[i]:
                    below += 1.0
                elif x == values[i]:
                    below += 0.5
            out[i] = below / n
        else:
            known = np.sort(known)
            middle = quantile(known, share if statistic == QUANTILE else 0.5)
            out[i] = middle
            if statistic == MAD:
                out[i] = 1.4826 * quantile(np.sort(np.abs(known - middle)), 0.5)
    return out
