"""What a candidate costs: net premium at executable prices, and fees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gnosis.trading.structures.chain import Floats, OptionChain, Positions
from gnosis.trading.structures.selection import Candidates


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """Assumptions of the entry.

    Attributes
    ----------
    half_spreads
        Half spreads paid on every option leg: 1 buys at the ask and sells at the bid, 0 trades at the mid.
    fee_usd_per_contract
        Commission and fees of one option contract.
    share_slippage_bps
        Shares trade at spot and this much against the trader.

    Raises
    ------
    ValueError
        For a value below 0.

    Examples
    --------
    >>> Execution(fee_usd_per_contract=0.65).half_spreads
    1.0
    """

    half_spreads: float = 1.0
    fee_usd_per_contract: float
    share_slippage_bps: float = 0.0

    def __post_init__(self) -> None:
        for name in ("half_spreads", "fee_usd_per_contract", "share_slippage_bps"):
            value = getattr(self, name)
            if not (np.isfinite(value) and value >= 0.0):
                raise ValueError(f"{name}: expected a finite value of at least 0, found {value}")


@dataclass(frozen=True, slots=True, eq=False)
class Premium:
    """What is paid at the entry, $ per share of the multiplier, shape (candidates,) unless said otherwise.

    Attributes
    ----------
    leg_price_usd
        Price at which each leg trades, shape (candidates, legs); NaN where there is no leg.
    net_usd
        Positive for a debit, negative for a credit; shares included, fees not.
    mid_usd
        The same at mids and at spot.
    fees_usd
        Fees of all option legs.
    """

    leg_price_usd: Floats
    net_usd: Floats
    mid_usd: Floats
    fees_usd: Floats

    def take(self, rows: Positions) -> Premium:
        """Return some of the rows, in their order."""
        return Premium(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))

    @property
    def outlay_usd(self) -> Floats:
        """Net premium and fees: what profit and loss are counted from."""
        return self.net_usd + self.fees_usd


def net_premium(chain: OptionChain, candidates: Candidates, execution: Execution) -> Premium:
    """Return ``sum of quantity x price`` of each candidate, every price mid plus or minus half spreads.

    Examples
    --------
    See :func:`gnosis.trading.structures.ranking.ranked_candidates`.
    """
    mid = (chain.bid_usd + chain.ask_usd)[candidates.contract] / 2.0
    half = (chain.ask_usd - chain.bid_usd)[candidates.contract] / 2.0
    quantity, shares = candidates.quantity, candidates.shares
    price = mid + execution.half_spreads * half * np.sign(quantity)
    slippage = execution.share_slippage_bps * 1e-4 * np.sign(shares)
    fees = np.abs(quantity).sum(axis=1) * execution.fee_usd_per_contract / chain.multiplier
    return Premium(
        leg_price_usd=np.where(candidates.is_leg, price, np.nan),
        net_usd=(quantity * price).sum(axis=1) + shares * chain.spot_usd * (1.0 + slippage),
        mid_usd=(quantity * mid).sum(axis=1) + shares * chain.spot_usd,
        fees_usd=fees,
    )
