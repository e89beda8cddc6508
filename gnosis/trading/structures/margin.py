"""Strategy-based margin by a table with effective dates; a broker's own numbers replace those of the table."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gnosis.trading.structures.chain import Floats, OptionChain
from gnosis.trading.structures.premium import Premium
from gnosis.trading.structures.schema import Margin
from gnosis.trading.structures.selection import Candidates


class MarginRuleError(ValueError):
    """No margin rule covers the day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginRule:
    """Numbers of the strategy-based rules over a span of days.

    Attributes
    ----------
    effective_from, effective_to
        First and last day; no last day while it holds.
    share_of_spot
        Of a naked short option, before what it is out of the money is taken off.
    least_share
        Floor: of spot for calls, of the strike for puts.
    stock_share
        Of the value of long shares.
    cash_secured_share
        Of the strike of a put that cash secures.
    source
        Who says so.
    """

    effective_from: dt.date
    effective_to: dt.date | None = None
    share_of_spot: float
    least_share: float
    stock_share: float
    cash_secured_share: float
    source: str


MARGIN_RULES: tuple[MarginRule, ...] = (
    MarginRule(
        effective_from=dt.date(1999, 7, 27),
        share_of_spot=0.20,
        least_share=0.10,
        stock_share=0.50,
        cash_secured_share=1.00,
        source="Cboe margin rule as approved on 27 July 1999 (SEC release 34-41658); Regulation T for shares",
    ),
)
"""Rules by effective date. Brokers may ask for more: pass overrides."""


def margin_rule(
    day: dt.date, overrides: dict[str, float] | None = None, rules: Sequence[MarginRule] = MARGIN_RULES
) -> MarginRule:
    """Return the rule of a day with a broker's numbers in place of its own.

    Raises
    ------
    MarginRuleError
        When no rule covers the day, or several do.
    ValueError
        When an override names no number of the rule.

    Examples
    --------
    >>> margin_rule(dt.date(2019, 5, 15), {"share_of_spot": 0.25}).share_of_spot
    0.25
    """
    found = [
        rule for rule in rules if rule.effective_from <= day and (rule.effective_to is None or day <= rule.effective_to)
    ]
    if len(found) != 1:
        raise MarginRuleError(f"expected one margin rule for {day}, found {len(found)}; mend the table of rules")
    numbers = {"share_of_spot", "least_share", "stock_share", "cash_secured_share"}
    if set(overrides or {}) - numbers:
        raise ValueError(
            f"overrides: expected numbers out of {sorted(numbers)}, found {sorted(set(overrides or {}) - numbers)}"
        )
    changes: dict[str, Any] = {**overrides, "source": f"{found[0].source}; broker overrides"} if overrides else {}
    return replace(found[0], **changes)


def required_margin_usd(
    chain: OptionChain, candidates: Candidates, premium: Premium, max_loss_usd: Floats, rule: MarginRule
) -> Floats:
    """Return the margin of one unit of each candidate, $, shape (candidates,).

    A structure whose legs bound its loss needs that loss. A naked short needs ``premium + max(share of spot - out of
    the money, floor)``; of short calls and puts together the larger side and the premium of the other count. A side
    whose longs cover its shorts is a spread and needs what it can lose before premium.

    Parameters
    ----------
    chain, candidates, premium
        Contracts, their combinations and what they cost.
    max_loss_usd
        float64, shape (candidates,): largest loss, $ per share.
    rule
        Numbers of the day.

    Examples
    --------
    See :func:`gnosis.trading.structures.ranking.ranked_candidates`.
    """
    kinds = np.array([item.margin.value for item in candidates.structures], dtype=np.str_)[candidates.structure]
    strike, is_call = chain.strike_usd[candidates.contract], chain.is_call[candidates.contract]
    per_share = np.full(len(candidates), np.nan)
    rows = kinds == Margin.WORST_LOSS
    per_share[rows] = max_loss_usd[rows]
    rows = kinds == Margin.STOCK
    per_share[rows] = rule.stock_share * np.abs(candidates.shares[rows]) * chain.spot_usd
    rows = kinds == Margin.CASH_SECURED
    per_share[rows] = rule.cash_secured_share * np.maximum(-candidates.quantity * strike, 0.0).sum(axis=1)[rows]
    rows = kinds == Margin.NAKED
    own = candidates.take(rows)
    price = np.nan_to_num(premium.leg_price_usd[rows])
    calls, call_premium = _side(chain, own, price, is_call[rows], 1.0, rule)
    puts, put_premium = _side(chain, own, price, ~is_call[rows], -1.0, rule)
    per_share[rows] = np.where(calls >= puts, calls + put_premium, puts + call_premium)
    return per_share * chain.multiplier


def _side(
    chain: OptionChain, own: Candidates, price: Floats, is_side: np.ndarray, sign: float, rule: MarginRule
) -> tuple[Floats, Floats]:
    """Return requirement and naked premium of the calls or of the puts, $ per share."""
    strike, quantity = chain.strike_usd[own.contract], np.where(is_side, own.quantity, 0.0)
    short, long = np.maximum(-quantity, 0.0), np.maximum(quantity, 0.0)
    out = np.maximum(sign * (strike - chain.spot_usd), 0.0)
    floor = rule.least_share * (chain.spot_usd if sign > 0 else strike)
    naked = price + np.maximum(rule.share_of_spot * chain.spot_usd - out, floor)
    is_covered = long.sum(axis=1) >= short.sum(axis=1)
    payoff = np.zeros(strike.shape)
    for leg in range(strike.shape[1]):
        gain = np.maximum(sign * (strike - strike[:, leg, None]), 0.0)
        payoff += quantity[:, leg, None] * gain
    at_zero = (quantity * strike).sum(axis=1, where=is_side) if sign < 0 else np.zeros(len(own))
    is_shown = is_side & (quantity != 0.0)
    worst = np.minimum(np.where(is_shown, payoff, 0.0).min(axis=1, initial=0.0), at_zero)
    required = np.where(is_covered, -worst, (short * naked).sum(axis=1))
    return required, np.where(is_covered, 0.0, (short * price).sum(axis=1))
