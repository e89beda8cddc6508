"""Gradient-boosted trees of XGBoost (Chen and Guestrin 2016): the published model, stored as raw UBJ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gnosis.learning.families.answers import softmax, taken
from gnosis.learning.matrix import CATEGORIES, FEATURE_NAMES

if TYPE_CHECKING:
    import xgboost
    from numpy.typing import NDArray

    from gnosis.learning.problem import Inputs, Problem

_FEATURE_TYPES = ["c" if at in CATEGORIES else "q" for at in range(len(FEATURE_NAMES))]
_N_CLASSES = "n_classes"


@dataclass(frozen=True)
class XgboostTrees:
    """Trees on the histogram of each feature: missing values have their own branch, categories are codes.

    Attributes
    ----------
    booster
        The native model, pinned to one thread; its attribute ``n_classes`` names the head's classes, 0 for a number.
    n_classes
        The same as a number.
    """

    booster: xgboost.Booster
    n_classes: int

    @classmethod
    def fit(cls, problem: Problem) -> XgboostTrees:
        """Find the number of rounds on the last purged slice of the training window, then fit all of it (L-5.1).

        The parameters are ``max_rounds``, ``patience`` (rounds without improvement) and those of XGBoost. Without an
        earlier or a later slice ``max_rounds`` are fitted.
        """
        import xgboost as xgb

        settings = {**problem.parameters, **_objective(problem.head.n_classes)}
        rounds, patience = int(settings.pop("max_rounds")), int(settings.pop("patience"))
        settings |= {"tree_method": "hist", "nthread": problem.threads, "seed": problem.seed, "verbosity": 1}
        if problem.earlier.size and problem.later.size:
            earlier = _matrix(problem, problem.earlier)
            trial = xgb.train(
                settings,
                earlier,
                num_boost_round=rounds,
                evals=[(_matrix(problem, problem.later, earlier), "later")],
                early_stopping_rounds=patience,
                verbose_eval=False,
            )
            rounds = trial.best_iteration + 1
        booster = xgb.train(settings, _matrix(problem, np.arange(problem.rows.size)), num_boost_round=rounds)
        booster.set_attr(**{_N_CLASSES: str(problem.head.n_classes)})
        return cls.from_bytes(bytes(booster.save_raw(raw_format="ubj")))

    def margins(self, inputs: Inputs, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the native sums of leaves, float32 of shape (rows, outputs): log-odds or the number."""
        features = np.ascontiguousarray(taken(inputs.features, rows))
        sums: NDArray[np.float32] = self.booster.inplace_predict(features, predict_type="margin", strict_shape=True)
        return sums

    def predict(self, inputs: Inputs, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the probabilities of the classes or the number, shape (rows, classes or 1).

        Probabilities are made of the native margins in float64: those of the library are rounded to float32 and do not
        sum to 1.
        """
        if not rows.size:
            return np.empty((0, max(self.n_classes, 1)))
        scores = self.margins(inputs, rows).astype(np.float64)
        if not self.n_classes:
            return scores
        return softmax(np.hstack([np.zeros_like(scores), scores]) if self.n_classes == 2 else scores)

    def to_bytes(self) -> bytes:
        """Return the model in XGBoost's binary JSON."""
        return bytes(self.booster.save_raw(raw_format="ubj"))

    @classmethod
    def from_bytes(cls, content: bytes) -> XgboostTrees:
        """Read what :meth:`to_bytes` wrote.

        Raises
        ------
        ValueError
            When the model does not say how many classes it tells apart.
        """
        import xgboost as xgb

        booster = xgb.Booster({"nthread": 1})
        booster.load_model(bytearray(content))
        n_classes = booster.attr(_N_CLASSES)
        if n_classes is None:
            raise ValueError(f"expected a model with attribute {_N_CLASSES}, found none; it was not fitted here")
        return cls(booster, int(n_classes))


def _objective(n_classes: int) -> dict[str, Any]:
    if not n_classes:
        return {"objective": "reg:squarederror"}
    if n_classes == 2:
        return {"objective": "binary:logistic"}
    return {"objective": "multi:softprob", "num_class": n_classes}


def _matrix(
    problem: Problem, which: NDArray[np.int64], reference: xgboost.QuantileDMatrix | None = None
) -> xgboost.QuantileDMatrix:
    import xgboost as xgb

    features = taken(problem.inputs.features, problem.rows[which])
    if reference is not None:
        features = _with_known_categories(features, taken(problem.inputs.features, problem.rows[problem.earlier]))
    return xgb.QuantileDMatrix(
        features,
        label=problem.target[which],
        weight=problem.weights[which],
        feature_names=list(FEATURE_NAMES),
        feature_types=_FEATURE_TYPES,
        enable_categorical=True,
        max_bin=int(problem.parameters["max_bin"]),
        nthread=problem.threads,
        ref=reference,
    )


def _with_known_categories(features: NDArray[np.float32], fitted: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return features with codes beyond the largest fitted one as missing: the library refuses to look them up."""
    known = features.copy()
    for column in CATEGORIES:
        largest = np.fmax.reduce(fitted[:, column], initial=-1.0)
        known[known[:, column] > largest, column] = np.nan
    return known
