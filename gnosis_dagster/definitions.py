"""The code location: assembles assets, jobs, schedules, sensors and resources, and computes nothing."""

from __future__ import annotations

import datetime as dt

import dagster as dg

from assets import build_assets
from gnosis import sessions as exchange
from gnosis.tables import TABLES
from gnosis.trading.strategies import SHIPPED
from gnosis_dagster.settings import Settings, prepare_environment
from gnosis_dagster.terminal import terminal_logger
from jobs.capture import capture_job, capture_schedule
from jobs.nightly import (
    HISTORY_SESSIONS,
    backtesting_job,
    backtesting_schedule,
    history_job,
    nightly_job,
    nightly_schedule,
    rejection_job,
    rollback_job,
    training_job,
    training_schedule,
)
from jobs.sensors import drifted_model, failed_run, missing_session
from resources.alerts import AlertsResource
from resources.lake_io_manager import LakeIOManager, LakeResource
from resources.market_data import MarketDataResource
from resources.peer_engines import PeerEnginesResource
from resources.providers.sample import SampleProvider
from resources.scorer_resource import ScorerResource
from resources.strategy_files import StrategyFolder, read_strategies
from resources.tracking_resource import TrackingResource

FIRST_PARTITION = dt.date(2005, 1, 3)


def session_partitions(settings: Settings) -> dg.TimeWindowPartitionsDefinition:
    """Return one partition for each exchange session.

    They begin early enough for the history that the first session's lookbacks need, and end with the session of today,
    or with the last one of a replay.
    """
    first = settings.first_session
    begins = FIRST_PARTITION if first is None else exchange.shift_session(first, -HISTORY_SESSIONS)
    replay_ends = SampleProvider.last_session if settings.provider == "sample" else None
    closed = exchange.non_session_weekdays(begins, replay_ends or exchange.schedule()["session"][-1])
    return dg.TimeWindowPartitionsDefinition(
        start=begins.isoformat(),
        end=None if replay_ends is None else exchange.shift_session(replay_ends, 1).isoformat(),
        fmt="%Y-%m-%d",
        cron_schedule="0 0 * * 1-5",
        timezone="America/New_York",
        end_offset=0 if replay_ends else 1,
        exclusions=[dt.datetime(day.year, day.month, day.day) for day in closed],  # noqa: DTZ001
    )


def market_data_resource(settings: Settings) -> MarketDataResource:
    """Return the provider of market data that ``settings`` name."""
    return MarketDataResource(
        provider=settings.provider,
        home=str(settings.home),
        folder=str(settings.files) if settings.files else None,
        live=settings.live.model_dump_json(),
    )


def own_strategies(settings: Settings) -> StrategyFolder:
    """Return the strategies of the user's folder; what is wrong with its files is told by the asset's check."""
    if settings.strategies is None:
        return StrategyFolder()
    return read_strategies(settings.strategies, {shipped.name for shipped in SHIPPED}, TABLES)


def build_definitions(settings: Settings | None = None) -> dg.Definitions:
    """Return the whole house for ``settings``, by default those of the environment."""
    settings = settings or Settings()
    prepare_environment(settings)
    home = str(settings.home)
    return dg.Definitions(
        assets=build_assets(session_partitions(settings), own_strategies(settings), has_pictures=settings.pictures),
        jobs=[nightly_job, history_job, training_job, rollback_job, rejection_job, backtesting_job, capture_job],
        schedules=[nightly_schedule, training_schedule, backtesting_schedule, capture_schedule],
        sensors=[failed_run, missing_session, drifted_model],
        resources={
            "lake": LakeResource(home=home),
            "lake_io": LakeIOManager(home=home),
            "market_data": market_data_resource(settings),
            "tracking": TrackingResource(
                home=home,
                uri=settings.mlflow_tracking_uri,
                mlflow_url=settings.mlflow_url,
                dagster_url=settings.dagster_url,
            ),
            "scorer": ScorerResource(
                finbert=str(settings.finbert) if settings.finbert else None,
                lexicon=str(settings.lexicon) if settings.lexicon else None,
                grok=settings.grok,
                home=home,
            ),
            "peer_engines": PeerEnginesResource(folder=str(settings.peers))
            if settings.peers
            else PeerEnginesResource(),
            "alerts": AlertsResource(home=home, webhook=settings.alert_webhook),
        },
        loggers={"console": terminal_logger},
        executor=dg.in_process_executor,
    )


def definitions_reaching(settings: Settings, first: dt.date) -> dg.Definitions:
    """Return the house for ``settings`` with partitions from ``first`` on, also when that lies before the settings'."""
    if settings.first_session is not None and first < settings.first_session:
        settings = settings.model_copy(update={"first_session": first})
    return defs if settings == SETTINGS else build_definitions(settings)


SETTINGS = Settings()
defs = build_definitions(SETTINGS)
