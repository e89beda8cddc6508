"""Policies and composer: vectors of the specification, no evidence, learned weights, planted and placebo markets."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from gnosis.learning.purging import Split
from gnosis.trading.composer import (
    PENALTIES,
    PRIOR,
    PRIOR_WITH_MODEL,
    chosen_penalty,
    compose,
    conviction_bands,
    learned_weights,
)
from gnosis.trading.policies import PolicyModel, fit_policy, odds_of_rise

NAN = math.nan


def votes(*rows):
    return np.array(rows, dtype=float)


def test_the_prior_of_the_specification():
    found = compose(votes([0.60, 0.55, 0.48, NAN]), votes([0.8, 0.6, 0.5, NAN]), PRIOR)
    assert found.z[0] == pytest.approx(0.1538631536, abs=1e-10)
    assert found.p_dir[0] == pytest.approx(0.5383900815, abs=1e-10)


def test_the_prior_with_a_model_of_the_specification():
    found = compose(votes([0.60, 0.55, 0.48, 0.58]), votes([0.8, 0.6, 0.5, 0.9]), PRIOR_WITH_MODEL)
    assert found.contributions[0] == pytest.approx([0.0778493, 0.0216724, -0.0072038, 0.1161984], abs=1e-7)
    assert found.z[0] == pytest.approx(0.2085163133, abs=1e-9)
    assert found.p_dir[0] == pytest.approx(0.5519410190, abs=1e-9)


ODDS = st.lists(st.one_of(st.just(NAN), st.floats(0.01, 0.99)), min_size=4, max_size=4)
SURE = st.lists(st.floats(0, 1), min_size=4, max_size=4)


@settings(deadline=None)
@given(odds=ODDS, sure=SURE)
def test_contributions_sum_to_z_and_the_mirror_has_the_opposite(odds, sure):
    found = compose(votes(odds), votes(sure), PRIOR_WITH_MODEL)
    mirrored = compose(1.0 - votes(odds), votes(sure), PRIOR_WITH_MODEL)
    if np.isnan(odds).all():
        assert np.isnan(found.z[0]) and np.isnan(found.disagreement[0]) and found.confidence[0] == 0.0
        return
    assert found.contributions.sum() == pytest.approx(found.z[0], abs=1e-12)
    assert mirrored.z[0] == pytest.approx(-found.z[0], abs=1e-9)
    assert mirrored.disagreement[0] == pytest.approx(found.disagreement[0], abs=1e-7)
    assert 0.0 <= found.confidence[0] <= max(sure) + 1e-12


def test_an_absent_policy_lowers_the_confidence_and_adds_nothing():
    both = compose(votes([0.6, 0.6, 0.6, 0.6]), np.ones((1, 4)), PRIOR_WITH_MODEL)
    without = compose(votes([0.6, 0.6, 0.6, NAN]), np.ones((1, 4)), PRIOR_WITH_MODEL)
    assert (both.confidence[0], without.confidence[0]) == (pytest.approx(1.0), pytest.approx(0.6))
    assert without.z[0] == pytest.approx(0.6 * both.z[0])
    assert both.disagreement[0] == pytest.approx(0.0, abs=1e-12)


def test_disagreement_is_the_weighted_deviation_of_the_log_odds():
    found = compose(votes([0.7, 0.4, 0.5, NAN]), np.ones((1, 4)), PRIOR)
    logits, weight = np.log([0.7 / 0.3, 0.4 / 0.6, 1.0]), np.array([0.4, 0.3, 0.3])
    assert found.disagreement[0] == pytest.approx(math.sqrt(np.cov(logits, aweights=weight, ddof=0)))


def planted(n_rows: int, seed: int, strength: float) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    logits = generator.normal(0.0, 0.4, (n_rows, 4))
    chance = 1.0 / (1.0 + np.exp(-strength * logits[:, 0]))
    return 1.0 / (1.0 + np.exp(-logits)), generator.uniform(size=n_rows) < chance


def test_learned_weights_find_who_knew_and_stay_at_the_prior_without_evidence():
    odds, rises = planted(20_000, 1, strength=1.0)
    found = learned_weights(odds, np.ones(odds.shape), rises, PRIOR_WITH_MODEL, 30.0)
    assert found["hedge"] == pytest.approx(1.0, abs=0.1)
    assert max(found[name] for name in ("liquidity", "sentiment", "ml")) < 0.12
    kept = learned_weights(odds[:0], np.ones((0, 4)), rises[:0], PRIOR_WITH_MODEL, 30.0)
    assert kept == pytest.approx(PRIOR_WITH_MODEL, abs=1e-9)
    worse, falls = planted(5_000, 2, strength=-2.0)
    assert learned_weights(worse, np.ones(worse.shape), falls, PRIOR, 30.0)["hedge"] == 0.0


def test_learned_weights_are_the_minimum_of_another_solver():
    odds, rises = planted(300, 3, strength=0.8)
    sure = np.random.default_rng(4).uniform(0.2, 1.0, odds.shape)
    design = sure * np.log(odds / (1 - odds))
    start = np.array(list(PRIOR_WITH_MODEL.values()))

    def loss(weight):
        return np.logaddexp(0, -np.where(rises, 1, -1) * (design @ weight)).sum() + 5.0 * ((weight - start) ** 2).sum()

    oracle = minimize(loss, start, method="SLSQP", bounds=[(0, None)] * 4, options={"ftol": 1e-14}).x
    found = learned_weights(odds, sure, rises, PRIOR_WITH_MODEL, 10.0)
    assert list(found.values()) == pytest.approx(oracle, abs=1e-4)
    assert loss(np.array(list(found.values()))) <= loss(oracle) + 1e-9


def halves(n_rows: int) -> list[Split]:
    half = np.arange(n_rows // 2)
    return [Split(half, half + n_rows // 2, 0, 0, 0)]


def test_the_penalty_is_small_where_learning_pays_and_large_where_it_does_not():
    odds, rises = planted(3_000, 5, strength=2.5)
    assert chosen_penalty(odds, np.ones(odds.shape), rises, PRIOR, halves(3_000)) == PENALTIES[0]
    odds = odds[:200]
    blind = np.random.default_rng(6).uniform(size=200) < 1.0 / (
        1.0 + np.exp(-np.log(odds / (1 - odds)) @ list(PRIOR.values()))
    )
    assert chosen_penalty(odds, np.ones(odds.shape), blind, PRIOR, halves(200)) == PENALTIES[-1]


def test_a_planted_edge_is_found_with_its_sign_and_momentum_or_reversal_is_learned():
    generator = np.random.default_rng(7)
    values = generator.normal(5.0, 2.0, (20_000, 2))
    chance = 1.0 / (1.0 + np.exp(-0.6 * (values[:, 0] - 5.0)))
    rises = generator.uniform(size=20_000) < chance
    model = fit_policy(("pressure", "noise"), values, rises)
    assert model.weights[0] == pytest.approx(1.2, abs=0.1) and abs(model.weights[1]) < 0.1
    reversal = fit_policy(("pressure", "noise"), values, ~rises)
    assert reversal.weights == pytest.approx([-weight for weight in model.weights], abs=1e-6)


def test_a_policy_without_evidence_says_one_half():
    values = np.random.default_rng(8).normal(size=(10, 1))
    for outcomes in (np.ones(10, bool), np.zeros(10, bool)):
        assert fit_policy(("x",), values, outcomes) == PolicyModel.of_no_evidence(("x",))
    few = fit_policy(("x",), values, values[:, 0] > 0)
    assert np.abs(odds_of_rise(few, values) - 0.5).max() < 0.15
    constant = fit_policy(("x",), np.ones((100, 1)), np.arange(100) % 2 == 0)
    assert odds_of_rise(constant, np.array([[1.0], [9.0]])).tolist() == pytest.approx([0.5, 0.5])


def test_placebo_policies_stay_near_one_half():
    strongest = []
    for seed in range(40):
        generator = np.random.default_rng(seed)
        values = generator.normal(size=(500, 5))
        model = fit_policy(("a", "b", "c", "d", "e"), values, generator.uniform(size=500) < 0.5)
        strongest.append(np.abs(odds_of_rise(model, generator.normal(size=(200, 5))) - 0.5).mean())
    assert np.mean(strongest) < 0.05


@settings(deadline=None, max_examples=25)
@given(factor=st.floats(1e-3, 1e6), shift=st.floats(-100, 100))
def test_the_unit_of_an_input_changes_nothing(factor, shift):
    generator = np.random.default_rng(9)
    values = generator.normal(size=(200, 2))
    rises = generator.uniform(size=200) < 1 / (1 + np.exp(-values[:, 0]))
    usual = odds_of_rise(fit_policy(("a", "b"), values, rises), values)
    other = odds_of_rise(fit_policy(("a", "b"), values * factor + shift, rises), values * factor + shift)
    assert np.allclose(usual, other, atol=1e-6)


def test_a_missing_input_enters_at_its_mean_and_a_row_without_any_has_no_vote():
    generator = np.random.default_rng(10)
    values = generator.normal(2.0, 1.0, (300, 2))
    model = fit_policy(("a", "b"), values, values[:, 0] > 2.0)
    found = odds_of_rise(model, votes([NAN, 2.5], [model.center[0], 2.5], [NAN, NAN]))
    assert found[0] == pytest.approx(found[1]) and np.isnan(found[2])


def test_bands_are_ranks_among_the_sessions_before():
    generator = np.random.default_rng(11)
    number = np.repeat(np.arange(300), 5)
    strength = np.abs(generator.normal(size=1_500))
    bands = conviction_bands(strength, number)
    for row in (5, 700, 1_499):
        before = strength[(number < number[row]) & (number >= number[row] - 252)]
        rank = sum(strength[row] >= np.quantile(before, q) for q in (0.2, 0.5, 0.8))
        assert bands[row] == ("none", "weak", "moderate", "strong")[rank]
    assert set(bands[5:]) == {"none", "weak", "moderate", "strong"} and set(bands[:5]) == {"unknown"}
    later = strength.copy()
    later[number > 200] = 99.0
    assert (conviction_bands(later, number)[number <= 200] == bands[number <= 200]).all()


@pytest.mark.parametrize(
    ("attempt", "said"),
    [
        (lambda: compose(votes([0.5, 0.5]), votes([1, 1]), PRIOR), r"\(rows, 4\)"),
        (lambda: compose(votes([0.0, 0.5, 0.5, 0.5]), np.ones((1, 4)), PRIOR), r"within \(0, 1\)"),
        (lambda: compose(votes([0.4, 0.5, 0.5, 0.5]), 2 * np.ones((1, 4)), PRIOR), "confidence between 0 and 1"),
        (lambda: compose(votes([0.4] * 4), votes([NAN] * 4), PRIOR), "confidence between 0 and 1"),
        (lambda: compose(votes([0.4] * 4), np.ones((1, 4)), {"hedge": 1.0}), "weight of at least 0"),
        (lambda: learned_weights(votes([0.4] * 4), np.ones((1, 4)), np.ones(1, bool), PRIOR, 0.0), "positive penalty"),
        (lambda: learned_weights(votes([0.4] * 4), np.ones((1, 4)), np.ones(2, bool), PRIOR, 1.0), "one outcome"),
        (lambda: chosen_penalty(votes([0.4] * 4), np.ones((1, 4)), np.ones(1, bool), PRIOR, []), "at least one purged"),
        (lambda: fit_policy(("a",), np.ones((3, 2)), np.ones(3, bool)), "expected values of shape"),
        (lambda: fit_policy(("a",), np.ones((3, 1)), np.ones(3, bool), ridge=0.0), "positive ridge"),
        (lambda: odds_of_rise(PolicyModel.of_no_evidence(("a",)), np.ones((3, 2))), "expected values of shape"),
        (lambda: conviction_bands(np.ones(2), np.ones(3, int)), "one session per row"),
    ],
)
def test_bad_input_is_refused(attempt, said):
    with pytest.raises(ValueError, match=said):
        attempt()
