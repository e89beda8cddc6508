"""Compiled loops behind :mod:`gnosis.engines.sentiment.flow_and_dark_pool`."""

from __future__ import annotations

import numpy as np
from numba import njit

from gnosis.engines.liquidity.flow_kernel import deviation
from gnosis.engines.volume_signing_kernel import normal_cdf

MEASURES = ("buy", "sell", "net", "known")
BUY_ABOVE = 0.6
SELL_BELOW = 0.4


@njit(cache=True, nogil=True, error_model="numpy")
def mean_imbalance(bid: np.ndarray, ask: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Return the mean of (bid - ask)/(bid + ask) over each slice, and the number of values in it, shape (2, slices)."""
    out = np.full((2, starts.size), np.nan)
    for p in range(starts.size):
        total, n = 0.0, 0
        for i in range(starts[p], ends[p]):
            both = bid[i] + ask[i]
            if both > 0.0:
                total += (bid[i] - ask[i]) / both
                n += 1
        out[1, p] = n
        if n > 0:
            out[0, p] = total / n
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def aggressor_shares(
    volume: np.ndarray,
    log_change: np.ndarray,
    side: np.ndarray,
    starts: np.ndarray,
    ends: np.ndarray,
    side_starts: np.ndarray,
    reference_starts: np.ndarray,
    reference_ends: np.ndarray,
    fewest: np.ndarray,
) -> np.ndarray:
    """Return the measures of :data:`MEASURES` of the bars of each slice.

    Parameters
    ----------
    volume, log_change
        Of all bars.
    side
        Side of the bars of the slices, one slice after the other, NaN where no snapshot tells it.
    starts, ends, side_starts
        Slices of the bars, and where each begins in ``side``.
    reference_starts, reference_ends, fewest
        Slices of the bars whose deviation is sigma, and the least number of changes that it needs.

    Returns
    -------
    numpy.ndarray
        Shape (4, slices): volume shares of bars with buy probability above 0.6 and below 0.4, signed over total
        volume, and the number of bars of known volume and side. NaN without volume. A bar whose side no snapshot tells
        has that of its probability; without sigma no probability is known.
    """
    out = np.full((4, starts.size), np.nan)
    for p in range(starts.size):
        sigma = deviation(log_change[reference_starts[p] : reference_ends[p]], fewest[p])
        share = normal_cdf(log_change[starts[p] : ends[p]] / (sigma if sigma > 0.0 else np.nan))
        total, buy, sell, sided, net, n = 0.0, 0.0, 0.0, 0.0, 0.0, 0
        for i in range(share.size):
            v, b, s = volume[starts[p] + i], share[i], side[side_starts[p] + i]
            if np.isnan(s):
                s = 2.0 * b - 1.0
            if np.isnan(v + s):
                continue
            n += 1
            sided += v
            net += v * s
            if not np.isnan(b):
                total += v
                buy += v if b > BUY_ABOVE else 0.0
                sell += v if b < SELL_BELOW else 0.0
        out[3, p] = n
        if total > 0.0:
            out[0, p], out[1, p] = buy / total, sell / total
        if sided > 0.0:
            out[2, p] = net / sided
    return out
