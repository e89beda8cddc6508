"""The price of taking liquidity: average concession per share against the reference price."""

from __future__ import annotations

import math
from collections.abc import Sequence


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


def book_concession_usd_per_share(
    levels: Sequence[tuple[float, float]], mid_usd: float, quantity_shares: float
) -> tuple[float, float, float]:
    """Return what walking one side of a book costs: ``W(Q)/Q``, the average distance from the mid.

    Parameters
    ----------
    levels
        Price in $ and size of each level, from the best.
    mid_usd
        Middle of the best bid and ask.
    quantity_shares
        Wanted, positive.

    Returns
    -------
    tuple of float
        Shares that the book holds, up to those wanted; concession in $ per share of them; the part of it that is the
        distance of the best price from the mid. All are 0 for an empty book.

    Examples
    --------
    >>> book_concession_usd_per_share([(100.02, 300.0), (100.04, 100.0)], 100.0, 600.0)
    (400.0, 0.025, 0.02)
    """
    filled = cost = 0.0
    for price, size in levels:
        taken = min(size, quantity_shares - filled)
        filled += taken
        cost += taken * abs(price - mid_usd)
        if filled >= quantity_shares:
            break
    if filled == 0:
        return 0.0, 0.0, 0.0
    return filled, round(cost / filled, 10), round(abs(levels[0][0] - mid_usd), 10)
