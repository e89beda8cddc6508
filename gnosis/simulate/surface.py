"""Term structure, prices and gamma of the implied volatility surfaces that are simulated."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def atm_total_variance(tau_years: Floats, variance_now: Floats, variance_long: Floats, reversion: float) -> Floats:
    """Return ATM total variance when instantaneous variance returns to its long-run level (Heston 1993).

    It rises with tau because the instantaneous variance stays positive. Variances are per year, ``reversion`` per year.

    Examples
    --------
    >>> atm_total_variance(np.array([0.25, 1.0]), 0.09, 0.04, 4.0).round(6).tolist()
    [0.017902, 0.052271]
    """
    return variance_long * tau_years - (variance_now - variance_long) * np.expm1(-reversion * tau_years) / reversion


def call_put_prices(forward: Floats, discount: Floats, strike: Floats, total_variance: Floats) -> tuple[Floats, Floats]:
    """Return European call and put prices in dollars (Black 1976), arrays of one shape.

    Examples
    --------
    >>> tau = 30 / 365
    >>> forward, discount = 100 * np.exp(0.035 * tau), np.exp(-0.05 * tau)
    >>> call, put = call_put_prices(forward, discount, np.array(105.0), np.array(0.04 * tau))
    >>> round(float(call), 10), round(float(put), 10)
    (0.7032853291, 5.3958756275)
    """
    from scipy.special import ndtr

    d1, sd = _d1(forward, strike, total_variance)
    call = discount * (forward * ndtr(d1) - strike * ndtr(d1 - sd))
    put = discount * (strike * ndtr(sd - d1) - forward * ndtr(-d1))
    return np.maximum(call, 0.0), np.maximum(put, 0.0)


def gamma_per_usd(spot: Floats, forward: Floats, discount: Floats, strike: Floats, total_variance: Floats) -> Floats:
    """Return Black-Scholes-Merton gamma per dollar of spot, the same for call and put."""
    d1, sd = _d1(forward, strike, total_variance)
    carry = forward * discount / spot
    return carry * np.exp(-0.5 * d1**2) / np.sqrt(2 * np.pi) / (spot * sd)


def _d1(forward: Floats, strike: Floats, total_variance: Floats) -> tuple[Floats, Floats]:
    sd = np.sqrt(total_variance)
    return np.log(forward / strike) / sd + sd / 2, sd
