"""The command ``gnosis``: run, look, check."""

from __future__ import annotations

import argparse
import datetime as dt
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import ValidationError
from rich.console import Console

from gnosis_dagster import backtesting, ideas, training
from gnosis_dagster.settings import Settings, SettingsFileError

if TYPE_CHECKING:
    from gnosis_dagster.nights import RunReport
    from resources.lake import Lake
    from resources.market_data import MarketData
    from resources.providers.live.provider import LiveProvider


def _session(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"expected a session as YYYY-MM-DD, found {text!r}") from error


def _number(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a number of sessions, 1 or more, found {text!r}")
    return int(text)


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"expected a port from 1 to 65535, found {text!r}")
    return int(text)


def _correction(text: str) -> str:
    _, at, learnt_at = text.partition("@")
    try:
        if not at or dt.datetime.fromisoformat(learnt_at).tzinfo is not None:
            return text
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(
        f"expected TABLE or TABLE@INSTANT, for example raw.equity_bars@2026-11-23T21:02:03.000004+00:00, found {text!r}"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="gnosis", description="Dealer positioning and market structure.")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="make every session that is still missing, then print a summary")
    run.add_argument("--from", dest="first", type=_session, metavar="SESSION", help="first session")
    run.add_argument("--to", dest="last", type=_session, metavar="SESSION", help="last session")
    run.add_argument("--next", type=_number, metavar="N", help="the N sessions after the last stored one")
    run.add_argument("--again", action="store_true", help="make the sessions anew even when they are stored")
    run.add_argument(
        "--republish",
        action="store_true",
        help="like --again, and also replace predictions; published ideas are never replaced",
    )
    run.add_argument(
        "--correct-history",
        action="append",
        default=[],
        type=_correction,
        metavar="TABLE[@INSTANT]",
        help="like --again, and what comes with other values in this raw table counts as known all along instead of "
        "from now on; with an instant also what was restated then",
    )
    fetch = commands.add_parser(
        "fetch", help="receive raw data of live services ahead of a run; goes on where it stopped"
    )
    fetch.add_argument("--from", dest="first", type=_session, metavar="SESSION", help="first session")
    fetch.add_argument("--to", dest="last", type=_session, metavar="SESSION", help="last session")
    fetch.add_argument("--table", action="append", metavar="TABLE", help="one table, for example raw.equity_bars")
    fetch.add_argument("--again", action="store_true", help="ask anew for what was received before")
    training.add_commands(commands)
    backtesting.add_command(commands)
    ideas.add_command(commands)
    doctor = commands.add_parser("doctor", help="ask each live service once: status, delay, what to do")
    doctor.add_argument("services", nargs="*", help="services to ask (default: all that are configured)")
    sql = commands.add_parser("sql", help="run one SQL query on the published catalog")
    sql.add_argument("query")
    sql.add_argument("--rows", type=int, default=50, help="rows to print (default 50)")
    tables = commands.add_parser("tables", help="the data dictionary with units")
    tables.add_argument("table", nargs="?", help="one table, for example greeks.exposure")
    commands.add_parser("summary", help="print the summary of the home")
    commands.add_parser("verify", help="compare every stored file with its hash")
    commands.add_parser("publish", help="build the SQL catalog anew from what is stored")
    commands.add_parser("sweep", help="retire superseded files and what killed runs left")
    up = commands.add_parser("up", help="Dagster with its daemon, and MLflow, on loopback")
    up.add_argument("--port", type=_port, default=3000, help="port of the Dagster UI")
    up.add_argument("--mlflow-port", type=_port, default=5000, help="port of the MLflow UI")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status: 0 done, 1 a run failed, 2 the request cannot be served."""
    options = _parser().parse_args(arguments)
    console = Console(soft_wrap=False, width=None if sys.stdout.isatty() else 160)
    try:
        settings = Settings()
    except SettingsFileError as error:
        print(f"gnosis: {error}", file=sys.stderr)
        return 2
    except ValidationError as error:
        for problem in error.errors():
            name = "GNOSIS_" + "__".join(str(part) for part in problem["loc"]).upper() if problem["loc"] else "settings"
            print(f"gnosis: {name}: {problem['msg']}", file=sys.stderr)
        return 2
    import polars as pl

    from gnosis.sessions import UnknownSessionError
    from resources.lake.errors import LakeError
    from resources.providers.errors import ProviderError

    try:
        try:
            return _COMMANDS[options.command](options, settings, console)
        except pl.exceptions.PolarsError:
            # A file that cannot be read has no name in the message of Polars; the comparison of hashes names it.
            _lake(settings).verify()
            raise
    except (LakeError, ProviderError, UnknownSessionError) as error:
        print(f"gnosis: {error}", file=sys.stderr)
    except _disk_errors() as error:
        found = str(error).splitlines()[0]
        print(
            f"gnosis: {found}; expected a home folder that can be written at {settings.home}: make room or set "
            "GNOSIS_HOME to another folder",
            file=sys.stderr,
        )
    return 2


def _disk_errors() -> tuple[type[Exception], ...]:
    """Return what a full or broken disk raises, here or in Dagster's databases; imported only when that happened."""
    from sqlalchemy.exc import OperationalError

    return (OSError, OperationalError)


def _lake(settings: Settings) -> Lake:
    from resources.lake import Lake

    return Lake(settings.home)


def _run(options: argparse.Namespace, settings: Settings, console: Console) -> int:
    started = time.perf_counter()
    from assets.night import AGAIN_TAG, CORRECT_TAG, REPUBLISH_TAG
    from gnosis_dagster import nights, summary
    from gnosis_dagster.definitions import definitions_reaching, market_data_resource
    from gnosis_dagster.home import open_home
    from jobs.nightly import HISTORY, NIGHTLY

    lake = _lake(settings)
    for demand in options.correct_history:
        nights.require_versioned(lake, demand.partition("@")[0])
    lake.claim_home()
    instance = open_home(settings)
    market_data = market_data_resource(settings).market_data()
    nights.require_same_provider(lake, market_data)
    first, last = options.first or settings.first_session, options.last or settings.last_session
    if market_data.live and first is None:
        first = nights.first_live_session(lake, market_data)
    if options.next:
        first, last = _following(lake, market_data.provider.last_session, options.next)
    asked = nights.asked_sessions(market_data, first, last)
    is_again = options.again or options.republish or bool(options.correct_history)
    pending = asked if is_again else nights.pending_sessions(lake, asked)
    if not pending:
        nights.publish_again(lake)
        console.print(
            f"Nothing to do: all {len(asked):,} sessions from {asked[0]} to {asked[-1]} are stored; "
            "no file was changed.\n"
        )
        summary.show(console, settings, lake, [], time.perf_counter() - started)
        return 0
    definitions = definitions_reaching(settings, pending[0])
    loaded = time.perf_counter() - started
    console.print(
        f"Provider {market_data.provider.name}, home {settings.home}: {len(pending):,} sessions to make, "
        f"{pending[0]} to {pending[-1]} (definitions loaded in {loaded:.1f} s)"
    )
    if new := nights.new_symbols(lake, market_data):
        console.print(f"New among the symbols, so that their history is received: {', '.join(new)}")
    work = [(HISTORY, *span) for span in nights.ranges(nights.pending_history(lake, market_data, pending[0]), 10**6)]
    work += [(NIGHTLY, *span) for span in nights.ranges(pending, settings.max_sessions_per_run)]
    tags = {AGAIN_TAG: "true"} if is_again else {}
    tags |= {REPUBLISH_TAG: "true"} if options.republish else {}
    tags |= {CORRECT_TAG: ",".join(options.correct_history)} if options.correct_history else {}
    reports: list[RunReport] = []
    for job, begin, end in work:
        console.print(f"{job}: {begin} to {end}")
        report = nights.execute(definitions, instance, job, begin, end, tags)
        reports.append(report)
        if not report.succeeded:
            for step, message in report.failures:
                print(f"gnosis: {step}: {message}", file=sys.stderr)
            print(
                f"gnosis: the run {report.run_id} failed; what was stored before is untouched and the SQL catalog "
                "still shows it. Mend the cause and run the same command again: it makes these sessions anew.",
                file=sys.stderr,
            )
            return 1
    console.print()
    summary.show(console, settings, lake, reports, time.perf_counter() - started)
    return 0


def _fetch(options: argparse.Namespace, settings: Settings, console: Console) -> int:
    from assets.raw import FETCHED
    from gnosis_dagster import nights
    from gnosis_dagster.fetching import fetch
    from resources.lake.errors import UnknownTableError

    for table in options.table or ():
        if table not in FETCHED:
            raise UnknownTableError(f"expected one of {', '.join(FETCHED)}, found {table!r}")
    if (found := _live_market(settings)) is None:
        return 2
    market_data, live = found
    lake = _lake(settings)
    lake.claim_home()
    nights.require_same_provider(lake, market_data)
    last = options.last or live.last_session
    sessions = nights.asked_sessions(market_data, options.first or settings.first_session or last, last)
    try:
        received = fetch(console, live, sessions, options.table, again=options.again)
    finally:
        live.close()
    total = sum(received.rows.values())
    console.print(
        f"{total:,} rows of {len(received.rows)} tables for {len(sessions):,} sessions, {sessions[0]} to "
        f"{sessions[-1]}, are in {settings.home / 'live'}; `gnosis run` takes them from there"
    )
    for table, why in received.unserved.items():
        print(f"gnosis: {table}: {why}", file=sys.stderr)
    return 1 if "raw.equity_bars" in received.unserved else 0


def _doctor(options: argparse.Namespace, settings: Settings, console: Console) -> int:
    from gnosis_dagster import doctor

    if (found := _live_market(settings)) is None:
        return 2
    _, live = found
    known = {service.profile.name: service for service in live.services}
    if unknown := [name for name in options.services if name not in known]:
        print(f"gnosis: expected services among {', '.join(known)}, found {', '.join(unknown)}", file=sys.stderr)
        return 2
    try:
        asked = [known[name] for name in options.services] or list(known.values())
        is_well = doctor.show(console, (doctor.diagnose(service, live.ledger) for service in asked))
    finally:
        live.close()
    return 0 if is_well else 1


def _live_market(settings: Settings) -> tuple[MarketData, LiveProvider] | None:
    """Return the live provider with its clock, or None after saying that the settings name another one."""
    from gnosis_dagster.definitions import market_data_resource

    market_data = market_data_resource(settings).market_data()
    if market_data.live is not None:
        return market_data, market_data.live
    print(
        f"gnosis: expected a live provider, found {settings.provider}; set GNOSIS_PROVIDER=yahoo, or "
        'provider = "yahoo" in gnosis.toml',
        file=sys.stderr,
    )
    return None


def _following(lake: Lake, end: dt.date, count: int) -> tuple[dt.date, dt.date]:
    from gnosis import sessions as exchange
    from gnosis_dagster import nights

    stored = sorted(nights.made_sessions(lake))
    if not stored:
        empty = [name for name in nights.SESSION_TABLES if not lake.sessions(name)]
        if len(empty) < len(nights.SESSION_TABLES):
            raise exchange.UnknownSessionError(
                f"expected sessions with every table before --next, found none with {', '.join(empty) or 'all'}: "
                "the home is older than these tables; run `gnosis run` to make them for the stored sessions"
            )
        raise exchange.UnknownSessionError("expected stored sessions before --next, found none: run `gnosis run` first")
    if stored[-1] >= end:
        raise exchange.UnknownSessionError(f"expected a session after {stored[-1]}, but the provider ends at {end}")
    first = exchange.shift_session(stored[-1], 1)
    return first, min(exchange.shift_session(first, count - 1), end)


def _sql(options: argparse.Namespace, settings: Settings, console: Console) -> int:  # noqa: ARG001
    import duckdb
    import polars as pl

    with _lake(settings).connect() as connection:
        try:
            rows = connection.sql(options.query)
            frame = rows.pl() if rows is not None else None
        except duckdb.Error as error:
            print(f"gnosis: {error}", file=sys.stderr)
            return 2
    if frame is None:
        print(f"gnosis: expected a query that returns rows, found {options.query!r}", file=sys.stderr)
        return 2
    with pl.Config(
        tbl_rows=options.rows, tbl_cols=-1, tbl_width_chars=200, fmt_str_lengths=80, tbl_hide_dataframe_shape=True
    ):
        print(frame.head(options.rows))
    if frame.height > options.rows:
        print(f"{options.rows} of {frame.height:,} rows; --rows for more")
    return 0


def _tables(options: argparse.Namespace, settings: Settings, console: Console) -> int:  # noqa: ARG001
    from rich import box
    from rich.table import Table as Grid

    from gnosis.tables import TABLES
    from resources.lake.errors import UnknownTableError

    if options.table and options.table not in TABLES:
        raise UnknownTableError(f"expected one of {', '.join(sorted(TABLES))}, found {options.table!r}")
    for name in [options.table] if options.table else [name for name in TABLES if not TABLES[name].is_companion]:
        table = TABLES[name]
        title = f"{name}  {table.title}  key: {', '.join(table.key)}; one file per {table.period}"
        grid = Grid("column", "type", "unit", "meaning", title=title, title_justify="left", box=box.SIMPLE_HEAD)
        for column, dtype in table.polars_schema.items():
            kind = str(dtype) if len(str(dtype)) < 40 else str(dtype.base_type())
            grid.add_row(column, kind, table.unit(column), table.description(column))
        console.print(grid)
    return 0


def _summary(options: argparse.Namespace, settings: Settings, console: Console) -> int:  # noqa: ARG001
    from gnosis_dagster import summary

    summary.show(console, settings, _lake(settings), [], 0.0)
    return 0


def _verify(options: argparse.Namespace, settings: Settings, console: Console) -> int:  # noqa: ARG001
    count = _lake(settings).verify()
    console.print(f"{count:,} files have the hash that their manifest states")
    return 0


def _publish(options: argparse.Namespace, settings: Settings, console: Console) -> int:  # noqa: ARG001
    publication = _lake(settings).publish_catalog()
    state = "built" if publication.changed else "up to date"
    console.print(f"{publication.path}: {state}, {publication.views} views over {publication.files:,} files")
    return 0


def _sweep(options: argparse.Namespace, settings: Settings, console: Console) -> int:  # noqa: ARG001
    console.print(_lake(settings).sweep())
    return 0


def _up(options: argparse.Namespace, settings: Settings, console: Console) -> int:
    from gnosis_dagster.servers import serve

    return serve(settings, console, dagster_port=options.port, mlflow_port=options.mlflow_port)


_COMMANDS = {
    "run": _run,
    "fetch": _fetch,
    "train": training.train,
    "reject": training.reject,
    "rollback": training.rollback,
    "backtest": backtesting.backtest,
    "ideas": ideas.ideas,
    "doctor": _doctor,
    "sql": _sql,
    "tables": _tables,
    "summary": _summary,
    "verify": _verify,
    "publish": _publish,
    "sweep": _sweep,
    "up": _up,
}

if __name__ == "__main__":
    sys.exit(main())
