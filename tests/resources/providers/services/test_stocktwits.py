"""StockTwits: what is kept of a message, how far pages reach, and whose stream it is."""

from __future__ import annotations

import datetime as dt
import hashlib
import json

import pytest

from gnosis.engines.scoring import text_hash
from resources.providers.archive import Archive
from resources.providers.live.errors import (
    EmptyResult,
    EntitlementError,
    Incomplete,
    NotFound,
    RateLimited,
    SchemaDrift,
)
from resources.providers.live.service import Ask
from resources.providers.services import make_service
from tests.loopback.vendors.stocktwits import StockTwitsVendor, message


@pytest.fixture
def vendor(loopback, world):
    vendor = StockTwitsVendor(world)
    loopback.serve(vendor)
    return vendor


@pytest.fixture
def service(vendor, access_to):
    return make_service(access_to("stocktwits"))


def ask(world, *symbols, n_sessions=1):
    return Ask("raw.posts", symbols or ("AAA",), world.sessions[-n_sessions:])


def test_a_message_is_counted_with_its_tag_and_its_text_is_not_kept(service, vendor, world):
    closed_at = world.calendar["close_at"][-1]
    ts = closed_at - dt.timedelta(hours=2)
    vendor.messages["AAA"] = [
        message(3, ts, "To the moon", "bullish"),
        message(2, ts, "Down", "bearish"),
        message(1, ts, "Hm"),
    ]
    frame = service.fetch(ask(world)).frame
    assert frame["tag"].to_list() == ["none", "bearish", "bullish"]
    assert frame["post_id"].to_list() == ["1", "2", "3"]
    assert frame["text"].null_count() == 3
    assert frame["text_hash"][2] == text_hash("to the MOON")
    assert frame["engagement"].null_count() == 3
    assert set(frame["ts"]) == set(frame["known_at"]) == {ts}
    assert set(frame["author_hash"].str.len_chars()) == {64}
    assert set(frame["source"]) == {"stocktwits"}


def test_the_archive_has_the_hash_of_a_page_and_not_the_page(service, vendor, world, tmp_path):
    vendor.messages["AAA"] = [message(1, world.calendar["close_at"][-1], "words of trader1")]
    service.fetch(ask(world))
    archive = Archive(tmp_path)
    (source,) = service.access.recorder.taken()
    record = json.loads(archive.put("stocktwits", "raw.posts", source).read_text())
    assert (record["kept"], record["sha256"]) == (False, source.sha256)
    assert (
        record["sha256"] == hashlib.sha256(vendor.answer(_request("/api/2/streams/symbol/AAA.json")).body).hexdigest()
    )
    kept = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert len(kept) == 1
    assert b"trader1" not in kept[0]


def test_a_message_belongs_to_the_first_session_that_closes_after_it(service, vendor, world):
    before, closed_at = world.calendar["close_at"][-2], world.calendar["close_at"][-1]
    second = dt.timedelta(seconds=1)
    instants = [closed_at + second, closed_at, before + second, before]
    vendor.messages["AAA"] = [message(4 - n, ts, "text") for n, ts in enumerate(instants)]
    assert service.fetch(ask(world)).frame["post_id"].to_list() == ["2", "3"]


def test_pages_end_where_the_session_begins(service, vendor, world, loopback):
    closed_at = world.calendar["close_at"][-1]
    vendor.messages["AAA"] = [message(1000 - n, closed_at - n * dt.timedelta(minutes=10), f"{n}") for n in range(300)]
    frame = service.fetch(ask(world)).frame
    assert frame.height == 24 * 6
    pages = [request.query for request in loopback.requests("stocktwits")]
    # Of 30 messages each next page repeats the one that its cursor names: 29 new ones are 290 minutes.
    assert len(pages) == 5
    assert [page.get("max") for page in pages] == [None, "971", "942", "913", "884"]


def test_pages_that_do_not_reach_the_session_give_no_rows(vendor, access_to, world, loopback):
    closed_at = world.calendar["close_at"][-1]
    vendor.messages["AAA"] = [message(1000 - n, closed_at - n * dt.timedelta(minutes=1), f"{n}") for n in range(900)]
    service = make_service(access_to("stocktwits", options={"max_pages": 2}))
    answer = service.fetch(ask(world, "AAA", "BBB"))
    assert set(answer.frame["symbol"]) == {"BBB"}
    assert type(answer.failures["AAA"]) is Incomplete
    assert "max_pages" in str(answer.failures["AAA"])
    assert len(loopback.requests("stocktwits")) == 3


def test_a_cursor_that_does_not_move_is_not_followed_for_ever(service, vendor, world, loopback):
    closed_at = world.calendar["close_at"][-1]
    vendor.messages["AAA"] = [message(7, closed_at, "text")] * 50
    vendor.messages["AAA"].append(message(6, closed_at, "text"))
    with pytest.raises(SchemaDrift, match="the cursor 7 after 7"):
        service.fetch(ask(world))


def test_a_session_that_has_not_closed_is_not_asked_for(service, vendor, loopback):
    with pytest.raises(EmptyResult, match="which closes at"):
        service.fetch(Ask("raw.posts", ("AAA",), (dt.date(2026, 11, 23),)))
    assert loopback.requests("stocktwits") == []


def test_an_unknown_symbol_does_not_hinder_the_others(service, world):
    answer = service.fetch(ask(world, "AAA", "ZZZ", "^GSPC"))
    assert set(answer.frame["symbol"]) == {"AAA"}
    assert {symbol: type(error) for symbol, error in answer.failures.items()} == {"ZZZ": NotFound, "^GSPC": NotFound}


def test_a_limit_ends_the_asking(service, world, loopback):
    loopback.set_mode("stocktwits", "429_retry_after", "BBB")
    answer = service.fetch(ask(world, "AAA", "BBB", "BRK.B"))
    assert set(answer.frame["symbol"]) == {"AAA"}
    assert [type(answer.failures[symbol]) for symbol in ("BBB", "BRK.B")] == [RateLimited] * 2
    assert [request.path.rsplit("/", 1)[1] for request in loopback.requests("stocktwits")] == ["AAA.json", "BBB.json"]


def test_cloudflare_refuses_with_a_page(service, world, loopback):
    loopback.set_mode("stocktwits", "403")
    with pytest.raises(EntitlementError, match="HTTP 403"):
        service.fetch(ask(world))


def test_coins_are_asked_for_in_the_form_of_the_service(service, vendor, world, loopback):
    vendor.messages["BTC.X"] = [message(1, world.calendar["close_at"][-1], "text")]
    assert service.fetch(ask(world, "BTC/USD")).frame["symbol"].to_list() == ["BTC/USD"]
    assert loopback.requests("stocktwits")[0].path == "/api/2/streams/symbol/BTC.X.json"


def test_malformed_messages_are_set_aside_without_their_text(service, vendor, world):
    ts = world.calendar["close_at"][-1]
    good, mistyped, undated, untold = (message(number, ts, "secret words") for number in (1, 2, 3, 4))
    mistyped["body"], undated["created_at"] = None, "yesterday"
    untold["entities"] = {"sentiment": {"basic": "Sideways"}}
    vendor.messages["AAA"] = [good, mistyped, undated, untold]
    answer = service.fetch(ask(world))
    assert answer.frame["post_id"].to_list() == ["1"]
    assert answer.rejected["rule"].sort().to_list() == [
        "body|type",
        "created_at|format",
        "entities.sentiment.basic",
    ]
    assert set(answer.rejected["session"]) == {world.today}
    assert not answer.rejected["found"].str.contains("secret words").any()


@pytest.mark.parametrize("spoilt", ["renamed", "status", "cursor"])
def test_an_envelope_that_is_not_that_of_the_symbol(service, vendor, world, monkeypatch, spoilt):
    from tests.loopback.server import Response

    document = json.loads(vendor.answer(_request("/api/2/streams/symbol/AAA.json")).body)
    change = {
        "renamed": {"symbol": {"symbol": "META"}},
        "status": {"response": {"status": 429}},
        "cursor": {"cursor": {"more": True, "max": None}},
    }[spoilt]
    monkeypatch.setattr(vendor, "answer", lambda request: Response.of_json(document | change))
    with pytest.raises(RateLimited if spoilt == "status" else SchemaDrift):
        service.fetch(ask(world))


def _request(path):
    from tests.loopback.server import Request

    return Request("stocktwits", "GET", path, {}, {}, b"", "", path, "ok")
