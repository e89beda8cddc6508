"""Options backtest: stored quotes, bars and a strategy in; orders, fills, trades, equity and metrics out."""

from __future__ import annotations

import json

import polars as pl

from gnosis.backtest.ledger import LedgerError
from gnosis.backtest.market import frame_sha256
from gnosis.backtest.options.account import Account
from gnosis.backtest.options.configuration import ENGINE_VERSION, OptionsConfiguration
from gnosis.backtest.options.market import OptionsMarket
from gnosis.backtest.options.report import attribution_rows, grid_rows, metrics_frame
from gnosis.backtest.options.result import (
    OptionsResult,
    contracts_frame,
    equity_frame,
    fills_frame,
    orders_frame,
    origin_by_session,
    settlements_frame,
    trades_frame,
)
from gnosis.backtest.options.simulation import Decide, Simulation
from gnosis.backtest.playing import sha256_of, trial_figures
from gnosis.backtest.trials import Recorder, Trial


def run_options(
    quotes: pl.DataFrame,
    underlying_bars: pl.DataFrame,
    decide: Decide,
    configuration: OptionsConfiguration,
    *,
    recorder: Recorder,
    code_sha256: str,
    settlements: pl.DataFrame | None = None,
    dividends: pl.DataFrame | None = None,
    rates: pl.DataFrame | None = None,
    greeks: pl.DataFrame | None = None,
) -> OptionsResult:
    """Backtest a strategy on stored option quotes.

    Parameters
    ----------
    quotes
        Rows of ``raw.option_quotes``: one snapshot per session. Only these fill and mark; no model price does.
    underlying_bars
        Rows of ``raw.equity_bars`` of the underlyings; the run spans their sessions. Splits and dividends paid on
        shares are read off their adjustment factor.
    decide
        Takes an :class:`~gnosis.backtest.options.view.OptionsView` after each close and returns orders, which meet the
        snapshot of the next session at the earliest.
    configuration
        Fills, fees, expiry, assignment and margin.
    recorder
        Trial ledger: the run is written there before it has a result, and as failed when it has none.
    code_sha256
        Hash of the code that decides, part of the trial and of the run.
    settlements
        ``root``, ``session``, ``value`` ($) and ``known_at``: special opening quotations of morning-settled roots, and
        official values of others where they are not the close of the underlying's bar.
    dividends
        Rows of ``raw.dividends``, for early assignment; empty when there are none, None when not known.
    rates
        ``session``, ``rate_per_year`` (continuously compounded) and ``known_at``, for early assignment.
    greeks
        Rows of ``greeks.option_greeks``: the grid by delta, the attribution, and continuation values for early
        assignment rest on them. Without them assignment is decided by quotes.

    Returns
    -------
    OptionsResult
        The frames of the run.

    Raises
    ------
    OptionsDataError
        For tables that cannot be used, or early assignment that cannot be decided for want of rates or dividends.
    MissingSettlementError
        When a contract that is held has no settlement value.
    LookAheadError
        When the strategy asks beyond its decision.
    LedgerError
        When an invariant of the books fails.
    """
    given = {"quotes": quotes, "underlying_bars": underlying_bars}
    optional = {"settlements": settlements, "dividends": dividends, "rates": rates, "greeks": greeks}
    given |= {name: frame for name, frame in optional.items() if frame is not None}
    hashes = {name: frame_sha256(frame) for name, frame in given.items()}
    market = OptionsMarket(quotes, underlying_bars, settlements, dividends, rates, greeks)
    trial = _trial(configuration, market, code_sha256)
    recorder.begin(trial)
    simulation = Simulation(market, configuration)
    is_complete = False
    try:
        simulation.run(decide)
        is_complete = True
    finally:
        if not is_complete:
            recorder.finish(trial, status="failed")
    account = simulation.account
    if changed := sorted(name for name, frame in given.items() if frame_sha256(frame) != hashes[name]):
        raise LedgerError(f"I8: expected the inputs unchanged by the run, found other values in {changed}")

    data_sha256 = sha256_of(json.dumps(hashes, sort_keys=True))
    identity = [data_sha256, configuration.canonical_json(), code_sha256, _orders_text(account), ENGINE_VERSION]
    run_key = sha256_of("\n".join(identity))
    origin = origin_by_session(market)
    equity = equity_frame(run_key, account, origin)
    if equity["equity_usd"][-1] != account.expected.equity / 10**8:
        raise LedgerError(f"I6: expected the curve to end at the final equity, found {equity['equity_usd'][-1]}")
    trades, contracts = trades_frame(run_key, account, origin), contracts_frame(account)
    profit_usd = equity["equity_usd"][-1] - configuration.initial_cash_usd
    report = [grid_rows(trades, contracts, market), attribution_rows(account, market, profit_usd)]
    labels = tuple(sorted({*configuration.labels(), *account.events.labels}))
    recorder.finish(trial, **trial_figures(equity))
    return OptionsResult(
        run_key=run_key,
        title=configuration.title(),
        labels=labels,
        data_sha256=data_sha256,
        orders=orders_frame(run_key, account, origin),
        fills=fills_frame(run_key, account, origin),
        trades=trades,
        equity=equity,
        metrics=metrics_frame(run_key, report, bool(equity["synthetic"][-1])),
        settlements=settlements_frame(account),
        contracts=contracts,
    )


def _trial(configuration: OptionsConfiguration, market: OptionsMarket, code_sha256: str) -> Trial:
    """Return the ledger's entry. The same strategy followed for one more session is the same trial."""
    symbols, first = "+".join(market.symbols), market.sessions[0].day
    return Trial(
        family=f"{symbols} {configuration.strategy}",
        origin="backtest",
        parameters=configuration.canonical_json(),
        data_sha256=sha256_of(f"{symbols}\n{first}"),
        code_sha256=code_sha256,
        period_first=first,
        period_last=first,
    )


def _orders_text(account: Account) -> str:
    return "\n".join(
        f"{record.session} {record.contract} {record.quantity} {record.kind} {record.order!r}"
        for record in account.events.orders
    )
