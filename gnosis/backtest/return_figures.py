"""Figures of a series of net returns.

``r`` are net simple returns per bar, ``n`` their count, ``eq_0 = 1`` and ``dd`` the drawdown from the running maximum.
Each formula stands once, for many paths at a time, so that a figure and its resampled interval cannot differ.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gnosis.backtest.configuration import BARS_PER_YEAR
from gnosis.backtest.significance import probabilistic_sharpe_ratio, sharpe_standard_error

if TYPE_CHECKING:
    from numpy.typing import NDArray

NORMAL_95 = 1.959963984540054
NEVER_VARY = "returns never vary"
TOO_FEW = "fewer than 2 returns"

RETURN_UNITS = {
    "total_return": "ratio",
    "cagr": "1/year",
    "volatility": "1/sqrt(year)",
    "sharpe": "1/sqrt(year)",
    "sharpe_lo": "1/sqrt(year)",
    "sharpe_standard_error": "1/sqrt(year)",
    "sortino": "1/sqrt(year)",
    "maximum_drawdown": "ratio",
    "longest_drawdown": "bars",
    "recovery_time": "bars",
    "calmar": "ratio",
    "ulcer_index": "ratio",
    "var_95": "ratio",
    "cvar_95": "ratio",
    "skewness": "ratio",
    "kurtosis": "ratio",
    "tail_ratio": "ratio",
    "hit_rate": "ratio",
    "profit_factor_of_returns": "ratio",
    "psr_against_zero": "probability",
    "risk_free_rate": "1/year",
}

UNDEFINED = {
    "sharpe": NEVER_VARY,
    "sortino": "no return below zero",
    "calmar": "no drawdown",
    "skewness": NEVER_VARY,
    "kurtosis": NEVER_VARY,
    "tail_ratio": "5 % quantile is zero",
    "profit_factor_of_returns": "no return below zero",
    "information_ratio": "equal to the benchmark at every bar",
}
"""Why a figure has no value, by name."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A value with its unit and the ends of its 95 % interval, or the reason why there is none."""

    value: float | None
    unit: str
    reason: str | None = None
    low: float | None = None
    high: float | None = None


def divide(numerator: NDArray[np.float64], denominator: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the ratio, NaN where the denominator is zero or the ratio too large to be a number.

    Examples
    --------
    >>> divide(np.array([1.0, 2.0]), np.array([0.0, 4.0])).tolist()
    [nan, 0.5]
    """
    out = np.full(np.broadcast_shapes(numerator.shape, denominator.shape), np.nan)
    with np.errstate(over="ignore"):
        np.divide(numerator, denominator, out=out, where=denominator != 0)
    return np.where(np.isfinite(out), out, np.nan)


def path_figures(
    paths: NDArray[np.float64], excess: NDArray[np.float64], bars_per_year: int = BARS_PER_YEAR
) -> dict[str, NDArray[np.float64]]:
    """Return the figures of section 11 of the specification for many paths at a time.

    Parameters
    ----------
    paths
        Net simple returns per bar, float64, shape (paths, n), n at least 2, each above -1.
    excess
        The same less the rate without risk of each bar, of which Sharpe and Sortino are made.
    bars_per_year
        252 for daily bars.

    Returns
    -------
    dict of str to numpy.ndarray
        Shape (paths,), NaN where a figure is not defined.

    Examples
    --------
    >>> paths = np.array([[0.01, -0.02, 0.03], [0.01, 0.01, 0.01]])
    >>> found = path_figures(paths, paths)
    >>> found["maximum_drawdown"].round(6).tolist(), found["sharpe"].round(3).tolist()
    ([-0.02, 0.0], [4.205, nan])
    """
    n = paths.shape[1]
    mean = paths.mean(axis=1)
    moves = np.ptp(paths, axis=1) > 0
    away = paths - mean[:, None]
    squares = away * away
    square = squares.mean(axis=1)
    sd = np.where(moves, np.sqrt(square * (n / (n - 1))), 0.0)
    growth = np.concatenate([np.ones((len(paths), 1)), np.cumprod(1 + paths, axis=1)], axis=1)
    drawdown = growth[:, 1:] / np.maximum.accumulate(growth, axis=1)[:, 1:] - 1
    worst = drawdown.min(axis=1)
    with np.errstate(over="ignore"):
        cagr = growth[:, -1] ** (bars_per_year / n) - 1
    ascending = np.sort(paths, axis=1)
    low, high = (_quantile(ascending, share) for share in (0.05, 0.95))
    in_tail = ascending <= low[:, None]
    scale = math.sqrt(bars_per_year)
    population = np.where(moves, np.sqrt(square), 0.0)
    downside = np.sqrt(np.mean(np.minimum(excess, 0) ** 2, axis=1))
    return {
        "total_return": growth[:, -1] - 1,
        "cagr": np.where(np.isfinite(cagr), cagr, np.nan),
        "volatility": sd * scale,
        "sharpe": divide(excess.mean(axis=1), sd) * scale,
        "sortino": divide(excess.mean(axis=1), downside) * scale,
        "maximum_drawdown": worst,
        "calmar": divide(cagr, np.abs(worst)),
        "ulcer_index": np.sqrt(np.mean(drawdown**2, axis=1)),
        "var_95": -low,
        "cvar_95": -np.where(in_tail, ascending, 0.0).sum(axis=1) / in_tail.sum(axis=1),
        "skewness": divide((squares * away).mean(axis=1), population**3),
        "kurtosis": divide((squares * squares).mean(axis=1), population**4),
        "tail_ratio": divide(np.abs(high), np.abs(low)),
        "hit_rate": np.mean(paths > 0, axis=1),
        "profit_factor_of_returns": divide(np.maximum(paths, 0).sum(axis=1), -np.minimum(paths, 0).sum(axis=1)),
    }


def _quantile(ascending: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    """Return the linearly interpolated quantile of each sorted row."""
    at = share * (ascending.shape[1] - 1)
    below = math.floor(at)
    above = min(below + 1, ascending.shape[1] - 1)
    return np.asarray(ascending[:, below] + (at - below) * (ascending[:, above] - ascending[:, below]))


def checked_returns(returns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the returns as float64.

    Raises
    ------
    ValueError
        For returns that are not finite or not above -1.

    Examples
    --------
    >>> checked_returns([0.5, -1.0])
    Traceback (most recent call last):
    ValueError: expected finite returns above -1, found others: equity must stay positive
    """
    r = np.asarray(returns, dtype=np.float64)
    if not np.all(np.isfinite(r)) or np.any(r <= -1):
        raise ValueError("expected finite returns above -1, found others: equity must stay positive")
    return r


def checked_rates(rates: NDArray[np.float64] | None, n: int) -> NDArray[np.float64]:
    """Return the rate without risk of each bar, zero when none is given."""
    given = np.zeros(n) if rates is None else np.asarray(rates, dtype=np.float64)
    if given.shape != (n,) or not np.isfinite(given).all():
        raise ValueError(f"expected one finite rate per return, found {given.size} rates for {n} returns")
    return given


def return_figures(
    returns: NDArray[np.float64], bars_per_year: int = BARS_PER_YEAR, *, rates: NDArray[np.float64] | None = None
) -> dict[str, Figure]:
    """Return the figures that depend on returns alone.

    Parameters
    ----------
    returns
        Net simple returns per bar, float64, shape (n,), each above -1.
    bars_per_year
        252 for daily bars.
    rates
        Simple return of cash over each bar, float64, shape (n,); None: zero, and ``risk_free_rate`` says so.

    Returns
    -------
    dict of str to Figure
        Total return, CAGR, volatility, Sharpe, Sortino against the rate without risk, drawdown figures, Calmar, ulcer
        index, VaR and CVaR at 95 %, population skewness and raw kurtosis, tail ratio, hit rate, profit factor of
        returns, and the probability that the true Sharpe ratio is above zero (Bailey and López de Prado 2012).
        ``sharpe_lo`` is the Sharpe ratio with the interval of its standard error by Lo (2002). ``recovery_time`` are
        the bars from the lowest point back to the maximum before it.

    Raises
    ------
    ValueError
        For returns that are not finite or not above -1, or rates of another length.

    Examples
    --------
    >>> figures = return_figures(np.array([0.010, -0.005, 0.007, -0.012]))
    >>> round(figures["maximum_drawdown"].value, 6), figures["longest_drawdown"].value
    (-0.012, 1.0)
    """
    r = checked_returns(returns)
    n = r.size
    if n < 2:
        return {name: Figure(None, unit, TOO_FEW) for name, unit in RETURN_UNITS.items()}
    cash = checked_rates(rates, n)
    figures = {
        name: defined(name, float(value[0]), RETURN_UNITS)
        for name, value in path_figures(r[None], (r - cash)[None], bars_per_year).items()
    }
    figures["risk_free_rate"] = Figure(float(cash.mean()) * bars_per_year, RETURN_UNITS["risk_free_rate"])
    return figures | _drawdown_lengths(r) | _significance(figures, n, bars_per_year)


def defined(name: str, value: float, units: dict[str, str]) -> Figure:
    """Return the figure, or why there is none for a value that is not finite."""
    if math.isfinite(value):
        return Figure(value, units[name])
    return Figure(None, units[name], UNDEFINED.get(name, "too large to be a number"))


def _drawdown_lengths(r: NDArray[np.float64]) -> dict[str, Figure]:
    curve = np.concatenate([[1.0], np.cumprod(1 + r)])
    highest = np.maximum.accumulate(curve)
    drawdown = curve / highest - 1
    edges = np.flatnonzero(np.diff(np.concatenate([[0], (drawdown < 0).astype(np.int8), [0]])))
    longest = int((edges[1::2] - edges[::2]).max(initial=0))
    lowest = int(drawdown.argmin())
    after = np.flatnonzero(curve[lowest:] >= highest[lowest])
    if drawdown[lowest] == 0:
        recovery = Figure(None, "bars", "no drawdown")
    elif after.size:
        recovery = Figure(float(after[0]), "bars")
    else:
        recovery = Figure(None, "bars", f"not recovered {curve.size - 1 - lowest} bars after the lowest point")
    return {"longest_drawdown": Figure(float(longest), "bars"), "recovery_time": recovery}


def _significance(figures: dict[str, Figure], n: int, bars_per_year: int) -> dict[str, Figure]:
    sharpe, skewness, kurtosis = (figures[name].value for name in ("sharpe", "skewness", "kurtosis"))
    if sharpe is None or skewness is None or kurtosis is None:
        names = ("sharpe_lo", "sharpe_standard_error", "psr_against_zero")
        return {name: Figure(None, RETURN_UNITS[name], NEVER_VARY) for name in names}
    scale = math.sqrt(bars_per_year)
    error = sharpe_standard_error(sharpe / scale, n) * scale
    psr = probabilistic_sharpe_ratio(sharpe / scale, n, skewness=skewness, kurtosis=kurtosis)
    undefined = "variance of the estimate is not positive" if psr is None else None
    unit = RETURN_UNITS["sharpe"]
    return {
        "sharpe_lo": Figure(sharpe, unit, None, sharpe - NORMAL_95 * error, sharpe + NORMAL_95 * error),
        "sharpe_standard_error": Figure(error, unit),
        "psr_against_zero": Figure(psr, RETURN_UNITS["psr_against_zero"], undefined),
    }
