"""How far a Sharpe ratio may be chance. Ratios here are per period, never annualised; kurtosis is raw (normal: 3)."""

from __future__ import annotations

import math


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


def probabilistic_sharpe_ratio(
    sharpe_per_period: float, n: int, *, skewness: float = 0.0, kurtosis: float = 3.0, benchmark: float = 0.0
) -> float | None:
    """Return the probability that the true Sharpe ratio exceeds ``benchmark`` (Bailey and López de Prado 2012).

    Returns
    -------
    float or None
        None when the variance of the estimate is not positive, which extreme skewness can cause.

    Examples
    --------
    >>> round(probabilistic_sharpe_ratio(0.458, 24, skewness=-2.448, kurtosis=10.164), 10)
    0.9133610839
    """
    if n < 2:
        raise ValueError(f"expected at least 2 returns, found {n}")
    variance = 1 - skewness * sharpe_per_period + (kurtosis - 1) / 4 * sharpe_per_period**2
    if variance <= 0:
        return None
    z = (sharpe_per_period - benchmark) * math.sqrt(n - 1) / math.sqrt(variance)
    return 0.5 * math.erfc(-z / math.sqrt(2))
