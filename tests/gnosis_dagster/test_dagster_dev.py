"""A real Dagster on loopback, driven through GraphQL as its own UI does: nights, kills, restarts."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from gnosis import sessions as exchange
from gnosis.tables import TABLES
from gnosis.trading.strategies import SHIPPED
from gnosis_dagster.home import instance_configuration
from resources.lake import Lake
from tests.conftest import NO_PEERS

pytestmark = [pytest.mark.heavy, pytest.mark.xdist_group("interface")]

ROOT = Path(__file__).resolve().parents[2]
BY_SESSION = {name for name, table in TABLES.items() if table.period != "all" and not table.is_companion}
MADE = {name for name, table in TABLES.items() if not table.is_companion} | {"catalog"}
FINISHED = ("SUCCESS", "FAILURE", "CANCELED")
LOADED_WITHIN_S = 180.0
RUN_WITHIN_S = 240.0
SELECTOR = {"repositoryLocationName": "gnosis", "repositoryName": "__repository__", "jobName": "nightly"}

LOCATIONS = """{ workspaceOrError { ... on Workspace { locationEntries {
    name loadStatus locationOrLoadError { __typename } } } } }"""
HOUSE = """{ repositoriesOrError { ... on RepositoryConnection { nodes {
    jobs { name } assetGroups { groupName assetKeys { path } }
    schedules { name cronSchedule executionTimezone scheduleState { status } }
    sensors { name sensorState { status } } } } } }"""
LAUNCH = """mutation($p: ExecutionParams!) { launchPipelineExecution(executionParams: $p) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
REEXECUTE = """mutation($p: ReexecutionParams!) { launchRunReexecution(reexecutionParams: $p) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
RUN = """query($run: ID!) { runOrError(runId: $run) { ... on Run {
    status startTime endTime tags { key value } stepStats { stepKey status } } } }"""
EVENTS = """query($run: ID!, $after: String) { logsForRun(runId: $run, afterCursor: $after) { ... on EventConnection {
    cursor hasMore events { ... on MaterializationEvent { assetKey { path } partition }
    ... on AssetCheckEvaluationEvent { evaluation { assetKey { path } checkName success } } } } } }"""


@dataclass(frozen=True)
class House:
    """A running Dagster and the home it works on."""

    process: subprocess.Popen[str]
    address: str
    home: Path

    def ask(self, query: str, **variables: object) -> dict[str, Any]:
        body = {"query": query, "variables": variables}
        answer = httpx.post(f"{self.address}/graphql", json=body, timeout=60.0).raise_for_status().json()
        assert "errors" not in answer, answer["errors"]
        return next(iter(answer["data"].values()))

    def launch(self, first: str, last: str | None = None, **tags: str) -> str:
        span = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last or first}
        named = {**(span if last else {"dagster/partition": first}), **tags}
        metadata = {"tags": [{"key": key, "value": value} for key, value in named.items()]}
        launched = self.ask(LAUNCH, p={"selector": SELECTOR, "executionMetadata": metadata})
        assert launched["__typename"] == "LaunchRunSuccess", launched
        return launched["run"]["runId"]

    def wait_until(self, run: str, is_reached: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        deadline = time.monotonic() + RUN_WITHIN_S
        while True:
            found = self.ask(RUN, run=run)
            if is_reached(found):
                return found
            assert time.monotonic() < deadline, found
            time.sleep(0.1)

    def finished(self, run: str) -> dict[str, Any]:
        return self.wait_until(run, lambda found: found["status"] in FINISHED)

    def wait_for_middle(self, run: str) -> None:
        """Wait until the raw room is done and the rest is not."""
        found = self.wait_until(run, lambda found: len(steps_done(found)) >= 4 or found["status"] in FINISHED)
        assert found["status"] == "STARTED", found

    def retry_of(self, run: str) -> str:
        """Wait for Dagster's own retry of a failed run."""
        tag = "dagster/auto_retry_run_id"
        return tags_of(self.wait_until(run, lambda found: tag in tags_of(found)))[tag]

    def events(self, run: str) -> tuple[list[tuple[str, str | None]], list[tuple[str, str, bool]]]:
        """Return the materialisations (table, partition) and the results of checks (table, check, success)."""
        made, checked, after, has_more = [], [], None, True
        while has_more:
            page = self.ask(EVENTS, run=run, after=after)
            after, has_more = page["cursor"], page["hasMore"]
            for event in page["events"]:
                if event.get("assetKey"):
                    made.append((".".join(event["assetKey"]["path"]), event["partition"]))
                elif "evaluation" in event:
                    found = event["evaluation"]
                    checked.append((".".join(found["assetKey"]["path"]), found["checkName"], found["success"]))
        return made, checked


@dataclass(frozen=True)
class Crash:
    """A run from ``first`` to ``last`` that was killed with everything else, and a copy of the home from before it."""

    run: str
    first: dt.date
    last: dt.date
    untroubled: Path


def tags_of(run: Mapping[str, Any]) -> dict[str, str]:
    return {tag["key"]: tag["value"] for tag in run["tags"]}


def steps_done(run: Mapping[str, Any]) -> list[str]:
    return [step["stepKey"] for step in run["stepStats"] if step["status"] == "SUCCESS"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def processes_of(home: Path) -> dict[int, str]:
    """Return the living processes that were started for a home, with their command lines."""
    found = {}
    for folder in Path("/proc").iterdir():
        try:
            if f"GNOSIS_HOME={home}\0".encode() in (folder / "environ").read_bytes():
                found[int(folder.name)] = (folder / "cmdline").read_text().replace("\0", " ")
        except (NotADirectoryError, FileNotFoundError, PermissionError, ProcessLookupError):
            continue
    return found


def servers_of(home: Path) -> set[int]:
    """Return the processes that live as long as the house: the command, daemon, web server and MLflow, not runs."""
    kinds = ("gnosis_dagster.cli", "dagster dev", "_daemon", "webserver", "mlflow")
    return {pid for pid, command in processes_of(home).items() if any(kind in command for kind in kinds)}


def run_worker(home: Path) -> int:
    """Return the process that executes the one run in progress: it is what the code server spawned."""
    (worker,) = [pid for pid, command in processes_of(home).items() if "spawn_main" in command]
    return worker


def end_all(house: House) -> None:
    """Kill everything at once, as a power cut would."""
    for pid in processes_of(house.home):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    house.process.wait()


def started(home: Path, port: int, command: list[str], **variables: str) -> House:
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("GNOSIS_", "DAGSTER_", "MLFLOW_"))}
    environment = kept | {"GNOSIS_HOME": str(home), "GNOSIS_PEERS": str(NO_PEERS), **variables}
    log = (home / "test.log").open("ab")
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log, text=True)
    log.close()
    return House(process, f"http://127.0.0.1:{port}", home)


def loaded(house: House) -> House:
    """Wait until the code location is loaded."""
    deadline = time.monotonic() + LOADED_WITHIN_S
    while True:
        assert house.process.poll() is None, (house.home / "test.log").read_text()
        assert time.monotonic() < deadline, (house.home / "test.log").read_text()
        try:
            entries = house.ask(LOCATIONS)["locationEntries"]
        except httpx.TransportError:
            entries = []
        if entries and entries[0]["locationOrLoadError"]:
            assert entries[0]["locationOrLoadError"]["__typename"] == "RepositoryLocation"
            return house
        time.sleep(0.2)


@pytest.fixture(scope="module")
def served_home(night_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = Path(shutil.copytree(night_home, tmp_path_factory.mktemp("served") / "home"))
    # The copy still names the databases of the home it was made from, and plain ``dagster dev`` believes it.
    text = yaml.safe_dump(instance_configuration(home / "dagster"), sort_keys=True)
    (home / "dagster" / "dagster.yaml").write_text(text)
    return home


@pytest.fixture(scope="module")
def dev(served_home: Path) -> Iterator[House]:
    """Plain ``dagster dev``, killed with all its processes by the last test that uses it."""
    port = free_port()
    command = [sys.executable, "-m", "dagster", "dev", "-w", "workspace.yaml", "-h", "127.0.0.1", "-p", str(port)]
    house = started(served_home, port, command, DAGSTER_HOME=str(served_home / "dagster"))
    yield loaded(house)
    end_all(house)


@pytest.fixture(scope="module")
def crashed(dev: House, tmp_path_factory: pytest.TempPathFactory) -> Crash:
    """What was left when everything was killed in the middle of a run: the run, its sessions, the home before it."""
    untroubled = Path(shutil.copytree(dev.home, tmp_path_factory.mktemp("untroubled") / "home"))
    first = following(dev.home)
    last = exchange.shift_session(first, 41)
    run = dev.launch(first.isoformat(), last.isoformat())
    dev.wait_for_middle(run)
    end_all(dev)
    assert Lake(dev.home).verify() > 0
    return Crash(run, first, last, untroubled)


@pytest.fixture(scope="module")
def mlflow_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def up(crashed: Crash, served_home: Path, mlflow_port: int) -> Iterator[House]:
    """``gnosis up`` on the home of the crash, stopped by the last test that uses it."""
    port = free_port()
    command = [sys.executable, "-m", "gnosis_dagster.cli", "up", "--port", str(port), "--mlflow-port", str(mlflow_port)]
    house = started(served_home, port, command)
    yield loaded(house)
    end_all(house)


def sessions(first: str, last: str) -> list[dt.date]:
    return exchange.sessions_between(dt.date.fromisoformat(first), dt.date.fromisoformat(last))


def assert_whole(home: Path, made: list[dt.date]) -> None:
    """Every table has every session, every file has its hash, and the catalog shows the last session."""
    lake = Lake(home)
    assert lake.verify() > 0
    for name in BY_SESSION:
        assert set(made) <= set(lake.sessions(name)), name
    with lake.connect() as connection:
        for name in ("raw.equity_bars", "greeks.exposure", "features.technical", "models.predictions"):
            (count,) = connection.execute(f"select count(*) from {name} where session = ?", [made[-1]]).fetchone()
            assert count > 0, name


def following(home: Path) -> dt.date:
    """Return the session after the last stored one."""
    return exchange.shift_session(Lake(home).sessions("features.technical")[-1], 1)


def test_the_whole_house_is_shown_and_its_schedules_run(dev: House) -> None:
    (shown,) = dev.ask(HOUSE)["nodes"]
    assert {job["name"] for job in shown["jobs"]} >= {"nightly", "history", "training"}
    groups = {group["groupName"]: len(group["assetKeys"]) for group in shown["assetGroups"]}
    rooms = {"raw", "greeks", "engines", "features", "models", "trades", "backtests"}
    assert set(groups) == rooms | {"catalog", "strategies"}
    keys = {".".join(key["path"]) for group in shown["assetGroups"] for key in group["assetKeys"]}
    assert keys == MADE | {f"strategies.{strategy.name}" for strategy in SHIPPED}
    schedules = {schedule["name"]: schedule for schedule in shown["schedules"]}
    assert set(schedules) == {"nightly_schedule", "training_schedule", "backtesting_schedule", "capture_schedule"}
    assert {schedule["scheduleState"]["status"] for schedule in schedules.values()} == {"RUNNING"}
    assert {schedule["executionTimezone"] for schedule in schedules.values()} == {"America/New_York"}
    sensors = {sensor["name"]: sensor["sensorState"]["status"] for sensor in shown["sensors"]}
    assert sensors == {"failed_run": "RUNNING", "missing_session": "RUNNING", "drifted_model": "RUNNING"}


def test_a_night_launched_through_the_interface_makes_and_checks_everything(dev: House) -> None:
    session = following(dev.home)
    run = dev.launch(session.isoformat())
    assert dev.finished(run)["status"] == "SUCCESS"
    made, checked = dev.events(run)
    assert sorted(made) == sorted((name, session.isoformat() if name in BY_SESSION else None) for name in MADE)
    assert {name for name, _, _ in checked} == MADE - {"catalog"}
    assert [found for found in checked if not found[2]] == []
    assert_whole(dev.home, sessions("2008-01-02", session.isoformat()))


def test_a_killed_run_is_told_and_taken_up_from_its_failure(dev: House) -> None:
    first = following(dev.home)
    last = exchange.shift_session(first, 61)
    run = dev.launch(first.isoformat(), last.isoformat(), **{"dagster/max_retries": "0"})
    dev.wait_for_middle(run)
    os.kill(run_worker(dev.home), signal.SIGKILL)
    killed = dev.finished(run)
    assert killed["status"] == "FAILURE"
    Lake(dev.home).verify()
    again = dev.ask(REEXECUTE, p={"parentRunId": run, "strategy": "FROM_FAILURE"})["run"]["runId"]
    finished = dev.finished(again)
    assert finished["status"] == "SUCCESS"
    assert not set(steps_done(finished)) & set(steps_done(killed))
    asked = exchange.sessions_between(first, last)
    made = {found for each in (run, again) for found in dev.events(each)[0]}
    assert {(name, day.isoformat()) for name in BY_SESSION for day in asked} <= made
    assert_whole(dev.home, asked)
    alerts, deadline = dev.home / "alerts.jsonl", time.monotonic() + RUN_WITHIN_S
    while not alerts.exists():
        assert time.monotonic() < deadline, "no alert of the killed run"
        time.sleep(0.5)
    (alert,) = [json.loads(line) for line in alerts.read_text().splitlines()]
    assert (alert["job"], alert["run_id"]) == ("nightly", run)


def test_both_interfaces_answer(up: House, mlflow_port: int) -> None:
    assert httpx.get(up.address).status_code == 200
    deadline = time.monotonic() + LOADED_WITHIN_S
    while True:
        try:
            assert httpx.get(f"http://127.0.0.1:{mlflow_port}").status_code == 200
            return
        except httpx.TransportError:
            assert time.monotonic() < deadline
            time.sleep(0.5)


def test_a_taken_port_is_named_and_nothing_is_started(up: House, run_gnosis: Callable[..., Any]) -> None:
    port = up.address.rpartition(":")[2]
    before = servers_of(up.home)
    assert len(before) >= 3, processes_of(up.home)
    said = run_gnosis(up.home, "up", "--port", port)
    assert said.status == 2
    assert said.err == f"gnosis: port {port} for Dagster is taken; choose another with --port\n"
    assert servers_of(up.home) == before


def test_after_a_crash_of_everything_the_next_start_retries_the_run_by_itself(
    crashed: Crash, up: House, run_gnosis: Callable[..., Any]
) -> None:
    assert up.finished(crashed.run)["status"] == "FAILURE"
    assert up.finished(up.retry_of(crashed.run))["status"] == "SUCCESS"
    assert_whole(up.home, exchange.sessions_between(crashed.first, crashed.last))

    span = ("--from", str(crashed.first), "--to", str(crashed.last))
    assert run_gnosis(crashed.untroubled, "run", *span).status == 0
    for name in MADE - {"catalog"}:
        assert Lake(up.home).manifest(name).files == Lake(crashed.untroubled).manifest(name).files, name


def test_an_interrupt_stops_both_and_leaves_no_process(up: House, mlflow_port: int) -> None:
    up.process.send_signal(signal.SIGINT)
    assert up.process.wait(timeout=60.0) == 0
    assert processes_of(up.home) == {}
    said = (up.home / "test.log").read_text()
    assert up.address in said and f"http://127.0.0.1:{mlflow_port}" in said and "stopping" in said
