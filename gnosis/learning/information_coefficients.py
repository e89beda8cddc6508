"""Information coefficients: what the values of a feature foretold, with standard errors, and when that is too good."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from gnosis.tables.models import HORIZONS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

KINDS = ("ic", "rank_ic", "time_series_ic")
ALARM_IC = 0.10
ALARM_ERRORS = 2.0
FEWEST_SYMBOLS = 10
FEWEST_SESSIONS = 60


def coefficients(values: NDArray[np.float64], outcome: NDArray[np.float64], horizon: int) -> dict[str, float]:
    """Return the information coefficients of one horizon with their standard errors.

    Parameters
    ----------
    values, outcome
        Arrays (sessions, symbols) in order of time, NaN where there is none. Only pairs that have both count.
    horizon
        Sessions that an outcome spans: outcomes of neighbouring sessions overlap by one less.

    Returns
    -------
    dict
        ``ic_<horizon>``: mean over sessions of the correlation across symbols, of sessions with at least 10 pairs.
        ``rank_ic_<horizon>``: the same with Spearman's. ``time_series_ic_<horizon>``: mean over symbols with at least
        60 pairs of the correlation over time. Each with its ``_error``; absent where a side does not vary, or with
        fewer than 60 sessions.

    References
    ----------
    Grinold & Kahn (1999), Active Portfolio Management; Spearman (1904).

    Examples
    --------
    >>> outcome = np.sin(np.arange(100.0)).reshape(100, 1)
    >>> coefficients(-outcome, outcome, 1)["time_series_ic_1"]
    -1.0
    """
    from scipy.stats import rankdata

    both = ~(np.isnan(values) | np.isnan(outcome))
    x, y = np.where(both, values, np.nan), np.where(both, outcome, np.nan)
    is_wide = both.sum(axis=1) >= FEWEST_SYMBOLS
    is_long = both.sum(axis=0) >= FEWEST_SESSIONS
    found: dict[str, tuple[float, float]] = {}
    if is_wide.any():
        sides = [side[is_wide].T for side in (x, y)]
        ranks = [rankdata(side, axis=0, nan_policy="omit") for side in sides]
        found["ic"] = mean_with_error(column_correlations(*sides), horizon - 1)
        found["rank_ic"] = mean_with_error(column_correlations(*ranks), horizon - 1)
    if is_long.any():
        found["time_series_ic"] = _over_time(x[:, is_long], y[:, is_long], horizon - 1)
    row: dict[str, float] = {}
    for name, (mean, error) in found.items():
        if not math.isnan(mean):
            row |= {f"{name}_{horizon}": mean, f"{name}_{horizon}_error": error}
    return row


def column_correlations(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Pearson's correlation of each column with its counterpart.

    Parameters
    ----------
    x, y
        Arrays (n, columns), NaN at the same places.

    Returns
    -------
    numpy.ndarray
        Shape (columns,), in [-1, 1]; NaN where a side does not vary.

    Examples
    --------
    >>> x = np.array([[1.0, 5.0], [2.0, 5.0], [4.0, 5.0]])
    >>> column_correlations(x, x * x).round(4).tolist()
    [0.9897, nan]
    """
    product = _standardised(x) * _standardised(y)
    count = (~np.isnan(product)).sum(axis=0)
    mean = np.nansum(product, axis=0) / np.maximum(count, 1)
    # Rounding carries a perfect correlation beyond 1 in its last digits.
    return np.where(count > 0, np.clip(mean, -1.0, 1.0), np.nan)


def mean_with_error(values: NDArray[np.float64], lags: int) -> tuple[float, float]:
    """Return the mean of a series and its Newey-West standard error.

    Parameters
    ----------
    values
        One value per session in order, NaN where there is none; those are left out.
    lags
        Lags with Bartlett weights; at least floor(4 (n/100)^(2/9)) are taken.

    Returns
    -------
    tuple of float
        NaN with fewer than 60 values.

    References
    ----------
    Newey & West (1987); the rule for the lags is that of Newey & West (1994).

    Examples
    --------
    >>> alternating = np.tile([1.0, -1.0], 200)
    >>> mean, error = mean_with_error(alternating, lags=1)
    >>> mean, error < 1 / math.sqrt(400)
    (0.0, True)
    """
    known = values[~np.isnan(values)]
    n = known.size
    if n < FEWEST_SESSIONS:
        return math.nan, math.nan
    return float(known.mean()), newey_west_error(known, max(lags, math.floor(4.0 * (n / 100.0) ** (2.0 / 9.0))))


def newey_west_error(values: NDArray[np.float64], lags: int) -> float:
    """Return the standard error of the mean of a series whose neighbours go together.

    Parameters
    ----------
    values
        In order of time, shape (n,), no NaN.
    lags
        Lags with Bartlett weights; the variance is divided by n.

    References
    ----------
    Newey & West (1987).

    Examples
    --------
    >>> daily = np.array([0.05, 0.04, 0.02, -0.01, -0.03, -0.02, 0.01, 0.03, 0.05, 0.06])
    >>> round(float(daily.mean()) / newey_west_error(daily, lags=2), 6)
    1.516196
    """
    left = values - values.mean()
    variance = (left * left).sum()
    for lag in range(1, min(lags, values.size - 1) + 1):
        variance += 2.0 * (1.0 - lag / (lags + 1.0)) * (left[lag:] * left[:-lag]).sum()
    return math.sqrt(max(variance, 0.0)) / values.size


def is_alarming(row: Mapping[str, object]) -> bool:
    """Return True when a coefficient is so large that a leak is likelier than skill (L-8.3).

    It alarms when it exceeds 0.10 in size by more than two of its standard errors. The errors belong to the rule
    because 141 features have some 1,000 coefficients: noise alone carries some of them beyond 0.10, above all over
    time, where a slow feature and overlapping outcomes go together by chance. A leak lies far above.

    Examples
    --------
    >>> is_alarming({"ic_5": 0.2, "ic_5_error": 0.04}), is_alarming({"ic_5": 0.2, "ic_5_error": 0.06})
    (True, False)
    """
    pairs = ((row.get(name), row.get(f"{name}_error")) for name in _names())
    return any(
        isinstance(mean, float) and isinstance(error, float) and abs(mean) - ALARM_ERRORS * error > ALARM_IC
        for mean, error in pairs
    )


def strength(row: Mapping[str, float]) -> float:
    """Return the largest coefficient of a row in units of its standard error; 0 without any.

    Examples
    --------
    >>> strength({"ic_1": -0.06, "ic_1_error": 0.03, "ic_5": 0.01, "ic_5_error": 0.02}), strength({})
    (2.0, 0.0)
    """
    sizes = [abs(row[name]) / row[f"{name}_error"] if row[f"{name}_error"] > 0.0 else math.inf
             for name in _names() if row.get(name)]  # fmt: skip
    return max(sizes, default=0.0)


def _names() -> list[str]:
    return [f"{kind}_{horizon}" for horizon in HORIZONS for kind in KINDS]


def _over_time(x: NDArray[np.float64], y: NDArray[np.float64], lags: int) -> tuple[float, float]:
    """Return the mean over symbols of the correlation over time, and its standard error.

    The error is that of the mean of one value per session: ``r + T/K sum over symbols of (a b - r_k)/n_k`` with the
    standardised values a and b of symbol k, its n_k pairs and its correlation r_k, over K symbols and T sessions. The
    a b - r_k of a symbol sum to 0, so the mean of the series is the estimate however unequal the histories are. Mean
    and deviation of a and b are taken as given, which is right without a relation and cautious with one.
    """
    product = _standardised(x) * _standardised(y)
    per_symbol = column_correlations(x, y)
    varies = ~np.isnan(per_symbol)
    if not varies.any():
        return math.nan, math.nan
    product, per_symbol = product[:, varies], per_symbol[varies]
    estimate = float(per_symbol.mean())
    known = ~np.isnan(product)
    is_held = known.any(axis=1)
    share = np.nansum((product - per_symbol) / known.sum(axis=0), axis=1)[is_held] / per_symbol.size
    return estimate, mean_with_error(estimate + is_held.sum() * share, lags)[1]


def _standardised(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return each column less its mean in units of its standard deviation (n), all NaN where it does not vary."""
    known = ~np.isnan(values)
    count = np.maximum(known.sum(axis=0), 1)
    left = values - np.nansum(values, axis=0) / count
    spread = np.sqrt(np.nansum(left * left, axis=0) / count)
    # Single precision leaves a spread of some 1e-7 of the values where they are all the same.
    varies = spread > 1e-6 * np.abs(np.where(known, values, 0.0)).max(axis=0)
    return np.where(varies, left / np.where(varies, spread, 1.0), np.nan)


__all__ = [
    "ALARM_ERRORS", "ALARM_IC", "FEWEST_SESSIONS", "FEWEST_SYMBOLS", "coefficients", "column_correlations",
    "is_alarming", "mean_with_error", "newey_west_error", "strength",
]  # fmt: skip
