"""Experiment tracking as a Dagster resource."""

from __future__ import annotations

from pathlib import Path

import dagster as dg

from resources.tracking import Tracking


class TrackingResource(dg.ConfigurableResource):
    """Opens the MLflow store of one home, or the tracking server at ``uri``.

    ``mlflow_url`` and ``dagster_url`` are where the pages of both are, for links from each to the other.
    """

    home: str
    uri: str | None = None
    mlflow_url: str | None = None
    dagster_url: str | None = None

    def tracking(self) -> Tracking:
        """Return the tracking store; MLflow itself is imported when something is logged."""
        return Tracking(home=Path(self.home), uri=self.uri, mlflow_url=self.mlflow_url, dagster_url=self.dagster_url)
