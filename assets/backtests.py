"""The backtests room: what each strategy would have earned after costs, and what is left after counting the trials."""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import TYPE_CHECKING

import polars as pl

from assets.checks import Finding, Stored, TableCheck
from assets.night import Night
from assets.plots import backtests as plots
from assets.table_asset import TableAsset, table_asset
from gnosis.backtest import Configuration, tradable_symbols
from gnosis.backtest.market_states import READS as STATE_READS
from gnosis.backtest.market_states import market_states
from gnosis.backtest.overfitting_report import UNITS
from gnosis.backtest.publication import unreconciled
from gnosis.backtest.strategy import Strategy
from gnosis.backtest.trials import ChainError, verify_chain
from gnosis.backtest.windows import Windows, WindowsError
from gnosis.features import BY_NAME
from gnosis.tables import TABLES
from gnosis.tables.backtests import PEERS
from gnosis.trading.strategies import SHIPPED
from resources.code_identity import code_sha256
from resources.strategy_files import StrategyFolder

if TYPE_CHECKING:
    from gnosis.backtest.study import Market
    from resources.lake import Lake

HALF_A_CENT = 0.005
WALK_FORWARD_TAG = "gnosis/walk-forward"
MADE = (
    "backtests.runs",
    "backtests.orders",
    "backtests.fills",
    "backtests.trades",
    "backtests.equity",
    "backtests.metrics",
    "backtests.overfitting",
    "backtests.walk_forward",
)
BARS = "raw.equity_bars"
IDEAS = "trades.ideas"
DECISION_LAG_MINUTES = 60.0
"""Strategies decide an hour after the close, when everything of the session is known, for the next open."""
CONFIGURATION = Configuration(decision_lag_minutes=DECISION_LAG_MINUTES)
WINDOWS = Windows(train_sessions=504, test_sessions=126)
NIGHTLY_TABLE = "features.regime"
"""Its sessions are those that nights have made; bars reach further back."""
CODES_OF_VIX = {code: name for name, code in BY_NAME["regime_vix_bucket"].codes.items()}


def _cash_plus_positions(stored: Stored) -> Finding:
    parts = pl.col("cash_usd") + pl.col("positions_usd") + pl.col("receivable_usd") - pl.col("payable_usd")
    worst, bars = stored.rows.select((parts - pl.col("equity_usd")).abs().max(), pl.len()).collect().row(0)
    worst = worst or 0.0
    return Finding(worst < HALF_A_CENT, f"{bars} bars, worst difference {worst:.6f} $", {"worst_difference_usd": worst})


def _every_statistic(stored: Stored) -> Finding:
    """No backtest without its statistics (B-12.10): a value, or the reason and what would be needed."""
    runs = stored.lake.read("backtests.runs")["run_key"]
    rows = stored.rows.collect()
    lacking = [
        f"{name} of {key[:12]}"
        for key in runs
        for name in UNITS
        if rows.filter(pl.col("run_key") == key, pl.col("statistic") == name).height != 1
    ]
    mute = rows.filter(pl.col("value").is_null(), pl.col("reason").is_null())
    lacking += [f"the reason of {row['statistic']} of {row['run_key'][:12]}" for row in mute.iter_rows(named=True)]
    told = f"{len(runs)} runs with {len(UNITS)} statistics each" if not lacking else f"missing {', '.join(lacking[:5])}"
    return Finding(not lacking, told, {"runs": len(runs)})


def _trades_are_the_ledger(stored: Stored) -> Finding:
    """Profit of the trades less borrow and interest is the change of equity."""
    trades = stored.rows.group_by("run_key").agg(pl.col("profit_usd").sum()).collect()
    books = (
        stored.lake.scan("backtests.equity")
        .sort("session")
        .group_by("run_key")
        .agg(
            gained=pl.col("equity_usd").last() - pl.col("equity_usd").first(),
            charged=(pl.col("borrow_usd") + pl.col("interest_usd")).sum(),
        )
    )
    both = books.collect().join(trades, on="run_key", how="left").with_columns(pl.col("profit_usd").fill_null(0.0))
    worst = both.select((pl.col("gained") - pl.col("profit_usd") + pl.col("charged")).abs().max()).item() or 0.0
    return Finding(worst < HALF_A_CENT, f"{both.height} runs, worst difference {worst:.6f} $", {"worst_usd": worst})


def backtest_of(own: StrategyFolder) -> TableAsset:
    """Return the asset that runs the shipped strategies and the user's ``own``."""
    everyone = [(strategy, "") for strategy in SHIPPED]
    everyone += [(file.strategy, file.code_sha256) for file in own.strategies]
    reads = sorted({BARS, *STATE_READS, *(table for strategy, _ in everyone for table in strategy.reads)})

    def every_strategy_ran(stored: Stored) -> Finding:
        ran = set(stored.rows.select("strategy").collect()["strategy"])
        begun = {strategy.name for strategy, _ in everyone if _first_session(strategy, stored.lake) is not None}
        wrong = [*own.problems, *(f"{name}: no run, see the log" for name in sorted(begun - ran))]
        return Finding(not wrong, "; ".join(wrong) or f"{len(ran)} strategies", {"strategies": len(ran)})

    @table_asset(
        *MADE,
        reads=reads,
        plots={"backtests.fills": plots.fills, "backtests.equity": plots.equity},
        own_checks={
            "backtests.runs": [
                TableCheck(
                    "every_strategy_ran",
                    "Every strategy of the house and of the user's folder has a run.",
                    every_strategy_ran,
                    is_blocking=False,
                )
            ],
            "backtests.equity": [
                TableCheck("books_balance", "Cash, positions and dividends due are equity.", _cash_plus_positions)
            ],
            "backtests.trades": [
                TableCheck("trades_are_the_ledger", "What trades gained is what equity gained.", _trades_are_the_ledger)
            ],
            "backtests.overfitting": [
                TableCheck("every_statistic", "No run without its statistics or their reasons.", _every_statistic)
            ],
        },
    )
    def backtest(night: Night) -> dict[str, pl.DataFrame]:
        """Every strategy at its next opens with costs, beside its benchmarks and after counting what was tried."""
        parts = {name: [TABLES[name].empty()] for name in MADE}
        for strategy, file_sha256 in everyone:
            first = _first_session(strategy, night.lake, night.last)
            if first is None:
                night.say(f"backtests: {strategy.name} waits for rows of {', '.join((BARS, *strategy.reads))}")
                continue
            try:
                found = _studied(strategy, file_sha256, night, first)
            except Exception as error:
                # A strategy is code of its author: whatever it raises is its own, and the others go on.
                if not file_sha256:
                    raise
                night.warn(f"backtests: {strategy.name}: {type(error).__name__}: {error}")
                continue
            for rows in found:
                for name, frame in rows.items():
                    parts[name].append(frame)
        made = {name: pl.concat(frames) for name, frames in parts.items()}
        # Engines that are there replay these runs next, and a difference without a cause stops the catalog.
        absent = list(PEERS) if night.peers is None else night.peers.absent
        return made | {"backtests.runs": unreconciled(made["backtests.runs"], absent)}

    return backtest


backtest = backtest_of(StrategyFolder())


def _studied(strategy: Strategy, file_sha256: str, night: Night, first: dt.date) -> list[dict[str, pl.DataFrame]]:
    """Return the rows of a strategy, and those of its walk-forward: made anew each week, kept on other nights."""
    from gnosis.backtest.study import WALK_FORWARD, study, walk_forward_study

    market, ledger, code = tried_market(strategy, night, first), night.ledger, code_of(file_sha256)
    is_weekly = night.tags.get(WALK_FORWARD_TAG) == "true"
    own = study(strategy, market, CONFIGURATION, first, ledger=ledger, code_sha256=code)
    if not strategy.grid:
        return [own]
    if not is_weekly:
        return [own, _kept(f"{strategy.name}{WALK_FORWARD}", night)]
    try:
        walked = walk_forward_study(
            strategy, market, CONFIGURATION, first, ledger=ledger, code_sha256=code, windows=WINDOWS, backend="joblib"
        )
    except WindowsError as error:
        night.say(f"backtests: {strategy.name}: no walk-forward yet: {error}")
        return [own]
    return [own, walked]


def _kept(name: str, night: Night) -> dict[str, pl.DataFrame]:
    """Return what is stored of the run ``name``."""
    keys = night.stored("backtests.runs").filter(pl.col("strategy") == name)["run_key"]
    return {table: night.stored(table).filter(pl.col("run_key").is_in(keys.implode())) for table in MADE}


def code_of(file_sha256: str) -> str:
    """Return the hash of the library, with that of the user's file when the strategy is from there."""
    return hashlib.sha256(f"{code_sha256()} {file_sha256}".encode()).hexdigest() if file_sha256 else code_sha256()


def tried_market(strategy: Strategy, night: Night, first: dt.date) -> Market:
    """Return what a strategy is tried on: the tradable symbols, the tables it reads, and the states of the market."""
    bars = night.read_all(BARS)
    bars = bars.filter(pl.col("symbol").is_in(tradable_symbols(bars, first)))
    sessions = bars.filter(pl.col("session") >= first)["session"].unique().sort()
    regime, liquidity, elasticity = (
        night.read_all(name, columns=[*columns, "synthetic"]) for name, columns in STATE_READS.items()
    )
    is_generated = any(bool(rows["synthetic"].any()) for rows in (regime, liquidity, elasticity))
    states = market_states(sessions, regime, liquidity, elasticity, CODES_OF_VIX)
    tables = {name: _rows_of(name, night.read_all(name)) for name in strategy.reads}
    amplification = night.read_all(
        "engines.elasticity", columns=["symbol", "known_at", "sign_convention", "amplification"]
    )
    naive = amplification.filter(pl.col("sign_convention").cast(pl.String) == "naive").drop("sign_convention")
    from gnosis.backtest.study import Market

    return Market(bars, tables, states, is_generated, amplification=naive)


def _rows_of(name: str, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows that a strategy may follow: an idea without a model behind it is none."""
    return rows.filter(pl.col("model_version").is_not_null()) if name == IDEAS else rows


def _first_session(strategy: Strategy, lake: Lake, last: dt.date | None = None) -> dt.date | None:
    """Return the first session on which a strategy can decide; None while it cannot.

    It needs rows of every table that it reads, a symbol with volume, and a session after the first to trade on.
    Sessions that were stored as history alone come before all of them.
    """
    nights = [session for session in lake.sessions(NIGHTLY_TABLE) if last is None or session <= last]
    known: list[dt.date | None] = [nights[0] if nights else None]
    for name in strategy.reads:
        rows = lake.scan(name, last=last)
        if name == IDEAS:
            rows = rows.filter(pl.col("model_version").is_not_null())
        known.append(rows.select(pl.col("session").min()).collect().item())
    begins = [session for session in known if session is not None]
    if len(begins) < len(known) or max(begins) >= nights[-1]:
        return None
    bars = lake.read(BARS, last=last, columns=["session", "symbol", "volume"])
    return max(begins) if tradable_symbols(bars, max(begins)) else None


def _unbroken(stored: Stored) -> Finding:
    rows = stored.rows.sort("sequence").collect()
    try:
        verify_chain(rows)
    except ChainError as error:
        return Finding(False, str(error))
    n_trials, n_families = rows["trial_id"].n_unique(), rows["family"].n_unique()
    return Finding(True, f"{rows.height} rows, {n_trials} trials of {n_families} families", {"trials": n_trials})


@table_asset(
    "backtests.trials",
    reads=("models.dataset", "models.trained", "models.studies", "backtests.runs"),
    own_checks=[TableCheck("unbroken_chain", "No row was changed, removed or moved since it was written.", _unbroken)],
)
def trials(night: Night) -> pl.DataFrame:
    """The ledger of everything ever fitted, tuned or backtested in this home; statistics are deflated by its count."""
    return night.ledger.rows()
