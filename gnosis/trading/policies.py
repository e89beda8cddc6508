"""Policies: each maps a few inputs to the odds of a rise, learned walk-forward and sceptical of its own evidence.

A policy that has learned nothing says one half. There is no scale chosen by hand and no threshold in dollars: what a
positive input means, momentum or reversal, is estimated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]

DIRECTIONAL = ("hedge", "liquidity", "sentiment", "ml")
POLICIES = (*DIRECTIONAL, "risk")
RIDGE = 50.0
"""Weight of the penalty at zero, in observations."""


@dataclass(frozen=True, slots=True)
class PolicyModel:
    """A fitted policy.

    Attributes
    ----------
    inputs
        Names of the inputs.
    center, scale
        Mean and standard deviation of each input over the rows learned from; scale 0 for an input that never moved.
    weights
        Change of the log odds per standard deviation of each input.
    intercept
        Log odds of a rise at the mean of all inputs.
    n_rows
        Rows learned from.
    covariance
        Of the weights and, last, the intercept: inverse curvature of the penalised log loss (Laplace).
    """

    inputs: tuple[str, ...]
    center: tuple[float, ...]
    scale: tuple[float, ...]
    weights: tuple[float, ...]
    intercept: float
    n_rows: int
    covariance: tuple[tuple[float, ...], ...]

    @classmethod
    def of_no_evidence(cls, inputs: tuple[str, ...], ridge: float = RIDGE) -> PolicyModel:
        """Return the policy that has seen nothing and says one half."""
        none = (0.0,) * len(inputs)
        prior = np.eye(len(inputs) + 1) / ridge
        return cls(inputs, none, none, none, 0.0, 0, tuple(map(tuple, prior.tolist())))


def fit_policy(
    inputs: tuple[str, ...], values: Floats, is_rise: NDArray[np.bool_], ridge: float = RIDGE, weight: float = 1.0
) -> PolicyModel:
    """Fit a logistic regression whose penalty pulls all coefficients, the intercept too, to zero.

    Ridge of Hoerl and Kennard (1970) on the log loss (le Cessie and van Houwelingen 1992).

    Parameters
    ----------
    inputs
        Names of the columns of ``values``.
    values
        float64, shape (rows, inputs); NaN where an input is missing. A missing input says nothing: it enters at its
        mean. Rows without any input are left out.
    is_rise
        bool, shape (rows,): the outcome, known at the decision.
    ridge
        Weight of the penalty ``ridge / 2 * |coefficients|^2`` beside the summed log loss, above 0.
    weight
        What one outcome counts, within (0, 1]: of h outcomes that overlap one h-th each, or the same move would be
        learned h times (uniqueness, López de Prado 2018).

    Returns
    -------
    PolicyModel
        With no usable row, or outcomes of one kind only in fewer than two rows, the policy of no evidence.

    Raises
    ------
    ValueError
        For shapes that do not fit, a ridge that is not positive, or a weight outside (0, 1].

    Examples
    --------
    >>> pressure = np.linspace(-2.0, 2.0, 401)
    >>> model = fit_policy(("pressure",), pressure[:, None], pressure > 0.0)
    >>> odds_of_rise(model, np.array([[1.0], [-1.0], [np.nan]])).round(3).tolist()
    [0.758, 0.24, nan]
    """
    from sklearn.linear_model import LogisticRegression

    if values.ndim != 2 or values.shape != (is_rise.size, len(inputs)):
        raise ValueError(f"expected values of shape {(is_rise.size, len(inputs))}, found {values.shape}")
    if not (ridge > 0.0 and 0.0 < weight <= 1.0):
        raise ValueError(f"expected a positive ridge and a weight within (0, 1], found {ridge} and {weight}")
    has_any = np.isfinite(values).any(axis=1)
    seen, outcome = values[has_any], is_rise[has_any]
    if np.unique(outcome).size < 2:
        return PolicyModel.of_no_evidence(inputs, ridge)
    center, scale = _moments(seen)
    design = np.column_stack([_standardised(seen, center, scale), np.ones(len(seen))])
    fitted = LogisticRegression(C=weight / ridge, fit_intercept=False, solver="newton-cholesky", tol=1e-10)
    fitted.fit(design, outcome)
    *weights, intercept = fitted.coef_[0].tolist()
    odds = 1.0 / (1.0 + np.exp(-(design @ fitted.coef_[0])))
    curvature = weight * (design * (odds * (1.0 - odds))[:, None]).T @ design + ridge * np.eye(design.shape[1])
    return PolicyModel(
        inputs,
        tuple(center.tolist()),
        tuple(scale.tolist()),
        tuple(weights),
        float(intercept),
        int(has_any.sum()),
        tuple(map(tuple, np.linalg.inv(curvature).tolist())),
    )


def odds_of_rise(model: PolicyModel, values: Floats) -> Floats:
    """Return the probability of a rise; NaN where every input is missing: the policy does not vote.

    Parameters
    ----------
    model
        The fitted policy.
    values
        float64, shape (rows, inputs), NaN where missing.

    Raises
    ------
    ValueError
        For another number of inputs.

    Examples
    --------
    >>> odds_of_rise(PolicyModel.of_no_evidence(("pressure",)), np.array([[3.0], [np.nan]])).tolist()
    [0.5, nan]
    """
    logit = _moved(model, values) @ np.array([*model.weights, model.intercept])
    return np.where(np.isfinite(values).any(axis=1), 1.0 / (1.0 + np.exp(-logit)), np.nan)


def log_odds_error(model: PolicyModel, values: Floats) -> Floats:
    """Return the standard error of the log odds of a rise; NaN where the policy does not vote.

    Parameters
    ----------
    model, values
        As for :func:`odds_of_rise`.

    Examples
    --------
    >>> log_odds_error(PolicyModel.of_no_evidence(("pressure",)), np.array([[3.0], [np.nan]])).round(3).tolist()
    [0.141, nan]
    """
    moved = _moved(model, values)
    variance = np.einsum("ri,ij,rj->r", moved, np.array(model.covariance), moved)
    return np.where(np.isfinite(values).any(axis=1), np.sqrt(variance), np.nan)


def _moved(model: PolicyModel, values: Floats) -> Floats:
    if values.ndim != 2 or values.shape[1] != len(model.inputs):
        raise ValueError(f"expected values of shape (rows, {len(model.inputs)}), found {values.shape}")
    moved = _standardised(values, np.array(model.center), np.array(model.scale))
    return np.column_stack([moved, np.ones(len(moved))])


def _moments(values: Floats) -> tuple[Floats, Floats]:
    n_seen = np.isfinite(values).sum(axis=0)
    center = np.divide(np.nansum(values, axis=0), n_seen, out=np.zeros(values.shape[1]), where=n_seen > 0)
    spread = np.nansum((values - center) ** 2, axis=0)
    return center, np.sqrt(np.divide(spread, n_seen, out=np.zeros(values.shape[1]), where=n_seen > 0))


def _standardised(values: Floats, center: Floats, scale: Floats) -> Floats:
    moved = np.divide(values - center, scale, out=np.zeros(values.shape), where=scale > 0.0)
    return np.where(np.isfinite(values), moved, 0.0)
