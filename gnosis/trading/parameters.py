"""Settings of the trading room: account, costs, sizing and limits; stored with every idea as one hash."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, field

from gnosis.trading.caps import SizingLimits
from gnosis.trading.validation import ValidationLimits


@dataclass(frozen=True, slots=True)
class IdeaParameters:
    """Settings of the ideas.

    Attributes
    ----------
    schema_version
        Of this document.
    horizon_bars
        Sessions that an idea in the underlying is held at most; one of the horizons of the labels.
    equity_usd
        Equity of the account that sizes are for.
    confidence_floor
        Least confidence of the movement energy of the elasticity row.
    requires_elasticity
        True: a symbol without a known elasticity row is vetoed as ``THIN_DATA``.
    kelly_share
        Share of the growth-optimal fraction.
    target_volatility_per_year
        Volatility of the whole book, 1/sqrt(year).
    risk_budget
        Share of it for one idea.
    fee_bps
        Commission of one side.
    borrow_rate_per_year
        Paid on shorts; None: nothing can be borrowed, and shorts are vetoed.
    margin_long, margin_short
        Maintenance margin of shares, ratio of their value.
    n_pairs
        Antithetic pairs of paths of one simulation.
    portfolio_sessions
        Returns behind the covariance of the book.
    sizing, validation
        Caps and limits.

    Raises
    ------
    ValueError
        For a value outside its range.

    Examples
    --------
    >>> IdeaParameters(kelly_share=1.5)
    Traceback (most recent call last):
    ValueError: expected kelly_share between 0 and 1, found 1.5
    """

    schema_version: int = 1
    horizon_bars: int = 5
    equity_usd: float = 1_000_000.0
    confidence_floor: float = 0.1
    requires_elasticity: bool = True
    kelly_share: float = 0.25
    target_volatility_per_year: float = 0.15
    risk_budget: float = 0.25
    fee_bps: float = 1.0
    borrow_rate_per_year: float | None = 0.03
    margin_long: float = 0.25
    margin_short: float = 0.30
    n_pairs: int = 4_000
    portfolio_sessions: int = 252
    sizing: SizingLimits = field(default_factory=SizingLimits)
    validation: ValidationLimits = field(default_factory=ValidationLimits)

    def __post_init__(self) -> None:
        limits = {
            "horizon_bars": (1, 252),
            "equity_usd": (1, math.inf),
            "confidence_floor": (0, 1),
            "kelly_share": (0, 1),
            "target_volatility_per_year": (0, 10),
            "risk_budget": (0, 1),
            "fee_bps": (0, 1_000),
            "borrow_rate_per_year": (0, 10),
            "margin_long": (0, 1),
            "margin_short": (0, 2),
            "n_pairs": (1, 1_000_000),
            "portfolio_sessions": (20, 2_520),
        }
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise ValueError(f"expected {name} between {low} and {high}, found {value}")

    @property
    def sha256(self) -> str:
        """Hash of all settings."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()
