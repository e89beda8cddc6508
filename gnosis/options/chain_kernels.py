"""Compiled loops over the expiries of many chains: parity forwards and the smile lookup.

Arrays hold one entry per strike, ascending within an expiry; ``starts`` (n_expiries + 1) cuts them into expiries.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from gnosis.options.arrays import Floats
from gnosis.options.special_functions import compiled

MAX_PAIRS = 12
MIN_PAIRS = 3
NARROW_WINDOW = 0.02
HALF_TICK = 0.005
OWN, INTERPOLATED, EXTRAPOLATED, NONE = 0, 1, 2, 3
MIN_SMILE_STRIKES = 3


@compiled
def weighted_median(values: Floats, weights: Floats) -> float:
    """Return the value with half of the weight on each side, the mean of two when the cut falls between them."""
    # Insertion: there are at most twelve, and numba's sort takes seconds to compile.
    order = np.arange(values.size)
    for i in range(1, order.size):
        j = i
        while j > 0 and values[order[j - 1]] > values[order[j]]:
            order[j - 1], order[j] = order[j], order[j - 1]
            j -= 1
    half = 0.5 * weights.sum()
    below = 0.0
    for position in range(order.size):
        below += weights[order[position]]
        if abs(below - half) <= 1e-12 * half and position + 1 < order.size:
            return 0.5 * (values[order[position]] + values[order[position + 1]])
        if below > half:
            break
    return values[order[position]]


@compiled
def parity_forwards(
    starts: NDArray[np.int64],
    strike: Floats,
    call_mid: Floats,
    put_mid: Floats,
    spread_sum: Floats,
    is_pair: NDArray[np.bool_],
    spot: Floats,
    discount: Floats,
    is_american: NDArray[np.bool_],
    forward: Floats,
    error: Floats,
) -> None:
    """Fill ``forward`` and ``error`` (n_expiries), NaN for expiries with fewer than three admissible pairs."""
    nearest = np.empty(MAX_PAIRS, np.int64)
    distance = np.empty(MAX_PAIRS)
    for expiry in range(starts.size - 1):
        forward[expiry] = np.nan
        error[expiry] = np.nan
        centre = -1
        for i in range(starts[expiry], starts[expiry + 1]):
            if is_pair[i] and (centre < 0 or abs(strike[i] - spot[i]) < abs(strike[centre] - spot[centre])):
                centre = i
        if centre < 0:
            continue
        window = NARROW_WINDOW
        if not is_american[centre]:
            # 3 sigma sqrt(tau) with sigma from the straddle nearest to spot: the root of time cancels.
            window = max(window, 3.0 * (call_mid[centre] + put_mid[centre]) / (0.8 * spot[centre]))
        n = 0
        for i in range(starts[expiry], starts[expiry + 1]):
            if not is_pair[i] or abs(math.log(strike[i] / spot[i])) > window:
                continue
            away = abs(strike[i] - spot[i])
            if n == MAX_PAIRS:
                if away >= distance[n - 1]:
                    continue
                n -= 1
            at = n
            while at > 0 and distance[at - 1] > away:
                distance[at] = distance[at - 1]
                nearest[at] = nearest[at - 1]
                at -= 1
            distance[at] = away
            nearest[at] = i
            n += 1
        if n < MIN_PAIRS:
            continue
        found = np.empty(n)
        weight = np.empty(n)
        for j in range(n):
            i = nearest[j]
            found[j] = strike[i] + (call_mid[i] - put_mid[i]) / discount[i]
            # Locked quotes have no spread, but no price is known better than to half a tick.
            deviation = max(0.5 * spread_sum[i], HALF_TICK) / discount[i]
            weight[j] = 1.0 / (deviation * deviation)
        middle = weighted_median(found, weight)
        if middle > 0.0:
            forward[expiry] = middle
            error[expiry] = 1.4826 * weighted_median(np.abs(found - middle), weight)


@compiled
def smile_lookup(starts: NDArray[np.int64], k: Floats, own_iv: Floats, iv: Floats, source: NDArray[np.int8]) -> None:
    """Fill ``iv`` and ``source`` per strike from the accepted volatilities ``own_iv`` (NaN where none)."""
    for expiry in range(starts.size - 1):
        first, last, accepted = -1, -1, 0
        for i in range(starts[expiry], starts[expiry + 1]):
            iv[i] = own_iv[i]
            source[i] = NONE if math.isnan(own_iv[i]) else OWN
            if source[i] == OWN:
                first = i if first < 0 else first
                last = i
                accepted += 1
        if accepted < MIN_SMILE_STRIKES:
            continue
        left = first
        right = first
        for i in range(starts[expiry], starts[expiry + 1]):
            if source[i] == OWN:
                left = i
                continue
            if i < first or i > last:
                iv[i] = own_iv[first] if i < first else own_iv[last]
                source[i] = EXTRAPOLATED
                continue
            if right < i:
                right = i
                while math.isnan(own_iv[right]):
                    right += 1
            share = (k[i] - k[left]) / (k[right] - k[left])
            iv[i] = (1.0 - share) * own_iv[left] + share * own_iv[right]
            source[i] = INTERPOLATED
