from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnosis.options import carry_forward, discount_factor, greeks, implied_vol, price
from gnosis.options.pricing.implied_vol import IV_REASONS

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
    error = np.abs(implied_vol(found.price, strike, tau, forward, discount, is_call).iv - sigma)
    assert error[found.vega_per_vol >= 1e-4 * 100].max() <= 1e-8


def test_price_of_vector_1():
    assert float(implied_vol(0.7032853291, 105, TAU, FORWARD, DISCOUNT, True).iv) == pytest.approx(0.2, abs=1e-8)


@settings(max_examples=60, deadline=None)
@given(log_moneyness=st.floats(-0.2, 0.2), sigma=st.floats(0.2, 3.0), tau=st.floats(0.02, 2))
def test_call_and_put_of_a_strike_have_one_volatility(log_moneyness, sigma, tau):
    strike = 100 * np.exp(log_moneyness)
    both = greeks(100, strike, tau, 101, 0.98, sigma, [True, False])
    found = implied_vol(both.price, strike, tau, 101, 0.98, [True, False], max_error=np.inf)
    assert abs(found.iv[0] - found.iv[1]) <= found.error.sum()


@settings(max_examples=80, deadline=None)
@given(
    sigma=st.floats(0.01, 4.99),
    log_moneyness=st.floats(-3, 3),
    tau=st.floats(1 / 8760, 5),
    is_call=st.booleans(),
    max_error=st.sampled_from([1e-13, 1e-9, 1e-4]),
)
def test_a_row_is_within_its_bound_or_has_a_reason(sigma, log_moneyness, tau, is_call, max_error):
    strike = 100 * np.exp(log_moneyness)
    value = float(price(100, strike, tau, 100, 1.0, sigma, is_call))
    found = implied_vol(value, strike, tau, 100, 1.0, is_call, max_error)
    why = IV_REASONS[found.reason]
    if why == "solved":
        assert abs(found.iv - sigma) <= found.error <= max_error
    else:
        assert np.isnan(found.iv)
        # The price was made from a volatility in the bracket: it can only have lost it to rounding.
        assert why in ("imprecise", "below_intrinsic", "above_maximum")
        assert why != "imprecise" or found.error > max_error


@pytest.mark.parametrize("sigma", [1e-4, 2e-4, 4.999, 5.0 - 1e-9])
@pytest.mark.parametrize("strike", [100.0, 100.0001, 105.0])
def test_the_ends_of_the_bracket(sigma, strike):
    tau = 1.0
    value = price(100, strike, tau, 100, 1, sigma * (1 + 1e-12), True)
    found = implied_vol(value, strike, tau, 100, 1, True).iv
    if value > 0:
        assert found == pytest.approx(sigma, abs=1e-8)
    else:
        assert np.isnan(found)


def test_every_way_to_have_no_volatility_has_its_reason():
    too_calm = price(100, 100, 0.1, 100, 1, 0.9e-4, True)
    too_wild = price(100, 100, 0.1, 100, 1, 5.1, True)
    values = [np.nan, 0.0, -1.0, 100.0, 150.0, np.inf, too_calm, too_wild, 1e-305]
    expected = [
        "missing",
        "below_intrinsic",
        "below_intrinsic",
        "above_maximum",
        "above_maximum",
        "above_maximum",
        "below_lowest",
        "above_highest",
        "imprecise",
    ]
    found = implied_vol(values, 100, 0.1, 100, 1, True)
    assert np.isnan(found.iv).all()
    assert [IV_REASONS[code] for code in found.reason] == expected
    assert np.isnan(found.error[:-1]).all() and found.error[-1] == np.inf
    missing = implied_vol(2.0, [100, np.nan, 100], [np.nan, 0.1, 0.1], 100, [1, 1, np.nan], True)
    assert (missing.reason == IV_REASONS.index("missing")).all()


def test_a_price_below_intrinsic_has_no_volatility():
    intrinsic = DISCOUNT * (FORWARD - 90)
    found = implied_vol(intrinsic - 1e-9, 90, TAU, FORWARD, DISCOUNT, True)
    assert IV_REASONS[found.reason] == "below_intrinsic" and np.isnan(found.iv)


def test_a_price_in_the_money_without_time_value_is_imprecise_and_out_of_the_money_is_not():
    """Strike 60 % of spot, 30 days, 30 %: the time value is below the rounding of the intrinsic value."""
    put, call = price(6000, 3600, TAU, 6000, 1, 0.3, [False, True])
    found = implied_vol([put, call], 3600, TAU, 6000, 1, [False, True])
    assert [IV_REASONS[code] for code in found.reason] == ["solved", "imprecise"]
    assert found.iv[0] == pytest.approx(0.3, abs=1e-13)
    assert found.error[0] < 1e-13 and found.error[1] > 1e-8
    wide = implied_vol([put, call], 3600, TAU, 6000, 1, [False, True], max_error=np.inf)
    assert abs(wide.iv[1] - 0.3) < wide.error[1]


def test_bounds_are_sharp_near_the_money():
    strike = np.linspace(90, 110, 41)
    value = price(100, strike, 0.1, 100, 1, 0.2, strike >= 100)
    assert implied_vol(value, strike, 0.1, 100, 1, strike >= 100).error.max() < 1e-14


def test_bracketed_search_agrees_with_the_fast_steps():
    from gnosis.options.pricing.implied_vol_kernel import bracketed_search

    strike = 100 * np.exp(np.linspace(0, 1.5, 30))
    value = price(100, strike, 0.5, 100, 1, 0.4, True)
    fast = implied_vol(value, strike, 0.5, 100, 1, True).iv
    root = np.sqrt(0.5)
    slow = [
        bracketed_search(np.log(k / 100), np.log(v / np.sqrt(100 * k)), 1e-4 * root, 5 * root) / root
        for k, v in zip(strike, value, strict=True)
    ]
    np.testing.assert_allclose(fast, slow, rtol=1e-11)


def test_price_must_be_increasing_in_the_found_volatility():
    value = np.linspace(0.001, 99, 500)
    found = implied_vol(value, 100, 0.5, 100, 1, True).iv
    solved = found[~np.isnan(found)]
    assert solved.size > 400
    assert (np.diff(solved) > 0).all()


def test_threads_and_neighbours_do_not_change_a_bit():
    strike = np.linspace(20, 500, 9001)
    value = price(100, strike, 0.7, 101, 0.98, 0.35, strike >= 101)
    value[::97] = np.nan
    value[::101] = 1e-9
    one, two = (implied_vol(value, strike, 0.7, 101, 0.98, strike >= 101, threads=threads) for threads in (1, 2))
    alone = [implied_vol(value[i], strike[i], 0.7, 101, 0.98, strike[i] >= 101) for i in (0, 97, 101, 4500, 9000)]
    for column, other, single in zip(one, two, zip(*alone, strict=True), strict=True):
        np.testing.assert_array_equal(column, other)
        np.testing.assert_array_equal(column[[0, 97, 101, 4500, 9000]], single)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("strike", 0.0, "strike: expected positive finite values in"),
        ("discount", np.inf, "discount: expected positive finite values in"),
        ("is_call", 1.0, "is_call: expected booleans"),
        ("max_error", 0.0, "max_error: expected a positive number"),
        ("threads", 0, "threads: expected a positive whole number, found 0"),
    ],
)
def test_impossible_arguments_are_refused_by_name(name, value, message):
    inputs = {"price": 2.0, "strike": 105, "tau_years": 0.1, "forward": 100, "discount": 1, "is_call": True}
    with pytest.raises(ValueError, match=message):
        implied_vol(**inputs | {name: value})


def test_shapes_follow_broadcasting():
    found = implied_vol(np.full((2, 1), 2.0), [100, 101, 102], 0.1, 100, 1, True)
    assert [column.shape for column in found] == [(2, 3)] * 3
    assert found.reason.dtype == np.int8
    assert np.ndim(implied_vol(2.0, 100, 0.1, 100, 1, True).iv) == 0
    assert implied_vol([], [], 0.1, 100, 1, True).iv.shape == (0,)
