"""A run cut by month, by year and by the state of the market."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from gnosis.backtest.return_figures import RETURN_UNITS, Figure, return_figures

if TYPE_CHECKING:
    from numpy.typing import NDArray

OF_PART = ("total_return", "volatility", "sharpe", "hit_rate", "maximum_drawdown")
PART_UNITS = {name: RETURN_UNITS[name] for name in OF_PART}
OF_MONTH = ("total_return", "hit_rate", "maximum_drawdown")
"""Of a month no Sharpe ratio is given: twenty returns say nothing about it."""


def periods(sessions: pl.Series) -> pl.DataFrame:
    """Return the month and the year of each session as a frame of ``session``, ``scope`` and ``bucket``.

    Examples
    --------
    >>> import datetime as dt
    >>> periods(pl.Series("session", [dt.date(2024, 1, 2)])).rows()
    [(datetime.date(2024, 1, 2), 'month', '2024-01'), (datetime.date(2024, 1, 2), 'year', '2024')]
    """
    frame = sessions.rename("session").to_frame()
    return pl.concat(
        [
            frame.select("session", scope=pl.lit(scope), bucket=pl.col("session").dt.to_string(form))
            for scope, form in (("month", "%Y-%m"), ("year", "%Y"))
        ]
    )


def breakdown(
    returns: pl.DataFrame,
    states: pl.DataFrame,
    *,
    seed: int,
    resamples: int,
) -> dict[tuple[str, str], tuple[dict[str, Figure], int]]:
    """Return figures of the returns by part of a run.

    Parameters
    ----------
    returns
        ``session``, ``net_return`` (simple, of the bar that ends at the session's close) and ``rate`` (return of cash
        over it), sorted.
    states
        ``session``, ``scope`` and ``bucket``: what was known before the bar, see
        :func:`gnosis.backtest.market_states.market_states`, or the period it lies in. Sessions without a row of a scope
        are in none of its parts.
    seed, resamples
        Of the intervals, which need 30 returns; 0 resamples make none. The sessions of a state are joined in order of
        time and resampled as one series.

    Returns
    -------
    dict
        Scope and bucket to figures and the number of returns behind them, sorted. Total return is that of the part's
        bars alone, one after the other.

    Examples
    --------
    >>> import datetime as dt
    >>> days = [dt.date(2024, 1, 30), dt.date(2024, 1, 31), dt.date(2024, 2, 1)]
    >>> returns = pl.DataFrame({"session": days, "net_return": [0.01, -0.02, 0.03], "rate": 0.0})
    >>> found = breakdown(returns, periods(returns["session"]), seed=1, resamples=0)
    >>> [(key, round(figures["total_return"].value, 6), n) for key, (figures, n) in found.items()]
    [(('month', '2024-01'), -0.0102, 2), (('month', '2024-02'), 0.03, 1), (('year', '2024'), 0.019494, 3)]
    """
    joined = states.with_columns(pl.col("scope", "bucket").cast(pl.String)).join(returns, on="session", how="inner")
    parts = joined.sort("scope", "bucket", "session").partition_by("scope", "bucket", as_dict=True, maintain_order=True)
    found = {}
    for (scope, bucket), part in parts.items():
        names = OF_MONTH if scope == "month" else OF_PART
        r, rates = part["net_return"].to_numpy(), part["rate"].to_numpy()
        figures = _of_one(float(r[0])) if r.size == 1 else return_figures(r, rates=rates)
        chosen = {name: figures[name] for name in names}
        if scope != "month":
            chosen = with_intervals(chosen, r, rates=rates, seed=seed, resamples=resamples)
        found[str(scope), str(bucket)] = (chosen, r.size)
    return found


def _of_one(r: float) -> dict[str, Figure]:
    """Return what a single return says."""
    told = {"total_return": r, "hit_rate": float(r > 0), "maximum_drawdown": min(r, 0.0)}
    return {
        name: Figure(told[name], unit) if name in told else Figure(None, unit, "fewer than 2 returns")
        for name, unit in PART_UNITS.items()
    }


def with_intervals(
    figures: dict[str, Figure],
    returns: NDArray[np.float64],
    *,
    rates: NDArray[np.float64],
    seed: int,
    resamples: int,
    benchmark: NDArray[np.float64] | None = None,
) -> dict[str, Figure]:
    """Return the figures with resampled intervals where they have none and one can be made."""
    if resamples == 0:
        return figures
    from gnosis.backtest.intervals import return_intervals
    from gnosis.backtest.significance import Insufficient

    found = return_intervals(returns, seed=seed, benchmark=benchmark, rates=rates, resamples=resamples)
    if isinstance(found, Insufficient):
        unit = RETURN_UNITS["sharpe_standard_error"]
        none = Figure(None, unit, f"{found.reason}: {found.found} of {found.needed or 'any number of'} returns")
        return figures | ({"sharpe_bootstrap_error": none} if "sharpe_standard_error" in figures else {})
    intervals, error = found
    out = {}
    for name, figure in figures.items():
        edges = intervals.get(name)
        if figure.value is None or figure.low is not None or edges is None:
            out[name] = figure
        else:
            out[name] = Figure(figure.value, figure.unit, None, edges.low, edges.high)
    if "sharpe_standard_error" in figures:
        out["sharpe_bootstrap_error"] = Figure(error, RETURN_UNITS["sharpe_standard_error"])
    return out
