"""Drift: how far the distribution of a feature has moved from the one that models learnt from."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gnosis.tables.models import DriftStatus

BINS = 10
FEWEST_ROWS = 100
WATCH_FROM, DRIFTED_ABOVE = 0.10, 0.25


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
        edges = _edges(known)
        counts = [_counts(np.searchsorted(edges, side, "right"), side, edges.size + 1) for side in (reference, actual)]
    bins = counts[0].size
    expected, found = ((n + 0.5) / (n.sum() + 0.5 * bins) for n in counts)
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


def _edges(known: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return where bins begin: at the deciles, and right after a decile that occurs more than once."""
    if not known.size:
        return np.empty(0)
    deciles, times = np.unique(np.quantile(known, np.arange(1, BINS) / BINS), return_counts=True)
    return np.union1d(deciles, np.nextafter(deciles[times > 1], np.inf))


def _counts(bins: NDArray[np.intp], values: NDArray[np.float64], n_bins: int) -> NDArray[np.float64]:
    """Return the values in each bin, the missing ones in one more at the end."""
    return np.bincount(np.where(np.isnan(values), n_bins, bins), minlength=n_bins + 1).astype(np.float64)


__all__ = ["DRIFTED_ABOVE", "WATCH_FROM", "population_stability", "status"]
