"""Compiled second half of the fit: slices refined from SSVI to raw SVI, and the choice between the two."""

from __future__ import annotations

import math

import numpy as np

from gnosis.options.arrays import Flags, Floats, Positions
from gnosis.options.special_functions import vectorised
from gnosis.options.surface.certificate_kernel import (
    INSIDE,
    SQUARES,
    gap_to_next,
    is_butterfly_free,
    least_g,
    quote_misses,
)
from gnosis.options.surface.limits import CALENDAR_TOLERANCE
from gnosis.options.surface.svi_kernel import (
    N_PARAMETERS,
    fit_slices,
    free_of_raw,
    raw_of_free,
    spaced_points,
)

MIN_REFINED_STRIKES = 5
PENALTY_POINTS = 81
PENALTIES = np.array([1e2, 1e3, 1e4, 1e5, 1e5, 1e5, 1e5, 1e5, 1e5, 1e5])
CLEARANCES = np.array([1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 4.0, 4.0])
LIFT_MARGIN = 1e-12
LARGEST_LIFT = 1e-2
REFINED, SSVI = 0, 1
COST_OF_ARBITRAGE, COST_OF_MISSING_QUOTES = 1e24, 1e16


@vectorised
def refine(
    k: Floats,
    iv: Floats,
    width: Floats,
    tau: Floats,
    starts: Positions,
    low: Floats,
    high: Floats,
    theta: Floats,
    raw: Floats,
) -> None:
    """Improve the raw slices of one surface in place, under penalties that grow until nothing is violated.

    Quotes of slice j are ``starts[j]:starts[j + 1]``, slices ascend in tau, ``low`` and ``high`` are the ends of their
    k grids. Slices with too few strikes stay as they are.
    """
    n = tau.size
    points, free = np.empty((n, PENALTY_POINTS + 2 * PENALTIES.size)), np.empty((n, N_PARAMETERS))
    scale, is_fixed = np.empty(n), np.empty(n, np.bool_)
    for j in range(n):
        scale[j] = math.sqrt(theta[j])
        is_fixed[j] = starts[j + 1] - starts[j] < MIN_REFINED_STRIKES
        spaced_points(low.min(), high.max(), scale[j], points[j, :PENALTY_POINTS])
        free_of_raw(raw[j], scale[j], free[j])
    for turn in range(PENALTIES.size):
        extra = PENALTY_POINTS + 2 * turn
        penalty, clearance = PENALTIES[turn], CLEARANCES[turn]
        fit_slices(free, is_fixed, scale, k, iv, width, tau, starts, points, extra, penalty, clearance)
        # Where the certificate finds the worst violation, the next turn has points of its own.
        is_settled = True
        for j in range(n):
            if not is_fixed[j]:
                raw_of_free(free[j], scale[j], raw[j])
            points[j, extra], g = least_g(raw[j], low[j], high[j])
            is_settled &= g >= 0.0
            points[j, extra + 1] = points[j, extra]
            if j > 0:
                points[j - 1, extra + 1], gap = gap_to_next(raw[j - 1], raw[j], low, high, j - 1)
                is_settled &= gap >= 0.0
        if is_settled:
            break
    for j in range(1, n):
        missing = LIFT_MARGIN - gap_to_next(raw[j - 1], raw[j], low, high, j - 1)[1]
        if not is_fixed[j] and 0.0 < missing < LARGEST_LIFT * theta[j]:
            raw[j, 0] += missing


@vectorised
def choose(
    refined: Floats,
    ssvi: Floats,
    tau: Floats,
    starts: Positions,
    low: Floats,
    high: Floats,
    k: Floats,
    iv: Floats,
    iv_bid: Floats,
    iv_ask: Floats,
    width: Floats,
    least_share_inside: float,
    is_refined: Flags,
) -> None:
    """Choose the refined or the SSVI form of every slice: the least squared misses among paths without arbitrage.

    A path through slices and forms pays for every form with butterfly arbitrage and for neighbours that cross, then for
    slices with too many quotes missed, then for squared misses. Plain SSVI throughout never pays for arbitrage.
    """
    n = tau.size
    cost, came_from = np.empty((n, 2)), np.zeros((n, 2), np.int64)
    shape, quotes = np.empty(4), np.empty(4)
    for j in range(n):
        part = slice(starts[j], starts[j + 1])
        for form in (REFINED, SSVI):
            raw = refined[j] if form == REFINED else ssvi[j]
            own = 0.0
            if not is_butterfly_free(raw, low[j], high[j], shape):
                own += COST_OF_ARBITRAGE
            if form == REFINED and part.stop - part.start < MIN_REFINED_STRIKES:
                own += math.inf
            quote_misses(raw, tau[j], k[part], iv[part], iv_bid[part], iv_ask[part], width[part], quotes)
            if quotes[INSIDE] < least_share_inside * (part.stop - part.start):
                own += COST_OF_MISSING_QUOTES
            cost[j, form] = own + quotes[SQUARES]
            if j == 0:
                continue
            best = math.inf
            for before in (REFINED, SSVI):
                earlier = refined[j - 1] if before == REFINED else ssvi[j - 1]
                path = cost[j - 1, before]
                if path < math.inf and gap_to_next(earlier, raw, low, high, j - 1)[1] < -CALENDAR_TOLERANCE:
                    path += COST_OF_ARBITRAGE
                if path < best:
                    best = path
                    came_from[j, form] = before
            cost[j, form] += best
    form = REFINED if cost[n - 1, REFINED] <= cost[n - 1, SSVI] else SSVI
    for j in range(n - 1, -1, -1):
        is_refined[j] = form == REFINED
        form = came_from[j, form]
