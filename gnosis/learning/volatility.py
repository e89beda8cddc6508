"""The volatility scale known at a decision, and the volatility realised after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gnosis.engines.volatility import rogers_satchell_variance
from gnosis.learning.bar_grid import shifted, trailing_sum

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gnosis.learning.bar_grid import BarGrid
    from gnosis.tables.models import VolatilityEstimator

HALF_LIFE = 20.0
MIN_OBSERVATIONS = 60
SESSIONS_PER_YEAR = 252
# The weight beyond 512 sessions at half-life 20 is 2e-8 of the total. A finite window is what lets one night's label
# equal the same label of a ten-year backfill, bit for bit.
SIGMA_WINDOW = 512
# Adjusted prices that did not move differ by rounding of the factor, some 1e-16: that is not a volatility.
LEAST_SIGMA = 1e-12
FEWEST_CLOSE_TO_CLOSE = 5


def ewm_sigma(
    log_returns: NDArray[np.float64],
    half_life: float = HALF_LIFE,
    min_observations: int = MIN_OBSERVATIONS,
) -> NDArray[np.float64]:
    """Return the exponentially weighted volatility per session around a mean of zero (L-2.2).

    Parameters
    ----------
    log_returns
        Close-to-close log returns, shape (symbols, sessions), NaN where missing.
    half_life
        Sessions after which a return counts half.
    min_observations
        Fewer returns than this in the window give NaN.

    Returns
    -------
    numpy.ndarray
        1/sqrt(session), shape of ``log_returns``; position ``t`` uses returns up to ``t`` and no more than
        ``SIGMA_WINDOW`` of them. NaN also where every return is zero: a scale of zero measures nothing.

    Notes
    -----
    RiskMetrics (1996): ``sigma_t^2 = sum w_i r^2_{t-i} / sum w_i`` with ``w_i = 0.5^(i / half_life)``.

    Examples
    --------
    >>> float(ewm_sigma(np.array([[0.01, -0.02, 0.015]]), half_life=2, min_observations=3)[0, -1].round(12))
    0.015898062845
    """
    present = np.isfinite(log_returns)
    squared = np.where(present, log_returns, 0.0) ** 2
    decay = 0.5 ** (1.0 / half_life)
    weight = trailing_sum(present.astype(np.float64), SIGMA_WINDOW, decay)
    observations = trailing_sum(present.astype(np.float64), SIGMA_WINDOW)
    sigma = np.sqrt(trailing_sum(squared, SIGMA_WINDOW, decay) / np.where(weight > 0.0, weight, np.nan))
    return np.where((observations >= min_observations) & (sigma > LEAST_SIGMA), sigma, np.nan)


def volatility_estimator(horizon: int) -> VolatilityEstimator:
    """Return the name of the estimator behind ``y_vol`` of a horizon in sessions.

    Examples
    --------
    >>> volatility_estimator(1), volatility_estimator(5)
    ('rogers_satchell', 'close_to_close')
    """
    return "close_to_close" if horizon >= FEWEST_CLOSE_TO_CLOSE else "rogers_satchell"


def realised_volatility(grid: BarGrid, horizon: int) -> NDArray[np.float64]:
    """Return the volatility from the next open to the close of each session that ends a horizon (L-2.6).

    Parameters
    ----------
    grid
        Daily bars.
    horizon
        In sessions. From 5 on the squares of the returns from open to close of the first session and from close to
        close after it; below, the mean variance of Rogers and Satchell (1991) of the bars, which leaves out the nights
        between them and is low by about a tenth because the highest and lowest trade miss the extremes between trades.

    Returns
    -------
    numpy.ndarray
        1/sqrt(year), shape (symbols, sessions): column ``t + horizon`` holds the label of a decision at ``t``. NaN
        where a session of the horizon did not trade.
    """
    if volatility_estimator(horizon) == "rogers_satchell":
        # Of two prices that are all but equal the logarithms may come out in the wrong order by one rounding.
        by_bar = np.maximum(rogers_satchell_variance(grid.open, grid.high, grid.low, grid.close), 0.0)
        total = _window_sum(by_bar, horizon)
    else:
        close = np.log(grid.close)
        first = shifted((close - np.log(grid.open)) ** 2, horizon - 1, np.nan)
        total = first + _window_sum((close - shifted(close, 1, np.nan)) ** 2, horizon - 1)
    return np.sqrt(SESSIONS_PER_YEAR / horizon * total)


def _window_sum(values: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """Sum of the last ``window`` columns, NaN with any of them missing, in an order that no frame's start changes."""
    total = values
    for back in range(1, window):
        total = total + shifted(values, back, np.nan)
    return total
