"""Figures of a training: calibration, confusion and importance, as Matplotlib figures outside any global state."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from gnosis.learning.metrics import expected_calibration_error, reliability

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CLASSES = ("down", "flat", "up")


def _figure(title: str, width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=100, layout="constrained")
    figure.suptitle(title)
    return figure


def calibration_figure(rows: pl.DataFrame, title: str) -> Figure:
    """Draw predicted against observed frequency of each class with Wilson 95 % intervals.

    Parameters
    ----------
    rows
        Scored rows of one model, as made by :func:`gnosis.learning.evaluation.scored`.
    title
        Shown above; says whether the data are synthetic.
    """
    figure = _figure(title, 11.0, 4.0)
    axes = figure.subplots(1, 3, sharey=True)
    outcome = rows["outcome"].to_numpy()
    for at, (name, panel) in enumerate(zip(CLASSES, axes, strict=True)):
        probability = rows[f"p_{name}"].to_numpy()
        table = reliability(probability, outcome == at)
        error = expected_calibration_error(probability, outcome == at)
        observed = table["observed"].to_numpy()
        # Wilson's interval may exclude an observed frequency of 0 or 1 by rounding.
        below = np.maximum(observed - table["observed_low"].to_numpy(), 0.0)
        above = np.maximum(table["observed_high"].to_numpy() - observed, 0.0)
        panel.plot([0, 1], [0, 1], color="0.7", linewidth=1)
        panel.errorbar(table["predicted"], observed, yerr=np.vstack([below, above]), fmt="o", capsize=2)
        panel.set(
            xlim=(0, 1), ylim=(0, 1), xlabel=f"predicted P({name})", title=f"{name}: ECE {error:.3f}, n {len(rows)}"
        )
    axes[0].set_ylabel("observed frequency")
    return figure


def confusion_figure(rows: pl.DataFrame, title: str) -> Figure:
    """Draw how often each most probable class met each outcome, as counts and shares of the outcome."""
    called = np.argmax(rows.select("p_down", "p_flat", "p_up").to_numpy(), axis=1)
    counts = np.bincount(3 * rows["outcome"].to_numpy() + called, minlength=9).reshape(3, 3)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = _figure(title, 4.5, 4.2)
    panel = figure.subplots()
    panel.imshow(share, cmap="Blues", vmin=0.0, vmax=1.0)
    for row, column in np.ndindex(3, 3):
        ink = "white" if share[row, column] > 0.6 else "black"
        text = f"{counts[row, column]}\n{share[row, column]:.0%}"
        panel.text(column, row, text, ha="center", va="center", color=ink)
    panel.set(xticks=range(3), yticks=range(3), xticklabels=CLASSES, yticklabels=CLASSES)
    panel.set(xlabel="most probable class", ylabel="what happened")
    return figure


def importance_figure(importance: pl.DataFrame, title: str, top: int = 20) -> Figure:
    """Draw the permutation importances with their spread over folds, largest first."""
    shown = importance.drop_nulls("log_loss_increase").head(top).reverse()
    figure = _figure(title, 7.0, 1.2 + 0.25 * max(shown.height, 1))
    panel = figure.subplots()
    panel.barh(shown["feature"], shown["log_loss_increase"], xerr=shown["spread"].fill_null(0.0).to_numpy())
    panel.axvline(0.0, color="0.5", linewidth=1)
    panel.set_xlabel("rise of out-of-sample log loss when permuted (nats)")
    return figure
