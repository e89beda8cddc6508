"""Pictures of the engines room."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from assets.plots.drawing import BLUE, CYCLE, GREY, ORANGE, lines, newest_session, origin_note, picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes

READINGS = {
    "news_flow_v": "news",
    "x_twitter_v": "X",
    "reddit_v": "Reddit",
    "stocktwits_v": "StockTwits",
    "earnings_tone_v": "earnings",
    "options_positioning_v": "options",
    "sent_composite_flow_bias": "flow",
    "technical_regime_v": "technical",
}
"""Readings of the sentiment engine and their names in a picture."""


def amplification(frame: pl.DataFrame) -> bytes | None:
    """Amplification of each symbol under the naive convention."""
    naive = frame.filter((pl.col("sign_convention") == "naive") & pl.col("amplification").is_not_null())
    if naive.is_empty():
        return None

    def draw(axes: Axes) -> None:
        lines(naive, "session", "amplification", "symbol", axes)
        axes.axhline(1.0, color=GREY, linewidth=1)

    title = f"Amplification of moves by dealer hedging, naive signs{origin_note(frame)}"
    return picture(draw, title, "session", "move with / without dealers")


def elasticity_surface(greeks: pl.DataFrame, state: pl.DataFrame) -> bytes | None:
    """Stiffness by price and horizon of the largest chain of the newest session, naive convention."""
    if state.is_empty():
        return None
    from gnosis.engines.elasticity import elasticity_surface as surface_of

    newest = state.filter(
        (pl.col("session") == state["session"].max())
        & (pl.col("sign_convention") == "naive")
        & pl.col("stiffness_usd_per_pct").is_not_null()
    ).sort("gex_hard_bound", "symbol", descending=[True, False], nulls_last=True)
    if newest.is_empty():
        return None
    row = newest.row(0, named=True)
    chain = greeks.filter((pl.col("session") == row["session"]) & (pl.col("symbol") == row["symbol"]))
    grid = surface_of(chain, newest.head(1), prices=200, horizons=60)
    if grid.is_empty():
        return None
    stiffness = grid.pivot("price_usd", index="horizon_days", values="stiffness_usd_per_pct", sort_columns=False)
    prices = [float(name) for name in stiffness.columns[1:]]

    def draw(axes: Axes) -> None:
        values = stiffness.select(pl.exclude("horizon_days") / 1e6).to_numpy()
        shown = axes.pcolormesh(prices, stiffness["horizon_days"], values, cmap="RdYlBu", shading="nearest")
        axes.figure.colorbar(shown, ax=axes, pad=0.01).ax.tick_params(labelsize=7)
        axes.axvline(row["spot"], color=GREY, linewidth=1, linestyle="--", label=f"spot {row['spot']:.2f}")

    title = f"{row['symbol']} flow for a move of 1 % [$m], naive signs, {row['session']}{origin_note(newest)}"
    return picture(draw, title, "hypothetical spot [$]", "days from now")


def liquidity_profile(rows: pl.DataFrame, bars: pl.DataFrame) -> bytes | None:
    """Volume by price of the last 60 sessions for the symbol with the most volume in the newest session."""
    if rows.is_empty():
        return None
    from gnosis.engines.liquidity import PROFILE_SESSIONS
    from gnosis.engines.volume_profile import volume_profiles

    newest = rows.filter(pl.col("session") == rows["session"].max()).sort(
        "adv_usd", "symbol", descending=[True, False], nulls_last=True
    )
    if newest.is_empty() or newest["adv_usd"][0] is None:
        return None
    row = newest.row(0, named=True)
    own = bars.filter((pl.col("symbol") == row["symbol"]) & (pl.col("session") <= row["session"])).sort("session")
    own = own.tail(PROFILE_SESSIONS).drop_nulls("volume")
    # Prices and shares of the window in units of its last session.
    ratio = (own["adjustment_factor"] / own["adjustment_factor"][-1]).to_numpy()
    low, high, volume = own["low"].to_numpy() * ratio, own["high"].to_numpy() * ratio, own["volume"].to_numpy() / ratio
    profile = volume_profiles(low, high, volume, np.array([0]), np.array([own.height]))

    def draw(axes: Axes) -> None:
        edges = profile.edges[0]
        axes.barh(edges[:-1], profile.volume[0] / 1e6, height=np.diff(edges), align="edge", color=BLUE)
        axes.axhline(row["spot"], color=ORANGE, linewidth=1, label=f"close {row['spot']:.2f}")

    words = f"score {row['liq_score']:.2f}, {row['liq_regime']}" if row["liq_score"] is not None else "score unknown"
    title = f"{row['symbol']} volume by price, 60 sessions to {row['session']}, {words}{origin_note(newest)}"
    return picture(draw, title, "million shares", "price [$]")


def sentiment_by_source(frame: pl.DataFrame) -> bytes | None:
    """Readings of the eight processors for each symbol of the newest session; a gap where a source says nothing."""
    if frame.is_empty():
        return None
    newest = frame.filter(pl.col("session") == frame["session"].max()).sort("symbol")
    readings = {name: READINGS[name] for name in READINGS if newest[name].count()}
    if not readings:
        return None

    def draw(axes: Axes) -> None:
        width = 0.8 / newest.height
        for place, row in enumerate(newest.iter_rows(named=True)):
            at = [position + (place - (newest.height - 1) / 2) * width for position in range(len(readings))]
            heights = [row[name] if row[name] is not None else float("nan") for name in readings]
            axes.bar(at, heights, width=width * 0.9, label=row["symbol"], color=CYCLE[place % len(CYCLE)])
        axes.set_xticks(range(len(readings)), list(readings.values()))
        axes.axhline(0.0, color=GREY, linewidth=0.8)
        axes.set_ylim(-1.05, 1.05)

    title = f"Readings by source, {newest_session(frame)}{origin_note(newest)}"
    return picture(draw, title, "", "reading, -1 to 1")


def tone(frame: pl.DataFrame) -> bytes | None:
    """Mean score of the texts of each source by session."""
    if frame.is_empty():
        return None
    means = (
        frame.group_by("session", "source")
        .agg(score=(pl.col("p_pos") - pl.col("p_neg")).mean())
        .sort("session", "source")
    )
    scorers = ", ".join(frame["scorer"].unique().sort().cast(pl.String))
    return picture(
        lambda axes: lines(means, "session", "score", "source", axes),
        f"Mean score of texts by source, scored by {scorers}{origin_note(frame)}",
        "session",
        "p(positive) - p(negative)",
    )


def confidences(frame: pl.DataFrame) -> bytes | None:
    """Mean confidence of each processor in the newest session."""
    if frame.is_empty():
        return None
    newest = frame.filter((pl.col("session") == frame["session"].max()) & (pl.col("name") == "confidence"))
    if newest.is_empty():
        return None
    means = newest.group_by("engine", "processor").agg(pl.col("value").mean()).sort("engine", "processor")
    colours = dict(zip(means["engine"].unique().sort(), CYCLE, strict=False))

    def draw(axes: Axes) -> None:
        axes.barh(
            means["processor"].cast(pl.String), means["value"], color=[colours[engine] for engine in means["engine"]]
        )
        axes.set_xlim(0, 1)
        axes.invert_yaxis()
        axes.tick_params(axis="y", labelsize=5)

    title = f"Confidence of the processors, {newest_session(frame)}{origin_note(newest)}"
    return picture(draw, title, "confidence", "")


def calibration(frame: pl.DataFrame) -> bytes | None:
    """Slope of realised range on predicted amplification with its 95 % interval, naive convention."""
    shown = frame.filter(
        (pl.col("test") == "range_on_amplification")
        & (pl.col("sign_convention") == "naive")
        & pl.col("estimate").is_not_null()
    )
    if shown.is_empty():
        return None

    def draw(axes: Axes) -> None:
        for place, symbol in enumerate(shown["symbol"].unique().sort()):
            part = shown.filter(pl.col("symbol") == symbol).sort("session")
            colour = CYCLE[place % len(CYCLE)]
            axes.fill_between(part["session"], part["interval_low"], part["interval_high"], color=colour, alpha=0.15)
            axes.plot(part["session"], part["estimate"], color=colour, linewidth=1, label=symbol)
        axes.axhline(0.0, color=GREY, linewidth=1)

    title = f"Realised range on predicted amplification, slope and 95 % interval{origin_note(frame)}"
    return picture(draw, title, "session", "slope")
