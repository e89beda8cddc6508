"""Figures of a training: calibration, confusion, importance and folds, as Matplotlib figures without global state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from gnosis.learning.heads import HEADS
from gnosis.learning.metrics import judged_classes
from gnosis.learning.reliability import bin_errors, reliability

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

CLASSES = {
    "direction": ("down", "flat", "up"),
    "magnitude": ("small", "middling", "large"),
    "meta": ("no profit", "profit"),
}
BLUE, ORANGE, GREY, INK = "#1f5f99", "#d9822b", "#9aa5b1", "#1f2933"


def calibration_figure(rows: pl.DataFrame, title: str) -> Figure:
    """Draw predicted against observed frequency of each class, before and after calibration.

    Parameters
    ----------
    rows
        Rows of one model of one head of classes, as made by :func:`gnosis.learning.evaluation.scored`.
    title
        Shown above; says whether the data are synthetic.

    Returns
    -------
    matplotlib.figure.Figure
        Per class the bins with Wilson's 95 % intervals over the diagonal, and below it how many rows have which
        probability.
    """
    answer, raw, names = _probabilities(rows, "answer"), _probabilities(rows, "answer_raw"), _classes(rows)
    outcome = rows["outcome"].to_numpy().astype(np.int64)
    classes = judged_classes(answer)
    figure = _figure(title, 0.6 + 3.7 * len(classes), 5.2)
    grid = figure.subplots(2, len(classes), squeeze=False, sharex="col", height_ratios=[4, 1])
    for at, (above, below) in zip(classes, grid.T, strict=True):
        happened = outcome == at
        sides = ((raw[:, at], GREY, "before"), (answer[:, at], BLUE, "after"))
        low, high, errors = _calibration_panel(above, sides, happened)
        edges = np.linspace(low, high, 31)
        for probability, colour, label in sides:
            below.hist(
                probability, bins=edges, color=colour, histtype="step" if label == "before" else "bar", alpha=0.8
            )
        below.set(xlabel=f"predicted probability of {names[at]}", xlim=(low, high))
        share = f"{names[at]}: happened in {happened.mean():.0%} of {rows.height:,} rows"
        above.set_title(f"{share}\nmean error {errors[0]:.3f} before, {errors[1]:.3f} after", fontsize=10)
        _quiet(above, below)
    grid[0, 0].set_ylabel("observed frequency, 95 % interval")
    grid[1, 0].set_ylabel("rows")
    _legend(figure, grid[0, 0])
    return figure


def _calibration_panel(
    panel: Axes, sides: tuple[tuple[NDArray[np.float64], str, str], ...], happened: NDArray[np.bool_]
) -> tuple[float, float, list[float]]:
    """Draw the bins before and after calibration and return the range of both axes and the mean errors."""
    ends, errors = [], []
    for probability, colour, label in sides:
        table = reliability(probability, happened)
        predicted, observed, low, high = (
            table[name].to_numpy() for name in ("predicted", "observed", "observed_low", "observed_high")
        )
        ends += [predicted.min(), predicted.max(), low.min(), high.max()]
        errors.append(bin_errors(probability, happened)[0])
        # Wilson's interval may exclude an observed frequency of 0 or 1 by rounding.
        reach = np.maximum(np.vstack([observed - low, high - observed]), 0.0)
        panel.errorbar(
            predicted, observed, yerr=reach, fmt="o-", color=colour, markersize=5, linewidth=1, capsize=2,
            label=f"{label} calibration",
        )  # fmt: skip
    margin = 0.05 * (max(ends) - min(ends)) + 0.005
    low_end, high_end = max(min(ends) - margin, 0.0), min(max(ends) + margin, 1.0)
    panel.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle=":", zorder=0)
    panel.set(xlim=(low_end, high_end), ylim=(low_end, high_end))
    return low_end, high_end, errors


def confusion_figure(rows: pl.DataFrame, title: str) -> Figure:
    """Draw how often each most probable class met each outcome, as counts and as shares of the outcome.

    Parameters
    ----------
    rows, title
        As for :func:`calibration_figure`.
    """
    answer, names = _probabilities(rows, "answer"), _classes(rows)
    n = len(names)
    outcome, called = rows["outcome"].to_numpy().astype(np.int64), np.argmax(answer, axis=1)
    counts = np.bincount(n * outcome + called, minlength=n * n).reshape(n, n)
    happened = counts.sum(axis=1)
    share = counts / np.maximum(happened[:, None], 1)
    figure = _figure(title, 2.4 + 1.3 * n, 2.0 + 1.1 * n)
    panel = figure.subplots()
    panel.imshow(share, cmap="Blues", vmin=0.0, vmax=1.0, aspect="auto")
    for row, column in np.ndindex(n, n):
        ink = "white" if share[row, column] > 0.55 else INK
        weight = "bold" if row == column else "normal"
        text = f"{share[row, column]:.0%}\n{counts[row, column]:,} rows"
        panel.text(column, row, text, ha="center", va="center", color=ink, fontweight=weight)
    panel.set(xticks=range(n), yticks=range(n), xticklabels=names)
    panel.set_yticklabels([f"{name}\n{total:,} rows" for name, total in zip(names, happened, strict=True)])
    panel.set(xlabel="most probable class", ylabel="what happened")
    panel.set_title(f"right in {np.trace(counts) / max(rows.height, 1):.0%} of {rows.height:,} rows", fontsize=10)
    panel.spines[:].set_visible(False)
    return figure


def importance_figure(importance: pl.DataFrame, title: str, top: int = 20) -> Figure:
    """Draw what a model loses without a feature or a group, largest first, with the spread over folds.

    Parameters
    ----------
    importance
        Result of :func:`gnosis.learning.importance.permutation_importance` or ``group_ablation``.
    title
        Shown above.
    top
        Rows shown.
    """
    shown = importance.drop_nulls("loss_increase").head(top).reverse()
    name = "feature" if "feature" in importance.columns else "group"
    figure = _figure(title, 8.0, 1.6 + 0.27 * max(shown.height, 1))
    panel = figure.subplots()
    if shown.is_empty():
        return _empty(figure, panel, "no fold has been judged yet")
    increase, spread = shown["loss_increase"].to_numpy(), shown["spread"].fill_null(0.0).to_numpy()
    colours = [BLUE if value > 0.0 else GREY for value in increase]
    panel.barh(shown[name].to_list(), increase, color=colours, height=0.7)
    panel.errorbar(increase, np.arange(shown.height), xerr=spread, fmt="none", ecolor=INK, linewidth=1, capsize=2)
    panel.axvline(0.0, color=INK, linewidth=0.8)
    robbed = "permuted" if name == "feature" else "left out of the fit"
    panel.set_xlabel(f"rise of the out-of-sample loss when {robbed}")
    folds = int(shown["folds"][0])
    panel.set_title(
        f"{shown.height} of {importance.height} {name}s, mean and standard deviation over {folds} folds", fontsize=10
    )
    panel.margins(y=0.01)
    panel.tick_params(axis="y", labelsize=9)
    _quiet(panel)
    return figure


def fold_figure(evaluation: pl.DataFrame, title: str, metric: str | None = None) -> Figure:
    """Draw a metric of every model fold by fold with its standard error, and the stitched value at the right.

    Parameters
    ----------
    evaluation
        Rows of ``models.evaluation`` of one horizon and head.
    title
        Shown above.
    metric
        Metric to draw; the log loss of classes or the root mean squared error of numbers when omitted.
    """
    metric = metric or ("log_loss" if (evaluation["metric"] == "log_loss").any() else "rmse")
    rows = evaluation.filter(pl.col("metric") == metric, pl.col("value").is_not_null()).with_columns(
        pl.col("model_name").cast(pl.String)
    )
    folds = rows.filter(pl.col("scope").str.starts_with("fold ")).with_columns(
        fold=pl.col("scope").str.strip_prefix("fold ").cast(pl.Int64)
    )
    figure = _figure(title, 9.0, 4.4)
    if folds.is_empty():
        return _empty(figure, figure.subplots(), f"no fold has a {metric.replace('_', ' ')} yet")
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=[6, 1])
    names = sorted(folds["model_name"].unique(), key=lambda name: (name != "majority", name))
    numbers = folds["fold"].unique().sort().to_list()
    for at, name in enumerate(names):
        colour = GREY if name == "majority" else f"C{at - 1}"
        shift = (at - (len(names) - 1) / 2) * 0.6 / max(len(names), 1)
        mine = folds.filter(pl.col("model_name") == name).sort("fold")
        place = [numbers.index(fold) + shift for fold in mine["fold"]]
        error: dict[str, Any] = {"fmt": "o", "color": colour, "markersize": 4, "capsize": 2, "linewidth": 1}
        left.errorbar(place, mine["value"], yerr=mine["standard_error"].fill_null(0.0), label=name, **error)
        whole = rows.filter(pl.col("model_name") == name, pl.col("scope") == "stitched")
        if whole.height:
            right.errorbar([shift], whole["value"], yerr=whole["standard_error"].fill_null(0.0), **error)
    every = -(-len(numbers) // 20)
    ticks = range(0, len(numbers), every)
    left.set(xticks=ticks, xticklabels=numbers[::every], xlabel="fold", ylabel=metric.replace("_", " "))
    right.set(xticks=[0], xticklabels=["stitched"], xlim=(-0.5, 0.5))
    left.set_title("mean and bootstrap standard error", fontsize=10)
    left.grid(axis="y", color="0.92")
    right.grid(axis="y", color="0.92")
    _legend(figure, left)
    _quiet(left, right)
    return figure


def _figure(title: str, width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=110, layout="constrained")
    figure.suptitle(title, fontweight="bold", color=INK)
    return figure


def _legend(figure: Figure, panel: Axes) -> None:
    figure.legend(*panel.get_legend_handles_labels(), loc="outside lower center", ncols=5, fontsize=9, frameon=False)


def _quiet(*panels: Axes) -> None:
    for panel in panels:
        panel.spines[["top", "right"]].set_visible(False)


def _empty(figure: Figure, panel: Axes, reason: str) -> Figure:
    panel.set_axis_off()
    panel.text(0.5, 0.5, reason, ha="center", va="center", color=INK, transform=panel.transAxes)
    return figure


def _classes(rows: pl.DataFrame) -> tuple[str, ...]:
    head = str(rows["head"][0])
    if head not in CLASSES:
        raise ValueError(f"expected a head of classes out of {sorted(CLASSES)}, found {head}; its answer is a number")
    return CLASSES[head]


def _probabilities(rows: pl.DataFrame, column: str) -> NDArray[np.float64]:
    head = str(rows["head"][0])
    values: NDArray[np.float64] = rows[column].explode().to_numpy().reshape(rows.height, HEADS[head].n_classes or 1)
    return values
