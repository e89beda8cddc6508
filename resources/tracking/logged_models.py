"""Published models in their native format as MLflow models: signature and requirements given, never inferred."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gnosis.learning.matrix import FEATURE_NAMES, as_array
from resources.tracking.links import dagster_links, markdown_links, registered_name

if TYPE_CHECKING:
    import pandas
    import polars as pl
    import xgboost
    from mlflow.models import ModelSignature
    from mlflow.tracking import MlflowClient

    from resources.tracking.training import Training

LOGGED_MODEL = "logged_model_id"
"""Tag of a registered version."""
_EXAMPLE_ROWS = 3


def register(client: MlflowClient, experiment_id: str, run_id: str, training: Training, row: dict[str, Any]) -> str:
    """Log the published model of one fold with its calibrator and register it as a version.

    Parameters
    ----------
    client, experiment_id
        Where to.
    run_id
        Run of the fold.
    training
        The training that the fold belongs to; its registered model exists.
    row
        Row of ``models.trained``.

    Returns
    -------
    str
        Id of the logged model.
    """
    name = registered_name(training.head, training.horizon_bars, training.universe)
    told = ("model_version", "model_sha256", "valid_from", "synthetic", "dataset_sha256", "fold")
    tags = {key: str(row[key]).lower() if isinstance(row[key], bool) else str(row[key]) for key in told}
    tags |= {key: link for key, link in dagster_links(training).items() if key == "dagster_run_url"}
    entry = client.create_logged_model(
        experiment_id, name=f"{training.head}-h{training.horizon_bars}", source_run_id=run_id, tags=tags
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        _save(path, entry.model_id, run_id, training, row)
        client.log_model_artifacts(entry.model_id, str(path))
    client.finalize_logged_model(entry.model_id, "READY")
    # Not models:/<id> as source: MLflow would look that up in the store of the process, not in this client's.
    version = client.create_model_version(
        name,
        source=entry.artifact_location,
        run_id=run_id,
        tags={**tags, LOGGED_MODEL: str(entry.model_id)},
        description=f"May predict from {row['valid_from']} on. {markdown_links(training)}",
        await_creation_for=0,
        model_id=entry.model_id,
    )
    shown = json.dumps([{"name": name, "version": str(version.version)}])
    client.set_logged_model_tags(entry.model_id, {"mlflow.modelVersions": shown})
    return str(entry.model_id)


def _save(path: Path, model_id: str, run_id: str, training: Training, row: dict[str, Any]) -> None:
    import mlflow.xgboost
    import xgboost
    from mlflow.models import Model

    booster = xgboost.Booster({"nthread": 1})
    booster.load_model(bytearray(row["model_bytes"]))
    mlflow.xgboost.save_model(
        booster,
        str(path),
        mlflow_model=Model(model_id=model_id, run_id=run_id),
        signature=_signature(booster),
        input_example=None if training.example is None else _example(training.example),
        pip_requirements=[f"xgboost=={xgboost.__version__}", f"numpy=={np.__version__}"],
        model_format="ubj",
        metadata={name: row[name] for name in ("model_version", "model_sha256", "feature_list_sha256")},
    )
    if row["calibrator"] is not None:
        (path / "calibrator.json").write_text(row["calibrator"])


def _example(rows: pl.DataFrame) -> pandas.DataFrame:
    """Feature rows as MLflow's wrapper of the model takes them."""
    import pandas as pd

    return pd.DataFrame(as_array(rows.head(_EXAMPLE_ROWS)), columns=list(FEATURE_NAMES))


def _signature(booster: xgboost.Booster) -> ModelSignature:
    """Features by name, missing ones as NaN, to what the native model answers before calibration.

    Of three classes a row of probabilities, of two the probability of the second, otherwise the number.
    """
    from mlflow.models import ModelSignature
    from mlflow.types.schema import ColSpec, Schema, TensorSpec

    n_classes = int(json.loads(booster.save_config())["learner"]["learner_model_param"]["num_class"])
    answers = TensorSpec(np.dtype("float32"), (-1, n_classes) if n_classes else (-1,))
    features: list[ColSpec | TensorSpec] = [ColSpec("float", name, required=False) for name in FEATURE_NAMES]
    return ModelSignature(inputs=Schema(features), outputs=Schema([answers]))
