"""Drift: how far the distribution of a feature has moved from the one that models learnt from."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gnosis.tables.model_scores import DriftStatus

BINS = 10
FEWEST_ROWS = 100
WATCH_FROM, DRIFTED_ABOVE = 0.10, 0.25
LARGEST_EXACT = 100_000
"""Product of the sizes of two samples up to which the p-value of their distance is exact."""


def population_stability(
    reference: NDArray[np.float64], actual: NDArray[np.float64], *, is_discrete: bool = False
) -> float:
    """Return the population stability index of ``actual`` against ``reference`` (L-9.1).

    Bins are the deciles of the reference with open outer ends and repeated edges merged. A value on which more than one
    decile falls is a bin of its own: otherwise a value of which most rows consist would hide what the others do. Every
    value of a discrete feature is a bin, and missing values are one more. Shares are smoothed:
    (n + 0.5)/(N + 0.5 B) with B bins.

    Parameters
    ----------
    reference, actual
        Values, NaN where missing, shapes (m,) and (n,).
    is_discrete
        True for codes, flags and counts.

    Returns
    -------
    float
        Sum over bins of (q_actual - q_reference) ln(q_actual/q_reference); NaN with fewer than 100 values on a side.

    References
    ----------
    Siddiqi (2006), Credit Risk Scorecards.

    Examples
    --------
    >>> same = np.arange(1000.0)
    >>> population_stability(same, same), round(population_stability(same, same + 500.0), 3)
    (0.0, 3.526)
    >>> rare = np.arange(1000.0) < 30
    >>> round(population_stability(rare.astype(float), np.ones(100), is_discrete=True), 1)
    8.4
    """
    if min(reference.size, actual.size) < FEWEST_ROWS:
        return math.nan
    known = reference[~np.isnan(reference)]
    if is_discrete:
        values = np.unique(np.concatenate([known, actual[~np.isnan(actual)]]))
        counts = [_counts(np.searchsorted(values, side), side, values.size) for side in (reference, actual)]
    else:
        edges = decile_edges(known)
        counts = [_counts(np.searchsorted(edges, side, "right"), side, edges.size + 1) for side in (reference, actual)]
    return stability_of_counts(counts[0], counts[1])


def stability_of_counts(
    reference: NDArray[np.float64], actual: NDArray[np.float64], *, pseudo_count: float = 0.5
) -> float:
    """Return the population stability index of two histograms over the same bins (L-9.1).

    Parameters
    ----------
    reference, actual
        Values in each bin, shape (bins,).
    pseudo_count
        Added to each bin of either side; with 0 the index of the plain shares, for which no bin may be empty.

    Examples
    --------
    >>> tens = np.full(10, 20.0)
    >>> round(stability_of_counts(tens, np.array([0.0, 10, 20, 20, 20, 20, 20, 20, 30, 40])), 12)
    0.480743889551
    """
    expected, found = (
        (counts + pseudo_count) / (counts.sum() + pseudo_count * counts.size) for counts in (reference, actual)
    )
    return float(((found - expected) * np.log(found / expected)).sum())


def status(index: float) -> DriftStatus:
    """Return what an index means: below 0.10 stable, up to 0.25 watch, above drifted.

    Examples
    --------
    >>> status(0.05), status(0.1), status(0.3), status(math.nan)
    ('stable', 'watch', 'drifted', 'insufficient')
    """
    if math.isnan(index):
        return "insufficient"
    return "drifted" if index > DRIFTED_ABOVE else "watch" if index >= WATCH_FROM else "stable"


def kolmogorov_smirnov(reference: NDArray[np.float64], actual: NDArray[np.float64]) -> tuple[float, float]:
    """Return the largest distance of two empirical distributions and its two-sided p-value (L-9.2).

    The p-value is exact while the product of the sample sizes is at most ``LARGEST_EXACT``, by the count of lattice
    paths; beyond that it is that of Kolmogorov's limit, some per cent larger. Equal values make it
    larger too.

    Parameters
    ----------
    reference, actual
        Samples without NaN, shapes (m,) and (n,).

    Returns
    -------
    tuple
        Distance from 0 to 1 and p-value; NaN when a sample is empty.

    References
    ----------
    Hodges (1957), The significance probability of the Smirnov two-sample test; Smirnov (1948).

    Examples
    --------
    >>> distance, p = kolmogorov_smirnov(np.arange(1.0, 11.0), np.arange(4.0, 14.0))
    >>> distance, round(p, 12)
    (0.3, 0.786929788478)
    """
    from gnosis.learning.drift_kernel import largest_distance

    steps = largest_distance(np.sort(reference), np.sort(actual)) if min(reference.size, actual.size) else 0
    sizes = np.array([actual.size])
    return distances(np.array([steps]), reference.size, sizes)[0].item(), p_values(
        np.array([steps]), reference.size, sizes
    )[0].item()


def distances(steps: NDArray[np.int64], m: int, n: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return largest distances of samples of m and n values from their multiples of 1/(m n); NaN without values."""
    pairs = m * n
    return np.where(pairs > 0, steps / np.maximum(pairs, 1), np.nan)


def p_values(steps: NDArray[np.int64], m: int, n: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the p-values of :func:`kolmogorov_smirnov` for largest distances in multiples of 1/(m n)."""
    from scipy.special import kolmogorov

    from gnosis.learning.drift_kernel import exact_p_values

    limit = kolmogorov(distances(steps, m, n) * np.sqrt(m * n / np.maximum(m + n, 1)))
    return np.where(m * n <= LARGEST_EXACT, exact_p_values(steps, m, n, LARGEST_EXACT), limit)


def holm(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return p-values adjusted for their number, so that one of them is below a level by chance at most that often.

    Parameters
    ----------
    p
        Shape (tests,), NaN where nothing was tested: it does not count as a test.

    References
    ----------
    Holm (1979), A simple sequentially rejective multiple test procedure.

    Examples
    --------
    >>> holm(np.array([0.01, 0.2, 0.001, np.nan, 0.02, 0.04])).round(12).tolist()
    [0.04, 0.2, 0.005, nan, 0.06, 0.08]
    """
    order = np.argsort(p)[: np.count_nonzero(~np.isnan(p))]
    adjusted = np.full(p.shape, np.nan)
    rising = np.maximum.accumulate(p[order] * np.arange(order.size, 0, -1))
    adjusted[order] = np.minimum(rising, 1.0)
    return adjusted


def decile_edges(known: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return where bins begin: at the deciles, and right after a decile that occurs more than once."""
    if not known.size:
        return np.empty(0)
    deciles, times = np.unique(np.quantile(known, np.arange(1, BINS) / BINS), return_counts=True)
    return np.union1d(deciles, np.nextafter(deciles[times > 1], np.inf))


def _counts(bins: NDArray[np.intp], values: NDArray[np.float64], n_bins: int) -> NDArray[np.float64]:
    """Return the values in each bin, the missing ones in one more at the end."""
    return np.bincount(np.where(np.isnan(values), n_bins, bins), minlength=n_bins + 1).astype(np.float64)


__all__ = [
    "DRIFTED_ABOVE",
    "FEWEST_ROWS",
    "LARGEST_EXACT",
    "WATCH_FROM",
    "decile_edges",
    "distances",
    "holm",
    "kolmogorov_smirnov",
    "p_values",
    "population_stability",
    "stability_of_counts",
    "status",
]
