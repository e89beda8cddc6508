"""How far a Sharpe ratio may be chance. Ratios here are per period, never annualised; kurtosis is raw (normal: 3)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NORMAL = NormalDist()

CLUSTER_CORRELATION = 0.5
"""Trials whose returns are correlated by more than this on average are one cluster."""


@dataclass(frozen=True)
class Insufficient:
    """There is no figure because there is too little to make it from (B-12.10).

    Attributes
    ----------
    statistic
        What could not be said.
    found, needed
        How much there is and how much it takes; ``needed`` is None when no length would do.
    unit
        What is counted.
    reason
        Why.
    """

    statistic: str
    found: int
    needed: int | None
    unit: str
    reason: str


def sharpe_standard_error(sharpe_per_period: float, n: int) -> float:
    """Return the standard error of a per-period Sharpe ratio of n independent returns, sqrt((1 + SR^2/2)/n) (Lo 2002).

    Examples
    --------
    >>> round(sharpe_standard_error(0.1, 252), 6)
    0.063151
    """
    if n < 2:
        raise ValueError(f"expected at least 2 returns, found {n}")
    return math.sqrt((1 + sharpe_per_period**2 / 2) / n)


def _scaled_variance(sharpe_per_period: float, skewness: float, kurtosis: float) -> float:
    """Return the variance of the estimated ratio times the number of returns less one (Mertens 2002)."""
    if kurtosis < (1 + skewness**2) * (1 - 1e-9):
        raise ValueError(
            f"expected raw kurtosis, which is at least 1 + skewness^2 = {1 + skewness**2:g}, found {kurtosis:g}; "
            "add 3 to an excess kurtosis"
        )
    return 1 - skewness * sharpe_per_period + (kurtosis - 1) / 4 * sharpe_per_period**2


def probabilistic_sharpe_ratio(
    sharpe_per_period: float, n: int, *, skewness: float = 0.0, kurtosis: float = 3.0, benchmark: float = 0.0
) -> float | None:
    """Return the probability that the true Sharpe ratio exceeds ``benchmark`` (Bailey and López de Prado 2012).

    Returns
    -------
    float or None
        None when the variance of the estimate is not positive, which extreme skewness can cause.

    Raises
    ------
    ValueError
        Fewer than 2 returns, or a kurtosis that no returns can have: an excess kurtosis.

    Examples
    --------
    >>> round(probabilistic_sharpe_ratio(0.458, 24, skewness=-2.448, kurtosis=10.164), 10)
    0.9133610839
    """
    if n < 2:
        raise ValueError(f"expected at least 2 returns, found {n}")
    variance = _scaled_variance(sharpe_per_period, skewness, kurtosis)
    if variance <= 0:
        return None
    z = (sharpe_per_period - benchmark) * math.sqrt(n - 1) / math.sqrt(variance)
    return 0.5 * math.erfc(-z / math.sqrt(2))


def expected_maximum(n_trials: float) -> float:
    """Return the expected maximum of independent standard normal draws (Bailey and López de Prado 2014).

    Parameters
    ----------
    n_trials
        At least 1; an effective number need not be whole.

    Examples
    --------
    >>> [round(expected_maximum(n), 7) for n in (1, 10, 45, 100, 1000)]
    [0.0, 1.5745983, 2.2356402, 2.5306029, 3.2551215]
    """
    if not n_trials >= 1:
        raise ValueError(f"expected at least 1 trial, found {n_trials}")
    if n_trials == 1:
        return 0.0
    near, far = _NORMAL.inv_cdf(1 / n_trials), _NORMAL.inv_cdf(1 / (n_trials * math.e))
    # Just above one trial the approximation falls below zero, which no expected maximum can.
    return max(0.0, -(1 - np.euler_gamma) * near - np.euler_gamma * far)


def deflated_sharpe_ratio(
    sharpe_per_period: float,
    n: int,
    *,
    n_trials: float,
    trial_variance: float,
    skewness: float = 0.0,
    kurtosis: float = 3.0,
) -> float | None:
    """Return the probability that the true Sharpe ratio exceeds the best that luck gives in so many trials.

    Parameters
    ----------
    sharpe_per_period, n, skewness, kurtosis
        Of the returns judged, which are the best of the trials.
    n_trials
        How much was tried, whole or effective; with 1 this is the probabilistic Sharpe ratio against zero.
    trial_variance
        Variance of the per-period Sharpe ratios of the trials.

    Returns
    -------
    float or None
        None as :func:`probabilistic_sharpe_ratio`. Bailey and López de Prado (2014).

    Examples
    --------
    >>> figures = {"skewness": -3, "kurtosis": 10, "trial_variance": 0.5 / 250}
    >>> round(deflated_sharpe_ratio(2.5 / 250**0.5, 1250, n_trials=100, **figures), 10)
    0.9003968344
    """
    if trial_variance < 0:
        raise ValueError(f"expected a variance of at least 0, found {trial_variance}")
    luck = math.sqrt(trial_variance) * expected_maximum(n_trials)
    return probabilistic_sharpe_ratio(sharpe_per_period, n, skewness=skewness, kurtosis=kurtosis, benchmark=luck)


def minimum_track_record(
    sharpe_per_period: float,
    *,
    skewness: float = 0.0,
    kurtosis: float = 3.0,
    benchmark: float = 0.0,
    confidence: float = 0.95,
) -> float | None:
    """Return how many returns it takes to tell the Sharpe ratio from ``benchmark`` (Bailey and López de Prado 2012).

    Returns
    -------
    float or None
        In periods. None when the ratio is not above the benchmark: no length would do.

    Examples
    --------
    >>> round(minimum_track_record(0.458, skewness=-2.448, kurtosis=10.164), 7)
    34.5575059
    """
    if not 0.5 < confidence < 1:
        raise ValueError(f"expected a confidence between 0.5 and 1, found {confidence}")
    variance = _scaled_variance(sharpe_per_period, skewness, kurtosis)
    if sharpe_per_period <= benchmark or variance <= 0:
        return None
    return 1 + variance * (_NORMAL.inv_cdf(confidence) / (sharpe_per_period - benchmark)) ** 2


def minimum_backtest_years(sharpe_per_year: float, n_trials: float) -> float:
    """Return the years below which the best of so many worthless trials is expected to reach an annual Sharpe ratio.

    Bailey, Borwein, López de Prado and Zhu (2014). The one ratio here that is annual.

    Examples
    --------
    >>> round(minimum_backtest_years(1.0, 45), 7)
    4.998087
    """
    if sharpe_per_year <= 0:
        raise ValueError(f"expected an annual Sharpe ratio above 0, found {sharpe_per_year}")
    return (expected_maximum(n_trials) / sharpe_per_year) ** 2


def effective_number(n_trials: float, mean_correlation: float) -> float:
    """Return ``rho + (1 - rho) N``: the independent trials that N correlated ones are worth, at most N (B-12.3).

    Bailey and López de Prado (2014), appendix.

    Examples
    --------
    >>> effective_number(100, 0.5)
    50.5
    """
    return min(float(n_trials), mean_correlation + (1 - mean_correlation) * n_trials)


def effective_trials(returns: NDArray[np.float64], n_without_returns: int = 0) -> float:
    """Return how many independent trials those of a family are worth (B-12.3).

    Parameters
    ----------
    returns
        Returns of the trials on common sessions, float64, shape (periods, trials), at least 2 periods. Trials that
        never moved are correlated with nothing.
    n_without_returns
        Trials whose returns are not known; each counts as one.

    Returns
    -------
    float
        :func:`effective_number` by the mean pairwise correlation, or the number of clusters of correlated trials if
        that is larger; between 1 and the number of trials.

    Examples
    --------
    >>> common, own = np.random.default_rng(0).standard_normal((2, 5000, 20))
    >>> round(effective_trials(common[:, :1] + own, 5), 2)
    15.49
    """
    if returns.ndim != 2 or returns.shape[0] < 2 or not np.isfinite(returns).all():
        raise ValueError(f"expected finite returns of shape (periods >= 2, trials), found shape {returns.shape}")
    moved = returns[:, np.ptp(returns, axis=0) > 0]
    n = moved.shape[1]
    rest = float(n_without_returns + returns.shape[1] - n)
    if n < 2:
        return max(1.0, n + rest)
    away = moved - moved.mean(axis=0)
    scaled = away / np.sqrt((away**2).sum(axis=0))
    # The sum over all pairs, without the product of matrices whose last bits depend on the number of threads.
    mean = (float((scaled.sum(axis=1) ** 2).sum()) - n) / (n * (n - 1))
    return rest + max(effective_number(n, mean), float(_n_clusters(scaled)))


def _n_clusters(scaled: NDArray[np.float64]) -> int:
    """Return the number of clusters by average linkage of the correlations of all pairs of columns."""
    from scipy.cluster.hierarchy import fcluster, linkage

    correlations = (scaled.T @ scaled)[np.triu_indices(scaled.shape[1], 1)].round(9)
    tree = linkage(np.clip(1 - correlations, 0.0, None), "average")
    return int(fcluster(tree, 1 - CLUSTER_CORRELATION, "distance").max())
