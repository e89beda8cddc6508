"""Smile lookup: a volatility for every contract of an expiry that has enough accepted ones."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from gnosis.options.arrays import Codes, Floats, frozen
from gnosis.options.chain.layout import expiry_starts

IV_SOURCES = ("own", "interpolated", "extrapolated", "none")


class Smile(NamedTuple):
    """Volatility per strike (NaN where none) and its source as a position in :data:`IV_SOURCES`."""

    iv: Floats
    source: Codes


def smile(log_moneyness: ArrayLike, own_iv: ArrayLike, starts: ArrayLike | None = None) -> Smile:
    """Return own volatilities where accepted, else linear in log-moneyness between them, else flat beyond.

    An expiry with fewer than three accepted strikes has no smile: only its own volatilities are returned.

    Parameters
    ----------
    log_moneyness
        ln(K/F), strictly ascending within an expiry; NaN throughout an expiry whose forward is unknown.
    own_iv
        Accepted volatilities, decimal; NaN where there is none.
    starts
        Positions at which the expiries start, followed by the number of strikes; one expiry when omitted.

    Raises
    ------
    ValueError
        When the lengths differ, ``starts`` does not cut the strikes into expiries, or strikes do not ascend.

    Examples
    --------
    >>> found = smile([-0.2, -0.1, 0.0, 0.05, 0.1], [np.nan, 0.3, 0.2, np.nan, 0.22])
    >>> found.iv.round(6).tolist(), [IV_SOURCES[code] for code in found.source]
    ([0.3, 0.3, 0.2, 0.21, 0.22], ['extrapolated', 'own', 'own', 'interpolated', 'own'])
    """
    from gnosis.options.chain import chain_kernel

    k = np.asarray(log_moneyness, dtype=np.float64)
    own = np.asarray(own_iv, dtype=np.float64)
    cuts = expiry_starts(starts, k.size)
    if own.shape != k.shape:
        raise ValueError(f"own_iv: expected one volatility per strike, shape {k.shape}, found {own.shape}")
    is_unknown = np.isnan(k)
    ascends = (k[1:] > k[:-1]) | (is_unknown[1:] & is_unknown[:-1])
    ascends[cuts[(cuts > 0) & (cuts < k.size)] - 1] = True
    if not ascends.all():
        at = int(np.flatnonzero(~ascends)[0])
        raise ValueError(
            f"log_moneyness: expected strictly ascending values within an expiry, found {k[at]} before {k[at + 1]} at "
            f"position {at}; sort the strikes, and give starts where there are several expiries"
        )
    iv, source = np.empty(k.size), np.empty(k.size, dtype=np.int8)
    chain_kernel.smile_lookup(cuts, frozen(k, k.shape), frozen(own, k.shape), iv, source)
    return Smile(iv, source)
