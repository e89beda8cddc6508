"""Yahoo's news about a symbol: the headlines of a stream, newest first, without an archive."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import polars as pl

from gnosis.engines.scoring.text import text_hash
from gnosis.sessions import NEW_YORK
from resources.providers.live.errors import Incomplete
from resources.providers.live.known import INSTANT, under_session
from resources.providers.rejections import rejected_rows
from resources.providers.services.yahoo_client import SERVICE, YahooClient, drift

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_ARTICLES = 100
UNREADABLE = "article|unreadable"
STAMP = "%Y-%m-%dT%H:%M:%S%.f%#z"
FIELDS = dict.fromkeys(("item_id", "text", "outlet", "published", "displayed"), pl.String)


def ask_news(client: YahooClient, written: str, expected: str) -> pl.DataFrame:
    """Return the articles of the stream: ``FIELDS`` as Yahoo writes them, ``ts`` and ``known_at``.

    Fields that are missing or of another type are null, and so are ``ts`` and ``known_at`` of a time that cannot be
    read. A headline is known from the later of publication and display: it may have been changed in between.

    Raises
    ------
    SchemaDrift
        When there is no stream, or no article in it can be read.
    """
    articles, document = client.ask(
        written, expected, lambda ticker: (ticker.get_news(count=MOST_ARTICLES), client.document())
    )
    stream = document
    for name in ("data", "tickerStream", "stream"):
        # yfinance takes an answer without these for one without news.
        stream = stream.get(name) if isinstance(stream, dict) else None
    if not isinstance(stream, list):
        raise drift("a list in data.tickerStream.stream", repr(document)[:80])
    table = pl.DataFrame([_fields(article) for article in articles], schema=FIELDS)
    ts, shown_at = (
        pl.col(name).str.to_datetime(STAMP, time_unit="us", strict=False).cast(INSTANT)
        for name in ("published", "displayed")
    )
    is_read = ts.is_not_null() & (shown_at.is_not_null() | pl.col("displayed").is_null())
    table = table.with_columns(ts=ts, known_at=pl.when(is_read).then(pl.max_horizontal(ts, shown_at)))
    if articles and table.drop_nulls(["item_id", "text", "known_at"]).is_empty():
        raise drift("articles with id, content.title and content.pubDate", repr(articles[0])[:120])
    return table


def news_of(
    table: pl.DataFrame, symbol: str, sessions: Sequence[dt.date], now: dt.datetime, expected: str
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return rows of ``raw.news`` without ``provider``, and the articles that cannot be read.

    Raises
    ------
    Incomplete
        When the stream is full and begins after one of ``sessions``: nobody knows what it no longer shows.
    """
    is_readable = pl.all_horizontal(pl.col("item_id", "text", "known_at").is_not_null())
    today = pl.lit(now.astimezone(NEW_YORK).date()).alias("day")
    rejected = rejected_rows(
        table.filter(~is_readable).select(today, *FIELDS), date="day", rule=UNREADABLE, provider=SERVICE
    )
    placed = under_session(table.filter(is_readable), "known_at")
    oldest = placed["session"].min()
    if table.height >= MOST_ARTICLES and isinstance(oldest, dt.date) and sessions[0] < oldest:
        found = f"a full stream that begins under {oldest}"
        raise Incomplete(SERVICE, expected, found, "Yahoo keeps no archive: take another service for earlier news")
    rows = placed.filter(pl.col("session").is_in(sessions)).unique(list(FIELDS), keep="first", maintain_order=True)
    hashes = pl.Series("text_hash", [text_hash(text) for text in rows["text"]], dtype=pl.String)
    frame = rows.select(
        "session", "item_id", "outlet", "ts", "text", "known_at", hashes,
        symbol=pl.lit(symbol),
        kind=pl.lit("article"),
        event_id=None,
    )  # fmt: skip
    return frame, rejected


def _fields(article: Any) -> dict[str, str | None]:
    content = article.get("content") if isinstance(article, dict) else None
    content = content if isinstance(content, dict) else {}
    outlet = content.get("provider")
    displayed = content.get("displayTime")
    found = {
        "item_id": article.get("id") if isinstance(article, dict) else None,
        "text": content.get("title"),
        "outlet": outlet.get("displayName") if isinstance(outlet, dict) else None,
        "published": content.get("pubDate"),
        # Of another type it must not pass for one that is not there.
        "displayed": None if displayed is None else str(displayed),
    }
    return {name: value if isinstance(value, str) and value else None for name, value in found.items()}
