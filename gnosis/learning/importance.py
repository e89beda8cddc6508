"""Permutation importance: what the published model loses when one feature is shuffled among the test rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from gnosis.learning import models
from gnosis.learning.matrix import FEATURE_NAMES, as_array
from gnosis.learning.metrics import row_log_loss
from gnosis.learning.prediction import model_in_force

if TYPE_CHECKING:
    from numpy.typing import NDArray


def permutation_importance(
    rows: pl.DataFrame,
    trained: pl.DataFrame,
    horizon: int = 5,
    *,
    seed: int = 0,
    model_name: str = models.PUBLISHED,
) -> pl.DataFrame:
    """Return the rise of the out-of-sample log loss when a feature is permuted within each fold (Breiman 2001).

    Parameters
    ----------
    rows
        Result of :func:`gnosis.learning.matrix.dataset`; rows without a label or before the first model are left out.
    trained
        Rows of ``models.trained``.
    horizon, model_name
        Which models to explain.
    seed
        Of the permutations.

    Returns
    -------
    polars.DataFrame
        ``feature``, ``log_loss_increase`` (nats, mean over folds), ``spread`` (standard deviation over folds, null with
        one fold), ``folds``; largest increase first.
    """
    known = rows.filter((pl.col("horizon_bars") == horizon) & pl.col("y_dir").is_not_null())
    in_force = model_in_force(known["session"], trained, horizon, model_name)
    known = known.with_columns(in_force["model_version"]).filter(pl.col("model_version").is_not_null())
    content = dict(trained.select("model_version", "model_bytes").iter_rows())
    increases: list[NDArray[np.float64]] = []
    for number, version in enumerate(known["model_version"].unique(maintain_order=True)):
        part = known.filter(pl.col("model_version") == version)
        model = models.load(model_name, content[version])
        rng = np.random.default_rng([seed, horizon, number])
        increases.append(_increase(model, as_array(part), part["y_dir"].cast(pl.Int64).to_numpy() + 1, rng))
    spread = np.std(increases, axis=0, ddof=1) if len(increases) > 1 else np.full(len(FEATURE_NAMES), np.nan)
    mean = np.mean(increases, axis=0) if increases else np.full(len(FEATURE_NAMES), np.nan)
    return (
        pl.DataFrame({"feature": FEATURE_NAMES, "log_loss_increase": mean, "spread": spread})
        .with_columns(pl.col("log_loss_increase", "spread").fill_nan(None), folds=pl.lit(len(increases), pl.Int64))
        .sort("log_loss_increase", "feature", descending=[True, False], nulls_last=True)
    )


def _increase(
    model: models.TrainedModel, features: NDArray[np.float32], outcome: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.float64]:
    base = row_log_loss(model.predict_proba(features), outcome).mean()
    increase = np.zeros(features.shape[1])
    for column in range(features.shape[1]):
        shuffled = features.copy()
        shuffled[:, column] = rng.permutation(features[:, column])
        increase[column] = row_log_loss(model.predict_proba(shuffled), outcome).mean() - base
    return increase
