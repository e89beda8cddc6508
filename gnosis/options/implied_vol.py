"""Black-Scholes-Merton implied volatility of European options."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from gnosis.options.arrays import Floats, flat, positive, side

LOWEST_IV = 1e-4
HIGHEST_IV = 5.0


def implied_vol(
    price: ArrayLike,
    strike: ArrayLike,
    tau_years: ArrayLike,
    forward: ArrayLike,
    discount: ArrayLike,
    is_call: ArrayLike,
) -> Floats:
    """Return the volatility in [1e-4, 5] at which each contract is worth its price.

    The price is first moved to the out-of-the-money side by put-call parity, where it holds all that it tells about
    volatility. An in-the-money price keeps only what its time value has left above the rounding of its intrinsic
    value.

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

    Returns
    -------
    numpy.ndarray
        Float64 of the broadcast shape, decimal per sqrt(year). NaN where an argument is NaN and where no volatility in
        the bracket gives the price: at or below discounted intrinsic value, at or above the discounted forward (call)
        or strike (put), or beyond the prices of 1e-4 and 5. A default is never substituted.

    Raises
    ------
    ValueError
        When an argument other than price is not positive or is infinite, or is_call is not boolean.

    Notes
    -----
    Explicit start of Stefanica & Radoičić (2017) and third-order Householder steps on the logarithm of the price (cf.
    Jäckel 2015). Rows that have not settled after two steps go through a bracketed Newton-bisection search, which
    cannot fail.

    Examples
    --------
    >>> from gnosis.options import carry_forward, discount_factor
    >>> tau = 30 / 365
    >>> iv = implied_vol(0.7032853291, 105, tau, carry_forward(100, tau, 0.05, 0.015), discount_factor(0.05, tau), True)
    >>> round(float(iv), 8)
    0.2
    """
    from gnosis.options import implied_vol_kernel

    shape, arrays = flat(
        side(is_call),
        np.asarray(price, dtype=np.float64),
        positive("strike", "$", strike),
        positive("tau_years", "years", tau_years),
        positive("forward", "$", forward),
        positive("discount", "1", discount),
    )
    out = np.empty(arrays[0].size)
    sign, value, k, tau, f, df = arrays
    implied_vol_kernel.solve(sign, value, k, tau, f, df, LOWEST_IV, HIGHEST_IV, out)
    return out.reshape(shape)[()]
