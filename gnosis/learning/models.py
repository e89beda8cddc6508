"""The models by name: how each is fitted, stored, read back and identified."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from gnosis.learning.baselines import Logistic, Majority, canonical_json
from gnosis.learning.boosting import GradientBoosted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

PUBLISHED = "xgboost"
PARAMETERS: Mapping[str, Mapping[str, Any]] = {
    "majority": {},
    "logistic": {"inverse_penalty": 0.01, "tolerance": 1e-6, "max_iterations": 200},
    "xgboost": {
        "max_rounds": 150,
        "patience": 20,
        "booster": {
            "max_depth": 3,
            "eta": 0.05,
            "min_child_weight": 20.0,
            "subsample": 0.8,
            "colsample_bytree": 0.8,
            "lambda": 10.0,
            "max_bin": 256,
        },
    },
}


class TrainedModel(Protocol):
    """What every model can do, whatever its kind."""

    def predict_proba(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the probabilities of a fall, a flat outcome and a rise, shape (rows, 3)."""
        ...

    def to_bytes(self) -> bytes:
        """Return the canonical form: the same model is always the same bytes."""
        ...


_KINDS: dict[str, Any] = {"majority": Majority, "logistic": Logistic, "xgboost": GradientBoosted}


def _kind(model_name: str) -> Any:
    if model_name not in _KINDS:
        raise ValueError(f"expected one of the models {list(_KINDS)}, found {model_name!r}")
    return _KINDS[model_name]


def fit(
    model_name: str,
    features: NDArray[np.float32],
    target: NDArray[np.int64],
    weights: NDArray[np.float64],
    *,
    seed: int,
    parameters: Mapping[str, Any] | None = None,
    stopping: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None,
) -> TrainedModel:
    """Fit one model.

    Parameters
    ----------
    model_name
        ``majority``, ``logistic`` or ``xgboost``.
    features
        float32, shape (rows, 27), NaN where missing, categories as registry codes.
    target
        Classes 0 (down), 1 (flat), 2 (up), shape (rows,).
    weights
        Positive row weights, shape (rows,).
    seed
        The only source of randomness.
    parameters
        In place of ``PARAMETERS[model_name]``.
    stopping
        Positions to fit on and to stop on; only XGBoost uses them.

    Examples
    --------
    >>> rows = np.zeros((4, 27), dtype=np.float32)
    >>> model = fit("majority", rows, np.array([0, 2, 2, 2]), np.ones(4), seed=1)
    >>> model.predict_proba(rows[:1]).round(4).tolist()
    [[0.2857, 0.1429, 0.5714]]
    """
    if not len(features) == len(target) == len(weights) or not len(target):
        raise ValueError(
            f"expected as many features, targets and weights, at least one, found {len(features)}, {len(target)} and "
            f"{len(weights)}"
        )
    nothing = np.empty(0, dtype=np.int64)
    model: TrainedModel = _kind(model_name).fit(
        features,
        target,
        weights,
        parameters=PARAMETERS[model_name] if parameters is None else parameters,
        seed=seed,
        stopping=(nothing, nothing) if stopping is None else stopping,
    )
    return model


def load(model_name: str, content: bytes) -> TrainedModel:
    """Return the model that ``to_bytes`` wrote."""
    model: TrainedModel = _kind(model_name).from_bytes(content)
    return model


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
