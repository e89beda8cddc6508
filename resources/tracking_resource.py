"""Experiment tracking as a Dagster resource."""

from __future__ import annotations

from pathlib import Path

import dagster as dg

from resources.tracking import Tracking


class TrackingResource(dg.ConfigurableResource):
    """Opens the MLflow store of one home, or the tracking server at ``uri``."""

    home: str
    uri: str | None = None

    def tracking(self) -> Tracking:
        """Return the tracking store; MLflow itself is imported when something is logged."""
        return Tracking(home=Path(self.home), uri=self.uri)
