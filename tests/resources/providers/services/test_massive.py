"""Massive and Polygon: one account, two clients, and answers that look empty but are not."""

from __future__ import annotations

import sys

import pytest

from resources.providers.live.errors import (
    AuthError,
    EmptyResult,
    EntitlementError,
    FetchError,
    MissingKeyError,
    MissingPackageError,
    NotFound,
    SchemaDrift,
)
from resources.providers.live.service import Ask
from resources.providers.services import make_service
from resources.providers.services.massive import FREE_SESSIONS
from tests.loopback.cases import SECRET
from tests.loopback.server import Response
from tests.loopback.vendors.massive import CASES, MassiveVendor
from tests.resources.providers.services.conftest import IMPATIENT_S

BOTH = pytest.mark.parametrize("name", ["massive", "polygon"])
BARS = "raw.equity_bars"
DEEPER = {"reaches_back_sessions": 2500}


@pytest.fixture
def vendor(loopback, world):
    vendor = MassiveVendor(world)
    loopback.serve(vendor)
    return vendor


@pytest.fixture
def service(vendor, access_to):
    return make_service(access_to("massive", keys={"MASSIVE_API_KEY": SECRET}))


def of(loopback, service="massive"):
    return loopback.requests(service)


class TestTwoNames:
    @pytest.mark.parametrize("case", CASES[:8], ids=[case.name for case in CASES[:8]])
    def test_both_clients_give_the_same_rows(self, case, loopback, world, access_to):
        frames = []
        for name in ("massive", "polygon"):
            loopback.serve(MassiveVendor(world, name))
            fetched = make_service(access_to(name, keys={"POLYGON_API_KEY": SECRET})).fetch(case.ask(world))
            assert set(fetched.frame["provider"]) == {name}
            frames.append(fetched.frame.drop("provider"))
        assert frames[0].equals(frames[1])

    @BOTH
    @pytest.mark.parametrize("variable", ["MASSIVE_API_KEY", "POLYGON_API_KEY"])
    def test_either_key_variable_is_taken_and_travels_in_the_header_only(
        self, name, variable, loopback, world, access_to
    ):
        loopback.serve(MassiveVendor(world, name))
        make_service(access_to(name, keys={variable: SECRET})).fetch(Ask(BARS, ("AAA",), world.sessions[-1:]))
        (request,) = of(loopback, name)
        assert request.headers["authorization"] == f"Bearer {SECRET}"
        assert SECRET not in request.url

    @BOTH
    def test_own_variable_goes_first(self, name, loopback, world, access_to):
        loopback.serve(MassiveVendor(world, name))
        keys = dict.fromkeys(("MASSIVE_API_KEY", "POLYGON_API_KEY"), "another") | {f"{name.upper()}_API_KEY": SECRET}
        assert make_service(access_to(name, keys=keys)).fetch(Ask(BARS, ("AAA",), world.sessions[-1:])).frame.height

    @BOTH
    def test_the_environment_is_never_read(self, name, monkeypatch, access_to, world, loopback):
        monkeypatch.setenv("MASSIVE_API_KEY", SECRET)
        monkeypatch.setenv("POLYGON_API_KEY", SECRET)
        with pytest.raises(MissingKeyError, match=r"https://massive\.com"):
            make_service(access_to(name)).probe()
        assert of(loopback, name) == []

    def test_a_missing_package_is_named(self, service, monkeypatch, world):
        monkeypatch.setitem(sys.modules, "massive", None)
        with pytest.raises(MissingPackageError, match="uv pip install massive"):
            service.fetch(Ask(BARS, ("AAA",), world.sessions[-1:]))

    @BOTH
    @pytest.mark.parametrize("mode", ["429", "500", "slow"])
    def test_the_client_neither_repeats_nor_waits(self, name, mode, loopback, world, access_to):
        # Trap 4: the older client takes time limits and ignores them.
        time_limit = {"timeout_s": IMPATIENT_S} if mode == "slow" else {}
        loopback.serve(MassiveVendor(world, name))
        loopback.set_mode(name, mode)
        asked = make_service(access_to(name, keys={"POLYGON_API_KEY": SECRET}, **time_limit))
        with pytest.raises(FetchError, match=f"HTTP 429|HTTP 500|within {IMPATIENT_S} s"):
            asked.fetch(Ask(BARS, ("AAA",), world.sessions[-1:]))
        assert len(of(loopback, name)) == 1

    def test_the_key_does_not_follow_a_redirect_to_another_host(self, loopback, world, access_to):
        class Moved(MassiveVendor):
            def answer(self, request):
                there = loopback.url("elsewhere").replace("127.0.0.1", "localhost") + request.path
                return Response(b"", 307, headers={"Location": there})

        class Elsewhere(MassiveVendor):
            pass

        loopback.serve(Moved(world), Elsewhere(world, "elsewhere"))
        with pytest.raises(AuthError):
            make_service(access_to("massive", keys={"MASSIVE_API_KEY": SECRET})).probe()
        (request,) = of(loopback, "elsewhere")
        assert "authorization" not in request.headers

    def test_a_plan_that_reaches_further_is_an_option(self, access_to):
        plain, deep = (make_service(access_to("massive", options=options)) for options in ({}, DEEPER))
        reach = [one.profile.capabilities[BARS].reaches_back_sessions for one in (plain, deep)]
        assert reach == [FREE_SESSIONS, 2500]
        assert deep.profile.capabilities["raw.option_quotes"].reaches_back_sessions == 1
        with pytest.raises(ValueError, match="expected reaches_back_sessions"):
            make_service(access_to("massive", options={"reaches_back_sessions": "all"}))

    def test_probe_tells_the_state_of_the_market_and_of_the_clocks(self, service):
        assert service.probe().detail == "the key is accepted; market closed; the service's clock is +0 s from ours"


class TestEmptyOrBroken:
    """Trap 8: the clients give [] for a page for people, for a missing list and for an empty day alike."""

    def test_a_missing_list_is_no_empty_day(self, vendor, service, world):
        vendor.document = lambda document: {"status": "OK", "resultsCount": 3}
        with pytest.raises(SchemaDrift, match="found no results"):
            service.fetch(Ask(BARS, ("AAA",), world.sessions[-1:]))

    def test_a_day_without_trades_is_empty(self, vendor, service, world):
        vendor.document = lambda document: {"status": "OK", "resultsCount": 0}
        with pytest.raises(EmptyResult):
            service.fetch(Ask(BARS, ("AAA",), world.sessions[-1:]))

    @pytest.mark.parametrize(
        ("status", "error"), [("NOT_AUTHORIZED", EntitlementError), ("NOT_FOUND", NotFound), ("ERROR", SchemaDrift)]
    )
    def test_a_refusal_with_status_200_is_a_refusal(self, vendor, service, world, status, error):
        vendor.document = lambda document: {"status": status, "message": "no", "results": []}
        with pytest.raises(error, match=status):
            service.fetch(Ask("raw.splits", ("AAA",), world.sessions[-1:]))

    def test_a_day_that_has_not_ended_is_no_lack_of_entitlement(self, vendor, service, world, loopback):
        text = "Attempted to request today's data before end of day. Please upgrade your plan"
        body = {"status": "NOT_AUTHORIZED", "request_id": "0" * 32, "message": text}
        vendor.refusal = lambda status: Response.of_json(body, status)
        loopback.set_mode("massive", "403")
        with pytest.raises(EmptyResult, match="the day has not ended"):
            service.fetch(Ask(BARS, ("AAA",), world.sessions[-1:]))

    def test_data_of_a_delayed_plan_are_good(self, vendor, service, world):
        vendor.document = lambda document: document | {"status": "DELAYED"}
        assert service.fetch(Ask(BARS, ("AAA",), world.sessions[-1:])).frame.height == 1

    @pytest.mark.parametrize(("field", "value"), [("h", "high"), ("h", None), ("v", [1])])
    def test_a_wrong_field_is_named(self, service, vendor, world, field, value):
        vendor.changed = lambda rows: [row | {field: value} for row in rows]
        with pytest.raises(SchemaDrift, match=f"field '{field}'"):
            service.fetch(Ask(BARS, ("AAA",), world.sessions[-1:]))

    def test_one_broken_row_is_set_aside(self, service, vendor, world):
        vendor.changed = lambda rows: [row | {"o": None} if row["T"] == "BBB" else row for row in rows]
        answer = service.fetch(Ask(BARS, ("AAA", "BBB"), world.sessions[-1:]))
        assert answer.frame["symbol"].to_list() == ["AAA"]
        assert answer.rejected["rule"].to_list() == ["o|nullability"]
        assert list(answer.failures) == ["BBB"]

    def test_pages_stay_on_the_base_although_they_name_the_host(self, service, world, loopback):
        loopback.set_mode("massive", "paging")
        frame = service.fetch(Ask("raw.index_levels", ("^GSPC",), world.sessions[-5:])).frame
        requests = of(loopback)
        assert frame.height == 5
        assert len(requests) == 3
        assert all(request.headers["authorization"] == f"Bearer {SECRET}" for request in requests)
        assert [set(request.query) for request in requests[1:]] == [{"cursor"}, {"cursor"}]

    def test_pages_without_end_are_noticed(self, vendor, service, world):
        vendor.document = lambda document: document | {"next_url": "https://api.massive.com/v3/reference/splits"}
        with pytest.raises(SchemaDrift, match="lead back"):
            service.fetch(Ask("raw.splits", ("AAA",), world.sessions[-1:]))


@pytest.mark.parametrize(
    ("field", "value"), [("c", True), ("c", "10.5"), ("t", 2.5), ("t", True), ("v", []), ("T", 7), ("o", float("nan"))]
)
def test_a_value_of_another_type_in_one_row_is_drift_and_never_a_number(service, vendor, world, field, value):
    vendor.changed = lambda rows: [*rows[:-1], rows[-1] | {field: value}]
    with pytest.raises(SchemaDrift, match=f"the field '{field}'|the field 'results'"):
        service.fetch(Ask(BARS, ("AAA", "BBB", "BRK.B"), world.sessions[-1:]))
