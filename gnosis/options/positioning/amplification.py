"""Amplification D/(D + G) of a one-way flow by depth D and dealer gamma G, under the band of dealer gamma.

D + G is linear in the dealer sides, so the band of G carries over exactly; amplification falls as G rises.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from gnosis.options.arrays import Floats
from gnosis.options.positioning.bands import Band


class Amplification(NamedTuple):
    """Band of amplification D/(D + G), dimensionless float64 arrays; infinite where D + G <= 0."""

    p10: Floats
    p50: Floats
    p90: Floats


def amplification_band(depth_usd_per_unit: ArrayLike, gamma: Band) -> Amplification:
    """Return the band of amplification D/(D + G), which falls as dealer gamma G rises while D + G > 0.

    Parameters
    ----------
    depth_usd_per_unit
        Depth D, > 0, $ per unit (100 %) move; NaN where unknown.
    gamma
        Band of G in the same unit, which is 100 times ``gex_usd_per_pct``.

    Returns
    -------
    Amplification
        p10 = D/(D + G_p90), p50 = D/(D + G_p50), p90 = D/(D + G_p10); infinite where D + G <= 0.

    Raises
    ------
    ValueError
        When a depth is not positive.

    Examples
    --------
    >>> from gnosis.options.positioning.bands import band
    >>> [round(float(x), 4) for x in amplification_band(60.0, band(15.0, 668.8, 90.0))]
    [0.5548, 0.8, 1.4334]
    """
    depth = np.asarray(depth_usd_per_unit, dtype=np.float64)
    if (depth <= 0).any():
        raise ValueError(f"depth_usd_per_unit: expected positive numbers, found {depth[depth <= 0].flat[0]}")
    stiffness = [depth + value for value in (gamma.p90, gamma.p50, gamma.p10)]
    return Amplification(*(np.where(e <= 0, np.inf, depth / np.where(e <= 0, 1.0, e)) for e in stiffness))
