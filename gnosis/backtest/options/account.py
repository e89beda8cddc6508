"""The books of an options backtest: the ledger, what is held, what it is marked at, and everything that happened.

The ledger counts contracts and takes their price in $ per contract; quotes, fills and strikes are in $ per share.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Literal

from gnosis.backtest.invariants import BarRecord, Expected, check_bar
from gnosis.backtest.ledger import UNIT, Ledger, divide_half_even, to_units
from gnosis.backtest.options.configuration import OptionsConfiguration
from gnosis.backtest.options.contracts import Contract
from gnosis.backtest.options.fills import QuoteFill
from gnosis.backtest.options.orders import OptionOrder

Exit = Literal["signal", "margin", "expiry", "exercise", "assignment"]
Kind = Literal["market", "limit", "settlement"]


@dataclass(slots=True)
class OrderRecord:
    """One leg of an order with what became of it."""

    number: int
    session: dt.date
    contract: str
    quantity: int
    kind: Kind
    order: OptionOrder | None
    reason: str | None = None
    status: str = "resting"
    filled: int = 0


@dataclass(frozen=True, slots=True)
class FillRecord:
    """One fill; prices in $ per share, fee and slippage in units of 1e-8 $."""

    order: OrderRecord
    session: dt.date
    at: dt.datetime
    quantity: int
    price: float
    reference: float
    fee: int
    slippage: int
    exit: Exit
    quote: QuoteFill | None


@dataclass(frozen=True, slots=True)
class SettlementRecord:
    """An expiry, exercise or assignment: which rule decided at which price, and whether it was uncertain."""

    session: dt.date
    contract: str
    event: Literal["expiry", "exercise", "assignment", "early_assignment"]
    quantity: int
    price: float
    rule: str
    is_pin_risk: bool


@dataclass(frozen=True, slots=True)
class StateRecord:
    """What was held of a contract after a session in which it was quoted, filled or settled, for attribution."""

    session: dt.date
    contract: str
    quantity: int
    spot: float
    at: dt.datetime


@dataclass(frozen=True, slots=True)
class CloseRecord:
    """The books at a close, in units of 1e-8 $."""

    session: dt.date
    cash: int
    positions: int
    liquidation: int
    gross: int
    net: int
    slippage: int
    margin_usd: float
    n_stale: int
    record: BarRecord


@dataclass(slots=True)
class Mark:
    """Last usable quote of a contract, or price of a share, in $ per share."""

    bid: float
    ask: float
    is_stale: bool = False

    @property
    def mid(self) -> float:
        """Mean of bid and ask."""
        return (self.bid + self.ask) / 2


@dataclass(slots=True)
class Events:
    """Everything that happened, in order."""

    orders: list[OrderRecord] = field(default_factory=list)
    fills: list[FillRecord] = field(default_factory=list)
    settlements: list[SettlementRecord] = field(default_factory=list)
    states: list[StateRecord] = field(default_factory=list)
    closes: list[CloseRecord] = field(default_factory=list)
    marks: list[tuple[dt.date, str, float]] = field(default_factory=list)
    dividends: list[tuple[dt.date, str, float]] = field(default_factory=list)
    labels: set[str] = field(default_factory=set)


class Account:
    """Ledger, contracts and marks of one run."""

    def __init__(self, configuration: OptionsConfiguration) -> None:
        deposit = to_units(configuration.initial_cash_usd)
        self.configuration = configuration
        self.ledger = Ledger(deposit)
        self.expected = Expected(deposit, deposit)
        self.record = BarRecord()
        self.contracts: dict[str, Contract] = {}
        self.marks: dict[str, Mark] = {}
        self.events = Events()
        self._slippage_before = 0

    def held(self, name: str) -> int:
        """Return signed contracts or shares held."""
        return self.ledger.quantities.get(name, 0) // UNIT

    def options_held(self) -> list[Contract]:
        """Return the contracts held, sorted by name."""
        return [self.contracts[name] for name in sorted(self.ledger.quantities) if name in self.contracts]

    def shares_held(self) -> list[str]:
        """Return the symbols of shares held, sorted."""
        return [name for name in sorted(self.ledger.quantities) if name not in self.contracts]

    def multiplier(self, name: str) -> int:
        """Return the multiplier of a contract, 1 for shares."""
        return self.contracts[name].multiplier if name in self.contracts else 1

    def submit(
        self, session: dt.date, contract: str, quantity: int, kind: Kind, order: OptionOrder | None = None
    ) -> OrderRecord:
        """Write down an order for one contract."""
        record = OrderRecord(len(self.events.orders), session, contract, quantity, kind, order)
        self.events.orders.append(record)
        return record

    def fill(
        self,
        order: OrderRecord,
        session: dt.date,
        at: dt.datetime,
        quantity: int,
        price: float,
        reference: float,
        exit_reason: Exit,
        quote: QuoteFill | None = None,
    ) -> None:
        """Book a fill of an order; contracts filled from a quote pay the commission."""
        name, multiplier = order.contract, self.multiplier(order.contract)
        per_contract = self.configuration.fee_per_contract_usd
        fee = to_units(per_contract) * abs(quantity) if quote is not None else 0
        units, paid, fair = quantity * UNIT, to_units(price) * multiplier, to_units(reference) * multiplier
        before = self.ledger.slippage
        self.record.traded += self.ledger.trade(name, units, paid, fair, fee)
        self.record.fees += fee
        self.record.touched.add(name)
        self._expect(name, units)
        self.expected.slippage_exact += (paid - fair) * units
        self.expected.n_fills += 1
        order.filled += quantity
        order.status = "filled" if order.filled == order.quantity else "partly_filled"
        slippage = self.ledger.slippage - before
        self.events.fills.append(
            FillRecord(order, session, at, quantity, price, reference, fee, slippage, exit_reason, quote)
        )

    def settle(
        self, session: dt.date, at: dt.datetime, name: str, quantity: int, price: float, exit_reason: Exit
    ) -> None:
        """Book contracts that end, or shares delivered, at a price that nobody quoted."""
        order = self.submit(session, name, quantity, "settlement")
        self.fill(order, session, at, quantity, price, price, exit_reason)

    def split(self, symbol: str, numerator: int, denominator: int) -> None:
        """Multiply the shares held of a symbol."""
        self.ledger.split(symbol, numerator, denominator)
        if symbol in self.ledger.quantities:
            self.expected.quantities[symbol] = divide_half_even(
                self.expected.quantities[symbol] * numerator, denominator
            )
            self.record.touched.add(symbol)

    def dividend(self, session: dt.date, symbol: str, per_share: float) -> None:
        """Book a cash dividend on shares held, on its ex-date."""
        held = self.ledger.quantities.get(symbol, 0)
        if held:
            amount = divide_half_even(held * to_units(per_share), UNIT)
            self.ledger.post(f"dividend of {symbol}", cash=amount, dividends=-amount)
            self.record.dividends += amount
            self.record.dividends_paid += amount
            self.events.dividends.append((session, symbol, per_share))

    def charge(self, account: Literal["borrow", "interest"], amount: int) -> None:
        """Pay borrow or interest."""
        if amount:
            self.ledger.charge(account, amount)
            setattr(self.record, account, getattr(self.record, account) + amount)

    def close(self, session: dt.date, margin_usd: float) -> CloseRecord:
        """Mark to market, check the invariants and open the record of the next session.

        Raises
        ------
        LedgerError
            When an invariant of the books fails.
        """
        ledger, marks = self.ledger, self.marks
        mids = {name: to_units(marks[name].mid) * self.multiplier(name) for name in ledger.quantities}
        sides = {
            name: to_units(marks[name].bid if held > 0 else marks[name].ask) * self.multiplier(name)
            for name, held in ledger.quantities.items()
        }
        values = ledger.market_values(mids)
        check_bar(session, ledger, sum(values.values()), self.record, self.expected)
        cash = ledger.accounts["cash"]
        closed = CloseRecord(
            session=session,
            cash=cash,
            positions=sum(values.values()),
            liquidation=cash + sum(ledger.market_values(sides).values()),
            gross=sum(abs(value) for value in values.values()),
            net=sum(values.values()),
            slippage=ledger.slippage - self._slippage_before,
            margin_usd=margin_usd,
            n_stale=sum(marks[name].is_stale for name in ledger.quantities),
            record=self.record,
        )
        self._slippage_before = ledger.slippage
        self.record = BarRecord()
        self.events.closes.append(closed)
        self.events.marks.extend((session, name, marks[name].mid) for name in sorted(ledger.quantities))
        return closed

    def _expect(self, name: str, units: int) -> None:
        held = self.expected.quantities.get(name, 0) + units
        if held:
            self.expected.quantities[name] = held
        else:
            self.expected.quantities.pop(name, None)
