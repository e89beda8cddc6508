"""The event engine: targets, a strategy or a tape of orders in; orders, fills, trades, equity and metrics out.

Order of events in each session (the same in every run): borrow and interest for the calendar days elapsed, then splits,
dividends and delistings; market orders at the open and what the open gaps through; resting orders inside the bar;
closing auctions, the mark and the invariants; then the decision, whose orders are eligible from the next open. Nothing
fills at the close that produced its signal.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import polars as pl

from gnosis.backtest.conditions import Conditions, build_conditions
from gnosis.backtest.configuration import ENGINE_VERSION, FILL_RULE, Configuration
from gnosis.backtest.deciding import Taken, by_strategy, by_tape, by_targets, checked_tape, checked_targets
from gnosis.backtest.known_rows import KnownRows
from gnosis.backtest.ledger import UNIT, LedgerError, to_units
from gnosis.backtest.market import BAR_COLUMNS, Market, build_market, frame_sha256, ordered_sha256
from gnosis.backtest.metrics import metrics_frame
from gnosis.backtest.publication import publication
from gnosis.backtest.result import Result, actions_frame, equity_frame, fills_frame, orders_frame, origin_by_session
from gnosis.backtest.simulation import Decider, Simulation
from gnosis.backtest.strategies import buy_and_hold
from gnosis.backtest.strategy import Decide, Strategy
from gnosis.backtest.trades import trades_frame
from gnosis.backtest.trials import Figures, Recorder, Trial, count_trials
from gnosis.tables import TABLES

_ORIGIN = ["session", "known_at", "provider", "synthetic"]


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
    intraday, spreads, amplification, books, pay_dates
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
    market = build_market(bars)
    untouched = ordered_sha256(bars.select(BAR_COLUMNS))
    bars_sha256 = ordered_sha256(market.bars)
    gone = _delistings(delistings, market)
    extras = {
        "intraday": intraday, "spreads": spreads, "amplification": amplification, "books": books,
        "pay_dates": pay_dates,
    }  # fmt: skip
    conditions = build_conditions(market, **extras)
    taken = Taken()
    first, universe, decide, given = _decider(
        decisions, market, configuration, parameters, tables or {}, gone, first_session, taken
    )
    name, chosen = configuration.strategy, "{}"
    if isinstance(decisions, Strategy):
        name, chosen = decisions.name, decisions.parameters_json(parameters)
    trial = _trial(name, chosen, configuration, universe, market.sessions[first], code_sha256)
    recorder.begin(trial)
    simulation = Simulation(market, configuration, gone, conditions)
    events = simulation.run(first, decide)

    benchmark_targets = buy_and_hold(market.bars, universe, market.sessions[first])
    held_run = Simulation(market, configuration, gone, conditions)
    held_events = held_run.run(first, by_targets(benchmark_targets, market, first))

    if ordered_sha256(bars.select(BAR_COLUMNS)) != untouched:
        raise LedgerError("I8: expected the bars unchanged by the run, found other values: do not share their buffers")
    served = _served(decisions, tables or {})
    inputs = {"delistings": delistings, **extras, **served}
    hashes = [bars_sha256, frame_sha256(taken.frame() if given is None else given)]
    hashes += [f"{key} {frame_sha256(frame)}" for key, frame in sorted(inputs.items()) if frame is not None]
    data_sha256 = _sha256("\n".join(hashes))
    run_key = _sha256(
        "\n".join([data_sha256, configuration.canonical_json(), chosen, name, str(first), ENGINE_VERSION])
    )

    used = [frame.select(_ORIGIN) for frame in served.values() if set(_ORIGIN) <= set(frame.columns)]
    if given is not None and set(_ORIGIN) <= set(given.columns):
        # An order of a tape is known with its last state, but what it rests on was known when it was submitted.
        known_at = pl.lit(None, given.schema["known_at"]) if "kind" in given.columns else pl.col("known_at")
        used.append(given.select(_ORIGIN).with_columns(known_at=known_at))
    origin = origin_by_session(market, pl.concat(used) if used else pl.DataFrame(), first)
    equity = equity_frame(run_key, events, origin)
    fills = fills_frame(run_key, events, origin)
    trades = trades_frame(run_key, market, events, simulation.ledger, origin)
    held = equity_frame(run_key, held_events, origin)
    if equity["equity_usd"][-1] != simulation.expected.equity / UNIT:
        raise LedgerError(
            f"I6: expected the curve to end at {simulation.expected.equity / UNIT}, found {equity['equity_usd'][-1]}"
        )
    held_fills = fills_frame(run_key, held_events, origin)
    metrics = metrics_frame(run_key, equity, fills, held, held_fills)
    recorder.finish(trial, returns=_returns(equity), **_figures(equity))
    labels = _labels(configuration, conditions, events.labels)
    counted = _counted(recorder, trial.family)
    if counted is None:
        labels.add("trials_uncounted")
    closed = trades.filter(pl.col("exit_session").is_not_null())["is_ambiguous"]
    share_ambiguous = None if closed.is_empty() else float(closed.mean())  # type: ignore[arg-type]
    is_publishable, blocked_by = publication(labels, share_ambiguous)
    runs = {
        "run_key": run_key,
        "strategy": name,
        "family": trial.family,
        "first_session": equity["session"][0],
        "last_session": equity["session"][-1],
        "n_symbols": len(universe),
        "n_orders": len(simulation.orders.all),
        "n_fills": fills.height,
        "n_trades": trades.height,
        # The run itself is a trial, whoever counts the others.
        "n_trials": 1 if counted is None else counted,
        "share_ambiguous": share_ambiguous,
        "fill_rule": FILL_RULE,
        "configuration": configuration.canonical_json(),
        "parameters": chosen,
        "data_sha256": data_sha256,
        "code_sha256": code_sha256,
        "labels": ",".join(sorted(labels)),
        "is_publishable": is_publishable,
        "blocked_by": blocked_by,
        "synthetic": bool(equity["synthetic"][-1]),
    }
    return Result(
        run_key,
        pl.DataFrame([runs], schema=TABLES["backtests.runs"].polars_schema),
        orders_frame(run_key, simulation.orders.all, origin),
        fills,
        trades,
        equity,
        metrics,
        held,
        held_fills,
        actions_frame(events, origin),
        trial.trial_id,
    )


def _decider(
    decisions: pl.DataFrame | Strategy | Decide,
    market: Market,
    configuration: Configuration,
    parameters: Mapping[str, Any] | None,
    tables: Mapping[str, pl.DataFrame],
    gone: Mapping[tuple[int, str], int | None],
    first_session: dt.date | None,
    taken: Taken,
) -> tuple[int, list[str], Decider, pl.DataFrame | None]:
    """Return the first session number, the symbols, who decides, and the frame of decisions where there is one."""
    if parameters and not isinstance(decisions, Strategy):
        raise ValueError(f"expected parameters with a strategy declared by @strategy, found {sorted(parameters)}")
    if isinstance(decisions, pl.DataFrame):
        is_tape = {"order_number", "kind"} <= set(decisions.columns)
        given = checked_tape(decisions, market) if is_tape else checked_targets(decisions, market)
        start = given["session"].min() if first_session is None else first_session
        first = market.session_number(start)  # type: ignore[arg-type]
        decide = by_tape(given, market) if is_tape else by_targets(given, market, first)
        return first, given["symbol"].unique().sort().to_list(), decide, given
    first = 0 if first_session is None else market.session_number(first_session)
    served = {name: KnownRows(frame, name) for name, frame in _served(decisions, tables).items()}
    function = decisions.decide(parameters) if isinstance(decisions, Strategy) else decisions
    decide = by_strategy(function, market, configuration, served, gone, taken)
    return first, market.symbols, decide, None


def _served(decisions: pl.DataFrame | Strategy | Decide, tables: Mapping[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """Return the tables that the decision may read: those a strategy declares, all of them for a plain function."""
    if not isinstance(decisions, Strategy):
        return dict(tables)
    if missing := [name for name in decisions.reads if name not in tables]:
        raise ValueError(f"expected the tables that {decisions.name} reads, missing {missing}: give them in tables")
    return {name: tables[name] for name in decisions.reads}


def _labels(configuration: Configuration, conditions: Conditions, found: set[str]) -> set[str]:
    labels = set(configuration.labels()) | found
    if conditions.spread_bps is not None and "spread_proxy" not in found:
        labels.discard("spread_proxy")
    return labels


def _counted(recorder: Recorder, family: str) -> int | None:
    """Return the trials of a family from a recorder that shows its rows; None from one that does not."""
    rows = getattr(recorder, "rows", None)
    return None if rows is None else count_trials(rows(), family)


def _returns(equity: pl.DataFrame) -> pl.DataFrame | None:
    """Return the net returns per session for the correlation of trials; None once equity was not positive."""
    if equity.height < 2 or (equity["equity_usd"] <= 0).any():
        return None
    return equity.select("session", net_return=pl.col("equity_usd").pct_change())[1:]


def _trial(
    name: str, chosen: str, configuration: Configuration, universe: list[str], first: dt.date, code_sha256: str
) -> Trial:
    """Return the ledger's entry. The same strategy followed for one more session is the same trial."""
    symbols = "+".join(universe)
    named = symbols if len(universe) <= 20 else f"{len(universe)} symbols {_sha256(symbols)[:12]}"
    tried = configuration.canonical_json()
    if chosen != "{}":
        content = {"configuration": asdict(configuration), "parameters": json.loads(chosen)}
        tried = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return Trial(
        family=f"{named} {name}",
        origin="backtest",
        parameters=tried,
        data_sha256=_sha256(f"{symbols}\n{first}"),
        code_sha256=code_sha256,
        period_first=first,
        period_last=first,
    )


def _figures(equity: pl.DataFrame) -> Figures:
    returns = equity["equity_usd"].pct_change().drop_nulls()
    spread = returns.std()
    if returns.len() < 2 or not spread:
        return {"n": returns.len()}
    return {
        "n": returns.len(),
        "sharpe_per_period": float(returns.mean() / spread),  # type: ignore[operator, arg-type]
        "skewness": returns.skew(),
        "kurtosis": returns.kurtosis(fisher=False),
    }


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _delistings(delistings: pl.DataFrame | None, market: Market) -> dict[tuple[int, str], int | None]:
    if delistings is None:
        return {}
    columns = ["session", "symbol", "delisting_price_usd"]
    if missing := [name for name in columns if name not in delistings.columns]:
        raise ValueError(f"expected delistings with {columns}, missing {missing}")
    # A delisting after the last bar has not happened yet.
    rows = delistings.select(columns).filter(pl.col("session") <= market.calendar["session"][-1]).rows()
    for session, symbol, price in rows:
        later = market.bars.filter((pl.col("symbol") == symbol) & (pl.col("session") >= session))
        if later.height or (price is not None and not price >= 0):
            raise ValueError(
                f"expected no bars of {symbol} from its delisting at {session} on and a price of 0 or more, found "
                f"{later.height} bars and price {price}"
            )
    return {
        (market.session_number(session), symbol): None if price is None else to_units(price)
        for session, symbol, price in rows
    }
