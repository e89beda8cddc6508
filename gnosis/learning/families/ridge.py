"""Ridge regression (Hoerl and Kennard 1970): the linear baseline of the heads whose answer is a number."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gnosis.learning.canonical import canonical_json
from gnosis.learning.families.answers import taken
from gnosis.learning.families.preparation import Preparation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gnosis.learning.problem import Inputs, Problem


@dataclass(frozen=True)
class Ridge:
    """Linear answer of imputed, flagged, one-hot and standardised features.

    Attributes
    ----------
    preparation
        Learnt from the same rows as the coefficients.
    coefficients
        float64, shape (columns, 1).
    intercept
        float64, shape (1,): the weighted mean of the training target, as every column has mean zero.
    """

    preparation: Preparation
    coefficients: NDArray[np.float64]
    intercept: NDArray[np.float64]

    @classmethod
    def fit(cls, problem: Problem) -> Ridge:
        """Minimise ``C sum w (y - f)^2 + |coefficients|^2`` on one BLAS thread; ``C`` is the only parameter."""
        from scipy.linalg import solve
        from threadpoolctl import threadpool_limits

        features = taken(problem.inputs.features, problem.rows)
        preparation = Preparation.fit(features, problem.weights)
        design = preparation.design(features, np.arange(len(features)))
        mean = np.average(problem.target, weights=problem.weights)
        with threadpool_limits(limits=1):
            weighted = (design * problem.weights[:, None]).T
            gram = weighted @ design + np.eye(design.shape[1]) / float(problem.parameters["C"])
            moments = (weighted @ (problem.target - mean))[:, None]
            coefficients = solve(gram, moments, assume_a="pos") if gram.size else moments
        return cls(preparation, coefficients, np.array([mean]))

    def predict(self, inputs: Inputs, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the answers, shape (rows, 1)."""
        return self.preparation.linear(inputs.features, rows, self.coefficients, self.intercept)

    def to_bytes(self) -> bytes:
        """Return the model with its preparation as canonical JSON."""
        state = {
            "model": "ridge",
            "columns": self.preparation.as_json(),
            "coefficients": self.coefficients[:, 0].tolist(),
            "intercept": self.intercept.tolist(),
        }
        return canonical_json(state).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> Ridge:
        """Read what :meth:`to_bytes` wrote."""
        state = json.loads(content)
        coefficients = np.array(state["coefficients"], dtype=np.float64)[:, None]
        return cls(Preparation.of_json(state["columns"]), coefficients, np.array(state["intercept"], dtype=np.float64))
