"""Compiled loops of the stationary bootstrap. All sums run in the order of time, so no figure depends on threads."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True)
def draw_blocks(rng: np.random.Generator, n: int, resamples: int, end_probability: float) -> np.ndarray:
    """Return resampled positions, int64, shape (resamples, n): most follow the one before, around the end."""
    found = np.empty((resamples, n), dtype=np.int64)
    for row in found:
        row[:] = rng.integers(0, n, n)
        draws = rng.random(n)
        for i in range(1, n):
            if draws[i] > end_probability:
                row[i] = row[i - 1] + 1 if row[i - 1] + 1 < n else 0
    return found


@njit(cache=True, nogil=True, error_model="numpy")
def resampled_means(values: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """Return the column means of ``values`` (n, k) for each row of ``indices`` (resamples, n): shape (resamples, k)."""
    out = np.zeros((indices.shape[0], values.shape[1]))
    for resample in range(indices.shape[0]):
        total = out[resample]
        for i in indices[resample]:
            row = values[i]
            for k in range(total.size):
                total[k] += row[k]
        for k in range(total.size):
            total[k] /= indices.shape[1]
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def long_run_variances(away: np.ndarray, end_probability: float) -> np.ndarray:
    """Return n times the variance of the mean of a stationary resample (Politis and Romano 1994), shape (columns,).

    ``away`` holds the columns less their means, shape (n, columns).
    """
    n, n_columns = away.shape
    out = np.zeros(n_columns)
    lagged = np.empty(n_columns)
    for lag in range(n):
        lagged[:] = 0.0
        for t in range(n - lag):
            for k in range(n_columns):
                lagged[k] += away[t, k] * away[t + lag, k]
        share = lag / n
        kappa = (1 - share) * (1 - end_probability) ** lag + share * (1 - end_probability) ** (n - lag)
        for k in range(n_columns):
            out[k] += lagged[k] / n * (1.0 if lag == 0 else 2 * kappa)
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def resampled_figures(returns: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """Return mean over standard deviation (n - 1), log growth and maximum drawdown of each resample.

    Shape (resamples, 3); NaN for the ratio of a resample that never moves.
    """
    out = np.empty((indices.shape[0], 3))
    n = indices.shape[1]
    for resample in range(indices.shape[0]):
        total, growth, highest, worst = 0.0, 0.0, 0.0, 0.0
        for i in indices[resample]:
            total += returns[i]
            growth += np.log1p(returns[i])
            highest = max(highest, growth)
            worst = min(worst, growth - highest)
        mean, square, moved = total / n, 0.0, False
        for i in indices[resample]:
            square += (returns[i] - mean) ** 2
            moved |= returns[i] != returns[indices[resample, 0]]
        out[resample, 0] = mean / np.sqrt(square / (n - 1)) if moved else np.nan
        out[resample, 1] = growth
        out[resample, 2] = np.expm1(worst)
    return out
