"""The stationary bootstrap: resamples that keep the dependence of neighbouring returns, and intervals from them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnosis.backtest.configuration import BARS_PER_YEAR
from gnosis.backtest.resampling_kernel import draw_blocks, resampled_figures
from gnosis.backtest.significance import Insufficient

FEWEST_RETURNS = 30
"""Below this many returns no statistic of resampling or deflation is given."""


def mean_block_length(values: NDArray[np.float64]) -> float:
    """Return the mean block length of the stationary bootstrap by the rule of Politis and White (2004).

    With the correction of Patton, Politis and White (2009). At least 1, at most ``min(3 sqrt(n), n / 3)`` rounded up.

    Parameters
    ----------
    values
        One series, float64, shape (n,), n at least 30.

    Examples
    --------
    >>> noise = np.random.default_rng(0).standard_normal(2000)
    >>> smooth = np.convolve(noise, np.ones(10) / 10, "valid")
    >>> round(mean_block_length(noise), 1), round(mean_block_length(smooth), 1)
    (1.0, 29.4)
    """
    n = values.size
    if n < FEWEST_RETURNS:
        raise ValueError(f"expected at least {FEWEST_RETURNS} values, found {n}")
    away = values - values.mean()
    if not np.ptp(values) > 0:
        return 1.0
    run = max(5, int(math.log10(n)))
    furthest = math.ceil(math.sqrt(n)) + run
    covariance = np.array([float((away[lag:] * away[: n - lag]).sum()) / n for lag in range(furthest + 1)])
    ends = np.array(
        [float((away[lag + 1 :] ** 2).sum()) * float((away[: n - lag - 1] ** 2).sum()) for lag in range(furthest + 1)]
    )
    small = np.abs(covariance) * n < 2 * math.sqrt(math.log10(n) / n) * np.sqrt(ends)
    # The first lag from which on a whole run of correlations is indistinguishable from zero.
    quiet = [lag for lag in range(furthest + 1 - run) if small[lag : lag + run].all()]
    last = min(2 * max(quiet[0], 1), furthest) if quiet else furthest
    lags = np.arange(1, last + 1)
    window = np.where(lags / last <= 0.5, 1.0, 2 * (1 - lags / last)) * covariance[1 : last + 1]
    spread = covariance[0] + 2 * float(window.sum())
    slope = 2 * float((window * lags).sum())
    if spread == 0:
        return 1.0
    longest = math.ceil(min(3 * math.sqrt(n), n / 3))
    return float(np.clip((slope**2 / spread**2 * n) ** (1 / 3), 1.0, longest))


def stationary_indices(n: int, mean_block: float, resamples: int, seed: int) -> NDArray[np.int64]:
    """Return the positions of each resample, int64, shape (resamples, n) (Politis and Romano 1994).

    Blocks begin anywhere, have a geometric length with mean ``mean_block`` and run around the end.

    Examples
    --------
    >>> stationary_indices(8, 4.0, 2, seed=0).tolist()
    [[6, 7, 0, 1, 2, 3, 4, 0], [3, 4, 5, 6, 6, 5, 6, 7]]
    """
    if n < 1 or resamples < 1 or not mean_block >= 1:
        raise ValueError(f"expected n, resamples and mean_block of at least 1, found {n}, {resamples}, {mean_block}")
    return draw_blocks(np.random.default_rng(seed), n, resamples, 1 / mean_block)


@dataclass(frozen=True)
class Interval:
    """A percentile interval of a figure.

    Attributes
    ----------
    low, high
        In the unit of the figure.
    n_resamples
        Resamples behind it: those in which the figure is defined.
    """

    low: float
    high: float
    n_resamples: int


def bootstrap_intervals(
    returns: NDArray[np.float64],
    *,
    seed: int,
    resamples: int = 2000,
    confidence: float = 0.95,
    bars_per_year: int = BARS_PER_YEAR,
) -> dict[str, Interval] | Insufficient:
    """Return intervals of Sharpe ratio, CAGR and maximum drawdown by the stationary bootstrap (B-12.9).

    Parameters
    ----------
    returns
        Net simple returns per bar, float64, shape (n,), each above -1.
    seed, resamples, confidence
        Of the resampling; the mean block follows :func:`mean_block_length`.
    bars_per_year
        252 for daily bars.

    Returns
    -------
    dict of str to Interval, or Insufficient
        ``sharpe`` and ``cagr`` per year, ``maximum_drawdown`` as a ratio, at most 0. Insufficient below 30 returns, or
        when they never move.

    Examples
    --------
    >>> noise = np.random.default_rng(1).normal(0.0005, 0.01, 1000)
    >>> found = bootstrap_intervals(noise, seed=2)
    >>> round(found["sharpe"].low, 1), round(found["sharpe"].high, 1)
    (-1.0, 0.9)
    """
    if not np.all(np.isfinite(returns)) or np.any(returns <= -1):
        raise ValueError("expected finite returns above -1, found others: equity must stay positive")
    n = returns.size
    if n < FEWEST_RETURNS:
        return Insufficient("intervals", n, FEWEST_RETURNS, "returns", "too few returns to resample")
    if not np.ptp(returns) > 0:
        return Insufficient("intervals", n, None, "returns", "all returns are the same")
    indices = stationary_indices(n, mean_block_length(returns), resamples, seed)
    ratio, growth, drawdown = resampled_figures(np.ascontiguousarray(returns, dtype=np.float64), indices).T
    figures = {
        "sharpe": ratio[np.isfinite(ratio)] * math.sqrt(bars_per_year),
        "cagr": np.expm1(growth * (bars_per_year / n)),
        "maximum_drawdown": drawdown,
    }
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    edges = {name: np.quantile(values, tails).tolist() for name, values in figures.items()}
    return {name: Interval(low, high, figures[name].size) for name, (low, high) in edges.items()}
