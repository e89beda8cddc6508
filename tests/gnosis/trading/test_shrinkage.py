"""The map of earlier odds: an overconfident source is shrunk, an honest one is left alone, a blind one is silenced."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from gnosis.trading.shrinkage import ShrinkageMap, shrinkage_map


def source(n_ideas: int, seed: int, times: float, spread: float = 0.6) -> tuple[np.ndarray, np.ndarray]:
    """Return the odds a source states, its log odds ``times`` what they should be, and what happened."""
    generator = np.random.default_rng(seed)
    logit = generator.normal(0.0, spread, n_ideas)
    happened = generator.uniform(size=n_ideas) < 1.0 / (1.0 + np.exp(-logit))
    return 1.0 / (1.0 + np.exp(-times * logit)), happened


def test_doubled_log_odds_are_halved_after_two_thousand_ideas():
    slopes = [shrinkage_map(*source(2_000, seed, times=2.0)).slope for seed in range(20)]
    assert all(abs(slope - 0.5) <= 0.10 for slope in slopes), slopes


def test_an_honest_source_is_left_alone_and_a_timid_one_is_trusted_little_more():
    assert shrinkage_map(*source(20_000, 1, times=1.0)).slope == pytest.approx(1.0, abs=0.06)
    assert shrinkage_map(*source(5_000, 2, times=0.25)).slope == 1.25


def test_a_source_that_points_the_wrong_way_says_no_more_than_the_base_rate():
    p, happened = source(3_000, 3, times=-1.0)
    found = shrinkage_map(p, happened)
    assert found.slope == 0.0
    assert found(np.array([0.1, 0.9])) == pytest.approx([happened.mean()] * 2, abs=0.01)


def test_few_ideas_move_the_map_little_and_none_not_at_all():
    assert shrinkage_map(np.array([]), np.array([], dtype=bool)) == ShrinkageMap(0.0, 1.0, 0)
    found = shrinkage_map(np.full(5, 0.9), np.zeros(5, bool))
    assert 0.5 < found.slope < 1.0
    assert 0.6 < found(np.array([0.9]))[0] < 0.9


def test_the_map_is_the_minimum_of_another_solver():
    p, happened = source(400, 4, times=1.6)
    score = np.log(p / (1 - p))

    first, second = 50 * (p * (1 - p)).mean(), 50 * (p * (1 - p) * score**2).mean()

    def loss(line):
        fitted = line[0] + line[1] * score
        prior = first * line[0] ** 2 + second * (line[1] - 1) ** 2
        return np.logaddexp(0, np.where(happened, -fitted, fitted)).sum() + prior / 2

    oracle = minimize(loss, [0.0, 1.0], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12}).x
    found = shrinkage_map(p, happened)
    assert (found.intercept, found.slope) == pytest.approx(tuple(oracle), abs=1e-5)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 1000), times=st.floats(0.2, 3.0))
def test_order_changes_nothing_and_the_map_never_turns_odds_around(seed, times):
    p, happened = source(150, seed, times)
    order = np.random.default_rng(seed).permutation(150)
    found, again = shrinkage_map(p, happened), shrinkage_map(p[order], happened[order])
    assert (found.intercept, found.slope) == pytest.approx((again.intercept, again.slope), abs=1e-6)
    assert (np.diff(found(np.linspace(0.01, 0.99, 50))) >= 0.0).all()


def test_odds_that_were_not_stated_stay_missing():
    assert math.isnan(ShrinkageMap()(np.array([math.nan]))[0])


@pytest.mark.parametrize(
    ("p", "happened", "said"),
    [([0.5], [True, False], "one outcome"), ([1.0], [True], "within"), ([math.nan], [True], "within")],
)
def test_bad_input_is_refused(p, happened, said):
    with pytest.raises(ValueError, match=said):
        shrinkage_map(np.array(p), np.array(happened))
