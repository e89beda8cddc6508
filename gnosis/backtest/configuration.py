"""What a backtest assumes: money, costs and limits. Every cost is explicit; zero must be asked for."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from typing import Literal

ENGINE_VERSION = "3"
"""Raised with every change of the engine that can change a figure; part of each ``run_key``."""

FILL_RULE = (
    "orders are eligible from the next session on: market at its open, auctions at open or close, a limit when the bar "
    "trades through it, a stop at its price or at the open that jumped it; stop before target inside one bar; costs on "
    "top; the rest stays until cancelled"
)

_CHOICES = {
    "slippage": ("sqrt", "almgren", "proportional", "book"),
    "fills_on": ("bars", "quotes"),
    "regulatory_fees": ("in_fee_bps", "dated"),
    "account": ("margin", "cash"),
    "lot_method": ("first in first out",),
}

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
        ``sqrt``: half spread plus square-root impact; ``almgren``: half spread plus permanent and temporary impact of
        Almgren et al. (2005), which needs shares outstanding and ``execution_days``; ``proportional``: a fixed share of
        the reference price; ``book``: the stored levels of the order book are walked, and what lies beyond them is not
        filled.
    fills_on
        ``bars``, or ``quotes`` with ``book``: but for auctions, purchases are made at the ask and sales at the bid of
        the first book known ``latency_seconds`` after the open, or after what made the order; then of later ones.
    latency_seconds
        Between an order and the first quote that it can meet, for ``quotes``.
    spread_bps
        Quoted spread in basis points of the price, for ``sqrt`` and ``almgren`` where no spread of the time is given. A
        stated figure and not a quote: the run is labelled ``spread_proxy``.
    impact_coefficient
        Y of the square-root law.
    almgren_permanent, almgren_temporary
        gamma and eta of ``almgren``, by default those that the authors estimated on US large caps, 2001 to 2003.
    execution_days
        Sessions over which an order is worked under ``almgren``.
    amplification_aware_impact
        Multiplies the impact by max(1, A), A the amplification known before the bar.
    slippage_bps
        Basis points of the reference price, for ``proportional``.
    fee_bps
        Commission and fees in basis points of the traded value.
    commission_usd_per_share
        Commission on top of ``fee_bps``; None for none.
    regulatory_fees
        ``in_fee_bps``: contained there; ``dated``: charged on sales by the tables of :mod:`gnosis.backtest.fees`, or by
        the two rates below. Days without a known rate are charged what is known and labelled
        ``regulatory_fees_unknown``.
    section_31_usd_per_million, trading_activity_usd_per_share
        Rates of this run in place of the tables.
    borrow_rate_per_year
        Paid on the market value of shorts, ACT/360. None: there is no stock to borrow, and short targets are refused.
    margin_rate_per_year
        Paid on negative cash, ACT/360.
    cash_rate_per_year
        Received on positive cash, ACT/360.
    maintenance_margin_long, maintenance_margin_short
        Shares of market value that equity must cover at each close of a ``margin`` account; stated assumptions, by
        default the 25 % and 30 % of FINRA Rule 4210(c). On a deficit the strategy is not asked: every position is cut
        in proportion from the next open on, and the run is labelled ``margin_call``.
    account
        ``margin``, or ``cash``: no short, and no purchase beyond settled cash.
    settlement_days
        Sessions until the proceeds of a sale can pay for a purchase; None follows the dated rule of US shares.
    participation
        Largest share of min(volume of the bar, average daily volume) filled in one bar; None means no limit.
    tick_usd
        How far a bar must trade through a limit to fill it.
    limit_touch_fills
        True fills a limit that is only touched.
    opposite_intrabar
        True lets the better outcome happen where a bar does not tell the order of events: the other side of the
        published bound, never the result itself.
    lot_method
        Which lots a sale closes.
    close_out
        True sells everything in the closing auction of the last session, with costs.
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
    slippage: Literal["sqrt", "almgren", "proportional", "book"] = "sqrt"
    fills_on: Literal["bars", "quotes"] = "bars"
    latency_seconds: float = 1.0
    spread_bps: float = 5.0
    impact_coefficient: float = 1.0
    almgren_permanent: float = 0.314
    almgren_temporary: float = 0.142
    execution_days: float | None = None
    amplification_aware_impact: bool = False
    slippage_bps: float = 5.0
    fee_bps: float = 1.0
    commission_usd_per_share: float | None = None
    regulatory_fees: Literal["in_fee_bps", "dated"] = "in_fee_bps"
    section_31_usd_per_million: float | None = None
    trading_activity_usd_per_share: float | None = None
    borrow_rate_per_year: float | None = 0.03
    margin_rate_per_year: float = 0.06
    cash_rate_per_year: float = 0.0
    maintenance_margin_long: float = 0.25
    maintenance_margin_short: float = 0.30
    account: Literal["margin", "cash"] = "margin"
    settlement_days: int | None = None
    participation: float | None = 0.10
    tick_usd: float = 0.01
    limit_touch_fills: bool = False
    opposite_intrabar: bool = False
    close_out: bool = False
    lot_method: Literal["first in first out"] = "first in first out"
    decision_lag_minutes: float = 0.0
    cost_multiple: float = 1.0
    allow_zero_cost: bool = False

    def __post_init__(self) -> None:
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"expected {name} of {allowed}, found {getattr(self, name)!r}")
        if not (math.isfinite(self.initial_cash_usd) and self.initial_cash_usd > 0):
            raise ValueError(f"expected initial_cash_usd above 0, found {self.initial_cash_usd}")
        if self.participation is not None and not 0 < self.participation <= 1:
            raise ValueError(f"expected participation in (0, 1] or None, found {self.participation}")
        if not 0 <= self.decision_lag_minutes <= 960:
            raise ValueError(f"expected decision_lag_minutes between 0 and 960, found {self.decision_lag_minutes}")
        if not (math.isfinite(self.tick_usd) and self.tick_usd > 0):
            raise ValueError(f"expected tick_usd above 0, found {self.tick_usd}")
        if self.slippage == "almgren" and not (self.execution_days is not None and 0 < self.execution_days <= 1):
            raise ValueError(
                f"expected execution_days in (0, 1] with slippage 'almgren', found {self.execution_days}: say over how "
                "much of a session an order is worked"
            )
        if self.fills_on == "quotes" and self.slippage != "book":
            raise ValueError(f"expected slippage 'book' with fills_on 'quotes', found {self.slippage!r}")
        if self.settlement_days is not None and self.settlement_days < 0:
            raise ValueError(f"expected settlement_days of 0 or more, or None, found {self.settlement_days}")
        for name, value in (self._costs() | self._rates()).items():
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"expected {name} finite and not negative, found {value}")
        if not self.allow_zero_cost and (zero := self._zero_costs()):
            raise ValueError(
                f"expected costs above zero, found {', '.join(f'{name} = 0' for name in zero)}; "
                "set allow_zero_cost=True for a diagnostic run"
            )

    def _costs(self) -> dict[str, float]:
        slippage = {
            "sqrt": {"spread_bps": self.spread_bps, "impact_coefficient": self.impact_coefficient},
            "almgren": {
                "spread_bps": self.spread_bps,
                "almgren_permanent": self.almgren_permanent,
                "almgren_temporary": self.almgren_temporary,
            },
            "proportional": {"slippage_bps": self.slippage_bps},
            "book": {},
        }[self.slippage]
        # A run that pays per share or by the dated tables need not pay in basis points too.
        is_paid_otherwise = bool(self.commission_usd_per_share) or self.regulatory_fees == "dated"
        fees = {} if is_paid_otherwise and self.fee_bps == 0 else {"fee_bps": self.fee_bps}
        borrow = {} if self.borrow_rate_per_year is None else {"borrow_rate_per_year": self.borrow_rate_per_year}
        rest = {"margin_rate_per_year": self.margin_rate_per_year, "cost_multiple": self.cost_multiple}
        return slippage | fees | borrow | rest

    def _rates(self) -> dict[str, float]:
        names = (
            "commission_usd_per_share", "section_31_usd_per_million", "trading_activity_usd_per_share",
            "cash_rate_per_year", "latency_seconds", "maintenance_margin_long", "maintenance_margin_short",
        )  # fmt: skip
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

    def _zero_costs(self) -> list[str]:
        return [name for name, value in self._costs().items() if value == 0]

    def labels(self) -> list[str]:
        """Return the labels that this configuration puts on its run; given spreads take ``spread_proxy`` away."""
        zero = ["diagnostic_no_cost"] if self._zero_costs() else []
        proxy = ["spread_proxy"] if self.slippage in ("sqrt", "almgren") else []
        return zero + proxy + (["opposite_intrabar"] if self.opposite_intrabar else [])

    def canonical_json(self) -> str:
        """Return all assumptions as JSON with sorted keys and no spaces between them."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))
