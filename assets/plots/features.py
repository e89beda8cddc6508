"""Pictures of the features room."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from assets.plots.drawing import BLUE, origin_note, picture
from gnosis.features import BY_NAME

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_BARS = 12
"""Beyond so many features the names cannot be read: the shares are then shown by number."""


def missing_by_feature(frame: pl.DataFrame) -> bytes:
    """Share of missing values of each feature."""
    names = [name for name in frame.columns if name in BY_NAME]
    shares = [frame[name].null_count() / frame.height * 100 for name in names]
    is_wide = len(names) > MOST_BARS

    def draw(axes: Axes) -> None:
        if is_wide:
            axes.bar([BY_NAME[name].number for name in names], shares, color=BLUE, width=1.0)
            axes.set_ylim(0, 100)
        else:
            axes.barh(names, shares, color=BLUE)
            axes.invert_yaxis()
            axes.set_xlim(0, 100)

    title = f"Missing values, {frame.height:,} rows{origin_note(frame)}"
    return picture(draw, title, *(("number of the feature", "% of rows") if is_wide else ("% of rows", "")))


__all__ = ["missing_by_feature"]
