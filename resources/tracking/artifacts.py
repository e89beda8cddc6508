"""The files of a training: figures, the tables behind them, native models, calibrators and the model card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from gnosis.learning.canonical import canonical_json
from gnosis.learning.figures import calibration_figure, confusion_figure, fold_figure, importance_figure
from gnosis.learning.heads import HEADS, PUBLISHED
from gnosis.learning.model_card import model_card
from gnosis.learning.reliability import reliability
from resources.tracking.training import identity_tags

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from resources.tracking.training import Training

_SUFFIXES = {"xgboost": "ubj", "lightgbm": "txt"}


def write_artifacts(folder: Path, training: Training) -> None:
    """Write every file of the parent run below ``folder``."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    for name in ("figures", "tables", "models", "calibrators"):
        (folder / name).mkdir()
    for name, figure in _figures(training).items():
        FigureCanvasAgg(figure).print_png(str(folder / "figures" / f"{name}.png"))
    for name, table in _tables(training).items():
        table.write_parquet(folder / "tables" / f"{name}.parquet")
    for name, table in _shown(training).items():
        (folder / f"{name}.json").write_text(_as_shown(table))
    newest = training.trained.filter(pl.col("fold") == training.trained["fold"].max())
    for row in newest.iter_rows(named=True):
        suffix = _SUFFIXES.get(row["model_name"], "json" if row["model_bytes"].startswith(b"{") else "bin")
        (folder / "models" / f"{row['model_name']}.{suffix}").write_bytes(row["model_bytes"])
        if row["calibrator"] is not None:
            (folder / "calibrators" / f"{row['model_name']}.json").write_text(row["calibrator"])
    (folder / "configuration.json").write_text(canonical_json(training.configuration))
    (folder / "model_card.json").write_text(canonical_json(_card(training)))


def logged_artifacts(training: Training) -> str:
    """Return the tag by which MLflow shows the JSON tables as tables."""
    return json.dumps([{"path": f"{name}.json", "type": "table"} for name in _shown(training)])


def _figures(training: Training) -> dict[str, Figure]:
    origin = "synthetic data, " if training.is_synthetic else ""
    title = f"{origin}{PUBLISHED}, {training.head}, {training.horizon_bars} sessions, out of sample"
    figures = {"folds": fold_figure(training.evaluation, title)}
    if training.importance.height:
        figures["importance"] = importance_figure(training.importance, title)
    if "ablation" in training.tables:
        figures["ablation"] = importance_figure(training.tables["ablation"], title)
    if training.judged.height and HEADS[training.head].is_classes:
        figures["calibration"] = calibration_figure(training.judged, title)
        figures["confusion"] = confusion_figure(training.judged, title)
    return figures


def _tables(training: Training) -> dict[str, pl.DataFrame]:
    return {
        "evaluation": training.evaluation,
        "folds": training.folds,
        "predictions": training.scored,
        "importance": training.importance,
        "trials": training.studies,
        "reliability": reliability_tables(training),
        **training.tables,
    }


def reliability_tables(training: Training) -> pl.DataFrame:
    """Return predicted against observed frequency of each class by family, before and after calibration (L-7.5).

    Returns
    -------
    polars.DataFrame
        ``model_name``, ``answer`` (``raw`` or ``calibrated``), ``class``, ``bin`` and the columns of
        :func:`gnosis.learning.reliability.reliability`; empty for a head that answers with a number.
    """
    found = []
    for at in range(HEADS[training.head].n_classes):
        for (name,), rows in training.scored.group_by("model_name", maintain_order=True):
            happened = (rows["outcome"] == at).to_numpy()
            for kind, column in (("calibrated", "answer"), ("raw", "answer_raw")):
                known = rows[column].list.get(at).is_not_null().to_numpy()
                if known.any():
                    table = reliability(rows[column].list.get(at).to_numpy()[known], happened[known])
                    key = (pl.lit(name).alias("model_name"), pl.lit(kind).alias("answer"), pl.lit(at).alias("class"))
                    found.append(table.with_row_index("bin").select(*key, pl.all()))
    if not found:
        return pl.DataFrame(schema={"model_name": pl.String, "answer": pl.String, "class": pl.Int32, "bin": pl.UInt32})
    return pl.concat(found).sort("model_name", "answer", "class", "bin")


def _shown(training: Training) -> dict[str, pl.DataFrame]:
    """Tables that MLflow shows in the browser: scores beside the baselines, folds, trials, importance."""
    stitched = training.evaluation.filter(pl.col("scope") == "stitched")
    tables = {
        "scores": stitched.select("model_name", "metric", "value", "standard_error", "n", "verdict"),
        "folds": training.folds,
        "importance": training.importance,
    }
    if training.studies.height:
        tables["trials"] = training.studies.drop("horizon_bars", "head", "dataset_sha256")
    return tables


def _as_shown(table: pl.DataFrame) -> str:
    """Return a table as MLflow's own JSON of tables: columns and rows."""
    temporal = table.select(pl.selectors.temporal()).columns
    plain = table.with_columns(pl.col(temporal).cast(pl.String))
    finite = plain.with_columns(pl.when(pl.selectors.float().is_finite()).then(pl.selectors.float()).name.keep())
    rows: list[tuple[Any, ...]] = finite.rows()
    return json.dumps({"columns": table.columns, "data": rows})


def _card(training: Training) -> dict[str, Any]:
    return model_card(
        trained=training.published if training.published.height else training.trained,
        folds=training.folds,
        evaluation=training.evaluation,
        importance=training.importance,
        universe=training.universe,
        configuration=training.configuration,
        n_trials=training.n_trials,
        hashes={**training.tags, **identity_tags(training)},
    )
