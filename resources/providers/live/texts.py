"""What services of posts and news share: the span of a session, hashes, one symbol after another, settings.

A text belongs to the first session at whose close it was known. Authors are kept as hashes only. Likes and upvotes are
left out: a service tells how many there are when it is asked, which nobody knew when the text was written.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from gnosis.engines.scoring import text_hash
from gnosis.sessions import schedule
from resources.providers.live.access import Access
from resources.providers.live.errors import EmptyResult, FetchError, Incomplete, NotFound, SchemaDrift
from resources.providers.live.known import under_session
from resources.providers.live.service import Answer, Ask
from resources.providers.protocol import conform
from resources.providers.rejections import no_rejections


@dataclass(frozen=True)
class Span:
    """Instants of a text of some sessions: later than ``after``, not later than ``until`` (UTC)."""

    after: dt.datetime
    until: dt.datetime


def span_of(access: Access, ask: Ask, settles_after: dt.timedelta = dt.timedelta(0)) -> Span:
    """Return the span of the sessions asked for: from the close before the first to the close of the last.

    Parameters
    ----------
    settles_after
        How long after a close the service has all texts up to it.

    Raises
    ------
    EmptyResult
        When the last session has not closed so long ago: what there is of it would pass for all of it.

    Examples
    --------
    >>> now = dt.datetime(2026, 11, 20, 23, tzinfo=dt.UTC)
    >>> access = Access("example", clock=lambda: now)
    >>> span = span_of(access, Ask("raw.posts", ("AAPL",), (dt.date(2026, 11, 20),)))
    >>> span.after.isoformat(), span.until.isoformat()
    ('2026-11-19T21:00:00+00:00', '2026-11-20T21:00:00+00:00')
    """
    calendar = schedule().with_columns(opened_after=pl.col("close_at").shift(1))
    rows = calendar.filter(pl.col("session").is_in(ask.sessions))
    after, until = rows["opened_after"].min(), rows["close_at"].max()
    assert isinstance(after, dt.datetime)
    assert isinstance(until, dt.datetime)
    if until + settles_after > access.clock():
        found = f"{ask.sessions[-1]}, which closes at {until:%Y-%m-%d %H:%M} UTC"
        advice = f"ask {settles_after.total_seconds() / 60:g} minutes after the close or later"
        raise EmptyResult(access.service, "sessions whose texts are complete", found, advice)
    return Span(after, until)


def hashes_of_texts(texts: pl.Series) -> pl.Series:
    """Return :func:`gnosis.engines.scoring.text_hash` of each text.

    Examples
    --------
    >>> hashes_of_texts(pl.Series(["Profit rose", "profit  ROSE"])).n_unique()
    1
    """
    return pl.Series([text_hash(text) for text in texts], dtype=pl.String)


def hashes_of_authors(authors: pl.Series) -> pl.Series:
    """Return the SHA-256 of each author's name or number, null where there is none.

    Examples
    --------
    >>> hashes_of_authors(pl.Series(["7", None])).str.head(8).to_list()
    ['7902699b', None]
    """
    named = authors.cast(pl.String)
    hashes = [None if name is None else hashlib.sha256(name.encode()).hexdigest() for name in named]
    return pl.Series(hashes, dtype=pl.String)


def each_symbol(
    symbols: Sequence[str], ask_one: Callable[[str], Any], *, of_one_host: bool = True
) -> tuple[list[Any], dict[str, FetchError]]:
    """Ask for one symbol after another; return what was found, and why a symbol is not in it.

    A symbol that is unknown, incomplete or malformed does not hinder the others. What would hinder every request to a
    host, such as a limit or a refused key, ends the asking: the symbols that are left have the same failure.

    Raises
    ------
    FetchError
        The first symbol's failure, when all have failed.
    """
    found: list[Any] = []
    failures: dict[str, FetchError] = {}
    for position, symbol in enumerate(symbols):
        try:
            found.append(ask_one(symbol))
        except (NotFound, EmptyResult, Incomplete, SchemaDrift) as error:
            failures[symbol] = error
        except FetchError as error:
            if of_one_host:
                failures |= dict.fromkeys(symbols[position:], error)
                break
            failures[symbol] = error
    if symbols and not found:
        raise failures[symbols[0]]
    return found, failures


def answer_of(
    access: Access,
    ask: Ask,
    rows: Sequence[pl.DataFrame],
    rejected: Sequence[pl.DataFrame],
    failures: Mapping[str, FetchError],
) -> Answer:
    """Return the answer of the sessions asked for; a row that was delivered twice is there once.

    Parameters
    ----------
    rows
        Columns of the table without ``session``, ``provider`` and ``synthetic``; the session follows from ``known_at``.
    """
    set_aside_rows = pl.concat([no_rejections(), *rejected])
    if not rows:
        return Answer(conform(_none(ask.table), ask.table), set_aside_rows, failures)
    placed = under_session(pl.concat(rows).unique(maintain_order=True), "known_at")
    frame = placed.filter(pl.col("session").is_in(ask.sessions) & pl.col("symbol").is_in(ask.symbols)).with_columns(
        provider=pl.lit(access.service), synthetic=pl.lit(False)
    )
    return Answer(conform(frame, ask.table), set_aside_rows, failures)


def _none(table: str) -> pl.DataFrame:
    from gnosis.tables import TABLES

    return TABLES[table].empty()


def option(access: Access, name: str, kind: type, default: Any) -> Any:
    """Return a setting of the service.

    Raises
    ------
    NotFound
        When it is there and of another type.

    Examples
    --------
    >>> option(Access("example", options={"max_pages": 3}), "max_pages", int, 20)
    3
    """
    value = access.options.get(name, default)
    if isinstance(value, bool) or not isinstance(value, kind):
        advice = f"correct it in gnosis.toml under [live.services.{access.service}.options]"
        raise NotFound(access.service, f"the option {name} as {kind.__name__}", repr(value)[:80], advice)
    return value
