"""Smile lookup: a volatility for every contract of an expiry that has enough accepted ones."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gnosis.options.arrays import Floats, frozen

IV_SOURCES = ("own", "interpolated", "extrapolated", "none")


class Smile(NamedTuple):
    """Volatility per strike (NaN where none) and its source as a position in :data:`IV_SOURCES`."""

    iv: Floats
    source: NDArray[np.int8]


def smile(log_moneyness: ArrayLike, own_iv: ArrayLike, starts: ArrayLike | None = None) -> Smile:
    """Return own volatilities where accepted, else linear in log-moneyness between them, else flat beyond.

    An expiry with fewer than three accepted strikes has no smile: only its own volatilities are returned.

    Parameters
    ----------
    log_moneyness
        ln(K/F), strictly ascending within an expiry.
    own_iv
        Accepted volatilities, decimal; NaN where there is none.
    starts
        Positions at which the expiries start, followed by the number of strikes; one expiry when omitted.

    Examples
    --------
    >>> found = smile([-0.2, -0.1, 0.0, 0.05, 0.1], [np.nan, 0.3, 0.2, np.nan, 0.22])
    >>> found.iv.round(6).tolist(), [IV_SOURCES[code] for code in found.source]
    ([0.3, 0.3, 0.2, 0.21, 0.22], ['extrapolated', 'own', 'own', 'interpolated', 'own'])
    """
    from gnosis.options.chain import chain_kernel

    k = np.asarray(log_moneyness, dtype=np.float64)
    own = np.asarray(own_iv, dtype=np.float64)
    cuts = np.asarray([0, k.size] if starts is None else starts, dtype=np.int64)
    iv, source = np.empty(k.size), np.empty(k.size, dtype=np.int8)
    chain_kernel.smile_lookup(frozen(cuts, cuts.shape), frozen(k, k.shape), frozen(own, k.shape), iv, source)
    return Smile(iv, source)
