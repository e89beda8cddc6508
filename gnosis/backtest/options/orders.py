"""Orders for option structures: legs that fill together from one snapshot, or one after the other on request."""

from __future__ import annotations

import math
from dataclasses import dataclass

from gnosis.backtest.orders import OrderError


@dataclass(frozen=True, slots=True)
class Leg:
    """One contract, or the underlying itself, of an order.

    Attributes
    ----------
    contract
        Option contract as :func:`gnosis.backtest.options.contracts.contract_symbol` names it, or the symbol of the
        underlying for shares.
    quantity
        Signed whole number of contracts or shares: positive buys.
    """

    contract: str
    quantity: int

    def __post_init__(self) -> None:
        if not isinstance(self.quantity, int) or self.quantity == 0:
            raise OrderError(
                f"expected a whole number of contracts other than 0 for {self.contract}, found {self.quantity}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionOrder:
    """An order of one or more legs on one underlying.

    Attributes
    ----------
    legs
        Different contracts. They fill from one snapshot, all or none.
    limit_usd
        Most that is paid for the whole order, $, before fees; negative is the least that is received.
    is_day_order
        True cancels an order whose limit is not met at the first snapshot; otherwise it stays until it is.
    legging
        True fills the legs in their order, each at a later snapshot than the one before; what one leg cannot get
        cancels those after it.
    idea_id
        Idea that the order follows, kept with its fills and trades.

    Raises
    ------
    OrderError
        Without legs, with a contract twice, or with a limit on an order that legs in.

    Examples
    --------
    >>> spread = OptionOrder(legs=(Leg("SPY240621C00500000", 1), Leg("SPY240621C00510000", -1)), limit_usd=450.0)
    >>> [leg.quantity for leg in spread.legs]
    [1, -1]
    """

    legs: tuple[Leg, ...]
    limit_usd: float | None = None
    is_day_order: bool = True
    legging: bool = False
    idea_id: str | None = None

    def __post_init__(self) -> None:
        names = [leg.contract for leg in self.legs]
        if not names or len(set(names)) != len(names):
            raise OrderError(f"expected legs of different contracts, found {names}")
        if self.limit_usd is not None and not math.isfinite(self.limit_usd):
            raise OrderError(f"expected a finite limit_usd for {names}, found {self.limit_usd}")
        if self.limit_usd is not None and self.legging:
            raise OrderError(f"expected no limit_usd for {names}, which legs in: nothing binds its legs together")
