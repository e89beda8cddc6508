"""The model families by name: how each is fitted, stored, read back, identified and tuned."""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from gnosis.learning.canonical import canonical_json
from gnosis.learning.families.ewma import Ewma
from gnosis.learning.families.histogram_trees import HistogramTrees
from gnosis.learning.families.lightgbm_trees import LightgbmTrees
from gnosis.learning.families.logistic import Logistic
from gnosis.learning.families.majority import Majority
from gnosis.learning.families.ridge import Ridge
from gnosis.learning.families.sequence import Sequence
from gnosis.learning.families.stack import Stack, fit_stack
from gnosis.learning.families.xgboost_trees import XgboostTrees
from gnosis.learning.heads import PUBLISHED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gnosis.learning.problem import Family, Problem, TrainedModel

__all__ = [
    "FAMILIES",
    "OPTIONAL",
    "PARAMETERS",
    "PUBLISHED",
    "SEARCH_SPACES",
    "fit",
    "fit_stack",
    "is_installed",
    "load",
    "model_sha256",
    "seed_of",
]

FAMILIES: Mapping[str, type[Family]] = {
    "majority": Majority,
    "logistic": Logistic,
    "ridge": Ridge,
    "ewma": Ewma,
    "hist_gradient_boosting": HistogramTrees,
    "xgboost": XgboostTrees,
    "lightgbm": LightgbmTrees,
    "sequence": Sequence,
    "stack": Stack,
}
PARAMETERS: Mapping[str, Mapping[str, Any]] = {
    "majority": {},
    "logistic": {"C": 0.01, "tolerance": 1e-6, "max_iterations": 1000},
    "ridge": {"C": 0.01},
    "ewma": {},
    "hist_gradient_boosting": {
        "max_iter": 60,
        "learning_rate": 0.05,
        "max_leaf_nodes": 15,
        "min_samples_leaf": 50,
        "l2_regularization": 10.0,
        "max_bins": 31,
    },
    "xgboost": {
        "max_rounds": 150,
        "patience": 20,
        "max_depth": 3,
        "eta": 0.05,
        "min_child_weight": 20.0,
        "subsample": 0.8,
        "colsample_bytree": 0.5,
        "lambda": 10.0,
        "alpha": 0.0,
        "max_bin": 256,
    },
    "lightgbm": {
        "max_rounds": 150,
        "patience": 20,
        "num_leaves": 15,
        "min_data_in_leaf": 50,
        "learning_rate": 0.05,
        "lambda_l1": 0.0,
        "lambda_l2": 10.0,
        "feature_fraction": 0.5,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
    },
    "sequence": {
        "epochs": 100,
        "patience": 10,
        "batch_size": 256,
        "hidden": 64,
        "dropout": 0.1,
        "learning_rate": 1e-3,
        "largest_gradient": 1.0,
    },
    "stack": {"C": 1.0},
}
"""Settings of each family where no study has found others."""


def _range(kind: str, low: float, high: float, *, log: bool = False) -> dict[str, Any]:
    return {"kind": kind, "low": low, "high": high, "log": log}


SEARCH_SPACES: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "logistic": {"C": _range("float", 1e-4, 10.0, log=True)},
    "ridge": {"C": _range("float", 1e-4, 10.0, log=True)},
    "hist_gradient_boosting": {
        "max_iter": _range("int", 30, 300, log=True),
        "learning_rate": _range("float", 0.01, 0.2, log=True),
        "max_leaf_nodes": _range("int", 15, 127),
        "min_samples_leaf": _range("int", 20, 500, log=True),
        "l2_regularization": _range("float", 1e-3, 100.0, log=True),
    },
    "xgboost": {
        "max_depth": _range("int", 3, 8),
        "eta": _range("float", 0.01, 0.2, log=True),
        "min_child_weight": _range("float", 1.0, 100.0, log=True),
        "subsample": _range("float", 0.5, 1.0),
        "colsample_bytree": _range("float", 0.3, 1.0),
        "lambda": _range("float", 1e-3, 100.0, log=True),
        "alpha": _range("float", 1e-3, 10.0, log=True),
    },
    "lightgbm": {
        "num_leaves": _range("int", 15, 127),
        "min_data_in_leaf": _range("int", 20, 500, log=True),
        "learning_rate": _range("float", 0.01, 0.2, log=True),
        "lambda_l1": _range("float", 1e-3, 10.0, log=True),
        "lambda_l2": _range("float", 1e-3, 100.0, log=True),
        "feature_fraction": _range("float", 0.3, 1.0),
    },
    "sequence": {
        "hidden": _range("int", 32, 128),
        "dropout": _range("float", 0.0, 0.4),
        "learning_rate": _range("float", 1e-4, 3e-3, log=True),
    },
}
"""What a study may try, by family and parameter: kind of number, both ends, ``log`` for a logarithmic scale."""

OPTIONAL: Mapping[str, tuple[str, ...]] = {"lightgbm": ("lightgbm",), "sequence": ("torch", "safetensors")}
"""Libraries that a family needs and that may be absent."""


def is_installed(name: str) -> bool:
    """Return whether the optional libraries of a family are there; without them it is left out of a run (L-5.3).

    Examples
    --------
    >>> is_installed("xgboost")
    True
    """
    _family(name)
    return all(find_spec(library) is not None for library in OPTIONAL.get(name, ()))


def _family(name: str) -> type[Family]:
    if name not in FAMILIES:
        raise ValueError(f"expected one of the families {list(FAMILIES)}, found {name!r}")
    return FAMILIES[name]


def fit(name: str, problem: Problem) -> TrainedModel:
    """Fit one family.

    Raises
    ------
    ValueError
        A family that the head does not list, no rows, or targets and weights that are not as the problem says.

    Examples
    --------
    >>> from gnosis.learning.heads import HEADS
    >>> from gnosis.learning.problem import Inputs, Problem
    >>> ahead = np.arange(4)
    >>> inputs = Inputs(np.zeros((4, 141), dtype=np.float32), ahead * 0, ahead, np.full(4, 0.01))
    >>> nothing = np.empty(0, dtype=np.int64)
    >>> target = np.array([0.0, 2.0, 2.0, 2.0])
    >>> problem = Problem(HEADS["direction"], inputs, ahead, target, np.ones(4), nothing, nothing, {}, seed=1)
    >>> fit("majority", problem).predict(inputs, ahead[:1]).round(4).tolist()
    [[0.2857, 0.1429, 0.5714]]
    """
    family = _family(name)
    if name not in problem.head.models:
        raise ValueError(f"expected one of {problem.head.models} for head {problem.head.name}, found {name!r}")
    sizes = problem.rows.size, problem.target.size, problem.weights.size
    if len(set(sizes)) > 1 or not sizes[0]:
        raise ValueError(f"expected as many rows, targets and weights, at least one, found {sizes}")
    if not (np.isfinite(problem.target).all() and np.isfinite(problem.weights).all() and (problem.weights > 0).all()):
        raise ValueError(
            f"expected finite targets and positive weights for head {problem.head.name}, found others; leave out rows "
            "whose outcome is unknown"
        )
    return family.fit(problem)


def load(name: str, content: bytes) -> TrainedModel:
    """Return the model of a family that ``to_bytes`` wrote."""
    return _family(name).from_bytes(content)


def model_sha256(content: bytes) -> str:
    """Return the hash of a model's canonical bytes (L-13.2)."""
    return hashlib.sha256(content).hexdigest()


def seed_of(configuration: Mapping[str, Any]) -> int:
    """Return the seed that belongs to a configuration, between 0 and 2^31 - 1 (L-13.4).

    Examples
    --------
    >>> seed_of({"fold": 0}), seed_of({"fold": 1})
    (188943600, 1286339299)
    """
    digest = hashlib.sha256(canonical_json(configuration).encode()).hexdigest()
    return int(np.random.SeedSequence(int(digest[:16], 16)).spawn(1)[0].generate_state(1)[0] >> 1)
