"""Compiled loops over 5-minute bars: price on signed flow, imbalance in volume time, bars of extreme flow."""

from __future__ import annotations

import numpy as np
from numba import njit

from gnosis.engines.trailing_kernel import quantile
from gnosis.engines.volume_signing_kernel import normal_cdf


@njit(cache=True, nogil=True, error_model="numpy")
def deviation(x: np.ndarray, fewest: int) -> float:
    """Return the standard deviation (n - 1) of the known values; NaN with fewer than ``fewest``."""
    n, total = 0, 0.0
    for value in x:
        if not np.isnan(value):
            n += 1
            total += value
    if n < max(fewest, 2):
        return np.nan
    mean, squares = total / n, 0.0
    for value in x:
        if not np.isnan(value):
            squares += (value - mean) * (value - mean)
    return np.sqrt(squares / (n - 1))


@njit(cache=True, nogil=True, error_model="numpy")
def imbalances(change: np.ndarray, sigma: float) -> np.ndarray:
    """Return bought minus sold share of each bar's volume, 2 Phi(change/sigma) - 1; NaN where sigma is not positive."""
    scale = sigma if sigma > 0.0 else np.nan
    return 2.0 * normal_cdf(change / scale) - 1.0


@njit(cache=True, nogil=True, error_model="numpy")
def slope_through_origin(x: np.ndarray, y: np.ndarray) -> tuple[float, float, int]:
    """Return the least-squares slope without intercept, its t-statistic and the number of pairs."""
    n, xx, xy = 0, 0.0, 0.0
    for i in range(x.size):
        if not np.isnan(x[i] + y[i]):
            n += 1
            xx += x[i] * x[i]
            xy += x[i] * y[i]
    if n < 2 or not xx > 0.0:
        return np.nan, np.nan, n
    slope, squares = xy / xx, 0.0
    for i in range(x.size):
        if not np.isnan(x[i] + y[i]):
            squares += (y[i] - slope * x[i]) ** 2
    return slope, slope / np.sqrt(squares / (n - 1) / xx), n


@njit(cache=True, nogil=True, error_model="numpy")
def impact_slopes(
    move_bps: np.ndarray, log_change: np.ndarray, dollars_m: np.ndarray, starts: np.ndarray, ends: np.ndarray
) -> np.ndarray:
    """Return slope, t-statistic and number of bars of moves on signed $1m, and the slope on signed sqrt($1m)."""
    out = np.full((4, starts.size), np.nan)
    for p in range(starts.size):
        a, b = starts[p], ends[p]
        signed = imbalances(log_change[a:b], deviation(log_change[a:b], 2)) * dollars_m[a:b]
        out[0, p], out[1, p], n = slope_through_origin(signed, move_bps[a:b])
        out[2, p] = n
        for i in range(signed.size):
            signed[i] = np.copysign(np.sqrt(abs(signed[i])), signed[i])
        out[3, p] = slope_through_origin(signed, move_bps[a:b])[0]
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def bucket_imbalance(volume: np.ndarray, imbalance: np.ndarray, bucket: float, buckets: int) -> float:
    """Return the mean |imbalance| of the last full buckets; NaN when the events do not fill them.

    Buckets are filled from the last event backwards, so that the last one is full; an event may be split. Events of
    unknown volume or side are passed over.
    """
    if not bucket > 0.0:
        return np.nan
    full, total, room, net = 0, 0.0, bucket, 0.0
    for i in range(volume.size - 1, -1, -1):
        left = volume[i]
        if np.isnan(left + imbalance[i]):
            continue
        while left >= room:
            net += room * imbalance[i]
            left -= room
            total += abs(net) / bucket
            full += 1
            if full == buckets:
                return min(total / buckets, 1.0)
            room, net = bucket, 0.0
        room -= left
        net += left * imbalance[i]
    # Rounding may leave the last bucket short of a last bit.
    if full == buckets - 1 and room <= 1e-9 * bucket:
        return min((total + abs(net) / bucket) / buckets, 1.0)
    return np.nan


@njit(cache=True, nogil=True, error_model="numpy")
def volume_time(
    volume: np.ndarray,
    log_change: np.ndarray,
    starts: np.ndarray,
    ends: np.ndarray,
    reference_starts: np.ndarray,
    reference_ends: np.ndarray,
    fewest: np.ndarray,
    bucket: np.ndarray,
    buckets: int,
) -> np.ndarray:
    """Return the imbalance of each point's last buckets, sigma from its reference bars."""
    out = np.full(starts.size, np.nan)
    for p in range(starts.size):
        a, b = starts[p], ends[p]
        sigma = deviation(log_change[reference_starts[p] : reference_ends[p]], fewest[p])
        # Bars before those that fill the buckets are not needed.
        filled, first = 0.0, b
        while first > a and not filled > bucket[p] * buckets:
            first -= 1
            if not np.isnan(volume[first]):
                filled += volume[first]
        share = imbalances(log_change[first:b], sigma)
        out[p] = bucket_imbalance(volume[first:b], share, bucket[p], buckets)
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def trade_buckets(
    size: np.ndarray, side: np.ndarray, starts: np.ndarray, ends: np.ndarray, bucket: np.ndarray, buckets: int
) -> np.ndarray:
    """Return the imbalance of each point's last buckets of trades with side +1, -1, or 0 for half of either."""
    out = np.full(starts.size, np.nan)
    for p in range(starts.size):
        a, b = starts[p], ends[p]
        out[p] = bucket_imbalance(size[a:b], side[a:b], bucket[p], buckets)
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def sweeps(
    volume: np.ndarray,
    log_change: np.ndarray,
    starts: np.ndarray,
    ends: np.ndarray,
    reference_starts: np.ndarray,
    reference_ends: np.ndarray,
    fewest: np.ndarray,
) -> np.ndarray:
    """Return 1 where a bar's signed volume is beyond 3 MAD and its change beyond 2 sigma of the reference, one sign."""
    out = np.full(starts.size, np.nan)
    for p in range(starts.size):
        a, b = reference_starts[p], reference_ends[p]
        sigma = deviation(log_change[a:b], fewest[p])
        if starts[p] == ends[p] or not sigma > 0.0:
            continue
        reference = volume[a:b] * imbalances(log_change[a:b], sigma)
        known = np.sort(reference[~np.isnan(reference)])
        if known.size < fewest[p]:
            continue
        middle = quantile(known, 0.5)
        mad = 1.4826 * quantile(np.sort(np.abs(known - middle)), 0.5)
        change = log_change[starts[p] : ends[p]]
        signed = volume[starts[p] : ends[p]] * imbalances(change, sigma)
        for i in range(change.size):
            if np.isnan(signed[i]):
                continue
            is_extreme = abs(signed[i]) > 3.0 * mad and abs(change[i]) > 2.0 * sigma
            out[p] = 1.0 if out[p] == 1.0 or (is_extreme and signed[i] * change[i] > 0.0) else 0.0
    return out
