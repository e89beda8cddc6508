"""One time limit, one largest body and no key in a log, for our own client and for sessions of SDKs."""

from __future__ import annotations

import gzip
import logging
import time

import pytest
import requests

from resources.providers.live import http
from resources.providers.live.access import Access
from resources.providers.live.errors import SchemaDrift, Transient
from resources.providers.live.http import MOST_REDIRECTS, Http
from resources.providers.live.sessions import watched
from tests.loopback.server import SLOW_S, Loopback, Response

TIMEOUT_S = 0.4
BODY = b"x" * 3000


class Vendor:
    service = "example"

    def __init__(self):
        self.answers = [Response(BODY)]

    def answer(self, _):
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
def loopback():
    with Loopback() as server:
        yield server


@pytest.fixture
def vendor(loopback):
    vendor = Vendor()
    loopback.serve(vendor)
    return vendor


@pytest.fixture
def access(loopback):
    access = Access("example", base_url=loopback.url("example"), timeout_s=TIMEOUT_S)
    yield access
    access.close()


@pytest.fixture(params=["httpx", "requests"])
def get(request, access):
    """Return a function that returns the body at an address."""
    if request.param == "httpx":
        client = Http(access, "https://example.test")
        return lambda: client.get("/bars", "bars").content
    session = watched(requests.Session, access, raises=True, expected=lambda: "bars")
    return lambda: session.get("https://example.test/bars").content


def moved(**rest):
    return Response(BODY, 307, headers={"Location": "/example/bars"}, **rest)


@pytest.mark.parametrize("dripping", ["answer", "redirect"])
def test_a_body_in_drips_is_given_up_in_time(get, vendor, dripping):
    drip = Response(BODY, is_dripping=True) if dripping == "answer" else moved(is_dripping=True)
    vendor.answers = [drip, Response(BODY)]
    started = time.perf_counter()
    with pytest.raises(Transient, match=r"no whole answer within 0\.4 s"):
        get()
    assert time.perf_counter() - started < SLOW_S / 2


@pytest.mark.parametrize("large", ["answer", "redirect", "packed"])
def test_a_body_beyond_all_measure_is_refused(get, vendor, monkeypatch, large):
    monkeypatch.setattr(http, "LARGEST_BODY", 2000)
    packed = Response(gzip.compress(BODY), headers={"Content-Encoding": "gzip"})
    vendor.answers = [{"answer": Response(BODY), "redirect": moved(), "packed": packed}[large], Response(b"small")]
    with pytest.raises(SchemaDrift, match="more than 0 MiB"):
        get()


def test_redirects_are_followed_and_bodies_unpacked(get, vendor):
    packed = Response(gzip.compress(BODY), headers={"Content-Encoding": "gzip"})
    vendor.answers = [moved(), moved(), packed]
    assert get() == BODY


def test_redirects_end(access, vendor, loopback):
    vendor.answers = [moved()]
    with pytest.raises(SchemaDrift, match="redirects without end"):
        Http(access, "https://example.test").get("/bars", "bars")
    assert len(loopback.requests("example")) == MOST_REDIRECTS + 1


def test_slow_redirects_share_one_time_limit(get, vendor, loopback):
    vendor.answers = [moved()]
    loopback.watcher = lambda _: time.sleep(TIMEOUT_S / 2)
    started = time.perf_counter()
    with pytest.raises(Transient):
        get()
    assert time.perf_counter() - started < MOST_REDIRECTS * TIMEOUT_S / 2


def test_a_body_that_breaks_off_is_transient(get, vendor):
    vendor.answers = [Response(BODY, headers={"Content-Encoding": "gzip"})]
    with pytest.raises(Transient):
        get()


@pytest.mark.parametrize("client", ["httpx", "requests"])
def test_a_key_in_an_address_is_in_no_log(loopback, vendor, caplog, client):
    caplog.set_level(logging.DEBUG)
    access = Access("example", base_url=loopback.url("example"), keys={"EXAMPLE_KEY": "s3cret"})
    if client == "httpx":
        Http(access, "https://example.test").get("/bars", "bars", {"apikey": "s3cret"})
    else:
        session = watched(requests.Session, access, raises=True, expected=lambda: "bars")
        session.get("https://example.test/bars", params={"apikey": "s3cret"})
    assert "apikey=***" in caplog.text
    assert "s3cret" not in caplog.text
    access.close()
