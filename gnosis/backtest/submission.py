"""Decisions at a close become orders: targets are sized, orders are taken or refused, cancels take back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from gnosis.backtest.configuration import Configuration
from gnosis.backtest.execution import NO_BORROW
from gnosis.backtest.ledger import UNIT, Ledger, to_units
from gnosis.backtest.live_orders import BY_STRATEGY, LiveOrder, OrderBook, Role
from gnosis.backtest.market import Market
from gnosis.backtest.orders import Cancel, Order


@dataclass(frozen=True, slots=True)
class Target:
    """A position to reach in one symbol: a share of equity or a number of shares, exactly one of them."""

    symbol: str
    weight: float | None = None
    shares: float | None = None


class Submission:
    """Where decisions of one run arrive.

    Parameters
    ----------
    market, configuration
        As given to the run.
    ledger
        Books, for the positions.
    orders
        All orders of the run.
    columns
        Symbol number by symbol.
    """

    def __init__(
        self,
        market: Market,
        configuration: Configuration,
        ledger: Ledger,
        orders: OrderBook,
        columns: Mapping[str, int],
    ) -> None:
        self._market, self._configuration, self._ledger, self._orders = market, configuration, ledger, orders
        self._column = columns
        self._aims: dict[str, LiveOrder] = {}
        self.delisted: set[str] = set()

    def cancel(self, session: int, cancel: Cancel) -> None:
        """Take back what is left of an order."""
        if not 0 <= cancel.order_number < len(self._orders.all):
            raise ValueError(
                f"expected to cancel one of the {len(self._orders.all)} orders so far, found {cancel.order_number} at "
                f"{self._market.sessions[session]}: use the numbers of view.resting_orders"
            )
        self._orders.end(self._orders.all[cancel.order_number], "cancelled", session, BY_STRATEGY)

    def submit(self, session: int, order: Order) -> None:
        """Take an order in, or keep it as rejected with the reason."""

        def units(price: float | None) -> int | None:
            return None if price is None else to_units(price)

        bracket = order.bracket
        live = LiveOrder(
            self._orders.next_number(), order.symbol, self._column.get(order.symbol, -1),
            to_units(order.quantity_shares), order.kind, session, units(order.limit_price), units(order.stop_price),
            order.is_day_order,
            stop_protecting=None if bracket is None else units(bracket.stop_price),
            target_protecting=None if bracket is None else units(bracket.target_price),
            idea_id=order.idea_id,
        )  # fmt: skip
        reason = self._refusal(session, live)
        if reason is None:
            self._orders.submit(live)
        else:
            self._orders.reject(live, reason)

    def _refusal(self, session: int, order: LiveOrder) -> str | None:
        """Return why no market would take the order, or None."""
        if order.column < 0 or self._market.first_bars[order.column] > session:
            return f"no bar of {order.symbol} is known: load its bars"
        if order.symbol in self.delisted:
            return f"{order.symbol} was delisted"
        if order.kind == "stop_limit" and order.side * (order.limit - order.stop) < 0:  # type: ignore[operator]
            return "the limit lies on the wrong side of the stop: a sale needs it at or below, a purchase at or above"
        if order.side < 0 and (
            self._configuration.borrow_rate_per_year is None or self._configuration.account == "cash"
        ):
            waiting = (other for other in self._orders.live.values() if other.symbol == order.symbol)
            sold = sum(other.remaining for other in waiting if other.parent is None and other.side < 0)
            bought = sum(
                other.remaining
                for other in self._orders.live.values()
                if other.symbol == order.symbol and other.parent is None and other.side > 0
            )
            if self._ledger.quantities.get(order.symbol, 0) + bought + sold + order.quantity < 0:
                return NO_BORROW
        return None

    def aim(self, session: int, equity: int, target: Target, role: Role) -> None:
        """Submit what leads from the position to the target, in place of what was on the way to an earlier one."""
        symbol, day = target.symbol, self._market.sessions[session]
        wanted = self._target_units(session, equity, target)
        if wanted and symbol in self.delisted:
            raise ValueError(f"expected targets of listed symbols, found {symbol} at {day} after its delisting")
        if wanted < 0 and (self._configuration.borrow_rate_per_year is None or self._configuration.account == "cash"):
            raise ValueError(
                f"expected no shorts without a borrow rate, found a short target of {symbol} at {day}: "
                "set borrow_rate_per_year and a margin account"
            )
        remaining = wanted - self._ledger.quantities.get(symbol, 0)
        before = self._aims.pop(symbol, None)
        is_live = before is not None and before.number in self._orders.live
        if before is not None and is_live:
            if remaining == before.remaining:
                self._aims[symbol] = before
                return
            self._orders.end(before, "cancelled", session, "replaced by a new target")
        if remaining == 0:
            return
        carried = 0
        if before is not None and is_live and before.remaining * remaining > 0:
            carried = before.filled_before + abs(before.filled)
        order = LiveOrder(
            self._orders.next_number(), symbol, self._column[symbol], remaining, "market", session,
            role=role, is_aim=True, filled_before=carried,
        )  # fmt: skip
        self._orders.submit(order)
        self._aims[symbol] = order

    def _target_units(self, session: int, equity: int, target: Target) -> int:
        day = self._market.sessions[session]
        amount = target.shares if target.weight is None else target.weight
        if amount is None or not math.isfinite(amount):
            raise ValueError(f"expected a finite target, found {amount} for {target.symbol} at {day}")
        column = self._column.get(target.symbol)
        if column is None:
            raise ValueError(f"expected targets of symbols with bars, found {target.symbol!r} at {day}: load its bars")
        if target.weight is None or amount == 0:
            return math.trunc(amount) * UNIT
        price = int(self._market.marks[session, column])
        if price == 0:
            raise ValueError(
                f"expected a bar of {target.symbol} at or before {day} to size its target, found none: load its bars"
            )
        value = to_units(amount) * equity
        whole = abs(value) // (UNIT * price)
        return (whole if value > 0 else -whole) * UNIT
