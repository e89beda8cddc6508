"""Trainings as MLflow runs: what a person finds there, and what happens when the store is away."""

from __future__ import annotations

import datetime as dt
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from gnosis.learning import models
from gnosis.learning.matrix import CATEGORIES, FEATURE_NAMES, feature_list_sha256
from gnosis.tables import TABLES
from resources.tracking import Tracking, TrackingError, Training, identity_tags

N_FOLDS = 3


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with its schema, made once: tests copy the file."""
    home = tmp_path_factory.mktemp("tracking_template")
    Tracking(home).create()
    return home / "mlflow.db"


@pytest.fixture
def tracking(template: Path, tmp_path: Path) -> Tracking:
    shutil.copy(template, tmp_path / "mlflow.db")
    # The artifact folder is written into the experiment when it is created.
    return Tracking(tmp_path, experiment="here")


@pytest.fixture(scope="session")
def training() -> Training:
    rng = np.random.default_rng(3)
    features = rng.normal(size=(300, len(FEATURE_NAMES))).astype(np.float32)
    features[:, list(CATEGORIES)] = 0.0
    target = rng.integers(0, 3, 300)
    trained = []
    for fold in range(N_FOLDS):
        for name, parameters in models.PARAMETERS.items():
            small = {**parameters, "max_rounds": 5}
            content = models.fit(name, features, target, np.ones(300), seed=fold, parameters=small).to_bytes()
            trained.append(
                {
                    "horizon_bars": 5,
                    "fold": fold,
                    "model_name": name,
                    "trained_through": dt.date(2015, 1, 2),
                    "valid_from": dt.date(2015, 1, 5),
                    "model_version": f"h5-f{fold}",
                    "model_sha256": models.model_sha256(content),
                    "dataset_sha256": f"{fold:064d}",
                    "feature_list_sha256": feature_list_sha256(),
                    "n_train": 300,
                    "seed": fold,
                    "parameters": "{}",
                    "model_bytes": content,
                    "synthetic": True,
                }
            )
    folds = [
        {
            "horizon_bars": 5,
            "fold": fold,
            "train_first": dt.date(2012, 1, 3),
            "train_last": dt.date(2014, 12, 31),
            "test_first": dt.date(2015, 1, 5),
            "test_last": dt.date(2015, 3, 31),
            "n_train": 300,
            "n_purged": 5,
            "n_null": 0,
            "n_test": 60,
            "is_complete": True,
            "folds_sha256": f"{fold:064d}",
            "synthetic": True,
        }
        for fold in range(N_FOLDS)
    ]
    evaluation = [
        {
            "horizon_bars": 5,
            "model_name": name,
            "scope": scope,
            "metric": metric,
            "value": 0.9,
            "standard_error": 0.01 if scope == "stitched" else None,
            "n": 180,
            "verdict": "no_skill",
            "synthetic": True,
        }
        for name in models.PARAMETERS
        for scope in ("stitched", *map(str, range(N_FOLDS)))
        for metric in ("log_loss", "brier", "auc")
    ]
    probabilities = rng.dirichlet([4, 1, 4], 180)
    scored = pl.DataFrame(
        {
            "model_name": "xgboost",
            "horizon_bars": pl.Series([5] * 180, dtype=pl.Int64),
            "outcome": rng.integers(0, 3, 180),
            **{name: probabilities[:, at] for at, name in enumerate(("p_down", "p_flat", "p_up"))},
        }
    )
    importance = pl.DataFrame(
        {"feature": FEATURE_NAMES, "log_loss_increase": rng.normal(size=27), "spread": 0.1, "folds": 3}
    )
    return Training(
        horizon_bars=5,
        trained=pl.DataFrame(trained, schema=TABLES["models.trained"].polars_schema),
        folds=pl.DataFrame(folds, schema=TABLES["models.folds"].polars_schema),
        evaluation=pl.DataFrame(evaluation, schema=TABLES["models.evaluation"].polars_schema),
        scored=scored,
        importance=importance,
        configuration={"models": models.PARAMETERS, "folds": {"train": 756, "test": 63}},
        tags={"dagster_run_id": "0123", "git_commit": "abc"},
    )


def _query(tracking: Tracking, sql: str) -> list[tuple]:
    with closing(sqlite3.connect(tracking.home / "mlflow.db")) as connection:
        return connection.execute(sql).fetchall()


def test_a_training_is_one_parent_run_with_a_nested_run_per_fold(tracking: Tracking, training: Training) -> None:
    from mlflow.tracking import MlflowClient

    run_id = tracking.log_training(training)
    client = MlflowClient(tracking.address)
    run = client.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert run.data.tags["dagster_run_id"] == "0123"
    assert run.data.tags["synthetic"] == "true"
    assert run.data.tags["verdict.xgboost"] == "no_skill"
    assert run.info.run_name.startswith("synthetic ")
    assert {name: run.data.tags[name] for name in identity_tags(training)} == identity_tags(training)
    assert run.data.params["models.xgboost.booster.eta"] == "0.05"
    assert run.data.params["folds.train"] == "756"
    assert {f"{name}.log_loss" for name in models.PARAMETERS} <= set(run.data.metrics)
    assert run.data.metrics["xgboost.log_loss.se"] == 0.01
    parent = f"tags.`mlflow.parentRunId` = '{run_id}'"
    children = client.search_runs([run.info.experiment_id], parent, order_by=["tags.fold"])
    assert [child.data.tags["fold"] for child in children] == ["0", "1", "2"]
    assert children[0].data.metrics["majority.brier"] == 0.9
    assert children[0].data.params["n_purged"] == "5"
    names = {artifact.path for artifact in client.list_artifacts(run_id)}
    assert {"calibration.png", "confusion.png", "importance.png", "evaluation.parquet"} <= names


def test_the_logged_model_is_the_stored_one(tracking: Tracking, training: Training) -> None:
    from mlflow.tracking import MlflowClient

    run_id = tracking.log_training(training)
    client = MlflowClient(tracking.address)
    experiment = client.get_run(run_id).info.experiment_id
    (entry,) = client.search_logged_models([experiment])
    newest = training.trained.filter((pl.col("model_name") == "xgboost") & (pl.col("fold") == N_FOLDS - 1))
    assert entry.source_run_id == run_id
    assert entry.tags["model_sha256"] == newest["model_sha256"].item()
    (stored,) = (tracking.home / "mlartifacts").rglob("model.ubj")
    assert models.load("xgboost", stored.read_bytes()).to_bytes() == newest["model_bytes"].item()
    manifest = (stored.parent / "MLmodel").read_text()
    assert "[-1, 27]" in manifest and "float32" in manifest
    assert "xgboost==" in (stored.parent / "requirements.txt").read_text()
    assert not list((tracking.home / "mlartifacts").rglob("*.pkl"))


def test_the_same_training_is_logged_once(tracking: Tracking, training: Training) -> None:
    assert tracking.logged_run(training) is None
    first = tracking.log_training(training)
    before = _query(tracking, "select count(*) from runs")
    assert tracking.log_training(replace(training, tags={"dagster_run_id": "another night"})) == first
    assert tracking.logged_run(training) == first
    assert _query(tracking, "select count(*) from runs") == before == [(1 + N_FOLDS,)]


def test_a_failed_log_is_marked_and_logged_anew(
    tracking: Tracking, training: Training, monkeypatch: pytest.MonkeyPatch
) -> None:
    def disk_full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Tracking, "_log_model", disk_full)
        with pytest.raises(TrackingError, match="No space left on device"):
            tracking.log_training(training)
    assert tracking.logged_run(training) is None
    run_id = tracking.log_training(training)
    status = dict(_query(tracking, "select status, count(*) from runs where name like 'synthetic%' group by status"))
    assert status == {"FAILED": 1, "FINISHED": 1}
    assert tracking.logged_run(training) == run_id


def test_a_server_that_is_down_says_what_to_do(
    tmp_path: Path, training: Training, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(TrackingError, match=r"models are safe in models\.trained") as raised:
        Tracking(tmp_path, uri="http://127.0.0.1:9").log_training(training)
    assert "http://127.0.0.1:9" in str(raised.value)
    assert not (tmp_path / "mlflow.db").exists()


def test_a_store_that_is_not_a_database_is_refused(tmp_path: Path, training: Training) -> None:
    (tmp_path / "mlflow.db").write_text("not a database, but long enough to be read as one " * 50)
    with pytest.raises(TrackingError, match="could not open the tracking store"):
        Tracking(tmp_path).log_training(training)


def test_identity_follows_the_models_only(training: Training) -> None:
    other = training.trained.with_columns(model_sha256=pl.col("model_sha256").str.reverse())
    base = identity_tags(training)
    assert identity_tags(replace(training, tags={}, importance=training.importance.head(1))) == base
    assert identity_tags(replace(training, trained=training.trained.sample(fraction=1.0, shuffle=True, seed=1))) == base
    assert identity_tags(replace(training, trained=other))["models_sha256"] != base["models_sha256"]


def test_importing_the_resource_does_not_import_mlflow() -> None:
    program = (
        "import sys, resources.tracking as t; print(sorted({'mlflow', 'xgboost', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
