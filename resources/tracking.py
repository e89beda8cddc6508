"""Tracking: trainings as MLflow runs. The only place that imports MLflow.

MLflow is where people look, not where the truth is: every model lives in ``models.trained``, so a tracking server that
is down costs a page of charts and never a model. The local store is SQLite under the home folder; MLflow refuses file
stores.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from gnosis.learning.baselines import canonical_json
from gnosis.learning.figures import calibration_figure, confusion_figure, importance_figure
from gnosis.learning.matrix import FEATURE_NAMES
from gnosis.learning.models import PUBLISHED

if TYPE_CHECKING:
    from mlflow.entities import Metric, Run
    from mlflow.tracking import MlflowClient

_PARAMS_PER_BATCH = 100
_PARAM_CHARACTERS = 6000


class TrackingError(RuntimeError):
    """The training could not be logged. The models themselves are safe in ``models.trained``."""


@dataclass(frozen=True)
class Training:
    """What one training of one horizon left behind.

    Attributes
    ----------
    horizon_bars
        In sessions.
    trained, folds, evaluation
        Rows of ``models.trained``, ``models.folds`` and ``models.evaluation``; other horizons are ignored.
    scored
        Result of :func:`gnosis.learning.evaluation.scored`.
    importance
        Result of :func:`gnosis.learning.importance.permutation_importance`.
    configuration
        Full resolved configuration, nested; logged as params with dotted names.
    tags
        Where the training came from: ``dagster_run_id``, ``git_commit``, ``code_sha256`` and the like.
    """

    horizon_bars: int
    trained: pl.DataFrame
    folds: pl.DataFrame
    evaluation: pl.DataFrame
    scored: pl.DataFrame
    importance: pl.DataFrame
    configuration: Mapping[str, Any]
    tags: Mapping[str, str]

    def of_horizon(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return the rows of this training's horizon."""
        return frame.filter(pl.col("horizon_bars") == self.horizon_bars)


def _joined_sha256(values: pl.Series) -> str:
    return hashlib.sha256("\n".join(values).encode()).hexdigest()


def identity_tags(training: Training) -> dict[str, str]:
    """Return the hashes that identify a training; ``models_sha256`` alone decides whether it was logged before."""
    trained = training.of_horizon(training.trained).sort("fold", "model_name")
    folds = training.of_horizon(training.folds).sort("fold")
    by_fold = trained.unique("fold", keep="first", maintain_order=True)
    return {
        "models_sha256": _joined_sha256(trained["model_sha256"]),
        "dataset_sha256": _joined_sha256(by_fold["dataset_sha256"]),
        "feature_list_sha256": _joined_sha256(by_fold["feature_list_sha256"].unique().sort()),
        "folds_sha256": _joined_sha256(folds["folds_sha256"]),
        "head": "direction",
        "horizon_bars": str(training.horizon_bars),
        "synthetic": str(bool(trained["synthetic"].any())).lower(),
    }


def flattened(configuration: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Return a nested configuration as dotted names and text.

    Examples
    --------
    >>> flattened({"xgboost": {"eta": 0.05}, "train": 756})
    {'xgboost.eta': '0.05', 'train': '756'}
    """
    flat: dict[str, str] = {}
    for name, value in configuration.items():
        if isinstance(value, Mapping) and value:
            flat |= flattened(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value if isinstance(value, str) else canonical_json(value)
    return flat


@contextmanager
def _foreign_warnings_apart() -> Iterator[None]:
    """Keep MLflow's deprecations of its own dependencies from becoming our errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@dataclass(frozen=True)
class Tracking:
    """The MLflow store of one home.

    Attributes
    ----------
    home
        Folder that holds ``mlflow.db`` and ``mlartifacts/``.
    uri
        A tracking server or database in place of the local one, for example the value of MLFLOW_TRACKING_URI.
    experiment
        Name of the experiment.
    """

    home: Path
    uri: str | None = None
    experiment: str = "gnosis"

    @property
    def address(self) -> str:
        """Where runs are logged."""
        return self.uri or f"sqlite:///{self.home.resolve() / 'mlflow.db'}"

    @contextmanager
    def _typed_errors(self, action: str) -> Iterator[None]:
        from mlflow.exceptions import MlflowException
        from requests.exceptions import RequestException
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield
        except (MlflowException, SQLAlchemyError, RequestException, OSError) as error:
            what = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise TrackingError(
                f"could not {action} at {self.address}: {what}. The models are safe in models.trained; bring the "
                "tracking store back (or unset MLFLOW_TRACKING_URI to use the local one) and materialise the training "
                "again: it is logged without being trained anew"
            ) from error

    def _client(self) -> MlflowClient:
        """Open the store; the first call in a home creates it, which takes one to a few seconds."""
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        # The default retries of a server that is down would hold a night for minutes.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
        with _foreign_warnings_apart():
            from mlflow.tracking import MlflowClient

            with self._typed_errors("open the tracking store"):
                if self.uri is None:
                    self.home.mkdir(parents=True, exist_ok=True)
                return MlflowClient(tracking_uri=self.address)

    def _experiment_id(self, client: MlflowClient) -> str:
        found = client.get_experiment_by_name(self.experiment)
        if found is not None:
            return str(found.experiment_id)
        location = None if self.uri else (self.home.resolve() / "mlartifacts").as_uri()
        tags = {"mlflow.experimentKind": "custom_model_development"}
        return str(client.create_experiment(self.experiment, artifact_location=location, tags=tags))

    def create(self) -> None:
        """Create the store and the experiment where they do not exist.

        Raises
        ------
        TrackingError
            When the store cannot be opened.
        """
        client = self._client()
        with _foreign_warnings_apart(), self._typed_errors("create the experiment"):
            self._experiment_id(client)

    def logged_run(self, training: Training) -> str | None:
        """Return the id of the finished run that holds this training, or None.

        Raises
        ------
        TrackingError
            When the store cannot be read.
        """
        client = self._client()
        with _foreign_warnings_apart(), self._typed_errors("look up the training"):
            return self._find(client, self._experiment_id(client), identity_tags(training))

    def _find(self, client: MlflowClient, experiment_id: str, tags: Mapping[str, str]) -> str | None:
        runs = client.search_runs(
            [experiment_id],
            f"tags.models_sha256 = '{tags['models_sha256']}' and attributes.status = 'FINISHED'",
            max_results=1,
        )
        return str(runs[0].info.run_id) if runs else None

    def log_training(self, training: Training) -> str:
        """Log one training as a parent run with one nested run per fold, unless it is logged already.

        Parameters
        ----------
        training
            What was trained and what it was worth.

        Returns
        -------
        str
            Id of the parent run, the existing one when the same models were logged before.

        Raises
        ------
        TrackingError
            When the store cannot be reached or written; what was begun is marked as failed and logged anew next time.
            Nothing is lost: turn it into a warning.
        """
        client = self._client()
        with _foreign_warnings_apart(), self._typed_errors("log the training"):
            experiment_id = self._experiment_id(client)
            identity = identity_tags(training)
            existing = self._find(client, experiment_id, identity)
            if existing is not None:
                _remember(self, identity["models_sha256"], existing)
                return existing
            origin = "synthetic " if identity["synthetic"] == "true" else ""
            name = f"{origin}direction h{training.horizon_bars} {identity['models_sha256'][:12]}"
            parent = client.create_run(experiment_id, run_name=name, tags={**training.tags, **identity})
            is_complete = False
            try:
                self._log_parent(client, parent, training)
                self._log_folds(client, experiment_id, parent, training)
                self._log_model(client, experiment_id, parent, training)
                is_complete = True
            finally:
                client.set_terminated(parent.info.run_id, "FINISHED" if is_complete else "FAILED")
            _remember(self, identity["models_sha256"], str(parent.info.run_id))
            return str(parent.info.run_id)

    def _log_parent(self, client: MlflowClient, parent: Run, training: Training) -> None:
        from mlflow.entities import Param

        evaluation = training.of_horizon(training.evaluation)
        stitched = evaluation.filter(pl.col("scope") == "stitched")
        params = [Param(key, value[:_PARAM_CHARACTERS]) for key, value in flattened(training.configuration).items()]
        run_id = parent.info.run_id
        for start in range(0, len(params), _PARAMS_PER_BATCH):
            client.log_batch(run_id, params=params[start : start + _PARAMS_PER_BATCH])
        client.log_batch(run_id, metrics=_metrics(stitched))
        for name, verdict in stitched.select("model_name", "verdict").unique().sort("model_name").iter_rows():
            client.set_tag(run_id, f"verdict.{name}", verdict)
        with tempfile.TemporaryDirectory() as folder:
            _write_artifacts(Path(folder), training)
            client.log_artifacts(run_id, folder)

    def _log_folds(self, client: MlflowClient, experiment_id: str, parent: Run, training: Training) -> None:
        from mlflow.entities import Param
        from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

        trained = training.of_horizon(training.trained)
        for fold in training.of_horizon(training.folds).sort("fold").iter_rows(named=True):
            models = trained.filter(pl.col("fold") == fold["fold"]).sort("model_name")
            tags = {
                f"model_sha256.{name}": sha for name, sha in models.select("model_name", "model_sha256").iter_rows()
            }
            child = client.create_run(
                experiment_id,
                run_name=f"fold {fold['fold']} from {fold['test_first']}",
                tags={MLFLOW_PARENT_RUN_ID: parent.info.run_id, "fold": str(fold["fold"]), **tags},
            )
            params = [Param(key, str(value)) for key, value in fold.items() if key != "horizon_bars"]
            scores = training.of_horizon(training.evaluation).filter(pl.col("scope") == str(fold["fold"]))
            client.log_batch(child.info.run_id, metrics=_metrics(scores), params=params)
            client.set_terminated(child.info.run_id)

    def _log_model(self, client: MlflowClient, experiment_id: str, parent: Run, training: Training) -> None:
        """Log the newest published model natively, with signature and requirements given rather than inferred."""
        import mlflow.xgboost
        import numpy as np
        import xgboost
        from mlflow.models import Model, ModelSignature
        from mlflow.types.schema import Schema, TensorSpec

        newest = training.of_horizon(training.trained).filter(pl.col("model_name") == PUBLISHED).sort("fold").tail(1)
        if newest.is_empty():
            return
        row = newest.row(0, named=True)
        booster = xgboost.Booster({"nthread": 1})
        booster.load_model(bytearray(row["model_bytes"]))
        real = np.dtype("float32")
        signature = ModelSignature(
            inputs=Schema([TensorSpec(real, (-1, len(FEATURE_NAMES)))]), outputs=Schema([TensorSpec(real, (-1, 3))])
        )
        entry = client.create_logged_model(
            experiment_id,
            name=f"direction-h{training.horizon_bars}",
            source_run_id=parent.info.run_id,
            tags={name: str(row[name]) for name in ("model_version", "model_sha256", "valid_from", "synthetic")},
        )
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model"
            mlflow.xgboost.save_model(
                booster,
                str(path),
                mlflow_model=Model(model_id=entry.model_id, run_id=parent.info.run_id),
                signature=signature,
                pip_requirements=[f"xgboost=={xgboost.__version__}", f"numpy=={np.__version__}"],
                model_format="ubj",
            )
            client.log_model_artifacts(entry.model_id, str(path))
        client.finalize_logged_model(entry.model_id, "READY")


def _metrics(evaluation: pl.DataFrame) -> list[Metric]:
    """Defined values as ``model.metric``, their standard errors as ``model.metric.se``."""
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    found = []
    for name, metric, value, error in evaluation.select("model_name", "metric", "value", "standard_error").iter_rows():
        if value is not None:
            found.append(Metric(f"{name}.{metric}", value, now, 0))
        if error is not None:
            found.append(Metric(f"{name}.{metric}.se", error, now, 0))
    return found


def _write_artifacts(folder: Path, training: Training) -> None:
    """Write the figures and the tables behind them."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    judged = training.of_horizon(training.scored).filter(pl.col("model_name") == PUBLISHED)
    origin = "synthetic data, " if identity_tags(training)["synthetic"] == "true" else ""
    title = f"{origin}{PUBLISHED}, {training.horizon_bars} sessions, out of sample"
    figures = {"importance": importance_figure(training.importance, title)}
    if judged.height:
        figures |= {"calibration": calibration_figure(judged, title), "confusion": confusion_figure(judged, title)}
    for name, figure in sorted(figures.items()):
        FigureCanvasAgg(figure).print_png(str(folder / f"{name}.png"))
    training.of_horizon(training.evaluation).write_parquet(folder / "evaluation.parquet")
    training.of_horizon(training.folds).write_parquet(folder / "folds.parquet")
    training.of_horizon(training.scored).write_parquet(folder / "scored.parquet")
    training.importance.write_parquet(folder / "importance.parquet")


def recorded_run(tracking: Tracking, trained: pl.DataFrame) -> str | None:
    """Return the run that holds exactly these models, from the home's own record, without opening MLflow.

    Opening MLflow costs seconds; on most nights nothing new was trained.
    """
    return _record(tracking).get(_joined_sha256(trained.sort("fold", "model_name")["model_sha256"]))


def _record(tracking: Tracking) -> dict[str, str]:
    path = tracking.home / "mlflow_runs.json"
    return json.loads(path.read_text()).get(tracking.address, {}) if path.exists() else {}


def _remember(tracking: Tracking, models_sha256: str, run_id: str) -> None:
    path = tracking.home / "mlflow_runs.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    known.setdefault(tracking.address, {})[models_sha256] = run_id
    aside = path.with_suffix(".tmp")
    aside.write_text(json.dumps(known, indent=1, sort_keys=True))
    aside.replace(path)
