"""American exercise: value on a binomial tree, the volatility behind a price, and what early exercise can be worth.

The tree is that of Leisen & Reimer (1996) with the second inversion of Peizer & Pratt (1968). Declared cash dividends
are escrowed: what moves is the spot less their present value, and a holder who exercises before an ex-date receives
the dividends still to come with the share. The forward contains the dividends, so growth of the escrowed spot is
ln(F/S*)/tau; without declared dividends the carry is whatever the forward says.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from gnosis.options.arrays import Floats, Positions, booleans, frozen, in_ranges, positive
from gnosis.options.pricing.implied_vol import HIGHEST_IV, LOWEST_IV, ImpliedVol, implied_vol

STEPS = 201


class Dividends(NamedTuple):
    """Declared cash dividends of every contract, one after the other.

    Attributes
    ----------
    times_years
        Float64 of shape (m,): time from the quote to the ex-date, after the quote and before settlement, ascending
        within a contract.
    amounts_usd
        Float64 of shape (m,): $ per share, positive.
    starts
        Int64 of shape (n + 1,): contract i owns the dividends ``starts[i]:starts[i + 1]``.
    """

    times_years: Floats
    amounts_usd: Floats
    starts: Positions


class TreeValue(NamedTuple):
    """American and European value of every contract on the same tree, $ per share."""

    american: Floats
    european: Floats


class _Contracts(NamedTuple):
    """What a tree is built from, in the order in which the kernels take it: the escrowed spot and present values."""

    sign: Floats
    escrowed: Floats
    strike: Floats
    tau: Floats
    forward: Floats
    discount: Floats
    times: Floats
    present_values: Floats
    starts: Positions


def tree_value(
    spot: ArrayLike,
    strike: ArrayLike,
    tau_years: ArrayLike,
    forward: ArrayLike,
    discount: ArrayLike,
    iv: ArrayLike,
    is_call: ArrayLike,
    dividends: Dividends | None = None,
    steps: int = STEPS,
    threads: int = 1,
) -> TreeValue:
    """Return the American and the European value of every contract on a Leisen-Reimer tree.

    Parameters
    ----------
    spot, strike, forward
        $ per share, positive. The spot is the quoted one, with dividends.
    tau_years
        Time to settlement, ACT/365F, positive.
    discount
        Discount factor to settlement, positive; above 1 for negative rates.
    iv
        Volatility as a decimal per sqrt(year), positive; of the escrowed spot where there are dividends.
    is_call
        True for calls, False for puts.
    dividends
        Declared dividends of the contracts in the order of the flattened broadcast shape; none by default.
    steps
        Steps of the tree, odd.
    threads
        Threads that share the contracts. Results do not depend on it.

    Returns
    -------
    TreeValue
        Float64 arrays of the broadcast shape; NaN where any argument is NaN.

    Raises
    ------
    ValueError
        When an argument is not positive or infinite, is_call is not boolean, steps is not odd, or the dividends do not
        fit: wrong lengths, times outside the life of a contract or out of order, or worth as much as the spot.

    Notes
    -----
    The European value of this tree converges to Black-Scholes-Merton with the square of the number of steps.

    Examples
    --------
    Hull's put on a stock at $50 for five months at 10 % interest:

    >>> tau, growth = 5 / 12, 1.0425469051899914
    >>> value = tree_value(50, 50, tau, 50 * growth, 1 / growth, 0.4, False)
    >>> round(float(value.american), 6), round(float(value.european), 6)
    (4.28393, 4.075975)
    """
    from gnosis.options.pricing import american_kernel

    volatility = positive("iv", "1/sqrt(year)", iv)
    shape, volatility, _, book = _contracts(volatility, spot, strike, tau_years, forward, discount, is_call, dividends)
    n = volatility.size
    value = TreeValue(np.empty(n), np.empty(n))

    def run(first: int, last: int) -> bool:
        return american_kernel.tree_values(*book, volatility, _odd(steps), *value, first, last)

    in_ranges(run, n, threads)
    return TreeValue(*(array.reshape(shape)[()] for array in value))


def american_implied_vol(
    price: ArrayLike,
    spot: ArrayLike,
    strike: ArrayLike,
    tau_years: ArrayLike,
    forward: ArrayLike,
    discount: ArrayLike,
    is_call: ArrayLike,
    dividends: Dividends | None = None,
    steps: int = STEPS,
    max_error: float = 1e-8,
    threads: int = 1,
) -> ImpliedVol:
    """Return the volatility in [1e-4, 5] at which the tree gives each American contract its price.

    Parameters
    ----------
    price
        Present value of the option, $ per share.
    spot, strike, tau_years, forward, discount, is_call, dividends, steps, threads
        As in :func:`tree_value`.
    max_error
        Largest bound on the absolute error with which a volatility is returned, per sqrt(year).

    Returns
    -------
    ImpliedVol
        Arrays of the broadcast shape, as of :func:`~gnosis.options.pricing.implied_vol`. ``error`` holds rounding and
        the end of the search, not the finite number of steps. A price at or below what immediate exercise or the
        discounted forward pays identifies no volatility: ``below_intrinsic``.

    Raises
    ------
    ValueError
        As :func:`tree_value`.

    Notes
    -----
    The search starts at the European volatility of the price, widens until the price is between two tree values, and
    then closes that bracket with the method of Chandrupatla (1997), which cannot fail. The bound holds because the
    tree is evaluated on both sides of the answer: both values differ from the price by more than they can have been
    rounded.

    Examples
    --------
    >>> tau, growth = 5 / 12, 1.0425469051899914
    >>> found = american_implied_vol(4.283929657, 50, 50, tau, 50 * growth, 1 / growth, False)
    >>> round(float(found.iv), 8)
    0.4
    """
    from gnosis.options.pricing import american_kernel

    if not max_error > 0:
        raise ValueError(f"max_error: expected a positive number per sqrt(year), found {max_error}")
    value = np.asarray(price, dtype=np.float64)
    shape, value, s, book = _contracts(value, spot, strike, tau_years, forward, discount, is_call, dividends)
    n = value.size
    european = implied_vol(
        value, book.strike, book.tau, book.forward, book.discount, book.sign > 0, max_error=math.inf, threads=threads
    )
    start = frozen(european.iv, (n,))
    found = ImpliedVol(np.empty(n), np.empty(n), np.empty(n, dtype=np.int8))

    def run(first: int, last: int) -> bool:
        return american_kernel.solve(
            *book, s, value, start, LOWEST_IV, HIGHEST_IV, float(max_error), _odd(steps), *found, first, last
        )

    in_ranges(run, n, threads)
    return ImpliedVol(found.iv.reshape(shape)[()], found.error.reshape(shape)[()], found.reason.reshape(shape)[()])


def early_exercise_bound(
    spot: ArrayLike,
    strike: ArrayLike,
    tau_years: ArrayLike,
    forward: ArrayLike,
    discount: ArrayLike,
    is_call: ArrayLike,
    dividends: Dividends | None = None,
) -> Floats:
    """Return what the right to exercise early is worth at most, whatever the volatility.

    Parameters
    ----------
    spot, strike, tau_years, forward, discount, is_call, dividends
        As in :func:`tree_value`.

    Returns
    -------
    numpy.ndarray
        Float64 of the broadcast shape, $ per share, at least 0; NaN where any argument is NaN.

    Raises
    ------
    ValueError
        As :func:`tree_value`.

    Notes
    -----
    Exercise at time t gains, over holding a European option that is worth no less than its discounted forward value,
    a put's interest on the strike less the dividends still to come, K (e^(-rt) - DF) - PV(dividends after t), or a
    call's dividends from t on less the interest; and at most (DF F - S*)+ for puts and (S* - DF F)+ for calls, the
    continuous carry of the escrowed spot. The bound is the sum of the largest value of either over all t, by rates and
    dividends alone; it holds in any model with the same forwards, so on the tree as well.

    Examples
    --------
    A call without dividends, and a put over one month at 5 %:

    >>> tau, growth = 30 / 365, 1.0041180176
    >>> early_exercise_bound(100, 105, tau, 100 * growth, 1 / growth, [True, False]).round(4).tolist()
    [0.0, 0.4306]
    """
    from gnosis.options.pricing import american_kernel

    shape, _, _, book = _contracts(np.zeros(()), spot, strike, tau_years, forward, discount, is_call, dividends)
    out = np.empty(book.sign.size)
    american_kernel.premium_bounds(*book, out)
    return out.reshape(shape)[()]


def _odd(steps: int) -> int:
    if not steps >= 1 or steps % 2 != 1:
        raise ValueError(
            f"steps: expected an odd whole number of steps, found {steps}; the strike lies between two nodes"
        )
    return int(steps)


def _contracts(
    given: Floats,
    spot: ArrayLike,
    strike: ArrayLike,
    tau_years: ArrayLike,
    forward: ArrayLike,
    discount: ArrayLike,
    is_call: ArrayLike,
    dividends: Dividends | None,
) -> tuple[tuple[int, ...], Floats, Floats, _Contracts]:
    """Return the common shape, and flat: ``given``, the spot, and the contracts as the kernels take them."""
    arrays = (
        given,
        positive("spot", "$", spot),
        np.where(booleans(is_call), 1.0, -1.0),
        positive("strike", "$", strike),
        positive("tau_years", "years", tau_years),
        positive("forward", "$", forward),
        positive("discount", "1", discount),
    )
    shape = np.broadcast_shapes(*(array.shape for array in arrays))
    given, s, sign, k, tau, f, df = (frozen(array, shape).reshape(-1) for array in arrays)
    times, present_values, starts = _present_values(dividends, tau, df)
    owner = np.repeat(np.arange(s.size), np.diff(starts))
    escrowed = s - np.bincount(owner, weights=present_values, minlength=s.size)
    if (escrowed <= 0.0).any():
        place = int(np.flatnonzero(escrowed <= 0.0)[0])
        raise ValueError(
            f"dividends: expected less present value than the spot, found {s[place] - escrowed[place]} $ at a spot of "
            f"{s[place]} $ at position {place}"
        )
    return shape, given, s, _Contracts(sign, frozen(escrowed, s.shape), k, tau, f, df, times, present_values, starts)


def _present_values(dividends: Dividends | None, tau: Floats, discount: Floats) -> tuple[Floats, Floats, Positions]:
    """Return checked times, present values at the flat rate to settlement, and starts; all read-only."""
    n = tau.size
    if dividends is None:
        empty = frozen(np.empty(0), (0,))
        return empty, empty, frozen(np.zeros(n + 1, dtype=np.int64), (n + 1,))
    times = np.asarray(dividends.times_years, dtype=np.float64)
    amounts = positive("dividends.amounts_usd", "$", dividends.amounts_usd)
    starts = np.asarray(dividends.starts, dtype=np.int64)
    lengths = np.diff(starts)
    if (
        times.shape != amounts.shape
        or times.ndim != 1
        or starts.shape != (n + 1,)
        or starts[0] != 0
        or starts[-1] != times.size
        or (lengths < 0).any()
    ):
        raise ValueError(
            f"dividends: expected times and amounts of one length m and {n + 1} ascending starts from 0 to m, "
            f"found lengths {times.shape}, {amounts.shape} and starts of shape {starts.shape}"
        )
    owner = np.repeat(np.arange(n), lengths)
    is_first = np.diff(owner, prepend=-1) > 0
    early = np.where(is_first, times <= 0.0, np.diff(times, prepend=0.0) < 0.0)
    wrong = early | (times >= tau[owner])
    if wrong.any():
        place = int(np.flatnonzero(wrong)[0])
        raise ValueError(
            "dividends.times_years: expected ascending times after the quote and before settlement, found "
            f"{times[place]} years at position {place}, settlement in {tau[owner[place]]} years"
        )
    present_values = amounts * np.exp(np.log(discount[owner]) * times / tau[owner])
    return frozen(times, (times.size,)), frozen(present_values, (times.size,)), frozen(starts, (n + 1,))
