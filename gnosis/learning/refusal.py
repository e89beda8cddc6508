"""When a prediction is refused: what a row lacks, and how far it lies from what the model learnt."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_MISSING_SHARE = 0.3
CARRIED_SHARE = 0.9
MOST_OUTSIDE = 0.5
"""Rows with more of their known features outside the training range are refused: the model would extrapolate."""


def carriers(importance: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return the fewest features that carry 90 % of the importance.

    Parameters
    ----------
    importance
        Shape (features,), NaN where unknown; what is not positive counts as zero.

    Returns
    -------
    numpy.ndarray
        bool, shape (features,). All features when none has a positive importance.

    Examples
    --------
    >>> carriers(np.array([0.5, -0.2, 0.42, 0.08])).tolist()
    [True, False, True, False]
    """
    weight = np.where(importance > 0.0, importance, 0.0)
    total = weight.sum()
    if total == 0.0:
        return np.ones(importance.size, dtype=np.bool_)
    order = np.argsort(-weight, kind="stable")
    before = np.concatenate([[0.0], np.cumsum(weight[order])[:-1]])
    chosen = np.zeros(importance.size, dtype=np.bool_)
    chosen[order] = before < CARRIED_SHARE * total
    return chosen


def lacks_too_much(features: NDArray[np.float32], importance: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which rows miss more than 30 % of the features that carry 90 % of the importance (L-12.1).

    Examples
    --------
    >>> row = np.array([[1.0, np.nan, 2.0]], dtype=np.float32)
    >>> lacks_too_much(row, np.array([0.1, 0.0, 0.2])).item(), lacks_too_much(row, np.zeros(3)).item()
    (False, True)
    """
    needed = features[:, carriers(importance)]
    lacking: NDArray[np.bool_] = np.isnan(needed).sum(axis=1) > MOST_MISSING_SHARE * needed.shape[1]
    return lacking


def ood_score(
    features: NDArray[np.float32], low: NDArray[np.float64], high: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the share of the known features that lie outside the 0.1 to 99.9 % range of training.

    Parameters
    ----------
    features
        float32, shape (rows, features), NaN where missing.
    low, high
        float64, shape (features,), NaN for features without a value in training: those are not counted.

    Returns
    -------
    numpy.ndarray
        float64, shape (rows,), NaN where nothing can be compared.

    Examples
    --------
    >>> row = np.array([[1.0, np.nan, 9.0, 3.0]], dtype=np.float32)
    >>> ood_score(row, np.array([0.0, 0.0, 0.0, np.nan]), np.array([2.0, 2.0, 2.0, np.nan])).tolist()
    [0.5]
    """
    values = features.astype(np.float64)
    compared = (~np.isnan(values) & ~np.isnan(low)).sum(axis=1)
    outside = ((values < low) | (values > high)).sum(axis=1)
    return np.where(compared > 0, outside / np.maximum(compared, 1), np.nan)
