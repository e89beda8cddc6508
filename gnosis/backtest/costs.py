"""The price of taking liquidity: average concession per share against the reference price."""

from __future__ import annotations

import math


def sqrt_concession_usd_per_share(
    price_usd: float,
    quantity_shares: float,
    *,
    spread_usd: float,
    sigma_d: float,
    adv_shares: float,
    impact_coefficient: float = 1.0,
    filled_before_shares: float = 0.0,
) -> float:
    """Return the average concession of one slice of a parent order under the square-root law.

    The whole parent costs ``W(Q) = Q (s/2 + S Y sigma_d sqrt(Q/ADV))`` dollars (Tóth et al. 2011); a slice costs the
    increase of W over what the parent had filled before, so cutting an order into slices saves nothing.

    Parameters
    ----------
    price_usd
        Reference price S.
    quantity_shares
        Size of the slice, positive.
    spread_usd
        Quoted spread s in $.
    sigma_d
        Daily volatility known before the bar, 1/sqrt(session).
    adv_shares
        Average daily volume of the previous sessions.
    impact_coefficient
        Y.
    filled_before_shares
        Shares of the same parent filled in earlier bars.

    Returns
    -------
    float
        Concession in $ per share: add it to a buy, take it off a sale.

    Examples
    --------
    >>> round(sqrt_concession_usd_per_share(50, 10_000, spread_usd=0.02, sigma_d=0.02, adv_shares=1_000_000), 10)
    0.11
    """
    if not (quantity_shares > 0 and adv_shares > 0):
        raise ValueError(
            f"expected quantity and average volume above 0, found {quantity_shares} and {adv_shares}: "
            "a bar without known volume cannot fill an order"
        )
    end = filled_before_shares + quantity_shares
    impact = price_usd * impact_coefficient * sigma_d / math.sqrt(adv_shares)
    return spread_usd / 2 + impact * (end**1.5 - filled_before_shares**1.5) / quantity_shares
