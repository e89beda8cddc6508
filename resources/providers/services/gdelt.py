"""GDELT: headlines of the world's online press (DOC 2.0, ``ArtList``).

GDELT knows no symbols: each needs a query in the options, usually the company's name in quotation marks. ``seendate``
(UTC) is when GDELT saw the article, in steps of 15 minutes, and is both ``ts`` and ``known_at``. The identifier of an
article is its address.

An answer holds 250 articles at most and does not say when there are more. Articles come newest first, so that a full
answer is continued from its oldest stamp. Errors in the query come as plain text with status 200.

Options: ``names``, the query of each symbol, such as ``{AAPL = '"Apple Inc" sourcelang:english'}``; ``max_requests``,
requests for one symbol in one ask (8 unless set).
"""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import polars as pl

from resources.providers.live.access import Access
from resources.providers.live.errors import Incomplete, NotConfigured, NotFound, RateLimited, SchemaDrift
from resources.providers.live.http import Http, Reply
from resources.providers.live.records import Field, read_records, set_aside, set_aside_undated
from resources.providers.live.service import Answer, Ask, Capability, Probe, Profile, Rate, typed_errors
from resources.providers.live.texts import (
    Span,
    answer_of,
    each_symbol,
    hashes_of_texts,
    option,
    span_of,
)

PATH = "/api/v2/doc/doc"
MOST_RECORDS = 250
MAX_REQUESTS = 8
PACE_S = 5.0
SETTLES_AFTER = dt.timedelta(minutes=30)
"""Two of GDELT's quarters of an hour: one to see an article, one to list it."""

STAMP = "%Y%m%dT%H%M%SZ"
ASKED = "%Y%m%d%H%M%S"
TOO_MANY = "limit requests"
QUERY_WORDS = ("query", "phrase", "keyword", "timespan", "search")
FIELDS = {
    "item_id": Field("url", str),
    "text": Field("title", str),
    "stamp": Field("seendate", str),
    "outlet": Field("domain", str),
}


class Gdelt:
    """The service; see the module."""

    profile = Profile(
        name="gdelt",
        title="GDELT DOC 2.0",
        capabilities={
            "raw.news": Capability(
                1, None, delay_s=SETTLES_AFTER.total_seconds(), reaches_back_sessions=60, preference=6
            )
        },
        rates=(Rate(1, PACE_S),),
        hosts=("api.gdeltproject.org",),
        terms="free for any use with attribution to the GDELT Project",
    )

    def __init__(self, access: Access) -> None:
        self.access = access
        self._http = Http(access, "https://api.gdeltproject.org")

    def fetch(self, ask: Ask) -> Answer:
        """Return the articles of the sessions asked for; see :class:`resources.providers.live.service.Service`."""
        with typed_errors(self.access, "articles"):
            span = span_of(self.access, ask, SETTLES_AFTER)
            found, failures = each_symbol(ask.symbols, lambda symbol: self._of_symbol(symbol, span, ask))
            return answer_of(self.access, ask, [rows for rows, _ in found], [bad for _, bad in found], failures)

    def probe(self) -> Probe:
        """Ask for the newest article about the stock market and say how old it is."""
        expected = "an article about the stock market"
        with typed_errors(self.access, expected):
            now = self.access.clock()
            articles = self._articles('"stock market"', now - dt.timedelta(hours=3), now, 1, expected)
            newest = read_records(self.access, expected, articles, FIELDS)[0].select(_ts())["ts"].max()
            if not isinstance(newest, dt.datetime):
                return Probe(None, "no article about the stock market in three hours")
            return Probe(max((now - newest).total_seconds(), 0.0), f"newest article is of {newest:%Y-%m-%d %H:%M} UTC")

    def _of_symbol(self, symbol: str, span: Span, ask: Ask) -> tuple[pl.DataFrame, pl.DataFrame]:
        expected = f"articles about {symbol}"
        query = option(self.access, "names", dict, {}).get(symbol)
        if not isinstance(query, str) or not query.strip():
            advice = f"set names.{symbol} in the options of this service, such as '\"Apple Inc\"'"
            raise NotConfigured(self.profile.name, f"a query for {symbol}", "none", advice)
        with typed_errors(self.access, expected):
            articles = self._all_articles(query, span, expected)
            rows, malformed = read_records(self.access, expected, articles, FIELDS)
            rows = rows.with_columns(_ts(), symbol=pl.lit(symbol))
            rows, undated = set_aside_undated(rows, "seendate", ask, self.profile.name)
            frame = rows.select(
                "symbol",
                "item_id",
                kind=pl.lit("article"),
                event_id=pl.lit(None, dtype=pl.String),
                outlet="outlet",
                ts="ts",
                text_hash=hashes_of_texts(rows["text"]),
                text="text",
                known_at="ts",
            )
            # An article that is seen again, under a later stamp, was known from the first.
            first = frame.sort("ts", maintain_order=True).unique("item_id", keep="first", maintain_order=True)
            return first, pl.concat([set_aside(malformed, ask, symbol, self.profile.name), undated])

    def _all_articles(self, query: str, span: Span, expected: str) -> list[Any]:
        articles: list[Any] = []
        after, until = span.after + dt.timedelta(seconds=1), span.until
        max_requests = option(self.access, "max_requests", int, MAX_REQUESTS)
        for _ in range(max_requests):
            page = self._articles(query, after, until, MOST_RECORDS, expected)
            articles += page
            if len(page) < MOST_RECORDS:
                return articles
            oldest = read_records(self.access, expected, page, FIELDS)[0].select(_ts())["ts"].min()
            if not isinstance(oldest, dt.datetime) or oldest >= until:
                break
            # The oldest stamp is asked for again: the answer may have been cut within it.
            until = oldest
        found = f"more than {len(articles)} in {max_requests} requests, or more than {MOST_RECORDS} of one moment"
        advice = "narrow the query in names, ask for fewer sessions, or raise max_requests in the options"
        raise Incomplete(self.profile.name, f"all {expected} since {after:%Y-%m-%d %H:%M} UTC", found, advice)

    def _articles(self, query: str, after: dt.datetime, until: dt.datetime, most: int, expected: str) -> list[Any]:
        params: dict[str, str | int] = {
            "query": query,
            "mode": "ArtList",
            "format": "json",
            "sort": "DateDesc",
            "maxrecords": most,
            "startdatetime": f"{after:{ASKED}}",
            "enddatetime": f"{until:{ASKED}}",
        }
        reply = self._http.get(PATH, expected, params)
        document = self._document(reply, expected)
        # Without a hit the object is empty.
        articles = document.get("articles", [] if not document else None)
        if not isinstance(articles, list):
            advice = "the answer has a new form: look at the archived bytes and report it"
            raise SchemaDrift(self.profile.name, "articles as a list", type(articles).__name__, advice)
        return articles

    def _document(self, reply: Reply, expected: str) -> dict[str, Any]:
        text = reply.content.decode("utf-8", "replace").strip()
        if not text.startswith(("{", "[", "<")):
            shown = repr(" ".join(text.split())[:120])
            if TOO_MANY in text.lower():
                advice = "asked again later; lower the rates of this service"
                raise RateLimited(self.profile.name, expected, shown, advice, PACE_S)
            if any(word in text.lower() for word in QUERY_WORDS):
                raise NotFound(self.profile.name, expected, shown, "correct the query in names of this service")
        try:
            # Headlines are passed on with the control characters that they came with.
            document = json.loads(text, strict=False)
        except ValueError:
            # It says what came in place of JSON.
            return dict(reply.json(expected))
        if not isinstance(document, dict):
            advice = "the answer has a new form: look at the archived bytes and report it"
            raise SchemaDrift(self.profile.name, f"{expected} as an object", type(document).__name__, advice)
        return document


def _ts() -> pl.Expr:
    return pl.col("stamp").str.to_datetime(STAMP, time_unit="us", strict=False).dt.replace_time_zone("UTC").alias("ts")
