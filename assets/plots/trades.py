"""Pictures of the trades room."""

from __future__ import annotations

import polars as pl

from assets.plots.drawing import lines, origin_note, picture


def sides(frame: pl.DataFrame) -> bytes:
    """Target weights of the ideas."""
    return picture(
        lambda axes: lines(frame, "session", "target_weight", "symbol", axes),
        f"Target weight of each idea{origin_note(frame)}",
        "session",
        "share of equity",
    )
