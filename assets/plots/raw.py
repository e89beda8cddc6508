"""Pictures of the raw room."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from assets.plots.drawing import BLUE, GREY, ORANGE, lines, newest_session, origin_note, picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def closes(frame: pl.DataFrame) -> bytes | None:
    """Closing price of each symbol relative to its first."""
    if frame.is_empty():
        return None
    relative = frame.sort("session").with_columns(
        relative=pl.col("close") / pl.col("close").first().over("symbol") * 100
    )
    return picture(
        lambda axes: lines(relative, "session", "relative", "symbol", axes),
        f"Close, first session = 100{origin_note(frame)}",
        "session",
        "index points",
    )


def quoted_spreads(frame: pl.DataFrame) -> bytes | None:
    """Median quoted spread by moneyness in the newest session."""
    if frame.is_empty():
        return None
    newest = frame.filter((pl.col("session") == frame["session"].max()) & (pl.col("bid") > 0))
    if newest.is_empty():
        return None
    spread = newest.select(
        "symbol",
        moneyness=((pl.col("strike") / pl.col("spot")).log() * 20).round() / 20,
        spread=2 * (pl.col("ask") - pl.col("bid")) / (pl.col("ask") + pl.col("bid")) * 100,
    )
    medians = spread.group_by("symbol", "moneyness").agg(pl.col("spread").median()).sort("symbol", "moneyness")
    return picture(
        lambda axes: lines(medians, "moneyness", "spread", "symbol", axes),
        f"Median quoted spread, {newest_session(frame)}{origin_note(newest)}",
        "ln(strike / spot)",
        "% of mid",
    )


def series(frame: pl.DataFrame) -> bytes | None:
    """Observations of each series by reference date."""
    if frame.is_empty():
        return None
    latest = frame.sort("known_at").unique(["series_id", "ref_date"], keep="last")
    return picture(
        lambda axes: lines(latest, "ref_date", "value", "series_id", axes),
        f"Latest vintage of each observation{origin_note(frame)}",
        "reference date",
        "unit of the series",
    )


def volume_of_day(frame: pl.DataFrame) -> bytes | None:
    """Volume of the five-minute bars of the newest session by symbol."""
    if frame.is_empty():
        return None
    newest = frame.filter((pl.col("session") == frame["session"].max()) & (pl.col("frequency") == "5min"))
    if newest.is_empty():
        return None
    shown = newest.with_columns(thousands=pl.col("volume") / 1e3)
    return picture(
        lambda axes: lines(shown, "ts", "thousands", "symbol", axes),
        f"Volume of five-minute bars, {newest_session(frame)}{origin_note(newest)}",
        "end of the bar [UTC]",
        "thousand shares",
    )


def order_book(frame: pl.DataFrame) -> bytes | None:
    """Displayed dollars by distance from mid in the last snapshot of the newest session, one symbol."""
    if frame.is_empty():
        return None
    newest = frame.filter(pl.col("session") == frame["session"].max())
    if newest.is_empty():
        return None
    symbol = newest["symbol"].sort()[0]
    one = newest.filter(pl.col("symbol") == symbol)
    best = one.filter(pl.col("level") == 1).group_by("ts").agg(sides=pl.len(), mid=pl.col("price").mean())
    whole = best.filter(pl.col("sides") == 2).sort("ts")
    if whole.is_empty():
        return None
    mid = whole["mid"][-1]
    last = one.filter(pl.col("ts") == whole["ts"][-1]).sort("side", "level")
    shown = last.with_columns(
        bps=(pl.col("price") / mid - 1) * 1e4,
        cumulative=(pl.col("price") * pl.col("size")).cum_sum().over("side") / 1e6,
    )

    def draw(axes: Axes) -> None:
        for side, colour, label in (("B", BLUE, "bid"), ("A", ORANGE, "ask")):
            part = shown.filter(pl.col("side") == side).sort("bps")
            axes.fill_between(part["bps"], part["cumulative"], step="mid", color=colour, alpha=0.4, label=label)
        axes.axvline(0.0, color=GREY, linewidth=0.8)

    title = f"{symbol} displayed depth, {last['ts'][0]:%Y-%m-%d %H:%M} UTC{origin_note(one)}"
    return picture(draw, title, "distance from mid [bps]", "$m cumulative")


def short_shares(frame: pl.DataFrame) -> bytes | None:
    """Short share of off-exchange volume by symbol."""
    shown = frame.filter(pl.col("total_volume") > 0).with_columns(
        percent=pl.col("short_volume") / pl.col("total_volume") * 100
    )
    if shown.is_empty():
        return None
    return picture(
        lambda axes: lines(shown, "session", "percent", "symbol", axes),
        f"Short share of off-exchange volume (trades, not positions){origin_note(frame)}",
        "session",
        "%",
    )


def dix(frame: pl.DataFrame) -> bytes | None:
    """Dark index over time."""
    if frame.is_empty():
        return None
    shown = frame.with_columns(percent=pl.col("dix") * 100, name=pl.lit("DIX"))
    return picture(
        lambda axes: lines(shown, "session", "percent", "name", axes), f"Dark index{origin_note(frame)}", "session", "%"
    )


def posts_by_source(frame: pl.DataFrame) -> bytes | None:
    """Number of posts of each source by session."""
    if frame.is_empty():
        return None
    counts = frame.group_by("session", "source").agg(posts=pl.len()).sort("session", "source")
    return picture(
        lambda axes: lines(counts, "session", "posts", "source", axes),
        f"Posts by source{origin_note(frame)}",
        "session",
        "posts",
    )


def doubts(frame: pl.DataFrame) -> bytes | None:
    """Quality events of each kind by session."""
    if frame.is_empty():
        return None
    counts = frame.with_columns(pl.col("kind").cast(pl.String)).group_by("session", "kind").len("events")
    return picture(
        lambda axes: lines(counts.sort("kind", "session"), "session", "events", "kind", axes),
        "What was doubtful, by kind",
        "session",
        "events",
    )


def health(frame: pl.DataFrame) -> bytes | None:
    """Running share of good answers of each service in the newest session, worst first."""
    if frame.is_empty():
        return None
    newest = frame.filter(pl.col("session") == frame["session"].max())
    shown = newest.group_by("service").agg(pl.col("health").min(), pl.col("is_open").any()).sort("health", "service")

    def draw(axes: Axes) -> None:
        colours = [ORANGE if is_open else BLUE for is_open in shown["is_open"]]
        axes.barh(shown["service"].to_list(), shown["health"].to_list(), color=colours)
        axes.invert_yaxis()
        axes.set_xlim(0, 1)

    return picture(draw, "Worst running share of good answers (orange: left alone)", "share", "")
