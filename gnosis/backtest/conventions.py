"""What an order tape is worth under the conventions of another engine, one convention switched at a time.

The replay here is arithmetic on arrays and shares no code with the event engine, whose equity it reproduces under the
engine's own conventions.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

PRICE_TOLERANCE_USD = 1e-8
QUANTITY_TOLERANCE_SHARES = 1e-5
_FEE_TOLERANCE_USD = 1e-6


@dataclass(frozen=True)
class Conventions:
    """How an engine fills and books; the names are those of the causes, the values by default those of this engine.

    Attributes
    ----------
    fill_time
        Bars after the first eligible one.
    fill_price_source
        Price of the bar that a market order gets.
    slippage_basis
        ``reference``: a share of the price before slippage; ``inside_bar``: that, no further than high or low;
        ``none``: no slippage.
    fee_basis
        Traded value at the ``fill`` price or at the ``reference`` price, or ``none``.
    participation
        Largest share of the bar's volume that fills, in whole shares; None when the tape fills as it is.
    corporate_actions, borrow_and_interest, close_out
        Whether splits and dividends, charges, and delistings are booked.
    size_rounding
        Shares ``as_ordered``, or whole shares ``toward_zero`` or to the ``nearest``.
    """

    fill_time: int = 0
    fill_price_source: Literal["open", "close", "high", "low"] = "open"
    slippage_basis: Literal["reference", "inside_bar", "none"] = "reference"
    fee_basis: Literal["fill", "reference", "none"] = "fill"
    participation: float | None = None
    corporate_actions: bool = True
    borrow_and_interest: bool = True
    size_rounding: Literal["as_ordered", "toward_zero", "nearest"] = "as_ordered"
    close_out: bool = True


OURS = Conventions()


@dataclass(frozen=True)
class ReplayMarket:
    """Arrays of shape (sessions, symbols) in $ and shares; a missing bar repeats the close before it.

    Attributes
    ----------
    prices
        ``open``, ``high``, ``low``, ``close`` and ``volume``; NaN before the first bar of a symbol.
    splits
        New shares for each old one, 1 where nothing happens.
    dividends
        $ for each share held after the split of the same session.
    charges
        Borrow and interest posted by session, $; shape (sessions,).
    delistings
        (session number, symbol number, $ per share or None).
    """

    sessions: pl.Series
    symbols: Sequence[str]
    initial_cash_usd: float
    prices: dict[str, np.ndarray]
    splits: np.ndarray
    dividends: np.ndarray
    charges: np.ndarray
    delistings: Sequence[tuple[int, int, float | None]] = ()


@dataclass(frozen=True)
class ReplayedFills:
    """One entry for each row of the tape; what does not fill has quantity 0."""

    session: np.ndarray
    symbol: np.ndarray
    quantity: np.ndarray
    price: np.ndarray
    fee: np.ndarray


def replayed_fills(market: ReplayMarket, tape: pl.DataFrame, how: Conventions) -> ReplayedFills:
    """Return what the rows of the tape fill at."""
    session = market.sessions.search_sorted(tape["session"]).to_numpy().astype(np.int64) + how.fill_time
    symbol = pl.Series(market.symbols).search_sorted(tape["symbol"]).to_numpy().astype(np.int64)
    is_inside = (session >= 0) & (session < market.sessions.len())
    session = np.clip(session, 0, market.sessions.len() - 1)
    asked = tape["quantity_shares"].to_numpy()
    side, size = np.sign(asked), np.abs(asked)
    if how.participation is not None:
        size = np.minimum(size, np.floor(how.participation * market.prices["volume"][session, symbol] + 1e-9))
    if how.size_rounding != "as_ordered":
        size = np.floor(size) if how.size_rounding == "toward_zero" else np.rint(size)
    size = np.where(is_inside, size, 0.0)
    given = tape["price"].cast(pl.Float64).to_numpy()
    reference = np.where(np.isnan(given), market.prices[how.fill_price_source][session, symbol], given)
    price = reference
    if how.slippage_basis != "none":
        price = reference * (1 + side * tape["slippage_ratio"].to_numpy())
    if how.slippage_basis == "inside_bar":
        price = np.clip(price, market.prices["low"][session, symbol], market.prices["high"][session, symbol])
    basis = {"fill": price, "reference": reference, "none": np.zeros_like(price)}[how.fee_basis]
    return ReplayedFills(session, symbol, side * size, price, tape["fee_ratio"].to_numpy() * size * basis)


def replayed_equity(market: ReplayMarket, tape: pl.DataFrame, how: Conventions) -> np.ndarray:
    """Return the equity at each close, $."""
    fills = replayed_fills(market, tape, how)
    shape = market.splits.shape
    splits = market.splits if how.corporate_actions else np.ones(shape)
    shares_per_first = np.cumprod(splits, axis=0)
    bought, paid = np.zeros(shape), np.zeros(shape[0])
    np.add.at(bought, (fills.session, fills.symbol), fills.quantity / shares_per_first[fills.session, fills.symbol])
    np.add.at(paid, fills.session, np.where(fills.quantity == 0, 0.0, fills.quantity * fills.price) + fills.fee)
    for session, symbol, price in market.delistings if how.close_out else ():
        held = bought[:session, symbol].sum()
        last = market.prices["close"][session, symbol]
        at = price if price is not None else (0.0 if held > 0 else last)
        bought[session, symbol] -= held
        if held:
            paid[session] -= held * shares_per_first[session, symbol] * at
    first_shares = np.cumsum(bought, axis=0)
    held_before = np.vstack([np.zeros((1, shape[1])), first_shares[:-1]]) * shares_per_first
    received = (held_before * market.dividends).sum(axis=1) if how.corporate_actions else np.zeros(shape[0])
    charged = market.charges if how.borrow_and_interest else np.zeros(shape[0])
    positions = first_shares * shares_per_first
    values = np.where(positions == 0, 0.0, positions * market.prices["close"]).sum(axis=1)
    equity: np.ndarray = market.initial_cash_usd + np.cumsum(received - charged - paid) + values
    return equity


def conventions_of(
    market: ReplayMarket, tape: pl.DataFrame, theirs: ReplayedFills, their_equity: np.ndarray, our_equity: np.ndarray
) -> Conventions:
    """Return the conventions under which the fills and the equity of another engine come out best.

    A convention holds for the whole run. What single fills do differently is no convention and stays unexplained.
    ``theirs`` has NaN as price of what did not fill.
    """
    filled = ~np.isnan(theirs.price)
    rows, their = tape.filter(pl.Series(filled)), _only(theirs, filled)
    if rows.is_empty():
        return OURS
    how = OURS
    offset = their.session - market.sessions.search_sorted(rows["session"]).to_numpy().astype(np.int64)
    if (offset == offset[0]).all():
        how = replace(how, fill_time=int(offset[0]))

    def agreeing(candidate: Conventions, name: str, tolerance: float) -> int:
        gap = getattr(replayed_fills(market, rows, candidate), name) - getattr(their, name)
        return int((np.abs(gap) <= tolerance).sum())

    def best(candidates: Iterable[Conventions], name: str, tolerance: float) -> Conventions:
        return max(candidates, key=lambda candidate: agreeing(candidate, name, tolerance))

    sizes = [replace(how, size_rounding=way) for way in ("as_ordered", "toward_zero", "nearest")]
    sizes += [replace(size, participation=_largest_share(market, rows, their)) for size in sizes]
    how = best(sizes, "quantity", QUANTITY_TOLERANCE_SHARES)
    prices = [
        replace(how, fill_price_source=source, slippage_basis=basis)
        for source in ("open", "close", "high", "low")
        for basis in ("reference", "inside_bar", "none")
    ]
    how = best(prices, "price", PRICE_TOLERANCE_USD)
    fees = [replace(how, fee_basis=basis) for basis in ("fill", "reference", "none")]
    how = best(fees, "fee", _FEE_TOLERANCE_USD)

    def worst_gap(candidate: Conventions) -> float:
        expected = our_equity + replayed_equity(market, tape, candidate) - replayed_equity(market, tape, OURS)
        return round(float(np.abs(their_equity - expected).max()), 4)

    booked = [
        replace(how, corporate_actions=actions, borrow_and_interest=charges, close_out=closes)
        for actions, charges, closes in itertools.product((True, False), repeat=3)
    ]
    return min(booked, key=worst_gap)


def _largest_share(market: ReplayMarket, tape: pl.DataFrame, theirs: ReplayedFills) -> float | None:
    """Return the share of the volume that the orders which were cut short got, None when none was."""
    is_cut = np.abs(theirs.quantity) <= np.abs(tape["quantity_shares"].to_numpy()) - 1
    if not is_cut.any():
        return None
    volume = market.prices["volume"][theirs.session, theirs.symbol][is_cut]
    return float((np.abs(theirs.quantity[is_cut]) / volume).max()) if (volume > 0).all() else None


def _only(fills: ReplayedFills, kept: np.ndarray) -> ReplayedFills:
    return ReplayedFills(
        fills.session[kept], fills.symbol[kept], fills.quantity[kept], fills.price[kept], fills.fee[kept]
    )
