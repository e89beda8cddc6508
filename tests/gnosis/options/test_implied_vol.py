from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnosis.options import carry_forward, discount_factor, greeks, implied_vol, price

TAUS = [1 / 8760, 1 / 365, 30 / 365, 1.0, 2.0]
SIGMAS = [0.05, 0.2, 0.5, 1.0, 2.0]
TAU = 30 / 365
FORWARD, DISCOUNT = carry_forward(100, TAU, 0.05, 0.015), discount_factor(0.05, TAU)


@pytest.mark.parametrize(("tau", "sigma"), list(itertools.product(TAUS, SIGMAS)))
def test_round_trip_over_the_whole_grid(tau, sigma):
    forward, discount = 100.0, discount_factor(0.04, tau)
    strike = forward * np.exp(np.linspace(-1, 1, 401))
    is_call = strike >= forward
    found = greeks(100, strike, tau, forward, discount, sigma, is_call)
    error = np.abs(implied_vol(found.price, strike, tau, forward, discount, is_call) - sigma)
    assert error[found.vega_per_vol >= 1e-4 * 100].max() <= 1e-8


def test_price_of_vector_1():
    assert float(implied_vol(0.7032853291, 105, TAU, FORWARD, DISCOUNT, True)) == pytest.approx(0.2, abs=1e-8)


@settings(max_examples=60, deadline=None)
@given(log_moneyness=st.floats(-0.2, 0.2), sigma=st.floats(0.2, 3.0), tau=st.floats(0.02, 2))
def test_call_and_put_of_a_strike_have_one_volatility(log_moneyness, sigma, tau):
    strike = 100 * np.exp(log_moneyness)
    both = greeks(100, strike, tau, 101, 0.98, sigma, [True, False])
    found = implied_vol(both.price, strike, tau, 101, 0.98, [True, False])
    # The price in the money cannot hold more than its own rounding leaves of the time value.
    rounding = 4 * 2.0**-53 * 200 / float(both.vega_per_vol[0])
    assert found[0] == pytest.approx(found[1], abs=1e-10 + rounding)


@settings(max_examples=60, deadline=None)
@given(sigma=st.floats(0.01, 4.99), log_moneyness=st.floats(-3, 3), tau=st.floats(1 / 8760, 5))
def test_a_volatility_reproduces_its_price(sigma, log_moneyness, tau):
    strike, is_call = 100 * np.exp(log_moneyness), log_moneyness >= 0
    value = float(price(100, strike, tau, 100, 1.0, sigma, is_call))
    found = float(implied_vol(value, strike, tau, 100, 1.0, is_call))
    if np.isnan(found):
        # Nothing left to invert: the price is zero, or so near its upper bound that the rounding reaches it.
        assert value < 1e-290 or value > min(100, strike) * (1 - 1e-13)
    else:
        assert float(price(100, strike, tau, 100, 1.0, found, is_call)) == pytest.approx(value, rel=1e-9)


@pytest.mark.parametrize("sigma", [1e-4, 2e-4, 4.999, 5.0 - 1e-9])
@pytest.mark.parametrize("strike", [100.0, 100.0001, 105.0])
def test_the_ends_of_the_bracket(sigma, strike):
    tau = 1.0
    value = price(100, strike, tau, 100, 1, sigma * (1 + 1e-12), True)
    found = implied_vol(value, strike, tau, 100, 1, True)
    if value > 0:
        assert found == pytest.approx(sigma, abs=1e-8)
    else:
        assert np.isnan(found)


def test_no_volatility_outside_the_bracket_and_no_default():
    too_calm = price(100, 100, 0.1, 100, 1, 0.9e-4, True)
    too_wild = price(100, 100, 0.1, 100, 1, 5.1, True)
    hopeless = [0.0, -1.0, 100.0, 150.0, np.nan, too_calm, too_wild]
    assert np.isnan(implied_vol(hopeless, 100, 0.1, 100, 1, True)).all()


def test_a_price_below_intrinsic_has_no_volatility():
    intrinsic = DISCOUNT * (FORWARD - 90)
    assert np.isnan(implied_vol(intrinsic - 1e-9, 90, TAU, FORWARD, DISCOUNT, True))


def test_bracketed_search_agrees_with_the_fast_steps():
    from gnosis.options.implied_vol_kernel import bracketed_search

    strike = 100 * np.exp(np.linspace(0, 1.5, 30))
    value = price(100, strike, 0.5, 100, 1, 0.4, True)
    fast = implied_vol(value, strike, 0.5, 100, 1, True)
    root = np.sqrt(0.5)
    slow = [
        bracketed_search(np.log(k / 100), np.log(v / np.sqrt(100 * k)), 1e-4 * root, 5 * root) / root
        for k, v in zip(strike, value, strict=True)
    ]
    np.testing.assert_allclose(fast, slow, rtol=1e-11)


def test_price_must_be_increasing_in_the_found_volatility():
    value = np.linspace(0.001, 99, 500)
    found = implied_vol(value, 100, 0.5, 100, 1, True)
    solved = found[~np.isnan(found)]
    assert solved.size > 400
    assert (np.diff(solved) > 0).all()
