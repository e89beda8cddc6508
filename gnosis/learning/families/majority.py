"""The base rate: what a model says that looks at nothing."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gnosis.learning.canonical import canonical_json

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gnosis.learning.problem import Inputs, Problem


@dataclass(frozen=True)
class Majority:
    """Class frequencies or the mean of the training rows.

    Attributes
    ----------
    answer
        Of every row: weighted class frequencies, smoothed by one row per class so that no class is called impossible,
        or the weighted mean of a number.
    """

    answer: tuple[float, ...]

    @classmethod
    def fit(cls, problem: Problem) -> Majority:
        """Count the classes or take the mean; the features are not looked at."""
        if not problem.head.is_classes:
            return cls((float(np.average(problem.target, weights=problem.weights)),))
        target = problem.target.astype(np.int64)
        counts = np.bincount(target, weights=problem.weights, minlength=problem.head.n_classes) + 1.0
        return cls(tuple((counts / counts.sum()).tolist()))

    def predict(self, inputs: Inputs, rows: NDArray[np.int64]) -> NDArray[np.float64]:  # noqa: ARG002
        """Return the same answer for every row, shape (rows, classes or 1)."""
        return np.tile(np.array(self.answer), (rows.size, 1))

    def to_bytes(self) -> bytes:
        """Return the model as canonical JSON."""
        return canonical_json({"model": "majority", "answer": self.answer}).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> Majority:
        """Read what :meth:`to_bytes` wrote."""
        return cls(tuple(json.loads(content)["answer"]))
