"""Thresholds and limits of the ideas."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class IdeaParameters:
    """Thresholds and limits of the ideas.

    Attributes
    ----------
    horizon_bars
        Horizon of the predictions to use; None when they have only one.
    edge_threshold
        p_up - p_down must be beyond this, probability.
    confidence_floor
        Least confidence of the movement energy of the elasticity row, the smaller of those of its chain and of market
        depth. The proxy for depth caps it, so the floor is low.
    requires_elasticity
        True: a symbol without a known elasticity row stays flat with ``low_confidence``. False: it may be traded, with
        an energy scale of 1 that the rationale mentions.
    target_volatility_per_year
        Volatility that each position aims at before it is shared out, 1/sqrt(year).
    max_volatility_scale
        Cap of target volatility over the symbol's volatility; at 1 the gross of all positions stays within equity.
    max_bar_age_days
        Calendar days after which the last known bar no longer tells today's volatility.
    energy_sessions, energy_min_sessions
        Exchange sessions before today whose median movement energy is the reference, and the least number of values.
    min_energy_scale
        Lower end of the energy scale; the upper end is 1.
    max_weight
        Largest share of equity in one name.

    Raises
    ------
    ValueError
        For a value outside its range.

    Examples
    --------
    >>> IdeaParameters(edge_threshold=1.5)
    Traceback (most recent call last):
    ValueError: expected edge_threshold between 0 and 1, found 1.5
    """

    horizon_bars: int | None = None
    edge_threshold: float = 0.05
    confidence_floor: float = 0.1
    requires_elasticity: bool = True
    target_volatility_per_year: float = 0.10
    max_volatility_scale: float = 1.0
    max_bar_age_days: int = 7
    energy_sessions: int = 252
    energy_min_sessions: int = 20
    min_energy_scale: float = 0.5
    max_weight: float = 0.10

    def __post_init__(self) -> None:
        limits = {
            "edge_threshold": (0, 1),
            "confidence_floor": (0, 1),
            "target_volatility_per_year": (0, 10),
            "max_volatility_scale": (0, 10),
            "max_bar_age_days": (0, 7),
            "energy_sessions": (1, 2520),
            "energy_min_sessions": (1, self.energy_sessions),
            "min_energy_scale": (0, 1),
            "max_weight": (0, 10),
        }
        values = asdict(self)
        for name, (low, high) in limits.items():
            if not (math.isfinite(values[name]) and low <= values[name] <= high):
                raise ValueError(f"expected {name} between {low} and {high}, found {values[name]}")
