"""Pictures of the engines room."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from assets.plots.drawing import GREY, lines, origin_note, picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def amplification(frame: pl.DataFrame) -> bytes:
    """Amplification of each symbol under the naive convention."""
    naive = frame.filter(pl.col("sign_convention") == "naive")

    def draw(axes: Axes) -> None:
        lines(naive, "session", "amplification", "symbol", axes)
        axes.axhline(1.0, color=GREY, linewidth=1)

    title = f"Amplification of moves by dealer hedging, naive signs{origin_note(frame)}"
    return picture(draw, title, "session", "move with / without dealers")
