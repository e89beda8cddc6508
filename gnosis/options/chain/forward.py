"""Forward prices: from put-call parity of the quotes nearest to spot, or from carry."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from gnosis.options.arrays import Flags, Floats, frozen, positive
from gnosis.options.chain.layout import expiry_starts
from gnosis.options.chain.limits import HALF_TICK, MIN_PAIRS

MAX_SECONDS_APART = 60.0
MAX_ERROR_OF_SPOT = 0.005


class RegressionDiscount(NamedTuple):
    """Discount factor per expiry and its standard error; NaN where the quotes give none."""

    discount: Floats
    error: Floats


class ParityForward(NamedTuple):
    """Forward per expiry and its standard error, $; NaN where parity gives none."""

    forward: Floats
    error: Floats


class Pairs(NamedTuple):
    """Strikes whose call and put say something of the forward.

    Attributes
    ----------
    near
        The at most twelve nearest to spot, which give the forward.
    inside
        All within the window around spot, which give the discount factor: a slope needs distance.
    """

    near: Flags
    inside: Flags


def carry_forward(
    spot: ArrayLike, tau_years: ArrayLike, rate_per_year: ArrayLike, carry_per_year: ArrayLike = 0.0
) -> Floats:
    """Return S exp((r - q) tau), rate and carry yield continuously compounded.

    Examples
    --------
    >>> round(float(carry_forward(100, 30 / 365, 0.05, 0.015)), 9)
    100.288085404
    """
    rate = np.asarray(rate_per_year, dtype=np.float64) - np.asarray(carry_per_year, dtype=np.float64)
    return np.asarray(spot, dtype=np.float64) * np.exp(rate * np.asarray(tau_years, dtype=np.float64))


def near_pairs(
    strike: ArrayLike,
    call_mid: ArrayLike,
    put_mid: ArrayLike,
    spot: ArrayLike,
    is_american: ArrayLike = False,
    is_pair: ArrayLike = True,
    starts: ArrayLike | None = None,
) -> Pairs:
    """Return which strikes tell the forward of their expiry; arguments as in :func:`parity_forward`.

    Examples
    --------
    >>> near_pairs([80, 99, 100, 101], [20.1, 2.6, 2.0, 1.5], [0.1, 1.6, 2.0, 2.5], 100).near.tolist()
    [False, True, True, True]
    """
    from gnosis.options.chain import chain_kernel

    strikes = positive("strike", "$", strike)
    pairs = Pairs(np.zeros(strikes.size, dtype=bool), np.zeros(strikes.size, dtype=bool))
    chain_kernel.near_pairs(
        expiry_starts(starts, strikes.size),
        frozen(strikes, strikes.shape),
        _full("call_mid", call_mid, strikes),
        _full("put_mid", put_mid, strikes),
        _full("is_pair", is_pair, strikes, np.bool_),
        _full("spot", positive("spot", "$", spot), strikes),
        _full("is_american", is_american, strikes, np.bool_),
        *pairs,
    )
    return pairs


def parity_forward(
    strike: ArrayLike,
    call_mid: ArrayLike,
    put_mid: ArrayLike,
    spread_sum: ArrayLike,
    spot: ArrayLike,
    discount: ArrayLike,
    is_american: ArrayLike = False,
    is_pair: ArrayLike = True,
    starts: ArrayLike | None = None,
) -> ParityForward:
    """Return the forward implied by C - P = DF (F - K), the weighted median over the pairs nearest to spot.

    Pairs within 3 sigma sqrt(tau) of spot, at least 2 %, count (2 % for American exercise), sigma from the straddle
    nearest to spot; at most the 12 nearest, at least 3. Weights are inverse squares of half the spreads of call and
    put together.

    Parameters
    ----------
    strike
        $, ascending within an expiry.
    call_mid, put_mid, spread_sum
        Mid prices of call and put, and the sum of their bid-ask spreads, $.
    spot
        $ per share at the quote.
    discount
        Discount factor to settlement.
    is_american, is_pair
        Exercise style; whether the strike has two usable quotes at most 60 s apart.
    starts
        Positions at which the expiries start, followed by the number of strikes; one expiry when omitted.

    Raises
    ------
    ValueError
        When strike or spot is not positive and finite, lengths differ, or ``starts`` does not cut the strikes into
        expiries.

    Examples
    --------
    >>> found = parity_forward(
    ...     [95, 100, 105], [5.7816027400, 2.4273730419, 0.7032853291], [0.5152046008, 2.1404691215, 5.3958756275],
    ...     0.1, 100, 0.9958988437605,
    ... )
    >>> found.forward.round(6).tolist()
    [100.288085]
    """
    near = near_pairs(strike, call_mid, put_mid, spot, is_american, is_pair, starts).near
    return median_forward(strike, call_mid, put_mid, spread_sum, discount, near, starts)


def median_forward(
    strike: ArrayLike,
    call_mid: ArrayLike,
    put_mid: ArrayLike,
    spread_sum: ArrayLike,
    discount: ArrayLike,
    is_near: ArrayLike,
    starts: ArrayLike | None = None,
) -> ParityForward:
    """Return the forward of pairs already chosen by :func:`near_pairs`, of American ones after early exercise is off.

    Examples
    --------
    >>> median_forward([99, 100, 101], [2.6, 2.0, 1.5], [1.6, 2.0, 2.5], 0.1, 1.0, [True, True, True])
    ParityForward(forward=array([100.]), error=array([0.]))
    """
    from gnosis.options.chain import chain_kernel

    strikes = positive("strike", "$", strike)
    cuts = expiry_starts(starts, strikes.size)
    forward, error = np.empty(cuts.size - 1), np.empty(cuts.size - 1)
    chain_kernel.median_forwards(
        cuts,
        frozen(strikes, strikes.shape),
        _full("call_mid", call_mid, strikes),
        _full("put_mid", put_mid, strikes),
        _full("spread_sum", spread_sum, strikes),
        _full("discount", discount, strikes),
        _full("is_near", is_near, strikes, np.bool_),
        forward,
        error,
    )
    return ParityForward(forward, error)


def regression_discount(
    strike: ArrayLike,
    call_mid: ArrayLike,
    put_mid: ArrayLike,
    spread_sum: ArrayLike,
    is_inside: ArrayLike,
    starts: ArrayLike | None = None,
) -> RegressionDiscount:
    """Return the discount factor that the quotes imply: minus the slope of C - P on K, weighted as the forward is.

    Half the spreads of call and put together count as one standard deviation of a pair, as in the weights.

    Parameters
    ----------
    strike, call_mid, put_mid, spread_sum, starts
        As in :func:`parity_forward`.
    is_inside
        The pairs to use, from :func:`near_pairs`.

    Returns
    -------
    RegressionDiscount
        Per expiry; NaN with fewer than three pairs or where the slope is not negative.

    Examples
    --------
    >>> calls, puts = [5.7816027400, 2.4273730419, 0.7032853291], [0.5152046008, 2.1404691215, 5.3958756275]
    >>> found = regression_discount([95, 100, 105], calls, puts, 0.1, [True, True, True])
    >>> found.discount.round(9).tolist(), found.error.round(6).tolist()
    ([0.995898844], [0.007071])
    """
    strikes = positive("strike", "$", strike)
    cuts = expiry_starts(starts, strikes.size)
    n = cuts.size - 1
    used = np.flatnonzero(_full("is_inside", is_inside, strikes, np.bool_))
    expiry = np.searchsorted(cuts, used, side="right") - 1
    k, parity = strikes[used], (_full("call_mid", call_mid, strikes) - _full("put_mid", put_mid, strikes))[used]
    weight = 1.0 / np.maximum(0.5 * _full("spread_sum", spread_sum, strikes)[used], HALF_TICK) ** 2

    def total(values: Floats) -> Floats:
        return np.bincount(expiry, values, n).astype(np.float64)

    with np.errstate(invalid="ignore", divide="ignore"):
        from_centre = k - (total(weight * k) / total(weight))[expiry]
        width = total(weight * from_centre * from_centre)
        slope = total(weight * from_centre * parity) / width
        is_known = (np.bincount(expiry, minlength=n) >= MIN_PAIRS) & (slope < 0.0)
        return RegressionDiscount(np.where(is_known, -slope, np.nan), np.where(is_known, 1.0 / np.sqrt(width), np.nan))


def _full(name: str, values: ArrayLike, like: Floats, dtype: type = np.float64) -> np.ndarray:
    array: np.ndarray = np.asarray(values, dtype=dtype)
    if array.size != 1 and array.shape != like.shape:
        raise ValueError(f"{name}: expected one value, or one per strike, shape {like.shape}, found {array.shape}")
    return frozen(array, like.shape)
