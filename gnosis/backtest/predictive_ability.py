"""Whether the best of many models beats a benchmark by more than the search for it explains."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnosis.backtest.resampling import FEWEST_RETURNS, mean_block_length, stationary_indices
from gnosis.backtest.resampling_kernel import long_run_variances, resampled_means
from gnosis.backtest.significance import Insufficient


@dataclass(frozen=True)
class PredictiveAbility:
    """p-values of the hypothesis that no model is better than the benchmark.

    Attributes
    ----------
    lower, consistent, upper
        Of the test of superior predictive ability, ascending; ``consistent`` is the one to judge by (Hansen 2005).
    reality_check
        Of the reality check, which does not studentise (White 2000).
    statistic
        Largest studentised mean excess, at least 0.
    best
        Column of the model with the largest studentised mean excess; None when no model is better than the benchmark.
    mean_block
        Mean block length of the resamples, in periods.
    """

    lower: float
    consistent: float
    upper: float
    reality_check: float
    statistic: float
    best: int | None
    mean_block: float


def _share_above(resampled: NDArray[np.float64], statistic: float) -> float:
    # With no model better than the benchmark there is nothing to explain away.
    return 1.0 if statistic <= 0 else float((resampled.max(axis=1) > statistic).mean())


def _without_error(n: int, columns: NDArray[np.intp]) -> Insufficient:
    which = ", ".join(str(column) for column in columns)
    return Insufficient("spa", n, None, "returns", f"the excess performance of models {which} has no error")


def superior_predictive_ability(
    excess: NDArray[np.float64],
    *,
    seed: int,
    resamples: int = 5000,
    mean_block: float | None = None,
) -> PredictiveAbility | Insufficient:
    """Test whether any model is better than the benchmark (B-12.8; White 2000, Hansen 2005).

    Parameters
    ----------
    excess
        Performance of each model less that of the benchmark, float64, shape (n, models), more is better: a
        difference of returns, or of the benchmark's loss less the model's. Every model tried belongs here, not the good
        ones.
    seed, resamples
        Of the stationary bootstrap.
    mean_block
        Mean block length in periods; by default the rule of Politis and White, averaged over the models.

    Returns
    -------
    PredictiveAbility or Insufficient
        Insufficient below 30 periods, without a model, or when the excess of a model has no error: one that is the
        same in every period and not 0 is no random series, and leaving its model out would hide one that was tried.

    Raises
    ------
    ValueError
        An excess that is not finite.

    Examples
    --------
    >>> noise = np.random.default_rng(0).standard_normal((500, 10))
    >>> found = superior_predictive_ability(noise, seed=1)
    >>> found.lower <= found.consistent <= found.upper, found.consistent > 0.05
    (True, True)
    """
    if excess.ndim != 2 or not np.isfinite(excess).all():
        raise ValueError(f"expected finite excess performance of shape (n, models), found shape {excess.shape}")
    n, n_models = excess.shape
    if n_models < 1:
        return Insufficient("spa", 0, 1, "models", "there is no model to test")
    if n < FEWEST_RETURNS:
        return Insufficient("spa", n, FEWEST_RETURNS, "returns", "too few periods to resample")
    moved = np.ptp(excess, axis=0) > 0
    constant = np.flatnonzero(~moved & (excess[0] != 0))
    if constant.size:
        return _without_error(n, constant)
    columns = np.flatnonzero(moved)
    values = np.ascontiguousarray(excess[:, moved], dtype=np.float64)
    if not columns.size:
        return PredictiveAbility(1.0, 1.0, 1.0, 1.0, 0.0, None, mean_block or 1.0)
    if mean_block is None:
        mean_block = float(np.mean([mean_block_length(column) for column in values.T]))
    mean = values.mean(axis=0)
    error = np.sqrt(long_run_variances(values - mean, 1 / mean_block) / n)
    if not (error > 0).all():
        return _without_error(n, columns[~(error > 0)])
    drawn = resampled_means(values, stationary_indices(n, mean_block, resamples, seed))
    ratio = mean / error
    far_below = -math.sqrt(2 * math.log(math.log(n)))
    recentred = {
        "lower": np.maximum(mean, 0.0),
        "consistent": np.where(ratio >= far_below, mean, 0.0),
        "upper": mean,
    }
    statistic = max(0.0, float(ratio.max()))
    studentised = {name: _share_above((drawn - centre) / error, statistic) for name, centre in recentred.items()}
    return PredictiveAbility(
        **studentised,
        reality_check=_share_above(drawn - mean, float(mean.max())),
        statistic=statistic,
        best=int(columns[int(ratio.argmax())]) if statistic > 0 else None,
        mean_block=mean_block,
    )
