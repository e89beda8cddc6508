"""Strategy-based margin of the positions in one underlying.

Naked calls need ``premium + max(0.20 S - out of the money, 0.10 S)``, naked puts ``premium + max(0.20 S - out of the
money, 0.10 K)`` or their strike; short calls and puts together the larger side plus the other premium; structures with
a largest loss that loss; shares, with or without a call against them, a share of their value. Requirements are compared
with cash and shares, because cash holds the premium received and options bought lend nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from gnosis.backtest.options.configuration import OptionsConfiguration
from gnosis.backtest.options.contracts import Contract

SHARE_OF_SPOT = 0.20
LEAST_SHARE = 0.10


class Held(NamedTuple):
    """A position in one contract: signed contracts, and its mid in $ per share."""

    contract: Contract
    quantity: int
    mid: float


class _Lot(NamedTuple):
    """Shares under options of one strike: positive; the mid is 0 for what is not naked."""

    contract: Contract
    shares: float
    mid: float


def naked_margin(contract: Contract, spot: float, premium: float) -> float:
    """Return the requirement of a naked short, $ per share.

    Examples
    --------
    >>> import datetime as dt
    >>> day = dt.date(2024, 2, 16)
    >>> put = Contract("X240216P00097000", "X", "X", day, "pm", "P", 97.0, 100, True, day)
    >>> round(100 * naked_margin(put, 100.0, 1.133034), 4)
    1813.3034
    """
    out_of_the_money = max(contract.strike - spot if contract.is_call else spot - contract.strike, 0.0)
    floor = LEAST_SHARE * (spot if contract.is_call else contract.strike)
    return premium + max(SHARE_OF_SPOT * spot - out_of_the_money, floor)


def worst_payoff(positions: Iterable[tuple[Contract, float]]) -> float:
    """Return the least payoff at expiry of signed shares under options, $; minus infinity when it has no end.

    Examples
    --------
    >>> import datetime as dt
    >>> day = dt.date(2024, 2, 16)
    >>> def call(strike):
    ...     return Contract(f"X240216C{strike}", "X", "X", day, "pm", "C", strike, 100, True, day)
    >>> worst_payoff([(call(104.0), -100.0), (call(107.0), 100.0)]), worst_payoff([(call(104.0), -100.0)])
    (-300.0, -inf)
    """
    held = list(positions)
    if sum(shares for contract, shares in held if contract.is_call) < 0:
        return -np.inf
    prices = [0.0, *sorted({contract.strike for contract, _ in held})]
    return min(sum(shares * contract.intrinsic(price) for contract, shares in held) for price in prices)


def required_margin(spot: float, shares: float, held: list[Held], configuration: OptionsConfiguration) -> float:
    """Return the margin of the positions in one underlying, $.

    Parameters
    ----------
    spot
        Price of the underlying, $ per share.
    shares
        Signed shares held.
    held
        Option positions.
    configuration
        Stock margin and how short puts are secured.

    Notes
    -----
    Shares cover short calls, and short shares cover short puts, of the strike deepest in the money first. A long
    option secures shorts that expire no later; a long that outlives all shorts of its group counts at its payoff.

    Examples
    --------
    >>> required_margin(100.0, 100.0, [], OptionsConfiguration())
    5000.0
    """
    stock = configuration.stock_margin * abs(shares) * spot
    shorts: list[_Lot] = []
    for right, cover in (("C", max(shares, 0.0)), ("P", max(-shares, 0.0))):
        deepest_first = 1.0 if right == "C" else -1.0
        mine = sorted(
            (item for item in held if item.contract.right == right and item.quantity < 0),
            key=lambda item: (deepest_first * item.contract.strike, item.contract.name),
        )
        for item in mine:
            under = -item.quantity * item.contract.multiplier
            covered = min(cover, under)
            cover -= covered
            if under > covered:
                shorts.append(_Lot(item.contract, under - covered, item.mid))
    longs = [_Lot(item.contract, item.quantity * item.contract.multiplier, 0.0) for item in held if item.quantity > 0]
    total = sum(
        _group_margin(spot, group_shorts, group_longs, configuration)
        for group_shorts, group_longs in _groups(shorts, longs)
    )
    return float(stock + total)


def _groups(shorts: list[_Lot], longs: list[_Lot]) -> list[tuple[list[_Lot], list[_Lot]]]:
    """Return shorts of one expiry with the longs that secure them: each long serves the latest shorts it outlives."""
    expiries = sorted({lot.contract.expiry for lot in shorts})
    secured = defaultdict(list)
    for lot in longs:
        outlived = [expiry for expiry in expiries if expiry <= lot.contract.expiry]
        if outlived:
            secured[outlived[-1]].append(lot)
    return [([lot for lot in shorts if lot.contract.expiry == expiry], secured[expiry]) for expiry in expiries]


def _group_margin(spot: float, shorts: list[_Lot], longs: list[_Lot], configuration: OptionsConfiguration) -> float:
    worst = worst_payoff(
        [(lot.contract, -lot.shares) for lot in shorts] + [(lot.contract, lot.shares) for lot in longs]
    )
    calls, call_premium = _side_margin("C", spot, shorts, longs, configuration)
    puts, put_premium = _side_margin("P", spot, shorts, longs, configuration)
    larger = calls + put_premium if calls >= puts else puts + call_premium
    return min(larger, -worst)


def _side_margin(
    right: str, spot: float, shorts: list[_Lot], longs: list[_Lot], configuration: OptionsConfiguration
) -> tuple[float, float]:
    """Return the requirement of calls or puts and the premium of those naked: spreads pay their width, the rest naked.

    Longs secure the shorts nearest to the money first.
    """
    sign = 1.0 if right == "C" else -1.0

    def nearest_first(lots: list[_Lot]) -> list[_Lot]:
        return sorted(
            (lot for lot in lots if lot.contract.right == right),
            key=lambda lot: (sign * lot.contract.strike, lot.contract.name),
        )

    securing = [(lot.contract, lot.shares) for lot in nearest_first(longs)]
    required, premium = 0.0, 0.0
    for short in nearest_first(shorts):
        left = short.shares
        while left > 0 and securing:
            contract, available = securing[0]
            part = min(left, available)
            required += part * max(sign * (contract.strike - short.contract.strike), 0.0)
            left -= part
            securing[0] = (contract, available - part)
            if available == part:
                securing.pop(0)
        if right == "P" and configuration.short_puts == "cash_secured":
            required += left * short.contract.strike
        else:
            required += left * naked_margin(short.contract, spot, short.mid)
            premium += left * short.mid
    return required, premium
