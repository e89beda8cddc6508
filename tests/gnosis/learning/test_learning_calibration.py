"""Calibrators: what they return, when which is chosen, and that they are the same bytes everywhere."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from gnosis.learning import calibration
from gnosis.learning.calibration import calibrator_from_json, fit_calibrator
from gnosis.learning.isotonic import fit_isotonic, pool_adjacent_violators
from gnosis.learning.platt import NoLineError, fit_line, fit_platt, logits, sigmoid, smoothed_targets
from gnosis.learning.reliability import wilson
from tests.gnosis.learning.simulated_answers import softmax

DAY = 86_400_000_000


def drawn(n: int, n_classes: int, scale: float, seed: int = 0, curve: float = 1.0):
    """Probabilities whose logits are ``scale`` times the truth, what happened, and label intervals of five days."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(n, n_classes))
    outcome = (rng.random(n)[:, None] > softmax(truth).cumsum(axis=1)).sum(axis=1).clip(0, n_classes - 1)
    said = softmax(scale * np.sign(truth) * np.abs(truth) ** curve)
    t0 = np.arange(n) // 4 * DAY
    return said, outcome, t0, t0 + 5 * DAY


def test_smoothed_targets_of_the_specification():
    assert smoothed_targets(np.repeat([True, False], 5)) == pytest.approx(np.repeat([6 / 7, 1 / 7], 5), rel=1e-12)


def test_pooled_violators_of_the_specification():
    assert pool_adjacent_violators(np.array([0.0, 1, 0, 1, 1]), np.ones(5)).tolist() == [0, 0.5, 0.5, 1, 1]


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 60))
def test_isotonic_map_against_scikit_learn(seed, n):
    rng = np.random.default_rng(seed)
    p = rng.integers(0, 12, n) / 11.0
    y = rng.random(n) < p
    asked = rng.random(20)
    oracle = IsotonicRegression(out_of_bounds="clip").fit(p, y.astype(float)).predict(asked)
    assert np.interp(asked, *fit_isotonic(p, y)) == pytest.approx(oracle, abs=1e-9)


def test_line_against_scikit_learn():
    rng = np.random.default_rng(1)
    score = rng.normal(size=3000)
    y = rng.random(3000) < sigmoid(0.4 + 0.7 * score)
    oracle = LogisticRegression(C=np.inf, tol=1e-10).fit(score[:, None], y)
    intercepts, slope = fit_line(score[:, None], y[:, None].astype(float))
    assert (intercepts[0], slope) == pytest.approx((oracle.intercept_[0], oracle.coef_[0, 0]), abs=1e-5)


def test_recalibration_slope_of_doubled_logits_is_a_half():
    rng = np.random.default_rng(2)
    score = rng.normal(size=200_000)
    y = rng.random(200_000) < sigmoid(score)
    _, slope = fit_line(logits(sigmoid(2.0 * score))[:, None], y[:, None].astype(float))
    assert slope == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(
    ("score", "target", "found"),
    [
        ([1.0, 1.0, 1.0], [0, 1, 0], "constant"),
        ([1.0, 2.0, 3.0], [1, 1, 1], "one only"),
        ([1.0, 2.0, 3.0], [0, 1, 1], "perfect separation"),
        ([], [], "found none"),
    ],
)
def test_no_line_fits(score, target, found):
    with pytest.raises(NoLineError, match=found):
        fit_line(np.array(score, float).reshape(-1, 1), np.array(target, float).reshape(-1, 1))


def test_a_score_that_ranks_the_wrong_way_gets_the_base_rate():
    p = np.linspace(0.1, 0.9, 100)
    intercept, slope = fit_platt(p, p < 0.4)
    assert slope == 0.0
    assert sigmoid(np.array(intercept)) == pytest.approx(smoothed_targets(p < 0.4).mean())


@pytest.mark.parametrize("n_classes", [2, 3])
def test_platt_undoes_overconfidence(n_classes):
    said, outcome, t0, t1 = drawn(2000, n_classes, scale=2.5)
    calibrator = fit_calibrator(said, outcome, t0, t1)
    assert calibrator.method == "platt" and calibrator.reason is None
    fresh, happened, _, _ = drawn(20_000, n_classes, scale=2.5, seed=9)
    after = calibrator.apply(fresh)
    _, slope = fit_line(logits(after[:, 1:2]), (happened == 1)[:, None].astype(float))
    assert slope == pytest.approx(1.0, abs=0.15)


def step(n: int, low: float, high: float, seed: int):
    """A probability that says more than there is: what happens jumps at one half."""
    rng = np.random.default_rng(seed)
    said = rng.random(n)
    outcome = (rng.random(n) < np.where(said < 0.5, low, high)).astype(np.int64)
    t0 = np.arange(n) * DAY
    return np.column_stack([1 - said, said]), outcome, t0, t0


def test_isotonic_wins_where_the_distortion_is_no_line():
    calibrator = fit_calibrator(*step(6000, 0.2, 0.7, seed=4))
    assert calibrator.method == "isotonic" and calibrator.reason is None
    assert calibrator.apply(np.array([[0.8, 0.2], [0.2, 0.8]]))[:, 1] == pytest.approx([0.2, 0.7], abs=0.05)


@pytest.mark.parametrize(
    ("rows", "limit", "value"),
    [
        (step(999, 0.02, 0.95, seed=4), "FEWEST_ISOTONIC_ROWS", 999),
        (step(3000, 0.0, 0.05, seed=4), "FEWEST_OF_RARER_CLASS", 80),
    ],
)
def test_isotonic_needs_rows_of_both_outcomes(monkeypatch, rows, limit, value):
    assert fit_calibrator(*rows).method == "platt"
    monkeypatch.setattr(calibration, limit, value)
    assert fit_calibrator(*rows).method == "isotonic"


def test_identity_has_a_reason_and_changes_nothing():
    said, outcome, t0, t1 = drawn(2000, 3, scale=1.0, seed=6)
    calibrator = fit_calibrator(said, outcome, t0, t1)
    assert calibrator.method == "identity"
    assert calibrator.reason.startswith("identity loses") and "platt loses" in calibrator.reason
    assert calibrator.apply(said) == pytest.approx(said, rel=1e-14)


@pytest.mark.parametrize(
    ("rows", "reason"),
    [(0, "found 0"), (1, "found 1"), (4, "found 1")],
)
def test_too_few_decisions_are_the_identity(rows, reason):
    said, outcome, t0, t1 = (values[:rows] for values in drawn(40, 3, scale=1.0))
    calibrator = fit_calibrator(said, outcome, t0, t1)
    assert calibrator.method == "identity" and reason in calibrator.reason
    assert calibrator_from_json(calibrator.to_json()) == calibrator


def test_without_rows_there_is_no_interval():
    none = np.empty(0, np.int64)
    low, high = fit_calibrator(np.empty((0, 3)), none, none, none).interval(np.full((2, 3), 1 / 3))
    assert np.isnan(low).all() and np.isnan(high).all() and low.shape == (2, 3)


def test_a_class_that_never_happened_is_named():
    said, outcome, t0, t1 = drawn(400, 3, scale=1.0)
    calibrator = fit_calibrator(said, np.minimum(outcome, 1), t0, t1)
    assert calibrator.method == "identity" and "0 of 400 rows in the class" in calibrator.reason


def test_labels_that_end_in_the_second_half_do_not_choose():
    """Rows of the first half are swapped so that they would choose another method if they were not purged."""
    said, outcome, t0, t1 = drawn(2000, 2, scale=2.5, seed=7)
    assert fit_calibrator(said, outcome, t0, t1).method == "platt"
    calibrator = fit_calibrator(said, outcome, t0, np.full(2000, t1.max()))
    assert calibrator.method == "identity" and "0 of 0 rows" in calibrator.reason


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 4), st.sampled_from([0.2, 1.0, 3.0]), st.sampled_from([60, 1500]))
def test_calibrated_rows_are_probabilities_in_their_bounds_and_monotone(seed, n_classes, scale, n):
    said, outcome, t0, t1 = drawn(n, n_classes, scale, seed, curve=2.0)
    calibrator = fit_calibrator(said, outcome, t0, t1)
    after = calibrator.apply(said)
    assert np.abs(after.sum(axis=1) - 1.0).max() <= 1e-12
    if calibrator.method != "identity":
        assert after.min() >= 1 / (n + 2) * (1 - 1e-9) and after.max() <= 1 - 1 / (n + 2) * (1 - 1e-9)
    odds = calibrator.per_class(said)
    for at in range(n_classes):
        order = np.argsort(said[:, at])
        assert (np.diff(odds[order, at]) >= -1e-15).all()
    alone = np.vstack([calibrator.apply(said[row : row + 1]) for row in range(0, n, 7)])
    assert alone.tobytes() == after[::7].tobytes()
    assert calibrator.apply(np.asfortranarray(said)).tobytes() == after.tobytes()
    again = calibrator_from_json(calibrator.to_json())
    assert again == calibrator and again.calibrator_id == calibrator.calibrator_id
    assert again.apply(said).tobytes() == after.tobytes()


def test_small_probabilities_are_lifted_and_the_largest_pays():
    said, outcome, t0, t1 = drawn(2000, 3, scale=2.5)
    calibrator = fit_calibrator(said, outcome, t0, t1)
    (after,) = calibrator.apply(np.array([[1e-12, 1e-12, 1.0 - 2e-12]]))
    assert after.min() == 1 / 2002 and after.sum() == pytest.approx(1.0, abs=1e-15)


def test_interval_is_wilsons_for_the_rows_of_the_bin():
    said, outcome, t0, t1 = drawn(1000, 2, scale=1.0)
    calibrator = fit_calibrator(said, outcome, t0, t1)
    low, high = calibrator.interval(said)
    # The reference takes whole numbers of rows: a probability of k/100 is k rows of the hundred.
    for p, below, above in zip(calibrator.apply(said)[:, 1], low[:, 1], high[:, 1], strict=True):
        around = [wilson(np.array(count), np.array(100)) for count in (np.floor(100 * p), np.ceil(100 * p))]
        assert around[0][0] - 1e-12 <= below <= around[1][0] + 1e-12
        assert around[0][1] - 1e-12 <= above <= around[1][1] + 1e-12
    unchanged = replace(calibrator, method="identity", maps=())
    ends = [end[0, 1] for end in unchanged.interval(np.array([[0.86, 0.14]]))]
    assert ends == pytest.approx([end.item() for end in wilson(np.array(14), np.array(100))], rel=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 3), st.sampled_from([0.2, 1.0, 3.0]), st.sampled_from([30, 200, 2500]))
def test_interval_contains_the_calibrated_probability(seed, n_classes, scale, n):
    said, outcome, t0, t1 = drawn(n, n_classes, scale, seed, curve=2.0)
    calibrator = fit_calibrator(said, outcome, t0, t1)
    asked = np.vstack([said, np.eye(n_classes)])
    low, high = calibrator.interval(asked)
    after = calibrator.apply(asked)
    assert ((low >= 0.0) & (low <= after) & (after <= high) & (high <= 1.0)).all()
    inside = (after > 0.0) & (after < 1.0)
    assert (low[inside] < after[inside]).all() and (after[inside] < high[inside]).all()


@pytest.mark.parametrize(("n", "scale"), [(400, 2.0), (2000, 2.0), (400, 0.5)])
def test_interval_holds_the_true_probability(n, scale):
    """The model's logits are ``scale`` times the truth; asked where the truth is 0.25, 0.5 and 0.75."""
    truth = np.array([0.25, 0.5, 0.75])
    logit = scale * np.log(truth / (1.0 - truth))
    up = 1.0 / (1.0 + np.exp(-logit))
    inside = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        z = rng.normal(size=n)
        said = 1.0 / (1.0 + np.exp(-scale * z))
        outcome = (rng.random(n) < 1.0 / (1.0 + np.exp(-z))).astype(np.int64)
        t0 = np.arange(n) // 4 * DAY
        calibrator = fit_calibrator(np.column_stack([1.0 - said, said]), outcome, t0, t0 + DAY)
        low, high = calibrator.interval(np.column_stack([1.0 - up, up]))
        inside.append((low[:, 1] <= truth) & (truth <= high[:, 1]))
    assert np.mean(inside) >= 0.95


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda p, y, s, e: (p[:, :1], y, s, e), "2 or more classes"),
        (lambda p, y, s, e: (p, y[1:], s, e), "like the probabilities"),
        (lambda p, y, s, e: (p * 2, y, s, e), "between 0 and 1"),
        (lambda p, y, s, e: (p * np.nan, y, s, e), "between 0 and 1"),
        (lambda p, y, s, e: (p, y - 1, s, e), "classes 0 to 2"),
        (lambda p, y, s, e: (p, y, e, s), "end before they begin"),
    ],
)
def test_what_does_not_fit_is_refused(change, found):
    with pytest.raises(ValueError, match=found):
        fit_calibrator(*change(*drawn(50, 3, scale=1.0)))


def test_probabilities_of_another_head_are_refused():
    calibrator = fit_calibrator(*drawn(50, 3, scale=1.0))
    for ask in (calibrator.apply, calibrator.interval):
        with pytest.raises(ValueError, match=r"shape \(rows, 3\)"):
            ask(np.full((1, 2), 0.5))
