"""Regimes of three labels, cut at percentiles of the symbol's own last 252 sessions."""

from __future__ import annotations

import numpy as np

from gnosis.engines.points import Floats


def percentile_regime(rank: Floats, low: float = 0.2, high: float = 0.8) -> Floats:
    """Return the position of the label: 0 below ``low``, 2 above ``high``, 1 between; NaN where the rank is.

    Examples
    --------
    >>> percentile_regime(np.array([0.1, 0.2, 0.9, np.nan])).tolist()
    [0.0, 1.0, 2.0, nan]
    """
    return np.where(np.isnan(rank), np.nan, 1.0 + (rank > high) - (rank < low))
