"""Whether a process still lives, and is the one that was meant."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import dagster as dg
import pytest
from dagster._core.events import EngineEventData
from dagster._core.launcher.base import WorkerStatus

from gnosis_dagster.launcher import LocalRunLauncher, is_alive


@pytest.fixture
def ended_process() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def test_this_process_lives_and_an_ended_one_does_not(ended_process: int) -> None:
    assert is_alive(os.getpid(), time.time())
    assert not is_alive(ended_process, time.time())


def test_a_killed_child_that_nobody_waited_for_does_not_live() -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert not is_alive(process.pid, time.time())


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells when a process began")
def test_a_number_given_to_a_later_process_does_not_count() -> None:
    assert not is_alive(os.getpid(), time.time() - 86_400.0)


def test_health_is_that_of_the_process_which_the_run_named_last(ended_process: int) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        launcher = LocalRunLauncher()
        launcher.register_instance(instance)
        run = instance.create_run_for_job(dg.GraphDefinition(name="night").to_job())
        assert launcher.check_run_worker_health(run).status == WorkerStatus.RUNNING
        instance.report_engine_event("started", run, EngineEventData.in_process(os.getpid()))
        assert launcher.check_run_worker_health(run).status == WorkerStatus.RUNNING
        instance.report_engine_event("no process is named here", run, EngineEventData())
        assert launcher.check_run_worker_health(run).status == WorkerStatus.RUNNING
        instance.report_engine_event("started again", run, EngineEventData.in_process(ended_process))
        health = launcher.check_run_worker_health(run)
    assert (health.status, health.msg) == (WorkerStatus.FAILED, f"process {ended_process} is gone")
