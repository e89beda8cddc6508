"""The stack: one answer from those of several families, each counted by a weight that is never negative (Breiman 1996).

It is fitted on answers for rows that the families were not fitted on (L-5.2).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit

from gnosis.learning.canonical import pack, unpack
from gnosis.learning.families.answers import softmax

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from gnosis.learning.heads import Head
    from gnosis.learning.problem import Inputs, Problem, TrainedModel

PROBABILITY_FLOOR = 1e-6
"""Smaller base probabilities count as this: one family that calls a class impossible must not decide alone."""
MOST_LOG_ODDS = 15.0
"""Bound of the intercepts, reached only by a class without training rows."""


@dataclass(frozen=True)
class Stack:
    """Weighted sum of base answers: of logarithms of probabilities, of numbers.

    Attributes
    ----------
    names
        Base families, sorted.
    weights
        float64, shape (families,), not negative.
    intercept
        float64, shape (classes or 1,).
    models
        Base models by family, fitted on all rows; empty until :func:`fit_stack` is given them.
    """

    names: tuple[str, ...]
    weights: NDArray[np.float64]
    intercept: NDArray[np.float64]
    models: Mapping[str, TrainedModel] = field(default_factory=dict)

    @classmethod
    def fit(cls, problem: Problem) -> Stack:
        """Refuse: a problem holds no answers for rows that the base models were not fitted on (L-5.2)."""
        raise ValueError(
            f"expected out-of-fold answers of base families to stack for head {problem.head.name}, found feature rows; "
            "call fit_stack"
        )

    def combine(self, base_answers: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
        """Return the answers made of base answers.

        Parameters
        ----------
        base_answers
            By family, each of shape (rows, classes or 1).

        Raises
        ------
        ValueError
            When a family of the stack has no answers.
        """
        absent = [name for name in self.names if name not in base_answers]
        if absent:
            raise ValueError(f"expected answers of {list(self.names)}, found none of {absent}")
        together = np.stack([np.asarray(base_answers[name], dtype=np.float64) for name in self.names])
        if self.intercept.size == 1:
            return _weighted(together, self.weights, self.intercept)
        return softmax(_weighted(_logarithms(together), self.weights, self.intercept))

    def predict(self, inputs: Inputs, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the answers for positions of ``inputs``, shape (rows, classes or 1).

        Raises
        ------
        ValueError
            When the stack was fitted without base models.
        """
        if not self.models:
            raise ValueError(f"expected the base models {list(self.names)}, found none; pass them to fit_stack")
        return self.combine({name: self.models[name].predict(inputs, rows) for name in self.names})

    def to_bytes(self) -> bytes:
        """Return the weights as JSON, followed by the canonical bytes of the base models."""
        header = {
            "model": "stack",
            "names": self.names,
            "weights": self.weights.tolist(),
            "intercept": self.intercept.tolist(),
        }
        return pack(header, {name: model.to_bytes() for name, model in self.models.items()})

    @classmethod
    def from_bytes(cls, content: bytes) -> Stack:
        """Read what :meth:`to_bytes` wrote."""
        # The families by name include this one, so they are looked up when the models are read.
        from gnosis.learning.models import load

        header, blocks = unpack(content)
        return cls(
            names=tuple(header["names"]),
            weights=np.array(header["weights"], dtype=np.float64),
            intercept=np.array(header["intercept"], dtype=np.float64),
            models={name: load(name, block) for name, block in blocks.items()},
        )


def fit_stack(
    head: Head,
    base_answers: Mapping[str, NDArray[np.float64]],
    target: NDArray[np.float64],
    weights: NDArray[np.float64],
    parameters: Mapping[str, Any],
    models: Mapping[str, TrainedModel] | None = None,
) -> Stack:
    """Fit the weights of the families.

    Class heads minimise ``C sum w_i log loss_i + |weights|^2 / 2`` over ``softmax(intercept + sum weight log p)``,
    numbers ``C sum w_i (y_i - f_i)^2 + |weights|^2`` over standardised base answers; every weight is at least 0.

    Parameters
    ----------
    head
        The question.
    base_answers
        By family, float64 of shape (rows, classes or 1), out of fold.
    target, weights
        float64, shape (rows,).
    parameters
        ``C``, inverse of the penalty.
    models
        Base models by family, for :meth:`Stack.predict`.

    Raises
    ------
    ValueError
        Without base answers, with answers that are not finite, or with models of other families.
    """
    names = tuple(sorted(base_answers))
    if not names or (models is not None and tuple(sorted(models)) != names):
        raise ValueError(f"expected answers and models of the same families, found {names} and {sorted(models or {})}")
    together = np.stack([np.asarray(base_answers[name], dtype=np.float64) for name in names])
    if not np.isfinite(together).all():
        raise ValueError("expected finite base answers, found others; leave out the rows that a family cannot answer")
    solve = _class_weights if head.is_classes else _number_weights
    found, intercept = solve(together, target, weights, float(parameters["C"]))
    return Stack(names, found, intercept, dict(models or {}))


def _class_weights(
    answers: NDArray[np.float64], target: NDArray[np.float64], weights: NDArray[np.float64], inverse_penalty: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    from scipy.optimize import minimize

    families, rows, classes = answers.shape
    logs = _logarithms(answers)
    outcome = target.astype(np.int64)
    one_hot = np.eye(classes)[outcome]

    def objective(x: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        share, intercept = x[:families], np.concatenate([[0.0], x[families:]])
        probabilities = softmax(_weighted(logs, share, intercept))
        likelihood = np.log(np.maximum(probabilities[np.arange(rows), outcome], np.finfo(np.float64).tiny))
        error = (probabilities - one_hot) * weights[:, None]
        slope_of_share = (logs * error).sum(axis=(1, 2)) + share / inverse_penalty
        value = -float((weights * likelihood).sum()) + float((share**2).sum()) / (2.0 * inverse_penalty)
        gradient = np.concatenate([slope_of_share, error.sum(axis=0)[1:]])
        return value / rows, gradient / rows

    start = np.concatenate([np.full(families, 1.0 / families), np.zeros(classes - 1)])
    bounds = [(0.0, None)] * families + [(-MOST_LOG_ODDS, MOST_LOG_ODDS)] * (classes - 1)
    found = minimize(
        objective, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-13, "gtol": 1e-9}
    )
    return found.x[:families], np.concatenate([[0.0], found.x[families:]])


def _number_weights(
    answers: NDArray[np.float64], target: NDArray[np.float64], weights: NDArray[np.float64], inverse_penalty: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    from scipy.optimize import nnls

    numbers = answers[:, :, 0].T
    centre = np.average(numbers, axis=0, weights=weights)
    scale = np.sqrt(np.average((numbers - centre) ** 2, axis=0, weights=weights))
    varies = scale > 1e-9 * np.maximum(np.abs(centre), 1e-3)
    mean = float(np.average(target, weights=weights))
    found = np.zeros(centre.size)
    if varies.any():
        standard = (numbers[:, varies] - centre[varies]) / scale[varies]
        root = np.sqrt(weights)
        # The penalty as rows of its own: |A x - b|^2 of the longer system is the penalised sum.
        penalty = np.eye(int(varies.sum())) / math.sqrt(inverse_penalty)
        system = np.vstack([standard * root[:, None], penalty])
        found[varies] = nnls(system, np.concatenate([(target - mean) * root, np.zeros(len(penalty))]))[0]
        found[varies] /= scale[varies]
    return found, np.array([mean - float((found * centre).sum())])


@njit(cache=True, nogil=True, error_model="numpy")
def _logarithms(answers: NDArray[np.float64]) -> NDArray[np.float64]:
    out = np.empty(answers.shape)
    for at, value in np.ndenumerate(answers):
        out[at] = math.log(max(value, PROBABILITY_FLOOR))
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def _weighted(
    answers: NDArray[np.float64], weights: NDArray[np.float64], intercept: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return ``intercept + sum_m weights[m] * answers[m]`` of answers (families, rows, outputs), family by family."""
    families, rows, outputs = answers.shape
    out = np.empty((rows, outputs))
    for row in range(rows):
        for output in range(outputs):
            total = intercept[output]
            for family in range(families):
                total += weights[family] * answers[family, row, output]
            out[row, output] = total
    return out
