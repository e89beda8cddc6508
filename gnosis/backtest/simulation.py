"""One pass over the sessions: charges and corporate actions, fills at the open, marks and decisions at the close."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from gnosis.backtest.configuration import DAYS_PER_YEAR, Configuration
from gnosis.backtest.costs import sqrt_concession_usd_per_share
from gnosis.backtest.invariants import BarRecord, Expected, check_bar
from gnosis.backtest.ledger import UNIT, Ledger, divide_half_even, to_units
from gnosis.backtest.market import Market

RATE_UNIT = UNIT
_BPS = RATE_UNIT // 10_000


@dataclass(frozen=True, slots=True)
class Decision:
    """A target for one symbol: a share of equity or a number of shares, exactly one of them."""

    symbol: str
    weight: float | None = None
    shares: float | None = None


@dataclass(slots=True)
class Order:
    """What is still to be traded to reach ``target``; a new target on the same side continues the same parent."""

    target: int
    side: int
    signal: int
    filled: int = 0


@dataclass(frozen=True, slots=True)
class Fill:
    """One fill; session and signal as session numbers, money and shares in units of 1e-8."""

    session: int
    symbol: str
    quantity: int
    reference: int
    price: int
    fee: int
    signal: int


@dataclass(frozen=True, slots=True)
class Close:
    """Ledger totals at one close, in units of 1e-8."""

    session: int
    cash: int
    positions: int
    gross: int
    record: BarRecord
    slippage: int
    n_stale: int


@dataclass(slots=True)
class Events:
    """What the run wrote down."""

    fills: list[Fill] = field(default_factory=list)
    closes: list[Close] = field(default_factory=list)
    actions: list[tuple[int, str, str, float, float]] = field(default_factory=list)
    labels: set[str] = field(default_factory=set)


Decide = Callable[[int, int, dict[str, int]], Iterable[Decision]]
"""Called after each close with session number, equity and positions (units of 1e-8); returns new targets."""


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
    """

    def __init__(
        self, market: Market, configuration: Configuration, delistings: dict[tuple[int, str], int | None]
    ) -> None:
        self.market = market
        self.configuration = configuration
        deposit = to_units(configuration.initial_cash_usd)
        self.ledger = Ledger(deposit)
        self.expected = Expected(deposit=deposit, equity=deposit)
        self.events = Events()
        self.orders: dict[str, Order] = {}
        self.marks: dict[str, int] = {}
        self.values: dict[str, int] = {}
        self._delistings = delistings
        self._delisted: set[str] = set()
        self._number = {symbol: number for number, symbol in enumerate(market.symbols)}
        self._sessions = market.calendar["session"].to_list()
        multiple = configuration.cost_multiple
        self._fee_rate = round(configuration.fee_bps * multiple * _BPS)
        self._slippage_rate = round(configuration.slippage_bps * multiple * _BPS)
        self._margin_rate = round(configuration.margin_rate_per_year * multiple * RATE_UNIT)
        self._borrow_rate = round((configuration.borrow_rate_per_year or 0.0) * multiple * RATE_UNIT)

    def run(self, first: int, decide: Decide) -> Events:
        """Step through the sessions from number ``first`` to the last bar."""
        self._read_marks_before(first)
        for session in range(first, len(self._sessions)):
            record = BarRecord()
            memo = self.ledger.slippage
            if session > first:
                self._charge(session, record)
            self._act(session, record)
            self._fill(session, record)
            equity, n_stale = self._mark(session, record)
            self.events.closes.append(
                Close(
                    session=session,
                    cash=self.ledger.accounts["cash"],
                    positions=sum(self.values.values()),
                    gross=sum(map(abs, self.values.values())),
                    record=record,
                    slippage=self.ledger.slippage - memo,
                    n_stale=n_stale,
                )
            )
            self._decide(session, equity, decide)
        return self.events

    def _read_marks_before(self, first: int) -> None:
        for symbol, number in self._number.items():
            known = self.market.closes[:first, number]
            if known.any():
                self.marks[symbol] = int(known[known > 0][-1])

    def _charge(self, session: int, record: BarRecord) -> None:
        days = (self._sessions[session] - self._sessions[session - 1]).days
        for value in self.values.values():
            if value < 0:
                amount = divide_half_even(-value * self._borrow_rate * days, RATE_UNIT * DAYS_PER_YEAR)
                self.ledger.charge("borrow", amount)
                record.borrow += amount
        owed = -self.ledger.accounts["cash"]
        if owed > 0:
            amount = divide_half_even(owed * self._margin_rate * days, RATE_UNIT * DAYS_PER_YEAR)
            self.ledger.charge("interest", amount)
            record.interest += amount

    def _act(self, session: int, record: BarRecord) -> None:
        concerned = sorted(self.ledger.quantities.keys() | self.orders.keys())
        for symbol in concerned:
            action = self.market.actions.get((session, self._number[symbol]))
            if action is None:
                continue
            numerator, denominator = action.split_numerator, action.split_denominator
            if numerator != denominator:
                self.ledger.split(symbol, numerator, denominator)
                record.touched.add(symbol)
                if symbol in self.expected.quantities:
                    held = self.expected.quantities[symbol]
                    self.expected.quantities[symbol] = divide_half_even(held * numerator, denominator)
                if symbol in self.orders:
                    order = self.orders[symbol]
                    order.target = divide_half_even(order.target * numerator, denominator)
                    order.filled = divide_half_even(order.filled * numerator, denominator)
                self.events.actions.append((session, symbol, "split", numerator / denominator, 0.0))
            if action.dividend and symbol in self.ledger.quantities:
                amount = self.ledger.dividend(symbol, action.dividend)
                record.dividends += amount
                self.events.actions.append((session, symbol, "dividend", action.dividend / UNIT, amount / UNIT))
        for symbol in self._number:
            if (session, symbol) in self._delistings:
                self._delist(session, symbol, record)

    def _delist(self, session: int, symbol: str, record: BarRecord) -> None:
        self._delisted.add(symbol)
        self.orders.pop(symbol, None)
        held = self.ledger.quantities.get(symbol, 0)
        if not held:
            return
        price = self._delistings[session, symbol]
        if price is None:
            price = 0 if held > 0 else self.marks[symbol]
            self.events.labels.add("delisted_without_price")
        record.traded += self.ledger.trade(symbol, -held, price, price, 0)
        record.touched.add(symbol)
        self._tally(symbol, -held)
        self.events.actions.append((session, symbol, "delisting", price / UNIT, price * held / UNIT**2))

    def _tally(self, symbol: str, quantity: int) -> None:
        held = self.expected.quantities.get(symbol, 0) + quantity
        if held:
            self.expected.quantities[symbol] = held
        else:
            self.expected.quantities.pop(symbol, None)

    def _fill(self, session: int, record: BarRecord) -> None:
        opens = self.market.opens[session]
        for symbol in sorted(self.orders, key=lambda name: (self.orders[name].signal, name)):
            number = self._number[symbol]
            reference = int(opens[number])
            if reference == 0:
                continue
            order = self.orders[symbol]
            remaining = order.target - self.ledger.quantities.get(symbol, 0)
            quantity = order.side * min(abs(remaining), self._room(session, number, abs(remaining)))
            if quantity == 0:
                continue
            concession = self._concession(session, number, reference, abs(quantity), order.filled)
            if concession is None:
                self.events.labels.add("waited_for_history")
                continue
            price = reference + order.side * concession
            if price <= 0:
                raise ValueError(
                    f"expected a fill above 0 $, found {price / UNIT} for {quantity / UNIT} shares of {symbol} at "
                    f"{self._sessions[session]}: the concession exceeds the price; lower participation or impact"
                )
            fee = divide_half_even(abs(price * quantity) * self._fee_rate, UNIT * RATE_UNIT)
            record.traded += self.ledger.trade(symbol, quantity, price, reference, fee)
            record.fees += fee
            record.touched.add(symbol)
            self._tally(symbol, quantity)
            self.expected.slippage_exact += (price - reference) * quantity
            self.expected.n_fills += 1
            self.events.fills.append(Fill(session, symbol, quantity, reference, price, fee, order.signal))
            order.filled += abs(quantity)
            if quantity == remaining:
                del self.orders[symbol]
            else:
                self.events.labels.add("partial_fills")

    def _room(self, session: int, number: int, wanted: int) -> int:
        """Return the largest quantity that the bar can take; none when its volume is not known."""
        if self.configuration.participation is None:
            return wanted
        volume = float(self.market.volumes[session, number])
        average = float(self.market.adv_shares[session, number])
        if not (math.isfinite(volume) and math.isfinite(average)):
            self.events.labels.add("waited_for_history")
            return 0
        return math.floor(self.configuration.participation * min(volume, average)) * UNIT

    def _concession(self, session: int, number: int, reference: int, quantity: int, filled: int) -> int | None:
        if self.configuration.slippage == "proportional":
            return divide_half_even(reference * self._slippage_rate, RATE_UNIT)
        sigma_d = float(self.market.sigma_d[session, number])
        average = float(self.market.adv_shares[session, number])
        if not (math.isfinite(sigma_d) and average > 0):
            return None
        price = reference / UNIT
        per_share = sqrt_concession_usd_per_share(
            price,
            quantity / UNIT,
            spread_usd=price * self.configuration.spread_bps / 10_000,
            sigma_d=sigma_d,
            adv_shares=average,
            impact_coefficient=self.configuration.impact_coefficient,
            filled_before_shares=filled / UNIT,
        )
        return to_units(per_share * self.configuration.cost_multiple)

    def _mark(self, session: int, record: BarRecord) -> tuple[int, int]:
        closes = self.market.closes[session].tolist()
        for symbol, price in zip(self.market.symbols, closes, strict=True):
            if price:
                self.marks[symbol] = price
        n_stale = sum(closes[self._number[symbol]] == 0 for symbol in self.ledger.quantities)
        self.values = self.ledger.market_values(self.marks)
        where = str(self._sessions[session])
        return check_bar(where, self.ledger, self.values, record, self.expected), n_stale

    def _decide(self, session: int, equity: int, decide: Decide) -> None:
        if equity <= 0:
            self.events.labels.add("ruined")
            decisions: Iterable[Decision] = [Decision(symbol, shares=0.0) for symbol in sorted(self.ledger.quantities)]
            self.orders.clear()
        else:
            decisions = decide(session, equity, self.ledger.quantities)
        for decision in decisions:
            self._aim(session, equity, decision)

    def _aim(self, session: int, equity: int, decision: Decision) -> None:
        symbol, day = decision.symbol, self._sessions[session]
        target = self._target_units(equity, decision, day)
        if target and symbol in self._delisted:
            raise ValueError(f"expected targets of listed symbols, found {symbol} at {day} after its delisting")
        if target < 0 and self.configuration.borrow_rate_per_year is None:
            raise ValueError(
                f"expected no shorts without a borrow rate, found a short target of {symbol} at {day}: "
                "set borrow_rate_per_year"
            )
        remaining = target - self.ledger.quantities.get(symbol, 0)
        before = self.orders.pop(symbol, None)
        if remaining == 0:
            return
        side = 1 if remaining > 0 else -1
        filled = before.filled if before is not None and before.side == side else 0
        self.orders[symbol] = Order(target, side, session, filled)

    def _target_units(self, equity: int, decision: Decision, day: dt.date) -> int:
        amount = decision.shares if decision.weight is None else decision.weight
        if amount is None or not math.isfinite(amount):
            raise ValueError(f"expected a finite target, found {amount} for {decision.symbol} at {day}")
        if decision.symbol not in self._number:
            raise ValueError(
                f"expected targets of symbols with bars, found {decision.symbol!r} at {day}: load its bars"
            )
        if decision.weight is None or amount == 0:
            return math.trunc(amount) * UNIT
        price = self.marks.get(decision.symbol)
        if price is None:
            raise ValueError(
                f"expected a bar of {decision.symbol} at or before {day} to size its target, found none: load its bars"
            )
        value = to_units(amount) * equity
        whole = abs(value) // (UNIT * price)
        return (whole if value > 0 else -whole) * UNIT
