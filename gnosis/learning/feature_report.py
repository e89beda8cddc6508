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
from gnosis.learning.information_coefficients import (
    FEWEST_SESSIONS,
    coefficients,
    column_correlations,
    is_alarming,
    strength,
)
from gnosis.tables import TABLES
from gnosis.tables.models import HORIZONS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gnosis.features.registry import Feature

RECENT_SESSIONS = (20, 60)
LAGS = (1, 20)
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
MOST_PAIRED_ROWS = 20_000
"""Rows of which the mutual correlations are taken; of more, those of evenly spaced sessions."""


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

        The coefficients are those of :func:`gnosis.learning.information_coefficients.coefficients`, and alarm by
        ``is_alarming`` there. Those of a category are about one of its labels, ``ic_label``, as 1 where it holds and
        0 elsewhere: the one whose largest coefficient is the most standard errors from 0.

    Raises
    ------
    ValueError
        When a key of the matrix occurs twice.

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
    known = _outcomes(matrix, labels)
    outcomes = {horizon: grid.of(known[f"outcome_{horizon}"]) for horizon in HORIZONS}
    rows = [_described(feature, grid.of(matrix[feature.name]), outcomes) for feature in FEATURES]
    span = {
        "first_session": grid.sessions[0],
        "last_session": grid.sessions[-1],
        "synthetic": bool(matrix["synthetic"].any() or known["synthetic"].any()),
    }
    nearest = _nearest(matrix)
    full = [row | nearest.get(row["feature"], {}) | span for row in rows]
    return pl.DataFrame([row | {"verdict": _verdict(row)} for row in full], schema=table.polars_schema).sort("number")


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


def _outcomes(matrix: pl.DataFrame, labels: pl.DataFrame) -> pl.DataFrame:
    """Return the outcomes of the rows of the matrix, a column for each horizon, and whether any is synthetic."""
    outcome = pl.col("y_ret") / (pl.col("sigma_bar") * pl.col("horizon_bars").sqrt())
    used = labels.select(
        "symbol",
        "horizon_bars",
        "synthetic",
        pl.col("signal_session").alias("session"),
        outcome=pl.when(outcome.is_finite()).then(outcome),
    ).drop_nulls("outcome")
    keys = ["session", "symbol"]
    rows = matrix.select(keys)
    for horizon in HORIZONS:
        own = used.filter(pl.col("horizon_bars") == horizon).select(
            *keys, pl.col("outcome").alias(f"outcome_{horizon}"), pl.col("synthetic").alias(f"synthetic_{horizon}")
        )
        rows = rows.join(own, on=keys, how="left", maintain_order="left", validate="1:1")
    return rows.with_columns(synthetic=pl.any_horizontal(f"synthetic_{horizon}" for horizon in HORIZONS))


def _described(
    feature: Feature, values: NDArray[np.float64], outcomes: dict[int, NDArray[np.float64]]
) -> dict[str, Any]:
    known = values[~np.isnan(values)]
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
    is_discrete = feature.dtype != "float"
    recent = {n: population_stability(values[:-n].ravel(), values[-n:].ravel(), is_discrete=is_discrete)
              for n in RECENT_SESSIONS}  # fmt: skip
    row |= {f"psi_{n}_sessions": _or_none(index) for n, index in recent.items()}
    row["drift"] = status(recent[RECENT_SESSIONS[-1]])
    if feature.dtype == "category":
        return row | _of_strongest_label(feature, values, outcomes)
    if not known.size:
        return row
    row |= {"mean": float(known.mean()), "standard_deviation": float(known.std(ddof=1)) if known.size > 1 else None}
    row |= {
        f"p{100 * share:02.0f}": float(value)
        for share, value in zip(QUANTILES, np.quantile(known, QUANTILES), strict=True)
    }
    row |= {f"autocorrelation_{lag}": _pooled_correlation(values[lag:], values[:-lag]) for lag in LAGS}
    return row | _coefficients(values, outcomes)


def _of_strongest_label(
    feature: Feature, values: NDArray[np.float64], outcomes: dict[int, NDArray[np.float64]]
) -> dict[str, Any]:
    by_label = {
        label: _coefficients(np.where(np.isnan(values), np.nan, values == code), outcomes)
        for label, code in feature.codes.items()
    }
    strongest = max(by_label, key=lambda label: strength(by_label[label]))
    return by_label[strongest] | {"ic_label": strongest} if by_label[strongest] else {}


def _coefficients(values: NDArray[np.float64], outcomes: dict[int, NDArray[np.float64]]) -> dict[str, float]:
    found: dict[str, float] = {}
    for horizon, outcome in outcomes.items():
        found |= coefficients(values, outcome, horizon)
    return found


def _pooled_correlation(left: NDArray[np.float64], right: NDArray[np.float64]) -> float | None:
    both = ~(np.isnan(left) | np.isnan(right))
    if both.sum() < FEWEST_SESSIONS:
        return None
    return _or_none(float(column_correlations(left[both, None], right[both, None])[0]))


def _nearest(matrix: pl.DataFrame) -> dict[str, dict[str, Any]]:
    """Return for each feature the other one that it repeats most, by the correlation of their ranks.

    Whole sessions are left out where there are too many rows: every symbol is seen.
    """
    from gnosis.learning.feature_report_kernel import correlations

    names = [feature.name for feature in FEATURES if feature.dtype != "category"]
    sessions = matrix["session"].unique().sort().gather_every(-(-matrix.height // MOST_PAIRED_ROWS))
    ranks = matrix.filter(pl.col("session").is_in(sessions.implode())).select(
        pl.col(names).cast(pl.Float64).rank("average")
    )
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


def _most_common_share(known: NDArray[np.float64]) -> float | None:
    return float(np.unique(known, return_counts=True)[1].max() / known.size) if known.size else None


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value


__all__ = ["feature_report"]
