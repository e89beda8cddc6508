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


def almgren_concession_usd_per_share(
    price_usd: float,
    quantity_shares: float,
    *,
    spread_usd: float,
    sigma_d: float,
    adv_shares: float,
    shares_outstanding: float,
    days: float,
    permanent: float = 0.314,
    temporary: float = 0.142,
    multiple: float = 1.0,
    filled_before_shares: float = 0.0,
) -> float:
    """Return the average concession of one slice of a parent order after Almgren, Thum, Hauptmann & Li (2005).

    The whole parent costs ``W(X) = X (s/2 + S (I/2 + J))`` dollars with the permanent impact
    ``I = gamma sigma_d (X/V) (Theta/V)^(1/4)``, of which an order pays half on average, and the temporary impact
    ``J = eta sigma_d (X / (V T))^0.6``; a slice costs the increase of W over what the parent had filled before.

    Parameters
    ----------
    price_usd, quantity_shares, spread_usd, sigma_d, adv_shares, filled_before_shares
        As for :func:`sqrt_concession_usd_per_share`; ``adv_shares`` is V.
    shares_outstanding
        Theta.
    days
        T, the time over which the order is worked, in sessions.
    permanent, temporary
        gamma and eta, by default those of the paper.
    multiple
        Multiplies both impacts.

    Examples
    --------
    The first example of the paper: IBM, a tenth of the daily volume over half a day; 8 + 10 basis points of the price.

    >>> bps = almgren_concession_usd_per_share(1e4, 656_100, spread_usd=0.0, sigma_d=0.0157, adv_shares=6.561e6,
    ...     shares_outstanding=1728e6, days=0.5)
    >>> round(bps, 2)
    18.42
    """
    if not (quantity_shares > 0 and adv_shares > 0 and shares_outstanding > 0 and days > 0):
        raise ValueError(
            f"expected quantity, average volume, shares outstanding and days above 0, found {quantity_shares}, "
            f"{adv_shares}, {shares_outstanding} and {days}"
        )
    end = filled_before_shares + quantity_shares
    of_permanent = permanent / 2 * (shares_outstanding / adv_shares) ** 0.25 / adv_shares
    of_temporary = temporary / (adv_shares * days) ** 0.6
    paid = of_permanent * (end**2 - filled_before_shares**2) + of_temporary * (end**1.6 - filled_before_shares**1.6)
    return spread_usd / 2 + price_usd * sigma_d * multiple * paid / quantity_shares


def book_concession_usd_per_share(
    levels: Sequence[tuple[float, float]],
    mid_usd: float,
    quantity_shares: float,
    *,
    taken_before_shares: float = 0.0,
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
    taken_before_shares
        What earlier fills have taken from the same side of the same book, from the best level on.

    Returns
    -------
    tuple of float
        Shares that the book holds, up to those wanted; concession in $ per share of them; the part of it that is the
        distance of the best price from the mid. All are 0 for an empty book.

    Examples
    --------
    >>> book_concession_usd_per_share([(100.02, 300.0), (100.04, 100.0)], 100.0, 600.0)
    (400.0, 0.025, 0.02)
    >>> book_concession_usd_per_share([(100.02, 300.0), (100.04, 100.0)], 100.0, 600.0, taken_before_shares=350.0)
    (50.0, 0.04, 0.02)
    """
    filled = cost = 0.0
    gone = taken_before_shares
    for price, displayed in levels:
        size = max(0.0, displayed - gone)
        gone = max(0.0, gone - displayed)
        taken = min(size, quantity_shares - filled)
        filled += taken
        cost += taken * abs(price - mid_usd)
        if filled >= quantity_shares:
            break
    if filled == 0:
        return 0.0, 0.0, 0.0
    return filled, round(cost / filled, 10), round(abs(levels[0][0] - mid_usd), 10)
