"""From several readings to one: weights by the errors they made, and what the weighted readings agree on."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from gnosis.engines.points import Floats


def fusion_weights(error_variances: ArrayLike, cap: float = 0.35) -> Floats:
    """Return weights inverse to error variances, sum 1, none above ``cap``.

    What is above the cap goes to the others in proportion to their weights.

    Raises
    ------
    ValueError
        When a variance is not positive and finite, or so few readings cannot reach 1 under the cap.

    Examples
    --------
    >>> fusion_weights([1.0, 2.0, 4.0], cap=0.4).round(12).tolist()
    [0.4, 0.4, 0.2]
    >>> fusion_weights([1.0, 2.0, 4.0, 4.0]).round(12).tolist()
    [0.35, 0.325, 0.1625, 0.1625]
    """
    variances = np.asarray(error_variances, dtype=np.float64)
    if not (variances.size and (variances > 0).all() and np.isfinite(variances).all()):
        raise ValueError(f"error_variances: expected positive finite numbers, found {variances.tolist()}")
    if cap * variances.size < 1.0:
        raise ValueError(f"cap: expected at least 1/{variances.size} for {variances.size} readings, found {cap}")
    inverse = (1.0 / variances) / (1.0 / variances).sum()
    weights = inverse.copy()
    capped = np.zeros(weights.size, dtype=bool)
    while (weights > cap * (1.0 + 1e-12)).any():
        capped |= weights > cap
        rest = 1.0 - cap * capped.sum()
        weights = np.where(capped, cap, inverse * (rest / max(inverse[~capped].sum(), np.finfo(float).tiny)))
    return weights


def error_variances(readings: ArrayLike, outcome: ArrayLike) -> Floats:
    """Return the variance of reading - outcome of each reading, over the rows in which both are known.

    Parameters
    ----------
    readings
        Shape (rows, readings), made before the outcome was known, in its unit.
    outcome
        Shape (rows,).

    Raises
    ------
    ValueError
        When a reading has fewer than 2 rows with an outcome.

    Examples
    --------
    >>> error_variances([[1.0, 0.0], [-1.0, 0.0], [1.0, np.nan]], [0.0, 0.0, 0.0]).round(4).tolist()
    [1.3333, 0.0]
    """
    errors = np.asarray(readings, dtype=np.float64) - np.asarray(outcome, dtype=np.float64)[:, None]
    known = (~np.isnan(errors)).sum(axis=0)
    if (known < 2).any():
        raise ValueError(f"readings: expected at least 2 known errors of each, found {known.tolist()}")
    return np.nanvar(errors, axis=0, ddof=1)


class Fused(NamedTuple):
    """What readings say together; arrays of one element per point, NaN where there is no weight.

    Attributes
    ----------
    value
        Weighted mean.
    mean_square
        Weighted mean of squares.
    agreement
        Absolute sum over the sum of absolute values; NaN when all readings are 0.
    dispersion
        Weighted standard deviation.
    top_contribution
        Share of the mean that the largest term gives, signed.
    """

    value: Floats
    mean_square: Floats
    agreement: Floats
    dispersion: Floats
    top_contribution: Floats


def fuse(readings: ArrayLike, confidences: ArrayLike, weights: ArrayLike) -> Fused:
    """Return the mean of readings weighted by weight x confidence, and how far they agree.

    Parameters
    ----------
    readings
        v, shape (readings, points), NaN where missing.
    confidences
        c, same shape.
    weights
        w, shape (readings,).

    Examples
    --------
    >>> fused = fuse([[0.5], [-0.2], [np.nan]], [[0.8], [0.4], [0.0]], [1 / 3, 1 / 3, 1 / 3])
    >>> [round(part.item(), 4) for part in fused]
    [0.2667, 0.18, 0.6667, 0.33, 0.3333]
    """
    v = np.asarray(readings, dtype=np.float64)
    weight = np.where(np.isnan(v), 0.0, np.asarray(weights, dtype=np.float64)[:, None] * np.asarray(confidences))
    v = np.nan_to_num(v)
    total = _sum(weight)
    total = np.where(total > 0, total, np.nan)
    terms = weight * v
    net, size = _sum(terms), _sum(np.abs(terms))
    value = np.clip(net / total, -1.0, 1.0)
    largest = np.abs(terms).argmax(axis=0)
    return Fused(
        value,
        _sum(weight * v**2) / total,
        np.minimum(np.abs(net) / np.where(size > 0, size, np.nan), 1.0),
        np.sqrt(_sum(weight * (v - value) ** 2) / total),
        np.take_along_axis(terms, largest[None], axis=0)[0] / total,
    )


def _sum(rows: Floats) -> Floats:
    """Return the sum over rows, row after row: ``numpy.sum`` adds those of one point in another order than of many."""
    total = np.zeros(rows.shape[1])
    for row in rows:
        total += row
    return total
