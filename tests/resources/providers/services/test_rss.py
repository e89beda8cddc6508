"""Feeds: whose they are, how far they reach, dates, and what feedparser does not say."""

from __future__ import annotations

import datetime as dt
import logging

import pytest

from resources.providers.live.errors import Incomplete, NotConfigured, NotFound, SchemaDrift, Transient
from resources.providers.live.service import Ask
from resources.providers.services import make_service
from tests.loopback.server import Response
from tests.loopback.vendors.rss import FEEDS, RssVendor, atom, item, rss

OF_AAA = {"url": "https://press.test/atom/AAA.xml", "symbols": ["AAA"]}


@pytest.fixture
def vendor(loopback, world):
    vendor = RssVendor(world)
    loopback.serve(vendor)
    return vendor


@pytest.fixture
def reader(vendor, access_to):
    return lambda *feeds: make_service(access_to("rss", options={"feeds": list(feeds)}))


@pytest.fixture
def old(world):
    return item("old", world.calendar["close_at"][-3], "An older story")


def ask(world, *symbols):
    return Ask("raw.news", symbols or ("AAA",), (world.today,))


def test_an_entry_is_news_from_its_date_on(reader, vendor, world, old):
    ts = world.calendar["close_at"][-1] - dt.timedelta(hours=1)
    new_york = ts.astimezone(dt.timezone(dt.timedelta(hours=-5)))
    vendor.items["AAA"] = [item("1", new_york, "Aaa & Sons win"), old]
    row = reader(*FEEDS).fetch(ask(world)).frame.row(0, named=True)
    assert (row["ts"], row["known_at"], row["session"]) == (ts, ts, world.today)
    assert (row["item_id"], row["outlet"], row["text"]) == ("press-1", "press.test", "Aaa & Sons win")


@pytest.mark.parametrize("feeds", [[], None])
def test_without_feeds_it_says_how_to_set_them(vendor, access_to, world, loopback, feeds):
    options = {} if feeds is None else {"feeds": feeds}
    with pytest.raises(NotFound, match="set feeds in the options"):
        make_service(access_to("rss", options=options)).fetch(ask(world))
    assert loopback.requests("rss") == []


@pytest.mark.parametrize(
    "feed",
    [
        {"url": "https://press.test/all.xml"},
        {"symbols": ["AAA"]},
        "https://press.test/{symbol}.xml",
        {"url": "https://press.test/all.xml", "symbols": "AAA"},
        {"url": "https://press.test/{symbol}.xml", "spelling": "nobody"},
    ],
)
def test_a_feed_that_belongs_to_no_symbol(reader, world, feed):
    with pytest.raises(NotFound):
        reader(feed).fetch(ask(world))


def test_symbols_come_from_the_options_only(reader, vendor, world, loopback):
    answer = reader(OF_AAA | {"symbols": ["AAA", "BBB"]}).fetch(ask(world, "AAA", "BBB", "SPY"))
    assert set(answer.frame["symbol"]) == {"AAA", "BBB"}
    assert type(answer.failures["SPY"]) is NotConfigured
    assert [request.path for request in loopback.requests("rss")] == ["/atom/AAA.xml"]


def test_a_template_writes_symbols_as_the_provider_does(reader, vendor, world, loopback):
    vendor.items["BRK-B"] = vendor.items["AAA"]
    feed = {"url": "https://press.test/rss/{symbol}.xml?of={symbol}", "spelling": "yahoo"}
    assert set(reader(feed).fetch(ask(world, "BRK.B")).frame["symbol"]) == {"BRK.B"}
    (request,) = loopback.requests("rss")
    assert (request.path, request.query, request.host) == ("/rss/BRK-B.xml", {"of": "BRK-B"}, "press.test")


def test_a_story_in_two_feeds_is_there_once(reader, vendor, world):
    twice = reader(FEEDS[0], FEEDS[0] | {"symbols": ["AAA"]}).fetch(ask(world)).frame
    assert twice.equals(reader(*FEEDS).fetch(ask(world)).frame)


def test_a_feed_that_does_not_reach_back_gives_no_rows(reader, vendor, world):
    vendor.items["AAA"] = [item("1", world.calendar["close_at"][-1], "Aaa wins")]
    answer = reader(*FEEDS).fetch(ask(world, "AAA", "BBB"))
    assert set(answer.frame["symbol"]) == {"BBB"}
    assert type(answer.failures["AAA"]) is Incomplete
    assert "press.test/rss/AAA.xml" in str(answer.failures["AAA"])


def test_a_feed_that_fails_does_not_hinder_other_hosts(reader, world, loopback):
    loopback.set_mode("rss", "503", "AAA")
    answer = reader(*FEEDS).fetch(ask(world, "AAA", "BBB"))
    assert set(answer.frame["symbol"]) == {"BBB"}
    assert type(answer.failures["AAA"]) is Transient


def test_one_of_two_feeds_of_a_symbol_is_not_enough(reader, world, loopback):
    loopback.set_mode("rss", "404", "/atom/")
    with pytest.raises(NotFound):
        reader(*FEEDS, OF_AAA).fetch(ask(world))


def test_an_updated_entry_is_known_from_then_on(reader, vendor, world, old):
    closed_at = world.calendar["close_at"][-1]
    hour = dt.timedelta(hours=1)
    vendor.items["AAA"] = [
        item("1", closed_at - 3 * hour, "Corrected", updated=closed_at - hour),
        item("2", closed_at - 3 * hour, "Corrected after the close", updated=closed_at + hour),
        item("3", closed_at - 2 * hour, "Without a date of publication", is_published=False),
        old,
    ]
    frame = reader(OF_AAA).fetch(ask(world)).frame
    assert frame.select("ts", "known_at").rows() == [
        (closed_at - 3 * hour, closed_at - hour),
        (closed_at - 2 * hour, closed_at - 2 * hour),
    ]
    assert frame["item_id"][0] == "tag:press.test,2026:press-1"


def test_entries_without_date_or_title_are_set_aside(reader, vendor, world, old):
    ts = world.calendar["close_at"][-1]
    vendor.items["AAA"] = [
        item("1", ts, "Good"),
        item("2", ts, "Undated") | {"date": "soon"},
        item("3", ts, None),
        old,
    ]
    answer = reader(*FEEDS).fetch(ask(world))
    assert answer.frame["item_id"].to_list() == ["press-1"]
    assert answer.rejected["rule"].sort().to_list() == ["published|format", "title|type"]


@pytest.mark.parametrize(
    "date",
    [
        "20 Nov 2026",
        "2026-11-20",
        "2026-11-20T15:00:00",
        "2026-11-20 15:00:00",
        "Fri, 20 Nov 2026 15:00:00 CET",
        "2026-11-20T15:00:00 EST",
        "Fri, 20 Nov 2026 03:00:00 PM EST",
        "Fri Nov 20 15:00:00 2026",
    ],
)
def test_a_date_without_time_or_zone_is_no_instant(reader, vendor, world, old, date):
    # feedparser takes them for midnight or for UTC: up to a day before anyone could have read the entry.
    vendor.items["AAA"] = [item("1", world.calendar["close_at"][-1], "Vague") | {"date": date}, old]
    answer = reader(*FEEDS).fetch(ask(world))
    assert answer.frame.is_empty()
    assert answer.rejected["rule"].to_list() == ["published|format"]
    assert date in answer.rejected["found"][0]
    vendor.items["AAA"] = vendor.items["AAA"][:1]
    with pytest.raises(SchemaDrift, match="dates with time and zone"):
        reader(*FEEDS).fetch(ask(world))


@pytest.mark.parametrize(
    "date",
    [
        "2026-11-20T20:30:00Z",
        "2026-11-20T15:30:00.000-05:00",
        "2026-11-20 15:30-0500",
        "Fri, 20 Nov 2026 15:30:00 EST",
        "20 Nov 2026 12:30 PST",
        "Fri, 20 Nov 2026 20:30:00 UTC",
        "Fri, 20 Nov 2026 21:30:00 +0100",
    ],
)
def test_a_date_with_time_and_zone_is_an_instant(reader, vendor, world, old, date):
    vendor.items["AAA"] = [item("1", world.calendar["close_at"][-1], "Exact") | {"date": date}, old]
    frame = reader(*FEEDS).fetch(ask(world)).frame
    assert frame["ts"].to_list() == [dt.datetime(2026, 11, 20, 20, 30, tzinfo=dt.UTC)]


def test_an_update_without_a_zone_sets_the_entry_aside(reader, vendor, world, old):
    closed_at = world.calendar["close_at"][-1]
    naive = (closed_at - dt.timedelta(hours=1)).replace(tzinfo=None)
    vendor.items["AAA"] = [item("1", closed_at - dt.timedelta(hours=3), "Changed", updated=naive), old]
    answer = reader(OF_AAA).fetch(ask(world))
    assert answer.frame.is_empty()
    assert answer.rejected["rule"].to_list() == ["published|format"]


@pytest.mark.parametrize("secret", ["s3cret", "s3cr+t/with=signs|and%2Fmore", "a-long-secret-of-one-feed", "two words"])
def test_keys_in_addresses_are_neither_told_nor_kept(reader, vendor, world, loopback, caplog, secret):
    caplog.set_level(logging.DEBUG)
    feed = {"url": f"https://me:passw0rd@press.test/rss/{{symbol}}.xml?format=rss&token={secret}"}
    answer = vendor.answer
    told = secret if len(secret) > 11 else ""
    link = f"<link>https://press.test/feed/{told}?token={secret}</link>".replace("&", "&amp;")

    def repeating(request):
        given = answer(request)
        return Response(
            given.body.replace(b"<title>Press</title>", b"<title>Press</title>" + link.encode()),
            200,
            given.content_type,
        )

    vendor.answer = repeating
    service = reader(feed)
    frame = service.fetch(ask(world)).frame
    assert frame["outlet"].to_list() == ["press.test"]
    loopback.set_mode("rss", "redirect")
    service.fetch(ask(world))
    loopback.set_mode("rss", "404")
    with pytest.raises(NotFound) as raised:
        service.fetch(ask(world))
    sent = loopback.requests("rss")[0].url.partition("token=")[2]
    assert sent
    sources = service.access.recorder.taken()
    kept = [source.name + source.url_or_path for source in sources] + [str(source.content) for source in sources]
    for form in (secret, sent, "passw0rd"):
        assert not [text for text in (*kept, caplog.text, str(raised.value)) if form in text]
    # What is no key stays as it came: the archive can be read again.
    assert b"<rss version" in sources[0].content


def test_the_link_identifies_an_entry_without_identifier(reader, vendor, world, old):
    vendor.items["AAA"] = [item("1", world.calendar["close_at"][-1], "Good"), old]
    body = rss(vendor.items["AAA"]).replace('<guid isPermaLink="false">press-1</guid>', "")
    vendor.answer = lambda request: Response(body.encode(), 200, "text/xml")
    assert reader(*FEEDS).fetch(ask(world)).frame["item_id"].to_list() == ["https://press.test/press-1"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not a feed",
        b"/etc/passwd",
        b'{"items": []}',
        b"<html><body>Will be right back</body></html>",
        b'<?xml version="1.0"?><rss version="2.0"><channel><title>Press</title>',
    ],
)
def test_what_is_no_feed_is_no_answer(reader, vendor, world, body):
    vendor.answer = lambda request: Response(body, 200, "application/rss+xml")
    with pytest.raises(SchemaDrift):
        reader(*FEEDS).fetch(ask(world))


def test_a_wrong_media_type_or_encoding_does_no_harm(reader, vendor, world, old):
    ts = world.calendar["close_at"][-1]
    text = rss([item("1", ts, "Größe"), old]).replace("UTF-8", "iso-8859-1")
    vendor.answer = lambda request: Response(text.encode("latin-1"), 200, "text/html")
    assert reader(*FEEDS).fetch(ask(world)).frame["text"].to_list() == ["Größe"]


def test_a_feed_without_entries_is_an_answer(reader, vendor, world):
    vendor.answer = lambda request: Response(atom([]).encode(), 200, "application/atom+xml")
    assert reader(*FEEDS).fetch(ask(world)).frame.is_empty()


def test_status_304_without_a_condition_is_no_answer(reader, vendor, world, loopback):
    vendor.answer = lambda request: Response(b"", 304, "application/rss+xml")
    with pytest.raises(SchemaDrift, match="HTTP 304"):
        reader(*FEEDS).fetch(ask(world))
    assert not {"if-none-match", "if-modified-since"} & set(loopback.requests("rss")[0].headers)
