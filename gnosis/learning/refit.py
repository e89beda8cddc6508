"""A stored model fitted again from its training rows: with one thread and with two (G10), and without features."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gnosis.learning import models
from gnosis.learning.cross_validation import purged_k_fold
from gnosis.learning.fitting import INNER_FOLDS, Part
from gnosis.learning.folds import walk_forward
from gnosis.learning.heads import HEADS
from gnosis.learning.importance import group_ablation
from gnosis.learning.material import Material

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

    from gnosis.learning.folds import Fold

THREADS = (1, 2)


class RefitError(ValueError):
    """A stored model whose training rows are not there."""


def refitted_hashes(
    features: pl.DataFrame, dataset: pl.DataFrame, model: Mapping[str, Any]
) -> dict[str, tuple[str, str]]:
    """Fit a stored model twice and hash what comes out.

    Parameters
    ----------
    features
        Result of :func:`gnosis.learning.matrix.feature_rows`.
    dataset
        Rows of ``models.dataset``.
    model
        One row of ``models.trained``, not of a stack.

    Returns
    -------
    dict
        Pairs that have to be equal: ``model_sha256`` and ``predictions_sha256`` of the fits with one and with two
        threads, and ``stored_model_sha256`` of the stored model and of the first fit. The predictions are those for the
        test block of the fold before calibration: the calibrator has no threads.

    Raises
    ------
    RefitError
        When the fold of the model is not in the data set, or has too few rows for its head.
    """
    material, fold, part = _training_rows(features, dataset, model)
    weights = part.weights(with_energy=model["energy_weight"] == "kept")
    problem = part.problem(part.fit, weights, json.loads(model["parameters"])["model"], model["seed"])
    hashes: list[tuple[str, str]] = []
    for threads in THREADS:
        fitted = models.fit(model["model_name"], replace(problem, threads=threads))
        answers = np.ascontiguousarray(fitted.predict(material.inputs, fold.test), dtype="<f8")
        hashes.append((models.model_sha256(fitted.to_bytes()), hashlib.sha256(answers.tobytes()).hexdigest()))
    (bytes_one, answers_one), (bytes_two, answers_two) = hashes
    return {
        "model_sha256": (bytes_one, bytes_two),
        "predictions_sha256": (answers_one, answers_two),
        "stored_model_sha256": (model["model_sha256"], bytes_one),
    }


def ablation_by_group(features: pl.DataFrame, dataset: pl.DataFrame, model: Mapping[str, Any]) -> pl.DataFrame:
    """Return what a stored model loses when it is fitted without a group of features, by purged cross-validation.

    Only the rows that it was fitted to are looked at, in five contiguous folds (L-4.4, L-5.5).

    Parameters
    ----------
    features, dataset, model
        As of :func:`refitted_hashes`.

    Returns
    -------
    polars.DataFrame
        Result of :func:`gnosis.learning.importance.group_ablation`.

    Raises
    ------
    RefitError
        As of :func:`refitted_hashes`.
    """
    _, _, part = _training_rows(features, dataset, model)
    weights = part.weights(with_energy=model["energy_weight"] == "kept")
    parameters = json.loads(model["parameters"])["model"]
    t0, t1 = (instants[part.fit] for instants in part.times)
    folds = []
    for split in purged_k_fold(t0, t1, n_splits=INNER_FOLDS):
        problem = part.problem(part.fit[split.train], weights[split.train], parameters, model["seed"])
        judged = part.fit[split.test]
        folds.append((problem, part.positions[judged], part.target[judged]))
    return group_ablation(model["model_name"], folds)


def _training_rows(
    features: pl.DataFrame, dataset: pl.DataFrame, model: Mapping[str, Any]
) -> tuple[Material, Fold, Part]:
    material = Material.of(features, dataset, int(model["horizon_bars"]))
    folds = {fold.number: fold for fold in walk_forward(material.rows)}
    fold = folds.get(model["fold"])
    part = None if fold is None else Part.of(material.rows, material.inputs, fold.train, HEADS[model["head"]])
    if fold is None or part is None:
        raise RefitError(
            f"expected the training rows of {model['model_version']} in models.dataset, found none of fold "
            f"{model['fold']}; train models.trained anew"
        )
    return material, fold, part


__all__ = ["RefitError", "ablation_by_group", "refitted_hashes"]
