"""Answers of every stored family and head for the test sessions of its own fold: what evaluation judges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from gnosis.learning import models
from gnosis.learning.calibrator import calibrator_from_json
from gnosis.learning.matrix import KEY, inputs
from gnosis.learning.serving import require_todays_features

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gnosis.learning.problem import Inputs

SCHEMA: dict[str, Any] = {
    "horizon_bars": pl.Int64,
    "head": pl.String,
    "model_name": pl.String,
    "model_version": pl.String,
    "fold": pl.Int64,
    "session": pl.Date,
    "symbol": pl.String,
    "answer_raw": pl.List(pl.Float64),
    "answer": pl.List(pl.Float64),
    "class_edges": pl.List(pl.Float64),
}


def head_answers(features: pl.DataFrame, trained: pl.DataFrame, sigma_bar: pl.DataFrame, horizon: int) -> pl.DataFrame:
    """Ask every model about the sessions from its ``valid_from`` until the next fold's: none of them is its own lesson.

    Parameters
    ----------
    features
        Result of :func:`gnosis.learning.matrix.feature_rows`; also the rows before, for models that look back.
    trained
        Rows of ``models.trained``.
    sigma_bar
        ``session``, ``symbol`` and ``sigma_bar``, as in ``models.dataset`` of the horizon.
    horizon
        In sessions.

    Returns
    -------
    polars.DataFrame
        Columns of :data:`SCHEMA`, sorted by head, family, session and symbol. ``answer_raw`` and ``answer`` hold the
        probabilities before and after calibration, or one number twice; both are null where a model has no answer.

    Raises
    ------
    gnosis.learning.serving.StaleModelError
        A model of another list of features.
    """
    ours = trained.filter(pl.col("horizon_bars") == horizon)
    require_todays_features(ours)
    rows = features.sort(KEY)
    begins = ours.group_by("fold").agg(begin=pl.col("valid_from").min()).sort("begin")
    ends = dict(zip(begins["fold"], [*begins["begin"][1:], None], strict=True)) if begins.height else {}
    scale = sigma_bar.filter(pl.col("horizon_bars") == horizon) if "horizon_bars" in sigma_bar.columns else sigma_bar
    asked = inputs(rows, scale)
    session = rows["session"]
    parts = [pl.DataFrame(schema=SCHEMA)]
    for model in ours.iter_rows(named=True):
        first = int(session.search_sorted(model["valid_from"]))
        end = ends[model["fold"]]
        last = rows.height if end is None else int(session.search_sorted(end))
        parts.append(_answers_of(model, rows, asked, np.arange(first, last)))
    return pl.concat(parts).sort("head", "model_name", *KEY)


def _answers_of(model: dict[str, Any], rows: pl.DataFrame, asked: Inputs, which: NDArray[np.int64]) -> pl.DataFrame:
    raw = models.load(model["model_name"], model["model_bytes"]).predict(asked, which)
    known = np.isfinite(raw).all(axis=1)
    calibrated = raw.copy()
    if model["calibrator"] is not None:
        calibrated[known] = calibrator_from_json(model["calibrator"]).apply(raw[known])
    width = pl.Array(pl.Float64, raw.shape[1])
    lists = [
        pl.select(pl.when(pl.Series(known)).then(pl.Series(each, dtype=width).arr.to_list())).to_series()
        for each in (raw, calibrated)
    ]
    return rows[which].select(
        pl.lit(model["horizon_bars"], pl.Int64).alias("horizon_bars"),
        pl.lit(model["head"]).alias("head"),
        pl.lit(model["model_name"]).alias("model_name"),
        pl.lit(model["model_version"]).alias("model_version"),
        pl.lit(model["fold"], pl.Int64).alias("fold"),
        *KEY,
        answer_raw=lists[0],
        answer=lists[1],
        class_edges=pl.lit(model["class_edges"], pl.List(pl.Float64)),
    )
