"""Signed flow against the prior of dealer sides (:mod:`gnosis.options.positioning.bands`): linear-Gaussian updating.

An observation is y = -q/OI with q the cumulative signed customer volume, and noise variance R (ratio^2). The bands of
:func:`gnosis.options.positioning.levels.levels` are those of the prior; a band that takes account of flow is made from
the contracts of a chain in four steps:

Examples
--------
>>> import polars as pl
>>> from gnosis.options.positioning.bands import band, prior_lines, prior_sides, sides_moments
>>> from gnosis.tables import TABLES
>>> rows = [("C", 0.55, 0.066, 800.0), ("C", 0.22, 0.052, 1000.0), ("P", -0.15, 0.043, 1000.0)]
>>> names = ["right", "delta", "gamma_per_usd", "open_interest"]
>>> common = {"symbol": "SPX", "dte_days": 30, "spot": 100.0, "multiplier": 100.0}
>>> contracts = [common | dict(zip(names, row, strict=True)) for row in rows]
>>> chain = pl.DataFrame(contracts, TABLES["greeks.option_greeks"].polars_schema)
>>> lines = prior_lines(chain, index_symbols=["SPX"])
>>> group, cell = lines["group"], np.zeros(lines.height, dtype=int)
>>> gex = (lines["gamma_per_usd"] * lines["open_interest"] * lines["multiplier"] * lines["spot"] ** 2 * 0.01).to_numpy()
>>> before = prior_sides(lines["prior_mean"], lines["prior_sd"], 0.8)
>>> observed = [0.8, np.nan, np.nan]  # x of flow_fractions, NaN for a contract without one
>>> after = updated_by_flow(before, group, cell, 1, observed, 0.01)
>>> [band(*sides_moments(gex, group, x, cell, 1)).p10.round(0).item() for x in (before, after)]
[-130207.0, 106013.0]
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from gnosis.options.positioning.bands import Sides, group_numbers, summed


def updated_by_flow(
    sides: Sides,
    group: ArrayLike,
    cells: ArrayLike,
    n_cells: int,
    observed: ArrayLike,
    noise_variance: ArrayLike,
) -> Sides:
    """Return the belief about dealer sides after observing the fractions of some contracts with noise.

    The posterior of the linear-Gaussian model, mean m + C H'(H C H' + R)^-1 (y - H m) and covariance
    C - C H'(H C H' + R)^-1 H C, without forming a matrix: given the common factor f of its group contracts are
    independent, so that the observations of a group update the one number f, and each contract the rest of its own.
    With u = ``common``, d = ``own_variance`` and c = d + R, the factor has variance V = 1/(1 + sum u^2/c) and mean
    V sum u (y - m)/c. The result has the form of the prior again and can be updated further.

    Parameters
    ----------
    sides
        Belief before, from :func:`prior_sides`.
    group, cells, n_cells
        As for :func:`net_moments`; the cell of a contract is its chain, since a group is shared by all of a chain.
    observed
        y = -q/OI, in [-1, 1], shape (contracts,); NaN where nothing was observed. Contracts that break |q| <= OI are
        not observations: :func:`gnosis.options.positioning.conventions.flow_fractions` sets them aside.
    noise_variance
        R, > 0, shape (contracts,) or one number. 0 is allowed where ``own_variance`` is positive.

    Raises
    ------
    ValueError
        When shapes differ, an observation is outside [-1, 1], a noise variance is negative or missing, or a contract
        without variance of its own is observed without noise.

    Examples
    --------
    >>> from gnosis.options.positioning.bands import prior_sides
    >>> before = prior_sides([0.5, 0.5, -0.5], [0.4, 0.4, 0.4], 0.8)
    >>> after = updated_by_flow(before, [0, 0, 1], [0, 0, 0], 1, [0.8, np.nan, np.nan], 0.01)
    >>> after.mean.round(7).tolist()
    [0.7823529, 0.7258824, -0.5]
    """
    mean, common, own = (np.asarray(values, dtype=np.float64) for values in sides)
    y = np.asarray(observed, dtype=np.float64)
    noise = np.broadcast_to(np.asarray(noise_variance, dtype=np.float64), y.shape)
    numbers, n_groups = group_numbers(mean, group, cells, n_cells)
    if y.shape != mean.shape:
        raise ValueError(f"observed: expected shape {mean.shape}, found {y.shape}")
    seen = np.flatnonzero(~np.isnan(y))
    if not (np.abs(y[seen]) <= 1).all():
        raise ValueError(f"observed: expected fractions in [-1, 1], found {y[seen][np.abs(y[seen]) > 1][0]}")
    total = own[seen] + noise[seen]
    if not ((noise[seen] >= 0) & (total > 0) & np.isfinite(total)).all():
        raise ValueError(
            "noise_variance: expected R > 0 for observed contracts, found one that is 0, negative or missing"
        )
    gap, u = y[seen] - mean[seen], common[seen]
    size = n_cells * n_groups
    variance = 1 / (1 + summed(numbers[seen], u * u / total, size))
    factor = variance * summed(numbers[seen], u * gap / total, size)
    gain = np.zeros(mean.shape)
    gain[seen] = own[seen] / total
    moved = mean + common * factor[numbers]
    surprise = np.where(np.isnan(y), 0.0, y - moved)
    return Sides(moved + gain * surprise, common * (1 - gain) * np.sqrt(variance)[numbers], own * (1 - gain))
