"""Fixed-point double-entry ledger with first-in first-out lots.

Money, prices and quantities are Python integers in units of 1e-8 (price times quantity passes 64 bits). A posting is
computed exactly and rounded once, half-even. Debits are positive, credits negative, and all accounts sum to zero. The
cost of a short position is negative: its proceeds are in cash.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

UNIT = 10**8
ACCOUNTS = (
    "cash", "positions", "receivables", "payables", "fees", "borrow", "interest", "dividends", "realised", "deposits",
)  # fmt: skip


class LedgerError(RuntimeError):
    """The books do not balance; the message names the invariant and the numbers."""


def to_units(value: float) -> int:
    """Return a float as an integer count of 1e-8, rounded half-even."""
    return round(value * UNIT)


def divide_half_even(numerator: int, denominator: int) -> int:
    """Return the quotient rounded to the nearest integer, halves to even.

    Examples
    --------
    >>> [divide_half_even(n, 2) for n in (1, 3, -1, -3)]
    [0, 2, 0, -2]
    """
    quotient, rest = divmod(numerator, denominator)
    return quotient + (2 * rest > denominator or (2 * rest == denominator and quotient % 2 == 1))


@dataclass(slots=True)
class Lot:
    """Shares bought or sold short together: signed quantity and signed cost, both in units of 1e-8.

    ``entry`` is the number of the fill that opened it and ``shares_per_first`` what splits made of a share since then.
    """

    quantity: int
    cost: int
    entry: int = -1
    shares_per_first: float = 1.0


@dataclass(frozen=True, slots=True)
class Closing:
    """A lot, or a part of one, that a trade closed: what it cost and what it was closed at, in units of 1e-8."""

    entry: int
    exit: int
    quantity: int
    shares_per_first: float
    cost: int
    value: int


class Ledger:
    """Accounts, lots and the slippage memo of one backtest.

    Parameters
    ----------
    deposit
        Initial cash in units of 1e-8 dollars.

    Examples
    --------
    >>> ledger = Ledger(to_units(100_000))
    >>> ledger.trade("SPY", to_units(100), to_units(101.0505), to_units(101.0), to_units(10.10505))
    1010505000000
    >>> ledger.accounts["cash"] / UNIT, ledger.slippage / UNIT
    (89884.84495, 5.05)
    """

    def __init__(self, deposit: int) -> None:
        self.accounts = dict.fromkeys(ACCOUNTS, 0)
        self.lots: dict[str, deque[Lot]] = {}
        self.quantities: dict[str, int] = {}
        self.slippage = 0
        self.closings: list[Closing] = []
        self.post("deposit", cash=deposit, deposits=-deposit)

    def post(self, event: str, **amounts: int) -> None:
        """Book one event; its entries must sum to zero (invariant I3)."""
        if sum(amounts.values()) != 0:
            raise LedgerError(f"I3: expected the postings of {event} to sum to 0, found {amounts}")
        for account, amount in amounts.items():
            self.accounts[account] += amount

    def trade(self, symbol: str, quantity: int, price: int, reference: int, fee: int, number: int = -1) -> int:
        """Buy (positive) or sell shares at ``price``; return the signed traded value.

        Slippage is a memo: it lies inside the price and is charged nowhere else. ``number`` is that of the fill.
        """
        value = divide_half_even(price * quantity, UNIT)
        lots = self.lots.setdefault(symbol, deque())
        remaining, cost_closed, closed = quantity, 0, []
        while remaining and lots and (lots[0].quantity > 0) != (remaining > 0):
            lot = lots[0]
            if abs(remaining) >= abs(lot.quantity):
                remaining += lot.quantity
                cost_closed += lot.cost
                closed.append((lot, lot.quantity, lot.cost))
                lots.popleft()
            else:
                part = divide_half_even(lot.cost * abs(remaining), abs(lot.quantity))
                lot.quantity += remaining
                lot.cost -= part
                cost_closed += part
                closed.append((lot, -remaining, part))
                remaining = 0
        value_closed = divide_half_even(price * (quantity - remaining), UNIT)
        value_opened = value - value_closed
        if closed:
            self._note(closed, value_closed, quantity - remaining, number)
        if remaining:
            lots.append(Lot(remaining, value_opened, number))
        held = self.quantities.get(symbol, 0) + quantity
        if held:
            self.quantities[symbol] = held
        else:
            self.quantities.pop(symbol, None)
        self.slippage += divide_half_even((price - reference) * quantity, UNIT)
        self.post(
            f"trade of {symbol}",
            cash=-value - fee,
            positions=value_opened - cost_closed,
            realised=value_closed + cost_closed,
            fees=fee,
        )
        return value

    def _note(self, closed: list[tuple[Lot, int, int]], value: int, quantity: int, number: int) -> None:
        """Keep what each lot was closed at; the parts add up to the value of the trade to the last unit."""
        left = -value
        for lot, part, cost in closed[:-1]:
            share = divide_half_even(abs(value) * part, abs(quantity))
            left -= share
            self.closings.append(Closing(lot.entry, number, part, lot.shares_per_first, cost, share))
        lot, part, cost = closed[-1]
        self.closings.append(Closing(lot.entry, number, part, lot.shares_per_first, cost, left))

    def split(self, symbol: str, numerator: int, denominator: int) -> None:
        """Multiply the shares of ``symbol`` by numerator/denominator; cost and cash do not change.

        Fractions of a share stay in the position until it is next traded.
        """
        held = self.quantities.get(symbol, 0)
        if not held:
            return
        lots = self.lots[symbol]
        total = divide_half_even(held * numerator, denominator)
        rest = total
        for lot in list(lots)[:-1]:
            lot.quantity = divide_half_even(lot.quantity * numerator, denominator)
            rest -= lot.quantity
        for lot in lots:
            lot.shares_per_first *= numerator / denominator
        lots[-1].quantity = rest
        self.quantities[symbol] = total

    def dividend(self, symbol: str, per_share: int) -> int:
        """Book a cash dividend on its ex-date, due to longs and owed by shorts; return the signed amount.

        It is cash only when :meth:`settle_dividend` pays it.
        """
        amount = divide_half_even(self.quantities.get(symbol, 0) * per_share, UNIT)
        account = "receivables" if amount > 0 else "payables"
        self.post(f"dividend of {symbol}", **{account: amount, "dividends": -amount})
        return amount

    def settle_dividend(self, symbol: str, amount: int) -> None:
        """Pay a dividend that was booked before: into cash from longs' receivables, out of it for shorts' payables."""
        account = "receivables" if amount > 0 else "payables"
        self.post(f"payment of the dividend of {symbol}", **{"cash": amount, account: -amount})

    def charge(self, account: str, amount: int) -> None:
        """Pay ``amount`` of ``borrow`` or ``interest`` from cash; interest received is negative."""
        self.post(account, cash=-amount, **{account: amount})

    def market_values(self, marks: dict[str, int]) -> dict[str, int]:
        """Return the signed market value of each position at the prices ``marks``."""
        return {
            symbol: divide_half_even(marks[symbol] * quantity, UNIT) for symbol, quantity in self.quantities.items()
        }
