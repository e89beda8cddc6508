"""Orders as a strategy submits them after a close, eligible from the next open on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal["market", "limit", "stop", "stop_limit", "opening_auction", "closing_auction"]
WITH_LIMIT = ("limit", "stop_limit")
WITH_STOP = ("stop", "stop_limit")
_LEAST = 1e-8
"""The books count shares and dollars in this unit; anything smaller would be an order of nothing."""


class OrderError(ValueError):
    """An order that no market would take; the message names the field, what was found and what to give."""


@dataclass(frozen=True, slots=True)
class Bracket:
    """Exits that become active with each fill of an entry, in the same bar; one cancels the other.

    Attributes
    ----------
    stop_price, target_price
        Prices in $; at least one is given.
    """

    stop_price: float | None = None
    target_price: float | None = None

    def __post_init__(self) -> None:
        given = [price for price in (self.stop_price, self.target_price) if price is not None]
        if not given or not all(math.isfinite(price) and price >= _LEAST for price in given):
            raise OrderError(
                f"expected a stop_price or target_price above 0, found {self.stop_price} and {self.target_price}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One order.

    Attributes
    ----------
    symbol
        What is traded.
    quantity_shares
        Signed number of shares: positive buys, negative sells.
    kind
        ``market`` and ``opening_auction`` fill at the open, ``closing_auction`` at the close; ``limit``, ``stop`` and
        ``stop_limit`` rest.
    limit_price, stop_price
        In $; given exactly where the kind needs them.
    is_day_order
        True cancels what the first eligible session leaves; otherwise the order stays until cancelled.
    bracket
        Exits that protect the entry.
    idea_id
        Idea that the order follows, kept with its fills and trades.

    Raises
    ------
    OrderError
        For a quantity below 1e-8 shares, prices that the kind does not take, or exits on the wrong side of each other.

    Examples
    --------
    >>> Order(symbol="SPY", quantity_shares=-100, kind="stop", stop_price=98.0).side
    -1
    >>> Order(symbol="SPY", quantity_shares=100, kind="limit")
    Traceback (most recent call last):
    gnosis.backtest.orders.OrderError: expected a limit_price above 0 for a limit order of SPY, found None
    """

    symbol: str
    quantity_shares: float
    kind: Kind = "market"
    limit_price: float | None = None
    stop_price: float | None = None
    is_day_order: bool = False
    bracket: Bracket | None = None
    idea_id: str | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.quantity_shares) and abs(self.quantity_shares) >= _LEAST):
            raise OrderError(
                f"expected a quantity of at least {_LEAST} shares for {self.symbol}, found {self.quantity_shares}"
            )
        if self.kind not in get_args(Kind):
            raise OrderError(f"expected a kind of {get_args(Kind)} for {self.symbol}, found {self.kind!r}")
        for name, price, kinds in (
            ("limit_price", self.limit_price, WITH_LIMIT),
            ("stop_price", self.stop_price, WITH_STOP),
        ):
            if self.kind in kinds and not (price is not None and math.isfinite(price) and price >= _LEAST):
                raise OrderError(f"expected a {name} above 0 for a {self.kind} order of {self.symbol}, found {price}")
            if self.kind not in kinds and price is not None:
                raise OrderError(f"expected no {name} for a {self.kind} order of {self.symbol}, found {price}")
        guard = self.bracket
        if guard is None or guard.stop_price is None or guard.target_price is None:
            return
        if self.side * (guard.target_price - guard.stop_price) <= 0:
            raise OrderError(
                f"expected the target beyond the stop of a bracket for {self.symbol}, found stop "
                f"{guard.stop_price} and target {guard.target_price} for {self.quantity_shares} shares: "
                "a purchase needs the target above the stop"
            )

    @property
    def side(self) -> int:
        """1 for a buy, -1 for a sale."""
        return 1 if self.quantity_shares > 0 else -1


@dataclass(frozen=True, slots=True)
class Cancel:
    """Takes back what is left of an earlier order.

    Attributes
    ----------
    order_number
        As in :attr:`gnosis.backtest.view.View.resting_orders`.
    """

    order_number: int
