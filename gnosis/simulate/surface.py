"""An implied volatility surface without arbitrage: SSVI slices, their certificate, and Black-Scholes prices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


class ArbitrageError(ValueError):
    """Surface parameters that would allow arbitrage."""


@dataclass(frozen=True)
class Ssvi:
    """Power-law SSVI (Gatheral & Jacquier 2014); parameters are scalars or arrays of one shape.

    Attributes
    ----------
    rho
        Skew, in (-1, 1).
    eta
        Level of curvature, > 0.
    gamma
        Decay of curvature with total variance, in (0, 1/2].
    """

    rho: Floats | float
    eta: Floats | float
    gamma: Floats | float = 0.5

    def curvature(self, theta: Floats) -> Floats:
        """Return phi(theta) = eta / (theta^gamma (1 + theta)^(1 - gamma))."""
        return np.asarray(self.eta / (theta**self.gamma * (1 + theta) ** (1 - self.gamma)))

    def total_variance(self, log_moneyness: Floats, theta: Floats) -> Floats:
        """Return total variance w(k, theta) = sigma^2 tau.

        Examples
        --------
        >>> Ssvi(-0.7, 1.0).total_variance(np.array([-0.1, 0.0, 0.1]), np.array(0.04)).round(12).tolist()
        [0.054625844848, 0.04, 0.028021876858]
        """
        k, phi, rho = np.asarray(log_moneyness), self.curvature(theta), self.rho
        return np.asarray(theta / 2 * (1 + rho * phi * k + np.sqrt((phi * k + rho) ** 2 + 1 - rho**2)))

    def certify(self, theta: Floats) -> None:
        """Raise unless the sufficient conditions on the parameters hold at every ATM total variance ``theta``.

        The condition that theta does not fall with tau is :func:`certify_term_structure`.

        Raises
        ------
        ArbitrageError
            Names the condition, with the worst value found.
        """
        phi, rho = self.curvature(theta), np.abs(self.rho)
        slope = phi * (1 - np.asarray(self.gamma)) / (1 + theta)
        with np.errstate(divide="ignore", invalid="ignore"):
            bound = np.where(rho > 0, phi * (1 + np.sqrt(1 - rho**2)) / np.square(rho), np.inf)
        conditions = {
            "|rho| < 1": rho - 1,
            "theta > 0": -np.asarray(theta),
            "theta phi (1 + |rho|) < 4": theta * phi * (1 + rho) - 4,
            "theta phi^2 (1 + |rho|) <= 4": theta * phi**2 * (1 + rho) - 4 - 1e-12,
            "d(theta phi)/d theta >= 0": -slope - 1e-15,
            "d(theta phi)/d theta <= phi (1 + sqrt(1 - rho^2))/rho^2": slope - bound - 1e-12,
        }
        for name, excess in conditions.items():
            worst = np.max(excess, initial=-np.inf)
            if not worst < 0:
                raise ArbitrageError(f"expected {name}, found it exceeded by {worst:.3g}; choose smaller eta or |rho|")


def certify_term_structure(theta: Floats) -> None:
    """Raise unless ATM total variance, ordered by tau along the last axis, never falls.

    Raises
    ------
    ArbitrageError
        With the largest fall.
    """
    worst = np.min(np.diff(theta, axis=-1), initial=np.inf)
    if worst < 0:
        raise ArbitrageError(f"expected theta not to fall with tau, found a fall of {-worst:.3g}; sort slices by tau")


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
