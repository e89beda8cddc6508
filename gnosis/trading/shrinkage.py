"""What the odds of earlier ideas were worth: a line through the log odds that shrinks a source that was too sure."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnosis.trading.policies import Floats

PRIOR_OBSERVATIONS = 50
STEEPEST = 1.25
EVEN = 0.25
"""Information of one observation about even log odds: before any idea has resolved, so much is known 50 times."""


@dataclass(frozen=True, slots=True)
class ShrinkageMap:
    """``logit p = intercept + slope * logit p_raw``.

    Attributes
    ----------
    intercept, slope
        0 and 1 before any idea has resolved.
    n_ideas
        Resolved ideas behind the map.
    covariance
        Variance of the intercept, covariance, variance of the slope.
    """

    intercept: float = 0.0
    slope: float = 1.0
    n_ideas: int = 0
    covariance: tuple[float, float, float] = (1.0 / (PRIOR_OBSERVATIONS * EVEN), 0.0, 0.0)

    def __call__(self, p_raw: Floats) -> Floats:
        """Return the odds that sizing may use, NaN where none were stated.

        Examples
        --------
        >>> ShrinkageMap(0.0, 0.5, 2_000)(np.array([0.8])).round(4).tolist()
        [0.6667]
        """
        return 1.0 / (1.0 + np.exp(-(self.intercept + self.slope * _logit(p_raw))))

    def log_odds_error(self, p_raw: float) -> float:
        """Return the standard error of the mapped log odds that comes from the map itself.

        Examples
        --------
        >>> round(ShrinkageMap().log_odds_error(0.5), 3)
        0.283
        """
        score = math.log(p_raw / (1.0 - p_raw))
        level, both, tilt = self.covariance
        return math.sqrt(max(level + 2.0 * both * score + tilt * score**2, 0.0))


def shrinkage_map(p_raw: Floats, happened: NDArray[np.bool_], weight: float = 1.0) -> ShrinkageMap:
    """Fit the map on resolved ideas, with a ridge prior at (0, 1) that is worth 50 observations.

    Cox's (1958) recalibration of log odds. The slope stays between 0, a source that knows nothing, and 1.25.

    Parameters
    ----------
    p_raw
        float64, shape (ideas,): probability stated at birth, before the map, within (0, 1).
    happened
        bool, shape (ideas,): outcome, known at the decision that the map is for.
    weight
        What one idea tells when the error of the map is reckoned, within (0, 1]: of h ideas that overlap one h-th
        each. The map itself does not depend on it.

    Raises
    ------
    ValueError
        For arrays of different shapes or probabilities outside (0, 1).

    Examples
    --------
    >>> generator = np.random.default_rng(5)
    >>> logit = generator.normal(0.0, 0.5, 2_000)
    >>> happened = generator.uniform(size=2_000) < 1.0 / (1.0 + np.exp(-logit))
    >>> found = shrinkage_map(1.0 / (1.0 + np.exp(-2.0 * logit)), happened)
    >>> round(found.slope, 2), found.n_ideas
    (0.45, 2000)
    """
    from scipy.optimize import minimize

    if p_raw.shape != happened.shape:
        raise ValueError(f"expected one outcome per probability, found {happened.shape} for {p_raw.shape}")
    if p_raw.size and not ((p_raw > 0.0) & (p_raw < 1.0)).all():
        raise ValueError(f"expected probabilities within (0, 1), found {p_raw.min()} to {p_raw.max()}")
    if p_raw.size == 0:
        return ShrinkageMap()
    score, sign = _logit(p_raw), np.where(happened, 1.0, -1.0)
    prior, spread = np.array([0.0, 1.0]), p_raw * (1.0 - p_raw)
    # Fisher information of the mean observation about intercept and slope, were the source honest.
    worth = PRIOR_OBSERVATIONS * np.array([spread.mean(), (spread * score**2).mean()])

    def loss(line: Floats) -> tuple[float, Floats]:
        margin = sign * (line[0] + line[1] * score)
        pull = -sign / (1.0 + np.exp(margin))
        drawn = line - prior
        value = np.logaddexp(0.0, -margin).sum() + 0.5 * drawn @ (worth * drawn)
        return float(value), np.array([pull.sum(), pull @ score]) + worth * drawn

    bounds = [(None, None), (0.0, STEEPEST)]
    options = {"ftol": 1e-15, "gtol": 1e-9, "maxiter": 1_000}
    line = minimize(loss, prior, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x
    mapped = 1.0 / (1.0 + np.exp(-(line[0] + line[1] * score)))
    told = weight * mapped * (1.0 - mapped)
    level, both, tilt = worth[0] + told.sum(), told @ score, worth[1] + told @ score**2
    size = level * tilt - both**2
    return ShrinkageMap(
        float(line[0]), float(line[1]), int(p_raw.size), (float(tilt / size), float(-both / size), float(level / size))
    )


def _logit(probability: Floats) -> Floats:
    return np.log(probability) - np.log1p(-probability)
