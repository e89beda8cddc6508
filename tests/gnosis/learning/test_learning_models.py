"""Models: baselines, trees, their canonical bytes and their probabilities (sections 5, 12 and 13)."""

from __future__ import annotations

import json

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from gnosis.learning import models
from gnosis.learning.baselines import Logistic, Majority
from gnosis.learning.matrix import CATEGORIES, FEATURE_NAMES

NAMES = list(models.PARAMETERS)


@pytest.fixture(scope="module")
def sample() -> tuple[np.ndarray, np.ndarray]:
    """Features with missing values and categories; the class leans on feature 0."""
    rng = np.random.default_rng(8)
    features = rng.normal(size=(800, len(FEATURE_NAMES))).astype(np.float32)
    for at, names in CATEGORIES.items():
        features[:, at] = rng.integers(0, len(names), 800)
    lean = 0.8 * features[:, 0] + rng.normal(size=800)
    target = np.where(lean < -0.1, 0, np.where(lean > 0.1, 2, 1))
    features[rng.random(features.shape) < 0.05] = np.nan
    features[:, 5] = np.nan
    return features, target


def fitted(name: str, sample, seed: int = 7) -> models.TrainedModel:
    features, target = sample
    stopping = np.arange(600), np.arange(640, 800)
    return models.fit(name, features, target, np.ones(len(target)), seed=seed, stopping=stopping)


@pytest.mark.parametrize("name", NAMES)
def test_two_trainings_are_the_same_bytes(name: str, sample) -> None:
    with threadpool_limits(1):
        one = fitted(name, sample).to_bytes()
    with threadpool_limits(2):
        two = fitted(name, sample).to_bytes()
    assert models.model_sha256(one) == models.model_sha256(two)


@pytest.mark.parametrize("name", NAMES)
def test_bytes_come_back_as_the_same_model(name: str, sample) -> None:
    model = fitted(name, sample)
    again = models.load(name, model.to_bytes())
    assert again.to_bytes() == model.to_bytes()
    assert np.array_equal(again.predict_proba(sample[0]), model.predict_proba(sample[0]))


@pytest.mark.parametrize("name", NAMES)
def test_probabilities_are_probabilities_and_one_row_equals_many(name: str, sample) -> None:
    model = fitted(name, sample)
    features = sample[0][:97]
    many = model.predict_proba(features)
    assert many.shape == (97, 3) and many.dtype == np.float64
    assert (many > 0).all() and (many < 1).all()
    assert np.abs(many.sum(axis=1) - 1).max() < 1e-9
    for at in range(len(features)):
        assert np.array_equal(model.predict_proba(features[at : at + 1])[0], many[at])
    assert model.predict_proba(features[:0]).shape == (0, 3)


@pytest.mark.parametrize("name", ["logistic", "xgboost"])
def test_the_lean_is_found(name: str, sample) -> None:
    probe = np.zeros((2, len(FEATURE_NAMES)), dtype=np.float32)
    probe[:, 0] = [-2.0, 2.0]
    low, high = fitted(name, sample).predict_proba(probe)
    assert low[0] > 0.6 and high[2] > 0.6


@pytest.mark.parametrize("name", ["logistic", "xgboost"])
def test_a_category_never_seen_in_training_gets_an_answer(name: str, sample) -> None:
    features, target = sample
    (at, *_) = CATEGORIES
    seen = features[:, at] != 3
    model = models.fit(name, features[seen], target[seen], np.ones(seen.sum()), seed=1)
    probe = features[seen][:20].copy()
    probe[:, at] = 3
    assert np.abs(model.predict_proba(probe).sum(axis=1) - 1).max() < 1e-9


@pytest.mark.parametrize("name", NAMES)
def test_a_class_absent_from_training_is_improbable_not_an_error(name: str, sample) -> None:
    features, target = sample
    for kept in ((0, 2), (2,)):
        rows = np.isin(target, kept)
        model = models.fit(name, features[rows], target[rows], np.ones(rows.sum()), seed=1)
        probabilities = model.predict_proba(features)
        assert (probabilities[:, 1] < 0.05).all()
        assert np.abs(probabilities.sum(axis=1) - 1).max() < 1e-9


def test_majority_is_the_smoothed_base_rate() -> None:
    model = Majority.fit(np.zeros((10, 27), dtype=np.float32), np.array([0] * 3 + [2] * 7), np.ones(10))
    assert model.probabilities == (4 / 13, 1 / 13, 8 / 13)
    assert model.to_bytes() == (
        b'{"model":"majority","probabilities":[0.3076923076923077,0.07692307692307693,0.6153846153846154]}'
    )


def test_preprocessing_is_fitted_on_the_training_rows_and_stored(sample) -> None:
    features, _ = sample
    state = json.loads(fitted("logistic", sample).to_bytes())
    assert 5 not in state["preparation"]["numeric"], "a feature without values in training is left out"
    first = features[:, 0].astype(np.float64)
    assert state["preparation"]["medians"][0] == pytest.approx(np.nanmedian(first), abs=1e-12)
    filled = np.where(np.isnan(first), np.nanmedian(first), first)
    assert state["centre"][0] == pytest.approx(filled.mean())
    assert state["scale"][0] == pytest.approx(filled.std())
    shifted = features.copy()
    shifted[700:] += 100.0
    model = models.load("logistic", fitted("logistic", sample).to_bytes())
    assert isinstance(model, Logistic)
    assert np.array_equal(model.predict_proba(shifted)[:700], model.predict_proba(features)[:700])


def test_logistic_weights_count_like_repeated_rows(sample) -> None:
    features, target = features_without_gaps(sample)
    weights = np.where(np.arange(len(target)) % 2, 2.0, 1.0)
    repeated = np.repeat(np.arange(len(target)), weights.astype(int))
    one = models.fit("logistic", features, target, weights, seed=1).predict_proba(features)
    two = models.fit("logistic", features[repeated], target[repeated], np.ones(len(repeated)), seed=1)
    assert np.abs(one - two.predict_proba(features)).max() < 1e-6


def features_without_gaps(sample) -> tuple[np.ndarray, np.ndarray]:
    features, target = sample
    return np.nan_to_num(features), target


def test_seed_moves_only_the_trees(sample) -> None:
    assert fitted("logistic", sample, 1).to_bytes() == fitted("logistic", sample, 2).to_bytes()
    assert fitted("xgboost", sample, 1).to_bytes() != fitted("xgboost", sample, 2).to_bytes()


def test_stopping_uses_the_later_slice_only_to_count_rounds(sample) -> None:
    features, target = sample
    rng = np.random.default_rng(2)
    noise = target.copy()
    noise[640:] = rng.permutation(noise[640:])
    stopping = np.arange(600), np.arange(640, 800)
    short = models.fit("xgboost", features, noise, np.ones(800), seed=7, stopping=stopping)
    full = models.fit("xgboost", features, noise, np.ones(800), seed=7)
    assert short.booster.num_boosted_rounds() < full.booster.num_boosted_rounds() == 150  # type: ignore[attr-defined]


def test_wrong_requests_are_named(sample) -> None:
    features, target = sample
    with pytest.raises(ValueError, match="expected one of the models"):
        models.fit("oracle", features, target, np.ones(800), seed=1)
    with pytest.raises(ValueError, match="expected as many features, targets and weights"):
        models.fit("majority", features, target[:-1], np.ones(800), seed=1)
