"""Multinomial logistic regression with an L2 penalty: the baseline of every class head."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gnosis.learning.canonical import canonical_json
from gnosis.learning.families.answers import ABSENT_SCORE, softmax, taken
from gnosis.learning.families.preparation import Preparation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from gnosis.learning.problem import Inputs, Problem


@dataclass(frozen=True)
class Logistic:
    """Linear log-odds of imputed, flagged, one-hot and standardised features.

    Attributes
    ----------
    preparation
        Learnt from the same rows as the coefficients.
    coefficients, intercept
        float64, shapes (columns, classes) and (classes,).
    """

    preparation: Preparation
    coefficients: NDArray[np.float64]
    intercept: NDArray[np.float64]

    @classmethod
    def fit(cls, problem: Problem) -> Logistic:
        """Fit preparation and coefficients on the same rows, on one BLAS thread.

        The parameters are ``C`` (inverse of the penalty), ``tolerance`` and ``max_iterations`` of scikit-learn's
        solver.

        Raises
        ------
        RuntimeError
            When the solver did not converge.
        """
        features = taken(problem.inputs.features, problem.rows)
        preparation = Preparation.fit(features, problem.weights)
        design = preparation.design(features, np.arange(len(features)))
        coefficients, intercept = _solved(design, problem)
        return cls(preparation, coefficients, intercept)

    def predict(self, inputs: Inputs, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the probabilities of the classes, shape (rows, classes)."""
        return softmax(self.preparation.linear(inputs.features, rows, self.coefficients, self.intercept))

    def to_bytes(self) -> bytes:
        """Return the model with its preparation as canonical JSON."""
        state = {
            "model": "logistic",
            "columns": self.preparation.as_json(),
            "coefficients": self.coefficients.tolist(),
            "intercept": self.intercept.tolist(),
        }
        return canonical_json(state).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> Logistic:
        """Read what :meth:`to_bytes` wrote."""
        state = json.loads(content)
        intercept = np.array(state["intercept"], dtype=np.float64)
        coefficients = np.array(state["coefficients"], dtype=np.float64).reshape(-1, intercept.size)
        return cls(Preparation.of_json(state["columns"]), coefficients, intercept)


def _solved(design: NDArray[np.float64], problem: Problem) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Coefficients (columns, classes) and intercepts; a class without training rows is out of every row's reach."""
    target = problem.target.astype(np.int64)
    classes = np.unique(target)
    coefficients = np.zeros((design.shape[1], problem.head.n_classes))
    intercept = np.full(problem.head.n_classes, ABSENT_SCORE)
    if classes.size == 1:
        intercept[classes] = 0.0
    elif not design.shape[1]:
        # Without any column that varies only the frequencies are left.
        intercept[classes] = np.log(np.bincount(target, weights=problem.weights)[classes])
    elif classes.size == 2:
        slopes, constant = _regressed(design, target, problem.weights, problem.parameters)
        coefficients[:, classes[1]] = slopes[0]
        intercept[classes] = [0.0, constant[0]]
    else:
        slopes, constant = _regressed(design, target, problem.weights, problem.parameters)
        coefficients[:, classes] = slopes.T
        intercept[classes] = constant
    return coefficients, intercept


def _regressed(
    design: NDArray[np.float64],
    target: NDArray[np.int64],
    weights: NDArray[np.float64],
    parameters: Mapping[str, Any],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    most = int(parameters["max_iterations"])
    model = LogisticRegression(C=parameters["C"], solver="lbfgs", tol=parameters["tolerance"], max_iter=most)
    with threadpool_limits(limits=1), warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always", ConvergenceWarning)
        model.fit(design, target, sample_weight=weights)
    if any(issubclass(warning.category, ConvergenceWarning) for warning in warned):
        raise RuntimeError(
            f"expected the logistic regression to converge within {most} iterations on {len(design)} rows, found it "
            "did not; look for infinite or enormous feature values"
        )
    return model.coef_, model.intercept_
