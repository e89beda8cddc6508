"""Profit and loss by price, for a plot or a question: what if it ends there."""

from __future__ import annotations

from gnosis.trading.structures.chain import Floats, OptionChain
from gnosis.trading.structures.revaluation import VolatilityConvention, worth_table
from gnosis.trading.structures.selection import Candidates


def profit_at(
    chain: OptionChain,
    candidates: Candidates,
    outlay_usd: Floats,
    price_usd: Floats,
    convention: VolatilityConvention,
) -> Floats:
    """Return profit and loss at the near expiry, $ per share of the multiplier, shape (candidates, points).

    Parameters
    ----------
    chain
        Contracts.
    candidates
        All with the same near expiry.
    outlay_usd
        float64, shape (candidates,): net premium and fees, $ per share.
    price_usd
        float64, shape (points,): prices of the underlying, not negative.
    convention
        How volatility follows the price for legs that outlive the near expiry.

    Raises
    ------
    ValueError
        When the candidates have several near expiries.

    Examples
    --------
    See :func:`gnosis.trading.structures.ranking.ranked_candidates`.
    """
    worth, place = worth_table(chain, candidates, price_usd, convention)
    profit = candidates.shares[:, None] * price_usd - outlay_usd[:, None]
    for leg in range(place.shape[1]):
        profit += candidates.quantity[:, leg, None] * worth[place[:, leg]]
    return profit
