"""``gnosis doctor`` and ``gnosis fetch`` against the loopback market."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from resources.providers.live.access import utc_now
from resources.providers.live.health import HealthLedger
from tests.loopback.cases import SECRET
from tests.loopback.desk import SYMBOLS
from tests.loopback.vendors.yahoo import YahooVendor


@pytest.mark.parametrize("command", [["doctor"], ["fetch"]])
def test_an_offline_provider_has_nothing_to_ask(command_line, tmp_path, command):
    said = command_line(tmp_path, *command)
    assert said.status == 2
    assert "expected a live provider, found sample; set GNOSIS_PROVIDER=yahoo" in said.err


def line_of(text, name):
    """Return what the doctor's grid says of a service, its wrapped lines joined."""
    lines = text.splitlines()
    start = next(n for n, line in enumerate(lines) if line.split()[:1] == [name])
    rest = next((n for n, line in enumerate(lines[start + 1 :], start + 1) if line[:3].strip()), len(lines))
    return " ".join(" ".join(lines[start:rest]).split())


def test_the_doctor_says_of_each_service_how_it_is_and_what_to_do(live_desk):
    live_desk.loopback.set_mode("cboe", "html")
    live_desk.loopback.set_mode("kraken", "503")
    live_desk.loopback.set_mode("squeezemetrics", "429")
    said = live_desk.run("doctor", MASSIVE_API_KEY="mistyped-key")
    assert said.status == 1
    assert " ok " in line_of(said.out, "yahoo")
    assert "key refused" in line_of(said.out, "massive")
    assert "schema drift" in line_of(said.out, "cboe")
    assert "no answer" in line_of(said.out, "kraken")
    assert "rate limited" in line_of(said.out, "squeezemetrics")
    assert "mistyped-key" not in said.out + said.err


def test_a_service_without_a_key_is_skipped_and_the_way_to_one_is_shown(live_desk):
    said = live_desk.run("doctor", "massive", "yahoo", MASSIVE_API_KEY="")
    assert said.status == 0
    told = line_of(said.out, "massive")
    assert "skipped" in told
    assert "MASSIVE_API_KEY" in told
    assert live_desk.loopback.requests("massive") == []


def test_a_corrected_key_ends_the_pause_of_the_service(live_desk):
    ledger = HealthLedger(live_desk.home / "live" / "health.sqlite", utc_now)
    ledger.record("massive", "raw.equity_bars", live_desk.world.today, "AuthError", detail="massive: HTTP 401")
    assert live_desk.run("doctor", "massive", MASSIVE_API_KEY="mistyped-key").status == 1
    assert ledger.open("massive", "raw.equity_bars") is not None
    assert live_desk.run("doctor", "massive").status == 0
    assert ledger.open("massive", "raw.equity_bars") is None
    ledger.close()


def test_an_unknown_service_is_refused(live_desk):
    said = live_desk.run("doctor", "iex")
    assert said.status == 2
    assert "expected services among yahoo" in said.err


def test_a_fetch_says_what_it_received_and_the_second_asks_nothing(live_desk):
    first = live_desk.run("fetch", "--table", "raw.equity_bars", "--table", "raw.dix")
    assert first.status == 0, first.err
    assert "4 rows of 2 tables for 1 sessions" in first.out
    asked = len(live_desk.loopback.log)
    assert asked
    second = live_desk.run("fetch", "--table", "raw.equity_bars", "--table", "raw.dix")
    assert second.status == 0
    assert len(live_desk.loopback.log) == asked
    assert live_desk.run("fetch", "--table", "raw.dix", "--again").status == 0
    assert len(live_desk.loopback.log) > asked
    assert SECRET not in first.out + first.err


def test_an_unknown_table_is_refused(live_desk):
    said = live_desk.run("fetch", "--table", "raw.bars")
    assert said.status == 2
    assert "expected one of raw.equity_bars" in said.err


@pytest.mark.heavy
@pytest.mark.xdist_group("live")
def test_a_fetch_that_was_killed_goes_on_where_it_stopped(live_market):
    live_desk = live_market(None)
    symbols = tuple(f"S{chr(65 + n // 26)}{chr(65 + n % 26)}" for n in range(40))
    text = live_desk.config.read_text()
    live_desk.config.write_text(text.replace(json.dumps(SYMBOLS), json.dumps(symbols)))
    live_desk.loopback.serve(YahooVendor(replace(live_desk.world, equities=symbols)))
    live_desk.loopback.set_mode("massive", "503")
    live_desk.loopback.watcher = lambda request: time.sleep(0.02) if "/chart/" in request.path else None
    environment = {**os.environ, **live_desk.settings, "GNOSIS_HOME": str(live_desk.home)}
    code = "import sys; from gnosis_dagster.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "fetch", "--table", "raw.equity_bars"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    landed = live_desk.home / "live" / "landed" / "raw.equity_bars"
    deadline = time.monotonic() + 60
    while len(list(landed.glob("*.json"))) < 10 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    said, _ = process.communicate()
    before = len(list(landed.glob("*.json")))
    assert 10 <= before < len(symbols), said
    live_desk.loopback.log.clear()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "40 rows" in done.stdout
    charts = {request.path for request in live_desk.loopback.requests("yahoo") if "/chart/" in request.path}
    assert len(charts) == len(symbols) - before
