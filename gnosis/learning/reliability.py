"""Reliability: predicted against observed frequency, in bins of equal mass (L-7.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from numpy.typing import NDArray

BINS = 10
Z_95 = 1.959963984540054


def wilson(happened: NDArray[np.int64], n: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return Wilson's 95 % interval of a frequency (Wilson 1927); rows count as independent.

    Parameters
    ----------
    happened, n
        Successes and trials, any shape, ``n`` at least 1.

    Examples
    --------
    >>> low, high = wilson(np.array([0, 14]), np.array([10, 70]))
    >>> low.round(4).tolist(), high.round(4).tolist()
    ([0.0, 0.123], [0.2775, 0.3082])
    """
    share, square = happened / n, Z_95 * Z_95 / n
    half = np.sqrt(square * (share * (1.0 - share) + square / 4.0))
    middle = share + square / 2.0
    # The ends of the scale are exact; rounding would leave them by a digit.
    low = np.where(happened == 0, 0.0, (middle - half) / (1.0 + square))
    high = np.where(happened == n, 1.0, (middle + half) / (1.0 + square))
    return low, high


def equal_mass_bins(probability: NDArray[np.float64], bins: int = BINS) -> NDArray[np.int64]:
    """Return the bin of each row: 0 upwards without gaps, equal probabilities in one bin.

    Parameters
    ----------
    probability
        Shape (rows,).
    bins
        Most bins there are; fewer where ties fill several.

    Examples
    --------
    >>> equal_mass_bins(np.array([0.3, 0.1, 0.3, 0.3, 0.9, 0.8]), bins=3).tolist()
    [0, 0, 0, 0, 1, 1]
    """
    order = np.sort(probability)
    # A group of ties goes where its first member belongs.
    place = np.searchsorted(order, probability, side="left") * bins // max(probability.size, 1)
    bin_of_row: NDArray[np.int64] = np.unique(place, return_inverse=True)[1].astype(np.int64)
    return bin_of_row


def reliability(probability: NDArray[np.float64], happened: NDArray[np.bool_], bins: int = BINS) -> pl.DataFrame:
    """Return predicted against observed frequency in bins of equal mass, with Wilson 95 % intervals.

    Parameters
    ----------
    probability, happened
        Of one class, shape (rows,).
    bins
        Most bins there are.

    Returns
    -------
    polars.DataFrame
        ``n``, ``predicted``, ``observed``, ``observed_low``, ``observed_high`` per bin in rising order.

    Examples
    --------
    >>> reliability(np.array([0.1, 0.2, 0.8, 0.9]), np.array([False, False, True, True]), bins=2)["observed"].to_list()
    [0.0, 1.0]
    """
    place = equal_mass_bins(probability, bins)
    n = np.bincount(place)
    count = np.bincount(place, weights=happened).astype(np.int64)
    low, high = wilson(count, n)
    return pl.DataFrame(
        {
            "n": n,
            "predicted": np.bincount(place, weights=probability) / n,
            "observed": count / n,
            "observed_low": low,
            "observed_high": high,
        }
    )


def bin_errors(probability: NDArray[np.float64], happened: NDArray[np.bool_], bins: int = BINS) -> tuple[float, float]:
    """Return the expected calibration error and the largest distance of predicted from observed in a bin.

    The expected error is the distance averaged over rows (Naeini, Cooper and Hauskrecht 2015), here in bins of equal
    mass.

    Examples
    --------
    >>> errors = bin_errors(np.array([0.1, 0.2, 0.8, 0.7]), np.array([False, False, True, True]), bins=2)
    >>> [round(error, 3) for error in errors]
    [0.2, 0.25]
    """
    table = reliability(probability, happened, bins)
    distance = (table["predicted"] - table["observed"]).abs().to_numpy()
    return float((distance * table["n"].to_numpy()).sum() / probability.size), float(distance.max())
