"""Alerts as a Dagster resource: a line in a file of the home, and a webhook when one is set."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

WEBHOOK_TIMEOUT_S = 10.0


class AlertsResource(dg.ConfigurableResource):
    """Where alerts go."""

    home: str
    webhook: str | None = None

    def raise_alert(self, alert: Mapping[str, Any]) -> None:
        """Append the alert to ``alerts.jsonl``; then post it to the webhook.

        Raises
        ------
        httpx.HTTPError
            When the webhook does not accept it; the line in the file is written all the same.
        """
        path = Path(self.home) / "alerts.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(alert, sort_keys=True) + "\n")
        if self.webhook:
            import httpx

            httpx.post(self.webhook, json=dict(alert), timeout=WEBHOOK_TIMEOUT_S).raise_for_status()
