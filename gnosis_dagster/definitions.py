"""The code location: assembles assets, jobs, schedules, sensors and resources, and computes nothing."""

from __future__ import annotations

import datetime as dt

import dagster as dg

from assets import build_assets
from gnosis import sessions as exchange
from gnosis_dagster.settings import Settings, prepare_environment
from gnosis_dagster.terminal import terminal_logger
from jobs.nightly import history_job, nightly_job, nightly_schedule, training_job, training_schedule
from jobs.sensors import failed_run, missing_session
from resources.alerts import AlertsResource
from resources.lake_io_manager import LakeIOManager, LakeResource
from resources.market_data import MarketDataResource
from resources.tracking_resource import TrackingResource

FIRST_PARTITION = dt.date(2005, 1, 3)
YEARS_OF_HISTORY = 3


def first_partition(first_session: dt.date | None) -> dt.date:
    """Return the first partition: early enough for the history that the first session's lookbacks need."""
    if first_session is None:
        return FIRST_PARTITION
    new_year = dt.date(first_session.year - YEARS_OF_HISTORY, 1, 1)
    return exchange.sessions_between(new_year, first_session)[0]


def session_partitions(first: dt.date) -> dg.TimeWindowPartitionsDefinition:
    """Return one partition for each exchange session since ``first``, the session of today included."""
    today_or_later = exchange.schedule()["session"][-1]
    closed = exchange.non_session_weekdays(first, today_or_later)
    return dg.TimeWindowPartitionsDefinition(
        start=first.isoformat(),
        fmt="%Y-%m-%d",
        cron_schedule="0 0 * * 1-5",
        timezone="America/New_York",
        end_offset=1,
        exclusions=[dt.datetime(day.year, day.month, day.day) for day in closed],  # noqa: DTZ001
    )


def build_definitions(settings: Settings | None = None) -> dg.Definitions:
    """Return the whole house for ``settings``, by default those of the environment."""
    settings = settings or Settings()
    prepare_environment(settings)
    home = str(settings.home)
    return dg.Definitions(
        assets=build_assets(session_partitions(first_partition(settings.first_session))),
        jobs=[nightly_job, history_job, training_job],
        schedules=[nightly_schedule, training_schedule],
        sensors=[failed_run, missing_session],
        resources={
            "lake": LakeResource(home=home),
            "lake_io": LakeIOManager(home=home),
            "market_data": MarketDataResource(
                provider=settings.provider, home=home, folder=str(settings.files) if settings.files else None
            ),
            "tracking": TrackingResource(home=home, uri=settings.mlflow_tracking_uri),
            "alerts": AlertsResource(home=home, webhook=settings.alert_webhook),
        },
        loggers={"console": terminal_logger},
        executor=dg.in_process_executor,
    )


defs = build_definitions()
