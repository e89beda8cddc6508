"""GDELT: queries by name, errors in plain text, answers that are cut off, and stamps."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest

from resources.providers.live.errors import EmptyResult, Incomplete, NotConfigured, NotFound, RateLimited, SchemaDrift
from resources.providers.live.service import Ask
from resources.providers.services import gdelt, make_service
from tests.loopback.server import Response
from tests.loopback.vendors.gdelt import LIMIT, NAMES, GdeltVendor, article, text_of


@pytest.fixture
def vendor(loopback, world):
    vendor = GdeltVendor(world)
    loopback.serve(vendor)
    return vendor


@pytest.fixture
def service(vendor, access_to):
    return make_service(access_to("gdelt", options={"names": NAMES}))


def ask(world, *symbols):
    return Ask("raw.news", symbols or ("AAA",), (world.today,))


def test_an_article_is_known_when_gdelt_saw_it(service, vendor, world):
    ts = world.calendar["close_at"][-1] - dt.timedelta(minutes=15)
    vendor.articles[NAMES["AAA"]] = [article(7, ts, "Aaa wins")]
    row = service.fetch(ask(world)).frame.row(0, named=True)
    assert (row["ts"], row["known_at"], row["session"]) == (ts, ts, world.today)
    assert (row["item_id"], row["outlet"], row["text"]) == ("https://press.test/7", "press.test", "Aaa wins")
    assert (row["kind"], row["event_id"]) == ("article", None)


def test_the_span_is_asked_for_in_utc(service, world, loopback):
    service.fetch(ask(world))
    query = loopback.requests("gdelt")[0].query
    assert (query["startdatetime"], query["enddatetime"]) == ("20261119210001", "20261120210000")
    assert (query["maxrecords"], query["query"]) == ("250", NAMES["AAA"])


def test_a_symbol_without_a_query_says_what_to_set(service, world):
    answer = service.fetch(ask(world, "AAA", "ZZZ"))
    assert set(answer.frame["symbol"]) == {"AAA"}
    assert type(answer.failures["ZZZ"]) is NotConfigured
    assert "set names.ZZZ" in str(answer.failures["ZZZ"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (LIMIT, RateLimited),
        (b"Your query was too short or too long.\n", NotFound),
        (b"The specified phrase is too short.\n", NotFound),
        (b"Something else happened.\n", SchemaDrift),
        (b"[]", SchemaDrift),
        (b'{"items": []}', SchemaDrift),
        (b'{"articles": {}}', SchemaDrift),
    ],
)
def test_a_text_with_status_200_is_no_answer(service, vendor, world, monkeypatch, text, expected):
    monkeypatch.setattr(vendor, "answer", lambda request: text_of(text))
    with pytest.raises(expected) as raised:
        service.fetch(ask(world))
    if expected is RateLimited:
        assert raised.value.retry_after == 5.0


def test_control_characters_in_headlines_do_no_harm(service, vendor, world, monkeypatch):
    body = Response.of_json({"articles": vendor.articles[NAMES["AAA"]]}).body.replace(b"AAA beats", b"AAA\tbeats")
    monkeypatch.setattr(vendor, "answer", lambda request: Response(body))
    assert service.fetch(ask(world)).frame["text"][0].startswith("AAA\tbeats")


def test_a_full_answer_is_continued_from_its_oldest_stamp(service, vendor, world, loopback, monkeypatch):
    monkeypatch.setattr(gdelt, "MOST_RECORDS", 4)
    closed_at = world.calendar["close_at"][-1]
    quarters = [closed_at - n // 2 * dt.timedelta(minutes=15) for n in range(10)]
    vendor.articles[NAMES["AAA"]] = [article(n, ts, f"story {n}") for n, ts in enumerate(quarters)]
    frame = service.fetch(ask(world)).frame
    assert frame["item_id"].n_unique() == frame.height == 10
    ends = [request.query["enddatetime"] for request in loopback.requests("gdelt")]
    assert ends == ["20261120210000", "20261120204500", "20261120203000", "20261120201500", "20261120200000"]


def test_more_articles_of_one_moment_than_an_answer_holds(service, vendor, world, monkeypatch):
    monkeypatch.setattr(gdelt, "MOST_RECORDS", 4)
    closed_at = world.calendar["close_at"][-1]
    vendor.articles[NAMES["AAA"]] = [article(n, closed_at, f"story {n}") for n in range(5)]
    answer = service.fetch(ask(world, "AAA", "BBB"))
    assert type(answer.failures["AAA"]) is Incomplete
    assert set(answer.frame["symbol"]) == {"BBB"}


def test_an_article_that_is_seen_again_was_known_from_the_first(service, vendor, world):
    closed_at = world.calendar["close_at"][-1]
    stamps = [closed_at, closed_at - dt.timedelta(hours=3)]
    vendor.articles[NAMES["AAA"]] = [article(1, ts, "Aaa wins") for ts in stamps]
    assert service.fetch(ask(world)).frame["known_at"].to_list() == [stamps[1]]


def test_gdelt_is_given_time_to_list_what_it_saw(vendor, access_to, world):
    closed_at = world.calendar["close_at"][-1]
    access = access_to("gdelt", options={"names": NAMES})
    early = make_service(replace(access, clock=lambda: closed_at + dt.timedelta(minutes=29)))
    with pytest.raises(EmptyResult, match="30 minutes after the close"):
        early.fetch(ask(world))


def test_an_unreadable_stamp_is_set_aside(service, vendor, world):
    good = article(1, world.calendar["close_at"][-1], "Aaa wins")
    vendor.answer = lambda request: Response.of_json({"articles": [good, good | {"url": "u", "seendate": "today"}]})
    answer = service.fetch(ask(world))
    assert answer.frame.height == 1
    assert answer.rejected["rule"].to_list() == ["seendate|format"]
