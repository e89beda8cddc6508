"""Pictures of the raw room."""

from __future__ import annotations

import polars as pl

from assets.plots.drawing import lines, newest_session, origin_note, picture


def closes(frame: pl.DataFrame) -> bytes:
    """Closing price of each symbol relative to its first."""
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


def series(frame: pl.DataFrame) -> bytes:
    """Observations of each series by reference date."""
    latest = frame.sort("known_at").unique(["series_id", "ref_date"], keep="last")
    return picture(
        lambda axes: lines(latest, "ref_date", "value", "series_id", axes),
        f"Latest vintage of each observation{origin_note(frame)}",
        "reference date",
        "unit of the series",
    )
