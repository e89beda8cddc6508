"""Gradient-boosted trees of LightGBM (Ke et al. 2017), an optional extra, stored as its text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gnosis.learning.families.answers import softmax, taken
from gnosis.learning.matrix import CATEGORIES, FEATURE_NAMES

if TYPE_CHECKING:
    import lightgbm
    from numpy.typing import NDArray

    from gnosis.learning.problem import Inputs, Problem

_THREADS = re.compile(r"^\[num_threads: .*\]\n", re.MULTILINE)
_OBJECTIVE = re.compile(r"^objective=(\w+)(?: num_class:(\d+))?", re.MULTILINE)
_FIXED = {
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}


@dataclass(frozen=True)
class LightgbmTrees:
    """Leaf-wise trees: missing values choose their side, categories are sets of codes.

    Attributes
    ----------
    text
        The native model without the line that names the thread count.
    booster
        The text, read; pinned to one thread.
    n_classes
        Of the head, from the objective in the text; 0 for a number.
    """

    text: str
    booster: lightgbm.Booster
    n_classes: int

    @classmethod
    def fit(cls, problem: Problem) -> LightgbmTrees:
        """Find the number of rounds on the last purged slice of the training window, then fit all of it (L-5.1).

        The parameters are ``max_rounds``, ``patience`` (rounds without improvement) and those of LightGBM. Without an
        earlier or a later slice ``max_rounds`` are fitted.

        Raises
        ------
        ValueError
            When ``bagging_fraction`` is below 1 and ``bagging_freq`` below 1: LightGBM would not sample rows at all.
        """
        import lightgbm as lgb

        settings = {**problem.parameters, **_FIXED, **_objective(problem.head.n_classes)}
        rounds, patience = int(settings.pop("max_rounds")), int(settings.pop("patience"))
        settings |= {"num_threads": problem.threads, "seed": problem.seed}
        _require_sampling(settings)
        if problem.earlier.size and problem.later.size:
            earlier = _dataset(problem, problem.earlier)
            trial = lgb.train(
                _sampling(settings, problem.earlier.size),
                earlier,
                num_boost_round=rounds,
                valid_sets=[_dataset(problem, problem.later, reference=earlier)],
                callbacks=[lgb.early_stopping(patience, verbose=False)],
            )
            rounds = trial.best_iteration
        every = np.arange(problem.rows.size)
        booster = lgb.train(_sampling(settings, every.size), _dataset(problem, every), num_boost_round=rounds)
        return cls.from_bytes(_THREADS.sub("", booster.model_to_string(num_iteration=-1)).encode())

    def scores(self, inputs: Inputs, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the native sums of leaves, shape (rows, outputs): log-odds or the number."""
        features = np.ascontiguousarray(taken(inputs.features, rows))
        sums = np.asarray(self.booster.predict(features, raw_score=True, num_threads=1), dtype=np.float64)
        return sums.reshape(rows.size, -1)

    def predict(self, inputs: Inputs, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the probabilities of the classes or the number, shape (rows, classes or 1)."""
        if not rows.size:
            return np.empty((0, max(self.n_classes, 1)))
        scores = self.scores(inputs, rows)
        if not self.n_classes:
            return scores
        return softmax(np.hstack([np.zeros_like(scores), scores]) if self.n_classes == 2 else scores)

    def to_bytes(self) -> bytes:
        """Return the text of LightGBM without the thread count, which is no part of the model."""
        return self.text.encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> LightgbmTrees:
        """Read what :meth:`to_bytes` wrote.

        Raises
        ------
        ValueError
            When the text names no objective.
        """
        import lightgbm as lgb

        text = content.decode()
        found = _OBJECTIVE.search(text)
        if found is None:
            raise ValueError(f"expected the text of a LightGBM model with an objective, found {text[:60]!r}")
        n_classes = {"regression": 0, "binary": 2}.get(found[1], int(found[2] or 0))
        return cls(text, lgb.Booster(model_str=text), n_classes)


def _objective(n_classes: int) -> dict[str, Any]:
    if not n_classes:
        return {"objective": "regression"}
    if n_classes == 2:
        return {"objective": "binary"}
    return {"objective": "multiclass", "num_class": n_classes}


def _require_sampling(settings: dict[str, Any]) -> None:
    if settings.get("bagging_fraction", 1.0) < 1.0 and settings.get("bagging_freq", 0) < 1:
        raise ValueError(
            f"expected bagging_freq of at least 1 beside bagging_fraction {settings['bagging_fraction']}, found "
            f"{settings.get('bagging_freq', 0)}: no row would be sampled"
        )


def _sampling(settings: dict[str, Any], n_rows: int) -> dict[str, Any]:
    # A fraction of very few rows is none, which LightGBM refuses to fit.
    return settings if n_rows * settings.get("bagging_fraction", 1.0) >= 1.0 else {**settings, "bagging_fraction": 1.0}


def _dataset(problem: Problem, which: NDArray[np.int64], reference: lightgbm.Dataset | None = None) -> lightgbm.Dataset:
    import lightgbm as lgb

    return lgb.Dataset(
        taken(problem.inputs.features, problem.rows[which]),
        label=problem.target[which],
        weight=problem.weights[which],
        feature_name=list(FEATURE_NAMES),
        categorical_feature=sorted(CATEGORIES),
        reference=reference,
        params={"verbosity": -1, "num_threads": problem.threads},
    )
