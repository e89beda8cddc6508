"""How a picture is drawn: one small figure as PNG, colours, and the words that every title carries."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, ORANGE, GREY = "#2166ac", "#d6604d", "#777777"
CYCLE = [BLUE, ORANGE, "#4d9221", "#762a83", "#b8860b", "#01665e", GREY]


def picture(draw: Callable[[Axes], None], title: str, x: str, y: str) -> bytes:
    """Return a figure of one panel as PNG bytes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 3.2), dpi=90)
    figure.subplots_adjust(left=0.25 if not y else 0.11, right=0.98, bottom=0.16, top=0.91)
    axes = figure.add_subplot()
    axes.set_prop_cycle(color=CYCLE)
    draw(axes)
    # Where the height is given, Matplotlib does not lay the whole picture out once more to look for room.
    axes.set_title(title, fontsize=10, loc="left", y=1.0)
    axes.set_xlabel(x, fontsize=8)
    axes.set_ylabel(y, fontsize=8)
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.25)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=7, ncols=3, frameon=False, loc="upper left")
    png = io.BytesIO()
    FigureCanvasAgg(figure).print_png(png)
    return png.getvalue()


def lines(frame: pl.DataFrame, x: str, y: str, by: str, axes: Axes) -> None:
    """Draw one line for each value of ``by``."""
    marker = "o" if frame[x].n_unique() < 3 else None
    for name in frame[by].unique().sort():
        part = frame.filter(pl.col(by) == name).sort(x)
        axes.plot(part[x], part[y], label=str(name), linewidth=1, marker=marker)


def bars(x: pl.Series, y: pl.Series, axes: Axes) -> None:
    """Draw bars of one colour."""
    axes.bar(x, y, color=BLUE)


def newest_session(frame: pl.DataFrame) -> str:
    """Return the newest session as text."""
    return str(frame["session"].max())


def origin_note(frame: pl.DataFrame) -> str:
    """Return a note for the title when any row was generated."""
    return " (synthetic)" if frame["synthetic"].any() else ""
