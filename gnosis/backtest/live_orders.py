"""Orders inside the engine: their state from submission to the end, and which of them belong together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from gnosis.backtest.fill_rules import Entered
from gnosis.backtest.ledger import divide_half_even

Status = Literal["resting", "partly_filled", "filled", "cancelled", "expired", "rejected"]
BY_STRATEGY = "by the strategy"
Role = Literal["signal", "stop", "target", "close_out", "margin"]


@dataclass(slots=True)
class LiveOrder:
    """One order; money and shares in units of 1e-8, sessions as numbers.

    Attributes
    ----------
    number
        Order of submission.
    column
        Symbol number; -1 for a symbol without bars.
    session
        Session at whose close it was submitted.
    stop_protecting, target_protecting
        Prices of the bracket.
    parent
        Number of the entry that it protects.
    role
        What it is for, which becomes the reason of the exits it makes.
    is_aim
        True when it is on the way to a target position; a new target replaces it.
    filled
        Signed quantity filled.
    filled_before
        Shares that the same intent had filled under earlier numbers; impact does not start anew.
    is_triggered
        True once a stop was reached.
    eligible_us
        Instant from which it can meet a quote, microseconds since 1970; 0 for the open of its first session.
    changed
        Session of the latest change of state.
    submitted
        Quantity, limit and stop as submitted: what splits restate is not what was asked for.
    bracket_submitted
        Stop and target of the bracket as submitted, once a split has restated them.
    """

    number: int
    symbol: str
    column: int
    quantity: int
    kind: str
    session: int
    limit: int | None = None
    stop: int | None = None
    is_day: bool = False
    stop_protecting: int | None = None
    target_protecting: int | None = None
    idea_id: str | None = None
    parent: int | None = None
    role: Role = "signal"
    is_aim: bool = False
    filled: int = 0
    filled_before: int = 0
    is_triggered: bool = False
    eligible_us: int = 0
    status: Status = "resting"
    reason: str | None = None
    changed: int = 0
    submitted: tuple[int, int | None, int | None] | None = None
    bracket_submitted: tuple[int | None, int | None] | None = None

    @property
    def asked(self) -> tuple[int, int | None, int | None]:
        """Quantity, limit and stop as submitted; for exits as they grew with the entry."""
        if self.submitted is None:
            return self.quantity, self.limit, self.stop
        quantity, limit, stop = self.submitted
        return (quantity if self.parent is None else self.quantity), limit, stop

    @property
    def side(self) -> int:
        """1 for a buy, -1 for a sale."""
        return 1 if self.quantity > 0 else -1

    @property
    def remaining(self) -> int:
        """Signed quantity still to be filled."""
        return self.quantity - self.filled

    @property
    def is_at_open(self) -> bool:
        """True for orders that trade at the next open: a stop once triggered is a market order."""
        return self.kind in ("market", "opening_auction") or (self.kind == "stop" and self.is_triggered)

    @property
    def is_resting(self) -> bool:
        """True for orders that wait for a price."""
        return self.kind in ("limit", "stop_limit") or (self.kind == "stop" and not self.is_triggered)

    def split(self, numerator: int, denominator: int) -> None:
        """Restate quantities and prices for a split; whole orders stay whole where the ratio allows."""
        self.submitted = self.asked
        if self.bracket_submitted is None:
            self.bracket_submitted = self.stop_protecting, self.target_protecting
        for name in ("quantity", "filled", "filled_before"):
            setattr(self, name, divide_half_even(getattr(self, name) * numerator, denominator))
        for name in ("limit", "stop", "stop_protecting", "target_protecting"):
            price = getattr(self, name)
            if price is not None:
                setattr(self, name, divide_half_even(price * denominator, numerator))


@dataclass(slots=True)
class Exits:
    """The legs that protect one entry, and when in the current bar and at what price it was entered."""

    stop: LiveOrder | None = None
    target: LiveOrder | None = None
    entered: Entered = "before"
    entry_price: int | None = None

    def legs(self) -> list[LiveOrder]:
        """Return the legs there are."""
        return [leg for leg in (self.stop, self.target) if leg is not None]


@dataclass(slots=True)
class OrderBook:
    """All orders of a run by number, those still alive among them, and the brackets by number of their entry."""

    all: list[LiveOrder] = field(default_factory=list)
    live: dict[int, LiveOrder] = field(default_factory=dict)
    exits: dict[int, Exits] = field(default_factory=dict)

    def next_number(self) -> int:
        """Return the number of the next order."""
        return len(self.all)

    def submit(self, order: LiveOrder) -> None:
        """Take an order in."""
        order.changed = order.session
        self.all.append(order)
        self.live[order.number] = order

    def reject(self, order: LiveOrder, reason: str) -> None:
        """Keep an order that is not taken, with the reason."""
        order.changed, order.status, order.reason = order.session, "rejected", reason
        self.all.append(order)

    def end(self, order: LiveOrder, status: Status, session: int, reason: str | None = None) -> None:
        """End a live order; one that has ended already stays as it is."""
        if self.live.pop(order.number, None) is not None:
            order.status, order.changed = status, session
            order.reason = order.reason if reason is None else reason

    def protect(self, entry: LiveOrder, quantity: int, session: int, entered: Entered, price: int, at_us: int) -> None:
        """Let the bracket of ``entry`` protect ``quantity`` more shares, signed as the entry, entered at ``price``."""
        exits = self.exits.get(entry.number)
        if exits is None:
            exits = self.exits[entry.number] = Exits()
            given = (entry.stop_protecting, entry.target_protecting)
            stop, target = given if entry.bracket_submitted is None else entry.bracket_submitted
            legs: tuple[tuple[int | None, str, Role, tuple[int | None, int | None]], ...] = (
                (entry.stop_protecting, "stop", "stop", (None, stop)),
                (entry.target_protecting, "limit", "target", (target, None)),
            )
            for level, kind, role, asked in legs:
                if level is None:
                    continue
                leg = LiveOrder(
                    self.next_number(), entry.symbol, entry.column, -quantity, kind, entry.session,
                    limit=level if kind == "limit" else None, stop=level if kind == "stop" else None,
                    parent=entry.number, role=role, idea_id=entry.idea_id, submitted=(-quantity, *asked),
                    eligible_us=at_us,
                )  # fmt: skip
                self.submit(leg)
                leg.changed = session
                setattr(exits, role, leg)
            exits.entered, exits.entry_price = entered, price
            return
        for leg in exits.legs():
            if leg.number in self.live:
                leg.quantity -= quantity
        exits.entered, exits.entry_price = entered, price

    def is_alive(self, exits: Exits) -> bool:
        """True while a leg of the bracket is live."""
        return any(leg.number in self.live for leg in exits.legs())

    def counterpart(self, leg: LiveOrder) -> LiveOrder | None:
        """Return the other leg of a bracket while it is live."""
        exits = Exits() if leg.parent is None else self.exits.get(leg.parent, Exits())
        other = exits.target if leg is exits.stop else exits.stop
        return other if other is not None and other.number in self.live else None

    def end_with(self, leg: LiveOrder, session: int, reason: str) -> None:
        """Cancel what one leg of a bracket makes needless: the other leg and the rest of the entry."""
        other = self.counterpart(leg)
        if other is not None:
            self.end(other, "cancelled", session, reason)
        if leg.parent is not None:
            self.end(self.all[leg.parent], "cancelled", session, reason)
