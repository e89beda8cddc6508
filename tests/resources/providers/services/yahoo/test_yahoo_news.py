"""Headlines as a stream, not as an archive."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

from resources.providers.live.errors import (
    Incomplete,
    SchemaDrift,
)
from tests.loopback.vendors import yahoo as vendor_module
from tests.loopback.vendors.yahoo import (
    ask_of,
)


class TestNews:
    def test_headlines_come_by_post_without_advertisements(self, yahoo, world, loopback):
        frame = yahoo.fetch(ask_of(world, last=2, table="raw.news")).frame
        wanted = world.documents.filter(pl.col("symbol") == "AAA").sort("ts")
        assert frame["text"].to_list() == wanted["text"].to_list()
        assert frame["ts"].to_list() == wanted["ts"].to_list()
        assert frame["session"].to_list() == list(world.sessions[-2:])
        assert frame["outlet"].unique().to_list() == ["Example Wire"]
        assert loopback.requests("yahoo")[-1].method == "POST"

    def test_a_headline_is_known_from_its_last_display_on(self, yahoo, world, vendor, monkeypatch):
        frame = yahoo.fetch(ask_of(world, last=2, table="raw.news")).frame
        waits = (frame["known_at"] - frame["ts"]).to_list()
        assert waits == [vendor_module.CHANGED_AFTER, dt.timedelta(0)]
        changed_at = world.calendar["close_at"][-1] + dt.timedelta(minutes=1)
        articles = vendor.articles("AAA")
        articles[0]["content"]["displayTime"] = changed_at.isoformat()
        monkeypatch.setattr(vendor, "articles", lambda _: articles)
        assert yahoo.fetch(ask_of(world, last=1, table="raw.news")).frame.is_empty()

    @pytest.mark.parametrize("shown", ["later", 1_700_000_000])
    def test_a_display_that_cannot_be_read_sets_the_article_aside(self, yahoo, world, vendor, monkeypatch, shown):
        articles = vendor.articles("AAA")
        articles[0]["content"]["displayTime"] = shown
        monkeypatch.setattr(vendor, "articles", lambda _: articles)
        answer = yahoo.fetch(ask_of(world, last=2, table="raw.news"))
        assert (answer.frame.height, answer.rejected["rule"].to_list()) == (1, ["article|unreadable"])

    def test_an_article_that_cannot_be_read_is_set_aside(self, yahoo, world, vendor, monkeypatch):
        articles = vendor.articles
        odd = {"id": "odd", "content": {"title": "No date", "pubDate": None}}
        monkeypatch.setattr(vendor, "articles", lambda symbol: [odd, *articles(symbol)])
        answer = yahoo.fetch(ask_of(world, last=2, table="raw.news"))
        assert answer.frame.height == 2
        assert answer.rejected.select("session", "rule").rows() == [(world.today, "article|unreadable")]

    @pytest.mark.parametrize("document", [{"status": "ERROR"}, {"data": {"tickerStream": None}}, []])
    def test_an_answer_without_stream_is_not_an_answer_without_news(self, yahoo, world, vendor, monkeypatch, document):
        monkeypatch.setattr(vendor, "_news", lambda _: vendor_module.Response.of_json(document))
        with pytest.raises(SchemaDrift):
            yahoo.fetch(ask_of(world, last=2, table="raw.news"))

    def test_a_full_stream_says_nothing_of_earlier_sessions(self, yahoo, world, vendor, monkeypatch):
        newest = vendor.articles("AAA")[0]
        stream = [newest | {"id": f"00000000-0000-4000-8000-{n:0>12}"} for n in range(100)]
        monkeypatch.setattr(vendor, "articles", lambda _: stream)
        assert yahoo.fetch(ask_of(world, last=1, table="raw.news")).frame.height == 100
        with pytest.raises(Incomplete, match="full stream"):
            yahoo.fetch(ask_of(world, last=2, table="raw.news"))
