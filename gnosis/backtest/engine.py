"""The event engine: targets, a strategy or a tape of orders in; orders, fills, trades, equity and metrics out.

Order of events in each session (the same in every run): borrow and interest for the calendar days elapsed, then splits,
dividends and delistings; market orders at the open and what the open gaps through; resting orders inside the bar;
closing auctions, the mark and the invariants; then the decision, whose orders are eligible from the next open. Nothing
fills at the close that produced its signal.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import polars as pl

from gnosis.backtest.conditions import Conditions
from gnosis.backtest.configuration import FILL_RULE, Configuration
from gnosis.backtest.metrics import metrics_frame
from gnosis.backtest.playing import Played, play
from gnosis.backtest.prepared import Prepared, prepare
from gnosis.backtest.publication import publication
from gnosis.backtest.result import Result, actions_frame, orders_frame
from gnosis.backtest.strategy import Decide, Strategy
from gnosis.backtest.trades import trades_frame
from gnosis.backtest.trials import Recorder, count_trials
from gnosis.tables import TABLES


def run(
    bars: pl.DataFrame,
    decisions: pl.DataFrame | Strategy | Decide,
    configuration: Configuration,
    *,
    recorder: Recorder,
    code_sha256: str,
    parameters: Mapping[str, Any] | None = None,
    tables: Mapping[str, pl.DataFrame] | None = None,
    delistings: pl.DataFrame | None = None,
    first_session: dt.date | None = None,
    intraday: pl.DataFrame | None = None,
    spreads: pl.DataFrame | None = None,
    amplification: pl.DataFrame | None = None,
    shares_outstanding: pl.DataFrame | None = None,
    books: pl.DataFrame | None = None,
    pay_dates: pl.DataFrame | None = None,
) -> Result:
    """Backtest targets, a strategy or a tape of orders on daily bars.

    Parameters
    ----------
    bars
        Rows of ``raw.equity_bars`` with the history before the first decision: costs under ``sqrt`` and the
        participation limit need 20 earlier bars of a symbol, and its orders wait until there are.
    decisions
        A frame ``session``, ``symbol`` and ``target_weight`` (share of equity at that close, sized at that close in
        whole shares) or ``target_shares`` (whole shares), with or without ``known_at``, ``provider`` and
        ``synthetic``; a symbol without a row keeps its last target. Or rows of ``backtests.orders``, submitted again.
        Or a strategy, or a plain function of a :class:`View`, asked after each close for target weights by symbol or
        for orders.
    configuration
        Costs and limits.
    recorder
        Trial ledger: the run is written there before it has a result.
    code_sha256
        Hash of the code that decides, part of the trial.
    parameters
        For a :class:`Strategy`: values in place of its defaults.
    tables
        What a strategy reads beside bars, by name; a strategy is served those it declares.
    delistings
        ``session`` (the first without trading), ``symbol`` and ``delisting_price_usd``; without a price longs end at
        zero and shorts at the last price, and the run is labelled ``delisted_without_price``.
    first_session
        First bar of the run. Default: the first target or order, or the first bar for a strategy.
    intraday, spreads, amplification, shares_outstanding, books, pay_dates
        See :func:`gnosis.backtest.conditions.build_conditions`. Without payment dates dividends are paid on the
        ex-date.

    Returns
    -------
    Result
        The frames of the run; ``equity`` begins with the initial cash at the first session.

    Raises
    ------
    ValueError
        For bars, targets or delistings that are not usable; the message names the row.
    LookAheadError
        When a target was known only after the open at which it would fill, or a strategy asks beyond its decision.
    LedgerError
        When an invariant of the books fails.

    Examples
    --------
    >>> days = [dt.date(2024, 1, day) for day in (2, 3, 4)]
    >>> close_at = [dt.datetime(2024, 1, day, 21, tzinfo=dt.UTC) for day in (2, 3, 4)]
    >>> bars = pl.DataFrame({"session": days, "symbol": "SPY", "ts": close_at, "open": [100.0, 101.0, 102.0],
    ...     "high": 104.0, "low": 99.0, "close": [101.0, 102.0, 103.0], "volume": 1e6,
    ...     "adjustment_factor": 1.0, "known_at": close_at, "provider": "example", "synthetic": True})
    >>> targets = pl.DataFrame({"session": days[:1], "symbol": ["SPY"], "target_shares": [100.0]})
    >>> costs = Configuration(slippage="proportional", participation=None, initial_cash_usd=100_000.0)
    >>> from gnosis.backtest.trials import MemoryLedger
    >>> ledger = MemoryLedger()
    >>> result = run(bars, targets, costs, recorder=ledger, code_sha256="c" * 64)
    >>> result.fills.select("fill_price", "fee_usd").row(0), result.equity["equity_usd"].to_list()
    ((101.0505, 1.010505), [100000.0, 100093.939495, 100193.939495])
    >>> ledger.rows().select("family", "status").rows()
    [('SPY targets', 'begun'), ('SPY targets', 'complete')]
    """
    prepared = prepare(
        bars, tables=tables, delistings=delistings, intraday=intraday, spreads=spreads, amplification=amplification,
        shares_outstanding=shares_outstanding, books=books, pay_dates=pay_dates,
    )  # fmt: skip
    return run_prepared(
        prepared, decisions, configuration, recorder=recorder, code_sha256=code_sha256, parameters=parameters,
        first_session=first_session,
    )  # fmt: skip


def run_prepared(
    prepared: Prepared,
    decisions: pl.DataFrame | Strategy | Decide,
    configuration: Configuration,
    *,
    recorder: Recorder,
    code_sha256: str,
    parameters: Mapping[str, Any] | None = None,
    first_session: dt.date | None = None,
) -> Result:
    """Backtest on bars that are prepared for several runs; parameters, result and errors are those of :func:`run`."""
    played = play(
        prepared, decisions, configuration, recorder=recorder, code_sha256=code_sha256, parameters=parameters,
        first_session=first_session,
    )  # fmt: skip
    run_key, equity, fills = played.run_key, played.equity, played.fills
    simulation, events = played.simulation, played.events
    trades = trades_frame(run_key, prepared.market, events, simulation.ledger, played.origin)
    result = Result(
        run_key,
        _run_row(played, trades, recorder),
        orders_frame(run_key, simulation.orders.all, played.origin),
        fills,
        trades,
        equity,
        metrics_frame(run_key, equity, fills, played.held_equity, played.held_fills),
        played.held_equity,
        played.held_fills,
        actions_frame(events, played.origin),
        played.trial.trial_id,
    )
    prepared.require_unchanged()
    return result


def _run_row(played: Played, trades: pl.DataFrame, recorder: Recorder) -> pl.DataFrame:
    """Return the row of ``backtests.runs``."""
    configuration, equity = played.configuration, played.equity
    labels = _labels(configuration, played.prepared.conditions, played.events.labels)
    counted = _counted(recorder, played.trial.family)
    if counted is None:
        labels.add("trials_uncounted")
    closed = trades.filter(pl.col("exit_session").is_not_null())["is_ambiguous"]
    share_ambiguous = None if closed.is_empty() else float(closed.mean())  # type: ignore[arg-type]
    is_publishable, blocked_by = publication(labels, share_ambiguous)
    row = {
        "run_key": played.run_key,
        "strategy": played.name,
        "family": played.trial.family,
        "first_session": equity["session"][0],
        "last_session": equity["session"][-1],
        "n_symbols": len(played.universe),
        "n_orders": len(played.simulation.orders.all),
        "n_fills": played.fills.height,
        "n_trades": trades.height,
        # The run itself is a trial, whoever counts the others.
        "n_trials": 1 if counted is None else counted,
        "share_ambiguous": share_ambiguous,
        "fill_rule": FILL_RULE,
        "configuration": configuration.canonical_json(),
        "parameters": played.chosen,
        "data_sha256": played.data_sha256,
        "code_sha256": played.trial.code_sha256,
        "labels": ",".join(sorted(labels)),
        "is_publishable": is_publishable,
        "blocked_by": blocked_by,
        "synthetic": bool(equity["synthetic"][-1]),
    }
    return pl.DataFrame([row], schema=TABLES["backtests.runs"].polars_schema)


def _labels(configuration: Configuration, conditions: Conditions, found: set[str]) -> set[str]:
    labels = set(configuration.labels()) | found
    if conditions.spread_bps is not None and "spread_proxy" not in found:
        labels.discard("spread_proxy")
    return labels


def _counted(recorder: Recorder, family: str) -> int | None:
    """Return the trials of a family from a recorder that shows its rows; None from one that does not."""
    rows = getattr(recorder, "rows", None)
    return None if rows is None else count_trials(rows(), family)
