"""Volatility: a mean-reverting path with leverage, and what the past of a price says about its level."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from numpy.typing import NDArray

SESSIONS_PER_YEAR = 252


@dataclass(frozen=True)
class LogVolatility:
    """Log volatility as a first-order autoregression (Taylor 1986) with leverage (Nelson 1991).

    Attributes
    ----------
    level_per_year
        Volatility to which the path returns, per sqrt(year).
    persistence
        Share of a deviation that is left one session later.
    log_sd
        Stationary standard deviation of log volatility.
    leverage
        Correlation of a session's return shock with the next session's volatility shock.
    """

    level_per_year: float
    persistence: float = 0.97
    log_sd: float = 0.35
    leverage: float = -0.6

    def __post_init__(self) -> None:
        if not (self.level_per_year > 0 and 0 <= self.persistence < 1 and self.log_sd >= 0 and abs(self.leverage) <= 1):
            raise ValueError(
                f"expected level_per_year > 0, 0 <= persistence < 1, log_sd >= 0, |leverage| <= 1, found {self}"
            )

    def path(self, return_shocks: NDArray[np.float64], shocks: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return annual volatility per session.

        Parameters
        ----------
        return_shocks, shocks
            Shape (n,): standardised return of each session, and independent standard normals.

        Returns
        -------
        numpy.ndarray
            Shape (n,), per sqrt(year). Entry t depends on return shocks before t only.

        Examples
        --------
        >>> LogVolatility(0.2, log_sd=0.3).path(np.array([-2.0, 0.0, 0.0]), np.zeros(3)).round(4).tolist()
        [0.2, 0.2183, 0.2177]
        """
        before = np.concatenate([[0.0], return_shocks[:-1]])
        innovation = self.leverage * before + np.sqrt(1 - self.leverage**2) * shocks
        scale = self.log_sd * np.sqrt(1 - self.persistence**2)
        deviation = autoregression(scale * innovation, self.persistence)
        return self.level_per_year * np.exp(deviation)


def trailing_mean(values: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """Return the mean of the ``window`` values before each entry, NaN where there are fewer.

    The sum runs over lags in a fixed order, so an entry never depends on how much older history is loaded.

    Examples
    --------
    >>> trailing_mean(np.array([1.0, 3.0, 5.0, 9.0]), 2).tolist()
    [nan, nan, 2.0, 4.0]
    """
    total = np.full(len(values), np.nan)
    if len(values) > window:
        total[window:] = 0.0
        for lag in range(1, window + 1):
            total[window:] += values[window - lag : len(values) - lag]
    return total / window


def realised_volatility(log_returns: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """Return annual volatility of the ``window`` daily returns before each entry (mean taken as zero), shape (n,)."""
    return np.sqrt(SESSIONS_PER_YEAR * trailing_mean(log_returns**2, window))


def autoregression(innovations: NDArray[np.float64], persistence: float) -> NDArray[np.float64]:
    """Return ``x[t] = persistence x[t-1] + innovations[t]``, starting at the first innovation, shape (n,).

    Examples
    --------
    >>> autoregression(np.array([1.0, 0.0, 1.0]), 0.5).tolist()
    [1.0, 0.5, 1.25]
    """
    if not len(innovations):
        return innovations
    weight = 1.0 - persistence
    started = np.concatenate([innovations[:1] * weight, innovations[1:]])
    return pl.Series(started).ewm_mean(alpha=weight, adjust=False).to_numpy() / weight


def persistent_factor(draws: NDArray[np.float64], persistence: float) -> NDArray[np.float64]:
    """Return a stationary first-order autoregression of unit variance driven by ``draws``, shape (n,)."""
    return autoregression(np.sqrt(1 - persistence**2) * draws, persistence)
