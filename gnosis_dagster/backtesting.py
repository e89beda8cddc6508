"""Backtesting by hand: the same Dagster job that the schedule and the UI start."""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING

import polars as pl
from rich.table import Table as Grid

if TYPE_CHECKING:
    from rich.console import Console

    from gnosis_dagster.settings import Settings
    from resources.lake import Lake

SHOWN = ("total_return", "sharpe", "maximum_drawdown", "turnover")


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``backtest`` to the command line."""
    backtest = commands.add_parser("backtest", help="every strategy, shipped and own, with statistics and tear sheet")
    backtest.add_argument(
        "--walk-forward", action="store_true", help="also choose the parameters anew, window by window"
    )


def backtest(options: argparse.Namespace, settings: Settings, console: Console) -> int:
    """Run the backtesting job and print what each strategy came to."""
    from assets.backtests import WALK_FORWARD_TAG
    from gnosis_dagster import nights
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
    show(console, lake)
    console.print(f"Tear sheets: {settings.home / 'tear_sheets'}")
    return 0


def show(console: Console, lake: Lake) -> None:
    """Print the figures of each stored run beside the probability that they are more than luck."""
    runs = lake.read("backtests.runs").sort("strategy")
    if runs.is_empty():
        console.print("No strategy has been backtested yet.")
        return
    whole = pl.col("scope").cast(pl.String) == "all"
    metrics = lake.read("backtests.metrics").filter(whole, pl.col("series").cast(pl.String) == "strategy")
    values = {(key, name): value for key, name, value in metrics.select("run_key", "metric", "value").iter_rows()}
    found = lake.read("backtests.overfitting").select("run_key", "statistic", "value").iter_rows()
    statistics = {(key, name): value for key, name, value in found}
    grid = Grid("strategy", *SHOWN, "trials", "dsr", "publishable", "", box=None)
    for run in runs.iter_rows(named=True):
        key = run["run_key"]
        figures = [_plain(values.get((key, name))) for name in SHOWN]
        deflated = _plain(statistics.get((key, "dsr_effective_trials")))
        told = "yes" if run["is_publishable"] else "no"
        grid.add_row(run["strategy"], *figures, str(run["n_trials"]), deflated, told, run["blocked_by"] or "")
    console.print(grid)


def _plain(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
