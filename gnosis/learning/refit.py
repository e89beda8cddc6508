"""A stored model fitted again from its training rows, with one thread and with two (G10, L-13.3)."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gnosis.learning import models
from gnosis.learning.fitting import Part
from gnosis.learning.folds import walk_forward
from gnosis.learning.heads import HEADS
from gnosis.learning.material import Material

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

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
    material = Material.of(features, dataset, int(model["horizon_bars"]))
    folds = {fold.number: fold for fold in walk_forward(material.rows)}
    fold = folds.get(model["fold"])
    part = None if fold is None else Part.of(material.rows, material.inputs, fold.train, HEADS[model["head"]])
    if fold is None or part is None:
        raise RefitError(
            f"expected the training rows of {model['model_version']} in models.dataset, found none of fold "
            f"{model['fold']}; train models.trained anew"
        )
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


__all__ = ["RefitError", "refitted_hashes"]
