"""What exists only now: chains, books, trades and tickers of live services, received right after the close."""

import dagster as dg

from gnosis import sessions as exchange
from resources.market_data import MarketDataResource
from resources.providers.live.errors import UnavailableError
from resources.providers.live.service import SNAPSHOTS

CAPTURE = "capture"
AFTER_CLOSE = "2 16 * * 1-5"
NEW_YORK = "America/New_York"


@dg.op
def land_snapshots(context: dg.OpExecutionContext, market_data: MarketDataResource) -> None:
    """Receive the snapshot tables of the session that has just closed; the nightly job takes them from the landing."""
    with market_data.market_data() as source:
        if source.live is None:
            context.log.info(f"provider {source.provider.name} keeps its own history: nothing to capture")
            return
        session = source.live.last_session
        for table in SNAPSHOTS:
            if table not in source.live.tables:
                continue
            try:
                rows = source.live.fetch(table, [session]).frame.height
                context.log.info(f"{table}: {rows:,} rows of {session} landed")
            except UnavailableError as error:
                context.log.warning(f"{table}: {error}")


@dg.job(name=CAPTURE, executor_def=dg.in_process_executor)
def capture_job() -> None:
    """Receive chains two minutes after the close: a feed that is 15 minutes late then shows the quotes of 15:47."""
    land_snapshots()


@dg.schedule(
    job=capture_job,
    cron_schedule=AFTER_CLOSE,
    execution_timezone=NEW_YORK,
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def capture_schedule(
    context: dg.ScheduleEvaluationContext, market_data: MarketDataResource
) -> dg.RunRequest | dg.SkipReason:
    """At 16:02 New York of each session, for live providers only."""
    tick = context.scheduled_execution_time
    if not exchange.is_session(tick.date()):
        return dg.SkipReason(f"{tick.date()} is not a session of the exchange")
    with market_data.market_data() as source:
        if source.live is None:
            return dg.SkipReason(f"provider {source.provider.name} keeps its own history: nothing to capture")
    return dg.RunRequest(run_key=f"capture-{tick.date().isoformat()}")
