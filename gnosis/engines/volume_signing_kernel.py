"""Compiled normal distribution function behind :mod:`gnosis.engines.volume_signing`."""

from __future__ import annotations

import numpy as np

from gnosis.options.special_functions import SQRT_HALF, erfcx_pair, exp, vectorised


@vectorised
def normal_cdf(x: np.ndarray) -> np.ndarray:
    """Return Phi(x) of a contiguous array, NaN where x is; Phi(x) + Phi(-x) = 1 up to one rounding.

    Below -37.5, where Phi is less than any normal number, it stays at its value there.

    Examples
    --------
    >>> normal_cdf(np.array([1.0])).round(10).item()
    0.8413447461
    """
    out = np.empty(x.size)
    for i in range(x.size):
        far = min(abs(x[i]), 37.5) * SQRT_HALF
        scaled, _ = erfcx_pair(far, 0.0)
        tail = 0.5 * scaled * exp(-far * far)
        out[i] = (tail if x[i] < 0.0 else 1.0 - tail) if x[i] == x[i] else np.nan
    return out
