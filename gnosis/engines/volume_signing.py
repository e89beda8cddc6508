"""Which part of a bar's volume was bought: bulk classification from bars, quote and tick rule with snapshots."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def buy_share(log_change: ArrayLike, sigma: ArrayLike) -> Floats:
    """Return the share of a bar's volume that was bought, Phi(d ln P/sigma) (Easley, Lopez de Prado & O'Hara 2012).

    Parameters
    ----------
    log_change
        Change of the log price over the bar.
    sigma
        Standard deviation of log changes of bars of that size; broadcasts against ``log_change``.

    Returns
    -------
    numpy.ndarray
        In [0, 1]; NaN where an argument is NaN or sigma is not positive.

    Examples
    --------
    >>> buy_share([0.01, 0.0, -0.01], 0.01).round(10).tolist()
    [0.8413447461, 0.5, 0.1586552539]
    """
    from gnosis.engines.volume_signing_kernel import normal_cdf

    scale = np.asarray(sigma, dtype=np.float64)
    score = np.asarray(log_change, dtype=np.float64) / np.where(scale > 0.0, scale, np.nan)
    return normal_cdf(np.atleast_1d(score).reshape(-1)).reshape(score.shape)


def signed_volume(volume: ArrayLike, log_change: ArrayLike, sigma: ArrayLike) -> Floats:
    """Return bought minus sold volume V(2b - 1) with b of :func:`buy_share`, in the unit of the volume.

    Examples
    --------
    >>> signed_volume(1000.0, [0.01, 0.0], 0.01).round(6).tolist()
    [682.689492, 0.0]
    """
    return np.asarray(volume, dtype=np.float64) * (2.0 * buy_share(log_change, sigma) - 1.0)


def quote_rule(close: ArrayLike, mid: ArrayLike, previous_close: ArrayLike) -> Floats:
    """Return the side of each bar: 1 bought, -1 sold, 0 undecided.

    The close is compared with the last mid before the end of the bar (Lee & Ready 1991), and where they are equal with
    the close before.

    Parameters
    ----------
    close, mid, previous_close
        $; broadcast against each other. NaN where unknown.

    Returns
    -------
    numpy.ndarray
        NaN where the close or the mid is NaN, and where a tie needs a close before that is NaN.

    Examples
    --------
    >>> quote_rule([10.01, 10.0, 10.0], 10.0, [10.0, 10.01, 10.0]).tolist()
    [1.0, -1.0, 0.0]
    """
    price = np.asarray(close, dtype=np.float64)
    side = np.sign(price - np.asarray(mid, dtype=np.float64))
    return np.where(side == 0.0, np.sign(price - np.asarray(previous_close, dtype=np.float64)), side)
