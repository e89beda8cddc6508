"""Trainings as MLflow runs: what a person finds there, and what happens when the store is away."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlparse

import numpy as np
import polars as pl
import pytest

from gnosis.learning import models
from gnosis.learning.heads import HEADS
from gnosis.learning.matrix import FEATURE_NAMES, as_array
from resources.tracking import REQUIRED_TAGS, Tracking, TrackingError, Training, identity_tags, recorded_run
from resources.tracking.runs import TRIAL_RUNS
from tests.resources.trainings import FAMILIES, STUDY_TRIALS, training_of

N_FOLDS = 3


def _client(tracking: Tracking):
    from mlflow.tracking import MlflowClient

    return MlflowClient(tracking.address)


def _children(tracking: Tracking, run_id: str) -> list:
    client = _client(tracking)
    experiment = client.get_run(run_id).info.experiment_id
    return client.search_runs(
        [experiment], f"tags.`mlflow.parentRunId` = '{run_id}'", order_by=["attributes.start_time"]
    )


def _query(tracking: Tracking, sql: str) -> list[tuple]:
    with closing(sqlite3.connect(tracking.home / "mlflow.db")) as connection:
        return connection.execute(sql).fetchall()


@pytest.fixture(scope="module")
def logged(
    tracking_template: Path, tmp_path_factory: pytest.TempPathFactory, training: Training
) -> tuple[Tracking, str]:
    """A store with one training in it; read only."""
    home = tmp_path_factory.mktemp("logged")
    (home / "mlflow.db").write_bytes(tracking_template.read_bytes())
    tracking = Tracking(home)
    return tracking, tracking.log_training(training)


def test_the_parent_run_says_what_was_trained_from_what(logged, training):
    tracking, run_id = logged
    run = _client(tracking).get_run(run_id)
    assert run.info.status == "FINISHED"
    assert run.info.run_name == f"synthetic {training.published['model_version'][-1]}"
    wanted = {"dataset_sha256", "feature_list_sha256", "folds_sha256", "head", "horizon_bars", "seed", *REQUIRED_TAGS}
    assert wanted | {"model_sha256", "predictions_sha256"} <= set(run.data.tags)
    assert {name: run.data.tags[name] for name in identity_tags(training)} == identity_tags(training)
    assert {name: run.data.tags[name] for name in training.tags} == dict(training.tags)
    assert run.data.tags["synthetic"] == "true"
    assert run.data.tags["verdict.xgboost"] == "no_skill"
    assert run.data.tags["mlflow.source.git.commit"] == "abc"
    assert run.data.params["models.xgboost.eta"] == "0.05"
    assert run.data.params["folds.train"] == "756"


def test_scores_are_there_stitched_by_fold_and_with_their_spread(logged):
    tracking, run_id = logged
    client = _client(tracking)
    metrics = client.get_run(run_id).data.metrics
    assert {f"{name}/{metric}" for name in FAMILIES for metric in ("log_loss", "log_loss_raw")} <= set(metrics)
    assert (metrics["xgboost/log_loss"], metrics["xgboost/log_loss.se"]) == (0.9, 0.01)
    assert metrics["xgboost/log_loss.spread"] == pytest.approx(0.01)
    assert (metrics["training/fit_s"], metrics["training/n_trials"]) == (12.5, 37.0)
    series = client.get_metric_history(run_id, "xgboost/log_loss.by_fold")
    assert [(point.step, round(point.value, 4)) for point in series] == [(0, 0.91), (1, 0.92), (2, 0.93)]


def test_every_fold_is_a_nested_run_with_its_data_set_and_model(logged, training):
    tracking, run_id = logged
    folds = _children(tracking, run_id)
    assert [run.data.tags["fold"] for run in folds] == ["0", "1", "2"]
    assert {run.info.status for run in folds} == {"FINISHED"}
    first = folds[0]
    assert first.data.metrics["majority/auc"] == pytest.approx(0.91)
    assert first.data.metrics["xgboost/n_effective"] == 61.5
    assert (first.data.params["n_purged"], first.data.params["xgboost.n_fit"]) == ("5", "90")
    (given,) = first.inputs.dataset_inputs
    dataset_sha256 = training.trained["dataset_sha256"][0]
    assert given.dataset.digest == dataset_sha256[:36]
    assert json.loads(given.dataset.source) == {"table": "models.dataset", "sha256": dataset_sha256}
    assert json.loads(given.dataset.profile)["num_rows"] == 120
    assert first.data.tags["dataset_sha256"] == dataset_sha256
    assert len(first.inputs.dataset_inputs[0].dataset.schema) > 141
    assert [tag.value for tag in given.tags] == ["training"]
    of_model = _client(tracking).search_logged_models([first.info.experiment_id])
    assert {model.source_run_id for model in of_model} == {run.info.run_id for run in folds}
    assert {metric.key for metric in of_model[0].metrics} >= {"xgboost/log_loss"}


def test_a_study_is_nested_in_its_fold_with_every_trial_as_a_point_and_the_best_as_runs(logged, training):
    tracking, run_id = logged
    folds = _children(tracking, run_id)
    assert not _children(tracking, folds[0].info.run_id)
    (study,) = _children(tracking, folds[-1].info.run_id)
    losses = _client(tracking).get_metric_history(study.info.run_id, "loss")
    assert [point.step for point in losses] == list(range(STUDY_TRIALS))
    best = _client(tracking).get_metric_history(study.info.run_id, "best_loss")
    assert [point.value for point in best] == sorted((point.value for point in best), reverse=True)
    assert (study.data.metrics["n_trials"], study.data.metrics["n_pruned"]) == (30.0, 6.0)
    assert study.data.params["max_depth"] == "3"
    trials = _children(tracking, study.info.run_id)
    assert len(trials) == TRIAL_RUNS
    complete = training.studies.filter(pl.col("state") == "complete").sort("loss", "trial")["trial"].head(TRIAL_RUNS)
    assert sorted(int(run.data.tags["trial"]) for run in trials) == complete.sort().to_list()


def test_figures_tables_and_models_lie_with_the_parent(logged, training):
    tracking, run_id = logged
    client = _client(tracking)
    names = {
        item.path for folder in ("", "figures", "tables", "models") for item in client.list_artifacts(run_id, folder)
    }
    figures = {f"figures/{name}.png" for name in ("ablation", "calibration", "confusion", "folds", "importance")}
    tables = ("evaluation", "folds", "predictions", "importance", "trials", "reliability", "drift_reference")
    assert figures | {f"tables/{name}.parquet" for name in tables} <= names
    assert {"model_card.json", "configuration.json", "models/xgboost.ubj", "models/majority.json"} <= names
    assert {"scores.json", "folds.json", "trials.json"} <= names
    stored = Path(urlparse(client.get_run(run_id).info.artifact_uri).path)
    trials = pl.read_parquet(stored / "tables" / "trials.parquet")
    assert trials.equals(training.studies)
    reliability = pl.read_parquet(stored / "tables" / "reliability.parquet")
    assert reliability.group_by("model_name", "answer", "class").agg(pl.col("n").sum())["n"].unique().to_list() == [180]
    card = json.loads((stored / "model_card.json").read_text())
    assert (card["n_trials"], card["hashes"]["git_commit"]) == (37, "abc")
    shown = json.loads((stored / "folds.json").read_text())
    assert shown["columns"] == training.folds.columns and shown["data"][0][2] == "2012-01-03"
    assert json.loads((stored / "calibrators" / "xgboost.json").read_text())["method"] == "identity"


def test_the_description_links_to_the_dagster_run_and_asset(logged):
    tracking, run_id = logged
    run = _client(tracking).get_run(run_id)
    note = run.data.tags["mlflow.note.content"]
    assert "(http://127.0.0.1:3000/runs/0123abcd-0000)" in note
    assert "(http://127.0.0.1:3000/assets/models/trained)" in note
    assert "no skill" in note and "| xgboost | 0.9000 ± 0.0100 |" in note and "Generated data" in note
    assert run.data.tags["dagster_run_url"] == "http://127.0.0.1:3000/runs/0123abcd-0000"
    assert _children(tracking, run_id)[0].data.tags["dagster_run_url"] == run.data.tags["dagster_run_url"]


def test_the_logged_model_is_the_stored_one_and_answers_as_it(logged, training):
    import mlflow.pyfunc
    import pandas as pd

    tracking, run_id = logged
    (given,) = _client(tracking).get_run(run_id).outputs.model_outputs
    entry = _client(tracking).get_logged_model(given.model_id)
    newest = training.published.row(-1, named=True)
    assert entry.tags["model_sha256"] == newest["model_sha256"]
    folder = Path(urlparse(entry.artifact_location).path)
    assert (folder / "model.ubj").read_bytes() == newest["model_bytes"]
    assert "xgboost==" in (folder / "requirements.txt").read_text()
    assert json.loads((folder / "calibrator.json").read_text())["method"] == "identity"
    assert not [path for path in tracking.home.rglob("*") if path.suffix in (".pkl", ".joblib", ".pickle")]
    wrapper = mlflow.pyfunc.load_model(str(folder))
    assert [column.name for column in wrapper.metadata.get_input_schema()] == list(FEATURE_NAMES)
    assert wrapper.input_example.shape == (3, 141)
    rows = as_array(training.example)
    native = models.load("xgboost", newest["model_bytes"]).booster.inplace_predict(rows)
    assert np.array_equal(wrapper.predict(pd.DataFrame(rows, columns=list(FEATURE_NAMES))), native)


@pytest.mark.parametrize("head", [name for name in HEADS if name != "direction"])
def test_every_head_can_be_logged(tracking: Tracking, head: str) -> None:
    import mlflow.pyfunc

    run_id = tracking.log_training(training_of(head, n_folds=1))
    run = _client(tracking).get_run(run_id)
    figures = {item.path for item in _client(tracking).list_artifacts(run_id, "figures")}
    assert ("figures/confusion.png" in figures) == HEADS[head].is_classes
    (given,) = run.outputs.model_outputs
    location = _client(tracking).get_logged_model(given.model_id).artifact_location
    wrapper = mlflow.pyfunc.load_model(location)
    answer = np.asarray(wrapper.predict(wrapper.input_example))
    (described,) = wrapper.metadata.get_output_schema().inputs
    assert described.shape == (-1, *answer.shape[1:])


def test_the_same_training_is_logged_once(tracking: Tracking, training: Training) -> None:
    assert tracking.logged_run(training) is None
    assert recorded_run(tracking, training.trained) is None
    first = tracking.log_training(training)
    before = _query(tracking, "select count(*) from runs")
    again = replace(training, tags={**training.tags, "dagster_run_id": "another night"})
    assert tracking.log_training(again) == tracking.logged_run(training) == first
    assert recorded_run(tracking, training.trained) == first
    assert _query(tracking, "select count(*) from runs") == before == [(1 + N_FOLDS + 1 + TRIAL_RUNS,)]
    experiment = _client(tracking).get_run(first).info.experiment_id
    assert tracking.run_url(first) == f"http://127.0.0.1:5000/#/experiments/{experiment}/runs/{first}"


def test_a_deleted_store_is_not_believed_to_hold_what_was_recorded(tracking: Tracking) -> None:
    small = training_of(n_folds=1)
    run_id = tracking.log_training(small)
    (tracking.home / "mlflow.db").unlink()
    assert recorded_run(tracking, small.trained) is None
    with pytest.raises(TrackingError, match="expected a run that this home logged"):
        tracking.run_url(run_id)


def test_a_failed_log_is_marked_and_logged_anew(
    tracking: Tracking, training: Training, monkeypatch: pytest.MonkeyPatch
) -> None:
    def disk_full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("resources.tracking.runs.register", disk_full)
        with pytest.raises(TrackingError, match="No space left on device"):
            tracking.log_training(training)
    assert _query(tracking, "select status, count(*) from runs group by status") == [("FAILED", 2)]
    assert tracking.logged_run(training) is None
    assert recorded_run(tracking, training.trained) is None
    run_id = tracking.log_training(training)
    assert tracking.logged_run(training) == run_id


def test_runs_of_an_attempt_that_was_killed_are_closed_by_the_next(
    tracking: Tracking, training: Training, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("resources.tracking.runs.register", killed)
        patch.setattr("resources.tracking.runs.TrainingRuns.fail", lambda _: None)
        with pytest.raises(KeyboardInterrupt):
            tracking.log_training(training)
    assert _query(tracking, "select status, count(*) from runs group by status") == [("RUNNING", 2)]
    tracking.log_training(training)
    left = _query(tracking, "select status, count(*) from runs group by status order by status")
    assert left == [("FAILED", 2), ("FINISHED", 1 + N_FOLDS + 1 + TRIAL_RUNS)]


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
    later = {**training.tags, "dagster_run_id": "x"}
    assert identity_tags(replace(training, tags=later, importance=training.importance.head(1))) == base
    assert identity_tags(replace(training, trained=training.trained.sample(fraction=1.0, shuffle=True, seed=1))) == base
    assert identity_tags(replace(training, trained=other))["models_sha256"] != base["models_sha256"]
    moved = training.scored.with_columns(answer=pl.col("answer").list.reverse())
    assert identity_tags(replace(training, scored=moved))["predictions_sha256"] != base["predictions_sha256"]


def test_a_training_leaves_out_other_heads_and_horizons(training: Training) -> None:
    others = [
        training.trained.with_columns(head=pl.lit("meta").cast(training.trained.schema["head"])),
        training.trained.with_columns(horizon_bars=pl.lit(20, pl.Int64)),
    ]
    mixed = replace(training, trained=pl.concat([*others, training.trained]))
    assert mixed.trained.equals(training.trained)
    with pytest.raises(ValueError, match="expected trained models of head return at 5 sessions, found none"):
        replace(training, head="return")


@pytest.mark.parametrize("absent", REQUIRED_TAGS)
def test_a_training_without_its_origin_is_refused(training: Training, absent: str) -> None:
    with pytest.raises(ValueError, match=rf"found no \['{absent}'\]"):
        replace(training, tags={**training.tags, absent: ""})


def test_importing_the_resource_does_not_import_mlflow() -> None:
    program = (
        "import sys, resources.tracking as t; print(sorted({'mlflow', 'xgboost', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
