"""The description of a training as MLflow shows it: Markdown with links back to Dagster and the scores that matter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from gnosis.learning.heads import HEADS, PUBLISHED
from resources.tracking.links import markdown_links

if TYPE_CHECKING:
    from resources.tracking.training import Training

_SHOWN = {True: ("log_loss", "brier", "ece", "auc"), False: ("rmse", "mae", "r_squared", "rank_ic")}


def note(training: Training) -> str:
    """Return the description of the parent run."""
    verdict = training.evaluation.filter((pl.col("model_name") == PUBLISHED) & (pl.col("scope") == "stitched"))
    said = verdict["verdict"].drop_nulls().head(1).to_list() or ["not judged yet"]
    lines = [
        markdown_links(training),
        "",
        f"**{training.head} over {training.horizon_bars} sessions on {training.universe}**, {training.folds.height} "
        f"folds, {PUBLISHED}: **{said[0].replace('_', ' ')}**.",
    ]
    if training.is_synthetic:
        lines.append("Generated data: nothing here says anything about a market.")
    lines += ["", *_table(training), "", "Stitched out of sample, value and standard error (stationary bootstrap)."]
    lines.append(
        "The models are in `models.trained`, the decisions in `models.promotion`; this page is a copy to read."
    )
    return "\n".join(lines)


def _table(training: Training) -> list[str]:
    shown = _SHOWN[HEADS[training.head].is_classes]
    stitched = training.evaluation.filter((pl.col("scope") == "stitched") & pl.col("metric").is_in(shown))
    cells = {
        (row["model_name"], row["metric"]): _cell(row["value"], row["standard_error"])
        for row in stitched.iter_rows(named=True)
    }
    names = stitched["model_name"].unique().sort().to_list()
    header = ["| model | " + " | ".join(shown) + " |", "|---" * (1 + len(shown)) + "|"]
    return header + [
        f"| {name} | " + " | ".join(cells.get((name, metric), "") for metric in shown) + " |" for name in names
    ]


def _cell(value: float | None, error: float | None) -> str:
    if value is None:
        return "undefined"
    return f"{value:.4f}" if error is None else f"{value:.4f} ± {error:.4f}"
