"""Compiled loops behind :mod:`gnosis.options.pricing.black_scholes`; chain-shaped calls use the same ones.

With h = ln(F/K)/total, t = total/2 and total = sigma sqrt(tau): d1 = h + t, d2 = h - t. The out-of-the-money option is
worth F exp(-d1^2/2)/2 times the difference of erfcx at (abs(h) - t)/sqrt(2) and (abs(h) + t)/sqrt(2), because
F phi(d1) = K phi(d2): one exponential serves both tails, and no digits cancel.

A block is worked on in short loops, one after the other, so that the processor has several rows under way at once; in
one long loop every row waits for its own chain of dependent operations.
"""

from __future__ import annotations

import numpy as np

from gnosis.options.arrays import Flags, Floats
from gnosis.options.pricing.blocks import BLOCK, load, load_side, store
from gnosis.options.special_functions import (
    ERFCX_FROM,
    SQRT_HALF,
    compiled,
    erfcx_pair,
    exp,
    inlined,
    log_ratio,
    multiply_add,
    vectorised,
)

INVERSE_SQRT_2PI = 0.3989422804014327
# With a smaller density the Greeks of the tail would lose digits: they are zero from here on.
LOWEST_EXPONENT = -690.0

# Rows of the scratch block: inputs, terms of the expiry, terms of the contract, results in the order of Greeks.
SIDE, SPOT, STRIKE, TAU, FORWARD, DISCOUNT, IV = range(7)
ROOT_TAU, INVERSE_TAU, CARRY_DISCOUNT, R, Q, B = range(7, 13)
H, TOTAL, INVERSE_TOTAL, VALUE, DENSITY, CALL1, PUT1, CALL2, PUT2 = range(13, 22)
N_INPUTS, N_TERMS, N_RESULTS = 7, 22, 11


@inlined
def expiry_terms(
    spot: float, tau: float, forward: float, discount: float
) -> tuple[float, float, float, float, float, float]:
    """Return sqrt(tau), 1/tau, e^(-q tau), r, q and r - q.

    q comes from F DF/S and the rounding error of the product, so that it keeps its digits where it is near zero.
    """
    inverse_tau = 1.0 / tau
    product = forward * discount
    rest = multiply_add(forward, discount, -product)
    q = -log_ratio(product, spot, rest) * inverse_tau
    b = log_ratio(forward, spot) * inverse_tau
    return np.sqrt(tau), inverse_tau, product / spot, q + b, q, b


@vectorised
def _expiries(w: Floats) -> None:
    """Fill the terms of the expiry of every row."""
    for i in range(BLOCK):
        root_tau, inverse_tau, carry_discount, r, q, b = expiry_terms(
            w[SPOT * BLOCK + i], w[TAU * BLOCK + i], w[FORWARD * BLOCK + i], w[DISCOUNT * BLOCK + i]
        )
        w[ROOT_TAU * BLOCK + i] = root_tau
        w[INVERSE_TAU * BLOCK + i] = inverse_tau
        w[CARRY_DISCOUNT * BLOCK + i] = carry_discount
        w[R * BLOCK + i] = r
        w[Q * BLOCK + i] = q
        w[B * BLOCK + i] = b


@vectorised
def moneyness(w: Floats) -> int:
    """Fill h, total and 1/total; return how many rows have positive finite inputs."""
    n_positive = 0
    for i in range(BLOCK):
        s = w[SPOT * BLOCK + i]
        k = w[STRIKE * BLOCK + i]
        tau = w[TAU * BLOCK + i]
        f = w[FORWARD * BLOCK + i]
        df = w[DISCOUNT * BLOCK + i]
        v = w[IV * BLOCK + i]
        is_positive = (s > 0.0) & (k > 0.0) & (tau > 0.0) & (f > 0.0) & (df > 0.0) & (v > 0.0)
        n_positive += is_positive & (s + k + tau + f + df + v < np.inf)
        total = v * w[ROOT_TAU * BLOCK + i]
        inverse_total = 1.0 / total
        w[TOTAL * BLOCK + i] = total
        w[INVERSE_TOTAL * BLOCK + i] = inverse_total
        w[H * BLOCK + i] = log_ratio(f, k) * inverse_total
    return n_positive


@vectorised
def distribution(w: Floats) -> None:
    """Fill the undiscounted value out of the money, e^(-q tau) phi(d1) and the probabilities of call and put.

    Of the two probabilities beyond d1, and of the two beyond d2, the smaller keeps its digits in the tail.
    """
    for i in range(BLOCK):
        f = w[FORWARD * BLOCK + i]
        k = w[STRIKE * BLOCK + i]
        h = w[H * BLOCK + i]
        t = 0.5 * w[TOTAL * BLOCK + i]
        size = min(abs(h), 1e60)
        exponent = -0.5 * (h + t) * (h + t)
        bell = exp(exponent) if exponent > LOWEST_EXPONENT else 0.0
        near = (size - t) * SQRT_HALF
        is_beyond = near < ERFCX_FROM
        far, difference = erfcx_pair(-near if is_beyond else near, (size if is_beyond else t) * (2.0 * SQRT_HALF))
        close = far + difference
        half_f_bell = 0.5 * f * bell
        is_call_out = f < k
        smaller = f if is_call_out else k
        tail1 = 0.5 * bell * (close if is_call_out else far)
        tail2 = half_f_bell / k * (far if is_call_out else close)
        is_call1 = is_call_out & (not is_beyond)
        is_call2 = is_call_out | is_beyond
        w[VALUE * BLOCK + i] = smaller - half_f_bell * (close + far) if is_beyond else half_f_bell * difference
        w[DENSITY * BLOCK + i] = w[CARRY_DISCOUNT * BLOCK + i] * bell * INVERSE_SQRT_2PI
        w[CALL1 * BLOCK + i] = tail1 if is_call1 else 1.0 - tail1
        w[PUT1 * BLOCK + i] = 1.0 - tail1 if is_call1 else tail1
        w[CALL2 * BLOCK + i] = tail2 if is_call2 else 1.0 - tail2
        w[PUT2 * BLOCK + i] = 1.0 - tail2 if is_call2 else tail2


@inlined
def shared_greeks(
    spot: float, root_tau: float, density: float, total: float, inverse_total: float, h: float
) -> tuple[float, float, float, float, float, float]:
    """Return gamma, vega, vanna, vomma, speed and zomma, which call and put of a strike have in common."""
    d1, d2 = h + 0.5 * total, h - 0.5 * total
    inverse_spot, inverse_iv = 1.0 / spot, root_tau * inverse_total
    gamma = density * inverse_spot * inverse_total
    vega = spot * density * root_tau
    return (
        gamma,
        vega,
        -density * d2 * inverse_iv,
        vega * d1 * d2 * inverse_iv,
        -gamma * (d1 * inverse_total + 1.0) * inverse_spot,
        gamma * (d1 * d2 - 1.0) * inverse_iv,
    )


@inlined
def decays(
    spot: float, inverse_tau: float, b: float, density: float, total: float, inverse_total: float, h: float
) -> tuple[float, float]:
    """Return what the density contributes to theta and to charm, of calls and puts alike."""
    d2 = h - 0.5 * total
    return -0.5 * spot * density * total * inverse_tau, -density * (b * inverse_total - 0.5 * d2 * inverse_tau)


@inlined
def own_greeks(
    side: float,
    probability1: float,
    probability2: float,
    value: float,
    spot: float,
    strike: float,
    tau: float,
    forward: float,
    discount: float,
    carry_discount: float,
    r: float,
    q: float,
    theta_decay: float,
    charm_decay: float,
) -> tuple[float, float, float, float, float]:
    """Return price, delta, theta, rho and charm of the call (side 1) or the put (side -1)."""
    intrinsic = side * (forward - strike)
    delta = side * carry_discount * probability1
    strike_leg = side * strike * discount * probability2
    return (
        discount * (value + (intrinsic if intrinsic > 0.0 else 0.0)),
        delta,
        theta_decay - r * strike_leg + q * spot * delta,
        tau * strike_leg,
        q * delta + charm_decay,
    )


@vectorised
def _results(w: Floats) -> None:
    """Fill price and Greeks of every row."""
    for i in range(BLOCK):
        side = w[SIDE * BLOCK + i]
        call1, put1 = w[CALL1 * BLOCK + i], w[PUT1 * BLOCK + i]
        call2, put2 = w[CALL2 * BLOCK + i], w[PUT2 * BLOCK + i]
        s = w[SPOT * BLOCK + i]
        tau = w[TAU * BLOCK + i]
        inverse_tau = w[INVERSE_TAU * BLOCK + i]
        density = w[DENSITY * BLOCK + i]
        total = w[TOTAL * BLOCK + i]
        inverse_total = w[INVERSE_TOTAL * BLOCK + i]
        h = w[H * BLOCK + i]
        gamma, vega, vanna, vomma, speed, zomma = shared_greeks(
            s, w[ROOT_TAU * BLOCK + i], density, total, inverse_total, h
        )
        theta_decay, charm_decay = decays(s, inverse_tau, w[B * BLOCK + i], density, total, inverse_total, h)
        price, delta, theta, rho, charm = own_greeks(
            side,
            call1 if side > 0.0 else put1,
            call2 if side > 0.0 else put2,
            w[VALUE * BLOCK + i],
            s,
            w[STRIKE * BLOCK + i],
            tau,
            w[FORWARD * BLOCK + i],
            w[DISCOUNT * BLOCK + i],
            w[CARRY_DISCOUNT * BLOCK + i],
            w[R * BLOCK + i],
            w[Q * BLOCK + i],
            theta_decay,
            charm_decay,
        )
        w[N_TERMS * BLOCK + i] = price
        w[(N_TERMS + 1) * BLOCK + i] = delta
        w[(N_TERMS + 2) * BLOCK + i] = gamma
        w[(N_TERMS + 3) * BLOCK + i] = vega
        w[(N_TERMS + 4) * BLOCK + i] = theta
        w[(N_TERMS + 5) * BLOCK + i] = rho
        w[(N_TERMS + 6) * BLOCK + i] = vanna
        w[(N_TERMS + 7) * BLOCK + i] = charm
        w[(N_TERMS + 8) * BLOCK + i] = vomma
        w[(N_TERMS + 9) * BLOCK + i] = speed
        w[(N_TERMS + 10) * BLOCK + i] = zomma


@compiled
def price_and_greeks(
    is_call: Flags,
    spot: Floats,
    strike: Floats,
    tau: Floats,
    forward: Floats,
    discount: Floats,
    iv: Floats,
    out: Floats,
    first: int,
    last: int,
) -> bool:
    """Fill columns first to last of ``out`` (11, n) and return whether all arguments are positive and finite.

    Inputs have length n or length 1.
    """
    n_positive = 0
    w = np.ones((N_TERMS + N_RESULTS) * BLOCK)
    for start in range(first, last, BLOCK):
        n = min(BLOCK, last - start)
        if n < BLOCK:
            w[: N_INPUTS * BLOCK] = 1.0
        load_side(is_call, start, n, w[SIDE * BLOCK :])
        load(spot, start, n, w[SPOT * BLOCK :])
        load(strike, start, n, w[STRIKE * BLOCK :])
        load(tau, start, n, w[TAU * BLOCK :])
        load(forward, start, n, w[FORWARD * BLOCK :])
        load(discount, start, n, w[DISCOUNT * BLOCK :])
        load(iv, start, n, w[IV * BLOCK :])
        _expiries(w)
        n_positive += moneyness(w) - (BLOCK - n)
        distribution(w)
        _results(w)
        for k in range(N_RESULTS):
            store(w[(N_TERMS + k) * BLOCK :], out[k], start, n)
    return n_positive == last - first
