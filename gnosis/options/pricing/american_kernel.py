"""Compiled loops behind :mod:`gnosis.options.pricing.american`.

The tree is rolled back in terminal money: a node at time t holds its value times exp(r (tau - t)). Its underlying is
carried as the forward to settlement M, of which node (j, i) has F d^j (u/d)^i. What exercise pays at a node is then
``a[j] + c[j] (u/d)^i``, two numbers per step, and a step back is one line without branches.
"""

from __future__ import annotations

import math

import numpy as np

from gnosis.options.arrays import Codes, Floats, Positions
from gnosis.options.special_functions import SQRT_HALF, compiled, exp, vectorised

SETTLED = 1e-11
LARGEST_EXPONENT = 600.0
EPSILON = 2.220446049250313e-16
SMALLEST = 1e-300
UNKNOWN_START = 0.2
# Many times what Chandrupatla's method takes; a search that ends here is judged by the error it can prove.
MAX_SEARCH = 200

SOLVED, MISSING, BELOW_INTRINSIC, ABOVE_MAXIMUM, BELOW_LOWEST, ABOVE_HIGHEST, IMPRECISE = range(7)

EXERCISE, GROWTH, SLOPE, NODE, VALUE = range(5)


@compiled
def _exponent(z: float, n: int) -> float:
    ratio = z / (n + 1.0 / 3.0 + 0.1 / (n + 1.0))
    return min(ratio * ratio * (n + 1.0 / 6.0), LARGEST_EXPONENT)


@compiled
def _half_deviation(z: float, n: int) -> float:
    """Return h(z) - 1/2 of the second Peizer-Pratt inversion, exact near zero."""
    return math.copysign(0.5 * math.sqrt(-math.expm1(-_exponent(z, n))), z)


@compiled
def _probability(deviation: float, z: float, n: int) -> float:
    """Return 1/2 + deviation without cancellation where it is tiny."""
    if deviation > -0.25:
        return 0.5 + deviation
    return 0.5 * math.exp(-_exponent(z, n)) / (1.0 - 2.0 * deviation)


# A function of its own: with the rows of one work array at hand the compiler does not vectorise this loop.
@vectorised
def _roll_back(value: Floats, node: Floats, exercise: Floats, slope: Floats, p: float, q: float) -> None:
    for j in range(value.size - 2, -1, -1):
        at_once, per_node = exercise[j], slope[j]
        for i in range(j + 1):
            held = p * value[i + 1] + q * value[i]
            exercised = at_once + per_node * node[i]
            value[i] = held if held > exercised else exercised


@vectorised
def tree_price(
    sigma: float, sign: float, strike: float, tau: float, forward: float, discount: float, work: Floats
) -> float:
    """Return the value of one contract; rows EXERCISE and GROWTH of ``work`` say what exercise pays."""
    n = work.shape[1] - 1
    exercise, growth, slope, node, value = work[EXERCISE], work[GROWTH], work[SLOPE], work[NODE], work[VALUE]
    s = sigma * math.sqrt(tau)
    d1 = math.log(forward / strike) / s + 0.5 * s
    d2 = d1 - s
    above, under = _half_deviation(d1, n), _half_deviation(d2, n)
    p, q = _probability(under, d2, n), _probability(-under, -d2, n)
    # Where the two probabilities are close their ratio is taken from their difference, which does not cancel.
    log_up = math.log1p((above - under) / p) if p > 0.25 else math.log(_probability(above, d1, n) / p)
    q_up = _probability(-above, -d1, n)
    log_down = math.log1p((under - above) / q) if q_up > 0.25 else math.log(q_up / q)
    log_ratio = log_up - log_down
    middle = 0.5 * n
    for i in range(n + 1):
        node[i] = exp(log_ratio * (i - middle))
    last = sign * forward * exp(n * log_down + middle * log_ratio)
    for i in range(n + 1):
        payoff = last * node[i] - sign * strike
        value[i] = payoff if payoff > 0.0 else 0.0
    for j in range(n):
        slope[j] = growth[j] * exp(j * log_down + middle * log_ratio)
    _roll_back(value, node, exercise, slope, p, q)
    return value[0] * discount


@vectorised
def _set_exercise(
    m: int,
    sign: Floats,
    escrowed: Floats,
    strike: Floats,
    tau: Floats,
    forward: Floats,
    discount: Floats,
    times: Floats,
    present_values: Floats,
    starts: Positions,
    work: Floats,
) -> None:
    n = work.shape[1] - 1
    exercise, growth = work[EXERCISE], work[GROWTH]
    log_discount = math.log(discount[m])
    log_growth = math.log(forward[m] / escrowed[m])
    for j in range(n):
        left = 1.0 - j / n
        exercise[j] = -sign[m] * strike[m] * exp(-left * log_discount)
        growth[j] = sign[m] * forward[m] * exp(-left * (log_discount + log_growth))
    for k in range(starts[m], starts[m + 1]):
        to_come = sign[m] * present_values[k] / discount[m]
        for j in range(n):
            exercise[j] += to_come if j * tau[m] < times[k] * n else 0.0


@vectorised
def tree_values(
    sign: Floats,
    escrowed: Floats,
    strike: Floats,
    tau: Floats,
    forward: Floats,
    discount: Floats,
    times: Floats,
    present_values: Floats,
    starts: Positions,
    sigma: Floats,
    steps: int,
    american: Floats,
    european: Floats,
    first: int,
    last: int,
) -> bool:
    """Fill ``american`` and ``european`` for the contracts from ``first`` to before ``last``."""
    work = np.zeros((5, steps + 1))
    never = np.zeros((5, steps + 1))
    for m in range(first, last):
        if np.isnan(escrowed[m] + strike[m] + tau[m] + forward[m] + discount[m] + sigma[m]):
            american[m] = np.nan
            european[m] = np.nan
            continue
        _set_exercise(m, sign, escrowed, strike, tau, forward, discount, times, present_values, starts, work)
        american[m] = tree_price(sigma[m], sign[m], strike[m], tau[m], forward[m], discount[m], work)
        european[m] = tree_price(sigma[m], sign[m], strike[m], tau[m], forward[m], discount[m], never)
    return True


@vectorised
def rounding_bound(
    value: float,
    sigma: float,
    sign: float,
    spot: float,
    strike: float,
    tau: float,
    forward: float,
    discount: float,
    n: int,
) -> float:
    """Return a bound on the rounding error of a tree value.

    Each of ``n`` steps rounds the value, and what is exercised: strike and share, weighted by four times the
    probability of ending in the money from the better of spot and forward, which bounds that of ever being there.
    """
    s = sigma * math.sqrt(tau)
    better = max(sign * math.log(forward / strike), sign * math.log(spot / strike))
    probability = min(1.0, 2.0 * math.erfc(-(better / s + 0.5 * s) * SQRT_HALF))
    return n * EPSILON * (2.0 * value + 4.0 * strike * max(discount, 1.0) * probability) + SMALLEST


@vectorised
def _solve_one(
    price: float,
    start: float,
    lowest: float,
    highest: float,
    max_error: float,
    sign: float,
    spot: float,
    strike: float,
    tau: float,
    forward: float,
    discount: float,
    work: Floats,
) -> tuple[float, float, int]:
    """Return (volatility, error, reason) of one contract: a bracket around the start, then Chandrupatla's method."""
    x1 = min(max(start, lowest), highest)
    f1 = tree_price(x1, sign, strike, tau, forward, discount, work) - price
    x2, f2 = x1, f1
    factor = 1.02
    while (f1 >= 0.0) == (f2 >= 0.0):
        x1, f1 = x2, f2
        if f1 >= 0.0:
            if x1 <= lowest:
                break
            x2 = max(x1 / factor, lowest)
        else:
            if x1 >= highest:
                break
            x2 = min(x1 * factor, highest)
        f2 = tree_price(x2, sign, strike, tau, forward, discount, work) - price
        factor = factor * factor
    if (f1 >= 0.0) == (f2 >= 0.0):
        doubt = rounding_bound(price, x1, sign, spot, strike, tau, forward, discount, work.shape[1] - 1)
        if abs(f1) <= doubt:
            return np.nan, np.inf, IMPRECISE
        return np.nan, np.nan, BELOW_LOWEST if f1 > 0.0 else ABOVE_HIGHEST
    t = f1 / (f1 - f2)
    for _ in range(MAX_SEARCH):
        narrow = SETTLED / abs(x2 - x1)
        if narrow > 0.5:
            break
        t = min(max(t, narrow), 1.0 - narrow)
        x = x1 + t * (x2 - x1)
        f = tree_price(x, sign, strike, tau, forward, discount, work) - price
        if (f >= 0.0) == (f1 >= 0.0):
            x3, f3 = x1, f1
        else:
            x3, f3 = x2, f2
            x2, f2 = x1, f1
        x1, f1 = x, f
        share = (x1 - x2) / (x3 - x2)
        rise = (f1 - f2) / (f3 - f2) if f3 != f2 else 1.0
        t = 0.5
        if rise * rise < share and (1.0 - rise) * (1.0 - rise) < 1.0 - share:
            t = f1 / (f2 - f1) * f3 / (f2 - f3) + (x3 - x1) / (x2 - x1) * f1 / (f3 - f1) * f2 / (f3 - f2)
    sigma = 0.5 * (x1 + x2)
    doubt = rounding_bound(price, sigma, sign, spot, strike, tau, forward, discount, work.shape[1] - 1)
    error = 2.0 * SETTLED
    while error <= highest:
        over = tree_price(sigma + error, sign, strike, tau, forward, discount, work) - price
        # A volatility is positive, so an error as large as sigma needs no proof from below.
        is_below = error >= sigma
        if not is_below:
            is_below = tree_price(sigma - error, sign, strike, tau, forward, discount, work) - price < -doubt
        if over > doubt and is_below:
            break
        error *= 4.0
    if error <= max_error:
        return sigma, error, SOLVED
    return np.nan, error if error <= highest else np.inf, IMPRECISE


@vectorised
def solve(
    sign: Floats,
    escrowed: Floats,
    strike: Floats,
    tau: Floats,
    forward: Floats,
    discount: Floats,
    times: Floats,
    present_values: Floats,
    starts: Positions,
    spot: Floats,
    price: Floats,
    start: Floats,
    lowest: float,
    highest: float,
    max_error: float,
    steps: int,
    sigma: Floats,
    error: Floats,
    reason: Codes,
    first: int,
    last: int,
) -> bool:
    """Fill ``sigma``, ``error`` and ``reason`` for the contracts from ``first`` to before ``last``."""
    work = np.zeros((5, steps + 1))
    for m in range(first, last):
        sigma[m] = np.nan
        error[m] = np.nan
        if np.isnan(price[m] + escrowed[m] + strike[m] + tau[m] + forward[m] + discount[m]):
            reason[m] = MISSING
            continue
        now = sign[m] * (spot[m] - strike[m])
        held = sign[m] * discount[m] * (forward[m] - strike[m])
        if price[m] <= max(now, held, 0.0):
            reason[m] = BELOW_INTRINSIC
            continue
        if sign[m] > 0.0:
            most = max(escrowed[m], discount[m] * forward[m]) + spot[m] - escrowed[m]
        else:
            most = strike[m] * max(1.0, discount[m])
        if price[m] >= most:
            reason[m] = ABOVE_MAXIMUM
            continue
        _set_exercise(m, sign, escrowed, strike, tau, forward, discount, times, present_values, starts, work)
        sigma[m], error[m], reason[m] = _solve_one(
            price[m],
            start[m] if start[m] > 0.0 else UNKNOWN_START,
            lowest,
            highest,
            max_error,
            sign[m],
            spot[m],
            strike[m],
            tau[m],
            forward[m],
            discount[m],
            work,
        )
    return True


@vectorised
def premium_bounds(
    sign: Floats,
    escrowed: Floats,
    strike: Floats,
    tau: Floats,
    forward: Floats,
    discount: Floats,
    times: Floats,
    present_values: Floats,
    starts: Positions,
    out: Floats,
) -> None:
    """Fill ``out`` with upper bounds of American minus European value; dividends in order of time."""
    for m in range(sign.size):
        if np.isnan(escrowed[m] + strike[m] + tau[m] + forward[m] + discount[m]):
            out[m] = np.nan
            continue
        to_come = 0.0
        best = 0.0
        for k in range(starts[m + 1] - 1, starts[m] - 1, -1):
            interest = strike[m] * (discount[m] ** (times[k] / tau[m]) - discount[m])
            if sign[m] < 0.0:
                best = max(best, interest - to_come)
            to_come += present_values[k]
            if sign[m] > 0.0:
                best = max(best, to_come - interest)
        best = max(best, sign[m] * (to_come - strike[m] * (1.0 - discount[m])))
        out[m] = best + max(sign[m] * (escrowed[m] - discount[m] * forward[m]), 0.0)
