"""Exposure, turnover, costs and capacity from the rows of one run."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from gnosis.backtest.configuration import BARS_PER_YEAR
from gnosis.backtest.return_figures import Figure, checked_rates

if TYPE_CHECKING:
    from numpy.typing import NDArray

NOT_POSITIVE = "equity was not positive"
COSTS = ("fees_usd", "slippage_usd", "borrow_usd", "interest_usd")
ACCOUNT_UNITS = dict.fromkeys((*COSTS, "gross_profit_usd"), "$") | {
    "exposure": "ratio",
    "turnover": "1/year",
    "cost_share": "ratio",
}


def account_figures(
    equity: pl.DataFrame, fills: pl.DataFrame, *, seed: int, resamples: int, bars_per_year: int = BARS_PER_YEAR
) -> dict[str, Figure]:
    """Return exposure, turnover and the costs by component.

    Exposure is the mean of gross exposure over equity at all closes; turnover is traded value / (2 mean equity) per
    year; gross profit is net profit with all costs added back, interest received being a negative cost, and the cost
    share is null unless gross profit is positive.

    Parameters
    ----------
    equity, fills
        Rows of ``backtests.equity``, the deposit at the first session first, and of ``backtests.fills``.
    seed, resamples
        Of the stationary bootstrap over bars behind the intervals, from 30 bars on; 0 resamples make none.
    bars_per_year
        252 for daily bars.
    """
    values = equity["equity_usd"].to_numpy()
    costs = {name: float(equity[name].sum()) for name in COSTS}
    gross = float(values[-1] - values[0]) + sum(costs.values())
    figures = {name: Figure(value, "$") for name, value in (costs | {"gross_profit_usd": gross}).items()}
    bars = _bars(equity, fills)
    is_positive = bool((values > 0).all())
    edges = _intervals(bars, seed, resamples, bars_per_year) if is_positive else {}
    if not is_positive:
        figures["exposure"] = Figure(None, "ratio", NOT_POSITIVE)
        figures["turnover"] = Figure(None, "1/year", NOT_POSITIVE)
    else:
        exposure = float((equity["gross_exposure_usd"].to_numpy() / values).mean())
        figures["exposure"] = Figure(exposure, "ratio", None, *edges.get("exposure", (None, None)))
        years = (len(values) - 1) / bars_per_year
        if years == 0:
            figures["turnover"] = Figure(None, "1/year", "fewer than 2 bars")
        else:
            turnover = float(bars[:, 1].sum()) / (2 * float(values.mean()) * years)
            figures["turnover"] = Figure(turnover, "1/year", None, *edges.get("turnover", (None, None)))
    if gross > 0:
        share = sum(costs.values()) / gross
        figures["cost_share"] = Figure(share, "ratio", None, *edges.get("cost_share", (None, None)))
    else:
        figures["cost_share"] = Figure(None, "ratio", "gross profit is not positive")
    return figures


def by_session(equity: pl.DataFrame, fills: pl.DataFrame, amount: pl.Expr) -> NDArray[np.float64]:
    """Return the sum of an amount of the fills in each session of the equity rows, 0.0 in one without fills."""
    summed = fills.group_by("session").agg(amount.sum().alias("amount"))
    return equity.select("session").join(summed, on="session", how="left", maintain_order="left")["amount"].fill_null(
        0.0
    ).to_numpy()  # fmt: skip


def _bars(equity: pl.DataFrame, fills: pl.DataFrame) -> NDArray[np.float64]:
    """Return exposure, traded value, equity, costs and gross profit of each bar, shape (bars, 5)."""
    values = equity["equity_usd"].to_numpy()
    traded = by_session(equity, fills, (pl.col("quantity_shares") * pl.col("fill_price")).abs())
    costs = equity.select(pl.sum_horizontal(COSTS)).to_series().to_numpy()
    gross = np.diff(values, prepend=values[0]) + costs
    with np.errstate(divide="ignore", invalid="ignore"):
        exposure = equity["gross_exposure_usd"].to_numpy() / values
    return np.column_stack([exposure, traded, values, costs, gross])


def _intervals(
    bars: NDArray[np.float64], seed: int, resamples: int, bars_per_year: int
) -> dict[str, tuple[float, float]]:
    if resamples == 0:
        return {}
    from gnosis.backtest.resampling import FEWEST_RETURNS, mean_block_length, stationary_indices
    from gnosis.backtest.resampling_kernel import resampled_means

    # The first row is the deposit.
    held = np.ascontiguousarray(bars[1:])
    if len(held) < FEWEST_RETURNS:
        return {}
    # Exposure is what lasts longest, so its blocks are long enough for the rest.
    block = mean_block_length(held[:, 0])
    drawn = resampled_means(held, stationary_indices(len(held), block, resamples, seed))
    exposure, traded, values, costs, gross = drawn.T
    figures = {"exposure": exposure, "turnover": traded / (2 * values) * bars_per_year}
    if (gross > 0).all():
        figures["cost_share"] = costs / gross
    edges = {name: np.quantile(drawn_values, [0.025, 0.975]).tolist() for name, drawn_values in figures.items()}
    return {name: (low, high) for name, (low, high) in edges.items()}


def capacity(
    equity: pl.DataFrame,
    fills: pl.DataFrame,
    *,
    rates: NDArray[np.float64] | None = None,
    share_of_sharpe: float = 0.5,
) -> Figure:
    """Return the largest mean equity at which the net Sharpe ratio stays above half its value, in $.

    Under the square-root law the impact cost of the same relative trades grows with equity to the power 1.5, so their
    cost in returns grows with its root; half the spread and fees grow in proportion and change no return. With ``x``
    the root of the multiple of equity, the return of a bar is ``r + i - i x``, ``i`` its impact cost over equity, and
    the Sharpe ratio reaches a share of its value at a root of a quadratic in ``x``. The limit on participation is not
    part of it: orders that no longer fill within one bar are taken to pay their impact all the same.

    Parameters
    ----------
    equity, fills
        Rows of ``backtests.equity`` and ``backtests.fills``, whose ``impact_cost_usd`` counts.
    rates
        Simple return of cash over each bar; None: zero.
    share_of_sharpe
        In (0, 1).
    """
    values = equity["equity_usd"].to_numpy()
    if (values <= 0).any():
        return Figure(None, "$", NOT_POSITIVE)
    r = values[1:] / values[:-1] - 1
    if r.size < 2 or not np.ptp(r) > 0:
        return Figure(None, "$", "returns never vary")
    impact = by_session(equity, fills, pl.col("impact_cost_usd"))[1:] / values[:-1]
    if not impact.sum() > 0:
        return Figure(None, "$", "no fill paid impact, so nothing here grows with size")
    before = r + impact
    sharpe = float((r - checked_rates(rates, r.size)).mean() / r.std(ddof=1))
    if sharpe <= 0:
        return Figure(None, "$", "net Sharpe ratio is not positive")
    level = float((before - checked_rates(rates, r.size)).mean())
    slope = float(impact.mean())
    (own, both), (_, of_impact) = np.cov(before, impact, ddof=1)
    wanted = (share_of_sharpe * sharpe) ** 2
    roots = np.roots([slope**2 - wanted * of_impact, -2 * (level * slope - wanted * both), level**2 - wanted * own])
    # Above level / slope the mean is negative and the square of the ratio no longer tells its sign.
    reached = [float(x.real) for x in roots if abs(x.imag) < 1e-12 and 1 < x.real <= level / slope * (1 + 1e-12)]
    if not reached or not math.isfinite(min(reached)):
        return Figure(None, "$", "the Sharpe ratio at a larger size has no solution")
    return Figure(float(values.mean()) * min(reached) ** 2, "$")
