"""What yfinance remembers, where it keeps it, and what it asks for."""

from __future__ import annotations

import datetime as dt
import re
import stat
import threading
import time
from pathlib import Path

import pytest
import requests
import yfinance
from curl_cffi import requests as curl
from yfinance import cache
from yfinance.data import YfData

from resources.providers.live.errors import (
    AuthError,
    EmptyResult,
    NotFound,
    RateLimited,
    SchemaDrift,
    Transient,
)
from resources.providers.services import make_service, yahoo_client
from tests.loopback.vendors import yahoo as vendor_module
from tests.loopback.vendors.yahoo import (
    CHART,
    CRUMB,
    CRUMB_PATH,
    OPTIONS,
    PLAIN,
    ask_of,
    paths,
)
from tests.resources.providers.services.conftest import IMPATIENT_S

BACKENDS = {"curl_cffi": curl.Session, "requests": requests.Session}


class TestBackends:
    @pytest.mark.parametrize("backend", BACKENDS)
    @pytest.mark.parametrize("case", vendor_module.CASES, ids=lambda case: case.name)
    def test_both_give_the_same_rows(self, vendor, access_to, world, backend, case):
        plain = make_service(access_to("yahoo", options=PLAIN)).fetch(case.ask(world))
        service = make_service(access_to("yahoo", options={"backend": backend}))
        assert service.fetch(case.ask(world)).frame.equals(plain.frame)
        assert isinstance(service._client._session, BACKENDS[backend])

    @pytest.mark.parametrize("backend", BACKENDS)
    def test_it_looks_like_a_browser_and_keeps_the_cookie(self, vendor, access_to, world, loopback, backend):
        make_service(access_to("yahoo", options={"backend": backend})).fetch(ask_of(world))
        asked = loopback.requests("yahoo")
        assert all("Chrome/" in request.headers["user-agent"] for request in asked)
        assert "A3=" in next(request for request in asked if request.path == CRUMB_PATH).headers["cookie"]

    @pytest.mark.parametrize(("has_curl", "expected"), [(True, curl.Session), (False, requests.Session)])
    def test_the_default_is_the_one_of_yfinance(self, vendor, access_to, world, monkeypatch, has_curl, expected):
        monkeypatch.setattr("yfinance._http.HAS_CURL_CFFI", has_curl)
        service = make_service(access_to("yahoo"))
        service.fetch(ask_of(world))
        assert isinstance(service._client._session, expected)

    def test_another_backend_is_refused(self, vendor, access_to, world):
        with pytest.raises(SchemaDrift, match="backend curl_cffi or requests, found 'lynx'"):
            make_service(access_to("yahoo", options={"backend": "lynx"})).fetch(ask_of(world))


class TestMemory:
    @pytest.mark.parametrize("backend", BACKENDS)
    def test_a_page_with_status_200_is_not_kept(self, vendor, access_to, world, loopback, backend):
        service = make_service(access_to("yahoo", options={"backend": backend}))
        loopback.set_mode("yahoo", "html", path=CHART, times=1)
        with pytest.raises(SchemaDrift, match="maintenance"):
            service.fetch(ask_of(world))
        assert service.fetch(ask_of(world)).frame.height == 10
        assert YfData.cache_get.cache_info().currsize == 0

    def test_yfinance_alone_would_keep_it(self, vendor, access_to, world, loopback):
        ask = ask_of(world)
        session = yahoo_client.watched(requests.Session, access_to("yahoo"), raises=False, expected=lambda: "")
        loopback.set_mode("yahoo", "html", path=CHART, times=2)
        ticker = yfinance.Ticker("AAA", session=session)
        ticker._tz = "America/New_York"
        for _ in range(2):
            with pytest.raises(yfinance.exceptions.YFDataException):
                ticker.history(start=str(ask.sessions[0]), end=str(ask.sessions[-1]))
        assert sum(path.startswith(CHART) for path in paths(loopback)) == 1
        YfData.cache_get.cache_clear()

    @pytest.mark.parametrize(("mode", "error"), [("html", SchemaDrift), ("429", RateLimited), ("500", Transient)])
    def test_a_wrong_crumb_is_not_kept(self, yahoo, world, loopback, mode, error):
        loopback.set_mode("yahoo", mode, path=CRUMB_PATH, times=1)
        quotes = ask_of(world, last=1, table="raw.option_quotes")
        with pytest.raises(error):
            yahoo.fetch(quotes)
        assert yahoo.fetch(quotes).frame.height == world.chain.height

    @pytest.mark.parametrize("mode", ["html", "429", "500", "slow"])
    def test_bars_need_no_crumb(self, vendor, access_to, world, loopback, mode):
        time_limit = {"timeout_s": IMPATIENT_S} if mode == "slow" else {}
        loopback.set_mode("yahoo", mode, path=CRUMB_PATH)
        yahoo = make_service(access_to("yahoo", options=PLAIN, **time_limit))
        assert yahoo.fetch(ask_of(world)).frame.height == 10

    def test_an_aged_crumb_is_renewed(self, yahoo, world, loopback, monkeypatch):
        quotes = ask_of(world, last=1, table="raw.option_quotes")
        yahoo.fetch(quotes)
        monkeypatch.setattr(vendor_module, "CRUMB", "another.One")
        assert yahoo.fetch(quotes).frame.height == world.chain.height
        assert paths(loopback).count(CRUMB_PATH) == 2

    def test_a_refused_new_crumb_is_an_answer(self, yahoo, world, loopback):
        loopback.set_mode("yahoo", "401", path=OPTIONS)
        with pytest.raises(AuthError):
            yahoo.fetch(ask_of(world, last=1, table="raw.option_quotes"))
        assert paths(loopback).count("/v7/finance/options/AAA") == 1

    def test_a_stored_cookie_saves_requests_until_it_is_refused(self, vendor, access_to, world, loopback, tmp_path):
        service = make_service(access_to("yahoo", options=PLAIN | {"cache": tmp_path / "shared"}))
        service.fetch(ask_of(world))
        later = int(dt.datetime.now(dt.UTC).timestamp()) + 3600
        service._client._session.cookies.set("A3", "kept", domain=".yahoo.com", path="/", expires=later)
        service.fetch(ask_of(world))
        loopback.log.clear()
        service.fetch(ask_of(world))
        assert paths(loopback) == ["/v8/finance/chart/AAA"]
        yahoo_client._forget()
        service._client._session.cookies.clear()
        loopback.log.clear()
        # As in a new process whose stored cookie is no longer taken: no crumb for it, so no chain.
        assert service.fetch(ask_of(world, last=1, table="raw.option_quotes")).frame.height == world.chain.height
        assert paths(loopback)[:5] == [
            CRUMB_PATH,
            "/v7/finance/options/AAA",
            "/",
            CRUMB_PATH,
            "/v7/finance/options/AAA",
        ]

    def test_a_stored_cookie_that_the_data_are_refused_for_is_dropped(
        self, vendor, access_to, world, loopback, tmp_path, monkeypatch
    ):
        options = vendor._options
        monkeypatch.setattr(
            vendor,
            "_options",
            lambda request, written: (
                vendor.refusal(401) if "A3=banned" in request.headers["cookie"] else options(request, written)
            ),
        )
        service = make_service(access_to("yahoo", options=PLAIN | {"cache": tmp_path / "banned"}))
        service.fetch(ask_of(world))
        later = int(dt.datetime.now(dt.UTC).timestamp()) + 3600
        jar = requests.cookies.RequestsCookieJar()
        jar.set("A3", "banned", domain=".yahoo.com", path="/", expires=later)
        cache.get_cookie_cache().store("curlCffi", dict(jar._cookies))
        service._client._session.cookies.set("A3", "banned", domain="127.0.0.1", path="/")
        yahoo_client._forget()
        with_cookie_asked_again = service.fetch(ask_of(world, last=1, table="raw.option_quotes")).frame
        assert with_cookie_asked_again.height == world.chain.height
        assert cache.get_cookie_cache().lookup("curlCffi") is None

    def test_files_stay_in_the_given_folder(self, vendor, access_to, world, tmp_path):
        folder = tmp_path / "cookies"
        make_service(access_to("yahoo", options=PLAIN | {"cache": folder})).fetch(ask_of(world))
        managers = (cache._TzDBManager, cache._CookieDBManager, cache._ISINDBManager)
        assert {manager.get_location() for manager in managers} == {str(folder)}
        assert (folder / "cookies.db").exists()

    def test_a_folder_that_nobody_named_is_only_the_users(self, monkeypatch):
        monkeypatch.setitem(yahoo_client._in_use, "folder", None)
        yahoo_client._keep_cookies_in(None)
        folder = Path(cache._CookieDBManager.get_location())
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert not folder.is_relative_to(Path.home() / ".cache")

    def test_a_locked_folder_is_worth_another_attempt(self, access_to):
        import peewee

        known = yahoo_client.error_of_yfinance(
            access_to("yahoo"), "bars", peewee.OperationalError("database is locked")
        )
        assert isinstance(known, Transient)

    def test_threads_wait_for_each_other_and_use_their_own_access(self, vendor, access_to, world, loopback):
        gates = dict.fromkeys(("AAA", "BBB", "BRK.B"), 0)

        def gate_of(symbol):
            def gate():
                gates[symbol] += 1
                time.sleep(0.005)

            return gate

        found = {}

        def run(symbol):
            service = make_service(access_to("yahoo", options=PLAIN, gate=gate_of(symbol)))
            frames = [service.fetch(ask_of(world, symbol)).frame for _ in range(4)]
            found[symbol] = frames, [source.name for source in service.access.recorder.taken()]

        threads = [threading.Thread(target=run, args=(symbol,)) for symbol in gates]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        kinds = "".join({"/": "cookie ", CRUMB_PATH: "crumb "}.get(path, "chart ") for path in paths(loopback))
        assert re.fullmatch("(cookie (crumb )?chart )+", kinds)
        for symbol, (frames, names) in found.items():
            assert all(frame["symbol"].unique().to_list() == [symbol] for frame in frames)
            assert gates[symbol] == len(names)
            written = symbol.replace(".", "-")
            assert {name for name in names if "chart" in name} == {f"GET {CHART}{written}"}


class TestRequests:
    def test_one_request_after_cookie_and_crumb(self, yahoo, world, loopback):
        yahoo.fetch(ask_of(world))
        assert paths(loopback) == ["/", CRUMB_PATH, "/v8/finance/chart/AAA"]
        assert loopback.requests("yahoo")[-1].query["crumb"] == CRUMB

    def test_a_refused_ask_is_not_repeated_by_the_sdk(self, yahoo, world, loopback):
        yahoo.fetch(ask_of(world))
        loopback.log.clear()
        loopback.set_mode("yahoo", "429", path=CHART)
        with pytest.raises(RateLimited):
            yahoo.fetch(ask_of(world))
        assert sum(path.startswith(CHART) for path in paths(loopback)) == 1

    def test_symbols_are_written_as_yahoo_does(self, yahoo, world, loopback):
        assert set(yahoo.fetch(ask_of(world, "BRK.B")).frame["symbol"]) == {"BRK.B"}
        assert set(yahoo.fetch(ask_of(world, "^VIX", table="raw.index_levels")).frame["symbol"]) == {"^VIX"}
        urls = [request.url for request in loopback.requests("yahoo") if CHART in request.url]
        assert "/BRK-B?" in urls[0]
        assert "/%5EVIX?" in urls[1]

    @pytest.mark.parametrize(
        ("table", "symbol"),
        [
            ("raw.equity_bars", "^VIX"),
            ("raw.equity_bars", "BTC/USD"),
            ("raw.index_levels", "AAA"),
            ("raw.option_quotes", "^GSPC"),
            ("raw.option_quotes", "SPX"),
        ],
    )
    def test_what_yahoo_does_not_have_is_not_asked_for(self, yahoo, world, loopback, table, symbol):
        with pytest.raises(NotFound):
            yahoo.fetch(ask_of(world, symbol, table=table))
        assert loopback.requests("yahoo") == []

    def test_a_range_before_the_listing_is_empty(self, yahoo, world, vendor, monkeypatch):
        answer = vendor_module.Response.of_json(
            {"chart": {"result": None, "error": {"description": "Data doesn't exist for startDate = 1"}}}, 400
        )
        monkeypatch.setattr(vendor, "_chart", lambda *_: answer)
        with pytest.raises(EmptyResult, match="no data for this range"):
            yahoo.fetch(ask_of(world))
