"""Small published models of every head, as rows of models.trained, and feature rows for them."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl

from gnosis.features.registry import BY_NAME
from gnosis.learning import models
from gnosis.learning.calibration import fit_calibrator
from gnosis.learning.heads import HEADS
from gnosis.learning.matrix import CATEGORIES, FEATURE_NAMES, feature_list_sha256
from gnosis.learning.problem import Inputs, Problem
from gnosis.sessions import schedule
from gnosis.tables import TABLES

NOTHING = np.empty(0, dtype=np.int64)


def matrix(n: int, seed: int, missing: float = 0.05) -> np.ndarray:
    """Rows of the matrix as models read them: noise, codes and gaps."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, len(FEATURE_NAMES))).astype(np.float32)
    for at, labels in CATEGORIES.items():
        values[:, at] = rng.integers(0, len(labels), n)
    values[rng.random(values.shape) < missing] = np.nan
    return values


def trained_fold(fold: int, valid_from: dt.date, seed: int, rounds: int = 12, name: str = "xgboost") -> pl.DataFrame:
    """Rows of models.trained of one fold: every head that the family answers."""
    values = matrix(500, seed)
    rng = np.random.default_rng(seed + 1)
    inputs = Inputs(values, np.zeros(500, np.int64), np.arange(500), np.full(500, 0.01))
    signal = np.nan_to_num(values[:, 3]).astype(np.float64)
    rows = []
    for head in HEADS.values():
        target = signal * 0.1 - 1.0 + 0.1 * rng.normal(size=500)
        if head.is_classes:
            target = np.clip(np.digitize(signal + rng.normal(size=500), [-0.5, 0.5]), 0, head.n_classes - 1).astype(
                float
            )
        parameters = models.PARAMETERS[name] | ({"max_rounds": rounds} if name == "xgboost" else {})
        problem = Problem(
            head, inputs, np.arange(350), target[:350], np.ones(350), NOTHING, NOTHING, parameters, seed=seed
        )
        if name not in head.models:
            continue
        model = models.fit(name, problem)
        calibrator = None
        if head.is_classes:
            later = model.predict(inputs, np.arange(350, 500))
            calibrator = fit_calibrator(later, target[350:].astype(np.int64), np.arange(150), np.arange(150))
        content = model.to_bytes()
        digest = models.model_sha256(content)
        served = head.name == "direction" and name == "xgboost"
        rows.append(
            {
                "horizon_bars": 5,
                "head": head.name,
                "fold": fold,
                "model_name": name,
                "trained_through": valid_from - dt.timedelta(days=1),
                "valid_from": valid_from,
                "model_version": f"{head.name}-h5-f{fold}-{digest[:12]}",
                "model_sha256": digest,
                "dataset_sha256": "d",
                "feature_list_sha256": feature_list_sha256(),
                "n_train": 500,
                "n_fit": 350,
                "n_calibration": 150,
                "n_effective": 350.0,
                "energy_weight": "unproven",
                "seed": seed,
                "study_name": None,
                "parameters": "{}",
                "class_edges": [0.4, 0.9] if head.name == "magnitude" else None,
                "calibrator_id": calibrator.calibrator_id if calibrator else None,
                "calibrator": calibrator.to_json() if calibrator else None,
                "residual_error": None if head.is_classes else 0.25,
                "importance": np.where(np.arange(141) < 10, 0.1, -0.01).tolist() if served else None,
                "feature_low": [-3.0] * 141 if served else None,
                "feature_high": [30.0] * 141 if served else None,
                "model_bytes": content,
                "synthetic": False,
            }
        )
    return pl.DataFrame(rows, schema=TABLES["models.trained"].polars_schema)


def feature_frame(
    first: dt.date, n_sessions: int, seed: int, symbols: tuple[str, ...] = ("AAA", "BBB")
) -> pl.DataFrame:
    """Feature rows of some symbols from a session on, known at its close."""
    days = schedule().filter(pl.col("session") >= first).head(n_sessions)
    keys = days.select("session", as_of="close_at").join(pl.DataFrame({"symbol": symbols}), how="cross")
    values = matrix(keys.height, seed)
    dtypes = TABLES["features.matrix"].polars_schema
    columns = {}
    for at, name in enumerate(FEATURE_NAMES):
        whole = BY_NAME[name].dtype != "float"
        series = pl.Series(np.abs(np.round(values[:, at])) if whole else values[:, at]).cast(pl.Float64).fill_nan(None)
        if BY_NAME[name].dtype == "bool":
            columns[name] = (series > 0).rename(name)
        elif whole:
            columns[name] = series.cast(pl.Int64).cast(dtypes[name]).rename(name)
        else:
            columns[name] = series.cast(dtypes[name]).rename(name)
    return keys.with_columns(
        known_at="as_of", provider=pl.lit("simulated"), synthetic=pl.lit(False), confidence=pl.lit(0.9), **columns
    ).sort("session", "symbol")
