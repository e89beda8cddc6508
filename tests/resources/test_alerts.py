"""An alert is a line in the home, whether or not the webhook takes it."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest

from resources.alerts import AlertsResource

ALERT = {"job": "nightly", "run_id": "abc", "session": "2012-03-14", "message": "red", "errors": ["why"]}


@pytest.fixture
def webhook():
    """Return the address of a loopback server and what it was sent; ``status`` is what it answers."""
    sent = []

    class Handler(BaseHTTPRequestHandler):
        status = 200

        def do_POST(self):
            sent.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(Handler.status)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/", sent, Handler
    server.shutdown()
    server.server_close()
    thread.join()


def test_alerts_are_appended_one_per_line(tmp_path):
    alerts = AlertsResource(home=str(tmp_path / "home"))
    alerts.raise_alert(ALERT)
    alerts.raise_alert(ALERT | {"run_id": "def"})
    lines = (tmp_path / "home" / "alerts.jsonl").read_text().splitlines()
    assert [json.loads(line)["run_id"] for line in lines] == ["abc", "def"]


def test_the_webhook_is_sent_the_same(tmp_path, webhook):
    address, sent, _ = webhook
    AlertsResource(home=str(tmp_path), webhook=address).raise_alert(ALERT)
    assert sent == [ALERT]


def test_a_webhook_that_refuses_is_an_error_and_the_line_is_written(tmp_path, webhook):
    address, _, handler = webhook
    handler.status = 500
    with pytest.raises(httpx.HTTPStatusError):
        AlertsResource(home=str(tmp_path), webhook=address).raise_alert(ALERT)
    assert json.loads((tmp_path / "alerts.jsonl").read_text()) == ALERT
