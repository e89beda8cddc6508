"""Launches runs on this machine, and says whether the process of a run still lives.

Dagster notices by itself when a run's process is killed under a living code server. When the whole machine went down,
or ``gnosis run`` was killed, nobody is left to notice: the run would count as started for ever, and would hold its
place in the queue and its pools against every later night. Run monitoring asks this launcher instead.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import dagster as dg
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus
from dagster._core.launcher.default_run_launcher import DefaultRunLauncher
from dagster._serdes import ConfigurableClassData

CLOCK_TOLERANCE_S = 5.0


class LocalRunLauncher(DefaultRunLauncher):
    """Dagster's own launcher, with a health check by process; named in ``dagster.yaml``."""

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> Self:  # noqa: ARG003
        """Return the launcher from the instance's configuration."""
        return cls(inst_data=inst_data)

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Always True."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Return FAILED when the process that the run last named as its own is gone, else RUNNING."""
        named = [
            (int(str(event.engine_event_data.metadata["pid"].value)), entry.timestamp)
            for entry in self._instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)
            if (event := entry.dagster_event) is not None and "pid" in event.engine_event_data.metadata
        ]
        if not named or is_alive(*named[-1]):
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.FAILED, f"process {named[-1][0]} is gone")


def is_alive(pid: int, seen_at: float) -> bool:
    """Return True when the process ``pid`` exists and is the one that lived at ``seen_at`` (Unix seconds).

    A number is given to another process in time, after a restart of the machine at the latest.

    Examples
    --------
    >>> import time
    >>> is_alive(os.getpid(), time.time())
    True
    """
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # of another user, and alive
    if sys.platform != "linux":
        return True
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return False
    is_zombie = after_name[0] == "Z"
    return (
        not is_zombie and _boot_time() + int(after_name[19]) / os.sysconf("SC_CLK_TCK") <= seen_at + CLOCK_TOLERANCE_S
    )


def _boot_time() -> float:
    lines = Path("/proc/stat").read_text().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("btime "))
