"""Isotonic regression by pool adjacent violators (Zadrozny and Elkan 2002)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gnosis.learning.isotonic_kernel import pooled

if TYPE_CHECKING:
    from numpy.typing import NDArray


def pool_adjacent_violators(values: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the non-decreasing sequence nearest to ``values`` in weighted squares, shape (n,).

    References
    ----------
    Ayer, Brunk, Ewing, Reid and Silverman (1955).

    Examples
    --------
    >>> pool_adjacent_violators(np.array([0.0, 1.0, 0.0, 1.0, 1.0]), np.ones(5)).tolist()
    [0.0, 0.5, 0.5, 1.0, 1.0]
    """
    fitted: NDArray[np.float64] = pooled(np.ascontiguousarray(values, np.float64), np.asarray(weights, np.float64))
    return fitted


def fit_isotonic(
    probability: NDArray[np.float64], happened: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fit a non-decreasing map of a probability to the frequency of what happened.

    Parameters
    ----------
    probability, happened
        Shape (rows,); rows of equal probability count as one point.

    Returns
    -------
    tuple of numpy.ndarray
        Corners of the map: ascending probabilities and their frequencies. Between two corners it is a straight line,
        beyond the outermost ones constant (``numpy.interp``).

    Examples
    --------
    >>> corners = fit_isotonic(np.array([0.1, 0.2, 0.3, 0.4, 0.5]), np.array([0, 1, 0, 1, 1]) == 1)
    >>> [side.tolist() for side in corners]
    [[0.1, 0.2, 0.3, 0.4, 0.5], [0.0, 0.5, 0.5, 1.0, 1.0]]
    """
    at, place, count = np.unique(probability, return_inverse=True, return_counts=True)
    share = np.bincount(place, weights=happened.astype(np.float64)) / count
    level = pool_adjacent_violators(share, count.astype(np.float64))
    # Only the ends of a level are corners.
    inner = np.zeros(at.size, dtype=np.bool_)
    inner[1:-1] = (level[1:-1] == level[:-2]) & (level[1:-1] == level[2:])
    return at[~inner], level[~inner]
