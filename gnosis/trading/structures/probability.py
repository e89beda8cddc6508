"""Probability of profit: the mass of the prices at which a candidate earns, never the share of points of a grid."""

from __future__ import annotations

import numpy as np

from gnosis.trading.structures.chain import Floats, OptionChain, Positions
from gnosis.trading.structures.forecast import PriceForecast, risk_neutral_below
from gnosis.trading.structures.payoff import Payoffs


def profit_mass(found: Payoffs, below: Floats) -> Floats:
    """Return the probability of profit, shape (candidates,).

    Parameters
    ----------
    found
        Where profit begins and ends.
    below
        float64, shape of ``found.crossing_usd``: probability of a price up to each crossing.

    Examples
    --------
    >>> from gnosis.trading.structures.payoff import Curve, payoffs
    >>> spread = payoffs(Curve(np.array([[0.0, 97.0, 100.0]]), np.array([[1.81, 1.81, -1.19]]), np.array([0.0])))
    >>> profit_mass(spread, np.array([[0.41]])).tolist()
    [0.41]
    """
    return found.ends_in_profit - (found.crossing * np.where(found.crossing != 0.0, below, 0.0)).sum(axis=1)


def risk_neutral_profit(chain: OptionChain, near: Positions, found: Payoffs) -> Floats:
    """Return the probability of profit under the certified surface; NaN when the surface is not certified."""
    if not chain.is_certified:
        return np.full(near.size, np.nan)
    expiry = np.broadcast_to(near[:, None], found.crossing_usd.shape)
    return profit_mass(found, risk_neutral_below(chain, expiry, found.crossing_usd))


def forecast_profit(forecast: PriceForecast, near: Positions, found: Payoffs) -> Floats:
    """Return the probability of profit under a forecast; NaN for expiries without one."""
    below = np.full(found.crossing_usd.shape, np.nan)
    for expiry in np.flatnonzero(forecast.is_known):
        rows = near == expiry
        below[rows] = forecast.below(int(expiry), found.crossing_usd[rows])
    return np.where(forecast.is_known[near], profit_mass(found, below), np.nan)
