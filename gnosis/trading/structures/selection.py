"""Which contracts a structure can be made of: every admissible combination of strikes and expiries, as arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gnosis.trading.structures.chain import THOUSANDTHS, Flags, Floats, OptionChain, Positions
from gnosis.trading.structures.schema import (
    Ascending,
    Delta,
    Fixed,
    InTheMoney,
    Leg,
    Mirror,
    SameAs,
    Structure,
    Wider,
    WidthAboveDebit,
)

MOST_COMBINATIONS = 20_000
"""Combinations of one structure and one choice of expiries; the strikes farthest from their targets are left out."""


class Rejection(StrEnum):
    """Why a structure, or some combinations of it, are not among the candidates."""

    NO_EXPIRY = "no_expiry"
    NO_QUOTE = "no_quote"
    NO_STRIKE_IN_RANGE = "no_strike_in_range"
    STRIKE_NOT_QUOTED = "strike_not_quoted"
    STRIKE_ORDER = "strike_order"
    WING_WIDTH = "wing_width"
    NOT_IN_THE_MONEY = "not_in_the_money"
    COMBINATION_LIMIT = "combination_limit"
    WIDTH_BELOW_DEBIT = "width_below_debit"
    PREMIUM_SIGN = "premium_sign"
    UNBOUNDED_LOSS = "unbounded_loss"
    NO_POSSIBLE_PROFIT = "no_possible_profit"
    NO_POSSIBLE_LOSS = "no_possible_loss"
    NO_FORECAST = "no_forecast"


REASON_OF: dict[type, Rejection] = {
    Ascending: Rejection.STRIKE_ORDER,
    Wider: Rejection.WING_WIDTH,
    InTheMoney: Rejection.NOT_IN_THE_MONEY,
    WidthAboveDebit: Rejection.WIDTH_BELOW_DEBIT,
}


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Combinations of contracts, one row each; ``legs`` is the largest number of option legs of any structure.

    Attributes
    ----------
    structures
        What ``structure`` points into.
    structure
        int64, shape (candidates,).
    near
        int64, shape (candidates,): expiry at which profit and loss are taken, a row of the chain's expiries.
    contract
        int64, shape (candidates, legs): row of the chain; 0 where ``quantity`` is 0.
    quantity
        float64, shape (candidates, legs): signed; 0 where there is no leg.
    shares
        float64, shape (candidates,): signed shares per share of the multiplier.
    is_central
        bool, shape (candidates,): every strike is the one nearest to its delta target.
    """

    structures: tuple[Structure, ...]
    structure: Positions
    near: Positions
    contract: Positions
    quantity: Floats
    shares: Floats
    is_central: Flags

    def __len__(self) -> int:
        return self.structure.size

    def take(self, rows: NDArray[np.bool_] | Positions) -> Candidates:
        """Return some of the candidates, in their order."""
        return Candidates(
            self.structures,
            self.structure[rows],
            self.near[rows],
            self.contract[rows],
            self.quantity[rows],
            self.shares[rows],
            self.is_central[rows],
        )

    @property
    def is_leg(self) -> Flags:
        """Whether there is a leg, shape (candidates, legs)."""
        return self.quantity != 0.0

    @property
    def is_model_dependent(self) -> Flags:
        """Whether legs outlive the near expiry, shape (candidates,)."""
        return np.array([item.is_model_dependent for item in self.structures], dtype=np.bool_)[self.structure]


@dataclass(slots=True)
class _Part:
    contract: Positions
    is_central: Flags


def rejection_frame(rows: Sequence[tuple[str, int | None, str, int]]) -> pl.DataFrame:
    """Return rejections: structure, near expiry (row of the chain's expiries), reason and number of combinations.

    ``n`` counts combinations; it is 1 where none could be formed.
    """
    reasons = pl.Enum([item.value for item in Rejection])
    schema = {"structure": pl.String(), "near": pl.Int64(), "reason": reasons, "n": pl.Int64()}
    frame = pl.DataFrame(list(rows), schema=schema, orient="row")
    return frame.group_by("structure", "near", "reason").agg(pl.col("n").sum()).sort("structure", "near", "reason")


def enumerated(
    chain: OptionChain, structures: Sequence[Structure], most_combinations: int = MOST_COMBINATIONS
) -> tuple[Candidates, list[tuple[str, int | None, str, int]]]:
    """Return every combination of quoted strikes within the delta ranges, and what was rejected and why.

    Constraints are checked after the strikes are chosen; what violates one is rejected and never repaired.

    Parameters
    ----------
    chain
        Contracts with valid two-sided quotes.
    structures
        Rows of the table; the overlay has no legs and gives no candidate.
    most_combinations
        Largest number for one structure and one choice of expiries. Beyond it the strikes farthest from their targets
        are left out and counted as ``combination_limit``.

    Returns
    -------
    tuple
        Candidates in the order of structures, expiries and strikes; rejections for :func:`rejection_frame`.

    Raises
    ------
    ValueError
        When ``most_combinations`` is not positive.
    """
    if most_combinations < 1:
        raise ValueError(f"most_combinations: expected at least 1, found {most_combinations}")
    width = max((len(item.options) for item in structures), default=1)
    rejected: list[tuple[str, int | None, str, int]] = []
    parts: list[Candidates] = []
    for position, structure in enumerate(structures):
        if not structure.legs:
            continue
        choices = list(_expiry_choices(chain, structure))
        if not choices:
            rejected.append((structure.id, None, Rejection.NO_EXPIRY, 1))
        for expiries in choices:
            part = _combinations(chain, structure, expiries, most_combinations, rejected)
            n = part.contract.shape[0]
            if not n:
                continue
            contract, quantity = np.zeros((n, width), dtype=np.int64), np.zeros((n, width))
            contract[:, : part.contract.shape[1]] = part.contract
            quantity[:, : part.contract.shape[1]] = [leg.quantity for leg in structure.options]
            near, shares = np.full(n, expiries["N"]), np.full(n, float(structure.shares))
            parts.append(Candidates((), np.full(n, position), near, contract, quantity, shares, part.is_central))
    if not parts:
        empty = np.empty(0, dtype=np.int64)
        none = Candidates(
            tuple(structures), empty, empty, np.empty((0, width), dtype=np.int64), np.empty((0, width)),
            np.empty(0), np.empty(0, dtype=np.bool_),
        )  # fmt: skip
        return none, rejected
    fields = ("structure", "near", "contract", "quantity", "shares", "is_central")
    joined = (np.concatenate([getattr(part, name) for part in parts]) for name in fields)
    return Candidates(tuple(structures), *joined), rejected


def _expiry_choices(chain: OptionChain, structure: Structure) -> Iterator[dict[str, int]]:
    """Yield one expiry per bucket of the structure; later buckets settle later than the near one."""
    days, tau = chain.expiries["dte_days"].to_numpy(), chain.tau_years
    buckets = sorted({leg.expiry for leg in structure.legs}, key="NFL".index)
    listed = {
        bucket: np.flatnonzero((days >= structure.dte[bucket][0]) & (days <= structure.dte[bucket][1]))
        for bucket in buckets
    }
    grids = np.meshgrid(*(listed[bucket] for bucket in buckets), indexing="ij")
    for row in np.stack([grid.ravel() for grid in grids], axis=1):
        if (np.diff(tau[row]) > 0.0).all():
            yield {bucket: int(place) for bucket, place in zip(buckets, row, strict=True)}


def _combinations(
    chain: OptionChain,
    structure: Structure,
    expiries: dict[str, int],
    most: int,
    rejected: list[tuple[str, int | None, str, int]],
) -> _Part:
    legs, near = structure.options, expiries["N"]
    nothing = _Part(np.empty((0, len(legs)), dtype=np.int64), np.empty(0, dtype=np.bool_))
    free = [number for number, leg in enumerate(legs) if isinstance(leg.strike, Delta | Fixed)]
    choices: list[Positions] = []
    for number in free:
        found, reason = _leg_choices(chain, legs[number], expiries[legs[number].expiry])
        if reason is not None:
            rejected.append((structure.id, near, reason, 1))
            return nothing
        choices.append(found)
    lengths = [found.size for found in choices]
    while int(np.prod(lengths)) > most:
        lengths[int(np.argmax(lengths))] -= 1
    n_left_out = int(np.prod([found.size for found in choices])) - int(np.prod(lengths))
    if n_left_out:
        rejected.append((structure.id, near, Rejection.COMBINATION_LIMIT, n_left_out))
    nearest = [found[0] for found in choices]
    grids = np.meshgrid(*(np.sort(found[:n]) for found, n in zip(choices, lengths, strict=True)), indexing="ij")
    contract = np.full((grids[0].size, len(legs)), -1, dtype=np.int64)
    for number, grid in zip(free, grids, strict=True):
        contract[:, number] = grid.ravel()
    is_central = (contract[:, free] == nearest).all(axis=1)
    for number, leg in enumerate(legs):
        if number not in free:
            contract[:, number] = _dependent(chain, leg, contract, expiries[leg.expiry])
    is_kept = (contract >= 0).all(axis=1)
    reasons = [(Rejection.STRIKE_NOT_QUOTED, ~is_kept)]
    strike = chain.strike_usd[np.maximum(contract, 0)]
    for constraint in structure.constraints:
        if isinstance(constraint, WidthAboveDebit):
            continue
        holds = _holds(constraint, chain, strike, contract)
        reasons.append((REASON_OF[type(constraint)], is_kept & ~holds))
        is_kept &= holds
    rejected.extend((structure.id, near, reason, int(mask.sum())) for reason, mask in reasons if mask.any())
    return _Part(contract[is_kept], is_central[is_kept])


def _leg_choices(chain: OptionChain, leg: Leg, expiry: int) -> tuple[Positions, Rejection | None]:
    """Return the rows a leg may take, nearest to its target first; ties to the strike more out of the money."""
    own = chain.rows(expiry, leg.right)
    rows = np.arange(own.start, own.stop)
    if not rows.size:
        return rows, Rejection.NO_QUOTE
    if isinstance(leg.strike, Fixed):
        rows = rows[_thousandths(chain.strike_usd[own]) == round(leg.strike.strike_usd * THOUSANDTHS)]
        return rows, None if rows.size else Rejection.STRIKE_NOT_QUOTED
    assert isinstance(leg.strike, Delta)
    size = np.abs(chain.greeks.delta[own])
    is_in = (size >= leg.strike.low) & (size <= leg.strike.high)
    if not is_in.any():
        return rows[:0], Rejection.NO_STRIKE_IN_RANGE
    outward = chain.strike_usd[own] * (-1.0 if leg.right == "C" else 1.0)
    order = np.lexsort((outward, np.abs(size - leg.strike.target)))
    return rows[order][is_in[order]], None


def _dependent(chain: OptionChain, leg: Leg, contract: Positions, expiry: int) -> Positions:
    """Return the row of a strike that follows from other legs, -1 where it has no valid quote."""
    strike = _thousandths(chain.strike_usd[contract])
    if isinstance(leg.strike, SameAs):
        wanted = strike[:, leg.strike.leg]
    else:
        assert isinstance(leg.strike, Mirror)
        wanted = 2 * strike[:, leg.strike.body] - strike[:, leg.strike.leg]
    own = chain.rows(expiry, leg.right)
    listed = _thousandths(chain.strike_usd[own])
    if not listed.size:
        return np.full(wanted.size, -1, dtype=np.int64)
    place = np.minimum(np.searchsorted(listed, wanted), listed.size - 1)
    return np.where(listed[place] == wanted, own.start + place, -1)


def _holds(constraint: object, chain: OptionChain, strike: Floats, contract: Positions) -> Flags:
    if isinstance(constraint, Ascending):
        return np.diff(strike[:, list(constraint.legs)], axis=1).min(axis=1) > 0.0
    if isinstance(constraint, Wider):
        wing, than = (np.abs(strike[:, i] - strike[:, j]) for i, j in (constraint.wing, constraint.than))
        return wing > than
    assert isinstance(constraint, InTheMoney)
    legs = list(constraint.legs)
    is_call = chain.is_call[contract[:, legs]]
    depth = np.where(is_call, chain.spot_usd - strike[:, legs], strike[:, legs] - chain.spot_usd)
    return depth.min(axis=1) > 0.0


def _thousandths(strike_usd: Floats) -> Positions:
    return np.round(strike_usd * THOUSANDTHS).astype(np.int64)
