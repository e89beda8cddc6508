"""Learning: labels of decisions, purged folds, models beside their baselines, predictions and what they were worth.

One way through the room, each step a pure function of frames:

``labels.labels`` -> ``feature_rows`` -> ``dataset`` -> ``walk_forward`` -> ``tune`` -> ``train`` -> ``head_answers`` ->
``evaluate``; every night ``drift`` -> ``predict``; before a version is promoted ``gates`` -> ``decide``
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gnosis.learning.decisions import known_at_decision
    from gnosis.learning.drift_state import asks_for_retraining
    from gnosis.learning.evaluation import evaluate
    from gnosis.learning.folds import Fold, folds_frame, walk_forward
    from gnosis.learning.importance import permutation_importance
    from gnosis.learning.judged import scored
    from gnosis.learning.labels import LOOKBACK_SESSIONS
    from gnosis.learning.matrix import FeatureRowsError, LookAheadError, dataset, feature_rows
    from gnosis.learning.prediction import StaleModelError, predict
    from gnosis.learning.purging import FoldsError
    from gnosis.learning.training import train
    from gnosis.learning.tuning import tune

__all__ = [
    "LOOKBACK_SESSIONS",
    "FeatureRowsError",
    "Fold",
    "FoldsError",
    "LookAheadError",
    "StaleModelError",
    "asks_for_retraining",
    "dataset",
    "evaluate",
    "feature_rows",
    "folds_frame",
    "known_at_decision",
    "permutation_importance",
    "predict",
    "scored",
    "train",
    "tune",
    "walk_forward",
]

_HOMES = {
    "FeatureRowsError": "matrix",
    "Fold": "folds",
    "FoldsError": "purging",
    "LOOKBACK_SESSIONS": "labels",
    "LookAheadError": "matrix",
    "StaleModelError": "prediction",
    "asks_for_retraining": "drift_state",
    "dataset": "matrix",
    "evaluate": "evaluation",
    "feature_rows": "matrix",
    "folds_frame": "folds",
    "known_at_decision": "decisions",
    "permutation_importance": "importance",
    "predict": "prediction",
    "scored": "judged",
    "train": "training",
    "tune": "tuning",
    "walk_forward": "folds",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for: the kernels and their compiler cost a second of every start.

    A function that bears the name of its module, such as ``head_answers``, is imported from there.
    """
    if name in _HOMES:
        return getattr(import_module(f"gnosis.learning.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'gnosis.learning' has no attribute {name!r}")
