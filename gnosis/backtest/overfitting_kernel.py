"""Compiled loop over the splits of combinatorially symmetric cross-validation."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True, error_model="numpy")
def _sharpe(
    totals: np.ndarray, squares: np.ndarray, blocks: np.ndarray, n: int, centre: np.ndarray, out: np.ndarray
) -> None:
    """Fill ``out`` with the Sharpe ratio of every configuration over some blocks of returns less ``centre``."""
    for k in range(out.size):
        total, square = 0.0, 0.0
        for block in blocks:
            total += totals[block, k]
            square += squares[block, k]
        mean = total / n
        variance = (square - total * mean) / (n - 1)
        out[k] = (mean + centre[k]) / np.sqrt(variance)


@njit(cache=True, nogil=True, error_model="numpy")
def halves(totals: np.ndarray, squares: np.ndarray, chosen: np.ndarray, n: int, centre: np.ndarray) -> np.ndarray:
    """Return what became of the best configuration of each half.

    Parameters
    ----------
    totals, squares
        Sums over each block of returns less ``centre`` and of their squares, shape (blocks, configurations).
    chosen
        Blocks of the first half of each split, int64, shape (splits, blocks / 2), ascending.
    n
        Returns in a half.
    centre
        Shape (configurations,).

    Returns
    -------
    numpy.ndarray
        Shape (splits, 3): relative rank out of sample in (0, 1), Sharpe ratio in and out of sample. Of equals in sample
        the first is the best; equals out of sample share the average rank.
    """
    n_blocks, n_configurations = totals.shape
    out = np.empty((chosen.shape[0], 3))
    inside, outside = np.empty(n_configurations), np.empty(n_configurations)
    rest = np.empty(n_blocks - chosen.shape[1], dtype=np.int64)
    for split in range(chosen.shape[0]):
        at, next_chosen = 0, 0
        for block in range(n_blocks):
            if next_chosen < chosen.shape[1] and chosen[split, next_chosen] == block:
                next_chosen += 1
            else:
                rest[at] = block
                at += 1
        _sharpe(totals, squares, chosen[split], n, centre, inside)
        _sharpe(totals, squares, rest, n, centre, outside)
        best = np.argmax(inside)
        below, equal = 0, 0
        for k in range(n_configurations):
            below += outside[k] < outside[best]
            equal += outside[k] == outside[best]
        out[split, 0] = (below + (equal + 1) / 2) / (n_configurations + 1)
        out[split, 1] = inside[best]
        out[split, 2] = outside[best]
    return out
