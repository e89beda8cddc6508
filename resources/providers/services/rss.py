"""RSS and Atom feeds of the user's choice.

A feed does not say which symbols its entries are about: only those that the options give to it get them. The identifier
is the entry's own (``guid`` or ``id``, else its link); the text is its title. An entry without title or identifier is
set aside, and so is one with a date that does not state time and zone: midnight would be the evening before in New
York. One that was updated is known from then on.

A feed holds its newest entries and no others. Symbols fail whose feed does not reach back to the close before the first
session asked for: what fell off its end would be missing without a trace. Feeds are always asked for whole, never under
the condition that they changed (``ETag``): every night keeps the bytes that its rows came from.

Options: ``feeds``, a list of ``{url = "...", symbols = ["AAPL"]}``. With ``{symbol}`` in the address there is one feed
per symbol, for all symbols or those that are listed; ``spelling = "yahoo"`` writes them as that provider does. What an
address holds beside host and path may be a key, and is neither told nor kept: a key in the path would be.
"""

from __future__ import annotations

import calendar
import datetime as dt
import io
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import polars as pl

from gnosis.symbols import PROVIDERS, InvalidSymbolError, UnmappedSymbolError, to_provider
from resources.providers.live.access import Access
from resources.providers.live.errors import FetchError, Incomplete, NotConfigured, NotFound, SchemaDrift
from resources.providers.live.http import Http
from resources.providers.live.records import Field, read_records, set_aside, set_aside_undated
from resources.providers.live.service import Answer, Ask, Capability, Probe, Profile, Rate, typed_errors
from resources.providers.live.sessions import redirected
from resources.providers.live.texts import (
    Span,
    answer_of,
    each_symbol,
    hashes_of_texts,
    option,
    span_of,
)

PLACE = "{symbol}"
HOW = 'set feeds in the options of this service, such as [{url = "https://press.test/aapl.xml", symbols = ["AAPL"]}]'
STAMP = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d([.,]\d+)?)? ?(Z|[+-]\d\d(:?\d\d)?)"
    r"|(\w{3,9},? )?\d{1,2} \w{3,9} \d{2,4} \d{1,2}:\d\d(:\d\d)? (Z|UTC?|GMT|[ECMP][SD]T|[+-]\d\d:?\d\d)",
    re.ASCII | re.IGNORECASE,
)
"""Dates that state time and zone (ISO 8601, RFC 822). feedparser takes others for midnight or for UTC."""

LONGEST_WORD = 11
"""A longer value of a query is no word of an ordinary text: it is struck out wherever it stands."""

AS_WRITTEN = "!$%&'()*+,-./:;=?@[\\]^_`{|}~"
"""Signs that an HTTP client leaves as they are in a query."""

FIELDS = {
    "item_id": Field("id", str),
    "text": Field("title", str),
    "stamp": Field("date", str, is_nullable=True),
    "published_s": Field("published", int, is_nullable=True),
    "updated_s": Field("updated", int, is_nullable=True),
    "vague": Field("vague", str, is_nullable=True),
}


class Rss:
    """The service; see the module."""

    profile = Profile(
        name="rss",
        title="RSS and Atom feeds",
        capabilities={"raw.news": Capability(None, 1, delay_s=900.0, reaches_back_sessions=2, preference=7)},
        rates=(Rate(30, 60.0),),
        hosts=(),
        terms="those of each feed",
    )

    def __init__(self, access: Access) -> None:
        self.access = access = replace(access, keys={**access.keys, **_secrets(access.options.get("feeds"))})
        self._http = Http(access, "https://localhost", {"Accept": "application/rss+xml, application/atom+xml, */*"})

    def fetch(self, ask: Ask) -> Answer:
        """Return the entries of the sessions asked for; see :class:`resources.providers.live.service.Service`."""
        with typed_errors(self.access, "feeds"):
            span = span_of(self.access, ask)
            feeds = self._feeds()
            fetched: dict[str, tuple[pl.DataFrame, pl.DataFrame] | FetchError] = {}
            found, failures = each_symbol(
                ask.symbols, lambda symbol: self._of_symbol(symbol, feeds, span, fetched), of_one_host=False
            )
            rejected = [
                bad
                for result in fetched.values()
                if not isinstance(result, FetchError)
                for bad in self._rejected(*result, ask)
            ]
            return answer_of(self.access, ask, found, rejected, failures)

    def probe(self) -> Probe:
        """Fetch the first feed and say how old its newest entry is."""
        with typed_errors(self.access, "the first feed"):
            feed = self._feeds()[0]
            symbol = (feed.get("symbols") or ["SPY"])[0]
            newest = self._entries(self._address(feed, symbol))[0]["ts"].max()
            host = urlsplit(feed["url"]).hostname
            if not isinstance(newest, dt.datetime):
                return Probe(None, f"the feed of {host} has no entry with a date")
            delay_s = max((self.access.clock() - newest).total_seconds(), 0.0)
            return Probe(delay_s, f"newest entry of {host} is of {newest:%Y-%m-%d %H:%M} UTC")

    def _feeds(self) -> list[Mapping[str, Any]]:
        feeds = option(self.access, "feeds", list, [])
        if not feeds:
            raise NotConfigured(self.profile.name, "at least one feed", "none", HOW)
        for feed in feeds:
            is_feed = isinstance(feed, Mapping) and isinstance(feed.get("url"), str)
            symbols = feed.get("symbols", []) if is_feed else None
            is_listed = isinstance(symbols, list) and all(isinstance(symbol, str) for symbol in symbols)
            if not is_listed or not (symbols or PLACE in feed["url"]):
                expected = f"feeds with url, and with symbols or {PLACE} in the url"
                raise NotFound(self.profile.name, expected, repr(feed)[:120], HOW)
            if feed.get("spelling", "yahoo") not in PROVIDERS:
                raise NotFound(self.profile.name, f"spelling among {', '.join(PROVIDERS)}", repr(feed)[:120], HOW)
        return list(feeds)

    def _address(self, feed: Mapping[str, Any], symbol: str) -> str:
        if PLACE not in feed["url"]:
            return str(feed["url"])
        try:
            written = to_provider(symbol, feed["spelling"]) if "spelling" in feed else symbol
        except (InvalidSymbolError, UnmappedSymbolError) as error:
            raise NotFound(self.profile.name, f"the feed of {symbol}", str(error)[:120], "leave it out") from None
        return str(feed["url"]).replace(PLACE, quote(written, safe=""))

    def _of_symbol(
        self,
        symbol: str,
        feeds: list[Mapping[str, Any]],
        span: Span,
        fetched: dict[str, tuple[pl.DataFrame, pl.DataFrame] | FetchError],
    ) -> pl.DataFrame:
        """Return the entries of all feeds of a symbol; each feed is asked once for all symbols."""
        own = [feed for feed in feeds if symbol in feed.get("symbols", [symbol])]
        if not own:
            raise NotConfigured(self.profile.name, f"a feed about {symbol}", "none", HOW)
        parts = []
        for address in dict.fromkeys(self._address(feed, symbol) for feed in own):
            if address not in fetched:
                try:
                    fetched[address] = self._entries(address)
                except FetchError as error:
                    fetched[address] = error
            result = fetched[address]
            if isinstance(result, FetchError):
                raise result
            parts.append(self._reaching(result[0], span, address))
        rows = pl.concat(parts).filter(pl.col("ts").is_not_null())
        return rows.select(
            "item_id",
            "outlet",
            "ts",
            "text",
            symbol=pl.lit(symbol),
            kind=pl.lit("article"),
            event_id=pl.lit(None, dtype=pl.String),
            text_hash=hashes_of_texts(rows["text"]),
            known_at=pl.max_horizontal("ts", "updated_at"),
        )

    def _reaching(self, entries: pl.DataFrame, span: Span, address: str) -> pl.DataFrame:
        oldest = entries["ts"].min()
        if isinstance(oldest, dt.datetime) and oldest > span.after:
            expected = f"a feed that reaches back to {span.after:%Y-%m-%d %H:%M} UTC"
            found = f"the oldest entry of {self._shown(address)} at {oldest:%Y-%m-%d %H:%M} UTC"
            raise Incomplete(self.profile.name, expected, found, "give the symbol a feed that is less busy")
        return entries

    def _shown(self, address: str) -> str:
        parts = urlsplit(address)
        return self.access.redact(f"{parts.hostname or ''}{parts.path}")

    def _entries(self, address: str) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Return the entries of a feed (``ts`` null where no date can be read), and those that are malformed."""
        import feedparser
        from feedparser.exceptions import CharacterEncodingOverride, NonXMLContentType

        expected = f"the feed {self._shown(address)}"
        with typed_errors(self.access, expected):
            target, headers = redirected(self.access, address)
            reply = self._http.get(target, expected, headers=headers)
            # Bytes alone would be taken for the name of a file.
            parsed = feedparser.parse(
                io.BytesIO(reply.content), response_headers={"content-type": reply.headers.get("content-type", "")}
            )
            # It never raises. An encoding or a media type that is not as announced does no harm; a broken text does.
            fault = parsed.get("bozo_exception") if parsed.bozo else None
            if not isinstance(fault, CharacterEncodingOverride | NonXMLContentType | None) or not parsed.version:
                found = self.access.redact(str(fault))[:120] if fault else "another document"
                advice = "the address is no feed, or the feed is damaged: open it in a browser"
                raise SchemaDrift(self.profile.name, expected, found, advice)
            rows, malformed = read_records(self.access, expected, [_record(entry) for entry in parsed.entries], FIELDS)
            rows = rows.select(
                "item_id",
                "text",
                stamp=pl.coalesce("vague", "stamp"),
                ts=pl.when(pl.col("vague").is_null()).then(_instant(pl.coalesce("published_s", "updated_s"))),
                updated_at=_instant(pl.col("updated_s")),
                outlet=pl.lit(urlsplit(address).hostname),
            )
            if rows.height and rows["ts"].null_count() == rows.height:
                advice = "the feed has no dates that can be trusted: leave it out"
                raise SchemaDrift(
                    self.profile.name, f"dates with time and zone in {expected}", repr(rows["stamp"][0]), advice
                )
            return rows, malformed

    def _rejected(self, rows: pl.DataFrame, malformed: pl.DataFrame, ask: Ask) -> list[pl.DataFrame]:
        with_symbol = rows.with_columns(symbol=pl.lit(None, dtype=pl.String))
        _, undated = set_aside_undated(with_symbol, "published", ask, self.profile.name)
        return [set_aside(malformed, ask, None, self.profile.name), undated]


def _record(entry: Any) -> dict[str, Any]:
    # dict.get: feedparser's own gives the date of publication for a missing date of update, with a warning.
    stamps = {name: dict.get(entry, name) for name in ("published", "updated")}
    published, updated = (_seconds(dict.get(entry, f"{name}_parsed")) for name in stamps)
    return {
        "id": entry.get("id") or entry.get("link") or None,
        "title": (entry.get("title") or "").strip() or None,
        "date": stamps["published"] or stamps["updated"],
        "published": published,
        "updated": updated,
        "vague": next((stamp for stamp in stamps.values() if stamp and not is_exact(stamp)), None),
    }


def is_exact(stamp: str) -> bool:
    """Return True for a date that states its time and its zone.

    Examples
    --------
    >>> is_exact("Fri, 20 Nov 2026 16:00:00 EST"), is_exact("2026-11-20T21:00:00Z")
    (True, True)
    >>> is_exact("20 Nov 2026"), is_exact("2026-11-20T21:00:00"), is_exact("Fri, 20 Nov 2026 22:00:00 CET")
    (False, False, False)
    """
    return STAMP.fullmatch(" ".join(stamp.split())) is not None


def _secrets(feeds: Any) -> dict[str, str]:
    """Return what the addresses of feeds hold beside host and path, in the forms in which it may be seen."""
    feeds = feeds if isinstance(feeds, list) else []
    secrets: set[str] = set()
    for address in (feed["url"] for feed in feeds if isinstance(feed, Mapping) and isinstance(feed.get("url"), str)):
        try:
            parts = urlsplit(address)
        except ValueError:
            secrets.add(address)
            continue
        # A short value alone could be a word of the texts, and its name stands before it in every address.
        for pair in (pair for pair in parts.query.split("&") if PLACE not in pair):
            name, _, value = pair.partition("=")
            values = {value, unquote(value), quote(value, safe=AS_WRITTEN)}
            secrets |= {f"{name}={form}" for form in values if form}
            secrets |= {form for form in values if len(form) > LONGEST_WORD}
        secrets |= {parts.netloc.rpartition("@")[0], parts.password or ""} - {""}
    return {f"feeds {number}": secret for number, secret in enumerate(sorted(secrets))}


def _seconds(parsed: Any) -> int | None:
    return None if parsed is None else calendar.timegm(parsed)


def _instant(seconds: pl.Expr) -> pl.Expr:
    return pl.from_epoch(seconds, time_unit="s").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
