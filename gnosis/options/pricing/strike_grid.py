"""Whole chains at once: implied volatility, Greeks and exposures by strike line.

A line is one strike of one expiry with its call and its put. They share the volatility and six Greeks, and all lines of
an expiry share its time, forward and discount factor, so a chain costs less than half of its contracts one by one. The
mathematics is that of :func:`gnosis.options.pricing.implied_vol` and :func:`gnosis.options.greeks`.

Lines are sorted by expiry: ``starts`` holds the first line of each expiry and, at its end, the number of lines.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from gnosis.options.arrays import Floats, Positions, frozen, in_ranges, positive
from gnosis.options.pricing.implied_vol import HIGHEST_IV, LOWEST_IV, ImpliedVol, require_max_error


class GridGreeks(NamedTuple):
    """Price and Greeks of n strike lines, named as in :class:`gnosis.options.Greeks`.

    What differs between call and put has shape (2, n), calls first; what they share has shape (n,).
    """

    price: Floats
    delta: Floats
    gamma_per_usd: Floats
    vega_per_vol: Floats
    theta_per_year: Floats
    rho_per_unit: Floats
    vanna_per_vol: Floats
    charm_per_year: Floats
    vomma_per_vol2: Floats
    speed_per_usd2: Floats
    zomma_per_usd_vol: Floats


N_ROWS = 16


class StrikeExposure(NamedTuple):
    """Dealer exposures by strike over all expiries of one chain; arrays of one length, strikes ascending.

    ``n_without_iv`` counts contracts with open interest whose line has no volatility: they are in no sum.
    """

    strike: Floats
    gex_usd_per_pct: Floats
    dex_usd: Floats
    vex_usd_per_volpt: Floats
    cex_usd_per_day: Floats
    n_without_iv: Positions


def grid_implied_vol(
    call_price: ArrayLike,
    put_price: ArrayLike,
    strike: ArrayLike,
    tau_years: ArrayLike,
    forward: ArrayLike,
    discount: ArrayLike,
    starts: ArrayLike,
    max_error: float = 1e-9,
    threads: int = 1,
) -> ImpliedVol:
    """Return one volatility per strike line, from the option out of the money.

    That is the put where K < F and the call elsewhere. Where its price is NaN, the other price is moved to it by
    put-call parity and keeps what its rounding leaves of the time value.

    Parameters
    ----------
    call_price, put_price
        Present values, $ per share, shape (n,); NaN where there is none.
    strike
        $ per share, positive, shape (n,).
    tau_years, forward, discount
        Of the expiries, shape (number of expiries,); units as in :func:`gnosis.options.pricing.implied_vol`.
    starts
        First line of each expiry, followed by n.
    max_error, threads
        As in :func:`gnosis.options.pricing.implied_vol`.

    Returns
    -------
    ImpliedVol
        Arrays of shape (n,).

    Raises
    ------
    ValueError
        When shapes do not belong together, ``starts`` does not ascend from 0 to n, or a term is not positive or is
        infinite.

    Examples
    --------
    >>> found = grid_implied_vol([6.5, np.nan], [0.6, 5.4], [95, 105], [30 / 365], [100.3], [0.996], [0, 2])
    >>> found.iv.round(4).tolist()
    [0.2119, 0.2015]
    """
    from gnosis.options.pricing import strike_grid_kernel

    require_max_error(max_error)
    k = _line("strike", strike)
    calls, puts = (
        _line(name, values, k.size) for name, values in (("call_price", call_price), ("put_price", put_price))
    )
    begins = _starts(starts, k.size)
    terms = np.array(
        [
            _of_expiries(*term, begins.size - 1)
            for term in (("tau_years", "years", tau_years), ("forward", "$", forward), ("discount", "1", discount))
        ]
    )
    (iv, error), reason = np.empty((2, k.size)), np.empty(k.size, dtype=np.int8)

    def run(first: int, last: int) -> bool:
        return strike_grid_kernel.solve_lines(
            calls, puts, k, terms, begins, LOWEST_IV, HIGHEST_IV, max_error, iv, error, reason, first, last
        )

    if not in_ranges(run, k.size, threads):
        positive("strike", "$", k)
    return ImpliedVol(iv, error, reason)


def grid_greeks(
    spot: ArrayLike,
    strike: ArrayLike,
    iv: ArrayLike,
    tau_years: ArrayLike,
    forward: ArrayLike,
    discount: ArrayLike,
    starts: ArrayLike,
    out: Floats | None = None,
    threads: int = 1,
) -> GridGreeks:
    """Return price and ten Greeks of call and put of every strike line.

    Parameters
    ----------
    spot
        $ per share, positive; one number, or one per expiry.
    strike, iv
        $ per share and decimal per sqrt(year), positive, shape (n,).
    tau_years, forward, discount, starts
        As in :func:`grid_implied_vol`.
    out
        Optional C-contiguous float64 array of shape (16, n) that the result is written to and becomes views of.
    threads
        Threads that share the lines. Results do not depend on it.

    Returns
    -------
    GridGreeks
        NaN where strike or iv is NaN. Equal to :func:`gnosis.options.greeks` of the single contracts, but for rounding.

    Raises
    ------
    ValueError
        When shapes do not belong together, ``starts`` does not ascend from 0 to n, an argument is not positive or is
        infinite, or ``out`` does not fit.

    Examples
    --------
    >>> book = grid_greeks(100, [95, 105], [0.2, 0.2], [30 / 365], [100.288], [0.9959], [0, 2])
    >>> book.gamma_per_usd.round(6).tolist(), book.delta.round(6).tolist()
    ([0.04327, 0.05158], [[0.833794, 0.219758], [-0.164974, -0.77901]])
    """
    from gnosis.options.pricing import strike_grid_kernel

    k = _line("strike", strike)
    v = _line("iv", iv, k.size)
    begins = _starts(starts, k.size)
    n_expiries = begins.size - 1
    s = _of_expiries("spot", "$", np.broadcast_to(np.asarray(spot, dtype=np.float64), (n_expiries,)), n_expiries)
    terms = strike_grid_kernel.terms_of_expiries(
        s,
        _of_expiries("tau_years", "years", tau_years, n_expiries),
        _of_expiries("forward", "$", forward, n_expiries),
        _of_expiries("discount", "1", discount, n_expiries),
    )
    results = np.empty((N_ROWS, k.size)) if out is None else out
    if results.shape != (N_ROWS, k.size) or results.dtype != np.float64 or not results.flags.c_contiguous:
        raise ValueError(
            f"out: expected C-contiguous float64 of shape {(N_ROWS, k.size)}, "
            f"found {results.dtype} of shape {results.shape}"
        )

    def run(first: int, last: int) -> bool:
        return strike_grid_kernel.price_and_greeks_of_lines(k, v, terms, begins, results, first, last)

    if not in_ranges(run, k.size, threads):
        positive("strike", "$", k)
        positive("iv", "1/sqrt(year)", v)
        missing = np.isnan(k + v)
        missing |= np.repeat(np.isnan(terms.sum(axis=0)), np.diff(begins))
        results[:, missing] = np.nan
    return GridGreeks(
        price=results[0:2],
        delta=results[2:4],
        gamma_per_usd=results[4],
        vega_per_vol=results[5],
        theta_per_year=results[6:8],
        rho_per_unit=results[8:10],
        vanna_per_vol=results[10],
        charm_per_year=results[11:13],
        vomma_per_vol2=results[13],
        speed_per_usd2=results[14],
        zomma_per_usd_vol=results[15],
    )


def grid_exposure(
    spot: float,
    call_price: ArrayLike,
    put_price: ArrayLike,
    strike: ArrayLike,
    tau_years: ArrayLike,
    forward: ArrayLike,
    discount: ArrayLike,
    starts: ArrayLike,
    open_interest: ArrayLike,
    dealer_fraction: ArrayLike,
    multiplier: float = 100.0,
    max_error: float = 1e-9,
    threads: int = 1,
) -> StrikeExposure:
    """Return dealer exposures by strike of one chain, from its prices and open interest.

    With dealer fraction x, open interest OI and multiplier M, summed over the contracts of a strike in the order of
    expiry and right:

    ===================== ====================== ============================
    ``gex_usd_per_pct``   x gamma OI M S^2 0.01  $ per 1 % move
    ``dex_usd``           x delta OI M S         $
    ``vex_usd_per_volpt`` x vanna OI M S 0.01    $ of delta per vol point
    ``cex_usd_per_day``   x charm OI M S / 365   $ of delta per calendar day
    ===================== ====================== ============================

    Parameters
    ----------
    spot
        $ per share, positive.
    call_price, put_price, strike, tau_years, forward, discount, starts, max_error, threads
        As in :func:`grid_implied_vol`.
    open_interest
        Contracts, shape (2, n), calls first; NaN (unknown) and zero do not count.
    dealer_fraction
        In [-1, 1], broadcast to (2, n): ``[[1], [-1]]`` for dealers long calls and short puts.
    multiplier
        Shares per contract.

    Returns
    -------
    StrikeExposure
        One row per strike.

    Raises
    ------
    ValueError
        As the two functions above, and when open interest is negative or a dealer fraction is not in [-1, 1].

    Examples
    --------
    >>> terms = [105.0], [30 / 365], [100.28808], [0.99589883], [0, 1]
    >>> found = grid_exposure(100, [0.7032853291], [np.nan], *terms, [[1000.0], [0.0]], [[1], [-1]])
    >>> found.strike.tolist(), found.gex_usd_per_pct.round(-1).tolist()
    ([105.0], [515810.0])
    """
    solved = grid_implied_vol(call_price, put_price, strike, tau_years, forward, discount, starts, max_error, threads)
    valued = grid_greeks(spot, strike, solved.iv, tau_years, forward, discount, starts, threads=threads)
    n = solved.iv.size
    interest = np.asarray(open_interest, dtype=np.float64)
    if interest.shape != (2, n) or (interest < 0).any():
        raise ValueError(f"open_interest: expected contracts >= 0 of shape {(2, n)}, calls first, found {interest}")
    fraction = np.broadcast_to(np.asarray(dealer_fraction, dtype=np.float64), (2, n))
    if not (np.abs(fraction) <= 1).all():
        raise ValueError(f"dealer_fraction: expected numbers in [-1, 1], found {fraction}")
    strikes, cell = np.unique(np.asarray(strike, dtype=np.float64), return_inverse=True)
    is_held = interest > 0
    has_iv = ~np.isnan(solved.iv)
    held = np.where(is_held & has_iv, fraction * interest * multiplier, 0.0)
    cells = np.repeat(cell, 2)

    def summed(greek: Floats, scale: float) -> Floats:
        # bincount adds one weight after the other: by expiry, then call before put.
        terms = held * np.where(has_iv, greek, 0.0) * scale
        return np.asarray(np.bincount(cells, weights=terms.T.ravel(), minlength=strikes.size), dtype=np.float64)

    return StrikeExposure(
        strikes,
        summed(valued.gamma_per_usd, spot * spot * 0.01),
        summed(valued.delta, spot),
        summed(valued.vanna_per_vol, spot * 0.01),
        summed(valued.charm_per_year, spot / 365),
        np.bincount(cells, weights=(is_held & ~has_iv).T.ravel(), minlength=strikes.size).astype(np.int64),
    )


def _line(name: str, values: ArrayLike, n: int | None = None) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or (n is not None and array.size != n):
        raise ValueError(f"{name}: expected one number per strike line ({n}), found shape {array.shape}")
    return frozen(array, array.shape)


def _of_expiries(name: str, unit: str, values: ArrayLike, n: int) -> Floats:
    array = positive(name, unit, values)
    if array.shape != (n,):
        raise ValueError(f"{name}: expected one number per expiry ({n}), found shape {array.shape}")
    return frozen(array, array.shape)


def _starts(starts: ArrayLike, n: int) -> Positions:
    array = np.asarray(starts, dtype=np.int64)
    if array.ndim != 1 or array.size == 0 or array[0] != 0 or array[-1] != n or (np.diff(array) < 0).any():
        raise ValueError(f"starts: expected ascending positions from 0 to the number of lines ({n}), found {array}")
    return frozen(array, array.shape)
