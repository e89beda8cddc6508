"""Sizes before any cap: closed forms of Kelly, shrinkage, volatility and the two forms of the energy factor."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from gnosis.trading.sizing import energy_factor, estimation_shrinkage, growth_fraction, volatility_fraction


def growth(fraction, returns, weights):
    return float(weights @ np.log1p(fraction * returns))


def test_an_even_bet_risks_the_difference_of_the_odds():
    returns, odds = np.array([1.0, -1.0]), np.array([0.6, 0.4])
    full = growth_fraction(returns, 10.0, odds)
    assert full == pytest.approx(0.20, abs=1e-10)
    assert growth(full, returns, odds) == pytest.approx(0.0201355136, abs=1e-10)
    assert growth(full / 2, returns, odds) == pytest.approx(0.0150419016, abs=1e-10)


def test_unequal_outcomes_have_their_notional_fraction():
    found = growth_fraction(np.array([0.10, -0.08]), 10.0, np.array([0.55, 0.45]))
    assert found == pytest.approx(2.375, abs=1e-9)
    assert 0.25 * found == pytest.approx(0.59375, abs=1e-9)


def test_three_outcomes_of_the_specification():
    returns, odds = np.array([0.06, -0.05, 0.004]), np.array([0.40, 0.34, 0.26])
    assert float(odds @ returns) == pytest.approx(0.00804)
    assert growth_fraction(returns, 10.0, odds) == pytest.approx(3.6135439, abs=1e-6)


def test_many_small_gaussian_outcomes_approach_mean_over_variance():
    from scipy.stats import norm

    quantiles = norm.ppf((np.arange(20_000) + 0.5) / 20_000)
    steps = 252 * 100
    found = growth_fraction(0.06 / steps + 0.18 / math.sqrt(steps) * quantiles, 10.0)
    assert found == pytest.approx(1.8518518519, rel=2e-3)
    gained = [0.06 * f - 0.5 * 0.18**2 * f**2 for f in (found / 2, found)]
    assert gained[0] / gained[1] == pytest.approx(0.75, rel=1e-4)


@settings(deadline=None, max_examples=80)
@given(
    returns=st.lists(st.floats(-0.9, 2.0), min_size=2, max_size=30),
    most=st.floats(0.05, 20.0),
    seed=st.integers(0, 1000),
)
def test_no_other_fraction_grows_faster(returns, most, seed):
    values = np.array(returns)
    weights = np.random.default_rng(seed).dirichlet(np.ones(values.size))
    found = growth_fraction(values, most, weights)
    worst = values.min()
    limit = -1.0 / worst * (1 - 1e-9) if worst * most < -1.0 else most
    best = minimize_scalar(lambda f: -growth(f, values, weights), bounds=(0.0, limit), method="bounded").x
    assert 0.0 <= found <= most
    assert growth(found, values, weights) >= growth(best, values, weights) - 1e-12


@settings(deadline=None, max_examples=40)
@given(scale=st.floats(0.01, 100.0), seed=st.integers(0, 1000))
def test_outcomes_of_another_unit_have_the_inverse_fraction(scale, seed):
    returns = np.random.default_rng(seed).normal(0.01, 0.05, 50)
    assume(returns.mean() > 1e-4)
    found = growth_fraction(returns, math.inf)
    assert growth_fraction(returns * scale, math.inf) == pytest.approx(found / scale, rel=1e-9)


def test_no_edge_has_no_size_and_certain_gain_has_the_most():
    assert growth_fraction(np.array([0.05, -0.05]), 4.0) == 0.0
    assert growth_fraction(np.array([0.05, -0.06]), 4.0) == 0.0
    assert growth_fraction(np.array([0.05, 0.01]), 4.0) == 4.0


def test_shrinkage_of_the_specification_and_of_an_unknown_error():
    found = estimation_shrinkage(np.array([0.0116, -0.0116, 0.01, math.nan]), np.array([0.0022, 0.0022, 0.0, 0.1]))
    assert found[:3] == pytest.approx([0.9652797705, 0.9652797705, 1.0], abs=1e-10)
    assert math.isnan(found[3])


def test_volatility_that_is_unknown_or_zero_gives_no_size():
    found = volatility_fraction(np.array([0.15, 0.60, 0.0, math.nan]))
    assert found[:2].tolist() == [0.25, 0.0625]
    assert np.isnan(found[2:]).all()


def factor(side, up, down, reference, amplification=1.0, is_torn=False):
    values = (np.array([value], dtype=float) for value in (up, down, reference, amplification))
    found = energy_factor(np.array([side], np.int8), *values, np.array([is_torn]))
    return found.factor[0], found.is_unstable[0]


@settings(deadline=None)
@given(reference=st.floats(0.01, 10), times=st.floats(1.0, 50), other=st.floats(0.01, 10))
def test_beyond_the_reference_the_size_goes_with_one_over_the_energy(reference, times, other):
    assert factor(1, reference * times, other, reference) == (pytest.approx(1 / times), False)
    assert factor(-1, other, reference * times, reference) == (pytest.approx(1 / times), False)
    assert factor(0, reference / times, reference * 99, reference) == (pytest.approx(1 / times), False)


@settings(deadline=None)
@given(
    side=st.sampled_from([1, -1, 0]),
    up=st.floats(-1, 10),
    down=st.floats(-1, 10),
    reference=st.floats(0.01, 10),
)
def test_the_factor_never_enlarges_and_an_unstable_state_leaves_the_size(side, up, down, reference):
    value, is_unstable = factor(side, up, down, reference)
    assert 0.0 < value <= 1.0
    assert is_unstable == (min(up, down) <= 0.0)
    assert value == 1.0 or not is_unstable


@pytest.mark.parametrize(
    "state",
    [
        {"amplification": math.nan},
        {"is_torn": True},
        {"reference": math.nan},
        {"up": math.nan},
        {"down": 0.0},
    ],
)
def test_an_unknown_state_is_handed_on(state):
    usual = {"up": 2.0, "down": 2.0, "reference": 1.0}
    assert factor(1, **usual) == (0.5, False)
    assert factor(1, **{**usual, **state}) == (1.0, True)


@pytest.mark.parametrize(
    ("attempt", "said"),
    [
        (lambda: growth_fraction(np.array([]), 1.0), "finite returns"),
        (lambda: growth_fraction(np.array([math.nan]), 1.0), "finite returns"),
        (lambda: growth_fraction(np.array([0.1]), 1.0, np.array([0.5])), "sum of 1"),
        (lambda: estimation_shrinkage(np.array([0.1]), np.array([-0.1])), "at least 0"),
        (lambda: factor(2, 1, 1, 1), "sides 1, -1 and 0"),
    ],
)
def test_what_cannot_be_sized_is_refused(attempt, said):
    with pytest.raises(ValueError, match=said):
        attempt()
