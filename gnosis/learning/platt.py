"""Logistic lines: Platt scaling of a score, and the recalibration line that tells how well probabilities are scaled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gnosis.learning.metrics import SMALLEST_PROBABILITY

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_STEPS = 100


class NoLineError(ValueError):
    """Rows that no logistic line fits best: one outcome only, scores that do not vary, or perfect separation."""


def logits(probability: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``ln(p / (1 - p))``, probabilities taken as at least 1e-12 away from 0 and 1.

    Examples
    --------
    >>> logits(np.array([0.5, 0.9])).round(6).tolist()
    [0.0, 2.197225]
    """
    inside = np.clip(probability, SMALLEST_PROBABILITY, 1.0 - SMALLEST_PROBABILITY)
    odds: NDArray[np.float64] = np.log(inside / (1.0 - inside))
    return odds


def sigmoid(score: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``1 / (1 + exp(-score))``.

    Examples
    --------
    >>> sigmoid(np.array([0.0, -800.0])).tolist()
    [0.5, 0.0]
    """
    shrunk = np.exp(-np.abs(score))
    probability: NDArray[np.float64] = np.where(score < 0.0, shrunk, 1.0) / (1.0 + shrunk)
    return probability


def smoothed_targets(happened: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return Platt's targets, which keep a perfectly separated score from an infinite slope.

    ``(N+ + 1) / (N+ + 2)`` where the class happened and ``1 / (N- + 2)`` where it did not (Platt 1999).

    Examples
    --------
    >>> smoothed_targets(np.repeat([True, False], 5))[[0, -1]].round(6).tolist()
    [0.857143, 0.142857]
    """
    positives = int(happened.sum())
    negatives = happened.size - positives
    return np.where(happened, (positives + 1.0) / (positives + 2.0), 1.0 / (negatives + 2.0))


def line_terms(
    score: NDArray[np.float64], target: NDArray[np.float64], intercepts: NDArray[np.float64], slope: float
) -> tuple[NDArray[np.float64], ...]:
    """Return, row by row, gradient and curvature of the log likelihood of a logistic line.

    Parameters
    ----------
    score, target
        Shape (rows, columns); each column has an intercept of its own, all share the slope.
    intercepts, slope
        Of the line.

    Returns
    -------
    tuple of numpy.ndarray
        By intercept (rows, columns) and by slope (rows,), then the curvatures intercept-intercept (rows, columns),
        intercept-slope (rows, columns) and slope-slope (rows,). Sums over rows go into :func:`newton_step`.
    """
    probability = sigmoid(intercepts + slope * score)
    left, weight = target - probability, probability * (1.0 - probability)
    return left, (left * score).sum(axis=1), weight, weight * score, (weight * score * score).sum(axis=1)


def newton_step(
    by_intercept: NDArray[np.float64],
    by_slope: NDArray[np.float64],
    intercept_curvature: NDArray[np.float64],
    mixed_curvature: NDArray[np.float64],
    slope_curvature: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the Newton step of intercepts (..., columns) and slope (...), for any number of weightings at once.

    The arguments are sums over rows of :func:`line_terms`. Where the curvature is singular the step is not finite.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        share = mixed_curvature / intercept_curvature
        bend = slope_curvature - (share * mixed_curvature).sum(axis=-1)
        slope = (by_slope - (share * by_intercept).sum(axis=-1)) / bend
        return (by_intercept - mixed_curvature * slope[..., None]) / intercept_curvature, slope


def fit_line(score: NDArray[np.float64], target: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Fit ``logit P(y) = intercept + slope score`` by maximum likelihood.

    Parameters
    ----------
    score, target
        Shape (rows, columns), targets in [0, 1]; each column has an intercept of its own, all share the slope.

    Returns
    -------
    tuple
        Intercepts (columns,) and slope.

    Raises
    ------
    NoLineError
        When no line fits best.

    References
    ----------
    Newton's method with halved steps, after Lin, Lin and Weng (2007).

    Examples
    --------
    >>> score = np.repeat([-1.0, 1.0], 4)[:, None]
    >>> intercepts, slope = fit_line(score, np.array([0, 0, 0, 1, 0, 1, 1, 1.0])[:, None])
    >>> round(slope, 6), bool(abs(intercepts[0]) < 1e-9)
    (1.098612, True)
    """
    if not score.size:
        raise NoLineError("expected rows, found none")
    centre = score.mean(axis=0)
    spread = float(np.sqrt(((score - centre) ** 2).mean()))
    # Scores that are all the same differ in their last digits only.
    if not spread > 1e-9 * (1.0 + float(np.abs(centre).max(initial=0.0))):
        raise NoLineError("expected scores that vary, found a constant")
    standard = (score - centre) / spread
    share = target.mean(axis=0)
    if not ((share > 0.0) & (share < 1.0)).all():
        raise NoLineError("expected both outcomes in every class, found one only")
    intercepts, slope = logits(share), 0.0
    loss = _loss(standard, target, intercepts, slope)
    for _ in range(MOST_STEPS):
        sums = [term.sum(axis=0) for term in line_terms(standard, target, intercepts, slope)]
        up, along = newton_step(*sums)
        if not (np.isfinite(up).all() and np.isfinite(along)):
            break
        if max(float(np.abs(up).max()), abs(float(along))) < 1e-8:
            # Newton doubles the correct digits: after this step the rest is rounding.
            return _unscaled(intercepts + up, slope + float(along), centre, spread)
        length = 1.0
        while (better := _loss(standard, target, intercepts + length * up, slope + length * float(along))) > loss:
            length /= 2.0
            if length < 1e-10:
                return _unscaled(intercepts, slope, centre, spread)
        intercepts, slope, loss = intercepts + length * up, slope + length * float(along), better
        # Under perfect separation the likelihood rises for ever.
        if abs(slope) > 1e3:
            break
    raise NoLineError("expected outcomes that overlap in their scores, found perfect separation")


def _loss(
    score: NDArray[np.float64], target: NDArray[np.float64], intercepts: NDArray[np.float64], slope: float
) -> float:
    at = intercepts + slope * score
    return float((np.logaddexp(0.0, at) - target * at).sum())


def _unscaled(
    intercepts: NDArray[np.float64], slope: float, centre: NDArray[np.float64], spread: float
) -> tuple[NDArray[np.float64], float]:
    return intercepts - slope * centre / spread, float(slope / spread)


def fit_platt(probability: NDArray[np.float64], happened: NDArray[np.bool_]) -> tuple[float, float]:
    """Fit Platt's line through the logit of a probability, with smoothed targets.

    Parameters
    ----------
    probability, happened
        Of one class, shape (rows,).

    Returns
    -------
    tuple of float
        Intercept and slope. The slope is at least 0: a score that ranks the wrong way round is not turned over, it is
        given the base rate.

    Raises
    ------
    NoLineError
        When the class always or never happened, or the probability does not vary.

    References
    ----------
    Platt (1999); Lin, Lin and Weng (2007).

    Examples
    --------
    >>> intercept, slope = fit_platt(np.array([0.2, 0.4, 0.6, 0.8]), np.array([False, True, False, True]))
    >>> 0.0 < slope < 1.0
    True
    """
    positives = int(happened.sum())
    if not 0 < positives < happened.size:
        raise NoLineError(f"expected both outcomes, found {positives} of {happened.size} rows in the class")
    target = smoothed_targets(happened)
    intercepts, slope = fit_line(logits(probability)[:, None], target[:, None])
    if slope > 0.0:
        return float(intercepts[0]), slope
    return float(logits(target.mean(keepdims=True))[0]), 0.0
