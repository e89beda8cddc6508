"""The model matrix: feature rows as numbers in the order of the registry, and the one place where labels meet them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from gnosis.features.registry import FEATURES
from gnosis.learning.problem import Inputs
from gnosis.sessions import schedule
from gnosis.tables import TABLES

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEATURE_NAMES: tuple[str, ...] = tuple(feature.name for feature in FEATURES)
CATEGORIES: dict[int, tuple[str, ...]] = {
    position: feature.categories
    for position, feature in enumerate(FEATURES)
    if feature.categories and min(feature.codes.values()) >= 0
}
"""Positions of the features whose codes have no order. A category coded around zero is a number on its scale."""

KEY = ["session", "symbol"]
ORIGIN = ["as_of", "known_at", "provider", "synthetic"]
ENERGY = "hedge_movement_energy"
_LABEL_KEY = ["horizon_bars", "session", "symbol"]


class LookAheadError(ValueError):
    """Rows that hold something that could not have been known when the decision was taken."""


class FeatureRowsError(ValueError):
    """Feature rows that do not have the columns or keys of the feature tables."""


def feature_list_sha256() -> str:
    """Return the hash of the ordered feature names, dtypes and category codes (L-1.4).

    Examples
    --------
    >>> len(FEATURE_NAMES), len(feature_list_sha256())
    (141, 64)
    """
    kinds = {feature.name: feature.dtype for feature in FEATURES}
    lines = [
        f"{name}:{kinds[name]}:{','.join(CATEGORIES.get(position, ()))}" for position, name in enumerate(FEATURE_NAMES)
    ]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def feature_rows(matrix: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of the feature matrix that models learn from, with the features of ``FEATURE_NAMES`` only.

    Parameters
    ----------
    matrix
        Rows of ``features.matrix``.

    Returns
    -------
    polars.DataFrame
        ``session``, ``symbol``, ``as_of``, ``known_at``, ``provider``, ``synthetic``, ``confidence`` and the features
        of ``FEATURE_NAMES``, sorted by session and symbol.

    Raises
    ------
    FeatureRowsError
        A feature that is not there, or a repeated key.
    LookAheadError
        A row known after its ``as_of``, or whose ``as_of`` is not before the next session's open, when the position
        that it decides on is opened.
    """
    absent = [name for name in FEATURE_NAMES if name not in matrix.columns]
    if absent:
        raise FeatureRowsError(f"expected the {len(FEATURE_NAMES)} features of the registry, found none of {absent}")
    if matrix.select(KEY).is_duplicated().any():
        raise FeatureRowsError("expected one feature row per symbol and session, found repeated keys")
    rows = matrix.select(*KEY, *ORIGIN, "confidence", *FEATURE_NAMES).sort(KEY)
    _require_in_time(rows)
    return rows


def _require_in_time(rows: pl.DataFrame) -> None:
    late = rows.filter(pl.col("known_at") > pl.col("as_of"))
    if late.height:
        raise LookAheadError(
            f"expected feature rows known by their as_of, found {late.height} known later, first {late['symbol'][0]} "
            f"{late['session'][0]}: known_at {late['known_at'][0]}, as_of {late['as_of'][0]}; recompute these features"
        )
    next_open = schedule().select("session", next_open=pl.col("open_at").shift(-1))
    late = rows.join(next_open, on="session", how="left").filter(pl.col("as_of") >= pl.col("next_open"))
    if late.height:
        raise LookAheadError(
            f"expected every as_of before the next open, found {late.height} later, first {late['symbol'][0]} "
            f"{late['session'][0]}: as_of {late['as_of'][0]}; the fill at the next open would precede the decision"
        )


def as_array(rows: pl.DataFrame) -> NDArray[np.float32]:
    """Return the features as float32 of shape (rows, 141), missing as NaN (L-1.1)."""
    values = rows.select(pl.col(FEATURE_NAMES).cast(pl.Float32)).fill_null(float("nan")).to_numpy()
    canonical = np.ascontiguousarray(values, dtype=np.float32)
    canonical[np.isnan(canonical)] = np.float32("nan")
    return canonical


def feature_row_sha256(features: NDArray[np.float32]) -> list[str]:
    """Return one hash per row over the values with a canonical NaN and the missing mask (L-12.2).

    Examples
    --------
    >>> row = np.full((1, 141), np.nan, dtype=np.float32)
    >>> feature_row_sha256(row)[0][:12]
    '5b36acf5d371'
    """
    values = np.ascontiguousarray(features, dtype="<f4") + np.float32(0.0)
    mask = np.isnan(values)
    values[mask] = np.float32("nan")
    packed = np.hstack([values.view(np.uint8), mask.astype(np.uint8)])
    return [hashlib.sha256(row).hexdigest() for row in np.ascontiguousarray(packed)]


def dataset(features: pl.DataFrame, labels: pl.DataFrame) -> pl.DataFrame:
    """Join feature rows with what became of them: the only place where labels meet features (L-2.12).

    Parameters
    ----------
    features
        Result of :func:`feature_rows`, with ``confidence``.
    labels
        Rows of ``models.labels`` of one or more horizons.

    Returns
    -------
    polars.DataFrame
        ``models.dataset``: one row per feature row and horizon of ``labels``, sorted by its key; everything about the
        outcome is null while the outcome is unknown.
    """
    table = TABLES["models.dataset"]
    values = as_array(features)
    keys = features.select(
        *KEY,
        *ORIGIN,
        "confidence",
        movement_energy=pl.col(ENERGY).cast(pl.Float64),
        n_missing=pl.Series(np.isnan(values).sum(axis=1), dtype=pl.Int64),
        feature_row_sha256=pl.Series(feature_row_sha256(values), dtype=pl.String),
    )
    outcome = labels.rename({"known_at": "label_known_at", "synthetic": "label_synthetic"}).drop("session", "provider")
    horizons = labels.select("horizon_bars").unique().sort("horizon_bars")
    return (
        horizons.join(keys, how="cross")
        .join(outcome.rename({"signal_session": "session"}), on=_LABEL_KEY, how="left", validate="1:1")
        .select(list(table.polars_schema))
        .cast(table.polars_schema)
        .sort(table.key)
    )


def inputs(features: pl.DataFrame, sigma_bar: pl.DataFrame | None = None) -> Inputs:
    """Return feature rows as the arrays that models read.

    Parameters
    ----------
    features
        Result of :func:`feature_rows`: sorted by session and symbol.
    sigma_bar
        ``session`` (of the signal), ``symbol`` and ``sigma_bar``, as in ``models.dataset`` of one horizon; without it
        the volatility scale is unknown.
    """
    number = schedule().select("session").with_row_index("number", offset=0)
    numbered = features.select(KEY).join(number, on="session", how="left", maintain_order="left")
    symbols = features["symbol"].unique().sort()
    if sigma_bar is None:
        sigma = np.full(features.height, np.nan)
    else:
        scale = sigma_bar.select(*KEY, "sigma_bar").unique(KEY)
        sigma = features.select(KEY).join(scale, on=KEY, how="left", maintain_order="left")["sigma_bar"].to_numpy()
    return Inputs(
        features=as_array(features),
        symbol=symbols.search_sorted(features["symbol"]).cast(pl.Int64).to_numpy(),
        session=numbered["number"].cast(pl.Int64).to_numpy(),
        sigma_bar=np.asarray(sigma, dtype=np.float64),
    )
