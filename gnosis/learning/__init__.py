"""Learning: labels of decisions, purged folds, models beside their baselines, predictions and what they were worth.

One way through the room, each step a pure function of frames:

``labels.labels`` -> ``feature_rows`` -> ``dataset`` -> ``walk_forward`` -> ``train`` -> ``predict`` -> ``evaluate``
"""

from gnosis.learning.evaluation import evaluate, scored
from gnosis.learning.feature_report import feature_report
from gnosis.learning.folds import Fold, FoldsError, folds_frame, walk_forward
from gnosis.learning.importance import permutation_importance
from gnosis.learning.labels import LOOKBACK_SESSIONS, BarsError
from gnosis.learning.matrix import FeatureRowsError, LookAheadError, dataset, feature_rows
from gnosis.learning.prediction import StaleModelError, predict
from gnosis.learning.training import due_folds, train

__all__ = [
    "LOOKBACK_SESSIONS",
    "BarsError",
    "FeatureRowsError",
    "Fold",
    "FoldsError",
    "LookAheadError",
    "StaleModelError",
    "dataset",
    "due_folds",
    "evaluate",
    "feature_report",
    "feature_rows",
    "folds_frame",
    "permutation_importance",
    "predict",
    "scored",
    "train",
    "walk_forward",
]
