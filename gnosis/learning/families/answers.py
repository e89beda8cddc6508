"""How scores become probabilities, row by row and always in the same order of operations."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from numpy.typing import NDArray

ABSENT_SCORE = -50.0
"""Score of a class without a single training row: improbable beyond any data, yet its logarithm is finite."""


@njit(cache=True, nogil=True, error_model="numpy")
def softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return probabilities of scores: ``exp(s_k) / sum_j exp(s_j)`` of each row.

    A compiled loop over rows, because vectorised exponentials may round a lone row otherwise than one among many
    (L-12.4).

    Parameters
    ----------
    scores
        float64, shape (rows, classes), log-odds up to a constant of the row.

    Returns
    -------
    numpy.ndarray
        float64, same shape, each row summing to 1 within rounding.

    Examples
    --------
    >>> softmax(np.array([[0.0, math.log(3.0)]])).tolist()
    [[0.25, 0.75]]
    """
    rows, classes = scores.shape
    out = np.empty((rows, classes))
    for row in range(rows):
        highest = scores[row, 0]
        for at in range(1, classes):
            highest = max(highest, scores[row, at])
        total = 0.0
        for at in range(classes):
            out[row, at] = math.exp(scores[row, at] - highest)
            total += out[row, at]
        for at in range(classes):
            out[row, at] /= total
    return out


def taken(values: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return rows of a matrix, as a view without a copy when they follow one another.

    Examples
    --------
    >>> matrix = np.zeros((4, 2), dtype=np.float32)
    >>> np.shares_memory(taken(matrix, np.arange(1, 4)), matrix), taken(matrix, np.array([3, 1])).shape
    (True, (2, 2))
    """
    if rows.size and rows[-1] - rows[0] + 1 == rows.size and (np.diff(rows) == 1).all():
        return values[rows[0] : rows[-1] + 1]
    return values[rows]
