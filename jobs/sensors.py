"""Sensors: what happens when a run fails, and when a session that should be there is not."""

import datetime as dt

import dagster as dg

from gnosis import sessions as exchange
from gnosis.learning import asks_for_retraining
from jobs.nightly import nightly_job, training_job
from resources.alerts import AlertsResource
from resources.lake_io_manager import LakeResource
from resources.market_data import MarketDataResource

FRESHNESS_INTERVAL_S = 900
GRACE = dt.timedelta(hours=5)


@dg.run_failure_sensor(default_status=dg.DefaultSensorStatus.RUNNING)
def failed_run(context: dg.RunFailureSensorContext, alerts: AlertsResource) -> None:
    """Write each failed run to ``alerts.jsonl`` in the home and to the webhook, when one is set."""
    errors = [event.event_specific_data.error_display_string for event in context.get_step_failure_events()]  # type: ignore[union-attr]
    alerts.raise_alert(
        {
            "job": context.dagster_run.job_name,
            "run_id": context.dagster_run.run_id,
            "session": context.dagster_run.tags.get("dagster/partition", ""),
            "message": context.failure_event.message or "",
            "errors": [error.splitlines()[0] for error in errors if error],
        }
    )


@dg.sensor(
    job=nightly_job,
    minimum_interval_seconds=FRESHNESS_INTERVAL_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def missing_session(lake: LakeResource, market_data: MarketDataResource) -> dg.RunRequest | dg.SkipReason:
    """Ask for the last closed session when it is still missing five hours after its close."""
    with market_data.market_data() as source:
        if source.is_replay:
            return dg.SkipReason("a replay has no fresh sessions: the schedule moves it on by one session a night")
        due = exchange.last_completed_session(dt.datetime.now(dt.UTC) - GRACE)
        if due > source.provider.last_session:
            return dg.SkipReason(
                f"provider {source.provider.name} ends at {source.provider.last_session}; {due} is not there"
            )
    if due in lake.lake().sessions("features.technical"):
        return dg.SkipReason(f"{due} is materialised")
    key = due.isoformat()
    return dg.RunRequest(run_key=f"missing-{key}", partition_key=key, tags={"gnosis/session": key})


@dg.sensor(
    job=training_job,
    minimum_interval_seconds=FRESHNESS_INTERVAL_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def drifted_model(lake: LakeResource) -> dg.RunRequest | dg.SkipReason:
    """Ask for a training when the model in force has drifted, once for each version; it promotes nothing by itself."""
    sessions = lake.lake().sessions("models.drift")
    if not sessions:
        return dg.SkipReason("no drift was measured yet")
    rows = lake.lake().read("models.drift", first=sessions[-1], last=sessions[-1])
    reason = asks_for_retraining(rows)
    if reason is None:
        return dg.SkipReason(f"the model in force has not drifted by {sessions[-1]}")
    version = rows["model_version"][0]
    return dg.RunRequest(run_key=f"drift-{version}", tags={"gnosis/reason": reason})
