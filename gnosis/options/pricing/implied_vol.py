"""Black-Scholes-Merton implied volatility of European options, with a bound on its error."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from gnosis.options.arrays import Codes, Floats, booleans, flat, in_ranges, positive

LOWEST_IV = 1e-4
HIGHEST_IV = 5.0
IV_REASONS = (
    "solved",
    "missing",
    "below_intrinsic",
    "above_maximum",
    "below_lowest",
    "above_highest",
    "imprecise",
)


class ImpliedVol(NamedTuple):
    """Implied volatilities with what is known about each; arrays of one shape.

    Attributes
    ----------
    iv
        Volatility, decimal per sqrt(year); NaN unless solved.
    error
        Bound on the absolute error of ``iv`` from rounding: of the price and of the forward to doubles, and of every
        step of the computation. Infinite where rounding may have made more than a tenth of the time value. Given for
        the reasons ``solved`` and ``imprecise``, else NaN.
    reason
        int8, position in :data:`IV_REASONS`.

        =================== ==========================================================================================
        ``solved``          ``iv`` is the volatility of the price
        ``missing``         an argument is NaN
        ``below_intrinsic`` the price is at or below its discounted intrinsic value (out of the money: not positive)
        ``above_maximum``   the price is at or above the discounted forward (call) or strike (put)
        ``below_lowest``    the price is below that of the lowest volatility of the bracket, 1e-4
        ``above_highest``   the price is above that of the highest, 5
        ``imprecise``       ``error`` exceeds ``max_error``: the price does not tell the volatility
        =================== ==========================================================================================
    """

    iv: Floats
    error: Floats
    reason: Codes


def implied_vol(
    price: ArrayLike,
    strike: ArrayLike,
    tau_years: ArrayLike,
    forward: ArrayLike,
    discount: ArrayLike,
    is_call: ArrayLike,
    max_error: float = 1e-9,
    threads: int = 1,
) -> ImpliedVol:
    """Return the volatility in [1e-4, 5] at which each contract is worth its price, or the reason why there is none.

    The price is first moved to the out-of-the-money side by put-call parity, where it holds all that it tells about
    volatility. An in-the-money price keeps only what its time value has left above the rounding of its intrinsic
    value; where that does not determine the volatility to ``max_error``, the row is ``imprecise``.

    Parameters
    ----------
    price
        Present value of the option, $ per share.
    strike, forward
        $ per share, positive.
    tau_years
        Time to settlement, ACT/365F, positive.
    discount
        Discount factor to settlement, positive.
    is_call
        True for calls, False for puts.
    max_error
        Largest bound on the absolute error with which a volatility is returned, per sqrt(year); ``math.inf`` returns
        every volatility.
    threads
        Threads that share the rows. Results do not depend on it.

    Returns
    -------
    ImpliedVol
        Arrays of the broadcast shape. Every row has either a volatility or a reason; a default is never substituted.

    Raises
    ------
    ValueError
        When an argument other than price is not positive or is infinite, or is_call is not boolean.

    Notes
    -----
    Explicit start of Stefanica & Radoičić (2017) and third-order Householder steps on the logarithm of the price (cf.
    Jäckel 2015). Rows that have not settled after two steps go through a bracketed Newton-bisection search, which
    cannot fail. ``error`` counts half an ulp of the price, of the forward and of each operation; a price known to the
    cent moves the volatility by 0.01/vega, which is not in it.

    Examples
    --------
    >>> from gnosis.options import carry_forward, discount_factor
    >>> tau = 30 / 365
    >>> forward, discount = carry_forward(100, tau, 0.05, 0.015), discount_factor(0.05, tau)
    >>> found = implied_vol([0.7032853291, 0.0], 105, tau, forward, discount, True)
    >>> found.iv.round(8).tolist(), [IV_REASONS[code] for code in found.reason]
    ([0.2, nan], ['solved', 'below_intrinsic'])
    >>> bool(found.error[0] < 1e-14)
    True
    """
    from gnosis.options.pricing import implied_vol_kernel

    require_max_error(max_error)
    terms = (
        ("strike", "$", strike),
        ("tau_years", "years", tau_years),
        ("forward", "$", forward),
        ("discount", "1", discount),
    )
    shape, arrays = flat(
        booleans(is_call),
        np.asarray(price, dtype=np.float64),
        *(np.asarray(values, dtype=np.float64) for _, _, values in terms),
        keep_single=True,
    )
    n = math.prod(shape)
    (iv, error), reason = np.empty((2, n)), np.empty(n, dtype=np.int8)
    calls, value, k, tau, f, df = arrays

    def run(first: int, last: int) -> bool:
        return implied_vol_kernel.solve(
            calls, value, k, tau, f, df, LOWEST_IV, HIGHEST_IV, max_error, iv, error, reason, first, last
        )

    if not in_ranges(run, n, threads):
        for term in terms:
            positive(*term)
    return ImpliedVol(iv.reshape(shape)[()], error.reshape(shape)[()], reason.reshape(shape)[()])


def require_max_error(max_error: float) -> None:
    """Raise ValueError unless ``max_error`` is positive."""
    if not max_error > 0:
        raise ValueError(f"max_error: expected a positive number per sqrt(year), found {max_error}")
