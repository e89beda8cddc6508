"""The report on features: how each is distributed, how it drifts, what it foretells and which other one it repeats.

A description of stored rows, not a selection: choosing features by it and judging them on the same sessions would count
as a trial of each of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from gnosis.features.registry import FEATURES
from gnosis.learning.drift import population_stability, status
from gnosis.tables import TABLES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gnosis.features.registry import Feature

HORIZONS = (1, 5, 20)
RECENT_SESSIONS = (20, 60)
LAGS = (1, 20)
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
ALARM_IC = 0.10
FEWEST_SYMBOLS = 10
FEWEST_SESSIONS = 60
MOST_PAIRED_ROWS = 20_000
"""Rows of which the mutual correlations are taken; of more, evenly spaced ones."""


@dataclass(frozen=True)
class _Grid:
    """Rows laid out by session and symbol."""

    sessions: pl.Series
    symbols: pl.Series
    row: NDArray[np.int64]
    column: NDArray[np.int64]

    def of(self, values: pl.Series) -> NDArray[np.float64]:
        """Return values as an array (sessions, symbols), NaN where there are none."""
        out = np.full((self.sessions.len(), self.symbols.len()), np.nan)
        out[self.row, self.column] = values.cast(pl.Float64).fill_null(math.nan).to_numpy()
        return out


def feature_report(matrix: pl.DataFrame, labels: pl.DataFrame) -> pl.DataFrame:
    """Describe every feature over the given rows.

    Parameters
    ----------
    matrix
        Rows of ``features.matrix``.
    labels
        Rows of ``models.labels``: the outcome of horizon h is ``y_ret / (sigma_bar sqrt(h))``.

    Returns
    -------
    polars.DataFrame
        Rows of ``models.feature_report``, one per feature in the order of the contract; none without rows.

        ``ic_*`` is the mean over sessions of the correlation across symbols between feature and outcome, with at least
        10 symbols a session and 60 sessions; ``rank_ic_*`` the same with Spearman's. ``time_series_ic_*`` is the mean
        over symbols of the correlation over time, for features that are the same for all symbols and for few symbols.
        Standard errors are those of Newey & West (1987) with Bartlett weights over at least h - 1 lags.

    Raises
    ------
    ValueError
        When a key of the matrix occurs twice.

    References
    ----------
    Grinold & Kahn (1999), Active Portfolio Management; Newey & West (1987); Spearman (1904).

    Examples
    --------
    >>> report = feature_report(TABLES["features.matrix"].empty(), TABLES["models.labels"].empty())
    >>> report.height, report.columns[:2]
    (0, ['feature', 'number'])
    """
    table = TABLES["models.feature_report"]
    if matrix.is_empty():
        return table.empty()
    matrix = matrix.sort("session", "symbol")
    grid = _grid(matrix)
    outcomes = {horizon: _outcome(grid, matrix, labels, horizon) for horizon in HORIZONS}
    rows = [_described(feature, grid.of(matrix[feature.name]), outcomes) for feature in FEATURES]
    span = {
        "first_session": grid.sessions[0],
        "last_session": grid.sessions[-1],
        "synthetic": bool(matrix["synthetic"].any()),
    }
    nearest = _nearest(matrix)
    full = [row | nearest.get(row["feature"], {}) | span for row in rows]
    return pl.DataFrame([row | {"verdict": _verdict(row)} for row in full], schema=table.polars_schema).sort("number")


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
    mean = known.mean()
    left = known - mean
    variance = (left * left).sum()
    most = max(lags, math.floor(4.0 * (n / 100.0) ** (2.0 / 9.0)))
    for lag in range(1, min(most, n - 1) + 1):
        variance += 2.0 * (1.0 - lag / (most + 1.0)) * (left[lag:] * left[:-lag]).sum()
    return float(mean), math.sqrt(max(variance, 0.0)) / n


def _grid(matrix: pl.DataFrame) -> _Grid:
    if matrix.select("session", "symbol").is_duplicated().any():
        raise ValueError("expected one row of features.matrix per session and symbol, found repeated keys")
    sessions, symbols = matrix["session"].unique().sort(), matrix["symbol"].unique().sort()
    return _Grid(
        sessions,
        symbols,
        sessions.search_sorted(matrix["session"]).to_numpy().astype(np.int64),
        symbols.search_sorted(matrix["symbol"]).to_numpy().astype(np.int64),
    )


def _outcome(grid: _Grid, matrix: pl.DataFrame, labels: pl.DataFrame, horizon: int) -> NDArray[np.float64]:
    own = labels.filter(pl.col("horizon_bars") == horizon).select(
        "symbol",
        pl.col("signal_session").alias("session"),
        outcome=pl.col("y_ret") / (pl.col("sigma_bar") * math.sqrt(horizon)),
    )
    joined = matrix.select("session", "symbol").join(own, on=["session", "symbol"], how="left", maintain_order="left")
    values = joined["outcome"]
    return grid.of(values.set(values.is_infinite().fill_null(value=False), None))


def _described(
    feature: Feature, values: NDArray[np.float64], outcomes: dict[int, NDArray[np.float64]]
) -> dict[str, Any]:
    known = values[~np.isnan(values)]
    is_category = feature.dtype == "category"
    row: dict[str, Any] = {
        "feature": feature.name,
        "number": feature.number,
        "group_name": feature.group,
        "unit": feature.unit,
        "n_rows": values.size,
        "missing_share": 1.0 - known.size / values.size,
        "n_distinct": int(np.unique(known).size),
        "most_common_share": _most_common_share(known),
    }
    recent = {n: population_stability(values[:-n].ravel(), values[-n:].ravel(), is_category=is_category)
              for n in RECENT_SESSIONS}  # fmt: skip
    row |= {f"psi_{n}_sessions": _or_none(index) for n, index in recent.items()}
    row["drift"] = status(recent[RECENT_SESSIONS[-1]])
    if is_category or not known.size:
        return row
    row |= {"mean": float(known.mean()), "standard_deviation": float(known.std(ddof=1)) if known.size > 1 else None}
    row |= {
        f"p{100 * share:02.0f}": float(value)
        for share, value in zip(QUANTILES, np.quantile(known, QUANTILES), strict=True)
    }
    row |= {f"autocorrelation_{lag}": _or_none(_correlation(values[lag:], values[:-lag])) for lag in LAGS}
    for horizon, outcome in outcomes.items():
        row |= _coefficients(values, outcome, horizon)
    return row


def _coefficients(values: NDArray[np.float64], outcome: NDArray[np.float64], horizon: int) -> dict[str, Any]:
    """Return the three information coefficients of one horizon with their errors."""
    from scipy.stats import rankdata

    both = ~(np.isnan(values) | np.isnan(outcome))
    x, y = np.where(both, values, np.nan), np.where(both, outcome, np.nan)
    is_wide = both.sum(axis=1) >= FEWEST_SYMBOLS
    is_long = both.sum(axis=0) >= FEWEST_SESSIONS
    found: dict[str, NDArray[np.float64]] = {}
    if is_wide.any():
        wide = [side[is_wide] for side in (x, y)]
        found["ic"] = _row_correlations(*wide)
        found["rank_ic"] = _row_correlations(*(rankdata(side, axis=1, nan_policy="omit") for side in wide))
    if is_long.any():
        found["time_series_ic"] = _products(x[:, is_long], y[:, is_long])
    row: dict[str, Any] = {}
    for name, series in found.items():
        mean, error = mean_with_error(series, horizon - 1)
        row |= {f"{name}_{horizon}": _or_none(mean), f"{name}_{horizon}_error": _or_none(error)}
    return row


def _row_correlations(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the correlation of each row, NaN where a side does not vary."""
    count = (~np.isnan(x)).sum(axis=1, keepdims=True)
    left, right = (side - np.nansum(side, axis=1, keepdims=True) / count for side in (x, y))
    return _normalised(left, right, axis=1)


def _products(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return per session the mean over symbols of the products of values standardised over time.

    Their mean over sessions is the mean over symbols of the correlation over time.
    """
    sides = []
    for side in (x, y):
        count = (~np.isnan(side)).sum(axis=0)
        left = side - np.nansum(side, axis=0) / count
        spread = np.sqrt(np.nansum(left * left, axis=0) / count)
        sides.append(np.where(_varies(spread, side), left / np.where(spread > 0.0, spread, 1.0), np.nan))
    product = sides[0] * sides[1]
    known = (~np.isnan(product)).sum(axis=1)
    return np.where(known > 0, np.nansum(product, axis=1) / np.maximum(known, 1), np.nan)


def _varies(spread: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.bool_]:
    # Single precision leaves a spread of some 1e-7 of the values where they are all the same.
    return spread > 1e-6 * np.nanmax(np.abs(np.where(np.isnan(values), 0.0, values)), axis=0)


def _normalised(left: NDArray[np.float64], right: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    squares = [np.nansum(side * side, axis=axis) for side in (left, right)]
    scale = np.sqrt(squares[0] * squares[1])
    return np.where(scale > 0.0, np.nansum(left * right, axis=axis) / np.where(scale > 0.0, scale, 1.0), np.nan)


def _correlation(left: NDArray[np.float64], right: NDArray[np.float64]) -> float:
    both = ~(np.isnan(left) | np.isnan(right))
    if both.sum() < FEWEST_SESSIONS:
        return math.nan
    x, y = left[both] - left[both].mean(), right[both] - right[both].mean()
    return float(_normalised(x, y, axis=0))


def _nearest(matrix: pl.DataFrame) -> dict[str, dict[str, Any]]:
    """Return for each feature the other one that it repeats most, by Spearman's correlation over all rows."""
    from gnosis.learning.feature_report_kernel import correlations

    names = [feature.name for feature in FEATURES if feature.dtype != "category"]
    step = -(-matrix.height // MOST_PAIRED_ROWS)
    ranks = matrix.gather_every(step).select(pl.col(names).cast(pl.Float64).rank("average"))
    of_pairs = correlations(ranks.fill_null(math.nan).to_numpy().T.copy(), FEWEST_SESSIONS)
    found = {}
    for position, name in enumerate(names):
        size = np.abs(of_pairs[position])
        if not np.isnan(size).all():
            other = int(np.nanargmax(size))
            found[name] = {
                "nearest_feature": names[other],
                "nearest_correlation": float(of_pairs[position, other]),
            }
    return found


def _verdict(row: dict[str, Any]) -> str:
    if row["missing_share"] == 1.0:
        return "empty"
    if row["n_distinct"] == 1:
        return "constant"
    if is_alarming(row):
        return "alarm"
    return "drifted" if row["drift"] == "drifted" else "in_order"


def is_alarming(row: dict[str, Any]) -> bool:
    """Return True when a feature foretells so well that a leak is likelier than skill (L-8.3).

    Across symbols any coefficient beyond 0.10 alarms. Over time, where a slow feature and overlapping outcomes go
    together by chance, it has to be two standard errors from 0 as well.

    Examples
    --------
    >>> is_alarming({"ic_5": 0.12}), is_alarming({"time_series_ic_5": 0.2, "time_series_ic_5_error": 0.15})
    (True, False)
    """
    for horizon in HORIZONS:
        for name in ("ic", "rank_ic"):
            if abs(row.get(f"{name}_{horizon}") or 0.0) > ALARM_IC:
                return True
        mean, error = (row.get(f"time_series_ic_{horizon}{end}") or 0.0 for end in ("", "_error"))
        if abs(mean) > max(ALARM_IC, 2.0 * error):
            return True
    return False


def _most_common_share(known: NDArray[np.float64]) -> float | None:
    return float(np.unique(known, return_counts=True)[1].max() / known.size) if known.size else None


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value


__all__ = ["ALARM_IC", "HORIZONS", "feature_report", "is_alarming", "mean_with_error"]
