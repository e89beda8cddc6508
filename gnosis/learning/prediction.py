"""Predictions: each session is answered by the newest model that was complete before its close, or by none."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from gnosis.learning import models
from gnosis.learning.matrix import MAX_MISSING_SHARE, as_array, feature_list_sha256, feature_row_sha256
from gnosis.tables import TABLES

if TYPE_CHECKING:
    from numpy.typing import NDArray


class StaleModelError(ValueError):
    """A stored model that was trained on other features than those it is asked about."""


def model_in_force(
    sessions: pl.Series, trained: pl.DataFrame, horizon: int = 5, model_name: str = models.PUBLISHED
) -> pl.DataFrame:
    """Return for each session the model with the latest ``valid_from`` that is not after it.

    Parameters
    ----------
    sessions
        Dates, any order, repeats allowed.
    trained
        Rows of ``models.trained``.
    horizon, model_name
        Which models to consider.

    Returns
    -------
    polars.DataFrame
        In the order of ``sessions``: ``session``, ``fold``, ``model_version``, ``model_synthetic``; null before the
        first model.
    """
    usable = (
        trained.filter((pl.col("horizon_bars") == horizon) & (pl.col("model_name") == model_name))
        .select(
            pl.col("valid_from").alias("session"), "fold", "model_version", pl.col("synthetic").alias("model_synthetic")
        )
        .sort("session")
    )
    asked = sessions.unique().sort().alias("session").to_frame()
    answered = asked.join_asof(usable, on="session", strategy="backward")
    return sessions.alias("session").to_frame().join(answered, on="session", how="left", maintain_order="left")


def _probabilities(
    features: NDArray[np.float32], versions: pl.Series, refused: NDArray[np.bool_], trained: pl.DataFrame
) -> NDArray[np.float64]:
    """Probabilities of shape (rows, 3) by the model of each row, NaN where refused."""
    probabilities = np.full((len(features), 3), np.nan)
    version = versions.to_numpy()
    used = trained.filter(pl.col("model_version").is_in(versions.unique().implode()))
    for name, label, content in used.select("model_name", "model_version", "model_bytes").iter_rows():
        rows = np.flatnonzero((version == label) & ~refused)
        probabilities[rows] = models.load(name, content).predict_proba(features[rows])
    return probabilities


def predict(
    rows: pl.DataFrame, trained: pl.DataFrame, horizon: int = 5, model_name: str = models.PUBLISHED
) -> pl.DataFrame:
    """Return one out-of-sample prediction per feature row.

    Parameters
    ----------
    rows
        Result of :func:`gnosis.learning.matrix.feature_rows`, for the sessions to predict.
    trained
        Rows of ``models.trained``; later models than a session do not answer for it, so a backfill says what each
        night said.
    horizon
        In sessions.
    model_name
        The published model, or a baseline to stand beside it in the evaluation.

    Returns
    -------
    polars.DataFrame
        ``models.predictions``, sorted by key. ``abstain_reason`` is set and the probabilities are null before the first
        model (``no_model``) or when more than 30 % of the features are missing (``too_many_missing``, L-12.1).

    Raises
    ------
    StaleModelError
        When a model that would answer was trained on another list of features.
    """
    table = TABLES["models.predictions"]
    rows = rows.sort("session", "symbol")
    candidates = trained.filter((pl.col("horizon_bars") == horizon) & (pl.col("model_name") == model_name))
    in_force = model_in_force(rows["session"], candidates, horizon, model_name)
    answering = candidates.filter(pl.col("model_version").is_in(in_force["model_version"].unique().implode()))
    stale = answering.filter(pl.col("feature_list_sha256") != feature_list_sha256())
    if stale.height:
        raise StaleModelError(
            f"expected models of today's feature list, found {stale['model_version'].to_list()} of another; "
            "train models.trained anew before predicting"
        )
    features = as_array(rows)
    n_missing = np.isnan(features).sum(axis=1)
    too_many = n_missing > MAX_MISSING_SHARE * features.shape[1]
    refused = too_many | in_force["model_version"].is_null().to_numpy()
    probabilities = _probabilities(features, in_force["model_version"], refused, answering)
    predictions = rows.select("session", "symbol", "as_of", "known_at", "provider", "synthetic").with_columns(
        in_force.select("model_version", "model_synthetic"),
        horizon_bars=pl.lit(horizon, pl.Int64),
        model_name=pl.lit(model_name),
        **{
            name: pl.Series(probabilities[:, at], nan_to_null=True)
            for at, name in enumerate(("p_down", "p_flat", "p_up"))
        },
        n_missing=pl.Series(n_missing),
        too_many=pl.Series(too_many),
        feature_row_sha256=pl.Series(feature_row_sha256(features), dtype=pl.String),
    )
    predictions = predictions.with_columns(
        synthetic=pl.col("synthetic") | pl.col("model_synthetic").fill_null(False),
        abstain_reason=pl.when(pl.col("model_version").is_null())
        .then(pl.lit("no_model"))
        .when("too_many")
        .then(pl.lit("too_many_missing")),
    )
    return (
        predictions.with_columns(prediction_id=_prediction_ids(predictions))
        .select(list(table.polars_schema))
        .cast(table.polars_schema)
        .sort(table.key)
    )


def _prediction_ids(predictions: pl.DataFrame) -> pl.Series:
    """Hash the grain and the feature row of each prediction (section 12)."""
    grain = predictions.select(
        pl.concat_str(
            "model_name",
            pl.col("model_version").fill_null(""),
            "symbol",
            pl.col("as_of").dt.epoch("us"),
            "horizon_bars",
            "feature_row_sha256",
            separator="|",
        )
    ).to_series()
    return pl.Series([hashlib.sha256(text.encode()).hexdigest() for text in grain], dtype=pl.String)
