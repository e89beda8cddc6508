"""Training: fit the models of each fold whose training labels are all known, and only those that are missing."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from gnosis.learning import models
from gnosis.learning.baselines import canonical_json
from gnosis.learning.folds import meets
from gnosis.learning.matrix import as_array, feature_list_sha256
from gnosis.sessions import NEW_YORK
from gnosis.tables import TABLES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from gnosis.learning.folds import Fold

STOPPING_SHARE = 0.2


def _target(rows: pl.DataFrame) -> NDArray[np.int64]:
    return rows["y_dir"].cast(pl.Int64).to_numpy() + 1


def stopping_slice(rows: pl.DataFrame, share: float = STOPPING_SHARE) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cut the training rows of a fold into earlier rows to fit and the last sessions to stop on (L-5.1).

    Parameters
    ----------
    rows
        Training rows sorted by session, with ``as_of`` and ``label_known_at``.
    share
        Share of the sessions in the later part.

    Returns
    -------
    tuple of numpy.ndarray
        Positions. An earlier row whose label was not known when the later part begins is in neither.
    """
    number = rows["session"].rle_id().to_numpy().astype(np.int64)
    later = np.flatnonzero(number > number[-1] - round(share * (number[-1] + 1)))
    if not later.size:
        return later, later
    decided = rows["as_of"].dt.epoch("us").to_numpy()
    known = rows.select(pl.max_horizontal("t1", "label_known_at").dt.epoch("us")).to_series().to_numpy()
    late = meets(decided, known, int(decided[later].min()))
    return np.flatnonzero(~late), later


def dataset_sha256(rows: pl.DataFrame, features: NDArray[np.float32]) -> str:
    """Hash the sorted training rows: keys, features, labels and the instants that purging rests on (L-1.4)."""
    digest = hashlib.sha256(feature_list_sha256().encode())
    digest.update(np.ascontiguousarray(features, dtype="<f4").tobytes())
    digest.update("\n".join(rows["symbol"]).encode() + b"\0")
    for name in ("horizon_bars", "session", "as_of", "t1", "label_known_at", "y_dir"):
        digest.update(rows[name].to_physical().cast(pl.Int64).to_numpy().astype("<i8").tobytes())
    return digest.hexdigest()


def _identity(horizon: int, fold: int, model_name: str, parameters: Mapping[str, Any]) -> tuple[str, int]:
    """Parameters as canonical JSON, and the seed: with the data they are all that a model depends on."""
    described = {
        "model": dict(parameters),
        "weights": "one per row",
        "stopping_share": STOPPING_SHARE if model_name == "xgboost" else None,
    }
    seed = models.seed_of({"horizon_bars": horizon, "fold": fold, "model_name": model_name, "parameters": described})
    return canonical_json(described), seed


def due_folds(folds: Sequence[Fold], already_trained: pl.DataFrame | None) -> list[Fold]:
    """Return the folds of which any model is missing from ``models.trained``.

    A fold exists only once all labels of its training rows are known, so each of these can be trained now.
    """
    names = set(models.PARAMETERS)
    if already_trained is None:
        return list(folds)
    stored: dict[tuple[int, int], set[str]] = {}
    for horizon, fold, name in already_trained.select("horizon_bars", "fold", "model_name").iter_rows():
        stored.setdefault((horizon, fold), set()).add(name)
    return [fold for fold in folds if names - stored.get((fold.horizon_bars, fold.number), set())]


def train(
    rows: pl.DataFrame,
    folds: Sequence[Fold],
    already_trained: pl.DataFrame | None = None,
    *,
    parameters: Mapping[str, Mapping[str, Any]] | None = None,
) -> pl.DataFrame:
    """Fit every model of every fold that is not stored yet and return all of them.

    A model is a pure function of its training rows, its parameters and the seed that follows from its configuration.
    A stored model with the same identity is kept as it is; one whose rows were revised or whose parameters changed is
    fitted anew, so that what a year of nights leaves behind is what one backfill makes.

    Parameters
    ----------
    rows
        Result of :func:`gnosis.learning.matrix.dataset`, from which ``folds`` were cut.
    folds
        Folds to train.
    already_trained
        Rows of ``models.trained``.
    parameters
        By model name, in place of :data:`gnosis.learning.models.PARAMETERS`; its keys are the models to train.

    Returns
    -------
    polars.DataFrame
        ``models.trained``, sorted by key. ``valid_from`` is the first session of the fold's test block: the model was
        complete before that session's close and serves until the next fold's model is valid.
    """
    chosen = models.PARAMETERS if parameters is None else parameters
    table = TABLES["models.trained"]
    stored = {
        tuple(row[name] for name in ("horizon_bars", "fold", "model_name", "dataset_sha256", "parameters", "seed")): row
        for row in (already_trained if already_trained is not None else table.empty()).iter_rows(named=True)
    }
    trained: list[dict[str, Any]] = []
    for fold in folds:
        part = rows[fold.train]
        features = as_array(part)
        data = dataset_sha256(part, features)
        for name, settings in chosen.items():
            described, seed = _identity(fold.horizon_bars, fold.number, name, settings)
            kept = stored.get((fold.horizon_bars, fold.number, name, data, described, seed))
            if kept is None:
                model = models.fit(
                    name,
                    features,
                    _target(part),
                    np.ones(part.height),
                    seed=seed,
                    parameters=settings,
                    stopping=stopping_slice(part) if name == "xgboost" else None,
                )
                kept = _row(rows, fold, name, model.to_bytes(), data, described, seed)
            trained.append(kept)
    return pl.DataFrame(trained, schema=table.polars_schema).sort(table.key)


def _row(
    rows: pl.DataFrame, fold: Fold, name: str, content: bytes, data: str, described: str, seed: int
) -> dict[str, Any]:
    """Build one row of ``models.trained``."""
    part = rows[fold.train]
    digest = models.model_sha256(content)
    return {
        "horizon_bars": fold.horizon_bars,
        "fold": fold.number,
        "model_name": name,
        "trained_through": part["t1"].dt.convert_time_zone(NEW_YORK.key).dt.date().max(),
        "valid_from": rows["session"][int(fold.test[0])],
        "model_version": f"h{fold.horizon_bars}-f{fold.number}-{digest[:12]}",
        "model_sha256": digest,
        "dataset_sha256": data,
        "feature_list_sha256": feature_list_sha256(),
        "n_train": part.height,
        "seed": seed,
        "parameters": described,
        "model_bytes": content,
        "synthetic": bool((part["synthetic"] | part["label_synthetic"]).any()),
    }


def configuration_of(trained: pl.DataFrame) -> dict[str, Any]:
    """Return the resolved configuration of each model in ``models.trained``, as logged with a training.

    Raises
    ------
    ValueError
        When the folds of one model were trained with different parameters.
    """
    distinct = trained.select("model_name", "parameters").unique().sort("model_name", "parameters")
    if distinct["model_name"].is_duplicated().any():
        raise ValueError("expected one set of parameters per model, found several; train all folds anew")
    return {name: json.loads(described) for name, described in distinct.iter_rows()}
