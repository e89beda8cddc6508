"""The model registry: one registered model per head, horizon and universe, its aliases a mirror of the lake.

``models.promotion`` decides who is champion. An alias moved here by hand changes no prediction and is moved back.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from resources.tracking.errors import TrackingError
from resources.tracking.links import registered_name

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.tracking import MlflowClient

ALIASES = ("champion", "challenger", "previous")


@dataclass(frozen=True)
class Standing:
    """Who is who of one registered model, by the decisions about it.

    Attributes
    ----------
    name
        Of the registered model.
    aliases
        Alias to model version; None where nobody holds it.
    decisions
        By model version: what its last decision says, as tags.
    sha256
        Hash of all of it.
    """

    name: str
    aliases: dict[str, str | None]
    decisions: dict[str, dict[str, str]]
    sha256: str


def standings(promotion: pl.DataFrame, universe: str) -> list[Standing]:
    """Return the standing of every head and horizon in rows of ``models.promotion``.

    The challenger is the version judged last by gates, unless it is champion or previous champion by now.
    """
    return [
        _standing(rows.sort("decision_number"), universe)
        for _, rows in promotion.sort("head", "horizon_bars").group_by("head", "horizon_bars", maintain_order=True)
    ]


def _standing(rows: pl.DataFrame, universe: str) -> Standing:
    last = rows.row(-1, named=True)
    judged = rows.filter(pl.col("decision").is_in(["promote", "reject"]))["model_version"].to_list()
    held = {last["champion"], last["previous"]}
    aliases: dict[str, str | None] = {
        "champion": last["champion"],
        "challenger": judged[-1] if judged and judged[-1] not in held else None,
        "previous": last["previous"],
    }
    decisions = {
        row["model_version"]: {
            "decision": row["decision"],
            "decided_on": row["session"].isoformat(),
            "failed_gates": row["failed_gates"] or "none",
            "document_sha256": row["document_sha256"],
        }
        for row in rows.iter_rows(named=True)
    }
    name = registered_name(last["head"], last["horizon_bars"], universe)
    digest = hashlib.sha256(repr((aliases, sorted(decisions.items()))).encode()).hexdigest()
    return Standing(name, aliases, decisions, digest)


def require_model(client: MlflowClient, name: str, tags: dict[str, str]) -> None:
    """Create the registered model where it does not exist."""
    if not client.search_registered_models(f"name = '{name}'", max_results=1):
        description = (
            f"{tags['head']} over {tags['horizon_bars']} sessions on {tags['universe']}. Every version is a model of "
            "`models.trained`; the aliases mirror `models.promotion`, where champions are decided: moving one here "
            "changes no prediction. A logged model answers before calibration; `calibrator.json` lies beside it."
        )
        client.create_registered_model(name, tags=tags, description=description)


def versions_of(client: MlflowClient, name: str) -> dict[str, ModelVersion]:
    """Return the registered versions by their ``model_version``, the first of each."""
    found: dict[str, ModelVersion] = {}
    token = None
    while True:
        page = client.search_model_versions(f"name = '{name}'", order_by=["version_number ASC"], page_token=token)
        for version in page:
            found.setdefault(version.tags.get("model_version", ""), version)
        token = page.token
        if not token:
            return found


def mirror(client: MlflowClient, standing: Standing) -> None:
    """Make aliases and decision tags of one registered model show its standing; what shows already is left alone.

    Raises
    ------
    TrackingError
        When a version that holds an alias is not registered; the alias is taken away then rather than left on another.
    """
    model = next(iter(client.search_registered_models(f"name = '{standing.name}'", max_results=1)), None)
    shown = {alias: str(version) for alias, version in model.aliases.items()} if model is not None else {}
    versions = versions_of(client, standing.name) if model is not None else {}
    for model_version, tags in sorted(standing.decisions.items()):
        if model_version in versions:
            known = versions[model_version]
            for key, value in tags.items():
                if known.tags.get(key) != value:
                    client.set_model_version_tag(standing.name, str(known.version), key, value)
    absent = []
    for alias, wanted in standing.aliases.items():
        holder = versions.get(wanted) if wanted is not None else None
        if holder is not None and shown.get(alias) != str(holder.version):
            client.set_registered_model_alias(standing.name, alias, str(holder.version))
        if holder is None and alias in shown:
            client.delete_registered_model_alias(standing.name, alias)
        if holder is None and wanted is not None:
            absent.append(f"{alias} {wanted}")
    if absent:
        raise TrackingError(
            f"expected the versions of {standing.name} to be registered, found none of {', '.join(absent)}; "
            "materialise models.evaluation again, which logs and registers them, then models.promotion. "
            "Predictions are not affected: they follow models.promotion"
        )
