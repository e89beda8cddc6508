"""StockTwits: the public stream of a symbol, newest first, 30 messages a page.

A message is tagged bullish or bearish by its author or not at all (``entities.sentiment`` null). Messages are counted,
not kept: ``text`` is null, the hash of the text shows repeats, and the archive has the hashes of pages, not the pages.
Coins are ``BTC.X``.

Pages lead from now into the past. The stream of a busy symbol fills hundreds of pages a day, so that the symbol fails
when the stated number of pages does not reach the first session asked for: part of a session is not a session.

Options: ``max_pages``, pages for one symbol in one ask (20 unless set).
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import polars as pl

from gnosis.symbols import InvalidSymbolError, UnmappedSymbolError, to_provider
from resources.providers.live.access import Access
from resources.providers.live.errors import FetchError, Incomplete, NotFound, SchemaDrift
from resources.providers.live.http import Http, Reply, error_of_status
from resources.providers.live.records import Field, read_records, set_aside, set_aside_undated
from resources.providers.live.service import Answer, Ask, Capability, Probe, Profile, Rate, typed_errors
from resources.providers.live.texts import (
    Span,
    answer_of,
    each_symbol,
    hashes_of_authors,
    hashes_of_texts,
    option,
    span_of,
)
from resources.providers.rejections import rejected_rows

MAX_PAGES = 20
STAMP = "%Y-%m-%dT%H:%M:%S%#z"
TAGS = {"Bullish": "bullish", "Bearish": "bearish"}
COMMUNITY = "stream"
FIELDS = {
    "id": Field("id", int),
    "body": Field("body", str),
    "stamp": Field("created_at", str),
    "author": Field("user.id", int, is_optional=True),
    "sentiment": Field("entities.sentiment.basic", str, is_nullable=True),
}


class StockTwits:
    """The service; see the module."""

    profile = Profile(
        name="stocktwits",
        title="StockTwits streams",
        capabilities={"raw.posts": Capability(1, None, delay_s=0.0, reaches_back_sessions=2)},
        rates=(Rate(200, 3600.0),),
        hosts=("api.stocktwits.com",),
        terms="public stream without a key; no new keys are given; counts may be kept, texts may not",
        keeps_bodies=False,
    )

    def __init__(self, access: Access) -> None:
        self.access = access
        access.recorder.keeps_bodies = self.profile.keeps_bodies
        self._http = Http(access, "https://api.stocktwits.com", {"Accept": "application/json"})

    def fetch(self, ask: Ask) -> Answer:
        """Return the messages of the sessions asked for; see :class:`resources.providers.live.service.Service`."""
        with typed_errors(self.access, "messages on StockTwits"):
            span = span_of(self.access, ask)
            found, failures = each_symbol(ask.symbols, lambda symbol: self._of_symbol(symbol, span, ask))
            return answer_of(self.access, ask, [rows for rows, _ in found], [bad for _, bad in found], failures)

    def probe(self) -> Probe:
        """Fetch the newest page of SPY and say how old its newest message is."""
        expected = "messages about SPY"
        with typed_errors(self.access, expected):
            page = self._page("SPY", None, expected)
            rows, _ = read_records(self.access, expected, page["messages"], FIELDS)
            newest = _dated(rows)["ts"].max()
            if not isinstance(newest, dt.datetime):
                return Probe(None, "the stream of SPY is empty")
            delay_s = max((self.access.clock() - newest).total_seconds(), 0.0)
            return Probe(delay_s, f"newest message about SPY is of {newest:%Y-%m-%d %H:%M} UTC")

    def _of_symbol(self, symbol: str, span: Span, ask: Ask) -> tuple[pl.DataFrame, pl.DataFrame]:
        expected = f"messages about {symbol}"
        name = self._name(symbol, expected)
        with typed_errors(self.access, expected):
            messages = self._messages(name, span, expected)
            rows, malformed = read_records(self.access, expected, messages, FIELDS)
            rows = _dated(rows).with_columns(symbol=pl.lit(symbol))
            rows, undated = set_aside_undated(rows, "created_at", ask, self.profile.name)
            tag = pl.col("sentiment").replace_strict(TAGS, default=None, return_dtype=pl.String)
            is_unknown = pl.col("sentiment").is_not_null() & tag.is_null()
            untold = rows.filter(is_unknown).select("id", "symbol", "sentiment", session=pl.lit(ask.sessions[-1]))
            posts = rows.filter(~is_unknown)
            frame = posts.select(
                "symbol",
                source=pl.lit("stocktwits"),
                post_id=pl.col("id").cast(pl.String),
                community=pl.lit(COMMUNITY),
                author_hash=hashes_of_authors(posts["author"]),
                ts="ts",
                tag=tag.fill_null("none"),
                engagement=pl.lit(None, dtype=pl.Int64),
                text_hash=hashes_of_texts(posts["body"]),
                text=pl.lit(None, dtype=pl.String),
                known_at="ts",
            )
            bad = [
                set_aside(malformed, ask, symbol, self.profile.name),
                undated,
                rejected_rows(untold, date="session", rule="entities.sentiment.basic", provider=self.profile.name),
            ]
            return frame, pl.concat(bad)

    def _name(self, symbol: str, expected: str) -> str:
        try:
            return to_provider(symbol, self.profile.name)
        except (InvalidSymbolError, UnmappedSymbolError) as error:
            advice = "StockTwits has streams of shares, funds and coins in dollars"
            raise NotFound(self.profile.name, expected, str(error)[:120], advice) from None

    def _messages(self, name: str, span: Span, expected: str) -> list[Any]:
        """Return messages from now back to the beginning of the span."""
        messages: list[Any] = []
        before: int | None = None
        max_pages = option(self.access, "max_pages", int, MAX_PAGES)
        for _ in range(max_pages):
            page = self._page(name, before, expected)
            rows, _ = read_records(self.access, expected, page["messages"], FIELDS)
            messages += page["messages"]
            oldest = _dated(rows)["ts"].min()
            if not page["cursor"]["more"] or (isinstance(oldest, dt.datetime) and oldest <= span.after):
                return messages
            next_before = page["cursor"]["max"]
            if before is not None and next_before >= before:
                found = f"the cursor {next_before} after {before}"
                raise SchemaDrift(self.profile.name, f"older {expected} on the next page", found, "report it")
            before = next_before
        found = f"{max_pages} pages that do not reach back to {span.after:%Y-%m-%d %H:%M} UTC"
        advice = "ask for fewer sessions, or raise max_pages in the options of this service"
        raise Incomplete(self.profile.name, f"all {expected} since then", found, advice)

    def _page(self, name: str, before: int | None, expected: str) -> dict[str, Any]:
        params = {} if before is None else {"max": before}
        reply = self._http.get(f"/api/2/streams/symbol/{name}.json", expected, params)
        page = reply.json(expected)
        if (refusal := self._refusal(page, reply, expected)) is not None:
            raise refusal
        answered = page["symbol"]["symbol"]
        if answered != name:
            advice = "the symbol was renamed: its stream is not that of the one asked for"
            raise SchemaDrift(self.profile.name, f"the stream of {name}", f"that of {answered!r}", advice)
        cursor = page["cursor"]
        is_last = cursor["more"] is False
        if not isinstance(cursor["more"], bool) or not (is_last or type(cursor["max"]) is int):
            advice = "the answer has a new form: look at the archived bytes and report it"
            raise SchemaDrift(self.profile.name, "a cursor with more and max", repr(cursor)[:80], advice)
        return dict(page)

    def _refusal(self, page: Any, reply: Reply, expected: str) -> FetchError | None:
        """Return the error that the envelope states, whatever the status of the response was."""
        status = page["response"]["status"]
        if type(status) is not int:
            advice = "the answer has a new form: look at the archived bytes and report it"
            raise SchemaDrift(self.profile.name, "response.status as a number", type(status).__name__, advice)
        return error_of_status(self.access, expected, status, reply.headers, str(page.get("errors", "")))


def _dated(rows: pl.DataFrame) -> pl.DataFrame:
    stamp = pl.col("stamp").str.to_datetime(STAMP, time_unit="us", time_zone="UTC", strict=False)
    return rows.with_columns(ts=stamp)
