"""Compiled loops behind :mod:`gnosis.options.pricing.strike_grid`: the blocks of single contracts, by strike lines."""

from __future__ import annotations

import numpy as np

from gnosis.options.arrays import Codes, Floats, Positions
from gnosis.options.pricing import black_scholes_kernel as greek
from gnosis.options.pricing import implied_vol_kernel as volatility
from gnosis.options.pricing.black_scholes_kernel import (
    decays,
    distribution,
    expiry_terms,
    moneyness,
    own_greeks,
    shared_greeks,
)
from gnosis.options.pricing.blocks import BLOCK, load, store
from gnosis.options.pricing.implied_vol_kernel import solve_block
from gnosis.options.special_functions import compiled, vectorised

N_RESULTS = 16
# The rows of a block that an expiry fills, in the order of its terms.
GREEK_ROWS = (
    greek.SPOT,
    greek.TAU,
    greek.FORWARD,
    greek.DISCOUNT,
    greek.ROOT_TAU,
    greek.INVERSE_TAU,
    greek.CARRY_DISCOUNT,
    greek.R,
    greek.Q,
    greek.B,
)
VOLATILITY_ROWS = (volatility.TAU, volatility.FORWARD, volatility.DISCOUNT)
# Rows that the solver fills later are free for the two prices.
CALL_PRICE, PUT_PRICE = volatility.X, volatility.C


@compiled
def terms_of_expiries(spot: Floats, tau: Floats, forward: Floats, discount: Floats) -> Floats:
    """Return what the lines of each expiry share, (10, number of expiries), in the order of ``GREEK_ROWS``."""
    terms = np.empty((len(GREEK_ROWS), tau.size))
    for e in range(tau.size):
        s = spot[e if spot.size > 1 else 0]
        root_tau, inverse_tau, carry_discount, r, q, b = expiry_terms(s, tau[e], forward[e], discount[e])
        terms[0, e], terms[1, e], terms[2, e], terms[3, e] = s, tau[e], forward[e], discount[e]
        terms[4, e], terms[5, e], terms[6, e] = root_tau, inverse_tau, carry_discount
        terms[7, e], terms[8, e], terms[9, e] = r, q, b
    return terms


@compiled
def _load_terms(
    terms: Floats, rows: tuple[int, ...], starts: Positions, expiry: int, start: int, n: int, w: Floats
) -> int:
    """Give n lines from ``start`` on, none before ``expiry``, the terms of their expiries; return the last expiry."""
    done = 0
    while done < n:
        while starts[expiry + 1] <= start + done:
            expiry += 1
        until = min(n, starts[expiry + 1] - start)
        for k in range(len(rows)):
            value = terms[k, expiry]
            part = w[rows[k] * BLOCK + done : rows[k] * BLOCK + until]
            for i in range(until - done):
                part[i] = value
        done = until
    return expiry


@vectorised
def _choose(w: Floats) -> None:
    """Take the price out of the money, or the other one where that is missing."""
    for i in range(BLOCK):
        call = w[CALL_PRICE * BLOCK + i]
        put = w[PUT_PRICE * BLOCK + i]
        is_call_out = w[volatility.STRIKE * BLOCK + i] >= w[volatility.FORWARD * BLOCK + i]
        is_call = (call == call) & (is_call_out | (put != put))
        w[volatility.SIDE * BLOCK + i] = 1.0 if is_call else -1.0
        w[volatility.PRICE * BLOCK + i] = call if is_call else put


@compiled
def solve_lines(
    call_price: Floats,
    put_price: Floats,
    strike: Floats,
    terms: Floats,
    starts: Positions,
    lowest: float,
    highest: float,
    max_error: float,
    iv: Floats,
    error: Floats,
    reason: Codes,
    first: int,
    last: int,
) -> bool:
    """Fill lines first to last of the results and return whether all their terms are positive and finite.

    ``terms`` holds tau, forward and discount of the expiries, (3, number of expiries).
    """
    n_positive, expiry = 0, int(np.searchsorted(starts, first, side="right")) - 1
    w = np.ones(volatility.N_ROWS * BLOCK)
    for start in range(first, last, BLOCK):
        n = min(BLOCK, last - start)
        if n < BLOCK:
            w[:] = 1.0
        load(call_price, start, n, w[CALL_PRICE * BLOCK :])
        load(put_price, start, n, w[PUT_PRICE * BLOCK :])
        load(strike, start, n, w[volatility.STRIKE * BLOCK :])
        expiry = _load_terms(terms, VOLATILITY_ROWS, starts, expiry, start, n, w)
        _choose(w)
        n_positive += solve_block(w, lowest, highest, max_error) - (BLOCK - n)
        store(w[volatility.IV * BLOCK :], iv, start, n)
        store(w[volatility.ERROR * BLOCK :], error, start, n)
        store(w[volatility.REASON * BLOCK :], reason, start, n)
    return n_positive == last - first


@vectorised
def _pairs(w: Floats) -> None:
    """Fill price and Greeks of call and put of every line."""
    for i in range(BLOCK):
        s = w[greek.SPOT * BLOCK + i]
        k = w[greek.STRIKE * BLOCK + i]
        tau = w[greek.TAU * BLOCK + i]
        f = w[greek.FORWARD * BLOCK + i]
        df = w[greek.DISCOUNT * BLOCK + i]
        carry_discount = w[greek.CARRY_DISCOUNT * BLOCK + i]
        r = w[greek.R * BLOCK + i]
        q = w[greek.Q * BLOCK + i]
        value = w[greek.VALUE * BLOCK + i]
        density = w[greek.DENSITY * BLOCK + i]
        total = w[greek.TOTAL * BLOCK + i]
        inverse_total = w[greek.INVERSE_TOTAL * BLOCK + i]
        h = w[greek.H * BLOCK + i]
        gamma, vega, vanna, vomma, speed, zomma = shared_greeks(
            s, w[greek.ROOT_TAU * BLOCK + i], density, total, inverse_total, h
        )
        theta_decay, charm_decay = decays(
            s, w[greek.INVERSE_TAU * BLOCK + i], w[greek.B * BLOCK + i], density, total, inverse_total, h
        )
        call1, call2 = w[greek.CALL1 * BLOCK + i], w[greek.CALL2 * BLOCK + i]
        put1, put2 = w[greek.PUT1 * BLOCK + i], w[greek.PUT2 * BLOCK + i]
        call_price, call_delta, call_theta, call_rho, call_charm = own_greeks(
            1.0, call1, call2, value, s, k, tau, f, df, carry_discount, r, q, theta_decay, charm_decay
        )
        put_price, put_delta, put_theta, put_rho, put_charm = own_greeks(
            -1.0, put1, put2, value, s, k, tau, f, df, carry_discount, r, q, theta_decay, charm_decay
        )
        w[greek.N_TERMS * BLOCK + i] = call_price
        w[(greek.N_TERMS + 1) * BLOCK + i] = put_price
        w[(greek.N_TERMS + 2) * BLOCK + i] = call_delta
        w[(greek.N_TERMS + 3) * BLOCK + i] = put_delta
        w[(greek.N_TERMS + 4) * BLOCK + i] = gamma
        w[(greek.N_TERMS + 5) * BLOCK + i] = vega
        w[(greek.N_TERMS + 6) * BLOCK + i] = call_theta
        w[(greek.N_TERMS + 7) * BLOCK + i] = put_theta
        w[(greek.N_TERMS + 8) * BLOCK + i] = call_rho
        w[(greek.N_TERMS + 9) * BLOCK + i] = put_rho
        w[(greek.N_TERMS + 10) * BLOCK + i] = vanna
        w[(greek.N_TERMS + 11) * BLOCK + i] = call_charm
        w[(greek.N_TERMS + 12) * BLOCK + i] = put_charm
        w[(greek.N_TERMS + 13) * BLOCK + i] = vomma
        w[(greek.N_TERMS + 14) * BLOCK + i] = speed
        w[(greek.N_TERMS + 15) * BLOCK + i] = zomma


@compiled
def price_and_greeks_of_lines(
    strike: Floats, iv: Floats, terms: Floats, starts: Positions, out: Floats, first: int, last: int
) -> bool:
    """Fill columns first to last of ``out`` (16, n) and return whether strikes and volatilities are positive, finite.

    ``terms`` comes from :func:`terms_of_expiries`.
    """
    n_positive, expiry = 0, int(np.searchsorted(starts, first, side="right")) - 1
    w = np.ones((greek.N_TERMS + N_RESULTS) * BLOCK)
    for start in range(first, last, BLOCK):
        n = min(BLOCK, last - start)
        if n < BLOCK:
            w[:] = 1.0
        load(strike, start, n, w[greek.STRIKE * BLOCK :])
        load(iv, start, n, w[greek.IV * BLOCK :])
        expiry = _load_terms(terms, GREEK_ROWS, starts, expiry, start, n, w)
        n_positive += moneyness(w) - (BLOCK - n)
        distribution(w)
        _pairs(w)
        for k in range(N_RESULTS):
            store(w[(greek.N_TERMS + k) * BLOCK :], out[k], start, n)
    return n_positive == last - first
