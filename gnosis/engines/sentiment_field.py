"""Sentiment as a second-order gamma field: what the mood of option buyers adds to the gamma of dealers.

Sentiment s in [-1, 1] shifts customers' option positions and with them dealer gamma, by dG = -kappa s G_c with G_c the
dollar gamma of today's volume in out-of-the-money calls of at most 35 days. The market equation becomes
r = q/(D + G - kappa s G_c). kappa is estimated out of sample; 0, its default, leaves the term out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gnosis.engines.physics import amplification

Floats = NDArray[np.float64]


def gamma_shift(kappa: float, sentiment: ArrayLike, call_gamma_usd_per_unit: ArrayLike) -> Floats:
    """Return the shift of dealer gamma dG = -kappa s G_c in $ per unit log move.

    Exactly 0 when kappa is 0, whatever is known of the rest; NaN elsewhere where s or G_c is.

    Examples
    --------
    >>> gamma_shift(0.1, 0.5, 20e9).item()
    -1000000000.0
    """
    shift = -kappa * np.asarray(sentiment, dtype=np.float64) * np.asarray(call_gamma_usd_per_unit, dtype=np.float64)
    return np.zeros_like(shift) if kappa == 0.0 else shift


def sentiment_amplification(
    depth_usd_per_unit: ArrayLike, dealer_gamma_usd_per_unit: ArrayLike, shift_usd_per_unit: ArrayLike
) -> Floats:
    """Return A(s) = D/(D + G + dG) with dG of :func:`gamma_shift`; NaN where the denominator is not positive.

    Examples
    --------
    >>> sentiment_amplification(50e9, -20e9, [-1e9, 0.0]).round(10).tolist()
    [1.724137931, 1.6666666667]
    """
    gamma = np.asarray(dealer_gamma_usd_per_unit, dtype=np.float64) + np.asarray(shift_usd_per_unit, dtype=np.float64)
    return amplification(depth_usd_per_unit, gamma)


def price_impulse(
    kappa: float,
    sentiment: ArrayLike,
    depth_usd_per_unit: ArrayLike,
    dealer_gamma_usd_per_unit: ArrayLike,
    call_gamma_usd_per_unit: ArrayLike,
) -> Floats:
    """Return how sentiment changes the move per dollar of flow, in 1/$.

    d2r/(ds dq) = kappa G_c/(D + G - kappa s G_c)^2. NaN where D + G - kappa s G_c is not positive; exactly 0 elsewhere
    when kappa is 0.

    Examples
    --------
    >>> round(price_impulse(0.1, 0.5, 50e9, -20e9, 20e9).item() * 1e12, 9)
    2.378121284
    """
    shift = gamma_shift(kappa, sentiment, call_gamma_usd_per_unit)
    stiffness = np.asarray(depth_usd_per_unit, dtype=np.float64) + np.asarray(dealer_gamma_usd_per_unit) + shift
    slope = -gamma_shift(kappa, 1.0, call_gamma_usd_per_unit) + 0.0
    return slope / np.where(stiffness > 0.0, stiffness, np.nan) ** 2
