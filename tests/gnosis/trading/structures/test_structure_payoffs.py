"""Bounds and zeros of piecewise linear profit and loss."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnosis.trading.structures.payoff import Curve, joined, payoffs
from gnosis.trading.structures.probability import profit_mass
from tests.gnosis.trading.structures.naive_candidates import naive_bounds

INF = np.inf


def curve_of(legs, shares, outlay):
    """Return the curve of one candidate of legs (is_call, strike, quantity)."""
    price = np.array([[0.0, *sorted(strike for _, strike, _ in legs)]])
    pnl = shares * price - outlay
    for is_call, strike, quantity in legs:
        pnl = pnl + quantity * np.maximum((price - strike) * (1 if is_call else -1), 0)
    return Curve(price, pnl, np.array([shares + sum(q for is_call, _, q in legs if is_call)]))


def listed(values):
    return [float(value) for value in values[0] if not np.isnan(value)]


def test_a_flat_zero_piece_is_an_interval_and_no_breakeven():
    legs = [(True, 100.0, 1.0), (True, 110.0, -1.0)]
    found = payoffs(curve_of(legs, 0.0, 0.0))
    assert found.flat_zero_usd.tolist() == [[[0.0, 100.0]]]
    assert listed(found.breakeven_usd) == []
    assert found.crossing_usd.tolist() == [[100.0]]
    assert found.crossing.tolist() == [[1.0]]


def test_a_flat_zero_tail_goes_on_without_end():
    legs = [(False, 90.0, -1.0), (False, 100.0, 1.0)]
    found = payoffs(curve_of(legs, 0.0, 0.0))
    assert found.flat_zero_usd.tolist() == [[[100.0, INF]]]
    assert not found.ends_in_profit[0]
    assert profit_mass(found, np.array([[0.4]])).tolist() == [0.4]


def test_touching_zero_at_a_strike_is_a_breakeven_without_profit():
    legs = [(True, 100.0, -1.0), (False, 100.0, -1.0)]
    found = payoffs(curve_of(legs, 0.0, 0.0))
    assert listed(found.breakeven_usd) == [100.0]
    assert found.crossing.size == 0
    assert found.max_profit_usd.tolist() == [0.0]
    assert profit_mass(found, found.crossing_usd).tolist() == [0.0]


def test_repeated_strikes_are_one_knot():
    legs = [(True, 100.0, 1.0), (False, 100.0, -1.0)]
    found = payoffs(curve_of(legs, 0.0, 0.0))
    assert listed(found.breakeven_usd) == [100.0]
    assert found.crossing.tolist() == [[1.0]]
    assert (found.max_profit_usd[0], found.max_loss_usd[0]) == (INF, 100.0)


def test_rounding_makes_no_profit():
    legs = [(True, 100.0, 1.0), (True, 110.0, -1.0)]
    found = payoffs(curve_of(legs, 0.0, 3e-14))
    assert found.flat_zero_usd.tolist() == [[[0.0, 100.0]]]


@settings(max_examples=200, deadline=None)
@given(
    legs=st.lists(
        st.tuples(st.booleans(), st.integers(50, 150).map(float), st.sampled_from([-2.0, -1.0, 1.0, 2.0])),
        min_size=1,
        max_size=4,
    ),
    shares=st.sampled_from([-1.0, 0.0, 1.0]),
    outlay=st.floats(-40, 120).map(lambda value: round(value, 2) + 0.003),
)
def test_any_legs_have_the_bounds_and_zeros_of_a_search_strike_by_strike(legs, shares, outlay):
    curve = curve_of(legs, shares, outlay)
    found = payoffs(curve)
    best, worst, roots = naive_bounds(legs, shares, outlay)
    assert found.max_profit_usd[0] == pytest.approx(best)
    assert found.max_loss_usd[0] == pytest.approx(worst)
    assert listed(found.breakeven_usd) == pytest.approx(roots)
    # Uniform prices up to 400: the mass of the profit is its length.
    dense = np.linspace(0, 400, 40_001)
    pnl = shares * dense - outlay
    for is_call, strike, quantity in legs:
        pnl = pnl + quantity * np.maximum((dense - strike) * (1 if is_call else -1), 0)
    mass = profit_mass(found, np.minimum(found.crossing_usd / 400, 1.0))[0]
    assert mass == pytest.approx((pnl > 0).mean(), abs=2e-4 * (1 + found.crossing.size))


def test_joined_payoffs_keep_their_rows():
    one, two = payoffs(curve_of([(True, 100.0, 1.0)], 0.0, 2.0)), payoffs(curve_of([(False, 100.0, -1.0)], 0.0, -3.0))
    both = joined(2, [(np.array([1]), one), (np.array([0]), two)])
    assert both.breakeven_usd.tolist() == [[97.0], [102.0]]
    assert both.max_loss_usd.tolist() == [97.0, 2.0]
