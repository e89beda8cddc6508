"""Which sessions a run still has to make, and running them through Dagster in this process."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import dagster as dg
import polars as pl

from gnosis import sessions as exchange
from gnosis.sessions import UnknownSessionError
from gnosis.tables import TABLES
from jobs.nightly import HISTORY, HISTORY_SESSIONS, HISTORY_TABLES, NIGHTLY
from resources.lake.errors import ForeignHomeError, UnknownTableError

if TYPE_CHECKING:
    from resources.lake import Lake
    from resources.market_data import MarketData

RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"
SESSION_TABLES = tuple(name for name, table in TABLES.items() if table.period != "all" and not table.is_companion)


@dataclass(frozen=True)
class RunReport:
    """One finished Dagster run.

    Attributes
    ----------
    step_seconds
        Wall seconds of each step.
    failures
        Step and first line of its error.
    """

    job: str
    run_id: str
    succeeded: bool
    step_seconds: dict[str, float]
    failures: list[tuple[str, str]]


def asked_sessions(market_data: MarketData, first: dt.date | None, last: dt.date | None) -> list[dt.date]:
    """Return the sessions between two dates that the provider covers.

    Raises
    ------
    UnknownSessionError
        When a given date is not a session, or lies outside what the provider has.
    """
    provider = market_data.provider
    for day in (first, last):
        if day is None:
            continue
        exchange.require_session(day)
        if not provider.first_session <= day <= provider.last_session:
            raise UnknownSessionError(
                f"expected a session that provider {provider.name} covers, {provider.first_session} to "
                f"{provider.last_session}, found {day}"
            )
    first, last = first or provider.first_session, last or provider.last_session
    if first > last:
        raise UnknownSessionError(
            f"expected a first session at or before the last one, found {first} and {last}; give both --from and --to, "
            "because what is not given is that of the settings"
        )
    return exchange.sessions_between(first, last)


def first_live_session(lake: Lake, market_data: MarketData) -> dt.date:
    """Return where a live home begins when nobody says so: at its first session, or at the last that has closed."""
    return min(made_sessions(lake), default=market_data.provider.last_session)


def require_versioned(lake: Lake, table: str) -> None:
    """Raise UnknownTableError for a table of whose rows no earlier versions are kept, so that none can be corrected."""
    versioned = sorted(name for name in lake.dictionary if f"superseded.{name.replace('.', '_', 1)}" in lake.dictionary)
    if table not in versioned:
        raise UnknownTableError(f"expected one of {', '.join(versioned)}, found {table!r}")


def require_same_provider(lake: Lake, market_data: MarketData) -> None:
    """Raise when the home holds the bars of another provider: sessions of two worlds in one table mislead.

    Raises
    ------
    ForeignHomeError
        When there are bars and none of them is the provider's.
    """
    providers = lake.scan("raw.equity_bars").select(pl.col("provider").unique().sort()).collect()["provider"].to_list()
    name = market_data.provider.name
    if providers and not market_data.origins & set(providers):
        raise ForeignHomeError(
            f"expected a home made with provider {name}, found bars of {', '.join(providers)} in {lake.home}: "
            "choose that provider, or set GNOSIS_HOME to another folder"
        )


def made_sessions(lake: Lake) -> set[dt.date]:
    """Return the sessions that every table cut by session holds and the published catalog shows.

    What a red run stored is in the lake but was not published, so its sessions are still to be made.
    """
    from resources.lake import catalog

    shown = catalog.published_versions(lake)
    made: set[dt.date] | None = None
    for name in SESSION_TABLES:
        published = {day for version in shown.get(name, ()) for day in lake.manifest(name, version).sessions}
        stored = published & set(lake.sessions(name))
        made = stored if made is None else made & stored
    return made or set()


def pending_sessions(lake: Lake, asked: Sequence[dt.date]) -> list[dt.date]:
    """Return the sessions of ``asked`` that were not made yet."""
    made = made_sessions(lake)
    return [session for session in asked if session not in made]


def publish_again(lake: Lake) -> None:
    """Rebuild the catalog of a home that was moved or lost it, unless the lake holds what was not published."""
    from resources.lake import catalog

    present = {name: {version} for name in TABLES if (version := lake.manifest(name).version)}
    if catalog.published_versions(lake) == present:
        lake.publish_catalog()


def pending_history(lake: Lake, market_data: MarketData, first: dt.date) -> list[dt.date]:
    """Return the sessions before ``first`` that the lookbacks need, the provider has and the lake has not."""
    calendar = exchange.schedule()["session"]
    at = int(calendar.search_sorted(first))
    wanted = calendar[max(at - HISTORY_SESSIONS, 0) : at].to_list()
    coverage = market_data.provider.coverage
    begins = max((coverage[name][0] for name in HISTORY_TABLES if name in coverage), default=first)
    stored = set.intersection(*(set(lake.sessions(name)) for name in HISTORY_TABLES))
    if new_symbols(lake, market_data):
        # What has landed of the other symbols is not asked for again, only made into tables together with the new ones.
        stored = set()
    return [session for session in wanted if session >= begins and session not in stored]


def new_symbols(lake: Lake, market_data: MarketData) -> list[str]:
    """Return the configured symbols of a live home that has bars, but none of them, and never looked for any."""
    live, sessions = market_data.live, lake.sessions("raw.equity_bars")
    if live is None or not sessions:
        return []
    present = lake.scan("raw.equity_bars").select(pl.col("symbol").unique()).collect()["symbol"].to_list()
    events = live.quality_events(sessions).filter(pl.col("table_name") == "raw.equity_bars")
    return sorted(set(live.configuration.symbols_of("raw.equity_bars")) - set(present) - set(events["symbol"]))


def ranges(pending: Sequence[dt.date], max_sessions: int) -> list[tuple[dt.date, dt.date]]:
    """Return one range that covers ``pending``, or yearly ranges when it is longer than ``max_sessions``.

    Examples
    --------
    >>> days = exchange.sessions_between(dt.date(2011, 12, 29), dt.date(2012, 1, 4))
    >>> [(first.isoformat(), last.isoformat()) for first, last in ranges(days, max_sessions=3)]
    [('2011-12-29', '2011-12-30'), ('2012-01-03', '2012-01-04')]
    """
    if not pending:
        return []
    days = exchange.sessions_between(pending[0], pending[-1])
    if len(days) <= max_sessions:
        return [(days[0], days[-1])]
    years = sorted({day.year for day in pending})
    by_year = [[day for day in pending if day.year == year] for year in years]
    return [(part[0], part[-1]) for part in by_year]


def execute(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    job: str,
    first: dt.date,
    last: dt.date,
    tags: dict[str, str] | None = None,
) -> RunReport:
    """Run a job for the sessions from ``first`` to ``last`` in this process and record it in ``instance``."""
    span = {RANGE_START: first.isoformat(), RANGE_END: last.isoformat()} if first != last else {}
    return _execute(definitions, instance, job, None if span else first.isoformat(), {**span, **(tags or {})})


def execute_whole(
    definitions: dg.Definitions, instance: dg.DagsterInstance, job: str, tags: dict[str, str]
) -> RunReport:
    """Run a job of tables that are not cut by session in this process and record it in ``instance``."""
    return _execute(definitions, instance, job, None, tags)


def _execute(
    definitions: dg.Definitions, instance: dg.DagsterInstance, job: str, partition: str | None, tags: dict[str, str]
) -> RunReport:
    result = definitions.resolve_job_def(job).execute_in_process(
        instance=instance,
        partition_key=partition,
        tags=tags,
        run_config={"loggers": {"console": {}}},
        raise_on_error=False,
    )
    seconds = _step_seconds(instance, result.run_id)
    failures = [
        (event.step_key or "", message)
        for event in result.all_events
        if event.event_type == dg.DagsterEventType.STEP_FAILURE
        for message in _failed_checks(result.all_events, event.step_key) or [_first_line(event)]
    ]
    return RunReport(job, result.run_id, result.success, seconds, failures)


def _step_seconds(instance: dg.DagsterInstance, run_id: str) -> dict[str, float]:
    """Return the seconds of each step from its first and last event; the events of every partition are not loaded."""
    limits = {dg.DagsterEventType.STEP_START, dg.DagsterEventType.STEP_SUCCESS, dg.DagsterEventType.STEP_FAILURE}
    times: dict[str, list[float]] = {}
    for record in instance.get_records_for_run(run_id, of_type=limits).records:
        times.setdefault(record.event_log_entry.step_key or "", []).append(record.timestamp)
    return {step: max(found) - min(found) for step, found in times.items()}


def _failed_checks(events: Sequence[dg.DagsterEvent], step: str | None) -> list[str]:
    """Return what the blocking checks of a step found wrong. The step fails only once all of them have been made."""
    found = []
    for event in events:
        if event.event_type != dg.DagsterEventType.ASSET_CHECK_EVALUATION or event.step_key != step:
            continue
        check = event.asset_check_evaluation_data
        if not check.passed and check.severity == dg.AssetCheckSeverity.ERROR:
            found.append(f"{'.'.join(check.asset_key.path)} failed the check {check.check_name}: {check.description}")
    return found


def _first_line(event: dg.DagsterEvent) -> str:
    data = event.step_failure_data
    if data.user_failure_data is not None and data.user_failure_data.description:
        return str(data.user_failure_data.description)
    error = data.error.cause or data.error if data.error else None
    return error.message.strip().splitlines()[0] if error else "failed"


__all__ = [
    "HISTORY",
    "NIGHTLY",
    "RunReport",
    "asked_sessions",
    "execute",
    "execute_whole",
    "made_sessions",
    "pending_history",
    "pending_sessions",
    "publish_again",
    "ranges",
    "require_versioned",
]
