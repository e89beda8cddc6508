"""The event engine: targets or a strategy, bars and a configuration in; fills, equity and metrics out.

Order of events in each session (the same in every run): borrow and margin interest for the calendar days elapsed, then
splits, dividends and delistings; orders at the open; mark and invariants at the close; then the decision, whose orders
are eligible from the open of the next session with a bar. Nothing fills at the close that produced its signal.
Dividends are paid in cash on the ex-date, because bars carry no payment date.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Iterable

import polars as pl

from gnosis.backtest.configuration import ENGINE_VERSION, FILL_RULE, Configuration
from gnosis.backtest.ledger import UNIT, LedgerError, to_units
from gnosis.backtest.market import Market, build_market, checked_bars, frame_sha256
from gnosis.backtest.metrics import metrics_frame
from gnosis.backtest.result import Result, actions_frame, equity_frame, fills_frame, origin_by_session
from gnosis.backtest.simulation import Decide, Decision, Simulation
from gnosis.backtest.strategies import TARGET_ORIGIN, buy_and_hold
from gnosis.backtest.trials import Figures, Recorder, Trial
from gnosis.backtest.view import LookAheadError, View
from gnosis.tables import TABLES

Strategy = Callable[[View], dict[str, float]]


def run(
    bars: pl.DataFrame,
    targets: pl.DataFrame | Strategy,
    configuration: Configuration,
    *,
    recorder: Recorder,
    code_sha256: str,
    delistings: pl.DataFrame | None = None,
    first_session: dt.date | None = None,
) -> Result:
    """Backtest targets or a strategy on daily bars.

    Parameters
    ----------
    bars
        Rows of ``raw.equity_bars`` with the history before the first decision: costs under ``sqrt`` and the
        participation limit need 20 earlier bars of a symbol, and its orders wait until there are.
    targets
        Either a frame ``session``, ``symbol`` and ``target_weight`` (share of equity at that close, sized at that
        close in whole shares) or ``target_shares`` (whole shares), with or without ``known_at``, ``provider`` and
        ``synthetic``; a symbol without a row keeps its last target. Or a function that takes a :class:`View` after
        each close and returns target weights by symbol.
    configuration
        Costs and limits.
    recorder
        Trial ledger: the run is written there before it has a result.
    code_sha256
        Hash of the code that decides, part of the trial.
    delistings
        ``session`` (the first without trading), ``symbol`` and ``delisting_price_usd``; without a price longs end at
        zero and shorts at the last price, and the run is labelled ``delisted_without_price``.
    first_session
        First bar of the run. Default: the first target, or the first bar for a function.

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
    ...     "close": [101.0, 102.0, 103.0], "volume": 1e6, "adjustment_factor": 1.0, "known_at": close_at,
    ...     "provider": "example", "synthetic": True})
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
    bars_sha256 = frame_sha256(market.bars)
    gone = _delistings(delistings, market)
    if isinstance(targets, pl.DataFrame):
        given = _checked_targets(targets, market)
        targets_sha256 = frame_sha256(given)
        start = given["session"].min() if first_session is None else first_session
        first = market.session_number(start)  # type: ignore[arg-type]
        decide = _decide_by_frame(given, market, first)
        universe = given["symbol"].unique().sort().to_list()
    else:
        first = 0 if first_session is None else market.session_number(first_session)
        taken: list[tuple[dt.date, str, float]] = []
        decide = _decide_by_strategy(targets, market, configuration, taken)
        universe = market.symbols
    trial = _trial(configuration, universe, market.calendar["session"][first], code_sha256)
    recorder.begin(trial)
    simulation = Simulation(market, configuration, gone)
    events = simulation.run(first, decide)
    if not isinstance(targets, pl.DataFrame):
        schema = {"session": pl.Date, "symbol": pl.String, "target_weight": pl.Float64}
        given = pl.DataFrame(taken, schema=schema, orient="row")
        targets_sha256 = frame_sha256(given)

    benchmark_targets = buy_and_hold(market.bars, universe, market.calendar["session"][first])
    benchmark = Simulation(market, configuration, gone).run(first, _decide_by_frame(benchmark_targets, market, first))

    if frame_sha256(checked_bars(bars)) != bars_sha256:
        raise LedgerError("I8: expected the bars unchanged by the run, found other values: do not share their buffers")
    hashes = [bars_sha256, targets_sha256, "" if delistings is None else frame_sha256(delistings)]
    data_sha256 = hashlib.sha256("\n".join(hashes).encode()).hexdigest()
    identity = "\n".join([data_sha256, configuration.canonical_json(), str(first), ENGINE_VERSION])
    run_key = hashlib.sha256(identity.encode()).hexdigest()

    origin = origin_by_session(market, given, first)
    equity = equity_frame(run_key, events, origin)
    fills = fills_frame(run_key, events, origin)
    held = equity_frame(run_key, benchmark, origin)
    if equity["equity_usd"][-1] != simulation.expected.equity / UNIT:
        raise LedgerError(
            f"I6: expected the curve to end at {simulation.expected.equity / UNIT}, found {equity['equity_usd'][-1]}"
        )
    metrics = metrics_frame(run_key, equity, fills, held, fills_frame(run_key, benchmark, origin))
    runs = _runs_frame(run_key, configuration, data_sha256, equity, universe, events.labels)
    recorder.finish(trial, **_figures(equity))
    return Result(run_key, runs, fills, equity, metrics, held, actions_frame(events, origin))


def _trial(configuration: Configuration, universe: list[str], first: dt.date, code_sha256: str) -> Trial:
    """Return the ledger's entry. The same strategy followed for one more session is the same trial."""
    symbols = "+".join(universe)
    named = symbols if len(universe) <= 20 else f"{len(universe)} symbols {_sha256(symbols)[:12]}"
    return Trial(
        family=f"{named} {configuration.strategy}",
        origin="backtest",
        parameters=configuration.canonical_json(),
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


def _checked_targets(targets: pl.DataFrame, market: Market) -> pl.DataFrame:
    kinds = [name for name in ("target_weight", "target_shares") if name in targets.columns]
    if len(kinds) != 1 or not {"session", "symbol"} <= set(targets.columns):
        raise ValueError(
            f"expected targets with session, symbol and one of target_weight or target_shares, found {targets.columns}"
        )
    columns = ["session", "symbol", *kinds, *(name for name in TARGET_ORIGIN if name in targets.columns)]
    frame = targets.select(columns).sort("session", "symbol")
    if frame.is_empty():
        raise ValueError("expected at least one target, found none: a run starts at its first target")
    if (n := frame.select("session", "symbol").is_duplicated().sum()) > 0:
        raise ValueError(f"expected one target per session and symbol, found {n} rows that share a key")
    bad = frame.filter(pl.col(kinds[0]).is_null() | ~pl.col(kinds[0]).is_finite())
    if bad.height:
        raise ValueError(
            f"expected finite targets, found {bad[kinds[0]][0]} for {bad['symbol'][0]} at {bad['session'][0]} "
            f"({bad.height} rows): give 0 to be flat, or no row to keep the position"
        )
    strangers = frame.filter(~pl.col("session").is_in(market.calendar["session"].implode()))
    if strangers.height:
        raise ValueError(
            f"expected targets of sessions with bars, found {strangers.height} of others, "
            f"first {strangers['session'][0]}"
        )
    if "known_at" in frame.columns:
        opens = market.calendar.select("session", fills_at=pl.col("open_at").shift(-1))
        late = frame.join(opens, on="session", how="left").filter(pl.col("known_at") >= pl.col("fills_at"))
        if late.height:
            row = late.row(0, named=True)
            raise LookAheadError(
                f"expected targets known before the open at which they fill, found {row['symbol']} of {row['session']} "
                f"known at {row['known_at'].isoformat()} for the open at {row['fills_at'].isoformat()} "
                f"({late.height} rows)"
            )
    return frame


def _decide_by_frame(targets: pl.DataFrame, market: Market, first: int) -> Decide:
    kind = "weight" if "target_weight" in targets.columns else "shares"
    numbers = market.calendar["session"].search_sorted(targets["session"]).to_list()
    by_session: dict[int, list[Decision]] = {}
    for number, symbol, amount in zip(numbers, targets["symbol"], targets[f"target_{kind}"], strict=True):
        by_session.setdefault(number, []).append(
            Decision(symbol, weight=amount) if kind == "weight" else Decision(symbol, shares=amount)
        )
    if by_session and min(by_session) < first:
        raise ValueError(f"expected targets from {market.calendar['session'][first]} on, found earlier ones")

    def decide(session: int, equity: int, positions: dict[str, int]) -> Iterable[Decision]:  # noqa: ARG001
        return by_session.get(session, [])

    return decide


def _decide_by_strategy(
    strategy: Strategy, market: Market, configuration: Configuration, taken: list[tuple[dt.date, str, float]]
) -> Decide:
    ordered = market.bars.sort("known_at", "session", "symbol")
    known_at = ordered["known_at"]
    lag = dt.timedelta(minutes=configuration.decision_lag_minutes)
    days, closes = market.calendar["session"].to_list(), market.calendar["close_at"].to_list()

    def decide(session: int, equity: int, positions: dict[str, int]) -> Iterable[Decision]:
        now = closes[session] + lag
        known = ordered.head(int(known_at.search_sorted(now, side="right")))
        held = {symbol: quantity / UNIT for symbol, quantity in sorted(positions.items())}
        weights = strategy(View(days[session], now, known, equity / UNIT, held))
        taken.extend((days[session], symbol, float(weight)) for symbol, weight in sorted(weights.items()))
        return [Decision(symbol, weight=float(weight)) for symbol, weight in sorted(weights.items())]

    return decide


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


def _runs_frame(
    run_key: str,
    configuration: Configuration,
    data_sha256: str,
    equity: pl.DataFrame,
    universe: list[str],
    labels: set[str],
) -> pl.DataFrame:
    schema = TABLES["backtests.runs"].polars_schema
    row = {
        "run_key": run_key,
        "strategy": configuration.strategy,
        "first_session": equity["session"][0],
        "last_session": equity["session"][-1],
        "n_symbols": len(universe),
        "fill_rule": FILL_RULE,
        "configuration": configuration.canonical_json(),
        "data_sha256": data_sha256,
        "labels": ",".join(sorted({*configuration.labels(), *labels})),
        "synthetic": bool(equity["synthetic"][-1]),
    }
    return pl.DataFrame([row], schema=schema)
