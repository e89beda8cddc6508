"""The sensors: a failed run is told, a session that is missing is asked for."""

from __future__ import annotations

import datetime as dt
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import httpx
import pytest
from pydantic import Field

from jobs import sensors
from resources.alerts import AlertsResource
from resources.lake_io_manager import LakeResource
from resources.market_data import MarketData, MarketDataResource
from resources.providers.archive import Archive


@dataclass
class Webhook:
    address: str
    status: int = 200
    received: list[dict[str, object]] = field(default_factory=list)


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            hook.received.append(json.loads(body))
            self.send_response(hook.status)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        hook = Webhook(f"http://127.0.0.1:{server.server_port}/alerts")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield hook
        server.shutdown()
        thread.join()


def failed_run_context(instance: dg.DagsterInstance, alerts: AlertsResource) -> dg.RunFailureSensorContext:
    @dg.op
    def broken() -> None:
        raise dg.Failure("the vendor sent nothing\nand this is the second line")

    @dg.job
    def night() -> None:
        broken()

    result = night.execute_in_process(instance=instance, raise_on_error=False, tags={"dagster/partition": "2012-10-31"})
    return dg.build_run_status_sensor_context(
        sensor_name="failed_run",
        dagster_event=result.get_run_failure_event(),
        dagster_instance=instance,
        dagster_run=result.dagster_run,
        resources={"alerts": alerts},
    ).for_run_failure()


def lines_of(home: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (home / "alerts.jsonl").read_text().splitlines()]


def test_a_failed_run_is_written_and_posted(tmp_path: Path, webhook: Webhook) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        context = failed_run_context(instance, AlertsResource(home=str(tmp_path), webhook=webhook.address))
        sensors.failed_run(context)
    (line,) = lines_of(tmp_path)
    assert (line["job"], line["session"]) == ("night", "2012-10-31")
    assert line["run_id"] == context.dagster_run.run_id
    assert "broken" in str(line["message"])
    assert "the vendor sent nothing" in str(line["errors"])
    assert webhook.received == [line]


def test_failures_are_appended_and_none_is_posted_without_a_webhook(tmp_path: Path, webhook: Webhook) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        for _ in range(2):
            sensors.failed_run(failed_run_context(instance, AlertsResource(home=str(tmp_path))))
    assert len({line["run_id"] for line in lines_of(tmp_path)}) == 2
    assert webhook.received == []


def test_a_webhook_that_is_down_does_not_lose_the_line(tmp_path: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as closed:
        address = f"http://127.0.0.1:{closed.server_port}/alerts"
    with dg.DagsterInstance.ephemeral() as instance, pytest.raises(httpx.ConnectError):
        sensors.failed_run(failed_run_context(instance, AlertsResource(home=str(tmp_path), webhook=address)))
    assert len(lines_of(tmp_path)) == 1


def test_a_webhook_that_refuses_does_not_lose_the_line(tmp_path: Path, webhook: Webhook) -> None:
    webhook.status = 503
    alerts = AlertsResource(home=str(tmp_path), webhook=webhook.address)
    with dg.DagsterInstance.ephemeral() as instance, pytest.raises(httpx.HTTPStatusError, match="503"):
        sensors.failed_run(failed_run_context(instance, alerts))
    assert lines_of(tmp_path) == webhook.received


class Vendor(MarketDataResource):
    provider: str = "vendor"
    last: str = "2030-12-31"
    replays: bool = False

    def market_data(self) -> MarketData:
        vendor = SimpleNamespace(name="vendor", last_session=dt.date.fromisoformat(self.last))
        return MarketData(vendor, Archive(Path(self.home)), is_replay=self.replays)


class Materialised(LakeResource):
    days: list[str] = Field(default_factory=list)

    def lake(self) -> SimpleNamespace:
        days = {"features.technical": [dt.date.fromisoformat(day) for day in self.days]}
        return SimpleNamespace(sessions=lambda table: days[table])


def looked(
    monkeypatch: pytest.MonkeyPatch, home: Path, now: str, days: list[str], **vendor: object
) -> dg.RunRequest | dg.SkipReason:
    class Clock(dt.datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> dt.datetime:
            return dt.datetime.fromisoformat(now)

    monkeypatch.setattr(sensors, "dt", SimpleNamespace(datetime=Clock, UTC=dt.UTC))
    resources = {"lake": Materialised(home=str(home), days=days), "market_data": Vendor(home=str(home), **vendor)}
    with dg.DagsterInstance.ephemeral() as instance:
        return sensors.missing_session(dg.build_sensor_context(instance=instance, resources=resources))


def test_a_session_still_missing_five_hours_after_its_close_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = looked(monkeypatch, tmp_path, "2012-10-17T01:05:00+00:00", ["2012-10-15"])
    assert isinstance(request, dg.RunRequest)
    assert (request.partition_key, request.run_key) == ("2012-10-16", "missing-2012-10-16")
    assert request.tags["gnosis/session"] == "2012-10-16"


def test_nothing_is_asked_for_before_the_five_hours_are_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    skip = looked(monkeypatch, tmp_path, "2012-10-17T00:55:00+00:00", ["2012-10-15"])
    assert isinstance(skip, dg.SkipReason)
    assert skip.skip_message == "2012-10-15 is materialised"


def test_a_session_that_is_there_is_not_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    skip = looked(monkeypatch, tmp_path, "2012-10-17T06:00:00+00:00", ["2012-10-15", "2012-10-16"])
    assert isinstance(skip, dg.SkipReason)
    assert skip.skip_message == "2012-10-16 is materialised"


def test_the_days_of_a_hurricane_are_not_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    skip = looked(monkeypatch, tmp_path, "2012-10-31T12:00:00+00:00", ["2012-10-26"])
    assert isinstance(skip, dg.SkipReason)
    assert skip.skip_message == "2012-10-26 is materialised"


def test_what_the_provider_does_not_have_is_not_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    skip = looked(monkeypatch, tmp_path, "2012-10-17T06:00:00+00:00", [], last="2012-10-12")
    assert isinstance(skip, dg.SkipReason)
    assert skip.skip_message == "provider vendor ends at 2012-10-12; 2012-10-16 is not there"


def test_a_replay_never_misses_a_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    skip = looked(monkeypatch, tmp_path, "2012-10-17T06:00:00+00:00", [], replays=True)
    assert isinstance(skip, dg.SkipReason)
    assert "replay" in str(skip.skip_message)
