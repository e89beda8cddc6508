"""Settings of the elasticity engine; they are stored with every row."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class ElasticityParameters:
    """Settings of the elasticity engine.

    Attributes
    ----------
    y
        Y of the linear law: one average daily volume moves the price by Y sigma_d.
    near_the_money
        |ln(K/S)| up to which a contract counts as near the money.
    quote_minutes
        Age in minutes at which the freshness of a quote has fallen to 1/e.
    beta_sessions, least_beta_pairs
        Sessions behind the slope of volatility on the return, and pairs of changes that it needs.
    least_chain_sessions
        Of these sessions and the one before them, chains with a volatility below which VIX takes its place.

    Raises
    ------
    ValueError
        When a setting is not positive.

    Examples
    --------
    >>> ElasticityParameters().json()[:46]
    '{"beta_sessions": 60, "least_beta_pairs": 15, '
    """

    y: float = 1.0
    near_the_money: float = 0.10
    quote_minutes: float = 15.0
    beta_sessions: int = 60
    least_beta_pairs: int = 15
    least_chain_sessions: int = 20

    def __post_init__(self) -> None:
        if wrong := [name for name, value in asdict(self).items() if not 0 < value < float("inf")]:
            raise ValueError(f"expected positive settings, found {wrong[0]} = {getattr(self, wrong[0])}")

    def json(self) -> str:
        """Return the settings as JSON with sorted keys."""
        return json.dumps(asdict(self), sort_keys=True)
