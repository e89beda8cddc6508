"""Profit and loss that is piecewise linear in the price: exact bounds, break-evens and where there is profit.

A candidate whose legs expire together is linear between its strikes, so its bounds are found at 0, at the strikes and
from the slope beyond the last strike, never on a grid. Candidates with later legs are bounded by
:mod:`gnosis.trading.structures.revaluation`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gnosis.trading.structures.chain import Flags, Floats, OptionChain, Positions
from gnosis.trading.structures.selection import Candidates

ZERO_SHARE = 1e-12
"""Profit and loss below this share of the largest strike is rounding, and counts as zero."""


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """Profit and loss of each candidate by price of the underlying.

    Attributes
    ----------
    price_usd
        float64, shape (candidates, points): ascending from 0, repeats allowed.
    pnl_usd
        float64, shape (candidates, points): $ per share of the multiplier, linear in between.
    slope
        float64, shape (candidates,): $ per $ beyond the last point.
    """

    price_usd: Floats
    pnl_usd: Floats
    slope: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Payoffs:
    """Bounds and zeros of profit and loss, $ per share of the multiplier.

    Attributes
    ----------
    max_profit_usd, max_loss_usd
        float64, shape (candidates,): infinite where nothing bounds them; a loss is positive.
    breakeven_usd
        float64, shape (candidates, most): prices with profit zero, ascending, NaN where there are fewer.
    flat_zero_usd
        float64, shape (candidates, most, 2): intervals without profit or loss, NaN where there are fewer.
    crossing_usd, crossing
        float64, shape (candidates, most): prices at which profit begins (+1) or ends (-1); NaN and 0 beyond the last.
    ends_in_profit
        bool, shape (candidates,): profit as the price grows without end.
    """

    max_profit_usd: Floats
    max_loss_usd: Floats
    breakeven_usd: Floats
    flat_zero_usd: Floats
    crossing_usd: Floats
    crossing: Floats
    ends_in_profit: Flags

    def take(self, rows: Positions) -> Payoffs:
        """Return some of the rows, in their order."""
        return Payoffs(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


def expiry_curve(chain: OptionChain, candidates: Candidates, outlay_usd: Floats) -> Curve:
    """Return profit and loss at expiry of candidates whose legs all expire together: 0, every strike, and the slope.

    Parameters
    ----------
    chain
        Contracts.
    candidates
        None of them model-dependent.
    outlay_usd
        float64, shape (candidates,): net premium and fees.

    Raises
    ------
    ValueError
        When a candidate has legs of several expiries.
    """
    if candidates.is_model_dependent.any():
        raise ValueError("expected legs of one expiry, found a model-dependent candidate; revalue its later legs")
    strike, is_call = chain.strike_usd[candidates.contract], chain.is_call[candidates.contract]
    known = np.where(candidates.is_leg, strike, strike[:, :1])
    price = np.concatenate([np.zeros((len(candidates), 1)), np.sort(known, axis=1)], axis=1)
    side = np.where(is_call, 1.0, -1.0)
    pnl = candidates.shares[:, None] * price - outlay_usd[:, None]
    for leg in range(strike.shape[1]):
        own = slice(leg, leg + 1)
        pnl += candidates.quantity[:, own] * np.maximum(side[:, own] * (price - strike[:, own]), 0.0)
    slope = (candidates.quantity * is_call).sum(axis=1) + candidates.shares
    return Curve(price, pnl, slope)


def payoffs(curve: Curve) -> Payoffs:
    """Return exact bounds and zeros of piecewise linear profit and loss.

    Examples
    --------
    A put spread bought for 1.19 with strikes 97 and 100:

    >>> curve = Curve(np.array([[0.0, 97.0, 100.0]]), np.array([[1.81, 1.81, -1.19]]), np.array([0.0]))
    >>> found = payoffs(curve)
    >>> found.max_profit_usd.tolist(), found.max_loss_usd.tolist(), found.breakeven_usd.round(2).tolist()
    ([1.81], [1.19], [[98.81]])
    """
    price, slope = curve.price_usd, np.where(np.abs(curve.slope) <= ZERO_SHARE, 0.0, curve.slope)
    pnl = np.where(np.abs(curve.pnl_usd) <= ZERO_SHARE * price[:, -1:], 0.0, curve.pnl_usd)
    last = pnl[:, -1]
    is_wide = np.diff(price, axis=1) > 0.0
    left, right = pnl[:, :-1], pnl[:, 1:]
    # Of a piece with an end at zero the other end tells on which side it is.
    at_left, at_right = np.where(left != 0.0, left, right), np.where(right != 0.0, right, left)
    beyond = np.where(last != 0.0, last, slope)
    is_inside = is_wide & (left * right < 0.0)
    fall = np.where(is_inside, left - right, 1.0)
    inside = price[:, :-1] + np.diff(price, axis=1) * left / fall
    is_tail = last * slope < 0.0
    tail = price[:, -1] - last / np.where(is_tail, slope, 1.0)

    before, after = _state_before(at_right, is_wide), np.concatenate([at_left, beyond[:, None]], axis=1)
    after = _state_after(after, is_wide, beyond)
    is_new = np.concatenate([np.ones((len(price), 1), dtype=np.bool_), is_wide], axis=1)
    at_knot = np.where(is_new & (pnl == 0.0), (after > 0.0).astype(np.float64) - (before > 0.0), 0.0)
    places = _interleaved(price, inside, tail)
    steps = _interleaved(
        at_knot,
        np.where(is_inside, np.sign(right), 0.0),
        np.where(is_tail, np.sign(slope), 0.0),
    )
    crossing_usd, crossing = _packed(places, steps, steps != 0.0)

    is_flat = is_wide & (left == 0.0) & (right == 0.0)
    in_flat = np.zeros(pnl.shape, dtype=np.bool_)
    in_flat[:, :-1] |= is_flat
    in_flat[:, 1:] |= is_flat
    is_flat_tail = (last == 0.0) & (slope == 0.0)
    in_flat[:, -1] |= is_flat_tail
    is_root = _interleaved((pnl == 0.0) & ~in_flat & is_new, is_inside, is_tail)
    breakeven, _ = _packed(places, places, is_root)
    ends = np.concatenate([price[:, 1:], np.full((len(price), 1), np.inf)], axis=1)
    flat_from, flat_to = _packed(price, ends, np.concatenate([is_flat, is_flat_tail[:, None]], axis=1))
    return Payoffs(
        max_profit_usd=np.where(slope > 0.0, np.inf, pnl.max(axis=1, initial=-np.inf)),
        max_loss_usd=np.where(slope < 0.0, np.inf, -pnl.min(axis=1, initial=np.inf)),
        breakeven_usd=breakeven,
        flat_zero_usd=np.stack([flat_from, flat_to], axis=2),
        crossing_usd=crossing_usd,
        crossing=np.nan_to_num(crossing),
        ends_in_profit=np.where(slope != 0.0, slope, last) > 0.0,
    )


def joined(n: int, parts: Sequence[tuple[Positions, Payoffs]]) -> Payoffs:
    """Return the payoffs of ``n`` candidates from those of disjoint groups, each with its rows."""

    def placed(name: str, fill: float) -> Floats:
        arrays = [(rows, getattr(part, name)) for rows, part in parts]
        width = max((array.shape[1] for _, array in arrays if array.ndim > 1), default=0)
        rest = arrays[0][1].shape[2:] if arrays else ()
        is_flat = bool(arrays) and arrays[0][1].ndim == 1
        whole = np.full((n,) if is_flat else (n, width, *rest), fill)
        for rows, array in arrays:
            whole[rows if is_flat else (rows, slice(array.shape[1]))] = array
        return whole

    return Payoffs(
        max_profit_usd=placed("max_profit_usd", np.nan),
        max_loss_usd=placed("max_loss_usd", np.nan),
        breakeven_usd=placed("breakeven_usd", np.nan),
        flat_zero_usd=placed("flat_zero_usd", np.nan),
        crossing_usd=placed("crossing_usd", np.nan),
        crossing=placed("crossing", 0.0),
        ends_in_profit=placed("ends_in_profit", 0.0) > 0.0,
    )


def _state_before(at_right: Floats, is_wide: Flags) -> Floats:
    """Return on which side profit is just before each point; 0 before the first."""
    return _carried(np.concatenate([np.zeros((len(at_right), 1)), np.where(is_wide, at_right, np.nan)], axis=1))


def _state_after(after: Floats, is_wide: Flags, beyond: Floats) -> Floats:
    """Return on which side profit is just after each point."""
    pieces = np.concatenate([np.where(is_wide, after[:, :-1], np.nan), beyond[:, None]], axis=1)
    return _carried(pieces[:, ::-1])[:, ::-1]


def _carried(values: Floats) -> Floats:
    """Return the rows with NaN replaced by the last number before it."""
    place = np.maximum.accumulate(np.where(np.isnan(values), 0, np.arange(values.shape[1])), axis=1)
    return np.take_along_axis(values, place, axis=1)


def _interleaved(knots: np.ndarray, inside: np.ndarray, tail: np.ndarray) -> np.ndarray:
    """Return knots and what lies between and beyond them, ascending: (n, points), (n, points - 1), (n,) to (n, any)."""
    n, points = knots.shape
    out = np.empty((n, 2 * points), dtype=np.result_type(knots, inside, tail))
    out[:, 0::2], out[:, 1:-1:2], out[:, -1] = knots, inside, tail
    return out


def _packed(first: Floats, second: Floats, is_kept: Flags) -> tuple[Floats, Floats]:
    """Return the kept elements of each row of both, moved to the left, NaN behind them."""
    place: Positions = np.cumsum(is_kept, axis=1) - 1
    width = int(place[:, -1].max(initial=-1)) + 1
    row, column = np.nonzero(is_kept)
    packed = np.full((2, len(is_kept), width), np.nan)
    packed[:, row, place[row, column]] = first[row, column], second[row, column]
    return packed[0], packed[1]
