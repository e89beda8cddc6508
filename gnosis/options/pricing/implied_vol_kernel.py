"""Compiled loops behind :mod:`gnosis.options.pricing.implied_vol`.

Work is done on the out-of-the-money option, undiscounted and divided by sqrt(F K). With x = abs(ln(F/K)) and total
volatility s = sigma sqrt(tau) its value is

    c(s) = exp(-(h^2 + t^2)/2) E/2,  h = x/s,  t = s/2,  E = erfcx((h - t)/sqrt(2)) - erfcx((h + t)/sqrt(2)).

Solving ln c(s) = ln c needs no exponential, and Householder steps of third order reach double precision in two rounds
almost everywhere. A row that has not settled then goes through a bracketed search, which cannot fail.

Errors: d ln c/ds = sqrt(2/pi)/E turns relative errors of c into errors of s, and at equal c an error of x moves s by
sqrt(pi/8) (erfcx((h - t)/sqrt(2)) + erfcx((h + t)/sqrt(2))) times itself. Both are at hand after the last step.
"""

from __future__ import annotations

import math

import numpy as np

from gnosis.options.arrays import Codes, Flags, Floats
from gnosis.options.pricing.blocks import BLOCK, load, load_side, store
from gnosis.options.special_functions import (
    ERFCX_FROM,
    SQRT_HALF,
    compiled,
    erfcx_pair,
    exp,
    inlined,
    log_ratio,
    vectorised,
)

SETTLED = 1e-4
SQRT_PI_OVER_2 = 1.2533141373155003
HALF_ULP = 2.0**-53
SMALLEST = 1e-300
# Where t - h is larger, erfcx_pair is left and the value is computed as it is written in textbooks.
LARGEST_T_BEYOND_H = -ERFCX_FROM / SQRT_HALF

# Positions in implied_vol.IV_REASONS, and one for rows that have to be searched.
SOLVED, MISSING, BELOW_INTRINSIC, ABOVE_MAXIMUM, BELOW_LOWEST, ABOVE_HIGHEST, IMPRECISE, UNSETTLED = range(8)

# Rows of the scratch block.
SIDE, PRICE, STRIKE, TAU, FORWARD, DISCOUNT, X, C, LOW, NOISE, S, REASON, IV, ERROR = range(14)
N_INPUTS, N_ROWS = 6, 14


@inlined
def _start(c: float, low: float, high: float, x: float) -> float:
    """Closed-form first value of s (Stefanica & Radoicic 2017); low = exp(-x/2), high = exp(x/2)."""
    ratio, inverse_ratio = low * low, high * high
    share = c * low
    big = 2.0 * share + 1.0 - ratio
    # u = exp((2/pi - 1) x) and y = exp(-2 x/pi), so that u y = exp(-x).
    inverse_u = exp(0.36338022763241865652 * x)
    u = 1.0 / inverse_u
    y, inverse_y = ratio * inverse_u, inverse_ratio * u
    a = (u - inverse_u) * (u - inverse_u)
    b = 4.0 * (y + inverse_y) - 2.0 * inverse_ratio * (u + inverse_u) * (ratio * ratio + 1.0 - big * big)
    k = (
        (4.0 * share * share + 4.0 * share * (1.0 - ratio))
        * ((ratio + 1.0) * (ratio + 1.0) - big * big)
        * (inverse_ratio * inverse_ratio)
    )
    k = k if k > SMALLEST else SMALLEST
    gamma = 1.5707963267948966 * log_ratio(b + np.sqrt(b * b + 4.0 * a * k), 2.0 * k)
    below = gamma - x
    outer = np.sqrt(gamma + x)
    inner = np.sqrt(below if below > 0.0 else 0.0)
    # Below the value at the turning point s = sqrt(2 x), with the same approximation of the normal distribution.
    s = outer - inner if 1.0 - y * y > big * big else outer + inner
    return s if s > 1e-9 else 1e-9


@inlined
def _step(s: float, x: float, c: float) -> tuple[float, float, float, float]:
    """Householder step of third order for ln c(s) = ln c, at most half of s; E, its smaller erfcx, (h^2 + t^2)/2."""
    inverse_s = 1.0 / s
    h = x * inverse_s
    t = 0.5 * s
    far, e = erfcx_pair((h - t) * SQRT_HALF, s * SQRT_HALF)
    exponent = 0.5 * (h * h + t * t)
    g = log_ratio(0.5 * e, c) - exponent
    newton = -SQRT_PI_OVER_2 * g * e
    hh = h * inverse_s
    bend = (h * hh - 0.5 * t) * newton
    second = bend + g
    third = bend * bend - newton * newton * (3.0 * hh * hh + 0.25) + 3.0 * bend * g + 2.0 * g * g
    step = newton * (1.0 + 0.5 * second) / (1.0 + second + third * (1.0 / 6.0))
    limit = 0.5 * s
    return min(max(step, -limit), limit), e, far, exponent


@inlined
def _error(s: float, x: float, e: float, far: float, exponent: float, noise: float) -> float:
    """Bound on the error of s: noise = rounding of the value in units of 2^-53 of itself.

    First order; infinite where the rounding exceeds a tenth of the value, which is then no longer known.
    The other terms are the roundings of E (5e-15), of ln c and its exponent, of x together with half an ulp of the
    forward, and what two steps leave open.
    """
    noise = noise if noise < 0.1 / HALF_ULP else np.inf
    of_value = e * (noise + 60.0 + 6.0 * exponent)
    of_moneyness = (e + 2.0 * far) * (0.5 + 1.5 * x)
    return HALF_ULP * (SQRT_PI_OVER_2 * (of_value + of_moneyness) + 16.0 * s)


@compiled
def _value(s: float, x: float) -> tuple[float, float, float, float]:
    """Return ln c(s), E, its smaller erfcx and (h^2 + t^2)/2 for any s > 0."""
    h = x / s
    t = 0.5 * s
    exponent = 0.5 * (h * h + t * t)
    if t - h < LARGEST_T_BEYOND_H:
        far, e = erfcx_pair((h - t) * SQRT_HALF, s * SQRT_HALF)
        return math.log(0.5 * e) - exponent, e, far, exponent
    far, _ = erfcx_pair((h + t) * SQRT_HALF, 0.0)
    c = math.exp(-0.5 * x) * (1.0 - 0.5 * math.erfc((t - h) * SQRT_HALF)) - 0.5 * math.exp(-exponent) * far
    return math.log(c), 2.0 * c * math.exp(exponent), far, exponent


@compiled
def bracketed_search(x: float, log_c: float, low: float, high: float) -> float:
    """Return s in [low, high] with ln c(s) = log_c: Newton steps inside a shrinking bracket."""
    s = math.sqrt(low * high)
    for _ in range(400):
        value, e, _, _ = _value(s, x)
        if value < log_c:
            low = s
        else:
            high = s
        following = s - (value - log_c) * e * SQRT_PI_OVER_2
        if not low < following < high:
            following = math.sqrt(low * high)
        if abs(following - s) <= 1e-15 * s or high - low <= 1e-15 * high:
            return following
        s = following
    return s


@compiled
def _search(w: Floats, i: int, lowest: float, highest: float, max_error: float) -> None:
    """Give row i of the block, which two steps have not settled, its volatility, bound and reason."""
    x, c, root_tau = w[X * BLOCK + i], w[C * BLOCK + i], math.sqrt(w[TAU * BLOCK + i])
    log_c, low, high = math.log(c), lowest * root_tau, highest * root_tau
    s, reason = low, BELOW_LOWEST
    if _value(high, x)[0] < log_c:
        s, reason = high, ABOVE_HIGHEST
    elif _value(low, x)[0] <= log_c:
        s, reason = bracketed_search(x, log_c, low, high), SOLVED
    _, e, far, exponent = _value(s, x)
    bound = _error(s, x, e, far, exponent, w[NOISE * BLOCK + i] / c) / root_tau
    reason = reason if bound <= max_error else IMPRECISE
    w[IV * BLOCK + i] = s / root_tau if reason == SOLVED else np.nan
    w[ERROR * BLOCK + i] = bound if reason in (SOLVED, IMPRECISE) else np.nan
    w[REASON * BLOCK + i] = reason


# Short loops, one after the other over the block, let the processor work on several rows at once; in one long loop
# every row waits for its own chain of dependent operations.
@vectorised
def _normalise(w: Floats) -> int:
    """From the inputs to x, c and what is wrong with the price; return how many rows have positive finite terms."""
    n_positive = 0
    for i in range(BLOCK):
        price = w[PRICE * BLOCK + i]
        k = w[STRIKE * BLOCK + i]
        tau = w[TAU * BLOCK + i]
        f = w[FORWARD * BLOCK + i]
        discount = w[DISCOUNT * BLOCK + i]
        sum_of_terms = k + tau + f + discount
        n_positive += (k > 0.0) & (tau > 0.0) & (f > 0.0) & (discount > 0.0) & (sum_of_terms < np.inf)

        undiscounted = price / discount
        intrinsic = w[SIDE * BLOCK + i] * (f - k)
        is_in_money = intrinsic > 0.0
        time_value = undiscounted - intrinsic if is_in_money else undiscounted
        larger = f if f > k else k
        smaller = k if f > k else f
        inverse_mean = 1.0 / np.sqrt(f * k)
        c = time_value * inverse_mean
        low = smaller * inverse_mean
        is_large_enough = (price > SMALLEST) & (c > SMALLEST)
        reason = 0.0 if is_large_enough else 6.0
        reason = reason if c < low else 3.0
        reason = reason if time_value > 0.0 else 2.0
        w[REASON * BLOCK + i] = reason if price + sum_of_terms == price + sum_of_terms else 1.0
        w[X * BLOCK + i] = log_ratio(larger, smaller)
        w[C * BLOCK + i] = c if is_large_enough & (c < low) else 1e-2 * low
        w[LOW * BLOCK + i] = low
        w[NOISE * BLOCK + i] = (3.0 * undiscounted + (f + k if is_in_money else 0.0)) * inverse_mean
    return n_positive


@vectorised
def _begin(w: Floats) -> None:
    for i in range(BLOCK):
        low = w[LOW * BLOCK + i]
        w[S * BLOCK + i] = _start(w[C * BLOCK + i], low, 1.0 / low, w[X * BLOCK + i])


@vectorised
def _improve(w: Floats) -> None:
    for i in range(BLOCK):
        s = w[S * BLOCK + i]
        step, _, _, _ = _step(s, w[X * BLOCK + i], w[C * BLOCK + i])
        w[S * BLOCK + i] = s + step


@vectorised
def _conclude(w: Floats, lowest: float, highest: float, max_error: float) -> int:
    """Make the second step, judge every row and return how many have to be searched."""
    n_unsettled = 0
    for i in range(BLOCK):
        x = w[X * BLOCK + i]
        c = w[C * BLOCK + i]
        s = w[S * BLOCK + i]
        step, e, far, exponent = _step(s, x, c)
        s = s + step
        is_settled = (abs(step) <= SETTLED * s) & ((0.5 * s - LARGEST_T_BEYOND_H) * s < x)
        # One division for the reciprocals of both.
        root_tau = np.sqrt(w[TAU * BLOCK + i])
        inverse = 1.0 / (c * root_tau)
        inverse_root = inverse * c
        sigma = s * inverse_root
        bound = _error(s, x, e, far, exponent, w[NOISE * BLOCK + i] * (inverse * root_tau)) * inverse_root

        reason = 5.0 if sigma > highest else 0.0
        reason = 4.0 if sigma < lowest else reason
        reason = reason if bound <= max_error else 6.0
        reason = reason if is_settled else 7.0
        found = w[REASON * BLOCK + i]
        # A price too small for its digits tells nothing: its error has no bound.
        bound = bound if found == 0.0 else np.inf
        reason = reason if found == 0.0 else found
        n_unsettled += reason == 7.0
        w[REASON * BLOCK + i] = reason
        w[IV * BLOCK + i] = sigma if reason == 0.0 else np.nan
        w[ERROR * BLOCK + i] = bound if (reason == 0.0) | (reason == 6.0) else np.nan
    return n_unsettled


@compiled
def solve_block(w: Floats, lowest: float, highest: float, max_error: float) -> int:
    """Fill the rows IV, ERROR and REASON of the block; return how many rows have positive finite terms."""
    n_positive = _normalise(w)
    _begin(w)
    _improve(w)
    if _conclude(w, lowest, highest, max_error) > 0:
        for i in range(BLOCK):
            if w[REASON * BLOCK + i] == UNSETTLED:
                _search(w, i, lowest, highest, max_error)
    return n_positive


@compiled
def solve(
    is_call: Flags,
    price: Floats,
    strike: Floats,
    tau: Floats,
    forward: Floats,
    discount: Floats,
    lowest: float,
    highest: float,
    max_error: float,
    iv: Floats,
    error: Floats,
    reason: Codes,
    first: int,
    last: int,
) -> bool:
    """Fill rows first to last of the results and return whether all terms (not the prices) are positive and finite.

    Inputs have the length of the results or length 1.
    """
    n_positive = 0
    w = np.ones(N_ROWS * BLOCK)
    for start in range(first, last, BLOCK):
        n = min(BLOCK, last - start)
        if n < BLOCK:
            w[: N_INPUTS * BLOCK] = 1.0
        load_side(is_call, start, n, w[SIDE * BLOCK :])
        load(price, start, n, w[PRICE * BLOCK :])
        load(strike, start, n, w[STRIKE * BLOCK :])
        load(tau, start, n, w[TAU * BLOCK :])
        load(forward, start, n, w[FORWARD * BLOCK :])
        load(discount, start, n, w[DISCOUNT * BLOCK :])
        n_positive += solve_block(w, lowest, highest, max_error) - (BLOCK - n)
        store(w[IV * BLOCK :], iv, start, n)
        store(w[ERROR * BLOCK :], error, start, n)
        store(w[REASON * BLOCK :], reason, start, n)
    return n_positive == last - first
