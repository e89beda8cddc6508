"""The session loop of an options backtest.

Within each session: interest and borrow, splits and dividends, pins of the day before, morning settlement; orders at
the snapshot; afternoon settlement and early assignment at the close; marks, margin and invariants; then the decision,
whose orders meet the next snapshot at the earliest.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence

import polars as pl

from gnosis.backtest.ledger import UNIT, divide_half_even, to_units
from gnosis.backtest.options.account import Account, CloseRecord, Events, Mark, StateRecord
from gnosis.backtest.options.configuration import DAYS_PER_YEAR, OptionsConfiguration
from gnosis.backtest.options.contracts import OptionsDataError
from gnosis.backtest.options.execution import Execution
from gnosis.backtest.options.fills import is_two_sided
from gnosis.backtest.options.margin import Held, required_margin
from gnosis.backtest.options.market import OptionsMarket, Session
from gnosis.backtest.options.orders import OptionOrder
from gnosis.backtest.options.settling import Settling
from gnosis.backtest.options.view import OptionsView

Decide = Callable[[OptionsView], Sequence[OptionOrder]]


class Simulation:
    """One run over the sessions of a market."""

    def __init__(self, market: OptionsMarket, configuration: OptionsConfiguration) -> None:
        self.market, self.configuration = market, configuration
        self.account = Account(configuration)
        self.execution = Execution(market, self.account, configuration)
        self.settling = Settling(market, self.account, configuration)
        self._spots: dict[str, float] = {}
        self._has_deficit = False
        self._first_fill = self._first_state = 0
        self._chains: dict[dt.date, pl.DataFrame] = {}
        self._greeks: dict[dt.date, pl.DataFrame] = {}

    def run(self, decide: Decide) -> Events:
        """Go through all sessions and return what happened."""
        before: Session | None = None
        for session in self.market.sessions:
            self.execution.open_session()
            self._first_fill, self._first_state = len(self.account.events.fills), len(self.account.events.states)
            self._before_open(session, before)
            if self._has_deficit:
                self.execution.cancel_all("margin deficit")
                self.execution.force_close(session, list(self.account.ledger.quantities))
            self.execution.run(session)
            self.settling.at_close(session)
            self._mark(session)
            closed = self._close(session)
            self.execution.submit(session, decide(self._view(session, closed)))
            before = session
        return self.account.events

    def _before_open(self, session: Session, before: Session | None) -> None:
        account, configuration = self.account, self.configuration
        if before is not None:
            days = (session.day - before.day).days
            owed = max(-account.ledger.accounts["cash"], 0)
            account.charge("interest", _accrued(owed, configuration.margin_rate_per_year, days))
            marks = {name: to_units(account.marks[name].mid) for name in account.shares_held()}
            short = sum(
                max(-divide_half_even(price * account.ledger.quantities[name], UNIT), 0)
                for name, price in marks.items()
            )
            account.charge("borrow", _accrued(short, configuration.borrow_rate_per_year, days))
        for action in self.market.actions.get(session.day, []):
            self._act(session, action)
        self.settling.before_open(session)

    def _act(self, session: Session, action: dict[str, object]) -> None:
        symbol = str(action["symbol"])
        numerator, denominator = int(str(action["split_numerator"])), int(str(action["split_denominator"]))
        if (numerator, denominator) != (1, 1):
            held = [contract.name for contract in self.account.options_held() if contract.underlying == symbol]
            if held:
                raise OptionsDataError(
                    f"{symbol} splits {numerator} for {denominator} on {session.day} while {held} are held: contracts "
                    "are adjusted and their deliverables are not stored. Close options before the ex-date"
                )
            self.account.split(symbol, numerator, denominator)
            if symbol in self.account.marks:
                mark = self.account.marks[symbol]
                ratio = denominator / numerator
                self.account.marks[symbol] = Mark(mark.bid * ratio, mark.ask * ratio, mark.is_stale)
        self.account.dividend(session.day, symbol, float(str(action["dividend_usd"])))

    def _mark(self, session: Session) -> None:
        """Mark options at their quotes and shares at their close; what has no usable one keeps its last, stale."""
        account = self.account
        for symbol in self.market.symbols:
            bar = self.market.bar(session.day, symbol)
            if bar is not None:
                self._spots[symbol] = bar.close
            elif symbol not in self._spots and (latest := self.market.latest_quote(session.day, symbol)):
                self._spots[symbol] = latest["spot"]
        for symbol in account.shares_held():
            bar = self.market.bar(session.day, symbol)
            if bar is not None:
                account.marks[symbol] = Mark(bar.close, bar.close)
            elif symbol in account.marks:
                account.marks[symbol].is_stale = True
            else:
                account.marks[symbol] = Mark(self._spots[symbol], self._spots[symbol], is_stale=True)
        names = {contract.name for contract in account.options_held()}
        filled = {fill.order.contract for fill in account.events.fills[self._first_fill :]}
        quotes = self.market.quotes(session.day, names | (filled & set(account.contracts)))
        for name in sorted(quotes):
            quote = quotes[name]
            if not (is_two_sided(quote) and self.execution.is_usable(quote, session)):
                continue
            if name in names and name not in self.settling.pinned:
                account.marks[name] = Mark(quote["bid"], quote["ask"])
            account.events.states.append(StateRecord(session.day, name, account.held(name), quote["spot"], quote["ts"]))
        fresh = {state.contract for state in account.events.states[self._first_state :]}
        for name in sorted(names - fresh - self.settling.pinned):
            account.marks[name].is_stale = True

    def _close(self, session: Session) -> CloseRecord:
        margin_usd = 0.0
        shares = set(self.account.shares_held())
        held: dict[str, list[Held]] = {symbol: [] for symbol in sorted(shares)}
        for contract in self.account.options_held():
            position = Held(contract, self.account.held(contract.name), self.account.marks[contract.name].mid)
            held.setdefault(contract.underlying, []).append(position)
        for symbol in sorted(held):
            owned = self.account.ledger.quantities.get(symbol, 0) / UNIT
            margin_usd += required_margin(self._spots[symbol], owned, held[symbol], self.configuration)
        closed = self.account.close(session.day, margin_usd)
        in_shares = sum(
            divide_half_even(to_units(self.account.marks[symbol].mid) * self.account.ledger.quantities[symbol], UNIT)
            for symbol in shares
        )
        self._has_deficit = (closed.cash + in_shares) / UNIT < margin_usd
        if self._has_deficit:
            self.account.events.labels.add("margin_deficit")
        return closed

    def _view(self, session: Session, closed: CloseRecord) -> OptionsView:
        lag = dt.timedelta(minutes=self.configuration.decision_lag_minutes)
        known_at = self.market.known[session.day]["known_at"].to_list()
        self._chains[session.day] = self.market.chains.get(session.day, self.market.empty_chain)
        self._greeks[session.day] = self.market.greeks.get(session.day, self.market.empty_greeks)
        bars = self.market.bars
        return OptionsView(
            session=session.day,
            now=max((session.close_at + lag, *known_at)),
            equity_usd=(closed.cash + closed.positions) / UNIT,
            liquidation_usd=closed.liquidation / UNIT,
            cash_usd=closed.cash / UNIT,
            margin_usd=closed.margin_usd,
            positions={name: self.account.held(name) for name in sorted(self.account.ledger.quantities)},
            _chains=self._chains,
            _bars=bars.head(int(bars["session"].search_sorted(session.day, side="right"))),
            _greeks=self._greeks,
        )


def _accrued(value: int, rate_per_year: float, days: int) -> int:
    """Return simple interest on a value in units of 1e-8, ACT/360."""
    return divide_half_even(value * to_units(rate_per_year) * days, UNIT * DAYS_PER_YEAR)
