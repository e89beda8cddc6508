"""A real tracking server on loopback: trainings and aliases arrive, and an outage loses nothing."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import polars as pl
import pytest

from gnosis_dagster.settings import Settings
from resources.tracking import Tracking, TrackingError, recorded_promotion, recorded_run
from resources.tracking_resource import TrackingResource
from tests.resources.trainings import UNIVERSE, decision, promotion, training_of

pytestmark = [pytest.mark.heavy, pytest.mark.xdist_group("mlflow")]

STARTED_WITHIN_S = 120.0
NOT_MINUTES_S = 60.0
NAME = "gnosis-direction-h5-sample"


@dataclass
class Server:
    """``mlflow server`` with its own database and artifacts, which it serves itself."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--backend-store-uri", f"sqlite:///{self.folder / 'server.db'}", "--workers", "1"]
        command += ["--artifacts-destination", str(self.folder / "artifacts")]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={**kept, "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
                start_new_session=True,
            )
        deadline = time.monotonic() + STARTED_WITHIN_S
        while not self._answers():
            assert self.process.poll() is None, (self.folder / "server.log").read_text()[-2000:]
            assert time.monotonic() < deadline, f"no answer within {STARTED_WITHIN_S} s"
            time.sleep(0.2)

    def stop(self) -> None:
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(30.0)
            self.process = None

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.address}/health", timeout=2.0).status_code == 200
        except httpx.TransportError:
            return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, tracking_template: Path) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("mlflow_server"), _free_port())
    (server.folder / "server.db").write_bytes(tracking_template.read_bytes())
    server.start()
    yield server
    server.stop()


@pytest.fixture
def server(running: Server) -> Iterator[Server]:
    """The server, up again after a test that stopped it."""
    yield running
    if running.process is None:
        running.start()


@pytest.fixture
def remote(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tracking:
    """The tracking store that MLFLOW_TRACKING_URI names."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.address)
    monkeypatch.setenv("GNOSIS_HOME", str(tmp_path))
    settings = Settings()
    return TrackingResource(home=str(settings.home), uri=settings.mlflow_tracking_uri).tracking()


def _client(tracking: Tracking):
    from mlflow.tracking import MlflowClient

    return MlflowClient(tracking.address)


def test_training_versions_and_aliases_arrive_at_the_server(server: Server, remote: Tracking, tmp_path: Path) -> None:
    training = training_of(n_folds=2, with_study=True)
    run_id = remote.log_training(training)
    first, second = training.published["model_version"]
    decided = promotion(decision(1, first, "promote", first, None), decision(2, second, "promote", second, first))
    remote.mirror_promotion(decided, UNIVERSE)
    assert not (tmp_path / "mlflow.db").exists()
    assert remote.run_url(run_id).startswith(f"{server.address}/#/experiments/")
    asked = httpx.get(f"{server.address}/api/2.0/mlflow/runs/get", params={"run_id": run_id}, timeout=20.0).json()[
        "run"
    ]
    assert asked["info"]["status"] == "FINISHED"
    assert {"key": "xgboost/log_loss", "value": 0.9} in [
        {"key": metric["key"], "value": metric["value"]} for metric in asked["data"]["metrics"]
    ]
    client = _client(remote)
    stored = Path(client.download_artifacts(run_id, "tables/trials.parquet", str(tmp_path)))
    assert pl.read_parquet(stored).equals(training.studies)
    champion = client.get_model_version_by_alias(NAME, "champion")
    assert champion.tags["model_version"] == second
    assert client.get_model_version_by_alias(NAME, "previous").tags["model_version"] == first
    logged = client.get_logged_model(champion.tags["logged_model_id"])
    assert logged.artifact_location.startswith("mlflow-artifacts:/")
    assert list(server.folder.rglob(f"{logged.model_id}/artifacts/model.ubj"))


def test_a_server_that_dies_costs_seconds_and_no_training(
    server: Server, remote: Tracking, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = training_of(n_folds=2, seed=11)
    decided = promotion(decision(1, training.published["model_version"][0], "reject", None, None))

    def log_artifacts(*_: object) -> None:
        server.stop()
        raise ConnectionError("the server is gone")

    started = time.monotonic()
    with monkeypatch.context() as patch:
        patch.setattr("mlflow.tracking.MlflowClient.log_artifacts", log_artifacts)
        with pytest.raises(TrackingError):
            remote.log_training(training)
    with pytest.raises(TrackingError, match=r"models are safe in models\.trained.*materialise the asset again"):
        remote.log_training(training)
    with pytest.raises(TrackingError, match="could not mirror the promotions"):
        remote.mirror_promotion(decided, UNIVERSE)
    assert time.monotonic() - started < NOT_MINUTES_S
    assert recorded_run(remote, training.trained) is None
    assert not recorded_promotion(remote, decided, UNIVERSE)

    server.start()
    run_id = remote.log_training(training)
    assert recorded_run(remote, training.trained) == run_id == remote.logged_run(training)
    remote.mirror_promotion(decided, UNIVERSE)
    assert recorded_promotion(remote, decided, UNIVERSE)
    client = _client(remote)
    run = client.get_run(run_id)
    wanted = f"tags.models_sha256 = '{run.data.tags['models_sha256']}' and tags.kind = 'training'"
    attempts = client.search_runs([run.info.experiment_id], wanted)
    assert sorted(attempt.info.status for attempt in attempts) == ["FAILED", "FINISHED"]
    versions = client.search_model_versions(f"name = '{NAME}'")
    told = [one.tags["model_version"] for one in versions]
    assert sorted(set(told)) == sorted(told) and set(training.published["model_version"]) <= set(told)


def test_a_server_that_accepts_and_never_answers_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    training = training_of(n_folds=1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        started = time.monotonic()
        with pytest.raises(TrackingError, match=address):
            Tracking(tmp_path, uri=address).log_training(training)
        assert time.monotonic() - started < NOT_MINUTES_S
