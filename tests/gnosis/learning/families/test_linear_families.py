"""Base rate, preparation, logistic and ridge regression, EWMA."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from gnosis.learning import models
from gnosis.learning.families.ewma import Ewma
from gnosis.learning.families.logistic import Logistic
from gnosis.learning.families.majority import Majority
from gnosis.learning.families.preparation import CATEGORY, MISSING, NUMBER, Preparation
from gnosis.learning.families.ridge import Ridge
from gnosis.learning.matrix import CATEGORIES
from tests.gnosis.learning.problems import EMPTY, fitted, kept, problem


def test_majority_is_the_smoothed_base_rate() -> None:
    asked = problem("direction", n=10)
    target = np.array([0.0] * 3 + [2.0] * 7)
    model = models.fit("majority", replace(asked, target=target, weights=np.ones(10)))
    assert model.to_bytes() == (
        b'{"answer":[0.3076923076923077,0.07692307692307693,0.6153846153846154],"model":"majority"}'
    )


def test_majority_of_numbers_is_their_weighted_mean() -> None:
    asked = kept(problem("return"), np.arange(4))
    asked = replace(asked, target=np.array([1.0, 2.0, 3.0, 6.0]), weights=np.array([0.5, 0.5, 0.5, 2.5]))
    model = models.fit("majority", asked)
    assert isinstance(model, Majority) and model.answer == (4.5,)


def test_preparation_of_one_feature_by_hand() -> None:
    """A plain twin of every column of one number and one category."""
    asked = problem("direction")
    features, weights = asked.inputs.features, asked.weights
    prepared = Preparation.fit(features, weights)
    (code_at, *_) = CATEGORIES
    for at, kinds in ((0, (NUMBER, MISSING)), (code_at, (CATEGORY, MISSING))):
        values = [float(value) for value in features[:, at]]
        known = sorted(value for value in values if not math.isnan(value))
        middle = len(known) // 2
        median = known[middle] if len(known) % 2 else (known[middle - 1] + known[middle]) / 2
        for kind in kinds:
            for column in np.flatnonzero((prepared.feature == at) & (prepared.kind == kind)):
                stored = float(prepared.value[column])
                raw = {
                    NUMBER: [median if math.isnan(value) else value for value in values],
                    MISSING: [float(math.isnan(value)) for value in values],
                    CATEGORY: [float(value == stored) for value in values],
                }[kind]
                mean = sum(w * x for w, x in zip(weights, raw, strict=True)) / sum(weights)
                spread = math.sqrt(sum(w * (x - mean) ** 2 for w, x in zip(weights, raw, strict=True)) / sum(weights))
                design = prepared.design(features, asked.rows)[:, column]
                assert design == pytest.approx([(x - mean) / spread for x in raw], abs=1e-12)
    assert set(prepared.value[(prepared.feature == code_at) & (prepared.kind == CATEGORY)]) == set(range(5))
    assert EMPTY not in prepared.feature, "a feature without values in training is left out"


def test_preparation_leaves_out_what_varies_by_rounding_only() -> None:
    features = problem("direction").inputs.features.copy()
    features[:, 0] = 7.0
    features[:, 1] = np.where(np.arange(300) % 2, np.float32(0.1), np.nan)
    prepared = Preparation.fit(features, np.ones(300))
    assert 0 not in prepared.feature
    assert prepared.kind[prepared.feature == 1].tolist() == [MISSING]


def test_linear_scores_are_intercept_plus_design_times_coefficients() -> None:
    asked, model = problem("direction"), fitted("direction", "logistic")
    assert isinstance(model, Logistic)
    scores = model.preparation.linear(asked.inputs.features, asked.rows, model.coefficients, model.intercept)
    product = model.preparation.design(asked.inputs.features, asked.rows) @ model.coefficients + model.intercept
    assert np.abs(scores - product).max() < 1e-12


def test_logistic_solves_the_penalised_likelihood() -> None:
    asked, model = problem("direction"), fitted("direction", "logistic")
    assert isinstance(model, Logistic)
    design = model.preparation.design(asked.inputs.features, asked.rows)
    answers = model.predict(asked.inputs, asked.rows)
    error = (answers - np.eye(3)[asked.target.astype(int)]) * asked.weights[:, None]
    gradient = design.T @ error + model.coefficients / models.PARAMETERS["logistic"]["C"]
    assert np.abs(gradient).max() / 300 < 1e-5 and np.abs(error.sum(axis=0)).max() / 300 < 1e-5


def test_logistic_of_a_class_pair_keeps_the_third_out_of_reach() -> None:
    asked = problem("direction", "logistic")
    model = models.fit("logistic", kept(asked, np.flatnonzero(asked.target != 1.0)))
    assert (model.predict(asked.inputs, asked.rows)[:, 1] < 1e-15).all()


def test_logistic_without_a_column_that_varies_is_the_frequency() -> None:
    asked = problem("meta", "logistic")
    flat = replace(asked.inputs, features=np.ones_like(asked.inputs.features))
    model = models.fit("logistic", replace(asked, inputs=flat))
    share = float(asked.weights[asked.target == 1.0].sum() / asked.weights.sum())
    assert model.predict(flat, asked.rows[:1])[0, 1] == pytest.approx(share, rel=1e-12)


def test_logistic_that_does_not_converge_is_an_error() -> None:
    asked = replace(problem("meta"), parameters={"C": 10.0, "tolerance": 1e-12, "max_iterations": 2})
    with pytest.raises(RuntimeError, match="converge within 2 iterations"):
        models.fit("logistic", asked)


def test_ridge_equals_scikit_learn() -> None:
    from sklearn.linear_model import Ridge as Reference

    asked, model = problem("return"), fitted("return", "ridge")
    assert isinstance(model, Ridge)
    design = model.preparation.design(asked.inputs.features, asked.rows)
    reference = Reference(alpha=1.0 / models.PARAMETERS["ridge"]["C"]).fit(design, asked.target, asked.weights)
    assert np.abs(reference.predict(design) - model.predict(asked.inputs, asked.rows)[:, 0]).max() < 1e-10


def test_ewma_recovers_a_planted_autoregression() -> None:
    asked = problem("volatility")
    known = np.log(asked.inputs.sigma_bar * math.sqrt(252))
    model = models.fit("ewma", replace(asked, target=0.25 + 0.6 * known))
    assert isinstance(model, Ewma)
    assert (model.intercept, model.slope) == pytest.approx((0.25, 0.6), abs=1e-12)


def test_ewma_answers_nothing_where_the_scale_is_unknown() -> None:
    asked, model = problem("volatility"), fitted("volatility", "ewma")
    sigma_bar = np.where(asked.rows < 2, [np.nan, 0.0] * 150, asked.inputs.sigma_bar)
    answers = model.predict(replace(asked.inputs, sigma_bar=sigma_bar), asked.rows)
    assert np.isnan(answers[:2]).all() and np.isfinite(answers[2:]).all()


def test_ewma_without_any_scale_is_an_error() -> None:
    asked = problem("volatility")
    with pytest.raises(ValueError, match="expected sigma_bar for some of the 300 training rows"):
        models.fit("ewma", replace(asked, inputs=replace(asked.inputs, sigma_bar=np.full(300, np.nan))))
