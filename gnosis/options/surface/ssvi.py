"""SSVI, the surface of SVI slices with one skew and one curvature law for all maturities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from gnosis.options.arrays import Floats
from gnosis.options.surface.svi import RawSvi


class ArbitrageError(ValueError):
    """Surface parameters that would allow arbitrage."""


class SufficientConditions(NamedTuple):
    """Left sides of the conditions that exclude arbitrage, and the bound of the last (Gatheral & Jacquier 2014).

    Attributes
    ----------
    wing
        theta phi (1 + \\|rho\\|), to be below 4.
    curvature
        theta phi^2 (1 + \\|rho\\|), to be at most 4.
    calendar
        d(theta phi)/d theta, to lie between 0 and ``calendar_bound``.
    calendar_bound
        phi (1 + sqrt(1 - rho^2))/rho^2, infinite without skew.
    """

    wing: Floats
    curvature: Floats
    calendar: Floats
    calendar_bound: Floats


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
        Decay of curvature with total variance, in [0, 1].
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

    def raw_svi(self, theta: Floats) -> RawSvi:
        """Return the slices of ATM total variance ``theta`` in raw form, the same function of log-moneyness.

        Examples
        --------
        >>> [round(float(field), 11) for field in Ssvi(-0.7, 1.0).raw_svi(np.array(0.04))]
        [0.0102, 0.09805806757, -0.7, 0.14277254638, 0.14565713165]
        """
        theta, phi, rho = np.asarray(theta, dtype=np.float64), self.curvature(theta), np.asarray(self.rho)
        spread = 1 - rho**2
        return RawSvi(theta * spread / 2, theta * phi / 2, rho + 0 * phi, -rho / phi, np.sqrt(spread) / phi)

    def sufficient_conditions(self, theta: Floats) -> SufficientConditions:
        """Return the quantities whose bounds exclude butterfly and calendar arbitrage.

        Examples
        --------
        >>> [round(float(value), 7) for value in Ssvi(-0.7, 1.0).sufficient_conditions(np.array(0.04))]
        [0.3333974, 1.6346154, 2.3571651, 17.1515852]
        """
        theta, phi, rho = np.asarray(theta, dtype=np.float64), self.curvature(theta), np.abs(self.rho)
        slope = phi * (1 - np.asarray(self.gamma)) / (1 + theta)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            bound = np.where(rho > 0, phi * (1 + np.sqrt(1 - rho**2)) / np.square(rho), np.inf)
        return SufficientConditions(theta * phi * (1 + rho), theta * phi**2 * (1 + rho), slope, bound)

    def certify(self, theta: Floats) -> None:
        """Raise unless the sufficient conditions on the parameters hold at every ATM total variance ``theta``.

        The condition that theta does not fall with tau is :func:`certify_term_structure`.

        Raises
        ------
        ArbitrageError
            Names the condition, with the worst value found.
        """
        found = self.sufficient_conditions(theta)
        conditions = {
            "|rho| < 1": np.abs(self.rho) - 1,
            "theta > 0": -np.asarray(theta),
            "theta phi (1 + |rho|) < 4": found.wing - 4,
            "theta phi^2 (1 + |rho|) <= 4": found.curvature - 4 - 1e-12,
            "d(theta phi)/d theta >= 0": -found.calendar - 1e-15,
            "d(theta phi)/d theta <= phi (1 + sqrt(1 - rho^2))/rho^2": found.calendar - found.calendar_bound - 1e-12,
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
