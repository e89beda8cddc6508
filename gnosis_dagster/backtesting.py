"""Backtesting by hand: the same Dagster job that the schedule and the UI start."""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from gnosis_dagster.settings import Settings


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``backtest`` to the command line."""
    backtest = commands.add_parser("backtest", help="every strategy, shipped and own, with statistics and tear sheet")
    backtest.add_argument(
        "--walk-forward", action="store_true", help="also choose the parameters anew, window by window"
    )


def backtest(options: argparse.Namespace, settings: Settings, console: Console) -> int:
    """Run the backtesting job and print what each strategy came to."""
    from assets.backtests import WALK_FORWARD_TAG
    from gnosis_dagster import nights, summary
    from gnosis_dagster.definitions import build_definitions
    from gnosis_dagster.home import open_home
    from jobs.nightly import BACKTESTING
    from resources.lake import Lake

    started = time.perf_counter()
    lake = Lake(settings.home)
    if not lake.sessions("raw.equity_bars"):
        print(f"gnosis: expected sessions in {settings.home}, found none: run `gnosis run` first", file=sys.stderr)
        return 2
    tags = {WALK_FORWARD_TAG: str(options.walk_forward).lower()}
    report = nights.execute_whole(build_definitions(settings), open_home(settings), BACKTESTING, tags)
    for step, message in report.failures:
        print(f"gnosis: {step}: {message}", file=sys.stderr)
    if not report.succeeded:
        return 1
    console.print(f"{report.job}: run {report.run_id} done in {time.perf_counter() - started:.0f} s")
    summary.show_backtests(console, lake)
    console.print(f"Tear sheets: {settings.home / 'tear_sheets'}")
    return 0
