"""What a home knows to be in the tracking store, so that most nights need not open it: opening costs seconds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import polars as pl

from resources.tracking.registry import Standing, standings
from resources.tracking.training import joined_sha256

if TYPE_CHECKING:
    from resources.tracking.store import Tracking

_FILE = "mlflow_record.json"


def recorded_run(tracking: Tracking, trained: pl.DataFrame) -> str | None:
    """Return the run that holds exactly these models, from the home's own record, without opening MLflow.

    Parameters
    ----------
    tracking
        The store asked about.
    trained
        Rows of ``models.trained`` of one head and horizon.
    """
    found = _read(tracking)["runs"].get(joined_sha256(trained.sort("fold", "model_name")["model_sha256"]))
    return None if found is None else str(found["run_id"])


def recorded_promotion(tracking: Tracking, promotion: pl.DataFrame, universe: str) -> bool:
    """Return whether the registry shows these decisions already, without opening MLflow.

    Parameters
    ----------
    tracking
        The store asked about.
    promotion
        Rows of ``models.promotion``.
    universe
        As in :class:`Training`.
    """
    known = _read(tracking)["promotions"]
    return all(known.get(standing.name) == standing.sha256 for standing in standings(promotion, universe))


def recorded_figures(tracking: Tracking, trained: pl.DataFrame) -> dict[str, float]:
    """Return the figures that were measured while exactly these models were fitted; empty when none were.

    Parameters
    ----------
    tracking
        The store that they will be logged to.
    trained
        Rows of ``models.trained`` of one head and horizon.
    """
    known = _all(tracking).get(tracking.address, {}).get("figures", {})
    return dict(known.get(joined_sha256(trained.sort("fold", "model_name")["model_sha256"]), {}))


def remember_figures(tracking: Tracking, trained: pl.DataFrame, figures: dict[str, float]) -> None:
    """Record figures of the fitting of these models, of one head and horizon, until they are logged."""
    _write(tracking, "figures", joined_sha256(trained.sort("fold", "model_name")["model_sha256"]), figures)


def experiment_of(tracking: Tracking, run_id: str) -> str | None:
    """Return the experiment of a recorded run."""
    found = [run["experiment_id"] for run in _read(tracking)["runs"].values() if run["run_id"] == run_id]
    return str(found[0]) if found else None


def remember_run(tracking: Tracking, models_sha256: str, run_id: str, experiment_id: str) -> None:
    """Record that a run holds these models."""
    _write(tracking, "runs", models_sha256, {"run_id": run_id, "experiment_id": experiment_id})


def remember_standing(tracking: Tracking, standing: Standing) -> None:
    """Record that the registry shows these decisions."""
    _write(tracking, "promotions", standing.name, standing.sha256)


def _all(tracking: Tracking) -> dict[str, Any]:
    path = tracking.home / _FILE
    return dict(json.loads(path.read_text())) if path.exists() else {}


def _read(tracking: Tracking) -> dict[str, dict[str, Any]]:
    empty: dict[str, dict[str, Any]] = {"runs": {}, "promotions": {}}
    # A local store that was deleted holds nothing, whatever was recorded.
    return empty if tracking.is_deleted else empty | _all(tracking).get(tracking.address, {})


def _write(tracking: Tracking, kind: str, key: str, value: Any) -> None:
    known = _all(tracking)
    known.setdefault(tracking.address, {}).setdefault(kind, {})[key] = value
    path = tracking.home / _FILE
    aside = path.with_suffix(".tmp")
    aside.write_text(json.dumps(known, indent=1, sort_keys=True))
    aside.replace(path)
