"""Round trips of contracts and shares, first in first out."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import Any

from gnosis.backtest.ledger import UNIT
from gnosis.backtest.options.account import Account, FillRecord


@dataclass(slots=True)
class _Open:
    """What is left of an entry."""

    number: int
    fill: FillRecord
    quantity: int
    dividends_usd: float = 0.0
    path: list[float] = field(default_factory=list)


def round_trips(account: Account, sessions: list[dt.date]) -> list[dict[str, Any]]:
    """Return one row per round trip, in the order of entries and exits, those still open last.

    Shares of fees and slippage follow the quantity. The worst and best open results are those at the marks of the
    sessions between entry and exit, as chains have no highs and lows.
    """
    events = account.events
    ordinal = {day: number for number, day in enumerate(sessions)}
    marks: dict[dt.date, dict[str, float]] = defaultdict(dict)
    for session, name, mid in events.marks:
        marks[session][name] = mid
    paid: dict[dt.date, list[tuple[str, float]]] = defaultdict(list)
    for session, symbol, per_share in events.dividends:
        paid[session].append((symbol, per_share))
    fills: dict[dt.date, list[FillRecord]] = defaultdict(list)
    for fill in events.fills:
        fills[fill.session].append(fill)

    lots: dict[str, deque[_Open]] = defaultdict(deque)
    done: list[dict[str, Any]] = []
    number = 0
    for session in sessions:
        for symbol, per_share in paid[session]:
            for lot in lots[symbol]:
                lot.dividends_usd += per_share * lot.quantity
        for fill in fills[session]:
            left, queue = fill.quantity, lots[fill.order.contract]
            while left and queue and (queue[0].quantity > 0) != (left > 0):
                lot = queue[0]
                part = min(abs(left), abs(lot.quantity)) * (1 if lot.quantity > 0 else -1)
                done.append(_row(account, lot, part, fill, fill.price, ordinal[session] - ordinal[lot.fill.session]))
                lot.dividends_usd -= lot.dividends_usd * part / lot.quantity
                lot.quantity -= part
                left += part
                if not lot.quantity:
                    queue.popleft()
            if left:
                queue.append(_Open(number, fill, left))
                number += 1
        for name, mid in marks[session].items():
            for lot in lots[name]:
                lot.path.append(mid)
    last = sessions[-1]
    for name in sorted(lots):
        for lot in lots[name]:
            held = ordinal[last] - ordinal[lot.fill.session]
            done.append(_row(account, lot, lot.quantity, None, account.marks[name].mid, held))
    return done


def _row(
    account: Account, lot: _Open, quantity: int, closed: FillRecord | None, price: float, held: int
) -> dict[str, Any]:
    entry, name = lot.fill, lot.fill.order.contract
    multiplier = account.multiplier(name)
    share = abs(quantity / entry.quantity)
    exit_share = abs(quantity / closed.quantity) if closed is not None else 0.0
    fees = entry.fee * share + (closed.fee * exit_share if closed is not None else 0.0)
    slippage = entry.slippage * share + (closed.slippage * exit_share if closed is not None else 0.0)
    dividends = lot.dividends_usd * quantity / lot.quantity
    open_results = [(mid - entry.price) * quantity * multiplier for mid in lot.path]
    return {
        "entry_number": lot.number,
        "symbol": name,
        "side": "long" if quantity > 0 else "short",
        "quantity_shares": float(abs(quantity)),
        "entry_session": entry.session,
        "exit_session": None if closed is None else closed.session,
        "entry_price": entry.price,
        "exit_price": price,
        "profit_usd": (price - entry.price) * quantity * multiplier - fees / UNIT + dividends,
        "fees_usd": fees / UNIT,
        "slippage_usd": slippage / UNIT,
        "dividends_usd": dividends,
        "initial_risk_usd": None,
        "mae_usd": min([0.0, *open_results]),
        "mfe_usd": max([0.0, *open_results]),
        "holding_sessions": held,
        "exit_reason": None if closed is None else closed.exit,
        "is_ambiguous": False,
        "idea_id": None if entry.order.order is None else entry.order.order.idea_id,
    }
