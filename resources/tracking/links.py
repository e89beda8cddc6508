"""Names and addresses: how Dagster's pages, MLflow's pages and registered models are called."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from resources.tracking.training import Training

_UNIVERSE = re.compile(r"[a-z0-9][a-z0-9_.-]*")


def registered_name(head: str, horizon_bars: int, universe: str) -> str:
    """Return the name of the registered model of a head, horizon and universe (L-11.1).

    Raises
    ------
    ValueError
        When the universe has other characters than lower-case letters, digits, ``_``, ``.`` and ``-``.

    Examples
    --------
    >>> registered_name("direction", 5, "sample")
    'gnosis-direction-h5-sample'
    """
    if not _UNIVERSE.fullmatch(universe):
        raise ValueError(f"expected a universe of lower-case letters, digits, '_', '.', '-', found {universe!r}")
    return f"gnosis-{head}-h{horizon_bars}-{universe}"


def dagster_links(training: Training) -> dict[str, str]:
    """Return the addresses of the Dagster run and asset of a training, empty without ``dagster_url``."""
    if training.dagster_url is None:
        return {}
    base = training.dagster_url.rstrip("/")
    return {
        "dagster_run_url": f"{base}/runs/{quote(training.tags['dagster_run_id'])}",
        "dagster_asset_url": f"{base}/assets/models/trained",
    }


def markdown_links(training: Training) -> str:
    """Return the links to Dagster as one line of Markdown, the identifiers as text where there is no address."""
    run, partition = training.tags["dagster_run_id"], training.tags["partition"]
    links = dagster_links(training)
    if not links:
        return f"Dagster run `{run}`, asset `models/trained`, partition `{partition}`"
    return (
        f"[Dagster run {run[:8]}]({links['dagster_run_url']}) | [asset models/trained]({links['dagster_asset_url']}) | "
        f"partition `{partition}`"
    )
