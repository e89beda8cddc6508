"""Scores of class probabilities, and the bootstrap that says how far they can be trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Log loss of a probability of zero is infinite; 1e-12 costs 27.6 nats, more than any model of use ever pays.
SMALLEST_PROBABILITY = 1e-12


def row_log_loss(probabilities: NDArray[np.float64], outcome: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return minus the log probability of what happened, in nats per row.

    Parameters
    ----------
    probabilities
        Shape (rows, classes).
    outcome
        Class that happened, shape (rows,).

    Examples
    --------
    >>> float(row_log_loss(np.array([[0.1, 0.2, 0.7]]), np.array([2]))[0].round(6))
    0.356675
    """
    chosen = np.take_along_axis(probabilities, outcome[:, None], axis=1)[:, 0]
    loss: NDArray[np.float64] = -np.log(np.maximum(chosen, SMALLEST_PROBABILITY))
    return loss


def row_brier(probabilities: NDArray[np.float64], outcome: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the squared distance of the probabilities from what happened, summed over classes: 0 to 2 (Brier 1950).

    Examples
    --------
    >>> float(row_brier(np.array([[0.1, 0.2, 0.7]]), np.array([2]))[0].round(6))
    0.14
    """
    happened = np.eye(probabilities.shape[1])[outcome]
    squared: NDArray[np.float64] = ((probabilities - happened) ** 2).sum(axis=1)
    return squared


class Ranking:
    """Area under the ROC curve for many weightings of the same rows: sorted once, one pass per weighting.

    The area is the probability that a random positive scores above a random negative, ties one half (Hanley and McNeil
    1982); with three classes the mean of one class against the rest.

    Examples
    --------
    >>> up = np.array([0.9, 0.8, 0.3, 0.8])
    >>> Ranking(np.column_stack([1 - up, up]), np.array([1, 0, 0, 1])).area(np.ones(4))
    0.875
    """

    def __init__(self, probabilities: NDArray[np.float64], outcome: NDArray[np.int64]) -> None:
        self._classes = []
        for k in range(probabilities.shape[1]):
            order = np.argsort(probabilities[:, k], kind="stable")
            score = probabilities[order, k]
            starts = np.flatnonzero(np.concatenate([[True], score[1:] != score[:-1]]))
            self._classes.append((order, starts, outcome[order] == k))

    def area(self, weights: NDArray[np.float64]) -> float:
        """Return the mean area over the classes; NaN when a class or its complement has no weight."""
        areas = []
        for order, starts, positive in self._classes:
            weight = weights[order]
            ups = np.add.reduceat(weight * positive, starts)
            downs = np.add.reduceat(weight * ~positive, starts)
            below = np.cumsum(downs) - downs
            pairs = ups.sum() * downs.sum()
            areas.append(float((ups * (below + 0.5 * downs)).sum() / pairs) if pairs > 0.0 else np.nan)
        return float(np.mean(areas))


def bootstrap_counts(
    n_sessions: int, mean_block: float, replicates: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return how often each session is drawn in each replicate of the stationary bootstrap.

    Parameters
    ----------
    n_sessions
        Length of the series.
    mean_block
        Mean of the geometric block lengths, in sessions; at least the horizon, since labels overlap (L-8.1).
    replicates
        Number of resampled series.
    rng
        The only source of randomness.

    Returns
    -------
    numpy.ndarray
        Shape (replicates, n_sessions); each row sums to ``n_sessions``.

    Notes
    -----
    Politis and Romano (1994): blocks of geometric length on the circle.

    Examples
    --------
    >>> bootstrap_counts(4, 2.0, 2, np.random.default_rng(1)).sum(axis=1).tolist()
    [4.0, 4.0]
    """
    begins = rng.random((replicates, n_sessions)) < 1.0 / mean_block
    begins[:, 0] = True
    position = np.arange(n_sessions)
    begun = np.maximum.accumulate(np.where(begins, position, 0), axis=1)
    first = np.take_along_axis(rng.integers(0, n_sessions, (replicates, n_sessions)), begun, axis=1)
    drawn = (first + position - begun) % n_sessions
    flat = drawn + n_sessions * np.arange(replicates)[:, None]
    return np.bincount(flat.ravel(), minlength=replicates * n_sessions).reshape(replicates, n_sessions).astype(float)


def reliability(probability: NDArray[np.float64], happened: NDArray[np.bool_], bins: int = 10) -> pl.DataFrame:
    """Return predicted against observed frequency in bins of equal mass, with Wilson 95 % intervals (L-7.5).

    Parameters
    ----------
    probability, happened
        Of one class, shape (rows,).
    bins
        Number of bins; equal probabilities stay in one bin, so there may be fewer.

    Returns
    -------
    polars.DataFrame
        ``n``, ``predicted``, ``observed``, ``observed_low``, ``observed_high`` per bin in rising order.

    Examples
    --------
    >>> reliability(np.array([0.1, 0.2, 0.8, 0.9]), np.array([False, False, True, True]), bins=2)["observed"].to_list()
    [0.0, 1.0]
    """
    order = np.argsort(probability, kind="stable")
    # A group of ties goes where its first member belongs.
    place = np.searchsorted(probability[order], probability, side="left") * bins // max(len(probability), 1)
    z = 1.959963984540054
    n, share = pl.col("n"), pl.col("observed")
    half = z * (share * (1 - share) / n + z * z / (4 * n * n)).sqrt()
    return (
        pl.DataFrame({"bin": place, "p": probability, "y": happened.astype(np.float64)})
        .sort("bin", "p", "y")
        .group_by("bin", maintain_order=True)
        .agg(n=pl.len(), predicted=pl.col("p").mean(), observed=pl.col("y").mean())
        .with_columns(
            observed_low=(share + z * z / (2 * n) - half) / (1 + z * z / n),
            observed_high=(share + z * z / (2 * n) + half) / (1 + z * z / n),
        )
        .drop("bin")
    )


def expected_calibration_error(probability: NDArray[np.float64], happened: NDArray[np.bool_], bins: int = 10) -> float:
    """Return the mean distance of predicted from observed frequency over bins of equal mass (L-7.5).

    Examples
    --------
    >>> round(expected_calibration_error(np.array([0.1, 0.2, 0.8, 0.9]), np.array([False, False, True, True]), 2), 3)
    0.15
    """
    table = reliability(probability, happened, bins)
    distance = (table["predicted"] - table["observed"]).abs() * table["n"]
    return float(distance.sum()) / len(probability)
