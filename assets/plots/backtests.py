"""Pictures of the backtests room."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from assets.plots.drawing import BLUE, ORANGE, origin_note, picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes


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
