"""Small problems for every family and head, with missing values, categories and an edge in the first feature."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from gnosis.learning import models
from gnosis.learning.heads import HEADS
from gnosis.learning.matrix import CATEGORIES, FEATURE_NAMES
from gnosis.learning.problem import Inputs, Problem, TrainedModel

N_SYMBOLS = 5
EMPTY = 5
"""A feature without any value."""
NOTHING = np.empty(0, dtype=np.int64)
SHORT: Mapping[str, Mapping[str, Any]] = {
    "hist_gradient_boosting": {"max_iter": 4, "max_bins": 7},
    "xgboost": {"max_rounds": 6, "patience": 3, "max_bin": 16},
    "lightgbm": {"max_rounds": 6, "patience": 3, "max_bin": 15},
    "sequence": {"epochs": 2, "patience": 2, "hidden": 8},
}
"""Settings that differ from the product's, for speed."""
PAIRS = [(head.name, name) for head in HEADS.values() for name in head.models]


def problem(head: str, name: str = "majority", *, n: int = 300, seed: int = 8, threads: int = 1) -> Problem:
    """Rows of five symbols; the answer leans on the first feature."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, len(FEATURE_NAMES))).astype(np.float32)
    for at, names in CATEGORIES.items():
        features[:, at] = rng.integers(0, len(names), n)
    lean = 0.8 * features[:, 0] + rng.normal(size=n)
    target = {3: np.where(lean < -0.1, 0, np.where(lean > 0.1, 2, 1)), 2: lean > 0.0, 0: 0.2 * lean - 1.5}
    features[rng.random(features.shape) < 0.05] = np.nan
    features[:, EMPTY] = np.nan
    rows = np.arange(n)
    inputs = Inputs(features, rows % N_SYMBOLS, 100 + rows // N_SYMBOLS, np.exp(rng.normal(size=n) * 0.3 - 4.5))
    weights = rng.uniform(0.5, 1.5, n)
    return Problem(
        head=HEADS[head],
        inputs=inputs,
        rows=rows,
        target=target[HEADS[head].n_classes].astype(np.float64),
        weights=weights / weights.mean(),
        earlier=rows[: int(0.7 * n)],
        later=rows[int(0.8 * n) :],
        parameters={**models.PARAMETERS[name], **SHORT.get(name, {})},
        seed=7,
        threads=threads,
    )


def kept(asked: Problem, which: np.ndarray) -> Problem:
    """The problem of some of its rows, without stopping."""
    return replace(
        asked,
        rows=asked.rows[which],
        target=asked.target[which],
        weights=asked.weights[which],
        earlier=NOTHING,
        later=NOTHING,
    )


def fit(name: str, asked: Problem) -> TrainedModel:
    """Fit a family; the stack on answers of two others for their own rows, which only a test may do."""
    if name != "stack":
        return models.fit(name, asked)
    bases = ("majority", "logistic" if asked.head.is_classes else "ridge")
    fitted = {base: models.fit(base, replace(asked, parameters=models.PARAMETERS[base])) for base in bases}
    answers = {base: model.predict(asked.inputs, asked.rows) for base, model in fitted.items()}
    return models.fit_stack(asked.head, answers, asked.target, asked.weights, asked.parameters, fitted)


@cache
def fitted(head: str, name: str, threads: int = 1) -> TrainedModel:
    """The family's answer to :func:`problem`."""
    return fit(name, problem(head, name, threads=threads))


def hashes() -> dict[str, str]:
    """SHA-256 of every installed family for every head."""
    return {
        f"{head} {name}": models.model_sha256(fitted(head, name).to_bytes())
        for head, name in PAIRS
        if models.is_installed(name)
    }
