"""Scores of the specification (V10, V11), against oracles and by brute force; the bootstrap."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score

from gnosis.learning.bootstrap import Resampling, base_rate_band, bootstrap_counts, paired_difference, ratio
from gnosis.learning.information_coefficients import newey_west_error
from gnosis.learning.metrics import (
    auc,
    daily_coefficients,
    information_ratio,
    placements,
    row_brier,
    row_log_loss,
    row_qlike,
)
from gnosis.learning.reliability import bin_errors, equal_mass_bins, reliability
from gnosis.learning.scores import class_scores, coefficient_scores, direction_scores, number_scores
from tests.gnosis.learning.simulated_answers import softmax

V10_P = np.array([0.9, 0.8, 0.7, 0.6, 0.55, 0.4, 0.35, 0.3, 0.2, 0.1])
V10_Y = np.array([1, 1, 0, 1, 1, 0, 1, 0, 0, 0])
BOTH = np.column_stack([1 - V10_P, V10_P])
DAILY = np.array([0.05, 0.04, 0.02, -0.01, -0.03, -0.02, 0.01, 0.03, 0.05, 0.06])


def one_row_per_session(n: int, block: float = 5.0, replicates: int = 400, seed: int = 1) -> Resampling:
    return Resampling(np.arange(n), block, replicates, np.random.default_rng(seed))


def test_calibration_metrics_of_the_specification():
    found = class_scores(one_row_per_session(10), BOTH, BOTH, np.full((10, 2), 0.5), V10_Y)
    value = {name: pair[0] for name, pair in found.items()}
    assert value["brier"] == pytest.approx(0.1625, rel=1e-9)
    assert value["brier_skill"] == pytest.approx(0.35, rel=1e-9)
    assert value["log_loss"] == pytest.approx(0.488696625499502, rel=1e-9)
    assert value["auc"] == pytest.approx(0.84, rel=1e-9)
    assert bin_errors(V10_P, V10_Y == 1, bins=5)[0] == pytest.approx(0.13, rel=1e-9)


def test_coefficients_of_the_specification():
    answer = np.array([0.02, -0.01, 0.005, 0.03, -0.02, 0.01])
    realised = np.array([0.015, -0.005, -0.01, 0.02, -0.03, 0.0])
    day, symbol = np.zeros(6, dtype=int), np.arange(6)
    (ic,) = daily_coefficients(answer, realised, day, symbol, fewest=6)
    (rank_ic,) = daily_coefficients(answer, realised, day, symbol, fewest=6, ranked=True)
    assert (ic, rank_ic) == pytest.approx((0.9295088794252454, 0.942857142857143), rel=1e-9)
    assert np.isnan(daily_coefficients(answer, realised, day, symbol)).all()
    assert DAILY.mean() == pytest.approx(0.02, rel=1e-9)
    assert information_ratio(DAILY) == pytest.approx(0.6324555320336759, rel=1e-9)
    assert information_ratio(DAILY) * np.sqrt(10) == pytest.approx(2.0, rel=1e-9)
    assert DAILY.mean() / newey_west_error(DAILY, 2) == pytest.approx(1.5161960871578064, rel=1e-9)


def test_brier_of_three_classes_counts_all_of_them():
    assert row_brier(np.array([[0.0, 0.0, 1.0], [0.2, 0.3, 0.5]]), np.array([0, 2])).tolist() == [2.0, 0.38]


def test_qlike_is_zero_at_the_truth_and_punishes_too_little_more_than_too_much():
    truth = np.log(np.full(3, 0.2))
    loss = row_qlike(truth, truth + np.array([0.0, -0.5, 0.5]))
    assert loss == pytest.approx([0.0, np.e - 2.0, np.exp(-1.0)], abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 40))
def test_area_against_every_pair(seed, n):
    rng = np.random.default_rng(seed)
    score = rng.integers(0, 6, n) / 5.0
    positive = np.concatenate([[True, False], rng.random(n - 2) < 0.5])
    above = (score[:, None] > score[None, :]) + 0.5 * (score[:, None] == score[None, :])
    place = placements(score, positive)
    assert place[positive] == pytest.approx(above[np.ix_(positive, ~positive)].mean(axis=1))
    assert place[~positive] == pytest.approx(above[np.ix_(positive, ~positive)].mean(axis=0))


def test_area_of_three_classes_against_scikit_learn():
    rng = np.random.default_rng(1)
    p, y = rng.dirichlet(np.ones(3), 500), rng.integers(0, 3, 500)
    assert auc(p, y) == pytest.approx(roc_auc_score(y, p, multi_class="ovr", average="macro"))
    assert np.isnan(auc(p, np.ones(500, dtype=int)))


def test_reliability_keeps_ties_together_and_counts_everything():
    table = reliability(np.repeat([0.2, 0.6], [70, 30]), np.arange(100) % 5 == 0, bins=10)
    assert table["n"].to_list() == [70, 30]
    assert table["predicted"].to_list() == pytest.approx([0.2, 0.6])
    wilson = binomtest(14, 70).proportion_ci(method="wilson")
    assert table.row(0)[3:] == pytest.approx((wilson.low, wilson.high), rel=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 200), st.integers(1, 12))
def test_bins_hold_equal_masses_and_no_tie_is_torn(seed, n, bins):
    p = np.random.default_rng(seed).integers(0, 30, n) / 29.0
    place = equal_mass_bins(p, bins)
    assert place.min() == 0 and np.unique(place).size == place.max() + 1 <= bins
    order = np.argsort(p, kind="stable")
    assert (np.diff(place[order]) >= 0).all()
    assert all(np.unique(place[p == value]).size == 1 for value in np.unique(p))
    distinct = np.random.default_rng(seed).permutation(n).astype(float)
    assert np.ptp(np.bincount(equal_mass_bins(distinct, bins))) <= 1


def test_bootstrap_draws_whole_series_in_blocks():
    counts = bootstrap_counts(50, 10.0, 200, np.random.default_rng(1))
    assert counts.shape == (200, 50) and (counts.sum(axis=1) == 50).all()
    assert np.array_equal(counts, bootstrap_counts(50, 10.0, 200, np.random.default_rng(1)))
    assert counts.mean(axis=0) == pytest.approx(np.ones(50), abs=0.3)


def test_bootstrap_error_of_a_mean_against_its_formula():
    """AR(1) with coefficient 0.5 and unit variance: the error of the mean is sqrt((1 + 0.5) / (1 - 0.5) / n)."""
    rng = np.random.default_rng(5)
    n = 4000
    values = np.zeros(n)
    for t in range(1, n):
        values[t] = 0.5 * values[t - 1] + np.sqrt(0.75) * rng.normal()
    resampling = one_row_per_session(n, block=40.0, replicates=600, seed=3)
    _, found = resampling.estimate(ratio, resampling.sums(values), resampling.sums(np.ones(n)))
    assert found == pytest.approx(np.sqrt(3 / n), rel=0.15)


def test_fewer_sessions_than_two_blocks_have_no_error():
    resampling = one_row_per_session(9)
    assert resampling.estimate(ratio, np.ones(9), np.ones(9)) == (1.0, pytest.approx(np.nan, nan_ok=True))
    assert one_row_per_session(10).estimate(ratio, np.ones(10), np.ones(10)) == (1.0, 0.0)


CLASS_SCORES = ["log_loss", "auc", "recalibration_slope", "recalibration_intercept", "brier_skill"]


def class_market(seed: int, replicates: int = 2, n: int = 800):
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(n, 3))
    outcome = (rng.random(n)[:, None] > softmax(truth).cumsum(axis=1)).sum(axis=1)
    p = softmax(1.5 * truth)
    return class_scores(one_row_per_session(n, 2.0, replicates), p, p, np.full((n, 3), 1 / 3), outcome)


def return_market(seed: int, replicates: int = 2):
    rng = np.random.default_rng(seed)
    sessions, symbols = np.repeat(np.arange(120), 12), np.tile(np.arange(12), 120)
    x = rng.normal(size=sessions.size)
    y = 0.3 * x + rng.normal(size=sessions.size)
    return coefficient_scores(Resampling(sessions, 2.0, replicates, rng), x, y, symbols, 1)


@pytest.mark.parametrize(
    ("market", "names"), [(class_market, CLASS_SCORES), (return_market, ["ic", "icir", "time_series_ic"])]
)
def test_errors_are_the_spread_over_markets(market, names):
    many = [market(seed) for seed in range(120)]
    one = market(999, replicates=300)
    for name in names:
        assert one[name][1] == pytest.approx(np.std([found[name][0] for found in many], ddof=1), rel=0.25), name


def test_coefficients_against_loops():
    rng = np.random.default_rng(8)
    sessions, symbols = np.repeat(np.arange(90), 11), np.tile(np.arange(11), 90)
    kept = rng.random(sessions.size) < 0.97
    sessions, symbols = sessions[kept], symbols[kept]
    x = rng.normal(size=sessions.size)
    y = 0.2 * x + rng.normal(size=sessions.size)
    found = coefficient_scores(Resampling(sessions, 5.0, 100, rng), x, y, symbols, 5)
    daily = [np.corrcoef(x[sessions == s], y[sessions == s])[0, 1] for s in range(90) if (sessions == s).sum() >= 10]
    over_time = [np.corrcoef(x[symbols == s], y[symbols == s])[0, 1] for s in range(11)]
    assert found["ic"][0] == pytest.approx(np.mean(daily))
    assert found["icir"][0] == pytest.approx(np.mean(daily) / np.std(daily, ddof=1))
    assert found["ic_t"][0] == pytest.approx(np.mean(daily) / newey_west_error(np.array(daily), 4))
    assert found["time_series_ic"][0] == pytest.approx(np.mean(over_time))


def test_a_constant_answer_has_no_coefficient():
    sessions, symbols = np.repeat(np.arange(90), 11), np.tile(np.arange(11), 90)
    x, y = np.full(990, np.float32(0.1)).astype(float), np.random.default_rng(1).normal(size=990)
    found = coefficient_scores(Resampling(sessions, 5.0, 100, np.random.default_rng(1)), x, y, symbols, 5)
    assert all(np.isnan(value) for value, _ in found.values())


def test_direction_counts_sides_taken_on_moves():
    called, moved = np.array([1, 1, 0, -1, -1]), np.array([1, -1, 1, 0, -1])
    found = direction_scores(one_row_per_session(5), called, moved)
    assert found["directional_accuracy"][0] == pytest.approx(2 / 3)
    assert found["coverage"][0] == pytest.approx(3 / 5)


def test_number_scores():
    outcome, answer, base = np.array([1.0, 2.0, 4.0]), np.array([1.0, 3.0, 3.0]), np.full(3, 2.0)
    found = number_scores(one_row_per_session(3), answer, base, outcome, is_log_volatility=False)
    assert found["rmse"][0] == pytest.approx(np.sqrt(2 / 3)) and found["mae"][0] == pytest.approx(2 / 3)
    assert found["r_squared"][0] == pytest.approx(1 - 2 / 5) and "qlike" not in found


def test_paired_difference_holds_its_level_and_finds_a_gain():
    rng = np.random.default_rng(3)
    session = np.repeat(np.arange(200), 3)
    p_values = []
    for seed in range(150):
        noise = np.repeat(rng.normal(size=200), 3)
        p_values.append(paired_difference(noise, np.zeros(600), session, block=2, seed=seed, replicates=200)[1])
    assert 0.01 <= np.mean(np.array(p_values) < 0.05) <= 0.12
    loss = rng.random(600)
    difference, p_value = paired_difference(loss - 0.02, loss + 0.02 * rng.normal(size=600), session, block=5, seed=1)
    assert difference == pytest.approx(-0.02, abs=0.005) and p_value < 0.01
    assert paired_difference(loss + 0.02, loss, session, block=5, seed=1)[1] > 0.99
    assert paired_difference(loss, loss, session, block=5, seed=1) == (0.0, 1.0)


def test_paired_difference_of_few_sessions_tells_nothing():
    assert paired_difference(np.zeros(9), np.ones(9), np.arange(9), block=5, seed=1) == (-1.0, 1.0)


@pytest.mark.parametrize(
    ("a", "b", "match"), [([1.0], [1.0, 2.0], "same rows"), ([np.nan], [1.0], "finite"), ([], [], "same rows")]
)
def test_paired_difference_refuses(a, b, match):
    with pytest.raises(ValueError, match=match):
        paired_difference(np.array(a), np.array(b), np.arange(len(b)), block=5, seed=1)


def test_base_rate_band_holds_the_mean_and_narrows_with_more_sessions():
    loss = np.random.default_rng(1).random(1600)
    low, high = base_rate_band(loss, np.arange(1600), block=5, seed=1)
    few_low, few_high = base_rate_band(loss[:400], np.arange(400), block=5, seed=1)
    assert low < loss.mean() < high
    assert high - low == pytest.approx(2 * 1.96 * loss.std() / 40, rel=0.2)
    assert (few_high - few_low) == pytest.approx(2 * (high - low), rel=0.3)
    assert np.isnan(base_rate_band(loss[:9], np.arange(9), block=5, seed=1)).all()


def test_log_loss_of_the_impossible_is_finite():
    assert row_log_loss(np.array([[1.0, 0.0]]), np.array([1]))[0] == pytest.approx(27.631021)
