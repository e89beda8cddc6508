"""A Sharpe ratio beside everything that was tried before it was found: the trial ledger meets the statistics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from gnosis.backtest.resampling import FEWEST_RETURNS
from gnosis.backtest.significance import (
    Insufficient,
    deflated_sharpe_ratio,
    effective_trials,
    minimum_track_record,
    probabilistic_sharpe_ratio,
)
from gnosis.backtest.trials import TrialError, count_trials, trials_of_family

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


@dataclass(frozen=True)
class Deflation:
    """How likely a Sharpe ratio is more than luck.

    Attributes
    ----------
    n_trials, n_effective
        Trials of the family in the ledger, and the independent ones they are worth; gates judge by the latter.
    trial_variance
        Variance of the per-period Sharpe ratios of the trials; None with a single trial.
    probabilistic, deflated, deflated_effective
        Probability that the true ratio is above zero, and above the best of ``n_trials`` or ``n_effective`` lucky ones.
    minimum_track_record
        Returns that it takes to tell the ratio from zero at 95 %; None when no number would do.
    """

    n_trials: int
    n_effective: float
    trial_variance: float | None
    probabilistic: float
    deflated: float
    deflated_effective: float
    minimum_track_record: float | None


@dataclass(frozen=True)
class Moments:
    """What a row of the ledger and a deflation need to know of returns.

    Attributes
    ----------
    n, sharpe_per_period, skewness, kurtosis
        Number, ratio of mean to standard deviation (n - 1), population skewness and raw kurtosis of the returns.
    """

    n: int
    sharpe_per_period: float
    skewness: float
    kurtosis: float


def return_moments(returns: NDArray[np.float64]) -> Moments | Insufficient:
    """Return the moments of returns.

    Parameters
    ----------
    returns
        Net simple returns per period, float64, shape (n,).

    Returns
    -------
    Moments or Insufficient
        Insufficient below 2 returns, or when they never move.

    Examples
    --------
    >>> found = return_moments(np.array([0.01, -0.005, 0.007, -0.012]))
    >>> found.n, round(found.kurtosis, 6)
    (4, 1.335469)
    """
    if not np.isfinite(returns).all():
        raise ValueError("expected finite returns, found others")
    if returns.size < 2:
        return Insufficient("sharpe", returns.size, 2, "returns", "a Sharpe ratio needs two returns")
    if not np.ptp(returns) > 0:
        return Insufficient("sharpe", returns.size, None, "returns", "all returns are the same")
    away = returns - returns.mean()
    scaled = away / np.sqrt((away**2).mean())
    return Moments(
        n=returns.size,
        sharpe_per_period=float(returns.mean() / returns.std(ddof=1)),
        skewness=float((scaled**3).mean()),
        kurtosis=float((scaled**4).mean()),
    )


def common_returns(trials: pl.DataFrame, load: Callable[[str], pl.DataFrame]) -> NDArray[np.float64]:
    """Return the stored returns of trials on the sessions that all of them share, shape (sessions, trials).

    Parameters
    ----------
    trials
        Result of :func:`gnosis.backtest.trials.trials_of_family`.
    load
        ``returns`` of a ledger.
    """
    known = trials["returns_sha256"].drop_nulls()
    series = [load(digest).select("session", pl.col("net_return").alias(str(at))) for at, digest in enumerate(known)]
    if not series:
        return np.empty((0, 0))
    joined = series[0]
    for each in series[1:]:
        joined = joined.join(each, on="session", how="inner")
    return joined.sort("session").drop("session").to_numpy()


def deflate(
    returns: NDArray[np.float64], ledger: pl.DataFrame, family: str, load: Callable[[str], pl.DataFrame]
) -> Deflation | Insufficient:
    """Judge returns by all that was tried in their family (B-12.3 to B-12.6).

    Parameters
    ----------
    returns
        Net simple returns per period of the best trial, float64, shape (n,), out of sample.
    ledger
        ``backtests.trials``, whole: pruned, failed and abandoned trials count.
    family
        As in the ledger.
    load
        ``returns`` of the ledger. Trials without stored returns, and all trials when those stored have fewer than 30
        sessions in common, count as independent.

    Returns
    -------
    Deflation or Insufficient
        Insufficient below 30 returns, when they never move, or when of several trials fewer than two have a Sharpe
        ratio.

    Raises
    ------
    TrialError
        When the ledger knows no trial of the family: every result has one.
    """
    n_trials = count_trials(ledger, family)
    if n_trials == 0:
        raise TrialError(f"expected the trial behind these returns in the ledger, found none of family {family!r}")
    moments = return_moments(returns)
    if isinstance(moments, Insufficient):
        return moments
    n, sharpe = moments.n, moments.sharpe_per_period
    if n < FEWEST_RETURNS:
        return Insufficient("dsr", n, FEWEST_RETURNS, "returns", "too few returns for the error of a Sharpe ratio")
    trials = trials_of_family(ledger, family)
    ratios = trials["sharpe_per_period"].drop_nulls()
    if n_trials > 1 and len(ratios) < 2:
        reason = "the spread of the Sharpe ratios tried is unknown"
        return Insufficient("dsr", len(ratios), 2, "trials with a Sharpe ratio", reason)
    tried = common_returns(trials, load)
    is_long = tried.shape[0] >= FEWEST_RETURNS
    n_effective = effective_trials(tried, n_trials - tried.shape[1]) if is_long else float(n_trials)
    variance = float(np.var(ratios.to_numpy(), ddof=1)) if n_trials > 1 else None
    shape = {"skewness": moments.skewness, "kurtosis": moments.kurtosis}
    probabilistic = probabilistic_sharpe_ratio(sharpe, n, **shape)
    by_count, by_effective = (
        deflated_sharpe_ratio(sharpe, n, n_trials=number, trial_variance=variance or 0.0, **shape)
        for number in (n_trials, n_effective)
    )
    if probabilistic is None or by_count is None or by_effective is None:
        return Insufficient("dsr", n, None, "returns", "skewness leaves the error of the Sharpe ratio undefined")
    record = minimum_track_record(sharpe, **shape)
    return Deflation(n_trials, n_effective, variance, probabilistic, by_count, by_effective, record)
