"""What an options backtest assumes: money, fills, fees, expiry, assignment and margin."""

from __future__ import annotations

import datetime as dt
import json
import math
from dataclasses import asdict, dataclass
from typing import Literal

ENGINE_VERSION = "1"
"""Raised with every change of the engine that can change a figure; part of each ``run_key``."""

FILL_RULE = (
    "buy at ask and sell at bid of the first stored quote after eligibility and latency; "
    "all legs of an order from one snapshot or none"
)
FIRST_LISTED_OPTIONS = dt.date(1973, 4, 26)
DAYS_PER_YEAR = 360


@dataclass(frozen=True, kw_only=True)
class OptionsConfiguration:
    """Assumptions of one options backtest.

    Attributes
    ----------
    strategy
        Name stored with the run.
    initial_cash_usd
        Deposit before the first session.
    improvement
        Share of the spread won on each fill, from 0 (buy at ask, sell at bid) to 0.5 (mid). Printed in the title.
    latency_seconds
        Time from eligibility (the open after the decision) to the earliest quote that can fill.
    max_quote_age_seconds
        A quote older than this before the latest quote of its chain neither fills nor marks.
    size_multiple
        Largest order in multiples of the displayed size.
    size_unknown_contracts
        Largest order where no size is displayed. None rejects it.
    fee_per_contract_usd
        Commission per contract traded. Exercise, assignment and expiry are charged nothing.
    stock_slippage_bps
        Shares trade at the spot of the snapshot and this much against the trader: a stated figure and not a quote, so
        runs that trade shares are labelled ``stock_at_spot``.
    margin_rate_per_year, borrow_rate_per_year
        Paid on negative cash and on the value of short shares, ACT/360. Positive cash earns nothing.
    decision_lag_minutes
        Minutes after the close at which a strategy decides; later when the chain of the session is known later.
    exercise_thresholds
        First date and least amount in the money, $ per share, for exercise by exception; the latest date rules.
    cash_settled_roots
        American roots that pay cash. European contracts pay cash and other American ones deliver shares.
    share_assigned
        Share of the contracts assigned when early exercise pays its holder; below 1 drawn with ``seed``.
    pin_distance
        Relative distance of the close from the strike within which the assignment of an expiring short is uncertain.
    stock_margin
        Share of the value of shares that is required.
    short_puts
        ``naked``: strategy-based requirement. ``cash_secured``: the strike.
    seed
        Of the draws of ``share_assigned``.
    allow_zero_cost
        Permits fees of zero; such a run is labelled ``diagnostic_no_cost`` and must not be published.

    Raises
    ------
    ValueError
        For a value outside its range, or a cost of zero without ``allow_zero_cost``.

    Examples
    --------
    >>> OptionsConfiguration(strategy="condor", improvement=0.25).title()
    'condor, fills 25 % of the spread better than the quote'
    >>> OptionsConfiguration(improvement=0.75)
    Traceback (most recent call last):
    ValueError: expected improvement between 0 and 0.5, found 0.75
    """

    strategy: str = "options"
    initial_cash_usd: float = 1_000_000.0
    improvement: float = 0.0
    latency_seconds: float = 1.0
    max_quote_age_seconds: float = 900.0
    size_multiple: float = 1.0
    size_unknown_contracts: int | None = None
    fee_per_contract_usd: float = 0.65
    stock_slippage_bps: float = 2.5
    margin_rate_per_year: float = 0.06
    borrow_rate_per_year: float = 0.03
    decision_lag_minutes: float = 0.0
    exercise_thresholds: tuple[tuple[dt.date, float], ...] = ((FIRST_LISTED_OPTIONS, 0.01),)
    cash_settled_roots: tuple[str, ...] = ()
    share_assigned: float = 1.0
    pin_distance: float = 0.0025
    stock_margin: float = 0.5
    short_puts: Literal["naked", "cash_secured"] = "naked"
    seed: int = 0
    allow_zero_cost: bool = False

    def __post_init__(self) -> None:
        for name, low, high in (
            ("improvement", 0.0, 0.5),
            ("latency_seconds", 0.0, 86_400.0),
            ("max_quote_age_seconds", 0.0, 86_400.0),
            ("fee_per_contract_usd", 0.0, 1_000.0),
            ("stock_slippage_bps", 0.0, 1_000.0),
            ("margin_rate_per_year", 0.0, 10.0),
            ("borrow_rate_per_year", 0.0, 10.0),
            ("decision_lag_minutes", 0.0, 960.0),
            ("share_assigned", 0.0, 1.0),
            ("pin_distance", 0.0, 1.0),
            ("stock_margin", 0.0, 1.0),
        ):
            value = getattr(self, name)
            if not (math.isfinite(value) and low <= value <= high):
                raise ValueError(f"expected {name} between {low:g} and {high:g}, found {value}")
        for name in ("initial_cash_usd", "size_multiple"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"expected {name} above 0, found {value}")
        if self.size_unknown_contracts is not None and self.size_unknown_contracts < 1:
            raise ValueError(f"expected size_unknown_contracts of at least 1, found {self.size_unknown_contracts}")
        if self.short_puts not in ("naked", "cash_secured"):
            raise ValueError(f"expected short_puts 'naked' or 'cash_secured', found {self.short_puts!r}")
        days = [day for day, _ in self.exercise_thresholds]
        if not days or days != sorted(set(days)) or any(amount < 0 for _, amount in self.exercise_thresholds):
            raise ValueError(f"expected exercise_thresholds with ascending dates, found {self.exercise_thresholds}")
        zero = self._zero_costs()
        if zero and not self.allow_zero_cost:
            raise ValueError(
                f"expected costs above zero, found {', '.join(f'{name} = 0' for name in zero)}; "
                "set allow_zero_cost=True for a diagnostic run"
            )

    def _zero_costs(self) -> list[str]:
        names = ("fee_per_contract_usd", "stock_slippage_bps", "margin_rate_per_year", "borrow_rate_per_year")
        return [name for name in names if getattr(self, name) == 0]

    def exercise_threshold_usd(self, day: dt.date) -> float:
        """Return the least amount in the money, $ per share, at which a contract is exercised by exception.

        Raises
        ------
        ValueError
            When the day lies before the first date of ``exercise_thresholds``.
        """
        in_force = [amount for first, amount in self.exercise_thresholds if first <= day]
        if not in_force:
            raise ValueError(
                f"expected an exercise threshold for {day}, found none before {self.exercise_thresholds[0][0]}"
            )
        return in_force[-1]

    def title(self) -> str:
        """Return the title of the result, with the improvement when there is one."""
        won = "" if self.improvement == 0 else f"{self.improvement:.0%}".replace("%", " %")
        return self.strategy + (f", fills {won} of the spread better than the quote" if won else ", fills at the quote")

    def labels(self) -> list[str]:
        """Return the labels that this configuration puts on its run."""
        found = ["diagnostic_no_cost"] if self._zero_costs() else []
        if self.improvement:
            found.append(f"improvement_{self.improvement:g}")
        if self.size_unknown_contracts is not None:
            found.append("size_unknown_allowed")
        return found

    def canonical_json(self) -> str:
        """Return all assumptions as JSON with sorted keys and no spaces."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"), default=str)
