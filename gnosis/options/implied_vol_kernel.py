"""Compiled loops behind :mod:`gnosis.options.implied_vol`.

Work is done on the out-of-the-money option, undiscounted and divided by sqrt(F K). With x = abs(ln(F/K)) and total
volatility s = sigma sqrt(tau) its value is

    c(s) = exp(-(h^2 + t^2)/2) E/2,  h = x/s,  t = s/2,  E = erfcx((h - t)/sqrt(2)) - erfcx((h + t)/sqrt(2)).

Solving ln c(s) = ln c needs no exponential, and Householder steps of third order reach double precision in two rounds
almost everywhere. A row that has not settled then goes through a bracketed search, which cannot fail.
"""

from __future__ import annotations

import math

import numpy as np

from gnosis.options.arrays import Floats
from gnosis.options.special_functions import SQRT_HALF, compiled, erfcx_wide, exp, inlined, log, vectorised

BLOCK = 256
SETTLED = 1e-4
SQRT_2_OVER_PI = 0.7978845608028654


@inlined
def _start(c: float, ratio: float, x: float) -> float:
    """Closed-form first value of s (Stefanica & Radoicic 2017); ratio = min(F, K)/max(F, K)."""
    share = c * np.sqrt(ratio)
    big = 2.0 * share + 1.0 - ratio
    u = exp(-0.36338022763241865652 * x)
    y = exp(-0.6366197723675814 * x)
    a = (u - 1.0 / u) * (u - 1.0 / u)
    b = 4.0 * (y + 1.0 / y) - 2.0 / ratio * (u + 1.0 / u) * (ratio * ratio + 1.0 - big * big)
    k = (
        (4.0 * share * share + 4.0 * share * (1.0 - ratio))
        * ((ratio + 1.0) * (ratio + 1.0) - big * big)
        / (ratio * ratio)
    )
    beta = 2.0 * k / (b + np.sqrt(b * b + 4.0 * a * k))
    beta = beta if beta > 1e-300 else 1e-300
    gamma = -1.5707963267948966 * log(beta)
    below = gamma - x
    outer = np.sqrt(gamma + x)
    inner = np.sqrt(below if below > 0.0 else 0.0)
    turn = np.sqrt(2.0 * x)
    c_turn = 0.5 * np.sqrt(ratio) - 0.5 / np.sqrt(ratio) * erfcx_wide(turn * SQRT_HALF) * exp(-x)
    s = 2.0 * x / (outer + inner) if c < c_turn else outer + inner
    return s if s > 1e-9 else 1e-9


@inlined
def _step(s: float, x: float, log_c: float) -> float:
    """Householder step of third order for ln c(s) = log_c, at most half of s."""
    h = x / s
    t = 0.5 * s
    e = erfcx_wide((h - t) * SQRT_HALF) - erfcx_wide((h + t) * SQRT_HALF)
    g = log(0.5 * e) - 0.5 * (h * h + t * t) - log_c
    d = SQRT_2_OVER_PI / e
    bend = h * h / s - 0.25 * s
    second = bend - d
    third = bend * bend - 3.0 * h * h / (s * s) - 0.25 - 3.0 * bend * d + 2.0 * d * d
    newton = -g / d
    step = newton * (1.0 + 0.5 * second * newton) / (1.0 + newton * (second + third * newton * (1.0 / 6.0)))
    limit = 0.5 * s
    return min(max(step, -limit), limit)


@compiled
def _log_value_and_slope(s: float, x: float) -> tuple[float, float]:
    """Return ln c(s) and its derivative for any s > 0."""
    h = x / s
    t = 0.5 * s
    if t - h < 2.0:
        e = erfcx_wide((h - t) * SQRT_HALF) - erfcx_wide((h + t) * SQRT_HALF)
        if e <= 0.0:
            return -np.inf, np.inf
        return math.log(0.5 * e) - 0.5 * (h * h + t * t), SQRT_2_OVER_PI / e
    c = math.exp(-0.5 * x) * (1.0 - 0.5 * math.erfc((t - h) * SQRT_HALF)) - 0.5 * math.exp(0.5 * x) * math.erfc(
        (h + t) * SQRT_HALF
    )
    return math.log(c), 0.5 * SQRT_2_OVER_PI * math.exp(-0.5 * (h * h + t * t)) / c


@compiled
def bracketed_search(x: float, log_c: float, low: float, high: float) -> float:
    """Return s in [low, high] with ln c(s) = log_c, NaN when there is none: Newton steps inside a shrinking bracket."""
    if _log_value_and_slope(low, x)[0] > log_c or _log_value_and_slope(high, x)[0] < log_c:
        return np.nan
    s = math.sqrt(low * high)
    for _ in range(400):
        value, slope = _log_value_and_slope(s, x)
        if value < log_c:
            low = s
        else:
            high = s
        following = s - (value - log_c) / slope if value > -np.inf else low
        if not low < following < high:
            following = math.sqrt(low * high)
        if abs(following - s) <= 1e-15 * s or high - low <= 1e-15 * high:
            return following
        s = following
    return s


@vectorised
def solve(
    sign: Floats,
    price: Floats,
    strike: Floats,
    tau: Floats,
    forward: Floats,
    discount: Floats,
    lowest: float,
    highest: float,
    out: Floats,
) -> None:
    """Fill ``out`` with the volatility in [lowest, highest] that gives each price; NaN where there is none."""
    n = price.size
    w = np.empty(9 * BLOCK)
    for start in range(0, n, BLOCK):
        m = min(BLOCK, n - start)
        for i in range(m):
            w[i] = sign[start + i]
        for i in range(m):
            w[BLOCK + i] = price[start + i]
        for i in range(m):
            w[2 * BLOCK + i] = strike[start + i]
        for i in range(m):
            w[3 * BLOCK + i] = forward[start + i]
        for i in range(m):
            w[4 * BLOCK + i] = discount[start + i]
        for i in range(m, BLOCK):
            for k in range(5):
                w[k * BLOCK + i] = 1.0
        for i in range(BLOCK):
            k = w[2 * BLOCK + i]
            f = w[3 * BLOCK + i]
            intrinsic = w[i] * (f - k)
            value = w[BLOCK + i] / w[4 * BLOCK + i] - (intrinsic if intrinsic > 0.0 else 0.0)
            larger = f if f > k else k
            smaller = k if f > k else f
            ratio = smaller / larger
            x = log(larger / smaller)
            c = value / np.sqrt(f * k)
            is_inside = (c > 1e-300) & (c < np.sqrt(ratio))
            c = c if is_inside else 1e-2 * np.sqrt(ratio)
            log_c = log(c)
            s = _start(c, ratio, x)
            s = s + _step(s, x, log_c)
            step = _step(s, x, log_c)
            s = s + step
            is_settled = (abs(step) <= SETTLED * s) & (0.5 * s - x / s < 2.0)
            w[5 * BLOCK + i] = x
            w[6 * BLOCK + i] = log_c if is_inside else np.nan
            w[7 * BLOCK + i] = s
            w[8 * BLOCK + i] = 1.0 if is_settled else 0.0
        for i in range(m):
            root_tau = math.sqrt(tau[start + i])
            log_c = w[6 * BLOCK + i]
            if np.isnan(log_c) or np.isnan(root_tau):
                out[start + i] = np.nan
                continue
            if w[8 * BLOCK + i] > 0.0:
                sigma = w[7 * BLOCK + i] / root_tau
            else:
                sigma = bracketed_search(w[5 * BLOCK + i], log_c, lowest * root_tau, highest * root_tau) / root_tau
            out[start + i] = sigma if lowest <= sigma <= highest else np.nan
