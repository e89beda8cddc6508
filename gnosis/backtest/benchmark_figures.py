"""Figures of net returns against those of a benchmark."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from gnosis.backtest.configuration import BARS_PER_YEAR
from gnosis.backtest.return_figures import NORMAL_95, TOO_FEW, Figure, checked_rates, defined, divide

if TYPE_CHECKING:
    from numpy.typing import NDArray

BENCHMARK_UNITS = {
    "beta": "ratio",
    "alpha": "1/year",
    "alpha_standard_error": "1/year",
    "tracking_error": "1/sqrt(year)",
    "information_ratio": "1/sqrt(year)",
}


def active_figures(active: NDArray[np.float64], bars_per_year: int = BARS_PER_YEAR) -> dict[str, NDArray[np.float64]]:
    """Return tracking error and information ratio of returns less those of a benchmark, shape (paths, n).

    Examples
    --------
    >>> active_figures(np.array([[0.01, 0.03]]))["information_ratio"].round(3).tolist()
    [22.45]
    """
    sd = np.where(np.ptp(active, axis=1) > 0, active.std(axis=1, ddof=1), 0.0)
    scale = math.sqrt(bars_per_year)
    return {"tracking_error": sd * scale, "information_ratio": divide(active.mean(axis=1), sd) * scale}


def benchmark_figures(
    returns: NDArray[np.float64],
    benchmark: NDArray[np.float64],
    bars_per_year: int = BARS_PER_YEAR,
    *,
    rates: NDArray[np.float64] | None = None,
) -> dict[str, Figure]:
    """Return beta and alpha per year by least squares on excess returns, tracking error and information ratio.

    The intervals of alpha and beta rest on errors that allow for changing variance and dependence over
    ``floor(4 (n / 100)^(2/9))`` bars (Newey and West 1987, 1994), with the factor n / (n - 2) for small samples.

    Examples
    --------
    >>> figures = benchmark_figures(np.array([0.02, -0.01, 0.03]), np.array([0.01, -0.005, 0.015]))
    >>> round(figures["beta"].value, 6)
    2.0
    """
    r, b = np.asarray(returns, dtype=np.float64), np.asarray(benchmark, dtype=np.float64)
    if r.shape != b.shape:
        raise ValueError(f"expected as many benchmark returns as returns, found {b.size} and {r.size}")
    if r.size < 2:
        return {name: Figure(None, unit, TOO_FEW) for name, unit in BENCHMARK_UNITS.items()}
    active = {
        name: defined(name, float(value[0]), BENCHMARK_UNITS)
        for name, value in active_figures((r - b)[None], bars_per_year).items()
    }
    cash = checked_rates(rates, r.size)
    return active | _regression(r - cash, b - cash, bars_per_year)


def _regression(r: NDArray[np.float64], b: NDArray[np.float64], bars_per_year: int) -> dict[str, Figure]:
    names = ("beta", "alpha", "alpha_standard_error")
    if not np.ptp(b) > 0:
        return {name: Figure(None, BENCHMARK_UNITS[name], "benchmark never varies") for name in names}
    n = r.size
    centred = b - b.mean()
    spread = float((centred**2).sum())
    beta = float((centred * r).sum()) / spread
    alpha = float(r.mean() - beta * b.mean())
    if n < 3:
        error = Figure(None, "1/year", "fewer than 3 returns")
        return {"beta": Figure(beta, "ratio"), "alpha": Figure(alpha * bars_per_year, "1/year"), names[2]: error}
    residual = r - alpha - beta * b
    lags = min(int(4 * (n / 100) ** (2 / 9)), n - 1)
    # What each bar adds to the estimates of alpha and beta: a row of (X'X)^-1 X' times the residual.
    of_beta = centred / spread * residual
    of_alpha = residual / n - b.mean() * of_beta
    alpha_error, beta_error = (_newey_west(scores, lags) * math.sqrt(n / (n - 2)) for scores in (of_alpha, of_beta))
    low, high = (bars_per_year * (alpha + sign * NORMAL_95 * alpha_error) for sign in (-1, 1))
    return {
        "beta": Figure(beta, "ratio", None, beta - NORMAL_95 * beta_error, beta + NORMAL_95 * beta_error),
        "alpha": Figure(alpha * bars_per_year, "1/year", None, low, high),
        "alpha_standard_error": Figure(alpha_error * bars_per_year, "1/year"),
    }


def _newey_west(scores: NDArray[np.float64], lags: int) -> float:
    """Return the square root of the long-run variance of a sum with Bartlett weights; never negative in theory."""
    total = float((scores**2).sum())
    for lag in range(1, lags + 1):
        total += 2 * (1 - lag / (lags + 1)) * float((scores[lag:] * scores[:-lag]).sum())
    return math.sqrt(max(total, 0.0))
