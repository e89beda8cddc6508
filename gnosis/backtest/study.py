"""One strategy, whole: its run, its benchmarks, the same orders at other costs, its grid, and what is left of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import polars as pl

from gnosis.backtest.configuration import Configuration
from gnosis.backtest.engine import run_prepared
from gnosis.backtest.metrics import Account, metrics_frame, metrics_rows
from gnosis.backtest.overfitting_report import overfitting_report
from gnosis.backtest.parallel import Backend
from gnosis.backtest.playing import Played, play
from gnosis.backtest.prepared import prepare
from gnosis.backtest.publication import publication
from gnosis.backtest.random_entry import RandomEntry, random_entry
from gnosis.backtest.result import Result
from gnosis.backtest.strategy import Strategy
from gnosis.backtest.trials import Recorder, count_trials
from gnosis.backtest.volatility_targeting import volatility_targeted
from gnosis.backtest.windows import Windows

COST_MULTIPLES = (0.5, 1.0, 2.0, 3.0)
OTHER_COSTS = "same orders, other costs"
WALK_FORWARD = " walk-forward"
AMPLIFICATION_AWARE = "amplification_aware_impact"
STATE_SCOPES = ["vix_bucket", "liquidity_regime", "hedge_regime", "energy_quintile"]
GENERATED = "inputs were generated"
NEEDED = ("psr", "dsr_all_trials", "dsr_effective_trials")
"""Statistics without which nothing is published; the others may say that there is too little data."""


class Ledger(Recorder, Protocol):
    """A recorder that also shows what was tried before."""

    def rows(self) -> pl.DataFrame:
        """Return ``backtests.trials``."""
        ...

    def returns(self, sha256: str) -> pl.DataFrame:
        """Return the series that a trial ended with."""
        ...


@dataclass(frozen=True)
class Market:
    """What strategies are tried on.

    Attributes
    ----------
    bars
        Rows of ``raw.equity_bars`` of the universe, with the history before the first decision.
    tables
        What strategies read beside them, by name.
    states
        ``session``, ``scope`` and ``bucket``: what results are cut by, see :mod:`gnosis.backtest.market_states`.
    has_generated_states
        True when what results are cut by, or the amplification, rests on generated data.
    amplification, spreads
        See :func:`gnosis.backtest.run`; None where there is none.
    """

    bars: pl.DataFrame
    tables: Mapping[str, pl.DataFrame]
    states: pl.DataFrame
    has_generated_states: bool = False
    amplification: pl.DataFrame | None = None
    spreads: pl.DataFrame | None = None


def study(
    strategy: Strategy,
    market: Market,
    configuration: Configuration,
    first_session: dt.date,
    *,
    ledger: Ledger,
    code_sha256: str,
    seed: int = 0,
) -> dict[str, pl.DataFrame]:
    """Backtest a strategy with everything a reader needs to doubt it.

    Every set of the strategy's grid is run over the same sessions, so that the probability of overfitting rests on all
    that could have been chosen; each is a trial of the family. The same orders at other costs choose nothing and are
    counted apart.

    Parameters
    ----------
    strategy
        With its defaults, which are what is published.
    market
        Bars and tables.
    configuration
        Costs and limits.
    first_session
        Session of the first decision.
    ledger
        Counts and keeps what is tried.
    code_sha256
        Hash of the code that decides.
    seed
        Of benchmarks and resampling.

    Returns
    -------
    dict of str to polars.DataFrame
        Rows of ``backtests.runs``, ``.orders``, ``.fills``, ``.trades``, ``.equity``, ``.metrics`` and
        ``.overfitting``.
    """
    desk = Desk(market, ledger, code_sha256)
    configuration = replace(configuration, strategy=strategy.name)
    result = desk.run(strategy, configuration, first_session)
    fresh = _grid(strategy, desk, configuration, first_session)
    return _judged(strategy.name, result, fresh, desk, configuration, seed)


def walk_forward_study(
    strategy: Strategy,
    market: Market,
    configuration: Configuration,
    first_session: dt.date,
    *,
    ledger: Ledger,
    code_sha256: str,
    windows: Windows,
    backend: Backend = "serial",
    seed: int = 0,
) -> dict[str, pl.DataFrame]:
    """Choose the parameters of a strategy window by window and judge the stitched curve like any other run.

    Parameters are as in :func:`study`, with ``windows`` (training begins at ``first_session``) and the ``backend`` of
    :func:`gnosis.backtest.parallel.map_units`.

    Returns
    -------
    dict of str to polars.DataFrame
        The tables of :func:`study` with :data:`WALK_FORWARD` after the name of the strategy, and
        ``backtests.walk_forward``.

    Raises
    ------
    gnosis.backtest.windows.WindowsError
        When there are fewer sessions than one training and one test window.
    """
    from gnosis.backtest.walk_forward import walk_forward

    options = {"tables": market.tables, "spreads": market.spreads, "amplification": market.amplification}
    found = walk_forward(
        strategy,
        market.bars.filter(pl.col("session") >= first_session),
        configuration,
        recorder=ledger,
        code_sha256=code_sha256,
        windows=windows,
        backend=backend,
        seed=seed,
        run_options=options,
    )
    name = f"{strategy.name}{WALK_FORWARD}"
    result = replace(found.result, runs=found.result.runs.with_columns(strategy=pl.lit(name)))
    desk = Desk(market, ledger, code_sha256)
    configuration = replace(configuration, strategy=strategy.name)
    fresh = _grid(strategy, desk, configuration, first_session) if found.is_complete else {}
    rows = _judged(name, result, fresh, desk, configuration, seed)
    return rows | {"backtests.walk_forward": found.windows}


class Desk:
    """A market prepared once, the ledger of trials, and the hash of the code that decides."""

    def __init__(self, market: Market, ledger: Ledger, code_sha256: str) -> None:
        self.market, self.ledger, self._code_sha256 = market, ledger, code_sha256
        self.prepared = prepare(
            market.bars, tables=market.tables, spreads=market.spreads, amplification=market.amplification
        )

    def run(self, decisions: Strategy, configuration: Configuration, first_session: dt.date) -> Result:
        """Return a run with all its frames."""
        return run_prepared(
            self.prepared, decisions, configuration, recorder=self.ledger, code_sha256=self._code_sha256,
            first_session=first_session,
        )  # fmt: skip

    def play(
        self,
        decisions: Strategy | pl.DataFrame,
        configuration: Configuration,
        first_session: dt.date,
        parameters: Mapping[str, object] | None = None,
    ) -> Played:
        """Return a run of which only some figures are wanted."""
        return play(
            self.prepared, decisions, configuration, recorder=self.ledger, code_sha256=self._code_sha256,
            parameters=parameters, first_session=first_session,
        )  # fmt: skip


def _grid(
    strategy: Strategy, desk: Desk, configuration: Configuration, first_session: dt.date
) -> dict[str, pl.DataFrame]:
    """Return the returns of every set of the grid by trial."""
    fresh = {}
    for parameters in strategy.candidates() if strategy.grid else []:
        tried = desk.play(strategy, configuration, first_session, parameters)
        fresh[tried.trial.trial_id] = _returns(tried.curve)
    return fresh


def _judged(
    name: str,
    result: Result,
    fresh: Mapping[str, pl.DataFrame],
    desk: Desk,
    configuration: Configuration,
    seed: int,
) -> dict[str, pl.DataFrame]:
    """Put benchmarks, other costs and statistics beside a run."""
    market, ledger = desk.market, desk.ledger
    targeted = _volatility_targeted(name, desk, configuration, result)
    drawn = random_entry(result.trades, result.fills, result.equity, market.bars, seed=seed)
    placed = drawn if isinstance(drawn, RandomEntry) else None
    accounts = {
        "strategy": Account(result.equity, result.fills, result.trades),
        "buy_and_hold": Account(result.buy_and_hold_equity, result.buy_and_hold_fills),
    }
    if targeted is not None:
        accounts["volatility_targeted"] = Account(targeted.equity, targeted.fills)
    metrics = metrics_rows(result.run_key, accounts, seed=seed, states=market.states, random_entry=drawn)
    elsewhere = _other_costs(name, desk, configuration, result)
    desk.prepared.require_unchanged()
    rows = ledger.rows()
    report = overfitting_report(
        result.run_key,
        _returns(result.equity),
        rows.filter(pl.col("family") == result.runs["family"][0]),
        ledger.returns,
        _returns(result.buy_and_hold_equity),
        trial_id=result.trial_id,
        fresh=fresh,
        seed=seed,
        synthetic=bool(result.runs["synthetic"][0]),
    )
    return {
        "backtests.runs": _counted(result, rows, report.rows),
        "backtests.orders": result.orders,
        "backtests.fills": result.fills,
        "backtests.trades": result.trades,
        "backtests.equity": _beside(result, targeted, placed),
        "backtests.metrics": _marked(pl.concat([metrics, elsewhere]), market),
        "backtests.overfitting": report.rows,
    }


def _marked(metrics: pl.DataFrame, market: Market) -> pl.DataFrame:
    """Return the rows sorted; what was cut or repriced by generated states rests on generated data."""
    by_state = pl.col("scope").cast(pl.String).is_in(STATE_SCOPES) | (pl.col("bucket") == AMPLIFICATION_AWARE)
    return metrics.with_columns(pl.col("synthetic") | (by_state & market.has_generated_states)).sort(
        "series", "scope", "bucket", "metric"
    )


def _counted(result: Result, trials: pl.DataFrame, statistics: pl.DataFrame) -> pl.DataFrame:
    """Return the row of the run with the trials counted by now and what of its judgement forbids to publish it."""
    run = result.runs.row(0, named=True)
    further = [GENERATED] if run["synthetic"] else []
    unknown = statistics.filter(pl.col("statistic").is_in(NEEDED), pl.col("value").is_null())
    further += [f"{row['statistic']}: {row['reason']}" for row in unknown.iter_rows(named=True)]
    is_publishable, blocked_by = publication(run["labels"].split(","), run["share_ambiguous"], further)
    return result.runs.with_columns(
        n_trials=pl.lit(count_trials(trials, run["family"]), dtype=pl.Int64),
        is_publishable=pl.lit(is_publishable),
        blocked_by=pl.lit(blocked_by, dtype=pl.String),
    )


def _returns(equity: pl.DataFrame) -> pl.DataFrame:
    """Return ``session`` and ``net_return``; nothing once equity was not positive."""
    rows = equity.select("session", net_return=pl.col("equity_usd").pct_change())[1:]
    return rows if (equity["equity_usd"] > 0).all() else rows.clear()


def _volatility_targeted(name: str, desk: Desk, configuration: Configuration, result: Result) -> Played | None:
    """Return the benchmark on the sessions of the run; None where the history before it is too short."""
    first = result.equity["session"][0]
    symbols = desk.market.bars["symbol"].unique().sort().to_list()
    targets = volatility_targeted(desk.market.bars, symbols, first)
    if targets.is_empty():
        return None
    return desk.play(targets, replace(configuration, strategy=f"{name}: volatility-targeted benchmark"), first)


def _other_costs(name: str, desk: Desk, configuration: Configuration, result: Result) -> pl.DataFrame:
    """Return figures of the same orders at multiples of all costs, and with what else could have been assumed."""
    if result.orders.is_empty():
        return result.metrics.clear()
    others: dict[tuple[str, str], Configuration] = {
        ("cost_multiple", f"{multiple:g}"): replace(configuration, cost_multiple=configuration.cost_multiple * multiple)
        for multiple in COST_MULTIPLES
    }
    if desk.market.amplification is not None:
        others["ablation", AMPLIFICATION_AWARE] = replace(configuration, amplification_aware_impact=True)
    if result.trades["is_ambiguous"].any():
        others["ablation", "opposite_intrabar"] = replace(configuration, opposite_intrabar=True)
    first, parts = result.equity["session"][0], []
    for (scope, bucket), other in others.items():
        tried = desk.play(result.orders, replace(other, strategy=f"{name}: {OTHER_COSTS}"), first)
        accounts = (tried.equity, tried.fills, tried.held_equity, tried.held_fills)
        whole = metrics_frame(result.run_key, *accounts, only="strategy")
        parts.append(whole.with_columns(scope=pl.lit(scope).cast(whole.schema["scope"]), bucket=pl.lit(bucket)))
    return pl.concat(parts)


def _beside(result: Result, targeted: Played | None, placed: RandomEntry | None) -> pl.DataFrame:
    """Return the equity rows with the benchmarks of the same sessions."""
    deposit = result.equity["equity_usd"][0]
    columns: dict[str, pl.Series | pl.Expr] = {"buy_and_hold_usd": result.buy_and_hold_equity["equity_usd"]}
    if targeted is not None:
        columns["volatility_targeted_usd"] = targeted.equity["equity_usd"]
    equity = result.equity.with_columns(**columns)
    if placed is None:
        return equity
    drawn = placed.curve.select(
        "session", *(pl.col(name).mul(deposit).alias(f"random_entry_{name}_usd") for name in ("low", "median", "high"))
    )
    names = [name for name in drawn.columns if name != "session"]
    return equity.drop(names).join(drawn, on="session", how="left", maintain_order="left").select(equity.columns)
