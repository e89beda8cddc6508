"""Pictures of the trades room."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import polars as pl

from assets.plots.drawing import GREY, lines, newest_session, origin_note, picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_SHOWN = 7
"""Ideas in a picture, those with the best edge."""


def sides(frame: pl.DataFrame) -> bytes:
    """Target weights of the ideas."""
    return picture(
        lambda axes: lines(frame, "session", "target_weight", "symbol", axes),
        f"Target weight of each idea{origin_note(frame)}",
        "session",
        "share of equity",
    )


def size_waterfall(frame: pl.DataFrame) -> bytes:
    """Share of equity after each step of the size, for the newest ideas with an event."""
    newest = _newest(frame)
    steps = {
        "Kelly": pl.col("kelly_fraction"),
        "x sureness": pl.col("kelly_fraction") * pl.col("estimation_shrinkage"),
        "x share": pl.col("kelly_fraction") * pl.col("estimation_shrinkage") * pl.col("kelly_share"),
        "volatility": pl.min_horizontal(
            pl.col("kelly_fraction") * pl.col("estimation_shrinkage") * pl.col("kelly_share"), "volatility_fraction"
        ),
        "energy, risk": pl.min_horizontal(
            pl.col("kelly_fraction") * pl.col("estimation_shrinkage") * pl.col("kelly_share"), "volatility_fraction"
        )
        * pl.col("energy_factor")
        * pl.col("size_multiplier"),
        "checks": pl.col("fraction"),
        "caps": pl.col("size_after_together"),
        "lots": pl.col("size_after_lot"),
    }
    known = newest.select("symbol", **steps)

    def draw(axes: Axes) -> None:
        for row in known.iter_rows(named=True):
            axes.plot(list(steps), [row[name] for name in steps], marker="o", linewidth=1, label=row["symbol"])

    title = f"Size of each idea of {newest_session(frame)}, step by step{origin_note(newest)}"
    return picture(draw, title, "", "share of equity")


def event_odds(frame: pl.DataFrame) -> bytes:
    """Odds of the target before the stop with their 80 % interval, beside those without a view."""
    newest = _newest(frame)

    def draw(axes: Axes) -> None:
        p, low, high = (newest[name].to_numpy() for name in ("p_event", "p_low", "p_high"))
        axes.errorbar(newest["symbol"], p, yerr=[p - low, high - p], fmt="o", capsize=4, label="stated, 80 % interval")
        axes.scatter(newest["symbol"], newest["p_baseline"], marker="_", s=300, color=GREY, label="without a view")

    title = f"Odds of the target before the stop, {newest_session(frame)}{origin_note(newest)}"
    return picture(draw, title, "", "probability")


def payoff(frame: pl.DataFrame) -> bytes:
    """Profit of each idea against the move of its price, from the stop to the target."""
    newest = _newest(frame)

    def draw(axes: Axes) -> None:
        for row in newest.iter_rows(named=True):
            sign = 1.0 if row["target_log"] > 0.0 else -1.0
            moves = sorted(math.expm1(row[name]) for name in ("stop_log", "target_log"))
            profit = [sign * move - row["cost_estimate"] for move in moves]
            axes.plot([100 * move for move in moves], [100 * gain for gain in profit], marker="o", label=row["symbol"])
        axes.axhline(0.0, color=GREY, linewidth=0.8)

    title = f"Profit after costs from stop to target, {newest_session(frame)}{origin_note(newest)}"
    return picture(draw, title, "move of the price from the next open, %", "% of notional")


def _newest(frame: pl.DataFrame) -> pl.DataFrame:
    stated = frame.filter(pl.col("session") == frame["session"].max(), pl.col("p_event").is_not_null())
    return stated.sort("net_edge", descending=True).head(MOST_SHOWN).sort("symbol")


def contributions(frame: pl.DataFrame) -> bytes:
    """Log odds of a rise by the composer."""
    return picture(
        lambda axes: lines(frame, "session", "z", "symbol", axes),
        f"Log odds of a rise, all votes together{origin_note(frame)}",
        "session",
        "log odds",
    )


def reliability(frame: pl.DataFrame) -> bytes | None:
    """What happened of what the odds of all ideas stated."""
    curve = frame.filter(scope="all", has_ambiguous=True).filter(pl.col("statistic").is_in(["predicted", "observed"]))
    if curve.is_empty():
        return None
    wide = curve.pivot("statistic", index="bin", values="value").sort("bin")
    both = pl.concat(
        [
            wide.select("predicted", value="observed", line=pl.lit("happened")),
            wide.select("predicted", value="predicted", line=pl.lit("as stated")),
        ]
    )
    return picture(
        lambda axes: lines(both, "predicted", "value", "line", axes),
        "Stated odds of ideas against what happened",
        "stated probability",
        "share that happened",
    )
