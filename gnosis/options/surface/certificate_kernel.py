"""Compiled certificate: least density factor, integrals of the density, calendar gaps and misses of the quotes."""

from __future__ import annotations

import math

import numpy as np

from gnosis.options.arrays import Flags, Floats, Positions
from gnosis.options.special_functions import vectorised
from gnosis.options.surface.limits import MASS_TOLERANCE
from gnosis.options.surface.svi_kernel import g_at, spaced_points, variance_at

GRID_POINTS = 2001
CORE_POINTS = 401
MAX_DENSITY_POINTS = 1 << 14
NEGLIGIBLE_EXPONENT = 45.0
INTEGRAL_ERROR = 1e-10
MIN_G, ARGMIN_G, MASS, MEAN = 0, 1, 2, 3
INSIDE, WORST, SQUARES, WEIGHTS = 0, 1, 2, 3
GOLDEN = 0.6180339887498949


@vectorised
def _lowest_between(raw: Floats, low: float, high: float) -> tuple[float, float]:
    """Return (k, g) at the least g between two points, by golden section."""
    left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
    g_left = g_at(raw[0], raw[1], raw[2], raw[3], raw[4], left)
    g_right = g_at(raw[0], raw[1], raw[2], raw[3], raw[4], right)
    for _ in range(40):
        if g_left < g_right:
            high, right, g_right = right, left, g_left
            left = high - GOLDEN * (high - low)
            g_left = g_at(raw[0], raw[1], raw[2], raw[3], raw[4], left)
        else:
            low, left, g_left = left, right, g_right
            right = low + GOLDEN * (high - low)
            g_right = g_at(raw[0], raw[1], raw[2], raw[3], raw[4], right)
    return (left, g_left) if g_left < g_right else (right, g_right)


@vectorised
def least_g(raw: Floats, low: float, high: float) -> tuple[float, float]:
    """Return (k, g) at the least g on [low, high].

    The 2,001 equally spaced points are joined by points that are dense where a short slice has its smile, and the
    lowest of all is refined between its neighbours.
    """
    a, b, rho, m, s = raw[0], raw[1], raw[2], raw[3], raw[4]
    at, least, reach = low, math.inf, 0.0
    step = (high - low) / (GRID_POINTS - 1)
    for i in range(GRID_POINTS):
        k = low + i * step
        g = g_at(a, b, rho, m, s, k)
        if g < least:
            at, least, reach = k, g, step
    first, last = math.asinh((low - m) / s), math.asinh((high - m) / s)
    step = (last - first) / (CORE_POINTS - 1)
    for i in range(CORE_POINTS):
        k = m + s * math.sinh(first + i * step)
        g = g_at(a, b, rho, m, s, k)
        if g < least and low <= k <= high:
            at, least, reach = k, g, step * math.sqrt((k - m) * (k - m) + s * s)
    k, g = _lowest_between(raw, max(at - reach, low), min(at + reach, high))
    return (k, g) if g < least else (at, least)


@vectorised
def _reach(raw: Floats, side: float) -> float:
    """Return a k on one side beyond which neither p(k) nor e^k p(k) matters."""
    a, b, rho, m, s = raw[0], raw[1], raw[2], raw[3], raw[4]
    k = side * math.sqrt(variance_at(a, b, rho, m, s, 0.0))
    for _ in range(60):
        sd = math.sqrt(variance_at(a, b, rho, m, s, k))
        # p falls as exp(-d2^2/2) and e^k p as exp(-d1^2/2); the slower of the two decides.
        distance = side * k / sd - 0.5 * sd
        if distance > 0.0 and 0.5 * distance * distance > NEGLIGIBLE_EXPONENT:
            break
        k *= 1.5
    return k


@vectorised
def _density_sums(raw: Floats, first: float, step: float, begin: int, stride: int, n: int) -> tuple[float, float]:
    a, b, rho, m, s = raw[0], raw[1], raw[2], raw[3], raw[4]
    mass, mean = 0.0, 0.0
    for i in range(begin, n, stride):
        t = first + i * step
        k = m + s * math.sinh(t)
        w = variance_at(a, b, rho, m, s, k)
        sd = math.sqrt(w)
        d2 = -k / sd - 0.5 * sd
        d1 = d2 + sd
        weight = g_at(a, b, rho, m, s, k) * s * math.cosh(t) / sd
        mass += weight * math.exp(-0.5 * d2 * d2)
        mean += weight * math.exp(-0.5 * d1 * d1)
    return mass, mean


@vectorised
def density_integrals(raw: Floats) -> tuple[float, float]:
    """Return the integrals of p(k) and of e^k p(k) over all k.

    Trapezoidal sums in t, k = m + s sinh(t), over which the density is smooth and dies out at both ends; points are
    doubled until nothing changes any more, at most to 16,384.
    """
    m, s = raw[3], raw[4]
    first, last = math.asinh((_reach(raw, -1.0) - m) / s), math.asinh((_reach(raw, 1.0) - m) / s)
    scale = 1.0 / math.sqrt(2.0 * math.pi)
    n = 128
    step = (last - first) / n
    mass, mean = _density_sums(raw, first, step, 0, 1, n + 1)
    while n < MAX_DENSITY_POINTS:
        n *= 2
        step *= 0.5
        more_mass, more_mean = _density_sums(raw, first, step, 1, 2, n)
        change = abs(more_mass - mass) + abs(more_mean - mean)
        mass += more_mass
        mean += more_mean
        if change * step * scale < INTEGRAL_ERROR:
            break
    return mass * step * scale, mean * step * scale


@vectorised
def calendar_gap(earlier: Floats, later: Floats, low: float, high: float) -> tuple[float, float]:
    """Return (k, gap) at the least w of the later slice minus w of the earlier one on [low, high]."""
    at, least = low, math.inf
    step = (high - low) / (GRID_POINTS - 1)
    core = np.empty(CORE_POINTS)
    at_the_money = variance_at(earlier[0], earlier[1], earlier[2], earlier[3], earlier[4], 0.0)
    spaced_points(low, high, math.sqrt(max(at_the_money, 1e-12)), core)
    for i in range(GRID_POINTS + CORE_POINTS):
        k = low + i * step if i < GRID_POINTS else core[i - GRID_POINTS]
        gap = variance_at(later[0], later[1], later[2], later[3], later[4], k)
        gap -= variance_at(earlier[0], earlier[1], earlier[2], earlier[3], earlier[4], k)
        if gap < least:
            at, least = k, gap
    return at, least


@vectorised
def gap_to_next(earlier: Floats, later: Floats, low: Floats, high: Floats, j: int) -> tuple[float, float]:
    """Return (k, gap) between forms of slices j and j + 1 on the wider of their k grids."""
    return calendar_gap(earlier, later, min(low[j], low[j + 1]), max(high[j], high[j + 1]))


@vectorised
def time_value(k: float, sd: float) -> float:
    """Return the undiscounted out-of-the-money option price over the forward, sd = iv sqrt(tau)."""
    if sd <= 0.0:
        return 0.0
    d1 = -k / sd + 0.5 * sd
    side = 1.0 if k >= 0.0 else -1.0
    root = math.sqrt(0.5)
    return side * 0.5 * (math.erfc(-side * d1 * root) - math.exp(k) * math.erfc(-side * (d1 - sd) * root))


@vectorised
def quote_misses(
    raw: Floats, tau: float, k: Floats, iv: Floats, iv_bid: Floats, iv_ask: Floats, width: Floats, out: Floats
) -> None:
    """Fill ``out`` with quotes inside, worst miss in half spreads (NaN without any), weighted squares and weights."""
    out[INSIDE] = out[SQUARES] = out[WEIGHTS] = 0.0
    out[WORST] = math.nan
    for i in range(k.size):
        w = variance_at(raw[0], raw[1], raw[2], raw[3], raw[4], k[i])
        found = math.sqrt(max(w, 0.0) / tau)
        if iv_bid[i] <= found <= iv_ask[i]:
            out[INSIDE] += 1.0
        weight = 1.0 / (width[i] * width[i])
        out[SQUARES] += weight * (found - iv[i]) * (found - iv[i])
        out[WEIGHTS] += weight
        # Bid and ask lie equally far from mid, so one of them gives half the spread.
        edge = iv_ask[i] if iv_ask[i] < math.inf else iv_bid[i]
        mid = time_value(k[i], iv[i] * math.sqrt(tau))
        half = abs(time_value(k[i], edge * math.sqrt(tau)) - mid)
        if half > 0.0:
            miss = abs(time_value(k[i], found * math.sqrt(tau)) - mid) / half
            if not out[WORST] >= miss:
                out[WORST] = miss


@vectorised
def is_butterfly_free(raw: Floats, low: float, high: float, out: Floats) -> bool:
    """Fill ``out`` with least g, its k, mass and mean of the density; true when each passes, and the wings do."""
    b, rho = raw[1], raw[2]
    out[ARGMIN_G], out[MIN_G] = least_g(raw, low, high)
    out[MASS], out[MEAN] = density_integrals(raw)
    return (
        out[MIN_G] >= 0.0
        and b * (1.0 + abs(rho)) < 2.0
        and abs(out[MASS] - 1.0) <= MASS_TOLERANCE
        and abs(out[MEAN] - 1.0) <= MASS_TOLERANCE
    )


@vectorised
def certify(
    raw: Floats,
    tau: Floats,
    low: Floats,
    high: Floats,
    has_next: Flags,
    starts: Positions,
    k: Floats,
    iv: Floats,
    iv_bid: Floats,
    iv_ask: Floats,
    width: Floats,
    shape: Floats,
    gap: Floats,
    quotes: Floats,
) -> None:
    """Fill ``shape`` (slices, 4), ``gap`` (slices, NaN for the last of a surface) and ``quotes`` (slices, 4)."""
    for j in range(tau.size):
        is_butterfly_free(raw[j], low[j], high[j], shape[j])
        gap[j] = math.nan
        if has_next[j]:
            gap[j] = gap_to_next(raw[j], raw[j + 1], low, high, j)[1]
        part = slice(starts[j], starts[j + 1])
        quote_misses(raw[j], tau[j], k[part], iv[part], iv_bid[part], iv_ask[part], width[part], quotes[j])
