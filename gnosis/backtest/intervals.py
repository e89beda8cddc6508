"""Intervals of every ratio by the stationary bootstrap, all figures from the same resamples."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gnosis.backtest.benchmark_figures import active_figures
from gnosis.backtest.configuration import BARS_PER_YEAR
from gnosis.backtest.resampling import FEWEST_RETURNS, Interval, mean_block_length, stationary_indices
from gnosis.backtest.return_figures import checked_rates, checked_returns, path_figures
from gnosis.backtest.significance import Insufficient

if TYPE_CHECKING:
    from numpy.typing import NDArray

RESAMPLES = 2000
LEAST_DEFINED = 0.95
"""Share of the resamples in which a figure must be defined to have an interval."""
_AT_A_TIME = 100


def return_intervals(
    returns: NDArray[np.float64],
    *,
    seed: int,
    benchmark: NDArray[np.float64] | None = None,
    rates: NDArray[np.float64] | None = None,
    resamples: int = RESAMPLES,
    confidence: float = 0.95,
    bars_per_year: int = BARS_PER_YEAR,
) -> tuple[dict[str, Interval], float] | Insufficient:
    """Return percentile intervals of the figures of returns, and the bootstrap standard error of the Sharpe ratio.

    Parameters
    ----------
    returns
        Net simple returns per bar, float64, shape (n,), each above -1.
    seed, resamples, confidence
        Of the resampling; the mean block follows :func:`gnosis.backtest.resampling.mean_block_length`.
    benchmark
        Returns of a benchmark on the same bars; gives intervals of information ratio and tracking error too.
    rates
        Simple return of cash over each bar; None: zero.
    bars_per_year
        252 for daily bars.

    Returns
    -------
    tuple of dict and float, or Insufficient
        A figure that is undefined in more than a twentieth of the resamples has no interval. Insufficient below 30
        returns, or when they never move. Politis and Romano (1994).

    Examples
    --------
    >>> noise = np.random.default_rng(1).normal(0.0005, 0.01, 1000)
    >>> intervals, error = return_intervals(noise, seed=2)
    >>> round(intervals["sortino"].low, 1), round(intervals["sortino"].high, 1), round(error, 2)
    (-1.4, 1.3, 0.49)
    """
    r = checked_returns(returns)
    n = r.size
    if n < FEWEST_RETURNS:
        return Insufficient("intervals", n, FEWEST_RETURNS, "returns", "too few returns to resample")
    if not np.ptp(r) > 0:
        return Insufficient("intervals", n, None, "returns", "all returns are the same")
    excess = r - checked_rates(rates, n)
    active = None if benchmark is None else r - np.asarray(benchmark, dtype=np.float64)
    chosen = stationary_indices(n, mean_block_length(r), resamples, seed)
    parts = []
    for at in range(0, resamples, _AT_A_TIME):
        some = chosen[at : at + _AT_A_TIME]
        found = path_figures(r[some], excess[some], bars_per_year)
        parts.append(found if active is None else found | active_figures(active[some], bars_per_year))
    drawn = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    intervals = {}
    for name, values in drawn.items():
        defined = values[np.isfinite(values)]
        if defined.size >= LEAST_DEFINED * resamples:
            low, high = np.quantile(defined, [(1 - confidence) / 2, (1 + confidence) / 2])
            intervals[name] = Interval(float(low), float(high), defined.size)
    ratios = drawn["sharpe"][np.isfinite(drawn["sharpe"])]
    return intervals, float(ratios.std(ddof=1))
