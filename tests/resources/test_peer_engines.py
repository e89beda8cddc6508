"""The peers' processes: vector V1 and random tapes on the real engines, and peers that crash, hang or write rubbish."""

import json
import shlex
import stat
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl
import pytest

from gnosis.backtest import Configuration
from gnosis.backtest.reconciliation import PeerResult, reconcile, unexplained
from gnosis.tables.backtests import PEERS
from resources.peer_engines import FOLDER, PeerEngines, PeerEnginesResource, interpreter
from tests.gnosis.backtest.conftest import walk
from tests.gnosis.backtest.ledger_toy import COSTS, EQUITY, toy_bars, toy_equity, toy_fills
from tests.gnosis.backtest.recorded import run

pytestmark = pytest.mark.xdist_group("peers")

ABSENT = [name for name in PEERS if not interpreter(FOLDER / name).is_file()]
needs_peers = pytest.mark.skipif(bool(ABSENT), reason=f"{', '.join(ABSENT)} not installed: run `make peers`")


def replayed(
    fills: pl.DataFrame,
    equity: pl.DataFrame,
    bars: pl.DataFrame,
    costs: Mapping[str, object],
    folder: Path = FOLDER,
    timeout_seconds: float = 120.0,
) -> list[PeerResult]:
    """Return what the peers make of a run, from inside an asset."""
    results: list[PeerResult] = []

    @dg.asset
    def peers(context: dg.AssetExecutionContext, peer_engines: PeerEnginesResource) -> dg.MaterializeResult:
        results.extend(peer_engines.engines(context).replay(fills, equity, bars, costs))
        return dg.MaterializeResult()

    resource = PeerEnginesResource(folder=str(folder), timeout_seconds=timeout_seconds)
    assert dg.materialize([peers], resources={"peer_engines": resource}).success
    return results


@needs_peers
def test_the_ledger_toy_is_equal_on_all_peers() -> None:
    """Vector V1: difference 0 at every bar."""
    results = replayed(toy_fills(), toy_equity(), toy_bars(), COSTS)
    assert [(result.engine, result.version) for result in results] == [
        ("vectorbt", "1.0.0"),
        ("backtrader", "1.9.78.123"),
        ("zipline", "3.2.1"),
    ]
    for result in results:
        assert result.reason is None and result.equity is not None and result.fills is not None
        assert result.equity["equity_usd"].round(8).to_list() == EQUITY
        fills = result.fills.sort("tape_number")
        assert fills["session"].to_list() == toy_fills()["session"].to_list()
        for ours, theirs in (("quantity_shares",) * 2, ("fill_price",) * 2, ("fee_usd",) * 2):
            assert fills[theirs].round(8).to_list() == toy_fills()[ours].to_list()
    rows = reconcile("k", toy_fills(), toy_equity(), toy_bars(), COSTS, results)
    assert set(rows["status"]) == {"agreed"} and rows.height == 3 * len(EQUITY)
    assert rows["difference_usd"].round(8).abs().max() == 0.0


def random_run() -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, dict[str, object]]:
    """Return bars, fills, equity and configuration of an engine's run with every cost on, some fills in two halves."""
    bars = walk(["A", "B", "C"], 60, seed=3)
    configuration = Configuration(fee_bps=12.0, cost_multiple=2.0, initial_cash_usd=50_000_000.0)
    traded = bars.filter(pl.col("session") >= bars["session"].unique().sort()[25])
    weights = np.random.default_rng(3).uniform(-0.9, 0.9, traded.height).round(2)
    result = run(bars, traded.select("session", "symbol", target_weight=pl.Series(weights)), configuration)
    is_even = (pl.col("quantity_shares") % 2 == 0) & (pl.col("fill_number") % 3 == 0)
    half = [pl.col("quantity_shares") / 2, pl.col("fee_usd") / 2]
    halves = result.fills.filter(is_even).with_columns(half)
    fills = pl.concat([result.fills.filter(~is_even), halves, halves]).sort("fill_number")
    fills = fills.with_columns(fill_number=pl.int_range(pl.len()))
    return bars, fills, result.equity, json.loads(configuration.canonical_json())


@needs_peers
def test_random_tapes_agree_to_the_cent_beyond_the_cash_there_is() -> None:
    bars, fills, books, costs = random_run()
    assert fills.select(pl.struct("session", "symbol").is_duplicated().any()).item()
    assert books["cash_usd"].min() < 0 < books["interest_usd"].max() and books["borrow_usd"].max() > 0
    results = replayed(fills, books, bars, costs)
    assert [result.reason for result in results] == [None] * 3
    rows = reconcile("k", fills, books, bars, costs, results)
    cause, status = pl.col("cause").cast(pl.String), pl.col("status").cast(pl.String)
    assert set(rows["cause"]) == {"unexplained", "borrow_and_interest"}
    assert rows.filter(cause == "unexplained")["difference_usd"].abs().max() < 0.005
    assert set(rows["status"]) == {"agreed", "unsupported"}, rows.filter(status == "unexplained")
    fee = pl.col("quantity_shares").abs() * pl.col("reference_price") * 0.0024
    wrong = fills.with_columns(fee_usd=fee, saved=pl.col("fee_usd") - fee)
    saved = books.select("session").join(wrong.group_by("session").agg(pl.col("saved").sum()), on="session", how="left")
    ours = books.with_columns(pl.col("equity_usd") + saved.sort("session")["saved"].fill_null(0.0).cum_sum())
    found = reconcile("k", wrong.drop("saved"), ours, bars, costs, results)
    assert unexplained(found).height > 60, "a fee of ours that no peer charges must not be explained away"


WORKING = """
import polars as pl
from pathlib import Path
from dagster_pipes import open_dagster_pipes
with open_dagster_pipes() as pipes:
    folder = Path(pipes.get_extra("folder"))
    pipes.report_custom_message({"version": "0"})
"""


@pytest.fixture
def fake_peers(tmp_path: Path) -> Callable[..., Path]:
    """Return the maker of a folder of peers that run these programs with this environment's Python."""

    def make(**programs: str) -> Path:
        for name, program in programs.items():
            python = interpreter(tmp_path / name)
            python.parent.mkdir(parents=True)
            python.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
            python.chmod(python.stat().st_mode | stat.S_IXUSR)
            (tmp_path / name / "replay.py").write_text(program)
        return tmp_path

    return make


def test_absent_peers_are_not_run_and_say_how_to_install_them(tmp_path: Path) -> None:
    results = replayed(toy_fills(), toy_equity(), toy_bars(), COSTS, tmp_path)
    assert [result.engine for result in results] == PEERS
    assert all(not result.is_installed and "run `make peers`" in str(result.reason) for result in results)


def test_an_engine_is_absent_until_its_environment_is_there(tmp_path: Path) -> None:
    engines = PeerEngines(dg.build_asset_context(), tmp_path)
    assert engines.absent == ["vectorbt", "backtrader", "zipline"]
    python = interpreter(tmp_path / "backtrader")
    python.parent.mkdir(parents=True)
    python.touch()
    assert engines.absent == ["vectorbt", "zipline"]


def test_peers_that_crash_hang_or_write_rubbish_are_named(fake_peers: Callable[..., Path]) -> None:
    rubbish = '    (folder / "fills.parquet").write_text("rubbish")\n'
    folder = fake_peers(
        vectorbt='raise SystemExit("no such price")',
        backtrader="import sys, time; print('waiting', file=sys.stderr, flush=True); time.sleep(60)",
        zipline=WORKING + rubbish,
    )
    crashed, hanging, wrote = replayed(toy_fills(), toy_equity(), toy_bars(), COSTS, folder, timeout_seconds=4.0)
    assert "vectorbt: ended with code 1" in str(crashed.reason) and "no such price" in str(crashed.reason)
    assert "expected an end within 4 s" in str(hanging.reason) and "waiting" in str(hanging.reason)
    assert "zipline: expected fills.parquet" in str(wrote.reason)
    rows = reconcile("k", toy_fills(), toy_equity(), toy_bars(), COSTS, [crashed, hanging, wrote])
    assert unexplained(rows).height == 3 * len(EQUITY) and rows["reason"].null_count() == 0


def test_values_that_are_not_numbers_and_sessions_left_out_are_no_agreement(fake_peers: Callable[..., Path]) -> None:
    tape = (
        '    tape = pl.read_parquet(folder / "tape.parquet")\n'
        "    fills = tape.select('tape_number', 'session', 'quantity_shares', fill_price={price}, fee_usd=1.0)\n"
        '    fills.write_parquet(folder / "fills.parquet")\n'
        '    bars = pl.read_parquet(folder / "bars.parquet").select("session", equity_usd=1.0)\n'
        '    bars.head(3).write_parquet(folder / "equity.parquet")\n'
    )
    folder = fake_peers(
        vectorbt=WORKING + tape.format(price="pl.lit(float('nan'))"), zipline=WORKING + tape.format(price=1.0)
    )
    first, absent, short = replayed(toy_fills(), toy_equity(), toy_bars(), COSTS, folder, timeout_seconds=60.0)
    assert "expected finite values in fills.parquet" in str(first.reason) and not absent.is_installed
    assert "expected the equity of 8 sessions" in str(short.reason)


def test_credentials_stay_here(fake_peers: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XAI_API_KEY", "secret")
    program = "import os; raise SystemExit('key ' + os.environ.get('XAI_API_KEY', 'withheld'))"
    first, *_ = replayed(toy_fills(), toy_equity(), toy_bars(), COSTS, fake_peers(vectorbt=program))
    assert "key withheld" in str(first.reason)


def test_a_run_without_fills_has_nothing_to_replay() -> None:
    results = replayed(toy_fills().clear(), toy_equity(), toy_bars(), COSTS)
    assert {str(result.reason) for result in results} == {"nothing to replay: the run has no fills"}
    rows = reconcile("k", toy_fills().clear(), toy_equity(), toy_bars(), COSTS, results)
    assert set(rows["status"]) == {"not_run"}


def test_the_resource_hands_over_its_settings(tmp_path: Path) -> None:
    context = dg.build_asset_context()
    engines = PeerEnginesResource(folder=str(tmp_path), timeout_seconds=7.0).engines(context)
    assert engines == PeerEngines(context, tmp_path, 7.0)
