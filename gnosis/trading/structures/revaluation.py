"""Candidates whose legs expire at different times: what the later legs are worth when the near one expires."""

from __future__ import annotations

from enum import StrEnum

import numpy as np

from gnosis.options.pricing.black_scholes import price
from gnosis.options.surface.svi import RawSvi, total_variance
from gnosis.trading.structures.chain import Floats, OptionChain, Positions
from gnosis.trading.structures.payoff import ZERO_SHARE, Payoffs
from gnosis.trading.structures.selection import Candidates

CORE_POINTS = 401
CORE_DEVIATIONS = 6.0
TAIL_POINTS = 24
TAIL_LOG = 3.0
"""The grid goes on for this log distance beyond the core, so to a twentieth and to twenty times its ends."""

FIRST_WIDTH = 6
"""Crossings of zero that room is made for at first."""


class VolatilityConvention(StrEnum):
    """How the surface follows the price.

    ``sticky_delta``: volatility belongs to log-moneyness and remaining time, so the smile moves with the forward.
    ``sticky_strike``: every contract keeps the volatility that the surface gives it today.
    """

    STICKY_DELTA = "sticky_delta"
    STICKY_STRIKE = "sticky_strike"


def price_grid(forward_usd: float, deviation: float, strikes_usd: Floats) -> Floats:
    """Return ascending prices: 0, 401 log-spaced ones over six deviations both ways, both tails, and the strikes.

    Parameters
    ----------
    forward_usd
        Centre, $ per share.
    deviation
        Standard deviation of the log price at the near expiry.
    strikes_usd
        Strikes at which the payoff has a kink.

    Raises
    ------
    ValueError
        For a deviation or a forward that is not positive.

    Examples
    --------
    >>> grid = price_grid(100.0, 0.06, np.array([100.0]))
    >>> grid.size, float(grid[0]), [round(float(value), 2) for value in grid[[1, 25, -25, -1]]]
    (450, 0.0, [3.47, 69.77, 143.33, 2878.92])
    """
    if not (deviation > 0.0 and forward_usd > 0.0):
        raise ValueError(f"expected a positive forward and deviation, found {forward_usd} and {deviation}")
    reach = CORE_DEVIATIONS * deviation
    core = np.linspace(-reach, reach, CORE_POINTS)
    tail = reach + TAIL_LOG * np.arange(1, TAIL_POINTS + 1) / TAIL_POINTS
    logs = np.concatenate([-tail, core, tail])
    return np.unique(np.concatenate([[0.0], forward_usd * np.exp(logs), strikes_usd]))


def values_at(
    chain: OptionChain,
    contract: Positions,
    near: int,
    price_usd: Floats,
    convention: VolatilityConvention,
) -> Floats:
    """Return what contracts are worth at the near expiry by price of the underlying, shape (contracts, points).

    Contracts that expire then are worth their intrinsic value. Later ones are valued by Black-Scholes-Merton with the
    forward carry and discount between both expiries; American ones at least at their intrinsic value. At a price of 0
    the limits are taken: 0 for calls, the discounted strike (American: the strike) for puts.

    Parameters
    ----------
    chain
        Contracts.
    contract
        int64, shape (contracts,): rows of the chain.
    near
        Row of the expiry at which they are valued.
    price_usd
        float64, shape (points,) or (contracts, points): not negative.
    convention
        How volatility follows the price.

    Raises
    ------
    ValueError
        When a contract expires before ``near``.
    """
    expiry = chain.expiry[contract]
    tau, forward, discount = chain.tau_years, chain.forward_usd, chain.discount
    remaining = tau[expiry] - tau[near]
    if (remaining < 0.0).any():
        raise ValueError("expected contracts that live at least until the near expiry, found one that expires before")
    prices = np.broadcast_to(price_usd, (contract.size, np.shape(price_usd)[-1]))
    strike, is_call = chain.strike_usd[contract][:, None], chain.is_call[contract][:, None]
    intrinsic = np.maximum(np.where(is_call, prices - strike, strike - prices), 0.0)
    if not contract.size or (remaining == 0.0).all():
        return intrinsic
    later = np.flatnonzero(remaining > 0.0)
    own = expiry[later]
    terms = remaining[later], forward[own] / forward[near], discount[own] / discount[near]
    intrinsic[later] = model_values(chain, contract[later], prices[later], *terms, convention)
    return intrinsic


def model_values(
    chain: OptionChain,
    contract: Positions,
    price_usd: Floats,
    remaining_years: Floats,
    growth: Floats,
    discount: Floats,
    convention: VolatilityConvention,
) -> Floats:
    """Return Black-Scholes-Merton values of contracts at later times, shape (contracts, points).

    Parameters
    ----------
    chain, contract
        Contracts, and int64 rows of them, shape (contracts,).
    price_usd
        float64, shape (contracts, points): price of the underlying then, not negative.
    remaining_years, growth, discount
        float64, shape (contracts,): time to settlement then, positive; forward over price, and discount factor, then.
    convention
        How volatility follows the price.
    """
    strike, is_call = chain.strike_usd[contract][:, None], chain.is_call[contract][:, None]
    spot = np.where(price_usd > 0.0, price_usd, chain.spot_usd)
    forward, ratio = spot * growth[:, None], discount[:, None]
    left = np.broadcast_to(remaining_years[:, None], spot.shape)
    if convention is VolatilityConvention.STICKY_STRIKE:
        iv = np.broadcast_to(chain.iv[contract][:, None], spot.shape)
    else:
        iv = _volatility_at(chain, np.log(strike / forward), left)
    worth = price(spot, strike, left, forward, ratio, iv, np.broadcast_to(is_call, spot.shape))
    worth = np.where(price_usd > 0.0, worth, np.where(is_call, 0.0, ratio * strike))
    intrinsic = np.maximum(np.where(is_call, price_usd - strike, strike - price_usd), 0.0)
    return np.where(chain.is_american[contract][:, None], np.maximum(worth, intrinsic), worth)


def slopes_at_infinity(chain: OptionChain, contract: Positions, near: int | Positions) -> Floats:
    """Return the limit of d value/d price at the near expiry as the price grows without end, shape of ``contract``.

    1 for a call that expires then, ``e^(-q tau)`` of the carry between both expiries for a later one (American: at
    least 1), 0 for puts.
    """
    expiry = chain.expiry[contract]
    carry = chain.forward_usd * chain.discount
    ratio = carry[expiry] / carry[near]
    ratio = np.where(expiry == near, 1.0, np.where(chain.is_american[contract], np.maximum(ratio, 1.0), ratio))
    return np.where(chain.is_call[contract], ratio, 0.0)


def worth_table(
    chain: OptionChain, candidates: Candidates, price_usd: Floats, convention: VolatilityConvention
) -> tuple[Floats, Positions]:
    """Return what the contracts of the candidates are worth at their near expiry, each contract once.

    Parameters
    ----------
    chain
        Contracts.
    candidates
        All with the same near expiry.
    price_usd
        float64, shape (points,): ascending from 0, with the strikes of near legs.
    convention
        How volatility follows the price.

    Returns
    -------
    tuple
        float64, shape (contracts, points), and int64, shape (candidates, legs), the row of each leg in it.

    Raises
    ------
    ValueError
        When the candidates have several near expiries.
    """
    near = np.unique(candidates.near)
    if near.size != 1:
        raise ValueError(f"expected candidates of one near expiry, found {near.size}")
    used = np.unique(candidates.contract[candidates.is_leg])
    place = np.where(candidates.is_leg, np.searchsorted(used, candidates.contract), 0)
    return values_at(chain, used, int(near[0]), price_usd, convention), place


def revalued_payoffs(
    chain: OptionChain,
    candidates: Candidates,
    worth_usd: Floats,
    place: Positions,
    outlay_usd: Floats,
    price_usd: Floats,
) -> Payoffs:
    """Return bounds and zeros at the near expiry from :func:`worth_table`.

    Profit and loss is linear between the points of the grid, at 0 the limit, and beyond the last point a line with the
    slope of the limit. It has no flat pieces, and a point where it only touches zero is no break-even.

    Parameters
    ----------
    chain, candidates
        Contracts and their combinations.
    worth_usd, place
        Of :func:`worth_table`.
    outlay_usd
        float64, shape (candidates,): net premium and fees, $ per share.
    price_usd
        float64, shape (points,): the grid.
    """
    from gnosis.trading.structures import revaluation_kernel as kernel

    slopes = slopes_at_infinity(chain, candidates.contract, candidates.near[:, None])
    slope = (candidates.quantity * slopes).sum(axis=1) + candidates.shares
    slope = np.where(np.abs(slope) <= ZERO_SHARE, 0.0, slope)
    n, width = len(candidates), FIRST_WIDTH
    extremes = np.empty((n, 2))
    while True:
        crossing_usd, crossing = np.full((n, width), np.nan), np.zeros((n, width))
        most = kernel.bounds(
            worth_usd, place, candidates.quantity, candidates.shares, price_usd, outlay_usd, slope,
            ZERO_SHARE * float(price_usd[-1]), extremes, crossing_usd, crossing,
        )  # fmt: skip
        if most <= width:
            break
        width = most
    ends = _last(crossing[:, :most]) + (crossing[:, :most] == 0.0).all(axis=1) * np.sign(extremes[:, 0])
    return Payoffs(
        max_profit_usd=np.where(slope > 0.0, np.inf, extremes[:, 1]),
        max_loss_usd=np.where(slope < 0.0, np.inf, -extremes[:, 0]),
        breakeven_usd=crossing_usd[:, :most],
        flat_zero_usd=np.empty((n, 0, 2)),
        crossing_usd=crossing_usd[:, :most],
        crossing=crossing[:, :most],
        ends_in_profit=ends > 0.0,
    )


def _last(crossing: Floats) -> Floats:
    """Return the last element of each row that is not 0, 0 where all are."""
    count = (crossing != 0.0).sum(axis=1)
    padded = np.concatenate([np.zeros((len(crossing), 1)), crossing], axis=1)
    return padded[np.arange(len(crossing)), count]


def _volatility_at(chain: OptionChain, log_moneyness: Floats, remaining_years: Floats) -> Floats:
    """Return the surface's volatility at a remaining time: total variance linear in time between its slices."""
    tau = chain.tau_years
    after = np.minimum(np.searchsorted(tau, remaining_years[:, 0]), tau.size - 1)
    before = np.maximum(after - 1, 0)
    left = remaining_years[:, 0]
    later = _variance(chain.surface, after, log_moneyness)
    is_between = (after > 0) & (left < tau[after])
    gap = np.where(is_between, tau[after] - tau[before], 1.0)
    share = np.where(is_between, (left - tau[before]) / gap, 0.0)[:, None]
    earlier = _variance(chain.surface, before, log_moneyness)
    between = earlier + share * (later - earlier)
    # Beyond the slices volatility is held: total variance is proportional to time.
    held = later * (left / tau[after])[:, None]
    return np.sqrt(np.where(is_between[:, None], between, held) / remaining_years)


def _variance(surface: RawSvi, expiry: Positions, log_moneyness: Floats) -> Floats:
    return total_variance(RawSvi(*(np.asarray(field)[expiry][:, None] for field in surface)), log_moneyness).w
