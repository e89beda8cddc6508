"""Hard contracts with 50-digit prices, Greeks and implied volatilities.

The references start from the same doubles that the code under test gets: S, K, tau, F, DF and sigma. The reference
volatility is the exact inverse of the price *after* its rounding to a double, so nobody is blamed for information that
the price no longer holds.
"""

from __future__ import annotations

import sys
from typing import NamedTuple

import mpmath
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MP = mpmath.mp.clone()
MP.dps = 50

HOUR, DAY = 1 / 8760, 1 / 365
IDENTIFIED_WITHIN = 1e-9
SMALLEST_PRICE = 1e-290
QUANTITIES = (
    "price",
    "delta",
    "gamma_per_usd",
    "vega_per_vol",
    "theta_per_year",
    "rho_per_unit",
    "vanna_per_vol",
    "charm_per_year",
    "vomma_per_vol2",
    "speed_per_usd2",
    "zomma_per_usd_vol",
)


class Contracts(NamedTuple):
    """Contracts of the grid, one array per input; ``stratum`` tells what is hard about each."""

    stratum: NDArray[np.str_]
    spot: Floats
    strike: Floats
    tau_years: Floats
    forward: Floats
    discount: Floats
    iv: Floats
    is_call: NDArray[np.bool_]

    @property
    def rate(self) -> Floats:
        """Continuously compounded rate, for libraries that take one instead of a discount factor."""
        return (-np.log(self.discount.astype(np.longdouble)) / self.tau_years).astype(np.float64)

    @property
    def carry(self) -> Floats:
        """Carry yield, for libraries that take one instead of a forward."""
        prepaid_forward = self.forward.astype(np.longdouble) * self.discount
        return (-np.log(prepaid_forward / self.spot) / self.tau_years).astype(np.float64)


class References(NamedTuple):
    """What is true of the contracts, each number rounded once from 50 digits.

    Attributes
    ----------
    value
        Price and ten Greeks in the order of ``QUANTITIES``, (11, n).
    scale
        What an error is measured against, (11, n): the largest term of a sum whose terms differ in sign (theta, vanna,
        charm, vomma, speed, zomma; a carry yield q counts as its two terms r and ln(F/S)/tau), otherwise the value.
    iv
        Volatility at which the contract is worth its rounded price, NaN where there is none.
    error
        What four roundings, which a solver in doubles cannot avoid, do to ``iv``: of the price, its division by DF,
        F - K, and the difference. 4 x 2^-53 x price/vega out of the money, 4 x 2^-53 x (F + K) DF/vega in the money.
    kind
        ``identified``: ``error`` <= 1e-9. ``unidentified``: larger. ``below_intrinsic``: the rounded price is at or
        below the exact intrinsic value. ``vanished``: the price is below 1e-290; it has a volatility still while it is
        a normal double.
    """

    value: Floats
    scale: Floats
    iv: Floats
    error: Floats
    kind: NDArray[np.str_]


class HardGrid(NamedTuple):
    """Contracts and what is true of them."""

    contracts: Contracts
    references: References


def index_contracts(n: int, generator: np.random.Generator) -> Contracts:
    """Return a realistic index chain: spot 6,000, strikes 40-180 %, hours to two years, a smile of 8 % to 120 %."""
    spot, rate, carry = 6000.0, 0.043, 0.013
    days = np.where(generator.random(n) < 0.25, generator.integers(0, 8, n), generator.integers(8, 731, n))
    tau = (days + generator.uniform(1 / 24, 0.27, n)) * DAY
    is_near = generator.random(n) < 0.6
    k = np.where(
        is_near, generator.normal(0, 1, n) * (0.02 + 0.35 * np.sqrt(tau)), np.log(generator.uniform(0.4, 1.8, n))
    )
    strike = np.clip(5 * np.round(spot * np.exp(k) / 5), 0.4 * spot, 1.8 * spot)
    skew = np.log(strike / spot) / np.sqrt(tau + 0.08)
    iv = np.clip(0.16 - 0.18 * skew + 0.22 * skew**2 + generator.normal(0, 0.01, n), 0.08, 1.2)
    forward, discount = spot * np.exp((rate - carry) * tau), np.exp(-rate * tau)
    is_call = generator.random(n) < 0.5
    return Contracts(np.full(n, "index chain"), np.full(n, spot), strike, tau, forward, discount, iv, is_call)


def hard_contracts(n: int, seed: int) -> Contracts:
    """Return ``n`` contracts, a multiple of 10: eight hard strata of n/10 and a realistic one of n/5.

    Between them: 1 hour to 3 years, 3 % to 300 % volatility, spots of $2 to $7,000, a third each of zero, negative (to
    -2 %) and positive rates (to 12 %) and carry yields (to 8 %); half calls, half puts, in and out of the money.
    """
    generator = np.random.default_rng(seed)
    size = n // 10

    def between(low: float, high: float) -> Floats:
        return generator.uniform(low, high, size)

    def spread(low: float, high: float) -> Floats:
        return np.exp(generator.uniform(np.log(low), np.log(high), size))

    def signed(values: Floats) -> Floats:
        return values * generator.choice([-1.0, 1.0], size)

    def yields(highest: float) -> Floats:
        sign = generator.integers(-1, 2, size)
        return np.where(sign < 0, -between(0, 0.02), sign * between(0, highest))

    def stratum(name: str, tau: Floats, iv: Floats, log_moneyness: Floats, of_spot: bool = False) -> Contracts:
        spot, rate, carry = spread(2, 7000), yields(0.12), yields(0.08)
        forward, discount = spot * np.exp((rate - carry) * tau), np.exp(-rate * tau)
        strike = (spot if of_spot else forward) * np.exp(log_moneyness)
        is_call = generator.random(size) < 0.5
        return Contracts(np.full(size, name), spot, strike, tau, forward, discount, iv, is_call)

    def sds(count: Floats, tau: Floats, iv: Floats) -> Floats:
        """Log-moneyness from standard deviations, strikes kept within a factor of 50 of the forward."""
        return np.clip(count * iv * np.sqrt(tau), -np.log(50), np.log(50))

    def normal(width: float) -> Floats:
        return generator.normal(0, width, size)

    taus, ivs = [spread(HOUR, 3) for _ in range(5)], [spread(0.03, 3) for _ in range(6)]
    hours, years, week = spread(HOUR, DAY), between(1, 3), spread(HOUR, 7 * DAY)
    wild, calm = between(1, 3), between(0.03, 0.1)
    strata = (
        stratum("near the money", taus[0], ivs[0], sds(normal(1.2), taus[0], ivs[0])),
        stratum("deep wing", taus[1], ivs[1], sds(signed(between(3, 36)), taus[1], ivs[1])),
        stratum("40 to 180 % of spot", taus[2], ivs[2], np.log(between(0.4, 1.8)), of_spot=True),
        stratum("strike = spot", taus[3], ivs[3], np.zeros(size), of_spot=True),
        stratum("strike almost = forward", taus[4], ivs[4], signed(spread(1e-15, 1e-3))),
        stratum("same day", hours, ivs[5], sds(normal(3), hours, ivs[5])),
        stratum("high total volatility", years, wild, between(-2, 2)),
        stratum("low total volatility", week, calm, sds(normal(4), week, calm)),
        index_contracts(n - 8 * size, generator),
    )
    return Contracts(*(np.concatenate(columns) for columns in zip(*strata, strict=True)))


def hard_grid(n: int, seed: int = 11) -> HardGrid:
    """Return contracts with their references."""
    contracts = hard_contracts(n, seed)
    return HardGrid(contracts, references(contracts))


def references(contracts: Contracts) -> References:
    """Return price, Greeks and the inverse of the rounded price of every contract."""
    columns = [column.tolist() for column in contracts[1:]]
    rows = [_reference(*row) for row in zip(*columns, strict=True)]
    value, scale, iv, error, kind = zip(*rows, strict=True)
    return References(np.array(value).T, np.array(scale).T, np.array(iv), np.array(error), np.array(kind))


def _reference(
    spot: float, strike: float, tau: float, forward: float, discount: float, iv: float, is_call: bool
) -> tuple[list[float], list[float], float, float, str]:
    s, k, t, f, df, v = (MP.mpf(number) for number in (spot, strike, tau, forward, discount, iv))
    side = 1 if is_call else -1
    terms = _terms(side, s, k, t, f, df, v)
    value = [float(sum(parts)) for parts in terms]
    scale = [float(max(abs(part) for part in parts)) for parts in terms]
    rounded = value[0]
    intrinsic = df * max(side * (f - k), 0)
    time_value = MP.mpf(rounded) - intrinsic
    if rounded < sys.float_info.min:
        return value, scale, np.nan, np.inf, "vanished"
    if time_value <= 0:
        return value, scale, np.nan, np.inf, "below_intrinsic"
    inverse = _inverse(time_value, k, t, f, df, v)
    vega = _out_of_the_money(k, t, f, df, inverse)[1]
    largest = (f + k) * df if intrinsic > 0 else MP.mpf(rounded)
    error = float(4 * MP.mpf(2) ** -53 * largest / vega)
    kind = "identified" if error <= IDENTIFIED_WITHIN else "unidentified"
    if rounded < SMALLEST_PRICE:
        kind = "vanished"
    return value, scale, float(inverse), error, kind


def _normal(x: mpmath.mpf) -> mpmath.mpf:
    return MP.erfc(-x / MP.sqrt(2)) / 2


def _density(x: mpmath.mpf) -> mpmath.mpf:
    return MP.exp(-x * x / 2) / MP.sqrt(2 * MP.pi)


def _out_of_the_money(
    k: mpmath.mpf, t: mpmath.mpf, f: mpmath.mpf, df: mpmath.mpf, v: mpmath.mpf
) -> tuple[mpmath.mpf, mpmath.mpf]:
    """Price of the out-of-the-money option and vega."""
    total = v * MP.sqrt(t)
    d1 = MP.log(f / k) / total + total / 2
    side = 1 if k >= f else -1
    price = side * df * (f * _normal(side * d1) - k * _normal(side * (d1 - total)))
    return price, df * f * _density(d1) * MP.sqrt(t)


def _terms(
    side: int, s: mpmath.mpf, k: mpmath.mpf, t: mpmath.mpf, f: mpmath.mpf, df: mpmath.mpf, v: mpmath.mpf
) -> list[list[mpmath.mpf]]:
    """Terms of the sums of section 7 of the option specification, in the order of ``QUANTITIES``."""
    root = MP.sqrt(t)
    total = v * root
    away, half = MP.log(f / k) / total, total / 2
    d1, d2 = away + half, away - half
    r, b = -MP.log(df) / t, MP.log(f / s) / t
    density = f * df / s * _density(d1)
    delta = side * f * df / s * _normal(side * d1)
    leg = side * k * df * _normal(side * d2)
    gamma, vega = density / (s * total), s * density * root
    return [
        [_out_of_the_money(k, t, f, df, v)[0], df * max(side * (f - k), 0)],
        [delta],
        [gamma],
        [vega],
        [-s * density * v / (2 * root), -r * leg, r * s * delta, -b * s * delta],
        [t * leg],
        [-density * away / v, density * half / v],
        [r * delta, -b * delta, -density * b / total, density * away / (2 * t), -density * half / (2 * t)],
        [vega * away * away / v, -vega * half * half / v],
        [-gamma * away / (total * s), -3 * gamma / (2 * s)],
        [gamma * away * away / v, -gamma * half * half / v, -gamma / v],
    ]


def _inverse(
    time_value: mpmath.mpf, k: mpmath.mpf, t: mpmath.mpf, f: mpmath.mpf, df: mpmath.mpf, start: mpmath.mpf
) -> mpmath.mpf:
    """Newton steps on the logarithm of the price, which is concave in volatility, from the volatility of the price."""
    target = MP.log(time_value)
    v = start
    for _ in range(200):
        price, vega = _out_of_the_money(k, t, f, df, v)
        step = (target - MP.log(price)) * price / vega
        v += min(max(step, -v / 2), v)
        if abs(step) < MP.mpf(10) ** -32 * v:
            return v
    raise ArithmeticError(f"no volatility found for strike {k}, forward {f}, tau {t}, time value {time_value}")
