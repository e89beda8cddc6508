"""Figures of an equity curve. A figure without a defined value is null with a reason, never 0 or infinity.

``r`` are net returns per bar, ``n`` their count, ``eq_0 = 1`` and ``dd`` the drawdown from the running maximum.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import polars as pl

from gnosis.backtest.configuration import BARS_PER_YEAR
from gnosis.backtest.significance import probabilistic_sharpe_ratio, sharpe_standard_error
from gnosis.tables import TABLES


@dataclass(frozen=True, slots=True)
class Figure:
    """A value with its unit, or the reason why there is none."""

    value: float | None
    unit: str
    reason: str | None = None


def _ratio(numerator: float, denominator: float, unit: str, reason: str, scale: float = 1.0) -> Figure:
    return Figure(None, unit, reason) if denominator == 0 else Figure(numerator / denominator * scale, unit)


def return_figures(returns: np.ndarray, bars_per_year: int = BARS_PER_YEAR) -> dict[str, Figure]:
    """Return the figures that depend on returns alone; the rate without risk and the target return are zero.

    Parameters
    ----------
    returns
        Net simple returns per bar, float64, shape (n,), each above -1.
    bars_per_year
        252 for daily bars.

    Returns
    -------
    dict of str to Figure
        Total return, CAGR, volatility, Sharpe with the standard error of Lo (2002), Sortino, drawdown figures, Calmar,
        ulcer index, VaR and CVaR at 95 %, population skewness and raw kurtosis, tail ratio, hit rate, profit factor
        of returns, and the probability that the true Sharpe ratio is above zero (Bailey and López de Prado 2012).

    Raises
    ------
    ValueError
        For returns that are not finite or not above -1.

    Examples
    --------
    >>> figures = return_figures(np.array([0.010, -0.005, 0.007, -0.012]))
    >>> round(figures["maximum_drawdown"].value, 6), figures["longest_drawdown"].value
    (-0.012, 1.0)
    """
    r = np.asarray(returns, dtype=np.float64)
    if not np.all(np.isfinite(r)) or np.any(r <= -1):
        raise ValueError("expected finite returns above -1, found others: equity must stay positive")
    n = r.size
    if n < 2:
        return {name: Figure(None, unit, "fewer than 2 returns") for name, unit in RETURN_UNITS.items()}
    mean, sd = float(r.mean()), 0.0 if np.ptp(r) == 0 else float(r.std(ddof=1))
    curve = np.concatenate([[1.0], np.cumprod(1 + r)])
    drawdown = (curve / np.maximum.accumulate(curve) - 1)[1:]
    worst = float(drawdown.min())
    cagr = float(curve[-1] ** (bars_per_year / n) - 1)
    low, high = (float(q) for q in np.quantile(r, [0.05, 0.95]))
    downside = math.sqrt(float(np.mean(np.minimum(r, 0) ** 2)))
    values: dict[str, float | None] = {
        "total_return": float(curve[-1] - 1),
        "cagr": cagr,
        "volatility": sd * math.sqrt(bars_per_year),
        "maximum_drawdown": worst,
        "longest_drawdown": float(_longest_run(drawdown < 0)),
        "ulcer_index": math.sqrt(float(np.mean(drawdown**2))),
        "var_95": -low,
        "cvar_95": -float(r[r <= low].mean()),
        "hit_rate": float(np.mean(r > 0)),
    }
    figures = {name: Figure(value, RETURN_UNITS[name]) for name, value in values.items()}
    scale = math.sqrt(bars_per_year)
    losses = float(-r[r < 0].sum())
    figures["sharpe"] = _ratio(mean, sd, RETURN_UNITS["sharpe"], "returns never vary", scale)
    figures["sortino"] = _ratio(mean, downside, RETURN_UNITS["sortino"], "no return below zero", scale)
    figures["calmar"] = _ratio(cagr, abs(worst), RETURN_UNITS["calmar"], "no drawdown")
    figures["tail_ratio"] = _ratio(abs(high), abs(low), RETURN_UNITS["tail_ratio"], "5 % quantile is zero")
    figures["profit_factor_of_returns"] = _ratio(
        float(r[r > 0].sum()), losses, RETURN_UNITS["profit_factor_of_returns"], "no return below zero"
    )
    return figures | _moment_figures(r, mean, sd, scale)


RETURN_UNITS = {
    "total_return": "ratio",
    "cagr": "1/year",
    "volatility": "1/sqrt(year)",
    "sharpe": "1/sqrt(year)",
    "sharpe_standard_error": "1/sqrt(year)",
    "sortino": "1/sqrt(year)",
    "maximum_drawdown": "ratio",
    "longest_drawdown": "bars",
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
}

BENCHMARK_UNITS = {
    "beta": "ratio",
    "alpha": "1/year",
    "tracking_error": "1/sqrt(year)",
    "information_ratio": "1/sqrt(year)",
}

NOT_POSITIVE = "equity was not positive"


def _moment_figures(r: np.ndarray, mean: float, sd: float, scale: float) -> dict[str, Figure]:
    names = ["skewness", "kurtosis", "sharpe_standard_error", "psr_against_zero"]
    if sd == 0:
        return {name: Figure(None, RETURN_UNITS[name], "returns never vary") for name in names}
    z = (r - mean) / r.std()
    skewness, kurtosis = float(np.mean(z**3)), float(np.mean(z**4))
    sharpe = mean / sd
    psr = probabilistic_sharpe_ratio(sharpe, r.size, skewness=skewness, kurtosis=kurtosis)
    values = [skewness, kurtosis, sharpe_standard_error(sharpe, r.size) * scale, psr]
    return {
        name: Figure(value, RETURN_UNITS[name], "variance of the estimate is not positive" if value is None else None)
        for name, value in zip(names, values, strict=True)
    }


def benchmark_figures(
    returns: np.ndarray, benchmark: np.ndarray, bars_per_year: int = BARS_PER_YEAR
) -> dict[str, Figure]:
    """Return beta, alpha per year (least squares), tracking error and information ratio against a benchmark.

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
        return {name: Figure(None, unit, "fewer than 2 returns") for name, unit in BENCHMARK_UNITS.items()}
    scale = math.sqrt(bars_per_year)
    centred = b - b.mean()
    beta = _ratio(float(centred @ r), float(centred @ centred), "ratio", "benchmark never varies")
    alpha = (
        Figure(None, "1/year", beta.reason)
        if beta.value is None
        else Figure(float(r.mean() - beta.value * b.mean()) * bars_per_year, "1/year")
    )
    active = r - b
    error = 0.0 if np.ptp(active) == 0 else float(active.std(ddof=1))
    return {
        "beta": beta,
        "alpha": alpha,
        "tracking_error": Figure(error * scale, "1/sqrt(year)"),
        "information_ratio": _ratio(
            float(active.mean()), error, "1/sqrt(year)", "equal to the benchmark at every bar", scale
        ),
    }


def account_figures(equity: pl.DataFrame, fills: pl.DataFrame, bars_per_year: int = BARS_PER_YEAR) -> dict[str, Figure]:
    """Return exposure, turnover and the costs by component from the rows of one run.

    Exposure is the mean of gross exposure over equity; turnover is traded value / (2 mean equity) per year; gross
    profit is net profit with all costs added back, and the cost share is null unless it is positive.
    """
    values = equity["equity_usd"].to_numpy()
    years = (len(values) - 1) / bars_per_year
    traded = float((fills["quantity_shares"] * fills["fill_price"]).abs().sum())
    costs = {f"{name}_usd": float(equity[f"{name}_usd"].sum()) for name in ("fees", "slippage", "borrow", "interest")}
    gross = float(values[-1] - values[0]) + sum(costs.values())
    figures = {name: Figure(value, "$") for name, value in (costs | {"gross_profit_usd": gross}).items()}
    if (values <= 0).any():
        figures["exposure"] = Figure(None, "ratio", NOT_POSITIVE)
        figures["turnover"] = Figure(None, "1/year", NOT_POSITIVE)
    else:
        figures["exposure"] = Figure(float((equity["gross_exposure_usd"].to_numpy() / values).mean()), "ratio")
        figures["turnover"] = _ratio(traded, 2 * float(values.mean()) * years, "1/year", "fewer than 2 bars")
    if gross > 0:
        figures["cost_share"] = Figure(sum(costs.values()) / gross, "ratio")
    else:
        figures["cost_share"] = Figure(None, "ratio", "gross profit is not positive")
    return figures


def metrics_frame(
    run_key: str,
    equity: pl.DataFrame,
    fills: pl.DataFrame,
    held_equity: pl.DataFrame,
    held_fills: pl.DataFrame,
) -> pl.DataFrame:
    """Return the rows of ``backtests.metrics``: the strategy beside buy-and-hold."""
    schema = TABLES["backtests.metrics"].polars_schema
    synthetic = bool(equity["synthetic"][-1])
    returns, held_returns = _returns(equity), _returns(held_equity)
    rows = []
    for series, own, frame, trades in (
        ("strategy", returns, equity, fills),
        ("buy_and_hold", held_returns, held_equity, held_fills),
    ):
        if own is None:
            values = frame["equity_usd"]
            figures = {name: Figure(None, unit, NOT_POSITIVE) for name, unit in RETURN_UNITS.items()}
            figures["total_return"] = Figure(values[-1] / values[0] - 1, "ratio")
            figures["maximum_drawdown"] = Figure(frame["drawdown"].min(), "ratio")  # type: ignore[arg-type]
        else:
            figures = return_figures(own)
        figures |= account_figures(frame, trades)
        if series == "strategy" and own is not None and held_returns is not None:
            figures |= benchmark_figures(own, held_returns)
        elif series == "strategy":
            figures |= {name: Figure(None, unit, NOT_POSITIVE) for name, unit in BENCHMARK_UNITS.items()}
        rows += [
            (run_key, series, name, figure.value, figure.unit, figure.reason, frame.height - 1, synthetic)
            for name, figure in figures.items()
        ]
    columns = ["run_key", "series", "metric", "value", "unit", "reason", "n", "synthetic"]
    frame = pl.DataFrame(rows, schema={name: schema[name] for name in columns}, orient="row")
    return frame.select(list(schema)).sort("run_key", "series", "metric")


def _returns(equity: pl.DataFrame) -> np.ndarray | None:
    values = equity["equity_usd"].to_numpy()
    return values[1:] / values[:-1] - 1 if (values > 0).all() else None


def _longest_run(flags: np.ndarray) -> int:
    """Return the length of the longest run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return int((edges[1::2] - edges[::2]).max(initial=0))
