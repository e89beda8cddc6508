"""The stack: weights that are never negative, fitted on answers for unseen rows (L-5.2)."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gnosis.learning import models
from gnosis.learning.heads import HEADS
from tests.gnosis.learning.problems import fitted, problem


def class_answers(seed: int = 1) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """A good family, a weaker one and one that is always wrong."""
    rng = np.random.default_rng(seed)
    score = rng.normal(size=(500, 3))
    truth = np.exp(score) / np.exp(score).sum(axis=1, keepdims=True)
    target = np.array([rng.choice(3, p=row) for row in truth])
    noisy = np.exp(score + rng.normal(size=score.shape))
    answers = {"xgboost": truth, "logistic": noisy / noisy.sum(axis=1, keepdims=True), "sequence": truth[:, ::-1]}
    return answers, target.astype(np.float64), rng.uniform(0.5, 1.5, 500)


@pytest.mark.parametrize("inverse_penalty", [0.01, 1.0])
def test_class_weights_solve_the_penalised_likelihood(inverse_penalty: float) -> None:
    """No direction that a weight may take lowers the objective, written out in plain sums."""
    answers, target, weights = class_answers()
    stack = models.fit_stack(HEADS["direction"], answers, target, weights, {"C": inverse_penalty})
    assert stack.names == ("logistic", "sequence", "xgboost")
    assert (stack.weights >= 0.0).all() and stack.weights[1] == 0.0 and stack.weights[2] > stack.weights[0]

    def objective(share: list[float], intercept: list[float]) -> float:
        total = sum(weight**2 for weight in share) / (2.0 * inverse_penalty)
        for at, outcome in enumerate(target.astype(int)):
            scores = [
                intercept[k]
                + sum(s * math.log(answers[name][at, k]) for s, name in zip(share, stack.names, strict=True))
                for k in range(3)
            ]
            total += weights[at] * (math.log(sum(map(math.exp, scores))) - scores[outcome])
        return total

    share, intercept = stack.weights.tolist(), stack.intercept.tolist()
    lowest = objective(share, intercept)
    for at in range(3):
        for step in (-1e-3, 1e-3):
            if share[at] + step >= 0.0:
                assert objective([s + step * (k == at) for k, s in enumerate(share)], intercept) > lowest
            assert objective(share, [c + step * (k == at) for k, c in enumerate(intercept)]) > lowest


def test_number_weights_equal_a_positive_ridge() -> None:
    from sklearn.linear_model import Ridge

    rng = np.random.default_rng(2)
    truth = rng.normal(size=400)
    answers = {
        "ridge": 0.01 * truth + 0.01 * rng.normal(size=400) + 5.0,
        "xgboost": truth + rng.normal(size=400),
        "sequence": -truth,
        "majority": np.full(400, 0.3),
    }
    weights = rng.uniform(0.5, 1.5, 400)
    target = truth + rng.normal(size=400)
    stack = models.fit_stack(
        HEADS["return"], {name: column[:, None] for name, column in answers.items()}, target, weights, {"C": 0.1}
    )
    columns = np.stack([answers[name] for name in stack.names], axis=1)
    mean = np.average(columns, axis=0, weights=weights)
    spread = np.sqrt(np.average((columns - mean) ** 2, axis=0, weights=weights))
    standard = (columns - mean) / np.where(stack.names != np.array("majority"), spread, 1.0)
    reference = Ridge(alpha=10.0, positive=True, tol=1e-12).fit(standard, target, weights)
    assert stack.weights[stack.names.index("sequence")] == stack.weights[stack.names.index("majority")] == 0.0
    combined = stack.combine({name: column[:, None] for name, column in answers.items()})
    assert combined[:, 0] == pytest.approx(reference.predict(standard), abs=1e-5)


def test_a_sure_family_does_not_decide_alone() -> None:
    answers, target, weights = class_answers()
    stack = models.fit_stack(HEADS["direction"], answers, target, weights, {"C": 1.0})
    sure = {name: np.array([[1.0, 0.0, 0.0]]) if name == "xgboost" else np.full((1, 3), 1 / 3) for name in answers}
    combined = stack.combine(sure)
    assert np.isfinite(np.log(combined)).all() and combined[0, 0] > 0.9


def test_the_stack_answers_through_its_base_models() -> None:
    asked = problem("direction", "stack")
    stack = models.load("stack", fitted("direction", "stack").to_bytes())
    base = {name: fitted("direction", name).predict(asked.inputs, asked.rows) for name in ("majority", "logistic")}
    assert np.array_equal(stack.predict(asked.inputs, asked.rows), stack.combine(base))


def test_wrong_requests_are_named() -> None:
    answers, target, weights = class_answers()
    head = HEADS["direction"]
    with pytest.raises(ValueError, match="expected answers and models of the same families"):
        models.fit_stack(head, answers, target, weights, {"C": 1.0}, {"logistic": fitted("direction", "logistic")})
    with pytest.raises(ValueError, match="expected answers and models of the same families"):
        models.fit_stack(head, {}, target, weights, {"C": 1.0})
    with pytest.raises(ValueError, match="expected finite base answers"):
        models.fit_stack(head, {**answers, "logistic": np.full((500, 3), np.nan)}, target, weights, {"C": 1.0})
    stack = models.fit_stack(head, answers, target, weights, {"C": 1.0})
    with pytest.raises(ValueError, match="expected the base models"):
        stack.predict(problem("direction").inputs, np.arange(2))
    with pytest.raises(ValueError, match="found none of \\['sequence'\\]"):
        stack.combine({name: answers[name] for name in ("logistic", "xgboost")})
