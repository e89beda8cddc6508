"""One pass over the sessions: charges and corporate actions, orders, marks and invariants, then the decision."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from gnosis.backtest.conditions import Conditions
from gnosis.backtest.configuration import DAYS_PER_YEAR, Configuration
from gnosis.backtest.execution import Execution, Fill
from gnosis.backtest.invariants import BarRecord, Expected, check_bar
from gnosis.backtest.ledger import UNIT, Ledger, divide_half_even, to_units
from gnosis.backtest.live_orders import LiveOrder, OrderBook, Role
from gnosis.backtest.market import Market
from gnosis.backtest.orders import Cancel, Order
from gnosis.backtest.positions import Positions
from gnosis.backtest.submission import Submission, Target


@dataclass(frozen=True, slots=True)
class Close:
    """Ledger totals at one close, in units of 1e-8."""

    session: int
    cash: int
    positions: int
    gross: int
    receivable: int
    payable: int
    record: BarRecord
    slippage: int
    n_stale: int

    @property
    def equity(self) -> int:
        """Cash, positions and dividends due."""
        return self.cash + self.positions + self.receivable - self.payable


@dataclass(frozen=True, slots=True)
class Delisted:
    """A position that a delisting ended: number of the exit in the ledger, session, price and quantity."""

    number: int
    session: int
    symbol: str
    price: int


@dataclass(slots=True)
class Events:
    """What the run wrote down."""

    fills: list[Fill] = field(default_factory=list)
    closes: list[Close] = field(default_factory=list)
    actions: list[tuple[int, str, str, float, float]] = field(default_factory=list)
    delisted: list[Delisted] = field(default_factory=list)
    labels: set[str] = field(default_factory=set)


def _kept(quantity: int, equity: int, required: int) -> float:
    """Return the whole shares of a position for which the equity is enough margin."""
    whole = abs(quantity) * equity // (required * UNIT)
    return float(whole if quantity > 0 else -whole)


Instruction = Target | Order | Cancel
Decider = Callable[[int, int, "Simulation"], Iterable[Instruction]]
"""Called after each close with session number and equity (units of 1e-8); returns what to do from the next open on."""


class Simulation:
    """State of one backtest.

    Parameters
    ----------
    market
        Bars by session and symbol.
    configuration
        Costs and limits.
    delistings
        (session number, symbol) -> last price in units of 1e-8, or None when it is not known.
    conditions
        What is known beside daily bars.
    """

    def __init__(
        self,
        market: Market,
        configuration: Configuration,
        delistings: dict[tuple[int, str], int | None],
        conditions: Conditions | None = None,
    ) -> None:
        self.market, self.configuration = market, configuration
        self.conditions = Conditions() if conditions is None else conditions
        deposit = to_units(configuration.initial_cash_usd)
        self.ledger = Ledger(deposit)
        self.expected = Expected(deposit=deposit, equity=deposit)
        self.events = Events()
        self.orders = OrderBook()
        self.positions = Positions(market, configuration, self.expected)
        self._execution = Execution(
            market, self.conditions, configuration, self.ledger, self.expected, self.orders, self.events.labels,
            self.positions.add,
        )  # fmt: skip
        self.events.fills = self._execution.fills
        self._column = {symbol: number for number, symbol in enumerate(market.symbols)}
        self._has_gap = (market.closes == 0).any(axis=1).tolist()
        self._submission = Submission(market, configuration, self.ledger, self.orders, self._column)
        self._delistings = {(session, self._column[symbol]): price for (session, symbol), price in delistings.items()}
        self._actions: dict[int, list[int]] = {}
        for session, column in sorted({*market.actions, *self._delistings}):
            self._actions.setdefault(session, []).append(column)
        self._due: dict[int, list[tuple[str, int]]] = {}
        multiple = configuration.cost_multiple
        self._margin_rate = round(configuration.margin_rate_per_year * multiple * UNIT)
        self._borrow_rate = round((configuration.borrow_rate_per_year or 0.0) * multiple * UNIT)
        self._cash_rate = round(configuration.cash_rate_per_year * UNIT)

    def run(self, first: int, decide: Decider) -> Events:
        """Step through the sessions from number ``first`` to the last bar."""
        market, ledger = self.market, self.ledger
        last = len(market.sessions) - 1
        for session in range(first, last + 1):
            record = BarRecord()
            memo = ledger.slippage
            if session > first:
                self._charge(session, record)
            if session in self._actions:
                self._act(session, record)
            for symbol, amount in self._due.pop(session, ()):
                self._pay(symbol, amount, record)
            if self.configuration.close_out and session == last:
                self._close_out(session)
            if self.orders.live:
                self._execution.trade(session, record)
            positions, gross = self.positions.mark(session)
            equity = check_bar(market.sessions[session], ledger, positions, record, self.expected)
            accounts = ledger.accounts
            self.events.closes.append(
                Close(
                    session, accounts["cash"], positions, gross, accounts["receivables"], -accounts["payables"], record,
                    ledger.slippage - memo, self._stale(session),
                )
            )  # fmt: skip
            if self.configuration.close_out and session == last and ledger.quantities:
                self.events.labels.add("close_out_incomplete")
            self._decide(session, equity, self.positions.margin(positions, gross), decide)
        return self.events

    def _charge(self, session: int, record: BarRecord) -> None:
        days = (self.market.sessions[session] - self.market.sessions[session - 1]).days
        if self._borrow_rate:
            rate = self._borrow_rate * days
            amount = sum(divide_half_even(-value * rate, UNIT * DAYS_PER_YEAR) for value in self.positions.shorts())
            if amount:
                self.ledger.charge("borrow", amount)
                record.borrow += amount
        cash = self.ledger.accounts["cash"]
        rate = self._margin_rate if cash < 0 else self._cash_rate
        amount = divide_half_even(-cash * rate * days, UNIT * DAYS_PER_YEAR) if rate else 0
        if amount:
            self.ledger.charge("interest", amount)
            record.interest += amount

    def _act(self, session: int, record: BarRecord) -> None:
        for column in self._actions[session]:
            action, symbol = self.market.actions.get((session, column)), self.market.symbols[column]
            if action is not None and action.split_numerator != action.split_denominator:
                self._split(session, column, action.split_numerator, action.split_denominator, record)
            if action is not None and action.dividend and symbol in self.ledger.quantities:
                amount = self.ledger.dividend(symbol, action.dividend)
                record.dividends += amount
                self.events.actions.append((session, symbol, "dividend", action.dividend / UNIT, amount / UNIT))
                paid = self.conditions.pay_sessions.get((session, column), session)
                if paid <= session:
                    self._pay(symbol, amount, record)
                else:
                    self._due.setdefault(paid, []).append((symbol, amount))
            if (session, column) in self._delistings:
                self._delist(session, column, record)

    def _pay(self, symbol: str, amount: int, record: BarRecord) -> None:
        self.ledger.settle_dividend(symbol, amount)
        record.dividends_paid += amount

    def _split(self, session: int, column: int, numerator: int, denominator: int, record: BarRecord) -> None:
        symbol = self.market.symbols[column]
        orders = [order for order in self.orders.live.values() if order.column == column]
        held = self.expected.quantities.get(symbol, 0)
        if not held and not orders:
            return
        self.ledger.split(symbol, numerator, denominator)
        record.touched.add(symbol)
        self.positions.put(column, divide_half_even(held * numerator, denominator))
        for order in orders:
            order.split(numerator, denominator)
        self.events.actions.append((session, symbol, "split", numerator / denominator, 0.0))

    def _delist(self, session: int, column: int, record: BarRecord) -> None:
        symbol = self.market.symbols[column]
        self._submission.delisted.add(symbol)
        for order in [order for order in self.orders.live.values() if order.column == column]:
            self.orders.end(order, "cancelled", session, f"{symbol} was delisted")
        held = self.ledger.quantities.get(symbol, 0)
        if not held:
            return
        price = self._delistings[session, column]
        if price is None:
            price = 0 if held > 0 else int(self.market.marks[session, column])
            self.events.labels.add("delisted_without_price")
        number = -2 - len(self.events.delisted)
        record.traded += self.ledger.trade(symbol, -held, price, price, 0, number)
        record.touched.add(symbol)
        self.positions.add(column, -held)
        self.events.delisted.append(Delisted(number, session, symbol, price))
        self.events.actions.append((session, symbol, "delisting", price / UNIT, price * held / UNIT**2))

    def _stale(self, session: int) -> int:
        if not self._has_gap[session]:
            return 0
        closes = self.market.closes[session]
        return sum(int(closes[self._column[symbol]]) == 0 for symbol in self.ledger.quantities)

    def _decide(self, session: int, equity: int, required: int, decide: Decider) -> None:
        instructions: Iterable[Instruction]
        role: Role = "signal"
        if equity <= 0:
            self.events.labels.add("ruined")
            for order in list(self.orders.live.values()):
                self.orders.end(order, "cancelled", session, "equity is not positive")
            instructions = [Target(symbol, shares=0.0) for symbol in sorted(self.ledger.quantities)]
            role = "margin"
        elif equity < required:
            self.events.labels.add("margin_call")
            for order in list(self.orders.live.values()):
                # Exits stay: they only ever reduce what is held.
                if order.parent is None:
                    self.orders.end(order, "cancelled", session, "margin call")
            held = sorted(self.ledger.quantities.items())
            instructions = [Target(symbol, shares=_kept(quantity, equity, required)) for symbol, quantity in held]
            role = "margin"
        else:
            instructions = decide(session, equity, self)
        for instruction in instructions:
            if isinstance(instruction, Target):
                self._submission.aim(session, equity, instruction, role)
            elif isinstance(instruction, Cancel):
                self._submission.cancel(session, instruction)
            else:
                self._submission.submit(session, instruction)

    def _close_out(self, session: int) -> None:
        """Let every position meet the last closing auction, at its costs; nothing is entered any more."""
        for order in list(self.orders.live.values()):
            if order.parent is None:
                self.orders.end(order, "cancelled", session, "the run ends")
        for symbol, held in sorted(self.ledger.quantities.items()):
            self.orders.submit(
                LiveOrder(
                    self.orders.next_number(), symbol, self._column[symbol], -held, "closing_auction", session - 1,
                    role="close_out",
                )
            )  # fmt: skip
