"""Compiled search for the fraction of equity with the largest expected logarithm of wealth (Kelly 1956)."""

from __future__ import annotations

import numpy as np

from gnosis.options.special_functions import vectorised

NEWTON_STEPS = 60
RELATIVE_TOLERANCE = 1e-12


@vectorised
def _slope(returns: np.ndarray, weights: np.ndarray, fraction: float) -> tuple[float, float]:
    """Return the first and second derivative of expected log wealth in the fraction."""
    slope, curvature = 0.0, 0.0
    for i in range(returns.size):
        relative = returns[i] / (1.0 + fraction * returns[i])
        slope += weights[i] * relative
        curvature -= weights[i] * relative * relative
    return slope, curvature


@vectorised
def optimal_fraction(returns: np.ndarray, weights: np.ndarray, mean: float, worst: float, most: float) -> float:
    """Return the fraction in [0, most] with the largest expected log wealth, by Newton steps within a bracket."""
    if mean <= 0.0:
        return 0.0
    high = most
    if 1.0 + most * worst > 0.0:
        if _slope(returns, weights, most)[0] >= 0.0:
            return most
    else:
        high = -1.0 / worst
    low, fraction = 0.0, 0.5 * high
    for _ in range(NEWTON_STEPS):
        slope, curvature = _slope(returns, weights, fraction)
        if slope > 0.0:
            low = fraction
        else:
            high = fraction
        following = fraction - slope / curvature
        if not low < following < high:
            following = 0.5 * (low + high)
        if abs(following - fraction) <= RELATIVE_TOLERANCE * high:
            return following
        fraction = following
    return fraction
