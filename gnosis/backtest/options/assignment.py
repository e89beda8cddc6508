"""When the holder of an option exercises: early around dividends and for interest, and by exception at expiry.

A call is exercised early only on the last session before an ex-date, a put whenever interest on the strike is worth
more than the right to wait. With a volatility the continuation value decides; with quotes only, put-call parity does:
the quoted option of the other right at the same strike is what waiting is worth beyond interest and dividends.
"""

from __future__ import annotations

import math
from typing import Literal

Rule = Literal["continuation", "quotes", "bound"]
"""``bound``: the other right is not quoted, so that the rule runs without it and assigns more often than it would."""

TREE_ERROR_USD = 1e-9


def continuation_value(
    spot: float,
    strike: float,
    tau_years: float,
    rate_per_year: float,
    iv: float,
    is_call: bool,
    dividends: tuple[tuple[float, float], ...] = (),
) -> float:
    """Return the value of holding an American option, $ per share.

    Parameters
    ----------
    spot
        $ per share; for a call about to lose a dividend, the spot less that dividend.
    strike, tau_years, rate_per_year, iv
        $ per share, years to settlement, continuously compounded rate and volatility per sqrt(year).
    is_call
        True for a call.
    dividends
        Years to the ex-date and $ per share of each dividend still to come.

    Notes
    -----
    A call without dividends to come and with a rate that is not negative is worth its European value (Merton 1973);
    all else is valued on the tree of :func:`gnosis.options.pricing.american.tree_value`.

    Examples
    --------
    >>> round(continuation_value(100 - 0.10, 90, 5 / 365, 0.05, 0.25, True), 12)
    9.961735685221
    """
    discount = math.exp(-rate_per_year * tau_years)
    if is_call and not dividends and rate_per_year >= 0:
        from gnosis.options.pricing.black_scholes import price

        return float(price(spot, strike, tau_years, spot / discount, discount, iv, is_call))
    import numpy as np

    from gnosis.options.pricing.american import Dividends, tree_value

    times = np.array([time for time, _ in dividends])
    amounts = np.array([amount for _, amount in dividends])
    escrowed = spot - float((amounts * np.exp(-rate_per_year * times)).sum())
    declared = Dividends(times, amounts, np.array([0, len(dividends)])) if dividends else None
    value = tree_value(spot, strike, tau_years, escrowed / discount, discount, iv, is_call, declared)
    return float(value.american)


def call_pays_early(
    spot: float, strike: float, tau_years: float, rate_per_year: float, dividend_usd: float, put_ask: float | None
) -> tuple[bool, Rule]:
    """Return whether exercise before the ex-date pays the holder of a call, from quotes only.

    Exercise wins the dividend and gives up interest on the strike and the put of the same strike:
    D > K (1 - exp(-r tau)) + P(K, tau).

    Parameters
    ----------
    spot, strike
        $ per share.
    tau_years, rate_per_year
        Years to settlement and continuously compounded rate.
    dividend_usd
        $ per share.
    put_ask
        Ask of the put with the same strike and expiry, None where there is none.

    Examples
    --------
    >>> call_pays_early(100.0, 90.0, 5 / 365, 0.05, 0.75, 0.00027228743)
    (True, 'quotes')
    >>> call_pays_early(100.0, 90.0, 5 / 365, 0.05, 0.05, 0.00027228743)
    (False, 'quotes')
    """
    waiting = strike * -math.expm1(-rate_per_year * tau_years) + (put_ask or 0.0)
    return spot > strike and dividend_usd > waiting, "quotes" if put_ask is not None else "bound"


def put_pays_early(
    spot: float,
    strike: float,
    tau_years: float,
    rate_per_year: float,
    dividends_present_value_usd: float,
    call_ask: float | None,
) -> tuple[bool, Rule]:
    """Return whether exercise pays the holder of a put, from quotes only.

    Exercise wins interest on the strike and gives up the call of the same strike and the dividends to come:
    K (1 - exp(-r tau)) > C(K, tau) + PV(dividends).

    Parameters
    ----------
    spot, strike
        $ per share.
    tau_years, rate_per_year
        Years to settlement and continuously compounded rate.
    dividends_present_value_usd
        Of the dividends to come before settlement, $ per share.
    call_ask
        Ask of the call with the same strike and expiry, None where there is none.

    Examples
    --------
    >>> put_pays_early(100.0, 130.0, 30 / 365, 0.05, 0.0, 0.0003145899)
    (True, 'quotes')
    """
    interest = strike * -math.expm1(-rate_per_year * tau_years)
    pays = spot < strike and interest > (call_ask or 0.0) + dividends_present_value_usd
    return pays, "quotes" if call_ask is not None else "bound"


def continuation_pays_early(intrinsic: float, continuation: float) -> bool:
    """Return whether exercise now pays more than holding; on a tree, a put worth its intrinsic value is exercised.

    Examples
    --------
    >>> continuation_pays_early(10.0, 9.96173568522073), continuation_pays_early(10.0, 10.011728122874715)
    (True, False)
    """
    return intrinsic > 0 and continuation <= intrinsic + TREE_ERROR_USD


def is_exercised_by_exception(intrinsic: float, threshold: float) -> bool:
    """Return whether an expiring contract is exercised: in the money by the threshold, both in $ per share.

    Prices are quoted in steps of a hundredth of a cent or more, so that less is rounding.

    Examples
    --------
    >>> [is_exercised_by_exception(price - 100.0, 0.01) for price in (100.0, 100.009, 100.01)]
    [False, False, True]
    """
    return intrinsic > 0 and intrinsic >= threshold - 1e-6


def in_pin_window(close: float, strike: float, distance: float) -> bool:
    """Return whether a close is so near to the strike that assignment of a short is uncertain.

    Examples
    --------
    >>> in_pin_window(100.0, 100.25, 0.0025), in_pin_window(100.0, 100.26, 0.0025)
    (True, False)
    """
    return abs(close - strike) / close <= distance + 1e-12
