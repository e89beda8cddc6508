"""Pictures of the backtests room."""

from __future__ import annotations

import calendar
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from assets.plots.drawing import BLUE, GREY, ORANGE, origin_note, picture
from gnosis.backtest.configuration import BARS_PER_YEAR

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes
    from numpy.typing import NDArray


def fills(frame: pl.DataFrame) -> bytes:
    """Fees and slippage accumulated over the fills."""
    costs = frame.sort("fill_number").select(
        "session", fees=pl.col("fee_usd").cum_sum(), slippage=pl.col("slippage_usd").cum_sum()
    )

    def draw(axes: Axes) -> None:
        for name in ("fees", "slippage"):
            axes.plot(costs["session"], costs[name], label=name, linewidth=1)

    return picture(draw, f"Costs of {frame.height:,} fills, cumulated{origin_note(frame)}", "session", "$")


def equity(frame: pl.DataFrame) -> bytes:
    """Equity curve of the strategy."""

    def draw(axes: Axes) -> Any:
        axes.plot(frame["session"], frame["equity_usd"] / 1e6, color=BLUE, linewidth=1, label="equity")
        axes.fill_between(
            frame["session"].to_list(),
            (frame["equity_usd"] / (1 + frame["drawdown"]) / 1e6).to_list(),
            (frame["equity_usd"] / 1e6).to_list(),
            color=ORANGE,
            alpha=0.3,
            label="below the maximum",
        )

    return picture(draw, f"Equity after costs{origin_note(frame)}", "session", "$m")


def equity_beside_benchmarks(equity: pl.DataFrame, held: pl.DataFrame, drawn: pl.DataFrame | None) -> bytes | None:
    """Equity over its first value beside buy-and-hold, and the band of random entry where there is one.

    ``drawn`` has ``session``, ``median``, ``low`` and ``high``, see :mod:`gnosis.backtest.random_entry`.
    """
    if equity.height < 2:
        return None

    def draw(axes: Axes) -> None:
        if drawn is not None:
            days = drawn["session"].to_list()
            axes.fill_between(
                days, drawn["low"].to_list(), drawn["high"].to_list(), color=GREY, alpha=0.2, label="random entry, 90 %"
            )
            axes.plot(days, drawn["median"], color=GREY, linewidth=0.8, linestyle="--", label="random entry, median")
        for frame, name, colour in ((held, "buy and hold", ORANGE), (equity, "strategy", BLUE)):
            if frame.is_empty():
                continue
            axes.plot(
                frame["session"], frame["equity_usd"] / frame["equity_usd"][0], color=colour, linewidth=1.1, label=name
            )

    return picture(draw, f"Equity after costs{origin_note(equity)}", "session", "multiple of the deposit")


def drawdown(equity: pl.DataFrame, held: pl.DataFrame) -> bytes | None:
    """Drawdown of the strategy and of buy-and-hold."""
    if equity.height < 2:
        return None

    def draw(axes: Axes) -> None:
        axes.fill_between(
            equity["session"].to_list(),
            (100 * equity["drawdown"]).to_list(),
            0,
            color=BLUE,
            alpha=0.35,
            label="strategy",
        )
        axes.plot(held["session"], 100 * held["drawdown"], color=ORANGE, linewidth=0.9, label="buy and hold")
        # Room for the legend, which would lie on the curve.
        axes.set_ylim(top=max(-0.18 * axes.get_ylim()[0], 0.01))

    return picture(draw, f"Drawdown{origin_note(equity)}", "session", "%")


def monthly_returns(equity: pl.DataFrame) -> bytes | None:
    """Net return of each month, years down and months across."""
    returns = _returns(equity)
    if returns.is_empty():
        return None
    day = pl.col("session").dt
    monthly = returns.group_by(day.year().alias("year"), day.month().alias("month")).agg(
        net=((1 + pl.col("net_return")).product() - 1) * 100
    )
    years = monthly["year"].unique().sort().to_list()
    table = np.full((len(years), 12), np.nan)
    for year, number, net in monthly.iter_rows():
        table[years.index(year), number - 1] = net
    limit = max(float(np.nanmax(np.abs(table))), 1e-9)

    def draw(axes: Axes) -> None:
        axes.imshow(table, cmap="RdBu", vmin=-limit, vmax=limit, aspect="auto")
        axes.set_xticks(range(12), [calendar.month_abbr[number] for number in range(1, 13)])
        step = max(1, -(-len(years) // 16))
        axes.set_yticks(range(0, len(years), step), [str(year) for year in years[::step]])
        if len(years) <= 16:
            for (row, column), net in np.ndenumerate(table):
                if np.isfinite(net):
                    shade = "white" if abs(net) > 0.6 * limit else "black"
                    axes.text(column, row, f"{net:.1f}", ha="center", va="center", fontsize=6.5, color=shade)
        axes.grid(visible=False)

    return picture(draw, f"Net return of each month, %{origin_note(equity)}", "month", "year")


def rolling_sharpe(equity: pl.DataFrame, window: int = 252) -> bytes | None:
    """Annual Sharpe ratio of the last year at each session, against a rate of zero."""
    returns = _returns(equity)
    if returns.height < window:
        return None
    net = pl.col("net_return")
    ratio = pl.when(net.rolling_std(window) > 1e-12).then(net.rolling_mean(window) / net.rolling_std(window))
    rolled = returns.select("session", ratio=ratio * math.sqrt(BARS_PER_YEAR)).drop_nulls()

    def draw(axes: Axes) -> None:
        axes.plot(rolled["session"], rolled["ratio"], color=BLUE, linewidth=1)
        axes.axhline(0, color=GREY, linewidth=0.8)

    return picture(draw, f"Sharpe ratio of the last {window} sessions{origin_note(equity)}", "session", "1/sqrt(year)")


def return_distribution(equity: pl.DataFrame) -> bytes | None:
    """Histogram of the net returns of a session with the normal of the same mean and deviation."""
    percent = _returns(equity)["net_return"].to_numpy() * 100
    if percent.size < 2 or not np.ptp(percent) > 0:
        return None
    mean, sd = float(percent.mean()), float(percent.std(ddof=1))
    at = np.linspace(percent.min(), percent.max(), 400)

    def draw(axes: Axes) -> None:
        axes.hist(
            percent, bins=min(80, max(10, percent.size // 10)), density=True, color=BLUE, alpha=0.6, label="returns"
        )
        normal = np.exp(-0.5 * ((at - mean) / sd) ** 2) / (sd * math.sqrt(2 * math.pi))
        axes.plot(at, normal, color=ORANGE, linewidth=1, label="normal")

    return picture(draw, f"Distribution of {percent.size:,} net returns{origin_note(equity)}", "% of equity", "density")


def trade_excursions(trades: pl.DataFrame) -> bytes | None:
    """Worst and best open result of each closed trade, winners and losers apart."""
    closed = trades.filter(pl.col("exit_session").is_not_null())
    if closed.is_empty():
        return None

    def draw(axes: Axes) -> None:
        for is_winner, name, colour in ((True, "winners", BLUE), (False, "losers", ORANGE)):
            part = closed.filter((pl.col("profit_usd") > 0) == is_winner)
            axes.scatter(-part["mae_usd"], part["mfe_usd"], s=10, alpha=0.6, color=colour, label=name, linewidths=0)

    title = f"Excursions of {closed.height:,} closed trades{origin_note(trades)}"
    return picture(draw, title, "worst open loss, $", "best open gain, $")


def overfitting_logits(logits: NDArray[np.float64], is_synthetic: bool) -> bytes | None:
    """Relative rank out of sample of the best in sample, as logits; the share at or below zero is the PBO."""
    if not logits.size:
        return None

    def draw(axes: Axes) -> None:
        axes.hist(logits, bins=60, color=BLUE, alpha=0.7)
        axes.axvline(0, color=ORANGE, linewidth=1.2, label="median out of sample")

    note = " (synthetic)" if is_synthetic else ""
    title = f"Best in sample, out of sample: PBO {float((logits <= 0).mean()):.1%} of {logits.size:,} splits{note}"
    return picture(draw, title, "logit of the relative rank out of sample", "splits")


def cost_multiples(metrics: pl.DataFrame) -> bytes | None:
    """Total return of the strategy at multiples of all costs."""
    rows = metrics.filter(
        (pl.col("scope").cast(pl.String) == "cost_multiple")
        & (pl.col("series").cast(pl.String) == "strategy")
        & (pl.col("metric") == "total_return")
        & pl.col("value").is_not_null()
    ).sort(pl.col("bucket").cast(pl.Float64))
    if rows.is_empty():
        return None

    def draw(axes: Axes) -> None:
        axes.bar(rows["bucket"].to_list(), (100 * rows["value"]).to_list(), color=BLUE, width=0.5)
        axes.axhline(0, color=GREY, linewidth=0.8)

    return picture(draw, f"Total return at multiples of the costs{origin_note(rows)}", "times the costs", "%")


def tear_sheet_pictures(rows: Mapping[str, pl.DataFrame]) -> dict[str, bytes]:
    """Return what can be drawn from the stored rows of one run, by caption.

    ``rows`` are those of ``backtests.equity``, ``.trades`` and ``.metrics``, by table.
    """
    account = rows["backtests.equity"].sort("session")
    held = account.select(
        "session",
        equity_usd="buy_and_hold_usd",
        drawdown=pl.col("buy_and_hold_usd") / pl.col("buy_and_hold_usd").cum_max() - 1,
    ).drop_nulls()
    band = ("low", "median", "high")
    drawn = account.select(
        "session", *(pl.col(f"random_entry_{name}_usd").alias(name) / pl.col("equity_usd").first() for name in band)
    ).drop_nulls()
    found = {
        "Equity": equity_beside_benchmarks(account, held, None if drawn.is_empty() else drawn),
        "Drawdown": drawdown(account, held),
        "Return of each month": monthly_returns(account),
        "Rolling Sharpe ratio": rolling_sharpe(account),
        "Distribution of returns": return_distribution(account),
        "Excursions of trades": trade_excursions(rows["backtests.trades"]),
        "Cost multiples": cost_multiples(rows["backtests.metrics"]),
    }
    return {caption: png for caption, png in found.items() if png is not None}


def _returns(equity: pl.DataFrame) -> pl.DataFrame:
    """Return ``session`` and ``net_return``; nothing when equity was not positive throughout."""
    if (equity["equity_usd"] <= 0).any():
        return equity.select("session", net_return="equity_usd").clear()
    return equity.select("session", net_return=pl.col("equity_usd").pct_change()).drop_nulls()
