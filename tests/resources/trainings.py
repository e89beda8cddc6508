"""Small trainings by hand, in the form of the tables."""

from __future__ import annotations

import datetime as dt
import json

import numpy as np
import polars as pl

from gnosis.learning import models
from gnosis.learning.heads import HEADS
from gnosis.learning.matrix import CATEGORIES, FEATURE_NAMES, feature_list_sha256
from gnosis.learning.problem import Inputs, Problem
from gnosis.tables import TABLES
from resources.tracking import Training

UNIVERSE = "sample"
FAMILIES = ("majority", "xgboost")
METRICS = {True: ("log_loss", "log_loss_raw", "ece", "auc"), False: ("rmse", "r_squared")}
N_ROWS = 120
FIRST_TEST = dt.date(2015, 1, 5)
STUDY_TRIALS = 30


def feature_values(rng: np.random.Generator, rows: int) -> np.ndarray:
    """Features with gaps, categories as codes."""
    values = rng.normal(size=(rows, len(FEATURE_NAMES))).astype(np.float32)
    values[:, list(CATEGORIES)] = rng.integers(0, 2, (rows, len(CATEGORIES)))
    values[rng.random(values.shape) < 0.05] = np.nan
    return values


def training_of(head: str = "direction", n_folds: int = 3, *, with_study: bool = False, seed: int = 3) -> Training:
    """Return a training of one head: majority and XGBoost of five rounds in every fold."""
    rng = np.random.default_rng(seed)
    features, rows = feature_values(rng, N_ROWS), np.arange(N_ROWS)
    n_classes = HEADS[head].n_classes
    target = rng.integers(0, n_classes, N_ROWS).astype(float) if n_classes else rng.normal(size=N_ROWS)
    inputs = Inputs(features, rows * 0, rows, np.full(N_ROWS, 0.01))
    nothing = np.empty(0, dtype=np.int64)
    trained = []
    for fold in range(n_folds):
        for name in FAMILIES:
            parameters = {**models.PARAMETERS[name], **({"max_rounds": 5} if name == "xgboost" else {})}
            asked = Problem(HEADS[head], inputs, rows, target, np.ones(N_ROWS), nothing, nothing, parameters, fold)
            content = models.fit(name, asked).to_bytes()
            trained.append(_trained_row(head, fold, name, content, parameters, is_class=n_classes > 0))
    studies = _study(head, n_folds - 1) if with_study else []
    return Training(
        horizon_bars=5,
        head=head,
        universe=UNIVERSE,
        trained=_rows("models.trained", trained),
        folds=_rows("models.folds", [_fold_row(fold) for fold in range(n_folds)]),
        studies=_rows("models.studies", studies),
        evaluation=_rows("models.evaluation", _evaluation(head, n_folds)),
        scored=_scored(rng, head, n_folds),
        importance=pl.DataFrame(
            {"feature": FEATURE_NAMES, "loss_increase": np.sort(rng.normal(size=141))[::-1], "spread": 0.1, "folds": 3}
        ),
        configuration={
            "models": {name: models.PARAMETERS[name] for name in FAMILIES},
            "folds": {"train": 756, "test": 63},
            "labels": {"horizon_bars": 5, "dead_zone": 0.1},
        },
        tags={
            "dagster_run_id": "0123abcd-0000",
            "partition": "2015-10-01",
            "git_commit": "abc",
            "dirty": "false",
            "code_sha256": "1" * 64,
            "lock_sha256": "2" * 64,
            "model_family": "xgboost",
            "threads": "1",
        },
        dagster_url="http://127.0.0.1:3000",
        example=pl.DataFrame(features[:5], schema=list(FEATURE_NAMES)).fill_nan(None),
        tables={
            "drift_reference": pl.DataFrame({"feature": ["a"], "edge": [0.5], "share": [0.1]}),
            "ablation": pl.DataFrame({"group": ["hedge"], "loss_increase": [0.01], "spread": [0.02], "folds": [3]}),
        },
        measured={"fit_s": 12.5},
        n_trials=37,
    )


def _rows(table: str, rows: list[dict]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=TABLES[table].polars_schema)


def _trained_row(head: str, fold: int, name: str, content: bytes, parameters: dict, *, is_class: bool) -> dict:
    sha256 = models.model_sha256(content)
    return {
        "horizon_bars": 5,
        "head": head,
        "fold": fold,
        "model_name": name,
        "trained_through": FIRST_TEST + dt.timedelta(90 * fold - 3),
        "valid_from": FIRST_TEST + dt.timedelta(90 * fold),
        "model_version": f"{head}-h5-f{fold}-{sha256[:8]}",
        "model_sha256": sha256,
        "dataset_sha256": f"{fold:064x}",
        "feature_list_sha256": feature_list_sha256(),
        "n_train": N_ROWS,
        "n_fit": 90,
        "n_calibration": 25,
        "n_effective": 61.5,
        "energy_weight": "dropped",
        "seed": fold,
        "study_name": None,
        "parameters": json.dumps(parameters, sort_keys=True),
        "class_edges": None,
        "calibrator_id": "feedfeedfeedfeed" if is_class else None,
        "calibrator": '{"method":"identity","reason":"25 rows"}' if is_class else None,
        "residual_error": None if is_class else 0.9,
        "importance": None,
        "feature_low": None,
        "feature_high": None,
        "model_bytes": content,
        "synthetic": True,
    }


def _fold_row(fold: int) -> dict:
    return {
        "horizon_bars": 5,
        "fold": fold,
        "train_first": dt.date(2012, 1, 3) + dt.timedelta(90 * fold),
        "train_last": FIRST_TEST + dt.timedelta(90 * fold - 10),
        "test_first": FIRST_TEST + dt.timedelta(90 * fold),
        "test_last": FIRST_TEST + dt.timedelta(90 * fold + 85),
        "n_train": N_ROWS,
        "n_purged": 5,
        "n_embargoed": 0,
        "n_null": 0,
        "n_test": 60,
        "is_complete": True,
        "folds_sha256": f"{100 + fold:064x}",
        "synthetic": True,
    }


def _evaluation(head: str, n_folds: int) -> list[dict]:
    return [
        {
            "horizon_bars": 5,
            "head": head,
            "model_name": name,
            "scope": scope,
            "metric": metric,
            "value": 0.9 + 0.01 * at,
            "standard_error": 0.01 if scope == "stitched" else None,
            "n": 60 * n_folds if scope == "stitched" else 60,
            "verdict": "no_skill",
            "synthetic": True,
        }
        for name in FAMILIES
        for at, scope in enumerate(("stitched", *(f"fold {fold}" for fold in range(n_folds)), "vix high"))
        for metric in METRICS[HEADS[head].is_classes]
    ]


def _scored(rng: np.random.Generator, head: str, n_folds: int) -> pl.DataFrame:
    n, n_classes = 60 * n_folds, HEADS[head].n_classes
    raw, calibrated = (
        rng.dirichlet(np.full(n_classes, 3.0), n) if n_classes else rng.normal(size=(n, 1)) for _ in "ab"
    )
    one = pl.DataFrame(
        {
            "horizon_bars": pl.Series([5] * n, dtype=pl.Int64),
            "head": head,
            "session": [FIRST_TEST + dt.timedelta(90 * (at // 60) + at % 60) for at in range(n)],
            "symbol": "SPY",
            "fold": np.arange(n) // 60,
            "answer_raw": raw.tolist(),
            "answer": calibrated.tolist(),
            "outcome": rng.integers(0, n_classes, n).astype(float) if n_classes else rng.normal(size=n),
        }
    )
    return pl.concat([one.with_columns(model_name=pl.lit(name)) for name in FAMILIES])


def _study(head: str, fold: int) -> list[dict]:
    states = ["pruned" if trial % 5 == 4 else "complete" for trial in range(STUDY_TRIALS)]
    losses = [1.1 - 0.01 * (trial % 7) for trial in range(STUDY_TRIALS)]
    return [
        {
            "study_name": f"{head}-xgboost-f{fold}",
            "trial": trial,
            "horizon_bars": 5,
            "head": head,
            "fold": fold,
            "model_name": "xgboost",
            "state": state,
            "loss": loss,
            "n_inner_folds": 5 if state == "complete" else 2,
            "is_best": trial == 6,
            "parameters": json.dumps({"max_depth": 3 + trial % 3, "eta": 0.05}),
            "dataset_sha256": f"{fold:064x}",
            "seed": 9,
        }
        for trial, (state, loss) in enumerate(zip(states, losses, strict=True))
    ]


def decision(number: int, version: str, kind: str, champion: str | None, previous: str | None, **other: object) -> dict:
    """Return one row of ``models.promotion`` of the direction over five sessions."""
    return {
        "horizon_bars": 5,
        "head": "direction",
        "decision_number": number,
        "session": dt.date(2015, 10, number),
        "model_version": version,
        "decision": kind,
        "champion": champion,
        "previous": previous,
        "failed_gates": "G4,G7" if kind == "reject" else None,
        "document": "{}",
        "document_sha256": f"{number:064x}",
        "synthetic": True,
        **other,
    }


def promotion(*rows: dict) -> pl.DataFrame:
    """Return rows of ``models.promotion``."""
    return _rows("models.promotion", list(rows))
