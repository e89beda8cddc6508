"""Gradient-boosted trees (XGBoost): the published model, stored as raw UBJ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gnosis.learning.baselines import N_CLASSES
from gnosis.learning.matrix import CATEGORIES, FEATURE_NAMES

if TYPE_CHECKING:
    from collections.abc import Mapping

    import xgboost
    from numpy.typing import NDArray

_FEATURE_TYPES = ["c" if at in CATEGORIES else "q" for at in range(len(FEATURE_NAMES))]


@dataclass(frozen=True)
class GradientBoosted:
    """Trees on the histogram of each feature: missing values have their own branch, categories are codes.

    Attributes
    ----------
    booster
        The native model, pinned to one thread.
    """

    booster: xgboost.Booster

    @classmethod
    def fit(
        cls,
        features: NDArray[np.float32],
        target: NDArray[np.int64],
        weights: NDArray[np.float64],
        *,
        parameters: Mapping[str, Any],
        seed: int,
        stopping: tuple[NDArray[np.int64], NDArray[np.int64]],
    ) -> GradientBoosted:
        """Find the number of rounds on the last purged slice of the training window, then fit all of it.

        Parameters
        ----------
        features, target, weights
            Shapes (rows, 27), (rows,) with classes 0 to 2, (rows,).
        parameters
            ``max_rounds``, ``patience`` (rounds without improvement) and ``booster``, the parameters of XGBoost.
        seed
            Of the row and column samples.
        stopping
            Positions of the rows to fit on and of the later rows that decide when to stop (L-5.1); they share no
            outcome time. With either empty, ``max_rounds`` are fitted.
        """
        import xgboost as xgb

        settings = {
            **parameters["booster"],
            "objective": "multi:softprob",
            "num_class": N_CLASSES,
            "tree_method": "hist",
            "nthread": 1,
            "seed": seed,
            "verbosity": 1,
        }
        earlier, later = stopping
        rounds = int(parameters["max_rounds"])
        if earlier.size and later.size:
            fitted = _matrix(features[earlier], target[earlier], weights[earlier], settings["max_bin"])
            judged = _matrix(features[later], target[later], weights[later], settings["max_bin"], reference=fitted)
            trial = xgb.train(
                settings,
                fitted,
                num_boost_round=rounds,
                evals=[(judged, "later")],
                early_stopping_rounds=int(parameters["patience"]),
                verbose_eval=False,
            )
            rounds = trial.best_iteration + 1
        booster = xgb.train(settings, _matrix(features, target, weights, settings["max_bin"]), num_boost_round=rounds)
        return cls.from_bytes(bytes(booster.save_raw(raw_format="ubj")))

    def predict_proba(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the probabilities of a fall, a flat outcome and a rise, shape (rows, 3), summing to 1 in float64."""
        if not len(features):
            return np.empty((0, N_CLASSES))
        raw = self.booster.inplace_predict(np.ascontiguousarray(features)).astype(np.float64)
        return raw / (raw[:, [0]] + raw[:, [1]] + raw[:, [2]])

    def to_bytes(self) -> bytes:
        """Return the model in XGBoost's binary JSON."""
        return bytes(self.booster.save_raw(raw_format="ubj"))

    @classmethod
    def from_bytes(cls, content: bytes) -> GradientBoosted:
        """Read what :meth:`to_bytes` wrote."""
        import xgboost as xgb

        booster = xgb.Booster({"nthread": 1})
        booster.load_model(bytearray(content))
        return cls(booster)


def _matrix(
    features: NDArray[np.float32],
    target: NDArray[np.int64],
    weights: NDArray[np.float64],
    max_bin: int,
    reference: xgboost.QuantileDMatrix | None = None,
) -> xgboost.QuantileDMatrix:
    import xgboost as xgb

    return xgb.QuantileDMatrix(
        features,
        label=target,
        weight=weights,
        feature_names=list(FEATURE_NAMES),
        feature_types=_FEATURE_TYPES,
        enable_categorical=True,
        max_bin=max_bin,
        nthread=1,
        ref=reference,
    )
