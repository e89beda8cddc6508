"""Who decides: a frame of targets, a strategy over views, or the tape of an earlier run."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from gnosis.backtest.configuration import Configuration
from gnosis.backtest.known_rows import KnownRows
from gnosis.backtest.ledger import UNIT
from gnosis.backtest.live_orders import BY_STRATEGY, Exits
from gnosis.backtest.market import Market
from gnosis.backtest.orders import Bracket, Cancel, Order
from gnosis.backtest.simulation import Decider, Instruction, Simulation
from gnosis.backtest.strategies import TARGET_ORIGIN
from gnosis.backtest.strategy import Decide
from gnosis.backtest.submission import Target
from gnosis.backtest.view import LookAheadError, RestingOrder, View

TAPE_COLUMNS = [
    "order_number", "parent_number", "session", "symbol", "kind", "quantity_shares", "limit_price", "stop_price",
    "is_day_order", "status", "reason", "idea_id", "known_at", "provider", "synthetic",
]  # fmt: skip


def checked_targets(targets: pl.DataFrame, market: Market) -> pl.DataFrame:
    """Return targets sorted by session and symbol, or raise what is wrong with them."""
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
    _check_sessions(frame, market, "targets")
    return frame


def _check_sessions(frame: pl.DataFrame, market: Market, what: str) -> None:
    strangers = frame.filter(~pl.col("session").is_in(market.calendar["session"].implode()))
    if strangers.height:
        raise ValueError(
            f"expected {what} of sessions with bars, found {strangers.height} of others, "
            f"first {strangers['session'][0]}"
        )
    if "known_at" in frame.columns and what == "targets":
        opens = market.calendar.select("session", fills_at=pl.col("open_at").shift(-1))
        late = frame.join(opens, on="session", how="left").filter(pl.col("known_at") >= pl.col("fills_at"))
        if late.height:
            row = late.row(0, named=True)
            raise LookAheadError(
                f"expected targets known before the open at which they fill, found {row['symbol']} of {row['session']} "
                f"known at {row['known_at'].isoformat()} for the open at {row['fills_at'].isoformat()} "
                f"({late.height} rows)"
            )


def by_targets(targets: pl.DataFrame, market: Market, first: int) -> Decider:
    """Return a decider that aims at the targets of each session."""
    kind = "weight" if "target_weight" in targets.columns else "shares"
    numbers = market.calendar["session"].search_sorted(targets["session"]).to_list()
    by_session: dict[int, list[Instruction]] = {}
    for number, symbol, amount in zip(
        numbers, targets["symbol"].to_list(), targets[f"target_{kind}"].to_list(), strict=True
    ):
        target = Target(symbol, amount, None) if kind == "weight" else Target(symbol, None, amount)
        by_session.setdefault(number, []).append(target)
    if by_session and min(by_session) < first:
        raise ValueError(f"expected targets from {market.sessions[first]} on, found earlier ones")

    def decide(session: int, equity: int, simulation: Simulation) -> Iterable[Instruction]:  # noqa: ARG001
        return by_session.get(session, ())

    return decide


def checked_tape(tape: pl.DataFrame, market: Market) -> pl.DataFrame:
    """Return the orders of a tape sorted by number, or raise what is wrong with them."""
    if missing := [name for name in TAPE_COLUMNS if name not in tape.columns]:
        raise ValueError(f"expected the columns of backtests.orders, missing {missing}")
    frame = tape.select(TAPE_COLUMNS).sort("order_number")
    if frame.is_empty() or frame["order_number"].is_duplicated().any():
        raise ValueError(f"expected orders of one run, found {frame.height} rows with repeated or no numbers")
    _check_sessions(frame, market, "orders")
    return frame


def by_tape(tape: pl.DataFrame, market: Market) -> Decider:
    """Return a decider that submits the orders of ``backtests.orders`` and takes back those that were cancelled.

    A bracket is put together from the orders that name their entry. When an order was cancelled follows from the
    instant at which its final state was known.
    """
    rows = tape.with_columns(pl.col("kind", "status").cast(pl.String)).to_dicts()
    entries = [row for row in rows if row["parent_number"] is None and row["kind"] != "settlement"]
    exits = [row for row in rows if row["parent_number"] is not None]
    brackets: dict[int, dict[str, float]] = {}
    for row in exits:
        leg = {"stop_price": row["stop_price"], "target_price": row["limit_price"]}
        given = {name: price for name, price in leg.items() if price is not None}
        brackets.setdefault(row["parent_number"], {}).update(given)
    closes = market.calendar["close_at"]
    submitted: dict[int, list[tuple[int, Order]]] = {}
    cancelled: dict[int, list[dict[str, Any]]] = {}
    for row in entries:
        legs = brackets.get(row["order_number"])
        order = Order(
            symbol=row["symbol"], quantity_shares=row["quantity_shares"], kind=row["kind"],
            limit_price=row["limit_price"], stop_price=row["stop_price"], is_day_order=row["is_day_order"],
            bracket=Bracket(**legs) if legs else None, idea_id=row["idea_id"],
        )  # fmt: skip
        submitted.setdefault(market.session_number(row["session"]), []).append((row["order_number"], order))
    for row in [*entries, *(row for row in exits if row["reason"] == BY_STRATEGY)]:
        if row["status"] == "cancelled":
            known = int(closes.search_sorted(row["known_at"], side="right")) - 1
            cancelled.setdefault(known, []).append(row)
    renumbered: dict[int, int] = {}

    def decide(session: int, equity: int, simulation: Simulation) -> Iterable[Instruction]:  # noqa: ARG001
        instructions: list[Instruction] = []
        for row in cancelled.get(session, ()):
            if row["parent_number"] is None:
                number = renumbered.get(row["order_number"], row["order_number"])
                # What a margin call submits is not of the tape: the engine submits it again under the same number.
                if row["order_number"] in renumbered or _is_margin_order(simulation, number, row["symbol"]):
                    instructions.append(Cancel(number))
                continue
            pair = simulation.orders.exits.get(renumbered.get(row["parent_number"], -1), Exits())
            leg = pair.target if row["stop_price"] is None else pair.stop
            if leg is not None:
                instructions.append(Cancel(leg.number))
        number = simulation.orders.next_number()
        for given_number, order in submitted.get(session, ()):
            renumbered[given_number] = number
            number += 1
            instructions.append(order)
        return instructions

    return decide


def _is_margin_order(simulation: Simulation, number: int, symbol: str) -> bool:
    order = simulation.orders.live.get(number)
    return order is not None and order.role == "margin" and order.symbol == symbol


@dataclass
class Taken:
    """What a strategy decided, for the hash of its inputs."""

    rows: list[tuple[dt.date, str, str]] = field(default_factory=list)

    def frame(self) -> pl.DataFrame:
        """Return the decisions with their sessions."""
        return pl.DataFrame(
            self.rows, schema={"session": pl.Date, "symbol": pl.String, "decision": pl.String}, orient="row"
        )


def by_strategy(
    decide_on: Decide,
    market: Market,
    configuration: Configuration,
    bars: KnownRows,
    tables: Mapping[str, KnownRows],
    delistings: Mapping[tuple[int, str], int | None],
    taken: Taken,
) -> Decider:
    """Return a decider that asks a strategy with a view of what is known after each close."""
    lag = dt.timedelta(minutes=configuration.decision_lag_minutes)
    closes = market.calendar["close_at"].to_list()
    listed = sorted(zip(market.first_bars.tolist(), market.symbols, strict=True))
    gone = {symbol: session for session, symbol in delistings}

    def decide(session: int, equity: int, simulation: Simulation) -> Iterable[Instruction]:
        day = market.sessions[session]
        held = {symbol: quantity / UNIT for symbol, quantity in sorted(simulation.ledger.quantities.items())}
        symbols = sorted(
            symbol for first, symbol in listed if first <= session and gone.get(symbol, session + 1) > session
        )
        view = View(
            day, closes[session] + lag, bars, equity / UNIT, held,
            symbols=symbols, resting_orders=_resting(simulation), tables=tables,
        )  # fmt: skip
        decision = decide_on(view)
        if isinstance(decision, Mapping):
            weights = sorted((symbol, float(weight)) for symbol, weight in decision.items())
            taken.rows.extend((day, symbol, repr(weight)) for symbol, weight in weights)
            return [Target(symbol, weight, None) for symbol, weight in weights]
        if isinstance(decision, str) or not isinstance(decision, Iterable):
            raise TypeError(
                f"expected weights by symbol or a list of Order and Cancel at {day}, found "
                f"{type(decision).__name__}: return an empty list to do nothing"
            )
        instructions = list(decision)
        if strange := [item for item in instructions if not isinstance(item, Order | Cancel)]:
            raise TypeError(
                f"expected weights by symbol or a list of Order and Cancel at {day}, found {type(strange[0]).__name__}"
            )
        taken.rows.extend((day, getattr(item, "symbol", ""), repr(item)) for item in instructions)
        return instructions

    return decide


def _resting(simulation: Simulation) -> list[RestingOrder]:
    return [
        RestingOrder(
            order.number, order.symbol, order.kind, order.remaining / UNIT,
            None if order.limit is None else order.limit / UNIT, None if order.stop is None else order.stop / UNIT,
            order.parent,
        )
        for order in simulation.orders.live.values()
    ]  # fmt: skip
