"""The tracking store of a home: where it is, what it holds, and what happens when it is away."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from resources.tracking import record
from resources.tracking.artifacts import write_artifacts
from resources.tracking.errors import TrackingError, typed_errors
from resources.tracking.links import registered_name
from resources.tracking.registry import mirror, standings
from resources.tracking.runs import TrainingRuns
from resources.tracking.training import Training, identity_tags

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

LOCAL_INTERFACE = "http://127.0.0.1:5000"
"""Where ``gnosis up`` serves MLflow unless told otherwise."""


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
    mlflow_url
        Address of MLflow's pages; without it that of the tracking server, or of ``gnosis up``.
    dagster_url
        Address of Dagster's pages; without it runs have no links back.
    """

    home: Path
    uri: str | None = None
    experiment: str = "gnosis"
    mlflow_url: str | None = None
    dagster_url: str | None = None

    @property
    def address(self) -> str:
        """Where runs are logged."""
        return self.uri or f"sqlite:///{self._database}"

    @property
    def is_deleted(self) -> bool:
        """True when the store is the local one and its file does not exist."""
        return self.uri is None and not self._database.exists()

    @property
    def _database(self) -> Path:
        return self.home.resolve() / "mlflow.db"

    @property
    def _pages(self) -> str:
        served = self.uri if self.uri is not None and self.uri.startswith(("http://", "https://")) else LOCAL_INTERFACE
        return (self.mlflow_url or served).rstrip("/")

    def run_url(self, run_id: str) -> str:
        """Return the address of a run's page.

        Raises
        ------
        TrackingError
            When this home never logged that run.
        """
        experiment_id = record.experiment_of(self, run_id)
        if experiment_id is None:
            raise TrackingError(f"expected a run that this home logged at {self.address}, found {run_id}; log it first")
        return f"{self._pages}/#/experiments/{experiment_id}/runs/{run_id}"

    def model_url(self, head: str, horizon_bars: int, universe: str) -> str:
        """Return the address of a registered model's page."""
        return f"{self._pages}/#/models/{registered_name(head, horizon_bars, universe)}"

    def create(self) -> None:
        """Create the store and the experiment where they do not exist.

        Raises
        ------
        TrackingError
            When the store cannot be opened.
        """
        client = self._client()
        with typed_errors("create the experiment", self.address):
            self._experiment_id(client)

    def logged_run(self, training: Training) -> str | None:
        """Return the id of the finished run that holds this training, or None.

        Raises
        ------
        TrackingError
            When the store cannot be read.
        """
        client = self._client()
        with typed_errors("look up the training", self.address):
            return _finished(client, self._experiment_id(client), identity_tags(training)["models_sha256"])

    def log_training(self, training: Training) -> str:
        """Log one training and register its published models, unless that was done already.

        One parent run with one nested run per fold, in it one per study with its best trials; every published model is
        logged natively and registered once as a version.

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
            When the store cannot be reached or written; what was begun is marked as failed, now or next time, and
            logged anew. Nothing is lost: turn it into a warning.
        """
        models_sha256 = identity_tags(training)["models_sha256"]
        client = self._client()
        with typed_errors("log the training", self.address):
            experiment_id = self._experiment_id(client)
            run_id = _finished(client, experiment_id, models_sha256)
            if run_id is None:
                _close_abandoned(client, experiment_id, models_sha256)
                run_id = _written(client, experiment_id, training)
            record.remember_run(self, models_sha256, run_id, experiment_id)
            return run_id

    def mirror_promotion(self, promotion: pl.DataFrame, universe: str) -> dict[str, dict[str, str | None]]:
        """Make the aliases of the registry show who is champion, challenger and previous champion (L-11.1).

        Parameters
        ----------
        promotion
            All rows of ``models.promotion``: the last decision counts, a rollback too.
        universe
            As in :class:`Training`.

        Returns
        -------
        dict
            Registered model to alias to model version, None where nobody holds it.

        Raises
        ------
        TrackingError
            When the store cannot be reached, or a version that holds an alias was never registered; the other models
            are mirrored all the same.
        """
        shown = standings(promotion, universe)
        if not shown:
            return {}
        client = self._client()
        failed: list[TrackingError] = []
        for standing in shown:
            with typed_errors("mirror the promotions", self.address):
                try:
                    mirror(client, standing)
                    record.remember_standing(self, standing)
                except TrackingError as error:
                    failed.append(error)
        if failed:
            raise failed[0]
        return {standing.name: standing.aliases for standing in shown}

    def _client(self) -> MlflowClient:
        """Open the store; the first call in a home creates it, which takes one to a few seconds."""
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
        # The default retries of a server that is down would hold a night for minutes.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "1")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
        with typed_errors("open the tracking store", self.address):
            from mlflow.tracking import MlflowClient

            if self.uri is None:
                self.home.mkdir(parents=True, exist_ok=True)
            return MlflowClient(tracking_uri=self.address, registry_uri=self.address)

    def _experiment_id(self, client: MlflowClient) -> str:
        found = client.get_experiment_by_name(self.experiment)
        if found is not None:
            return str(found.experiment_id)
        location = None if self.uri else (self.home.resolve() / "mlartifacts").as_uri()
        tags = {"mlflow.experimentKind": "custom_model_development"}
        return str(client.create_experiment(self.experiment, artifact_location=location, tags=tags))


def _finished(client: MlflowClient, experiment_id: str, models_sha256: str) -> str | None:
    wanted = f"tags.models_sha256 = '{models_sha256}' and tags.kind = 'training' and attributes.status = 'FINISHED'"
    runs = client.search_runs([experiment_id], wanted, max_results=1)
    return str(runs[0].info.run_id) if runs else None


def _close_abandoned(client: MlflowClient, experiment_id: str, models_sha256: str) -> None:
    """Mark the runs of an attempt that lost its server as failed: nobody else will."""
    wanted = f"tags.models_sha256 = '{models_sha256}' and attributes.status = 'RUNNING'"
    for run in client.search_runs([experiment_id], wanted):
        client.set_terminated(run.info.run_id, "FAILED")


def _written(client: MlflowClient, experiment_id: str, training: Training) -> str:
    runs = TrainingRuns(client, experiment_id, training)
    is_complete = False
    try:
        run_id = runs.log()
        with tempfile.TemporaryDirectory() as folder:
            write_artifacts(Path(folder), training)
            client.log_artifacts(run_id, folder)
        runs.finish(run_id)
        is_complete = True
    finally:
        if not is_complete:
            runs.fail()
    return run_id
