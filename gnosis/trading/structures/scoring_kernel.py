"""Compiled scoring: size, expected log growth and tail loss of many candidates on one grid."""

from __future__ import annotations

import math

import numpy as np

from gnosis.options.special_functions import log_ratio, vectorised
from gnosis.trading.growth_kernel import optimal_fraction

BISECTIONS = 30
TAIL = 0.05


@vectorised
def _growth(returns: np.ndarray, weights: np.ndarray, fraction: float) -> float:
    total = 0.0
    for i in range(returns.size):
        total += weights[i] * log_ratio(1.0 + fraction * returns[i], 1.0)
    return total


@vectorised
def _mass_up_to(returns: np.ndarray, weights: np.ndarray, level: float) -> float:
    mass = 0.0
    for i in range(returns.size):
        mass += weights[i] if returns[i] <= level else 0.0
    return mass


@vectorised
def _tail_loss(returns: np.ndarray, weights: np.ndarray, worst: float, best: float) -> float:
    """Return the mean loss of the worst twentieth (Rockafellar & Uryasev 2000)."""
    low, high = worst - 1.0, best
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        if _mass_up_to(returns, weights, middle) < TAIL:
            low = middle
        else:
            high = middle
    mass, total, quantile = 0.0, 0.0, best
    for i in range(returns.size):
        if returns[i] <= low:
            mass += weights[i]
            total += weights[i] * returns[i]
        else:
            quantile = min(quantile, returns[i])
    return -(total + (TAIL - mass) * quantile) / TAIL


@vectorised
def score(
    table: np.ndarray,
    weights: np.ndarray,
    place: np.ndarray,
    quantity: np.ndarray,
    shares: np.ndarray,
    grid: np.ndarray,
    outlay: np.ndarray,
    base: np.ndarray,
    most: np.ndarray,
    kelly_share: float,
    out: np.ndarray,
) -> None:
    """Fill ``out`` (candidates, 4) with expected return on the base, size, expected log growth and tail loss.

    ``table`` (contracts, points) is what each contract is worth at each price of ``grid``; ``place`` (candidates, legs)
    points into it. Sizes are fractions of equity of ``base``: ``kelly_share`` of the growth-optimal one, which is
    searched up to ``most`` (candidates,).
    """
    points = grid.size
    returns = np.empty(points)
    for row in range(place.shape[0]):
        for i in range(points):
            returns[i] = shares[row] * grid[i] - outlay[row]
        for leg in range(place.shape[1]):
            count = quantity[row, leg]
            if count != 0.0:
                worth = table[place[row, leg]]
                for i in range(points):
                    returns[i] += count * worth[i]
        mean, worst, best = 0.0, math.inf, -math.inf
        inverse = 1.0 / base[row]
        for i in range(points):
            value = returns[i] * inverse
            returns[i] = value
            mean += weights[i] * value
            worst = min(worst, value if weights[i] > 0.0 else worst)
            best = max(best, value)
        fraction = kelly_share * optimal_fraction(returns, weights, mean, worst, most[row])
        out[row, 0] = mean
        out[row, 1] = fraction
        out[row, 2] = _growth(returns, weights, fraction) if fraction > 0.0 else 0.0
        out[row, 3] = _tail_loss(returns, weights, worst, best)
