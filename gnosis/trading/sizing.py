"""Size of one idea before any cap: growth-optimal fraction, what is not known of the edge, volatility, energy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Flags: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class EnergyFactor:
    """Factor of movement energy and whether the decision belongs to the risk policy.

    Attributes
    ----------
    factor
        float64, shape (ideas,): between 0 and 1.
    is_unstable
        bool, shape (ideas,): energy not positive or unknown, amplification unknown, or stiffness of changing sign.
    """

    factor: Floats
    is_unstable: Flags


def growth_fraction(returns: Floats, most: float, weights: Floats | None = None) -> float:
    """Return the notional fraction of equity that maximises the expected logarithm of wealth (Kelly 1956).

    The expected logarithm is concave in the fraction, so its slope has at most one root; it is found by Newton steps
    held inside a shrinking bracket.

    Parameters
    ----------
    returns
        float64, shape (outcomes,): net return per unit notional.
    most
        Largest fraction to consider, at least zero.
    weights
        float64, shape (outcomes,): probabilities; equal when left out.

    Returns
    -------
    float
        Between 0 and ``most``, and such that no outcome loses all; 0 when the mean return is not positive.

    Raises
    ------
    ValueError
        For no outcomes, outcomes that are not finite, or probabilities that do not sum to 1.

    Examples
    --------
    >>> round(growth_fraction(np.array([0.06, -0.05, 0.004]), 10.0, np.array([0.40, 0.34, 0.26])), 6)
    3.613544
    """
    from gnosis.trading.growth_kernel import optimal_fraction

    if returns.ndim != 1 or returns.size == 0 or not np.isfinite(returns).all():
        raise ValueError(f"expected finite returns of shape (outcomes,), found {returns.shape}")
    if weights is None:
        weights = np.full(returns.size, 1.0 / returns.size)
    if weights.shape != returns.shape or (weights < 0.0).any() or abs(weights.sum() - 1.0) > 1e-9:
        raise ValueError(f"expected one probability per return and a sum of 1, found {weights.sum()}")
    if most <= 0.0:
        return 0.0
    worst = float(returns[weights > 0.0].min())
    return float(optimal_fraction(returns, weights, float(weights @ returns), worst, most))


def estimation_shrinkage(edge: Floats, edge_se: Floats) -> Floats:
    """Return ``e^2 / (e^2 + se^2)``, what is left of a size whose edge is estimated (Baker and McHale 2013).

    Parameters
    ----------
    edge, edge_se
        float64, shape (ideas,): net edge and its standard error from the parameters, in the same unit.

    Returns
    -------
    numpy.ndarray
        float64, shape (ideas,): between 0 and 1; 0 where the edge is 0, NaN where either is unknown.

    Raises
    ------
    ValueError
        For a negative standard error.

    Examples
    --------
    >>> estimation_shrinkage(np.array([0.0116, 0.0]), np.array([0.0022, 0.0])).round(6).tolist()
    [0.96528, 0.0]
    """
    if (edge_se < 0.0).any():
        raise ValueError(f"expected standard errors of at least 0, found {edge_se.min()}")
    total = edge**2 + edge_se**2
    return np.divide(edge**2, total, out=np.where(np.isnan(total), np.nan, 0.0), where=total > 0.0)


def volatility_fraction(volatility_per_year: Floats, target_per_year: float = 0.15, budget: float = 0.25) -> Floats:
    """Return ``budget * target / volatility``, the notional fraction that spends an idea's share of the risk.

    Parameters
    ----------
    volatility_per_year
        float64, shape (ideas,): forecast known at the decision.
    target_per_year
        Volatility of the whole book.
    budget
        Share of it for one idea.

    Returns
    -------
    numpy.ndarray
        float64, shape (ideas,); NaN where the volatility is unknown or not positive.

    Examples
    --------
    >>> volatility_fraction(np.array([0.30]), budget=1.0).tolist()
    [0.5]
    """
    out = np.full(np.shape(volatility_per_year), np.nan)
    return np.divide(budget * target_per_year, volatility_per_year, out=out, where=volatility_per_year > 0.0)


def energy_factor(
    side: NDArray[np.int8],
    energy_up: Floats,
    energy_down: Floats,
    reference: Floats,
    amplification: Floats,
    is_torn: Flags,
) -> EnergyFactor:
    """Return the factor of movement energy: a move that takes twice the usual work halves the position.

    ``min(1, reference / energy)`` with the energy of the idea's own side. A range idea earns from stiffness and has the
    mirrored form ``min(1, min(up, down) / reference)``.

    Parameters
    ----------
    side
        int8, shape (ideas,): 1 long, -1 short, 0 range.
    energy_up, energy_down
        float64, shape (ideas,): movement energy over +1 % and -1 %, in orders of one average daily volume.
    reference
        float64, shape (ideas,): median of the same energy (range: of the smaller one) over the 252 sessions before.
    amplification
        float64, shape (ideas,): NaN where it is null.
    is_torn
        bool, shape (ideas,): stiffness changes its sign within 1 %.

    Returns
    -------
    EnergyFactor
        Factor 1 and ``is_unstable`` where the state decides nothing about size.

    Raises
    ------
    ValueError
        For a side other than 1, -1 or 0.

    Examples
    --------
    >>> up, down, usual = np.array([1.6, 1.6]), np.array([0.4, 0.4]), np.array([0.8, 0.8])
    >>> found = energy_factor(np.array([1, 0], np.int8), up, down, usual, np.ones(2), np.zeros(2, bool))
    >>> found.factor.tolist(), found.is_unstable.tolist()
    ([0.5, 0.5], [False, False])
    """
    if not np.isin(side, (1, -1, 0)).all():
        raise ValueError(f"expected sides 1, -1 and 0, found {np.unique(side).tolist()}")
    smaller = np.minimum(energy_up, energy_down)
    energy = np.where(side > 0, energy_up, np.where(side < 0, energy_down, smaller))
    is_known = (energy > 0.0) & (reference > 0.0)
    is_unstable = ~is_known | (smaller <= 0.0) | np.isnan(amplification) | is_torn
    needed, usual = np.where(side != 0, energy, reference), np.where(side != 0, reference, energy)
    factor = np.divide(np.minimum(usual, needed), needed, out=np.ones(energy.shape), where=~is_unstable)
    return EnergyFactor(factor, is_unstable)
