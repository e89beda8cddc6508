"""Delta of a chain at hypothetical spots: what dealers must trade when spot moves, by full revaluation.

Dealers who hold D(p) shares of delta at spot p sell D(p) - D(S) of them when spot moves from S to p. Under sticky
moneyness that is not the integral of gamma alone, because each contract's volatility moves with the smile.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import ArrayLike

from gnosis.options.arrays import Floats, frozen
from gnosis.options.positioning.contracts import (
    chain_spots,
    is_priced,
    live_contracts,
    one_version,
    require_contracts,
    require_ratios,
    require_revaluation,
)
from gnosis.options.positioning.gamma_profile import smile_slopes, smile_starts
from gnosis.options.pricing.black_scholes import greeks as black_scholes_greeks


class DeltaProfiles(NamedTuple):
    """Delta of every chain at the spots S x ratio, at dealer fraction 1.

    Attributes
    ----------
    chains
        ``session``, ``symbol`` and ``spot`` (at the latest quote), one row per chain, sorted.
    call, put
        Sums of delta OI M in shares, shape (chains, ratios); zero where nothing is known.
    """

    chains: pl.DataFrame
    call: Floats
    put: Floats


def delta_profiles(greeks: pl.DataFrame, ratios: ArrayLike, revaluation: str = "sticky_moneyness") -> DeltaProfiles:
    """Return the delta profiles of all chains of a frame.

    Parameters
    ----------
    greeks
        Rows of ``greeks.option_greeks`` in any order.
    ratios
        Hypothetical spots over spot.
    revaluation
        ``sticky_moneyness`` or ``sticky_strike``.

    Raises
    ------
    ValueError
        When a column is missing or of another dtype, an open interest is negative or not finite, the ratios are no
        list of positive numbers, or the revaluation is unknown.

    Examples
    --------
    >>> from gnosis.tables import TABLES
    >>> delta_profiles(TABLES["greeks.option_greeks"].empty(), [0.99, 1.0, 1.01]).put.shape
    (0, 3)
    """
    from gnosis.options.positioning import gamma_profile_kernel

    require_revaluation(revaluation)
    nodes = require_ratios(ratios)
    require_contracts(greeks)
    rows = one_version(greeks)
    chains = chain_spots(rows)
    priced = live_contracts(rows).filter(is_priced())
    call, put = (np.zeros((chains.height, nodes.size)) for _ in range(2))
    if priced.is_empty():
        return DeltaProfiles(chains, call, put)
    spot, strike, tau, forward, discount, own, size = (
        priced[name].to_numpy() for name in ("spot", "strike", "tau_years", "forward", "discount", "iv", "size")
    )
    is_call = (priced["right"] == "C").to_numpy()
    chain = priced["chain"].to_numpy()
    k = np.log(strike / forward)
    starts = smile_starts(priced)
    slope = smile_slopes(starts, k, own)
    starts = frozen(starts, starts.shape)
    k, own, slope = (frozen(values, values.shape) for values in (k, own, slope))
    iv = own.copy()
    for j, ratio in enumerate(nodes):
        if revaluation == "sticky_moneyness":
            gamma_profile_kernel.smile_at(starts, k, own, slope, np.log(ratio), iv)
        found = black_scholes_greeks(spot * ratio, strike, tau, forward * ratio, discount, iv, is_call)
        for side, total in ((is_call, call), (~is_call, put)):
            total[:, j] = np.bincount(chain[side], (size * found.delta)[side], chains.height)
    return DeltaProfiles(chains, call, put)
