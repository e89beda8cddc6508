"""What is special about Alpha Vantage: refusals in sentences, a key in the address, a hundred bars."""

from __future__ import annotations

import datetime as dt
import json

import polars as pl
import pytest

from resources.providers.live.errors import (
    AuthError,
    EmptyResult,
    EntitlementError,
    NotFound,
    RateLimited,
    SchemaDrift,
)
from resources.providers.live.service import Ask
from resources.providers.rejections import NOT_A_SESSION
from resources.providers.services import make_service
from tests.loopback.cases import SECRET
from tests.loopback.server import Response
from tests.loopback.vendors import alpha_vantage as vendor
from tests.loopback.vendors.alpha_vantage import KEYS, AlphaVantageVendor


@pytest.fixture
def service(loopback, access_to, world):
    """Return a function that makes the service before a vendor whose document is changed."""

    def make(change=lambda document: document, now=None):
        class Edited(AlphaVantageVendor):
            def answer(self, request):
                return Response.of_json(change(json.loads(super().answer(request).body)))

        loopback.serve(Edited(world))
        made = make_service(access_to("alpha_vantage", keys=KEYS))
        if now is not None:
            object.__setattr__(made.access, "clock", lambda: now)
        return made

    return make


def ask(world, *symbols, n=3):
    return Ask("raw.equity_bars", symbols or ("AAA",), world.sessions[-n:])


def test_texts_become_numbers_as_traded(service, loopback, world):
    frame = service().fetch(ask(world, n=10)).frame
    truth = world.bars.filter(pl.col("symbol") == "AAA").tail(10)
    columns = ["session", "open", "high", "low", "close", "volume"]
    assert frame.select(columns).equals(truth.select(columns))
    assert frame["known_at"].to_list() == truth["close_at"].to_list()
    (request,) = loopback.requests("alpha_vantage")
    assert (request.query["function"], request.query["outputsize"]) == ("TIME_SERIES_DAILY", "compact")


def test_a_share_class_is_written_with_a_hyphen(service, loopback, world):
    assert set(service().fetch(ask(world, "BRK.B")).frame["symbol"]) == {"BRK.B"}
    assert loopback.requests("alpha_vantage")[0].query["symbol"] == "BRK-B"


@pytest.mark.parametrize(
    ("name", "sentence", "expected", "wait"),
    [
        ("Error Message", vendor.NOT_FOUND, NotFound, None),
        ("Error Message", vendor.WRONG_KEY, AuthError, None),
        ("Error Message", "This API function (TIME) does not exist.", SchemaDrift, None),
        ("Information", vendor.DAILY_LIMIT, RateLimited, None),
        ("Information", vendor.SPARINGLY, RateLimited, 1.0),
        ("Information", vendor.PREMIUM, EntitlementError, None),
        ("Information", vendor.FULL, EntitlementError, None),
        ("Note", vendor.FREQUENCY, RateLimited, None),
        ("Information", "Something that nobody has seen.", SchemaDrift, None),
    ],
)
def test_a_sentence_with_status_200_is_understood(service, world, name, sentence, expected, wait):
    with pytest.raises(expected) as raised:
        service(lambda _: {name: sentence}).fetch(ask(world))
    assert type(raised.value) is expected
    assert getattr(raised.value, "retry_after", None) == wait


def test_the_key_is_struck_out_of_sentence_address_and_archive(service, world):
    made = service(lambda _: {"Information": vendor.DAILY_LIMIT})
    with pytest.raises(RateLimited) as raised:
        made.fetch(ask(world))
    assert "detected your API key as ***" in str(raised.value)
    (source,) = made.access.recorder.taken()
    assert "apikey=***" in source.url_or_path
    assert SECRET.encode() not in source.content


def test_one_unknown_symbol_does_not_take_the_others_along(service, world):
    answer = service().fetch(ask(world, "AAA", "NONE", "^GSPC"))
    assert set(answer.frame["symbol"]) == {"AAA"}
    assert {symbol: type(error) for symbol, error in answer.failures.items()} == {"NONE": NotFound, "^GSPC": NotFound}


def test_an_unfinished_bar_is_not_told(service, world):
    noon = world.calendar["close_at"][-1] - dt.timedelta(hours=4)
    assert service(now=noon).fetch(ask(world)).frame["session"].to_list() == list(world.sessions[-3:-1])


def test_what_lies_before_the_hundred_bars_is_empty_not_invented(service, world):
    with pytest.raises(EmptyResult, match="newest 100"):
        service().fetch(Ask("raw.equity_bars", ("AAA",), (dt.date(2020, 1, 2),)))


def test_a_bar_of_a_holiday_and_one_without_a_price_are_set_aside(service, world):
    def change(document):
        series = document[vendor_series]
        row = dict(series[f"{world.today}"])
        sunday = world.today - dt.timedelta(days=world.today.weekday() + 1)
        series[f"{sunday}"] = row
        del series[f"{world.today}"]["4. close"]
        return document

    vendor_series = "Time Series (Daily)"
    answer = service(change).fetch(ask(world, n=6))
    assert sorted(answer.rejected["rule"]) == ["close|nullability", NOT_A_SESSION]
    assert answer.frame["session"].to_list() == list(world.sessions[-6:-1])


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda d: {**d, "Meta Data": {**d["Meta Data"], "5. Time Zone": "UTC"}}, "US/Eastern"),
        (lambda d: {**d, "Meta Data": {**d["Meta Data"], "2. Symbol": "OTHER"}}, "OTHER"),
        (lambda d: {"Meta Data": d["Meta Data"]}, "Time Series"),
        (lambda d: {**d, "Time Series (Daily)": {"2026-11-20": {"1. open": "1.0"}}}, "2. high"),
        (lambda d: {**d, "Time Series (Daily)": {"20 November": d["Time Series (Daily)"]["2026-11-20"]}}, "day"),
        (lambda d: {**d, "Time Series (Daily)": {"2026-11-20": "1.0"}}, "fields by day"),
        (lambda d: [d], "list"),
    ],
)
def test_another_form_is_drift_that_names_the_field(service, world, change, named):
    with pytest.raises(SchemaDrift, match=named):
        service(change).fetch(ask(world))


def test_probe_costs_one_request_and_tells_the_last_session(service, loopback, world):
    probe = service().probe()
    assert str(world.today) in probe.detail
    assert probe.delay_s == (world.now - world.calendar["close_at"][-1]).total_seconds()
    assert len(loopback.requests("alpha_vantage")) == 1
