"""Compiled sums by strike and draws of the prior behind :mod:`gnosis.options.positioning.walls`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gnosis.options.arrays import Floats
from gnosis.options.special_functions import vectorised

CALL, PUT, GAMMA = 0, 1, 2
KINDS = 3


class Holdings(NamedTuple):
    """Contracts with open interest of many chains, in the order chain, expiry, strike, right.

    Attributes
    ----------
    starts
        First contract of each chain, followed by the number of contracts.
    place
        Per contract, the position of its strike in its chain when those are ordered by distance from spot, then price.
    sets
        Per contract, the expiry sets that it belongs to, one bit each.
    is_put
        0 or 1 per contract.
    gex, open_interest
        Per contract at x = 1, $ per 1 % (0 without volatility), and contracts.
    x
        Dealer fractions, shape (contracts, conventions); 0 where unknown.
    mean, sd, group
        Prior of the side of each contract.
    first_place
        First strike of each chain in ``strike``, followed by the number of strikes.
    strike
        Strikes of all chains, each chain's in the order of ``place``.
    """

    starts: NDArray[np.int64]
    place: NDArray[np.int64]
    sets: NDArray[np.int64]
    is_put: NDArray[np.int64]
    gex: Floats
    open_interest: Floats
    x: Floats
    mean: Floats
    sd: Floats
    group: NDArray[np.int64]
    first_place: NDArray[np.int64]
    strike: Floats


@vectorised
def find_walls(
    held: Holdings,
    spot: Floats,
    first_chain: int,
    last_chain: int,
    n_sets: int,
    n_groups: int,
    correlation: float,
    normals: Floats,
    walls: Floats,
    shares: Floats,
    oi_walls: Floats,
) -> None:
    """Fill ``walls`` and ``shares`` of shape (chains, sets, conventions, kinds), ``oi_walls`` of (chains, sets).

    Strikes are visited from spot outwards, the lower of two as far first, and a strike is the wall only if it exceeds
    all before it: so ties fall as they should. Row g < n_groups of ``normals`` is the common factor of group g in every
    draw; the rows after it belong to the cells (strike, group) in the order of the visit.
    """
    draws = normals.shape[1]
    n_conventions = held.x.shape[1]
    common, own = np.sqrt(correlation), np.sqrt(1.0 - correlation)
    side = np.empty((2, draws))
    best = np.empty((KINDS, draws))
    best_place = np.empty((KINDS, draws), dtype=np.int64)
    for c in range(first_chain, last_chain):
        begin, end = held.starts[c], held.starts[c + 1]
        offset = held.first_place[c]
        n_places = held.first_place[c + 1] - offset
        for s in range(n_sets):
            net = np.zeros((n_places, 2, n_conventions))
            interest = np.zeros(n_places)
            mean = np.zeros((n_places, 2))
            total = np.zeros((n_places, n_groups))
            square = np.zeros((n_places, n_groups))
            right_of = np.zeros(n_groups, dtype=np.int64)
            for i in range(begin, end):
                if not held.sets[i] >> s & 1:
                    continue
                p, right = held.place[i], held.is_put[i]
                interest[p] += held.open_interest[i]
                if held.gex[i] == 0.0:
                    continue
                for v in range(n_conventions):
                    net[p, right, v] += held.x[i, v] * held.gex[i]
                mean[p, right] += held.mean[i] * held.gex[i]
                spread = held.sd[i] * held.gex[i]
                total[p, held.group[i]] += spread
                square[p, held.group[i]] += spread * spread
                right_of[held.group[i]] = right

            place = np.full((n_conventions, KINDS), -1)
            most = np.zeros((n_conventions, KINDS))
            most_interest = 0.0
            for p in range(n_places):
                strike = held.strike[offset + p]
                if interest[p] > most_interest:
                    most_interest = interest[p]
                    oi_walls[c, s] = strike
                for v in range(n_conventions):
                    if strike >= spot[c] and net[p, 0, v] > most[v, CALL]:
                        most[v, CALL], place[v, CALL] = net[p, 0, v], p
                    if strike <= spot[c] and -net[p, 1, v] > most[v, PUT]:
                        most[v, PUT], place[v, PUT] = -net[p, 1, v], p
                    both = abs(net[p, 0, v] + net[p, 1, v])
                    if both > most[v, GAMMA]:
                        most[v, GAMMA], place[v, GAMMA] = both, p
            if place.max() < 0:
                continue

            best[:] = 0.0
            best_place[:] = -1
            cell = n_groups
            for p in range(n_places):
                strike = held.strike[offset + p]
                for right in range(2):
                    side[right] = mean[p, right]
                for g in range(n_groups):
                    if square[p, g] == 0.0:
                        continue
                    a, b, right = common * total[p, g], own * np.sqrt(square[p, g]), right_of[g]
                    for d in range(draws):
                        side[right, d] += a * normals[g, d] + b * normals[cell, d]
                    cell += 1
                is_above, is_below = strike >= spot[c], strike <= spot[c]
                for d in range(draws):
                    if is_above and side[0, d] > best[CALL, d]:
                        best[CALL, d], best_place[CALL, d] = side[0, d], p
                    if is_below and -side[1, d] > best[PUT, d]:
                        best[PUT, d], best_place[PUT, d] = -side[1, d], p
                    both = abs(side[0, d] + side[1, d])
                    if both > best[GAMMA, d]:
                        best[GAMMA, d], best_place[GAMMA, d] = both, p
            for v in range(n_conventions):
                for kind in range(KINDS):
                    if place[v, kind] < 0:
                        continue
                    walls[c, s, v, kind] = held.strike[offset + place[v, kind]]
                    times = 0
                    for d in range(draws):
                        times += best_place[kind, d] == place[v, kind]
                    shares[c, s, v, kind] = times / draws
