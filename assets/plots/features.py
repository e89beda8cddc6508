"""Pictures of the features room."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from assets.plots.drawing import BLUE, origin_note, picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def missing_by_column(frame: pl.DataFrame) -> bytes:
    """Share of missing values of each feature."""
    names = [name for name in frame.columns if name.startswith(("tech_", "regime_", "macro_"))]
    shares = [frame[name].null_count() / frame.height * 100 for name in names]

    def draw(axes: Axes) -> None:
        axes.barh(names, shares, color=BLUE)
        axes.set_xlim(0, 100)

    return picture(draw, f"Missing values, {frame.height:,} rows{origin_note(frame)}", "% of rows", "")
