"""Training, rejecting and rolling back by hand: the same Dagster jobs that the schedule and the UI start."""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING

from rich.table import Table as Grid

if TYPE_CHECKING:
    import dagster as dg
    from rich.console import Console

    from gnosis_dagster.nights import RunReport
    from gnosis_dagster.settings import Settings
    from resources.lake import Lake


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``train``, ``reject`` and ``rollback`` to the command line."""
    train = commands.add_parser("train", help="tune and train every family for the folds that are due, then the gates")
    train.add_argument("--trials", type=_trials, default=0, metavar="N", help="configurations per study (default none)")
    train.add_argument("--nightly-families", action="store_true", help="only the families that a night fits")
    train.add_argument("--no-gates", action="store_true", help="train without judging the newest version")
    reject = commands.add_parser("reject", help="reject the newest model for good, whatever its gates say")
    reject.add_argument("--reason", required=True, help="why; kept in the document of the decision")
    rollback = commands.add_parser("rollback", help="make the previous champion the champion again")
    rollback.add_argument("--reason", required=True, help="why; kept in the document of the decision")


def _trials(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a number of trials, 0 or more, found {text!r}")
    return int(text)


def train(options: argparse.Namespace, settings: Settings, console: Console) -> int:
    """Run the training job with what was asked for."""
    from assets.models import FAMILIES_TAG, TRIALS_TAG
    from assets.promoting import PROMOTE_TAG
    from jobs.nightly import TRAINING

    tags = {
        FAMILIES_TAG: "nightly" if options.nightly_families else "all",
        TRIALS_TAG: str(options.trials),
        PROMOTE_TAG: str(not options.no_gates).lower(),
    }
    return _run(settings, console, TRAINING, tags)


def reject(options: argparse.Namespace, settings: Settings, console: Console) -> int:
    """Run the rejection job."""
    from assets.promoting import REJECT_TAG
    from jobs.nightly import REJECTION

    return _run(settings, console, REJECTION, {REJECT_TAG: options.reason})


def rollback(options: argparse.Namespace, settings: Settings, console: Console) -> int:
    """Run the rollback job."""
    from assets.promoting import ROLLBACK_TAG
    from jobs.nightly import ROLLBACK

    return _run(settings, console, ROLLBACK, {ROLLBACK_TAG: options.reason})


def _run(settings: Settings, console: Console, job: str, tags: dict[str, str]) -> int:
    from gnosis_dagster import nights
    from gnosis_dagster.definitions import build_definitions
    from gnosis_dagster.home import open_home
    from resources.lake import Lake

    started = time.perf_counter()
    lake = Lake(settings.home)
    if not lake.sessions("features.matrix"):
        print(f"gnosis: expected sessions in {settings.home}, found none: run `gnosis run` first", file=sys.stderr)
        return 2
    definitions: dg.Definitions = build_definitions(settings)
    report = nights.execute_whole(definitions, open_home(settings), job, tags)
    for step, message in report.failures:
        print(f"gnosis: {step}: {message}", file=sys.stderr)
    if not report.succeeded:
        return 1
    _show(console, lake, report, time.perf_counter() - started)
    return 0


def _show(console: Console, lake: Lake, report: RunReport, seconds: float) -> None:
    """Print the newest decision of each head with its gates."""
    decisions, gates = lake.read("models.promotion"), lake.read("models.gates")
    console.print(f"{report.job}: run {report.run_id} done in {seconds:.0f} s")
    if decisions.is_empty():
        console.print("No version was judged yet.")
        return
    newest = decisions.sort("decision_number").row(-1, named=True)
    console.print(
        f"{newest['decision']} {newest['model_version']}: champion {newest['champion'] or 'none'}, "
        f"previous {newest['previous'] or 'none'}"
    )
    rows = gates.filter(gates["document_sha256"] == newest["document_sha256"])
    grid = Grid("gate", "statistic", "value", "limit", "cases", "", box=None)
    for gate in rows.iter_rows(named=True):
        value = "-" if gate["value"] is None else f"{gate['value']:.4g}"
        limit = f"{gate['comparator']} {gate['threshold']:.4g}"
        told = "passed" if gate["passed"] else f"FAILED: {gate['reason']}"
        grid.add_row(gate["gate"], gate["statistic"], value, limit, f"{gate['n']:,}", told)
    console.print(grid)
