"""What a row of the table of structures is made of: legs, strike rules, constraints, views and exits.

A structure is data. Every rule below is read by the selection, the payoff engine, margin and eligibility alike, so that
a new structure needs a row of :data:`gnosis.trading.structures.table.STRUCTURES` and no code.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, TypeAlias

Right = Literal["C", "P", "S"]
Bucket = Literal["N", "F", "L"]
Days: TypeAlias = dict[Bucket, tuple[int, int]]
DELTA_TOLERANCE = 0.05
"""Five delta points: how far the delta of a leg may be from its target."""


class Direction(StrEnum):
    """Where the price is expected to go, from strongest fall to strongest rise."""

    BEAR_STRONG = "bear_strong"
    BEAR_MODERATE = "bear_moderate"
    BEAR_WEAK = "bear_weak"
    NEUTRAL = "neutral"
    BULL_WEAK = "bull_weak"
    BULL_MODERATE = "bull_moderate"
    BULL_STRONG = "bull_strong"


class Risk(StrEnum):
    """How much can be lost: limited by other legs, by the price reaching zero, or by nothing."""

    DEFINED = "defined"
    LARGE = "large"
    UNLIMITED = "unlimited"
    OVERLAY = "overlay"


class Permission(StrEnum):
    """Where a structure may be traded without a grant of the order policy."""

    ALL = "all"
    SIMULATION_ONLY = "simulation_only"


class Margin(StrEnum):
    """Rule of the margin table that a structure falls under."""

    WORST_LOSS = "worst_loss"
    NAKED = "naked"
    STOCK = "stock"
    CASH_SECURED = "cash_secured"
    NONE = "none"


class Exit(StrEnum):
    """Row of the exit rules; ``BY_PREMIUM`` is ``DEBIT`` for a net debit and ``CREDIT`` for a net credit."""

    DEBIT = "debit"
    CREDIT = "credit"
    LONG_VOLATILITY = "long_volatility"
    BY_PREMIUM = "by_premium"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Delta:
    """The strike whose absolute delta is nearest to ``target``, of those within ``[low, high]``."""

    target: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class SameAs:
    """The strike of another leg."""

    leg: int


@dataclass(frozen=True, slots=True)
class Mirror:
    """The strike as far beyond the body as another leg is before it: ``2 K_body - K_leg``."""

    leg: int
    body: int


@dataclass(frozen=True, slots=True)
class Fixed:
    """A given strike, $ per share."""

    strike_usd: float


StrikeRule: TypeAlias = Delta | SameAs | Mirror | Fixed


def delta(target: float, low: float | None = None, high: float | None = None) -> Delta:
    """Return the rule of a delta target in points, with a range of five points on both sides unless one is given.

    Examples
    --------
    >>> delta(25, 16, 30)
    Delta(target=0.25, low=0.16, high=0.3)
    >>> delta(30).low
    0.25
    """
    centre = target / 100.0
    return Delta(
        centre,
        round(centre - DELTA_TOLERANCE, 10) if low is None else low / 100.0,
        round(centre + DELTA_TOLERANCE, 10) if high is None else high / 100.0,
    )


@dataclass(frozen=True, slots=True)
class Leg:
    """One leg.

    Attributes
    ----------
    right
        C call, P put, S shares (one per share of the multiplier).
    quantity
        Signed and not zero: positive is bought.
    strike
        How the strike is chosen; None for shares.
    expiry
        Bucket: N near, F far, L long.
    """

    right: Right
    quantity: int
    strike: StrikeRule | None = None
    expiry: Bucket = "N"

    def __post_init__(self) -> None:
        if self.quantity == 0:
            raise ValueError("expected a quantity other than 0; leave the leg out instead")
        if (self.strike is None) != (self.right == "S"):
            raise ValueError(f"expected a strike for options and none for shares, found {self.strike} for {self.right}")


@dataclass(frozen=True, slots=True)
class Ascending:
    """Strikes of these legs rise strictly."""

    legs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Wider:
    """The distance between two legs is strictly larger than that between two others."""

    wing: tuple[int, int]
    than: tuple[int, int]


@dataclass(frozen=True, slots=True)
class InTheMoney:
    """These legs are in the money at spot."""

    legs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class WidthAboveDebit:
    """Strike of one leg minus that of another is larger than the net debit."""

    high: int
    low: int


Constraint: TypeAlias = Ascending | Wider | InTheMoney | WidthAboveDebit


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """When a structure is on the shortlist. None and empty mean that the field does not matter.

    Attributes
    ----------
    direction
        Any of these.
    volatility
        ``long``: implied volatility is expected to rise; ``short``: to fall.
    energy, energy_side
        ``easy``: movement energy on the needed side below its trailing 40 %; ``stiff``: above 60 %.
    iv_rank_pct
        Lowest and highest IV rank, percent of the 252-session range.
    amplification
        ``dampening``: A < 1; ``amplifying``: A > 1.
    hedge_pressure_pct
        Trailing percentiles between which net hedge pressure lies.
    term_structure
        ``upward``: far at-the-money volatility above near.
    """

    direction: frozenset[Direction]
    volatility: Literal["long", "short"] | None = None
    energy: Literal["easy", "stiff"] | None = None
    energy_side: Literal["up", "down", "both"] | None = None
    iv_rank_pct: tuple[float, float] | None = None
    amplification: Literal["dampening", "amplifying"] | None = None
    hedge_pressure_pct: tuple[float, float] | None = None
    term_structure: Literal["upward"] | None = None

    def __post_init__(self) -> None:
        if (self.energy is None) != (self.energy_side is None):
            raise ValueError(f"expected energy and its side or neither, found {self.energy} and {self.energy_side}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Structure:
    """One row of the table.

    Attributes
    ----------
    number, id
        Position in the table and name.
    legs
        Empty for the overlay.
    dte
        Calendar days to expiry by bucket, both ends included.
    view
        When it is on the shortlist; None for the overlay.
    risk
        How much can be lost.
    max_profit, max_loss
        What the table says, per share: an expression of K1 < K2 < K3 < K4 (distinct strikes), c (net credit) and d (net
        debit), or ``unlimited`` or ``model``.
    premium
        Sign that the legs imply without arbitrage.
    margin, exit
        Rows of the margin table and of the exit rules.
    constraints
        Checked after the strikes are selected; a violation rejects.
    """

    number: int
    id: str
    legs: tuple[Leg, ...]
    dte: Days
    view: View | None
    risk: Risk
    max_profit: str
    max_loss: str
    premium: Literal["debit", "credit", "either"]
    margin: Margin
    exit: Exit
    constraints: tuple[Constraint, ...] = ()

    def __post_init__(self) -> None:
        missing = {leg.expiry for leg in self.legs} - set(self.dte)
        if missing:
            raise ValueError(f"{self.id}: expected a range of days to expiry of each bucket, found none of {missing}")

    @property
    def permission(self) -> Permission:
        """Unlimited losses belong to simulation; a grant of the order policy alone releases them."""
        return Permission.SIMULATION_ONLY if self.risk is Risk.UNLIMITED else Permission.ALL

    @property
    def is_model_dependent(self) -> bool:
        """True when legs expire at different times, so that a model values what is left."""
        return len({leg.expiry for leg in self.legs if leg.right != "S"}) > 1

    @property
    def options(self) -> tuple[Leg, ...]:
        """Legs that are options, in order."""
        return tuple(leg for leg in self.legs if leg.right != "S")

    @property
    def shares(self) -> int:
        """Signed shares per share of the multiplier."""
        return sum(leg.quantity for leg in self.legs if leg.right == "S")


def directions(*names: str) -> frozenset[Direction]:
    """Return the directions whose name starts with one of ``names``.

    Examples
    --------
    >>> sorted(directions("bull_strong", "neutral"))
    [<Direction.BULL_STRONG: 'bull_strong'>, <Direction.NEUTRAL: 'neutral'>]
    """
    found = frozenset(direction for direction in Direction if direction.value.startswith(names))
    if not found:
        raise ValueError(f"expected directions out of {[item.value for item in Direction]}, found {names}")
    return found


def by_id(structures: Iterable[Structure]) -> dict[str, Structure]:
    """Return the structures by name."""
    return {item.id: item for item in structures}
