"""The home folder: made on first use, with a Dagster instance that suits one machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from gnosis_dagster.settings import Settings, prepare_environment

if TYPE_CHECKING:
    from pathlib import Path

    import dagster as dg


def instance_configuration(folder: Path) -> dict[str, Any]:
    """Return the content of ``dagster.yaml`` for an instance in ``folder``."""

    def sqlite(module: str, name: str, part: str) -> dict[str, Any]:
        return {"module": module, "class": name, "config": {"base_dir": str(folder / part)}}

    return {
        "telemetry": {"enabled": False},
        "nux": {"enabled": False},
        "run_storage": sqlite("dagster._core.storage.runs", "SqliteRunStorage", "runs"),
        "event_log_storage": sqlite("gnosis_dagster.event_log", "BatchedSqliteEventLogStorage", "events"),
        "schedule_storage": sqlite("dagster._core.storage.schedules", "SqliteScheduleStorage", "schedules"),
        "run_launcher": {"module": "gnosis_dagster.launcher", "class": "LocalRunLauncher"},
        "run_monitoring": {"enabled": True, "start_timeout_seconds": 180, "poll_interval_seconds": 5},
        "run_retries": {"enabled": True, "max_retries": 1, "retry_on_asset_or_op_failure": False},
        "concurrency": {
            "runs": {"max_concurrent_runs": 2},
            "pools": {"default_limit": 1, "granularity": "run"},
        },
    }


def open_home(settings: Settings) -> dg.DagsterInstance:
    """Make the home's folders if they are missing and return its Dagster instance."""
    import dagster as dg

    settings.dagster_home.mkdir(parents=True, exist_ok=True)
    prepare_environment(settings)
    configuration = settings.dagster_home / "dagster.yaml"
    text = yaml.safe_dump(instance_configuration(settings.dagster_home), sort_keys=True)
    if not configuration.exists() or configuration.read_text() != text:
        configuration.write_text(text)
    return dg.DagsterInstance.from_config(str(settings.dagster_home))
