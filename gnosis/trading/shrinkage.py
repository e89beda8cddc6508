"""What the odds of earlier ideas were worth: a line through the log odds that shrinks a source that was too sure."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnosis.trading.policies import Floats

PRIOR_OBSERVATIONS = 50
STEEPEST = 1.25
MOST_STEPS, LEAST_STEP = 50, 1e-12
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

    line = _fitted(score, sign, prior, worth)
    mapped = 1.0 / (1.0 + np.exp(-(line[0] + line[1] * score)))
    told = weight * mapped * (1.0 - mapped)
    level, both, tilt = worth[0] + told.sum(), told @ score, worth[1] + told @ score**2
    size = level * tilt - both**2
    return ShrinkageMap(
        float(line[0]), float(line[1]), int(p_raw.size), (float(tilt / size), float(-both / size), float(level / size))
    )


def _fitted(score: Floats, sign: Floats, prior: Floats, worth: Floats) -> Floats:
    """Return the line of least penalised log loss with its slope within bounds: the loss is convex in the line."""
    line = _newton(score, sign, prior, worth, prior, is_free=True)
    if 0.0 <= line[1] <= STEEPEST:
        return line
    bound = np.array([line[0], min(max(line[1], 0.0), STEEPEST)])
    return _newton(score, sign, prior, worth, bound, is_free=False)


def _newton(score: Floats, sign: Floats, prior: Floats, worth: Floats, start: Floats, *, is_free: bool) -> Floats:
    """Return the least loss by Newton steps, halved while they overshoot; the slope stays where it is unless free."""
    line, best = start.copy(), _loss(start, score, sign, prior, worth)
    for _ in range(MOST_STEPS):
        odds = 1.0 / (1.0 + np.exp(-(line[0] + line[1] * score)))
        miss = odds - (sign > 0.0)
        slope = np.array([miss.sum(), miss @ score]) + worth * (line - prior)
        spread = odds * (1.0 - odds)
        bent = np.diag(worth) + np.array([[spread.sum(), spread @ score], [spread @ score, spread @ score**2]])
        step = np.linalg.solve(bent, slope) if is_free else np.array([slope[0] / bent[0, 0], 0.0])
        while (found := _loss(line - step, score, sign, prior, worth)) > best and np.abs(step).max() > LEAST_STEP:
            step = step / 2.0
        line, best = line - step, min(found, best)
        if np.abs(step).max() <= LEAST_STEP:
            break
    return line


def _loss(line: Floats, score: Floats, sign: Floats, prior: Floats, worth: Floats) -> float:
    drawn = line - prior
    return float(np.logaddexp(0.0, -sign * (line[0] + line[1] * score)).sum() + 0.5 * drawn @ (worth * drawn))


def _logit(probability: Floats) -> Floats:
    return np.log(probability) - np.log1p(-probability)
