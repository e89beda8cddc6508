"""Orders at the snapshot of a session: all legs from one chain or none, legging one by one, forced closing."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from gnosis.backtest.options.account import Account, OrderRecord
from gnosis.backtest.options.configuration import OptionsConfiguration
from gnosis.backtest.options.contracts import contract_of
from gnosis.backtest.options.fills import QuoteFill, fill_from_quote, largest_quantity, oldest_usable
from gnosis.backtest.options.market import OptionsMarket, Session
from gnosis.backtest.options.orders import OptionOrder

BASIS_POINTS = 1e4


@dataclass(slots=True)
class Working:
    """An order that has not ended: the records of its legs and the earliest instant of a quote that can fill it."""

    order: OptionOrder
    legs: list[OrderRecord]
    eligible_at: dt.datetime


@dataclass(slots=True)
class _Snapshot:
    """The chain of one underlying, with what this session's fills already took of it by contract and side."""

    session: Session
    at: dt.datetime
    spot: float
    taken: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))


class Execution:
    """Fills the orders of one run."""

    def __init__(self, market: OptionsMarket, account: Account, configuration: OptionsConfiguration) -> None:
        self.market, self.account, self.configuration = market, account, configuration
        self.working: list[Working] = []
        self._underlyings = {symbol: symbol for symbol in market.symbols}
        self._snapshots: dict[str, _Snapshot] = {}

    def submit(self, session: Session, orders: Iterable[OptionOrder]) -> None:
        """Take orders decided after the close of a session; they are eligible from the next open on."""
        eligible_at = session.next_open_at + dt.timedelta(seconds=self.configuration.latency_seconds)
        for order in orders:
            kind = "market" if order.limit_usd is None else "limit"
            legs = [
                self.account.submit(session.day, leg.contract, leg.quantity, kind, order)  # type: ignore[arg-type]
                for leg in order.legs
            ]
            self.working.append(Working(order, legs, eligible_at))

    def open_session(self) -> None:
        """Forget the snapshots of the session before."""
        self._snapshots = {}

    def run(self, session: Session) -> None:
        """Try every working order at the snapshot of a session."""
        quotes = self.market.quotes(session.day, {leg.contract for working in self.working for leg in working.legs})
        self._underlyings |= {name: quote["symbol"] for name, quote in quotes.items()}
        for working in self.working:
            snapshot = self._snapshot_of(working, session)
            if snapshot is None or snapshot.at < working.eligible_at:
                continue
            if working.order.legging:
                self._try_first_leg(working, quotes, snapshot)
            else:
                self._try_all_legs(working, quotes, snapshot)
        self.working = [item for item in self.working if any(leg.status == "resting" for leg in item.legs)]

    def _snapshot_of(self, working: Working, session: Session) -> _Snapshot | None:
        """Return the snapshot that an order meets, None when it waits for one or was rejected without one."""
        names = [leg.contract for leg in working.legs]
        symbols = sorted({self._underlyings[name] for name in names if name in self._underlyings})
        if len(symbols) == 1:
            return self._snapshot(session, symbols[0])
        chain = self.market.chains.get(session.day)
        if symbols:
            _end(working.legs, "rejected", f"legs of several underlyings: {', '.join(symbols)}")
        elif chain is not None and chain["ts"].max() >= working.eligible_at:  # type: ignore[operator]
            _end(working.legs, "rejected", f"no_quote: {', '.join(names)}")
        return None

    def force_close(self, session: Session, names: Iterable[str]) -> None:
        """Close positions for lack of margin at the snapshot of a session: shorts first, as much as quotes allow."""
        chosen = sorted(names, key=lambda name: (self.account.held(name) > 0, name))
        quotes = self.market.quotes(session.day, set(chosen))
        for name in chosen:
            contract = self.account.contracts.get(name)
            snapshot = self._snapshot(session, name if contract is None else contract.underlying)
            if snapshot is None or (contract is not None and not contract.trades_in(session.day)):
                continue
            quantity = -self.account.held(name)
            if contract is not None and name in quotes:
                side = "ask" if quantity > 0 else "bid"
                taken = snapshot.taken[(name, side)]
                largest = largest_quantity(quotes[name], side, taken, self.configuration)  # type: ignore[arg-type]
                if largest:
                    quantity = max(min(quantity, largest), -largest)
            record = self.account.submit(session.day, name, quantity, "market")
            found = self._offer(name, quantity, quotes, snapshot, session.open_at)
            if isinstance(found, str):
                record.status, record.reason = "rejected", found
            else:
                self._book(record, found, snapshot, "margin")

    def cancel_all(self, reason: str) -> None:
        """Cancel what is working."""
        for working in self.working:
            _end(working.legs, "cancelled", reason)
        self.working = []

    def _try_all_legs(self, working: Working, quotes: dict[str, dict[str, Any]], snapshot: _Snapshot) -> None:
        offers = [
            self._offer(leg.contract, leg.quantity, quotes, snapshot, working.eligible_at) for leg in working.legs
        ]
        reasons = [
            f"{offer}: {leg.contract}"
            for leg, offer in zip(working.legs, offers, strict=True)
            if isinstance(offer, str)
        ]
        if reasons:
            _end(working.legs, "rejected", "; ".join(reasons))
            return
        fills = [offer for offer in offers if isinstance(offer, QuoteFill)]
        if working.order.limit_usd is not None:
            cost = sum(
                leg.quantity * fill.price * self._multiplier(leg.contract, quotes)
                for leg, fill in zip(working.legs, fills, strict=True)
            )
            if cost > working.order.limit_usd:
                if working.order.is_day_order:
                    _end(working.legs, "cancelled", "limit")
                return
        for leg, fill in zip(working.legs, fills, strict=True):
            self._book(leg, fill, snapshot, "signal", quotes)

    def _try_first_leg(self, working: Working, quotes: dict[str, dict[str, Any]], snapshot: _Snapshot) -> None:
        first, *rest = [leg for leg in working.legs if leg.status == "resting"]
        offer = self._offer(first.contract, first.quantity, quotes, snapshot, working.eligible_at)
        if isinstance(offer, str):
            first.status, first.reason = "rejected", f"{offer}: {first.contract}"
            _end(rest, "cancelled", f"an earlier leg was rejected: {first.contract}")
            return
        self._book(first, offer, snapshot, "signal", quotes)
        working.eligible_at = snapshot.at + dt.timedelta(microseconds=1)

    def _offer(
        self,
        name: str,
        quantity: int,
        quotes: dict[str, dict[str, Any]],
        snapshot: _Snapshot,
        eligible_at: dt.datetime,
    ) -> QuoteFill | str:
        """Return the fill of a leg at a snapshot, or why there is none."""
        if name in self.market.symbols:
            if snapshot.at < eligible_at:
                return "stale"
            against = 1 if quantity > 0 else -1
            price = snapshot.spot * (1 + against * self.configuration.stock_slippage_bps / BASIS_POINTS)
            return QuoteFill(price, snapshot.spot, "", "ask" if quantity > 0 else "bid", snapshot.at, None)
        quote = quotes.get(name)
        if quote is None:
            return "no_quote"
        contract = contract_of(quote)
        day = snapshot.session
        if not contract.trades_in(day.day) or (contract.settles_on == day.day and quote["ts"] >= day.close_at):
            return "not_trading"
        taken = snapshot.taken[(name, "ask" if quantity > 0 else "bid")]
        return fill_from_quote(quote, quantity, taken, eligible_at, snapshot.at, self.configuration)

    def _book(
        self,
        leg: OrderRecord,
        fill: QuoteFill,
        snapshot: _Snapshot,
        exit_reason: Any,
        quotes: dict[str, dict[str, Any]] | None = None,
    ) -> None:
        is_share = leg.contract in self.market.symbols
        if is_share:
            self.account.events.labels.add("stock_at_spot")
        elif quotes is not None:
            self.account.contracts.setdefault(leg.contract, contract_of(quotes[leg.contract]))
        snapshot.taken[(leg.contract, fill.side)] += abs(leg.quantity)
        quote = None if is_share else fill
        self.account.fill(
            leg, snapshot.session.day, fill.at, leg.quantity, fill.price, fill.reference, exit_reason, quote
        )

    def _snapshot(self, session: Session, symbol: str) -> _Snapshot | None:
        if symbol not in self._snapshots:
            latest = self.market.latest_quote(session.day, symbol)
            if latest is None:
                return None
            self._snapshots[symbol] = _Snapshot(session, latest["ts"], latest["spot"])
        return self._snapshots[symbol]

    def _multiplier(self, name: str, quotes: dict[str, dict[str, Any]]) -> int:
        return 1 if name in self.market.symbols else int(quotes[name]["multiplier"])

    def is_usable(self, quote: dict[str, Any], session: Session) -> bool:
        """Return whether a quote is young enough to mark at."""
        snapshot = self._snapshot(session, quote["symbol"])
        return snapshot is not None and quote["ts"] >= oldest_usable(snapshot.at, self.configuration)


def _end(legs: list[OrderRecord], status: str, reason: str) -> None:
    for leg in legs:
        if leg.status == "resting":
            leg.status, leg.reason = status, reason
