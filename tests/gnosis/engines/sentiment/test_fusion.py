"""Fusion of readings: weights, mean, agreement (5.9; S2, S6, K6)."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnosis.engines.sentiment.fusion import error_variances, fuse, fusion_weights
from gnosis.sessions import sessions_between
from gnosis.simulate.sentiment import sentiment_readings

UNIT = st.floats(-1.0, 1.0).map(lambda value: round(value, 4))
SHARE = st.floats(0.01, 1.0).map(lambda value: round(value, 4))
READINGS = st.lists(st.tuples(UNIT, SHARE, SHARE), min_size=1, max_size=8)


def fused_of(rows):
    v, c, w = (np.array(part) for part in zip(*rows, strict=True))
    return fuse(v[:, None], c[:, None], w)


@pytest.mark.parametrize(
    ("variances", "cap", "expected"),
    [([1, 2, 4], 0.4, [0.4, 0.4, 0.2]), ([1, 2, 4, 4], 0.35, [0.35, 0.325, 0.1625, 0.1625]), ([2, 2], 0.5, [0.5, 0.5])],
)
def test_weights_of_the_specification(variances, cap, expected):
    assert fusion_weights(variances, cap) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("variances", "cap"), [([1, 0], 1.0), ([1, np.nan], 1.0), ([], 1.0), ([1, 1], 0.4)])
def test_impossible_weights_are_refused(variances, cap):
    with pytest.raises(ValueError, match="expected"):
        fusion_weights(variances, cap)


@given(st.lists(st.floats(1e-3, 1e3), min_size=3, max_size=8))
def test_weights_sum_to_one_under_the_cap_in_the_order_of_precision(variances):
    weights = fusion_weights(variances, 0.35)
    assert weights.sum() == pytest.approx(1.0)
    assert weights.max() <= 0.35 + 1e-9
    assert (np.diff(weights[np.argsort(variances, kind="stable")]) <= 1e-12).all()


def test_planted_error_variances_give_their_weights():
    """K6: three sources around a latent sentiment, 2,000 sessions."""
    days = sessions_between(dt.date(2010, 1, 4), dt.date(2017, 12, 29))[:2000]
    for seed in range(3):
        frame, truth = sentiment_readings(days, seed)
        readings = frame.select("reading_1", "reading_2", "reading_3").to_numpy()
        weights = fusion_weights(error_variances(readings, frame["latent"].to_numpy()), cap=1.0)
        assert weights == pytest.approx(truth.weights, abs=0.05)


def test_too_few_errors_are_refused():
    with pytest.raises(ValueError, match="at least 2"):
        error_variances([[1.0]], [0.0])


def test_two_readings_of_the_specification():
    v = np.full((8, 1), np.nan)
    c = np.zeros((8, 1))
    v[:2, 0], c[:2, 0] = (0.5, -0.2), (0.8, 0.4)
    assert fuse(v, c, np.full(8, 1 / 8)).value.item() == pytest.approx(0.2666666667, abs=1e-10)


def test_readings_of_zero_say_nothing_of_agreement():
    found = fuse(np.zeros((3, 1)), np.ones((3, 1)), np.full(3, 1 / 3))
    assert (found.value.item(), found.mean_square.item(), found.dispersion.item()) == (0.0, 0.0, 0.0)
    assert np.isnan(found.agreement.item())


def test_a_reading_of_zero_is_not_a_missing_one():
    v, c = np.array([[0.5, 0.5], [0.0, np.nan]]), np.ones((2, 2))
    assert fuse(v, c, np.full(2, 0.5)).value.tolist() == [0.25, 0.5]


def test_without_any_reading_nothing_is_known():
    assert all(np.isnan(part.item()) for part in fuse([[np.nan]], [[0.0]], [1.0]))


@settings(max_examples=60)
@given(READINGS, UNIT)
def test_scaling_all_readings(rows, scale):
    found, scaled = fused_of(rows), fused_of([(v * scale, c, w) for v, c, w in rows])
    assert scaled.value.item() == pytest.approx(found.value.item() * scale, abs=1e-12)
    assert scaled.mean_square.item() == pytest.approx(found.mean_square.item() * scale**2, abs=1e-12)


@settings(max_examples=60)
@given(READINGS, st.integers(0, 7), st.floats(0.0, 1.0))
def test_raising_a_reading_never_lowers_the_fused_one(rows, which, rise):
    raised = [(min(1.0, v + rise), c, w) if number == which else (v, c, w) for number, (v, c, w) in enumerate(rows)]
    assert fused_of(raised).value.item() >= fused_of(rows).value.item() - 1e-12


@settings(max_examples=60)
@given(READINGS)
def test_ranges(rows):
    found = fused_of(rows)
    assert -1 <= found.value.item() <= 1
    assert 0 <= found.dispersion.item() <= 1 + 1e-12
    assert abs(found.top_contribution.item()) <= 1 + 1e-12
    signs = {np.sign(v) for v, _, _ in rows} - {0.0}
    if len(signs) == 1:
        assert found.agreement.item() == pytest.approx(1.0)


def test_one_point_or_many_are_the_same_bits():
    """C1: what a night says of one symbol is what a long run says of it."""
    rng = np.random.default_rng(5)
    v, c = rng.uniform(-1.0, 1.0, (8, 150)), rng.uniform(0.0, 1.0, (8, 150))
    v[rng.random(v.shape) < 0.1] = np.nan
    weights = fusion_weights(rng.uniform(0.5, 2.0, 8))
    together = np.stack(fuse(v, c, weights))
    alone = [np.stack(fuse(v[:, [at]], c[:, [at]], weights)) for at in range(v.shape[1])]
    assert np.array_equal(together, np.concatenate(alone, axis=1), equal_nan=True)
