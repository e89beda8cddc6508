"""Learning: labels of decisions, purged folds, models beside their baselines, predictions and what they were worth.

One way through the room, each step a pure function of frames:

``labels.labels`` -> ``feature_rows`` -> ``dataset`` -> ``walk_forward`` -> ``tune`` -> ``train`` -> ``head_answers`` ->
``evaluate``; every night ``drift`` -> ``predict``; before a version is promoted ``gates`` -> ``decide``
"""

from gnosis.learning.decisions import known_at_decision
from gnosis.learning.drift_rows import drift
from gnosis.learning.drift_state import asks_for_retraining
from gnosis.learning.evaluation import evaluate
from gnosis.learning.feature_report import feature_report
from gnosis.learning.folds import Fold, folds_frame, walk_forward
from gnosis.learning.head_answers import head_answers
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
    "drift",
    "evaluate",
    "feature_report",
    "feature_rows",
    "folds_frame",
    "head_answers",
    "known_at_decision",
    "permutation_importance",
    "predict",
    "scored",
    "train",
    "tune",
    "walk_forward",
]
