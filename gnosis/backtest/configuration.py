"""What a backtest assumes: money, costs and limits. Every cost is explicit; zero must be asked for."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from typing import Literal

ENGINE_VERSION = "1"
"""Raised with every change of the engine that can change a figure; part of each ``run_key``."""

FILL_RULE = "market order at the open of the next session with a bar; slippage on top; remainder good till cancelled"

DAYS_PER_YEAR = 360
BARS_PER_YEAR = 252


@dataclass(frozen=True)
class Configuration:
    """Assumptions of one backtest.

    Attributes
    ----------
    strategy
        Name stored with the run.
    initial_cash_usd
        Deposit before the first bar.
    slippage
        ``sqrt``: half spread plus square-root impact; ``proportional``: a fixed share of the opening price.
    spread_bps
        Quoted spread in basis points of the price, for ``sqrt``. A stated figure and not a quote: the run is labelled
        ``spread_proxy``.
    impact_coefficient
        Y of the square-root law.
    slippage_bps
        Basis points of the opening price, for ``proportional``.
    fee_bps
        Commission and fees in basis points of the traded value.
    borrow_rate_per_year
        Paid on the market value of shorts, ACT/360. None: there is no stock to borrow, and short targets are refused.
    margin_rate_per_year
        Paid on negative cash, ACT/360. Positive cash earns nothing.
    participation
        Largest share of min(volume of the bar, average daily volume) filled in one bar; None means no limit.
    decision_lag_minutes
        Minutes after the close at which a strategy decides; it sees rows known by then.
    cost_multiple
        Multiplies slippage, fees, borrow and margin interest, for the table of results at 0.5, 1, 2 and 3 times cost.
    allow_zero_cost
        Permits components set to zero; such a run is labelled ``diagnostic_no_cost`` and must not be published.

    Raises
    ------
    ValueError
        For a value outside its range, or a cost of zero without ``allow_zero_cost``.

    Examples
    --------
    >>> Configuration(fee_bps=0.0)
    Traceback (most recent call last):
    ValueError: expected costs above zero, found fee_bps = 0; set allow_zero_cost=True for a diagnostic run
    """

    strategy: str = "targets"
    initial_cash_usd: float = 1_000_000.0
    slippage: Literal["sqrt", "proportional"] = "sqrt"
    spread_bps: float = 5.0
    impact_coefficient: float = 1.0
    slippage_bps: float = 5.0
    fee_bps: float = 1.0
    borrow_rate_per_year: float | None = 0.03
    margin_rate_per_year: float = 0.06
    participation: float | None = 0.10
    decision_lag_minutes: float = 0.0
    cost_multiple: float = 1.0
    allow_zero_cost: bool = False

    def __post_init__(self) -> None:
        if self.slippage not in ("sqrt", "proportional"):
            raise ValueError(f"expected slippage 'sqrt' or 'proportional', found {self.slippage!r}")
        if not (math.isfinite(self.initial_cash_usd) and self.initial_cash_usd > 0):
            raise ValueError(f"expected initial_cash_usd above 0, found {self.initial_cash_usd}")
        if self.participation is not None and not 0 < self.participation <= 1:
            raise ValueError(f"expected participation in (0, 1] or None, found {self.participation}")
        if not 0 <= self.decision_lag_minutes <= 960:
            raise ValueError(f"expected decision_lag_minutes between 0 and 960, found {self.decision_lag_minutes}")
        for name, value in self._costs().items():
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"expected {name} finite and not negative, found {value}")
        if not self.allow_zero_cost and (zero := self._zero_costs()):
            raise ValueError(
                f"expected costs above zero, found {', '.join(f'{name} = 0' for name in zero)}; "
                "set allow_zero_cost=True for a diagnostic run"
            )

    def _costs(self) -> dict[str, float]:
        if self.slippage == "sqrt":
            slippage = {"spread_bps": self.spread_bps, "impact_coefficient": self.impact_coefficient}
        else:
            slippage = {"slippage_bps": self.slippage_bps}
        borrow = {} if self.borrow_rate_per_year is None else {"borrow_rate_per_year": self.borrow_rate_per_year}
        rest = {"margin_rate_per_year": self.margin_rate_per_year, "cost_multiple": self.cost_multiple}
        return slippage | {"fee_bps": self.fee_bps} | borrow | rest

    def _zero_costs(self) -> list[str]:
        return [name for name, value in self._costs().items() if value == 0]

    def labels(self) -> list[str]:
        """Return the labels that this configuration puts on its run."""
        zero = ["diagnostic_no_cost"] if self._zero_costs() else []
        return zero + (["spread_proxy"] if self.slippage == "sqrt" else [])

    def canonical_json(self) -> str:
        """Return all assumptions as JSON with sorted keys and no spaces."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))
