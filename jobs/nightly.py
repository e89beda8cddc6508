"""The nightly job after the close of each session, and the history that its first night needs."""

import dagster as dg

from gnosis import sessions as exchange
from gnosis.features import FEATURES
from resources.lake_io_manager import LakeResource
from resources.market_data import MarketDataResource

NIGHTLY = "nightly"
HISTORY = "history"
TRAINING = "training"
ROLLBACK = "rollback"
REJECTION = "rejection"
BACKTESTING = "backtesting"
HISTORY_SESSIONS = max(feature.lookback_sessions for feature in FEATURES) + 5
HISTORY_TABLES = (
    "raw.equity_bars",
    "raw.index_levels",
    "raw.macro",
    "raw.dividends",
    "raw.splits",
    "raw.short_volume",
    "raw.dix",
    "raw.quality_events",
)
LAST_SESSION_TABLE = "trades.ideas"
TRAINING_TABLES = (
    "models.feature_report",
    "models.dataset",
    "models.folds",
    "models.trained",
    "models.studies",
    "models.evaluation",
    "backtests.trials",
    "models.promotion",
    "models.gates",
)
BACKTEST_TABLES = (
    "backtests.runs",
    "backtests.orders",
    "backtests.fills",
    "backtests.trades",
    "backtests.equity",
    "backtests.metrics",
    "backtests.overfitting",
    "backtests.walk_forward",
    "backtests.reconciliation",
    "backtests.trials",
)
BACKTESTING_TAGS = {"gnosis/walk-forward": "true"}
"""What the weekly backtesting does beyond a night: it chooses parameters anew, window by window."""
TRAINING_TAGS = {"gnosis/families": "all", "gnosis/trials": "100", "gnosis/promote": "true"}
"""What the weekly training does beyond a night: every family, a study where a fold has none, and the gates."""
CLOSE_OF_BUSINESS = "30 18 * * 1-5"
NEW_YORK = "America/New_York"


def keys_of(tables: tuple[str, ...]) -> dg.AssetSelection:
    """Return the selection of the assets of ``tables``."""
    return dg.AssetSelection.assets(*(dg.AssetKey(name.split(".")) for name in tables))


nightly_job = dg.define_asset_job(
    NIGHTLY,
    # Tear sheets are for people: made weekly and when asked for.
    selection=dg.AssetSelection.all() - dg.AssetSelection.groups("strategies"),
    description="Everything for one session or a range of sessions, from raw data to backtests and the SQL catalog.",
    executor_def=dg.in_process_executor,
)

history_job = dg.define_asset_job(
    HISTORY,
    selection=keys_of(HISTORY_TABLES),
    description="Bars, levels, macro and published volumes before the first night, for the lookbacks.",
    executor_def=dg.in_process_executor,
)

training_job = dg.define_asset_job(
    TRAINING,
    selection=keys_of(TRAINING_TABLES) | dg.AssetSelection.assets(dg.AssetKey(["catalog"])),
    description="Describes the features; tunes, trains and scores every family of each walk-forward fold that is due, "
    "and puts the newest version of the published model through the gates.",
    executor_def=dg.in_process_executor,
    tags=TRAINING_TAGS,
)

backtesting_job = dg.define_asset_job(
    BACKTESTING,
    selection=keys_of(BACKTEST_TABLES)
    | dg.AssetSelection.groups("strategies")
    | dg.AssetSelection.assets(dg.AssetKey(["catalog"])),
    description="Every strategy, shipped and own, with its statistics, walk-forward optimisation, the other engines "
    "and its tear sheet.",
    executor_def=dg.in_process_executor,
    tags=BACKTESTING_TAGS,
)

DECISIONS = keys_of(("models.promotion", "models.gates")) | dg.AssetSelection.assets(dg.AssetKey(["catalog"]))
rollback_job = dg.define_asset_job(
    ROLLBACK,
    selection=DECISIONS,
    description="Makes the previous champion the champion again, for the reason in the run tag gnosis/rollback.",
    executor_def=dg.in_process_executor,
    tags={"gnosis/rollback": ""},
)

rejection_job = dg.define_asset_job(
    REJECTION,
    selection=DECISIONS,
    description="Judges the newest model and rejects it whatever its gates say, for the reason in the run tag "
    "gnosis/reject; it is not judged again.",
    executor_def=dg.in_process_executor,
    tags={"gnosis/reject": ""},
)


@dg.schedule(
    job=nightly_job,
    cron_schedule=CLOSE_OF_BUSINESS,
    execution_timezone=NEW_YORK,
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def nightly_schedule(
    context: dg.ScheduleEvaluationContext, lake: LakeResource, market_data: MarketDataResource
) -> dg.RunRequest | dg.SkipReason:
    """After each close: the session that has just ended, or the next one of a replay. Nothing on holidays."""
    with market_data.market_data() as source:
        tick = context.scheduled_execution_time
        if not exchange.is_session(tick.date()):
            return dg.SkipReason(f"{tick.date()} is not a session of the exchange")
        stored = lake.lake().sessions(LAST_SESSION_TABLE)
        if source.is_replay and not stored:
            return dg.SkipReason(
                "a replay moves on from the last stored session, and there is none: call `gnosis run` first"
            )
        session = source.next_session(stored, tick)
        if session is None:
            name, last = source.provider.name, source.provider.last_session
            return dg.SkipReason(f"provider {name} has no session after {last}")
    key = session.isoformat()
    # A session of a replay that failed is asked for again at the next tick, which needs a key of its own.
    run_key = f"{key} on {tick.date().isoformat()}" if source.is_replay else key
    return dg.RunRequest(run_key=run_key, partition_key=key, tags={"gnosis/session": key})


@dg.schedule(
    job=training_job,
    cron_schedule="0 9 * * 6",
    execution_timezone=NEW_YORK,
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def training_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """On Saturdays: train what has become due during the week."""
    return dg.RunRequest(run_key=f"training-{context.scheduled_execution_time.date().isoformat()}")


@dg.schedule(
    job=backtesting_job,
    cron_schedule="0 15 * * 6",
    execution_timezone=NEW_YORK,
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def backtesting_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """On Saturdays after the training: parameters chosen anew, and the same orders on the other engines."""
    return dg.RunRequest(run_key=f"backtesting-{context.scheduled_execution_time.date().isoformat()}")
