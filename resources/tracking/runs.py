"""The tree of runs of one training: the parent, a run per outer fold, a run per study in its fold, its best trials."""

from __future__ import annotations

import json
import math
import time
from typing import TYPE_CHECKING, Any

import polars as pl

from gnosis.learning.heads import PUBLISHED
from gnosis.learning.matrix import FEATURE_NAMES
from resources.tracking.artifacts import logged_artifacts
from resources.tracking.links import dagster_links, registered_name
from resources.tracking.logged_models import LOGGED_MODEL, register
from resources.tracking.note import note
from resources.tracking.registry import require_model, versions_of
from resources.tracking.training import flattened, identity_tags

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput, Metric
    from mlflow.tracking import MlflowClient

    from resources.tracking.training import Training

TRIAL_RUNS = 20
"""Best trials of a study with a run of their own, 15 ms each; a study has hundreds. Series and tables hold them all."""
_METRICS_PER_BATCH = 1000
_PARAMS_PER_BATCH = 100
_PARAM_CHARACTERS = 6000
_DIGEST_CHARACTERS = 36
_OF_A_FIT = ("n_fit", "n_calibration", "energy_weight", "seed", "study_name", "parameters")


class TrainingRuns:
    """Writes one training; :meth:`fail` closes what was begun.

    Parameters
    ----------
    client
        Of the store.
    experiment_id
        Experiment to write to.
    training
        What to log.
    """

    def __init__(self, client: MlflowClient, experiment_id: str, training: Training) -> None:
        self.client = client
        self.experiment_id = experiment_id
        self.training = training
        self.identity = identity_tags(training)
        self._open: list[str] = []
        shared = ("models_sha256", "head", "horizon_bars", "universe", "synthetic")
        self._shared = {name: self.identity[name] for name in shared} | dagster_links(training)

    def log(self) -> str:
        """Log everything and return the id of the parent run."""
        training = self.training
        origin = "synthetic " if training.is_synthetic else ""
        unpublished = f"{training.head}-h{training.horizon_bars}-{self.identity['models_sha256'][:8]}"
        parent = self._begin(
            origin + self.identity.get("model_version", unpublished),
            {
                "kind": "training",
                **training.tags,
                **self.identity,
                **_verdicts(training),
                "mlflow.note.content": note(training),
                "mlflow.source.name": "gnosis",
                "mlflow.source.type": "JOB",
                "mlflow.source.git.commit": training.tags["git_commit"],
                "mlflow.loggedArtifacts": logged_artifacts(training),
            },
        )
        params = flattened(training.configuration) | {"universe": training.universe}
        self._batch(parent, _stitched(training), params)
        self.client.log_inputs(parent, [self._dataset(self.identity["dataset_sha256"], training.folds)])
        newest = self._log_folds(parent)
        if newest is not None:
            from mlflow.entities import LoggedModelOutput

            self.client.log_outputs(parent, [LoggedModelOutput(newest, 0)])
        return parent

    def fail(self) -> None:
        """Mark every run that is still open as failed, the parent first."""
        while self._open:
            self.client.set_terminated(self._open.pop(0), "FAILED")

    def finish(self, run_id: str) -> None:
        """Mark a run as finished."""
        self.client.set_terminated(run_id)
        self._open.remove(run_id)

    def _begin(self, name: str, tags: dict[str, str], parent: str | None = None) -> str:
        nested = {} if parent is None else {"mlflow.parentRunId": parent}
        run = self.client.create_run(self.experiment_id, run_name=name, tags={**self._shared, **tags, **nested})
        run_id = str(run.info.run_id)
        self._open.append(run_id)
        return run_id

    def _batch(self, run_id: str, metrics: list[Metric], params: dict[str, str]) -> None:
        from mlflow.entities import Param

        listed = [Param(key, value[:_PARAM_CHARACTERS]) for key, value in sorted(params.items())]
        for start in range(0, max(len(listed), 1), _PARAMS_PER_BATCH):
            taken = metrics[: _METRICS_PER_BATCH - _PARAMS_PER_BATCH]
            metrics = metrics[len(taken) :]
            self.client.log_batch(run_id, metrics=taken, params=listed[start : start + _PARAMS_PER_BATCH])
        for start in range(0, len(metrics), _METRICS_PER_BATCH):
            self.client.log_batch(run_id, metrics=metrics[start : start + _METRICS_PER_BATCH])

    def _dataset(self, sha256: str, folds: pl.DataFrame) -> DatasetInput:
        """Describe training rows without copying them; the digest is what fits of their hash, the tag holds all."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        columns = [{"name": name, "type": "float", "required": False} for name in FEATURE_NAMES]
        profile = {
            "num_rows": int(folds["n_train"].sum()),
            "first_session": str(folds["train_first"].min()),
            "last_session": str(folds["train_last"].max()),
        }
        described = Dataset(
            name="models.dataset",
            digest=sha256[:_DIGEST_CHARACTERS],
            source_type="lake",
            source=json.dumps({"table": "models.dataset", "sha256": sha256}),
            schema=json.dumps({"mlflow_colspec": columns}),
            profile=json.dumps(profile),
        )
        return DatasetInput(described, [InputTag("mlflow.data.context", "training")])

    def _log_folds(self, parent: str) -> str | None:
        """Log every fold and return the id of the newest logged model, None without a published one."""
        training = self.training
        name = registered_name(training.head, training.horizon_bars, training.universe)
        require_model(self.client, name, {key: self.identity[key] for key in ("head", "horizon_bars", "universe")})
        registered = {
            version: found.tags.get(LOGGED_MODEL) for version, found in versions_of(self.client, name).items()
        }
        newest = None
        for fold in training.folds.iter_rows(named=True):
            newest = self._log_fold(parent, fold, registered) or newest
        return newest

    def _log_fold(self, parent: str, fold: dict[str, Any], registered: dict[str, str | None]) -> str | None:
        from mlflow.entities import LoggedModelInput

        training, number = self.training, fold["fold"]
        models = training.trained.filter(pl.col("fold") == number)
        dataset_sha256 = models["dataset_sha256"][0]
        hashes = {f"model_sha256.{name}": sha for name, sha in models.select("model_name", "model_sha256").iter_rows()}
        tags = {"kind": "fold", "fold": str(number), "dataset_sha256": dataset_sha256, **hashes}
        tags |= {"folds_sha256": fold["folds_sha256"], "feature_list_sha256": models["feature_list_sha256"][0]}
        run_id = self._begin(f"fold {number} from {fold['test_first']}", tags, parent)
        model_id = None
        for row in models.filter(pl.col("model_name") == PUBLISHED).iter_rows(named=True):
            model_id = registered.get(row["model_version"])
            if model_id is None:
                model_id = register(self.client, self.experiment_id, run_id, training, row)
            else:
                self.client.log_inputs(run_id, models=[LoggedModelInput(model_id)])
        params = {key: str(value) for key, value in fold.items() if key != "horizon_bars"}
        for row in models.iter_rows(named=True):
            params |= {f"{row['model_name']}.{key}": str(row[key]) for key in _OF_A_FIT if row[key] is not None}
        scores = training.evaluation.filter(pl.col("scope") == f"fold {number}")
        metrics = _metrics(scores, {PUBLISHED: model_id} if model_id else {}) + _sizes(models)
        self._batch(run_id, metrics, params)
        described = training.folds.filter(pl.col("fold") == number)
        self.client.log_inputs(run_id, [self._dataset(dataset_sha256, described)])
        studies = training.studies.filter(pl.col("fold") == number)
        for _, trials in studies.group_by("study_name", maintain_order=True):
            self._log_study(run_id, trials.sort("trial"))
        self.finish(run_id)
        return model_id

    def _log_study(self, parent: str, trials: pl.DataFrame) -> None:
        first = trials.row(0, named=True)
        shared = {"study_name": first["study_name"], "fold": str(first["fold"]), "model_family": first["model_name"]}
        run_id = self._begin(f"study {first['model_name']}", {"kind": "study", **shared}, parent)
        best = trials.filter(pl.col("is_best")).head(1)
        params = flattened(json.loads(best["parameters"][0])) if best.height else {}
        self._batch(run_id, _study_metrics(trials), params | {"sampler_seed": str(first["seed"])})
        ranked = trials.filter(pl.col("state") == "complete").sort("loss", "trial").head(TRIAL_RUNS)
        for trial in ranked.iter_rows(named=True):
            tags = {"kind": "trial", **shared, "trial": str(trial["trial"]), "state": trial["state"]}
            of_trial = self._begin(f"trial {trial['trial']}", tags, run_id)
            self._batch(of_trial, [_metric("loss", trial["loss"])], flattened(json.loads(trial["parameters"])))
            self.finish(of_trial)
        self.finish(run_id)


def _verdicts(training: Training) -> dict[str, str]:
    stitched = training.evaluation.filter((pl.col("scope") == "stitched") & pl.col("verdict").is_not_null())
    named = stitched.select("model_name", "verdict").unique().sort("model_name")
    return {f"verdict.{name}": verdict for name, verdict in named.iter_rows()}


def _metric(name: str, value: float, step: int = 0, model_id: str | None = None) -> Metric:
    from mlflow.entities import Metric

    return Metric(name, float(value), int(time.time() * 1000), step, model_id=model_id)


def _metrics(scores: pl.DataFrame, model_ids: dict[str, str] | None = None) -> list[Metric]:
    """Defined values as ``model/metric``, their standard errors as ``model/metric.se``."""
    found = []
    for name, metric, value, error in scores.select("model_name", "metric", "value", "standard_error").iter_rows():
        for suffix, number in (("", value), (".se", error)):
            if number is not None and math.isfinite(number):
                found.append(_metric(f"{name}/{metric}{suffix}", number, model_id=(model_ids or {}).get(name)))
    return found


def _stitched(training: Training) -> list[Metric]:
    """Scores of the stitched rows, each by fold as a series, their spread over folds, and figures of the training."""
    scores = training.evaluation
    found = _metrics(scores.filter(pl.col("scope") == "stitched"))
    by_fold = (
        scores.filter(pl.col("scope").str.starts_with("fold ") & pl.col("value").is_finite())
        .with_columns(fold=pl.col("scope").str.strip_prefix("fold ").cast(pl.Int64))
        .sort("model_name", "metric", "fold")
    )
    series = by_fold.select("model_name", "metric", "value", "fold")
    found += [_metric(f"{name}/{metric}.by_fold", value, fold) for name, metric, value, fold in series.iter_rows()]
    spread = by_fold.group_by("model_name", "metric", maintain_order=True).agg(pl.col("value").std()).drop_nulls()
    found += [_metric(f"{name}/{metric}.spread", value) for name, metric, value in spread.iter_rows()]
    found += _over_paths(scores)
    found += [_metric(f"training/{name}", value) for name, value in sorted(training.measured.items())]
    if training.n_trials is not None:
        found.append(_metric("training/n_trials", training.n_trials))
    return found


def _over_paths(scores: pl.DataFrame) -> list[Metric]:
    """Scores of the paths of combinatorial cross-validation as a series, their mean and their spread."""
    columns = ("model_name", "metric", "value", "standard_error")
    found = []
    for name, metric, value, spread in scores.filter(pl.col("scope") == "paths").select(columns).iter_rows():
        for suffix, number in (("paths", value), ("paths.spread", spread)):
            if number is not None:
                found.append(_metric(f"{name}/{metric}.{suffix}", number))
    by_path = (
        scores.filter(pl.col("scope").str.starts_with("path ") & pl.col("value").is_finite())
        .with_columns(path=pl.col("scope").str.strip_prefix("path ").cast(pl.Int64))
        .sort("model_name", "metric", "path")
    )
    series = by_path.select("model_name", "metric", "value", "path").iter_rows()
    return found + [_metric(f"{name}/{metric}.by_path", value, path) for name, metric, value, path in series]


def _sizes(models: pl.DataFrame) -> list[Metric]:
    rows = models.select("model_name", "n_train", "n_effective").iter_rows()
    sizes = [(f"{name}/{size}", value) for name, *both in rows for size, value in zip(_SIZES, both, strict=True)]
    return [_metric(name, value) for name, value in sizes if value is not None]


_SIZES = ("n_train", "n_effective")


def _study_metrics(trials: pl.DataFrame) -> list[Metric]:
    """Loss of each trial and best loss so far as series over trials, and how many ended how."""
    known = trials.filter(pl.col("loss").is_finite())
    whole = known.filter(pl.col("state") == "complete").with_columns(best=pl.col("loss").cum_min())
    found = [_metric("loss", loss, trial) for trial, loss in known.select("trial", "loss").iter_rows()]
    found += [_metric("best_loss", loss, trial) for trial, loss in whole.select("trial", "best").iter_rows()]
    ended = dict(trials.group_by("state").len().iter_rows())
    found.append(_metric("n_trials", trials.height))
    return found + [_metric(f"n_{state}", ended.get(state, 0)) for state in ("complete", "pruned", "failed")]
