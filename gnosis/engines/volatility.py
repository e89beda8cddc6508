"""Volatility estimators of the shared physics: variances of log prices per bar, from closes or from its range.

All variances are per bar; the square root is a volatility per sqrt(bar). sigma_d of every engine is close-to-close over
20 returns; the others are published beside it. Prices must be adjusted for splits and dividends.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gnosis.engines.trailing import least

Floats = NDArray[np.float64]
SIGMA_SESSIONS = 20
"""Daily log returns behind sigma_d."""
CHUNK = 256


def _log(values: ArrayLike) -> Floats:
    return np.log(np.asarray(values, dtype=np.float64))


def close_to_close_variance(close: ArrayLike) -> Floats:
    """Return the sample variance (n - 1) of log returns along the last axis, of n + 1 closes.

    Examples
    --------
    >>> close_to_close_variance([100.0, 101.0, 100.0, 101.0]).round(10).item()
    0.0001320121
    """
    return np.var(np.diff(_log(close), axis=-1), axis=-1, ddof=1)


def parkinson_variance(high: ArrayLike, low: ArrayLike) -> Floats:
    """Return (ln H/L)^2/(4 ln 2) of each bar (Parkinson 1980).

    Examples
    --------
    >>> parkinson_variance(102.0, 100.0).round(10).item()
    0.0001414361
    """
    return (_log(high) - _log(low)) ** 2 / (4 * np.log(2))


def garman_klass_variance(open: ArrayLike, high: ArrayLike, low: ArrayLike, close: ArrayLike) -> Floats:
    """Return (ln H/L)^2/2 - (2 ln 2 - 1)(ln C/O)^2 of each bar (Garman & Klass 1980).

    Examples
    --------
    >>> garman_klass_variance(100.0, 102.0, 100.0, 101.0).round(10).item()
    0.0001578254
    """
    return (_log(high) - _log(low)) ** 2 / 2 - (2 * np.log(2) - 1) * (_log(close) - _log(open)) ** 2


def rogers_satchell_variance(open: ArrayLike, high: ArrayLike, low: ArrayLike, close: ArrayLike) -> Floats:
    """Return ln(H/O) ln(H/C) + ln(L/O) ln(L/C) of each bar, free of drift (Rogers & Satchell 1991).

    Examples
    --------
    >>> rogers_satchell_variance(100.0, 102.0, 100.0, 101.0).round(10).item()
    0.0001951014
    """
    o, h, low_, c = _log(open), _log(high), _log(low), _log(close)
    return (h - o) * (h - c) + (low_ - o) * (low_ - c)


def yang_zhang_variance(open: ArrayLike, high: ArrayLike, low: ArrayLike, close: ArrayLike) -> Floats:
    """Return the variance of Yang & Zhang (2000) along the last axis: overnight gap, open to close, and range.

    var(overnight) + kappa var(open to close) + (1 - kappa) mean(Rogers-Satchell), kappa = 0.34/(1.34 + (n+1)/(n-1)),
    with sample variances.

    Parameters
    ----------
    open, high, low, close
        $ of n + 1 consecutive bars; of the first one only the close is used.

    Raises
    ------
    ValueError
        When there are fewer than three bars.

    Examples
    --------
    >>> bars = [100.0, 101.0, 100.0], [102.0, 102.0, 101.0], [99.0, 100.0, 99.0], [101.0, 100.0, 100.0]
    >>> yang_zhang_variance(*bars).round(10).item()
    0.000185961
    """
    o, h, low_, c = (np.asarray(side, dtype=np.float64) for side in (open, high, low, close))
    n = c.shape[-1] - 1 if c.ndim else 0
    if n < 2:
        raise ValueError(f"expected at least 3 bars on the last axis, found shape {c.shape}")
    kappa = 0.34 / (1.34 + (n + 1) / (n - 1))
    overnight = np.var(_log(o[..., 1:]) - _log(c[..., :-1]), axis=-1, ddof=1)
    within = np.var(_log(c[..., 1:]) - _log(o[..., 1:]), axis=-1, ddof=1)
    mean_range = rogers_satchell_variance(o[..., 1:], h[..., 1:], low_[..., 1:], c[..., 1:]).mean(axis=-1)
    return overnight + kappa * within + (1 - kappa) * mean_range


def trailing_sd(values: Floats, length: int) -> Floats:
    """Return the standard deviation (n - 1) of the last values up to each, along the last axis; NaN with too few.

    Of (rows, m) values come (rows, m - length + 1); max(10, length/4) of each window must be known, other than with
    :func:`gnosis.engines.indicators.rolling_sd`, which asks for all.

    Examples
    --------
    >>> trailing_sd(np.array([[1.0, -1.0] * 10 + [np.nan]]), 20).round(6).tolist()
    [[1.025978, 1.025978]]
    """
    parts = []
    for start in range(0, max(values.shape[0], 1), CHUNK):
        window = np.lib.stride_tricks.sliding_window_view(values[start : start + CHUNK], length, axis=1)
        is_known = ~np.isnan(window)
        n = is_known.sum(axis=2)
        enough = np.where(n >= least(length), n, np.nan)
        filled = np.where(is_known, window, 0.0)
        mean = filled.sum(axis=2) / enough
        squares = np.where(is_known, (filled - mean[..., None]) ** 2, 0.0).sum(axis=2)
        parts.append(np.sqrt(squares / (enough - 1)))
    return np.concatenate(parts)


def daily_sigma(returns: Floats) -> Floats:
    """Return sigma_d, the standard deviation (n - 1) of the last 20 daily log returns of each row.

    NaN with fewer than 10 of them, or without the last: without today's bar nothing is known about today.

    Examples
    --------
    >>> daily_sigma(np.array([[0.01, -0.01] * 10, [0.01, -0.01] * 9 + [0.01, np.nan]])).round(6).tolist()
    [0.01026, nan]
    """
    last = returns[:, -SIGMA_SESSIONS:]
    return np.where(np.isnan(last[:, -1]), np.nan, trailing_sd(last, SIGMA_SESSIONS)[:, -1])
