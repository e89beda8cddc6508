"""Tracking: trainings as MLflow runs and models in its registry. The only place that imports MLflow.

MLflow is where people look, not where the truth is: every model lives in ``models.trained`` and every decision about
the champion in ``models.promotion``, so a tracking server that is down costs a page of charts and never a model.
"""

from resources.tracking.errors import TrackingError
from resources.tracking.links import registered_name
from resources.tracking.record import recorded_figures, recorded_promotion, recorded_run, remember_figures
from resources.tracking.store import Tracking
from resources.tracking.training import REQUIRED_TAGS, Training, identity_tags

__all__ = [
    "REQUIRED_TAGS",
    "Tracking",
    "TrackingError",
    "Training",
    "identity_tags",
    "recorded_figures",
    "recorded_promotion",
    "recorded_run",
    "registered_name",
    "remember_figures",
]
