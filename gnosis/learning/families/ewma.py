"""The volatility that is already known: EWMA, with a first-order autoregression fitted on it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from gnosis.learning.canonical import canonical_json

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gnosis.learning.problem import Inputs, Problem

BARS_PER_YEAR = 252


@dataclass(frozen=True)
class Ewma:
    """``ln y_vol = intercept + slope * ln(sigma_bar sqrt(252))``, by weighted least squares.

    ``sigma_bar`` is the exponentially weighted volatility of the label scale (RiskMetrics 1996), so slope 1 and
    intercept 0 answer that volatility stays as it is.

    Attributes
    ----------
    intercept, slope
        In logarithms of annual volatility.
    """

    intercept: float
    slope: float

    @classmethod
    def fit(cls, problem: Problem) -> Ewma:
        """Fit on the rows whose ``sigma_bar`` is known and positive; the features are not looked at.

        Raises
        ------
        ValueError
            When no row has a ``sigma_bar``.
        """
        known = _log_volatility(problem.inputs.sigma_bar[problem.rows])
        at = np.isfinite(known)
        if not at.any():
            raise ValueError(
                f"expected sigma_bar for some of the {known.size} training rows, found none; pass inputs() the "
                "sigma_bar of models.dataset"
            )
        x, y, weights = known[at], problem.target[at], problem.weights[at]
        mean_x, mean_y = np.average(x, weights=weights), np.average(y, weights=weights)
        spread = float(np.sum(weights * (x - mean_x) ** 2))
        # Volatilities that differ by rounding only hold no slope.
        if spread <= 1e-18 * float(weights.sum()):
            return cls(float(mean_y), 0.0)
        slope = float(np.sum(weights * (x - mean_x) * (y - mean_y))) / spread
        return cls(float(mean_y - slope * mean_x), slope)

    def predict(self, inputs: Inputs, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the logarithm of annual volatility, shape (rows, 1), NaN where ``sigma_bar`` is unknown."""
        return (self.intercept + self.slope * _log_volatility(inputs.sigma_bar[rows]))[:, None]

    def to_bytes(self) -> bytes:
        """Return the model as canonical JSON."""
        return canonical_json({"model": "ewma", **asdict(self)}).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> Ewma:
        """Read what :meth:`to_bytes` wrote."""
        state = json.loads(content)
        return cls(state["intercept"], state["slope"])


def _log_volatility(sigma_bar: NDArray[np.float64]) -> NDArray[np.float64]:
    # A volatility of zero has no logarithm: unknown, like a missing one.
    return np.log(np.where(sigma_bar > 0.0, sigma_bar, np.nan) * np.sqrt(BARS_PER_YEAR))
