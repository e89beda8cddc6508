"""Compiled loops over the expiries of many chains: parity forwards, smile lookup, arbitrage flags, repeated chains.

Arrays hold one entry per strike, ascending within an expiry; ``starts`` (n_expiries + 1) cuts them into expiries.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from gnosis.options.arrays import Flags, Floats, Positions
from gnosis.options.chain.limits import HALF_TICK, MIN_PAIRS
from gnosis.options.special_functions import compiled

MAX_PAIRS = 12
NARROW_WINDOW = 0.02
ROUNDING_USD = 1e-9
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
def near_pairs(
    starts: Positions,
    strike: Floats,
    call_mid: Floats,
    put_mid: Floats,
    is_pair: Flags,
    spot: Floats,
    is_american: Flags,
    is_near: Flags,
    is_inside: Flags,
) -> None:
    """Set ``is_inside`` for the pairs within the window around spot, and ``is_near`` for the twelve nearest of them."""
    nearest = np.empty(MAX_PAIRS, np.int64)
    distance = np.empty(MAX_PAIRS)
    for expiry in range(starts.size - 1):
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
            is_inside[i] = True
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
        for j in range(n):
            is_near[nearest[j]] = True


@compiled
def median_forwards(
    starts: Positions,
    strike: Floats,
    call_mid: Floats,
    put_mid: Floats,
    spread_sum: Floats,
    discount: Floats,
    is_near: Flags,
    forward: Floats,
    error: Floats,
) -> None:
    """Fill ``forward`` and ``error`` (n_expiries) from the chosen pairs, NaN for expiries with fewer than three."""
    found = np.empty(MAX_PAIRS)
    weight = np.empty(MAX_PAIRS)
    for expiry in range(starts.size - 1):
        forward[expiry] = np.nan
        error[expiry] = np.nan
        n = 0
        for i in range(starts[expiry], starts[expiry + 1]):
            if is_near[i]:
                found[n] = strike[i] + (call_mid[i] - put_mid[i]) / discount[i]
                # Locked quotes have no spread, but no price is known better than to half a tick.
                deviation = max(0.5 * spread_sum[i], HALF_TICK) / discount[i]
                weight[n] = 1.0 / (deviation * deviation)
                n += 1
        if n < MIN_PAIRS:
            continue
        middle = weighted_median(found[:n], weight[:n])
        if middle > 0.0:
            forward[expiry] = middle
            error[expiry] = 1.4826 * weighted_median(np.abs(found[:n] - middle), weight[:n])


@compiled
def smile_lookup(starts: Positions, k: Floats, own_iv: Floats, iv: Floats, source: NDArray[np.int8]) -> None:
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


@compiled
def free_spreads(
    starts: Positions,
    row: Positions,
    strike: Floats,
    bid: Floats,
    ask: Floats,
    is_call: bool,
    is_vertical: Flags,
    is_butterfly: Flags,
) -> None:
    """Flag rows of one right; ``row`` is the row of each strike, -1 where it has no quote to compare."""
    for expiry in range(starts.size - 1):
        start, stop = starts[expiry], starts[expiry + 1]
        lowest_ask = np.inf
        highest_bid = -np.inf
        for step in range(stop - start):
            # From the dearest right to the cheapest: rising strikes for calls, falling ones for puts; and back.
            i = row[start + step] if is_call else row[stop - 1 - step]
            if i >= 0:
                is_vertical[i] |= bid[i] > lowest_ask
                lowest_ask = min(lowest_ask, ask[i])
            i = row[stop - 1 - step] if is_call else row[start + step]
            if i >= 0:
                is_vertical[i] |= ask[i] < highest_bid
                highest_bid = max(highest_bid, bid[i])
        left, middle = -1, -1
        for s in range(start, stop):
            right = row[s]
            if right < 0:
                continue
            if left >= 0:
                share = (strike[right] - strike[middle]) / (strike[right] - strike[left])
                cost = share * ask[left] + (1.0 - share) * ask[right]
                is_butterfly[middle] |= bid[middle] > cost + ROUNDING_USD
            left, middle = middle, right


@compiled
def repeated_chains(
    starts: Positions,
    previous: Positions,
    kind: Positions,
    strike: Floats,
    root: NDArray[np.uint32],
    bid: Floats,
    ask: Floats,
    is_compared: Flags,
    min_quotes: int,
    min_share: float,
    is_repeated: Flags,
) -> None:
    """Set ``is_repeated`` for the rows of chains whose quotes are those of the ``previous`` chain (-1 for none).

    ``kind`` numbers expiry, settlement and right; rows of a chain are sorted by kind, strike and root. Rows without
    ``is_compared`` count for neither chain.
    """
    for chain in range(starts.size - 1):
        if previous[chain] < 0:
            continue
        j = starts[previous[chain]]
        end = starts[previous[chain] + 1]
        common, same = 0, 0
        for i in range(starts[chain], starts[chain + 1]):
            while j < end and (
                kind[j] < kind[i]
                or (kind[j] == kind[i] and (strike[j] < strike[i] or (strike[j] == strike[i] and root[j] < root[i])))
            ):
                j += 1
            if j == end:
                break
            is_same_contract = kind[j] == kind[i] and strike[j] == strike[i] and root[j] == root[i]
            if is_same_contract and is_compared[i] and is_compared[j] and bid[i] > 0.0:
                common += 1
                same += bid[j] == bid[i] and ask[j] == ask[i]
        if common >= min_quotes and same >= min_share * common:
            is_repeated[starts[chain] : starts[chain + 1]] = True
