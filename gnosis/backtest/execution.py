"""Orders against one session's bars: at the open, inside the bar in its order of events, and at the close."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gnosis.backtest.conditions import Conditions
from gnosis.backtest.configuration import Configuration
from gnosis.backtest.fill_rules import Bar, Entered, Hit, exit_fill, limit_fill, stop_fill, stop_limit_fill
from gnosis.backtest.invariants import BarRecord, Expected
from gnosis.backtest.ledger import UNIT, Ledger, to_units
from gnosis.backtest.live_orders import LiveOrder, OrderBook
from gnosis.backtest.market import Market
from gnosis.backtest.meetings import Meeting, Moment, meetings_of, quotes_of
from gnosis.backtest.pricing import Pricing
from gnosis.backtest.settled_cash import SettledCash

if TYPE_CHECKING:
    from collections.abc import Callable

NO_BORROW = "no stock to borrow: set borrow_rate_per_year and a margin account for shorts"


@dataclass(frozen=True, slots=True)
class Fill:
    """One fill; sessions as numbers, money and shares in units of 1e-8, the instant in microseconds since 1970."""

    session: int
    order: LiveOrder
    quantity: int
    reference: int
    price: int
    spread: int
    impact: int
    fee: int
    at_us: int
    is_at_open: bool
    is_inside: bool
    is_ambiguous: bool
    stop_protecting: int | None


class Execution:
    """Fills orders of one run and books them.

    Parameters
    ----------
    market, conditions, configuration
        As given to the run.
    ledger, expected
        The books, and what the engine expects of them.
    orders
        All orders of the run.
    labels
        Where what had to be assumed is noted.
    moved
        Called with the symbol number after each change of a position.
    """

    def __init__(
        self,
        market: Market,
        conditions: Conditions,
        configuration: Configuration,
        ledger: Ledger,
        expected: Expected,
        orders: OrderBook,
        labels: set[str],
        moved: Callable[[int, int], None],
    ) -> None:
        self._market, self._conditions, self._configuration = market, conditions, configuration
        self._ledger, self._expected, self._orders, self._labels = ledger, expected, orders, labels
        self._moved = moved
        self._pricing = Pricing(market, conditions, configuration, labels)
        self._tick = to_units(configuration.tick_usd)
        self._on_quotes = configuration.fills_on == "quotes"
        self._latency_us = round(configuration.latency_seconds * 1e6)
        self._used: dict[int, int] = {}
        self._used_in_bar: dict[int, int] = {}
        self._used_by_side: dict[tuple[int, int], int] = {}
        self._settled = SettledCash(market, configuration, ledger, self._pricing, labels)
        self._open_us = market.calendar["open_at"].dt.epoch("us").to_list()
        self._close_us = market.calendar["close_at"].dt.epoch("us").to_list()
        self.fills: list[Fill] = []

    def trade(self, session: int, record: BarRecord) -> None:
        """Let every live order meet the bars of one session."""
        self._used.clear()
        self._used_in_bar.clear()
        self._used_by_side.clear()
        live = self._orders.live
        opens, at_open = self._market.opens[session], Moment(self._open_us[session], self._open_us[session])
        for order in list(live.values()):
            if order.is_at_open and order.number in live and not self._is_continuous(session, order):
                reference = int(opens[order.column])
                if reference:
                    self._fill(session, order, Hit(reference, True), at_open, record)
        if any(order.is_resting or self._is_continuous(session, order) for order in live.values()):
            self._rest(session, record)
        closes = self._market.closes[session]
        at_close = Moment(self._close_us[session], self._close_us[session], is_closing=True)
        for order in list(live.values()):
            if order.kind == "closing_auction" and order.number in live:
                reference = int(closes[order.column])
                if reference:
                    self._fill(session, order, Hit(reference, False), at_close, record)
        for order in list(live.values()):
            if order.is_day and order.session < session:
                self._orders.end(order, "expired", session, order.reason or "day order")

    def _rest(self, session: int, record: BarRecord) -> None:
        """Take resting orders through the finer bars of their symbol, or through the daily bar where there are none."""
        waiting = [
            order for order in self._orders.live.values() if order.is_resting or self._is_continuous(session, order)
        ]
        columns = sorted({order.column for order in waiting})
        began, ended = self._open_us[session], self._close_us[session]
        if self._on_quotes:
            steps = quotes_of(self._conditions, columns, began + self._latency_us, ended)
        else:
            steps = meetings_of(self._market, self._conditions, session, columns, began, ended)
        for meetings in steps:
            self._used_in_bar.clear()
            self._step(session, meetings, record)
        exits = self._orders.exits
        for number in [number for number, pair in exits.items() if not self._orders.is_alive(pair)]:
            del exits[number]

    def _is_continuous(self, session: int, order: LiveOrder) -> bool:
        """True for an order that trades at the first quote or finer bar of the session, not in its opening auction."""
        if not order.is_at_open or order.kind == "opening_auction":
            return False
        return self._on_quotes or (session, order.column) in self._conditions.intraday

    def _step(self, session: int, bars: dict[int, Meeting], record: BarRecord) -> None:
        seen: set[int] = set()
        for is_open in (True, False):
            self._pass(session, bars, record, is_open, seen)
        # Exits of entries made inside the bar are exposed to the rest of it.
        if any(exits.entered != "before" for exits in self._orders.exits.values()):
            self._pass(session, bars, record, False, seen)
        for exits in self._orders.exits.values():
            exits.entered = "before"
        for order in self._orders.live.values():
            if order.kind == "stop_limit" and order.column in bars and not order.is_triggered:
                order.is_triggered = self._stop_limit(order, bars[order.column].seen_by(order.side))[0]

    def _pass(
        self,
        session: int,
        bars: dict[int, Meeting],
        record: BarRecord,
        is_open: bool,
        seen: set[int],
    ) -> None:
        """Fill what is hit in one phase; inside the bar stops come first, or last under the opposite assumption."""
        waiting = [
            order
            for order in self._orders.live.values()
            if order.column in bars and (order.is_resting or self._is_continuous(session, order))
        ]
        if is_open:
            waiting.sort(key=lambda order: (not order.is_at_open, order.number))
        else:
            first = "limit" if self._configuration.opposite_intrabar else "stop"
            waiting.sort(
                key=lambda order: (
                    not order.kind.startswith(first) and not self._meets_before_stop(order),
                    order.number,
                )
            )
        for order in waiting:
            if order.number not in self._orders.live or order.number in seen:
                continue
            meeting = bars[order.column]
            if self._on_quotes and meeting.inside.priced_us < order.eligible_us + self._latency_us:
                continue
            bar = meeting.seen_by(order.side)
            hit = Hit(bar.open, True) if order.is_at_open else self._hit(order, bar)
            if hit is None or hit.at_open != is_open:
                continue
            if not is_open:
                seen.add(order.number)
            if order.kind == "stop":
                order.is_triggered = True
                self._orders.end_with(order, session, f"order {order.number} was triggered")
            if meeting.bid is not None:
                hit = hit._replace(price=meeting.bar.open)
            self._fill(session, order, hit, meeting.at_open if is_open else meeting.inside, record)

    def _meets_before_stop(self, order: LiveOrder) -> bool:
        """True for the rest of a limit entry: a price on its way to the stop of what was filled passes it first."""
        exits = self._orders.exits.get(order.number)
        stop = None if exits is None or exits.stop is None else exits.stop.stop
        return stop is not None and order.limit is not None and order.side * (order.limit - stop) > 0

    def _hit(self, order: LiveOrder, bar: Bar) -> Hit | None:
        touch = self._configuration.limit_touch_fills
        if order.parent is not None:
            exits = self._orders.exits[order.parent]
            live = [leg for leg in exits.legs() if leg.number in self._orders.live]
            stop = next((leg.stop for leg in live if leg is exits.stop), None)
            target = next((leg.limit for leg in live if leg is exits.target), None)
            hit = exit_fill(
                order.side, stop, target, bar, tick=self._tick, limit_touch_fills=touch,
                opposite_intrabar=self._configuration.opposite_intrabar, entered=exits.entered,
                entry_price=exits.entry_price,
            )  # fmt: skip
            return hit if hit is not None and hit.leg == order.role else None
        if order.kind == "stop":
            return stop_fill(order.side, order.stop, bar)  # type: ignore[arg-type]
        if order.kind == "limit":
            return limit_fill(order.side, order.limit, bar, tick=self._tick, limit_touch_fills=touch)  # type: ignore[arg-type]
        return self._stop_limit(order, bar)[1]

    def _stop_limit(self, order: LiveOrder, bar: Bar) -> tuple[bool, Hit | None]:
        return stop_limit_fill(
            order.side, order.stop, order.limit, bar, tick=self._tick,  # type: ignore[arg-type]
            limit_touch_fills=self._configuration.limit_touch_fills, is_triggered=order.is_triggered,
        )  # fmt: skip

    def _fill(self, session: int, order: LiveOrder, hit: Hit, at: Moment, record: BarRecord) -> None:
        side, symbol, column = order.side, order.symbol, order.column
        held = self._ledger.quantities.get(symbol, 0)
        wanted = abs(order.remaining)
        if order.parent is not None or order.role == "close_out" or (side < 0 and self._refuses_shorts()):
            # Exits, and sales where nothing can be borrowed, only ever reduce what is held.
            wanted = min(wanted, max(0, -side * held))
        room = self._pricing.room(session, column, at.fine_volume)
        if room is not None:
            left = min(room[0] - self._used.get(column, 0), room[1] - self._used_in_bar.get(column, 0))
            wanted = min(wanted, max(0, left))
        if wanted == 0:
            if order.parent is None and side < 0 and held <= 0 and self._refuses_shorts():
                self._orders.end(order, "rejected", session, NO_BORROW)
            return
        # Orders of one side that meet the same session are one parent: cutting an order up saves nothing.
        done = max(order.filled_before + abs(order.filled), self._used_by_side.get((column, side), 0))
        given = self._pricing.concession(session, column, side, hit.price, wanted, done, at.priced_us)
        if given is None:
            order.reason = order.reason or f"waits: no {self._configuration.slippage} cost is known yet"
            return
        price = hit.price + side * (given.spread + given.impact)
        quantity = side * given.quantity
        if price <= 0:
            raise ValueError(
                f"expected a fill above 0 $, found {price / UNIT} for {quantity / UNIT} shares of {symbol} at "
                f"{self._market.sessions[session]}: the concession exceeds the price; lower participation or impact"
            )
        if side > 0 and self._configuration.account == "cash":
            quantity = self._settled.affordable(session, price, quantity)
            if quantity == 0:
                order.reason = order.reason or "waits: no settled cash"
                return
        fee = self._pricing.fee(session, price, quantity)
        number = len(self.fills)
        value = self._ledger.trade(symbol, quantity, price, hit.price, fee, number)
        record.traded += value
        record.fees += fee
        record.touched.add(symbol)
        self._expected.slippage_exact += (price - hit.price) * quantity
        self._expected.n_fills += 1
        for used in (self._used, self._used_in_bar):
            used[column] = used.get(column, 0) + abs(quantity)
        self._used_by_side[column, side] = self._used_by_side.get((column, side), 0) + abs(quantity)
        self._pricing.took(column, side, abs(quantity), at.priced_us)
        is_inside = not hit.at_open and not at.is_closing
        self.fills.append(
            Fill(
                session, order, quantity, hit.price, price, given.spread, given.impact, fee, at.filled_us,
                hit.at_open, is_inside, hit.is_ambiguous, order.stop_protecting,
            )
        )  # fmt: skip
        if value < 0 and self._configuration.account == "cash":
            self._settled.sold(session, -value)
        order.filled += quantity
        self._moved(column, quantity)
        self._after(session, order, quantity, held, is_inside, hit.price, at.filled_us)

    def _after(
        self, session: int, order: LiveOrder, quantity: int, held: int, is_inside: bool, reference: int, at_us: int
    ) -> None:
        """Move the order's state on, cancel what it makes needless and activate what protects it."""
        orders = self._orders
        order.changed, order.reason = session, None
        if order.remaining == 0:
            orders.end(order, "filled", session)
        else:
            order.status = "partly_filled"
            self._labels.add("partial_fills")
        if order.parent is not None:
            other = orders.counterpart(order)
            if order.remaining == 0:
                orders.end_with(order, session, f"order {order.number} was filled")
            elif other is not None:
                other.quantity -= quantity
        left = held + quantity
        if orders.exits and (left == 0 or (held != 0 and (left > 0) != (held > 0))):
            self._drop_exits(session, order)
        if order.stop_protecting is not None or order.target_protecting is not None:
            entered: Entered = "before"
            if is_inside:
                entered = "by_limit" if order.kind == "limit" else "by_stop"
            orders.protect(order, quantity, session, entered, reference, at_us)

    def _drop_exits(self, session: int, order: LiveOrder) -> None:
        for exits in self._orders.exits.values():
            for leg in exits.legs():
                if leg.column == order.column and leg is not order:
                    self._orders.end(leg, "cancelled", session, "the position is closed")

    def _refuses_shorts(self) -> bool:
        return self._configuration.borrow_rate_per_year is None or self._configuration.account == "cash"
