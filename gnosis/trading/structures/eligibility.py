"""Which structures are on the shortlist: view predicates and permission, each failure with its reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import polars as pl

from gnosis.trading.structures.schema import Direction, Permission, Structure, View

EASY_BELOW_PCT = 40.0
STIFF_ABOVE_PCT = 60.0


class Ineligible(StrEnum):
    """Why a structure is not on the shortlist; ``*_unknown`` when what the predicate needs is missing."""

    OVERLAY = "overlay"
    SIMULATION_ONLY = "simulation_only"
    DIRECTION = "direction"
    VOLATILITY = "volatility"
    VOLATILITY_UNKNOWN = "volatility_unknown"
    ENERGY = "energy"
    ENERGY_UNKNOWN = "energy_unknown"
    IV_RANK = "iv_rank"
    IV_RANK_UNKNOWN = "iv_rank_unknown"
    AMPLIFICATION = "amplification"
    AMPLIFICATION_UNKNOWN = "amplification_unknown"
    HEDGE_PRESSURE = "hedge_pressure"
    HEDGE_PRESSURE_UNKNOWN = "hedge_pressure_unknown"
    TERM_STRUCTURE = "term_structure"
    TERM_STRUCTURE_UNKNOWN = "term_structure_unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketState:
    """What the predicates are held against; None where a value is not known.

    Attributes
    ----------
    direction
        Of the composed view.
    volatility
        ``long`` when implied volatility is expected to rise, ``short`` when to fall, ``none`` without a view.
    energy_up_pct, energy_down_pct
        Trailing percentile of movement energy on each side, percent.
    iv_rank_pct
        Place of implied volatility in its 252-session range, percent.
    amplification
        A; None in a storm.
    hedge_pressure_pct
        Trailing percentile of net hedge pressure, percent.
    is_term_upward
        Whether far at-the-money volatility is above near.
    """

    direction: Direction
    volatility: Literal["long", "short", "none"] | None
    energy_up_pct: float | None
    energy_down_pct: float | None
    iv_rank_pct: float | None
    amplification: float | None
    hedge_pressure_pct: float | None
    is_term_upward: bool | None


def failed_predicates(view: View, state: MarketState) -> list[Ineligible]:
    """Return the predicates of a view that do not hold; empty when the structure is eligible.

    Examples
    --------
    >>> from gnosis.trading.structures.table import BY_ID
    >>> calm = dict(volatility="short", energy_up_pct=80.0, energy_down_pct=75.0, amplification=0.8)
    >>> rest = dict(iv_rank_pct=90.0, hedge_pressure_pct=50.0, is_term_upward=None)
    >>> state = MarketState(direction=Direction.NEUTRAL, **calm, **rest)
    >>> failed_predicates(BY_ID["iron_condor"].view, state)
    []
    >>> [reason.value for reason in failed_predicates(BY_ID["long_call"].view, state)]
    ['direction', 'volatility', 'energy', 'iv_rank']
    """
    failed: list[Ineligible] = []
    if state.direction not in view.direction:
        failed.append(Ineligible.DIRECTION)
    if view.volatility is not None and state.volatility != view.volatility:
        failed.append(Ineligible.VOLATILITY_UNKNOWN if state.volatility is None else Ineligible.VOLATILITY)
    if view.energy is not None:
        sides = {"up": [state.energy_up_pct], "down": [state.energy_down_pct]}
        sides["both"] = sides["up"] + sides["down"]
        needed = sides[str(view.energy_side)]
        known = [value for value in needed if value is not None]
        holds = [value < EASY_BELOW_PCT if view.energy == "easy" else value > STIFF_ABOVE_PCT for value in known]
        if not all(holds):
            failed.append(Ineligible.ENERGY)
        elif len(known) < len(needed):
            failed.append(Ineligible.ENERGY_UNKNOWN)
    failed += _outside(view.iv_rank_pct, state.iv_rank_pct, Ineligible.IV_RANK, Ineligible.IV_RANK_UNKNOWN)
    if view.amplification is not None:
        if state.amplification is None:
            failed.append(Ineligible.AMPLIFICATION_UNKNOWN)
        elif (state.amplification < 1.0) != (view.amplification == "dampening") or state.amplification == 1.0:
            failed.append(Ineligible.AMPLIFICATION)
    failed += _outside(
        view.hedge_pressure_pct, state.hedge_pressure_pct, Ineligible.HEDGE_PRESSURE, Ineligible.HEDGE_PRESSURE_UNKNOWN
    )
    if view.term_structure is not None and state.is_term_upward is not True:
        failed.append(Ineligible.TERM_STRUCTURE_UNKNOWN if state.is_term_upward is None else Ineligible.TERM_STRUCTURE)
    return failed


def shortlist(
    structures: Sequence[Structure],
    state: MarketState,
    *,
    is_simulation: bool,
    granted: frozenset[str] = frozenset(),
) -> tuple[tuple[Structure, ...], pl.DataFrame]:
    """Return the eligible structures, and one row (``structure``, ``reason``) per reason against each of the others.

    Parameters
    ----------
    structures
        Rows of the table.
    state
        What their views are held against.
    is_simulation
        Whether ideas can only reach the simulated broker.
    granted
        Names of structures with unlimited loss that the order policy permits outside simulation.

    Examples
    --------
    >>> from gnosis.trading.structures.table import BY_ID
    >>> unknown = dict.fromkeys(("energy_up_pct", "energy_down_pct", "iv_rank_pct", "amplification"))
    >>> rest = {"hedge_pressure_pct": None, "is_term_upward": None}
    >>> state = MarketState(direction=Direction.BEAR_WEAK, volatility="short", **unknown, **rest)
    >>> kept, refused = shortlist([BY_ID["bear_put_spread"], BY_ID["naked_call"]], state, is_simulation=False)
    >>> [item.id for item in kept], refused["reason"].to_list()
    (['bear_put_spread'], ['simulation_only', 'iv_rank_unknown'])
    """
    kept: list[Structure] = []
    rows: list[tuple[str, str]] = []
    for item in structures:
        reasons = [Ineligible.OVERLAY] if item.view is None else failed_predicates(item.view, state)
        if item.permission is Permission.SIMULATION_ONLY and not is_simulation and item.id not in granted:
            reasons.append(Ineligible.SIMULATION_ONLY)
        rows.extend((item.id, reason) for reason in reasons)
        if not reasons:
            kept.append(item)
    reasons_enum = pl.Enum([item.value for item in Ineligible])
    return tuple(kept), pl.DataFrame(
        rows, schema={"structure": pl.String(), "reason": reasons_enum}, orient="row"
    ).sort("structure", "reason")


def _outside(
    limits: tuple[float, float] | None, value: float | None, outside: Ineligible, unknown: Ineligible
) -> list[Ineligible]:
    if limits is None:
        return []
    if value is None:
        return [unknown]
    return [] if limits[0] <= value <= limits[1] else [outside]
