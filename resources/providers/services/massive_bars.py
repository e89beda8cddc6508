"""Bars and index levels of Massive, as traded: the whole market of a session, or one symbol for many sessions.

Stamps are the *start* of a bar in milliseconds. ``adjusted`` stays false: adjusted bars are divided by later splits.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import polars as pl

from gnosis.sessions import schedule
from resources.providers.live.each_symbol import each_symbol
from resources.providers.live.errors import EmptyResult, SchemaDrift
from resources.providers.live.known import at_close, at_level_close
from resources.providers.live.service import Answer, Ask
from resources.providers.rejections import NOT_A_SESSION, is_session, rejected_rows
from resources.providers.services.massive_answer import (
    DELAY,
    Part,
    answered,
    closed,
    complete,
    hours,
    new_york_day,
)
from resources.providers.services.massive_pages import REPORT, Connection, Page, epoch, instant

PRICES = {"o": pl.Float64, "h": pl.Float64, "l": pl.Float64, "c": pl.Float64}
LEVEL = {"t": pl.Int64, **PRICES}
BAR = {**LEVEL, "v": pl.Float64}
NAMES = {"o": "open", "h": "high", "l": "low", "c": "close", "v": "volume"}
LARGEST_PAGE = 50_000
MILLIS = 1_000
FREQUENCIES = {1: "1min", 5: "5min"}


def equity_bars(connection: Connection, ask: Ask) -> Answer:
    """Return daily bars in as few requests as there are symbols or sessions, whichever are fewer.

    Notes
    -----
    The whole market of one session costs one request, and so do all sessions of one symbol.
    """
    service, expected = connection.access.service, _named("daily bars", ask)
    sessions = _closed(connection, ask, expected)
    texts, failures = each_symbol(ask.symbols, lambda symbol: (connection.text_of(symbol, "equity"), symbol))
    if len(texts) < len(sessions):

        def daily(symbol: str) -> Part:
            return _daily(connection, ask, symbol, connection.text_of(symbol, "equity"), BAR, sessions)

        parts, failed = each_symbol([symbol for _, symbol in texts], daily)
        failures |= failed
    else:
        parts = [_grouped(connection, ask, dict(texts), session) for session in sessions]
        found = {symbol for part in parts for symbol in part.rows["symbol"].unique()}
        for symbol in sorted({symbol for _, symbol in texts} - found):
            advice = "check the symbol; the plan may not reach back so far"
            failures[symbol] = EmptyResult(service, f"daily bars of {symbol}", "no bar of these sessions", advice)
    return answered(ask, service, expected, [_as_bars(part) for part in parts], failures)


def index_levels(connection: Connection, ask: Ask) -> Answer:
    """Return daily levels of indices; their bars have no volume."""
    expected = _named("index levels", ask)
    sessions = _closed(connection, ask, expected)

    def daily(symbol: str) -> Part:
        return _daily(connection, ask, symbol, connection.text_of(symbol, "index"), LEVEL, sessions)

    parts, failures = each_symbol(ask.symbols, daily)
    whole = pl.col("ts") + DELAY <= connection.access.clock()
    parts = [Part(at_level_close(part.rows).filter(whole), part.rejected) for part in parts]
    return answered(ask, connection.access.service, expected, parts, failures)


def intraday_bars(connection: Connection, ask: Ask) -> Answer:
    """Return bars of one and of five minutes that lie within the regular session and ended 15 minutes ago.

    Bars before the open and after the close belong to no regular session: they are not part of the ask, and left out.
    """
    expected = _named("bars of one and five minutes", ask)

    def both(symbol: str) -> Part:
        text = connection.text_of(symbol, "equity")
        parts = [_minutes(connection, ask, symbol, text, length) for length in FREQUENCIES]
        if all(part.rows.is_empty() for part in parts):
            advice = "check the symbol; the plan may not reach back so far"
            raise EmptyResult(connection.access.service, expected, f"no bar of {symbol}", advice)
        return Part(pl.concat([part.rows for part in parts]), pl.concat([part.rejected for part in parts]))

    parts, failures = each_symbol(ask.symbols, both)
    return answered(ask, connection.access.service, expected, parts, failures)


def _grouped(connection: Connection, ask: Ask, texts: dict[str, str], session: dt.date) -> Part:
    expected = f"bars of the whole market on {session}"

    def call(client: Any) -> Any:
        return client.get_grouped_daily_aggs(session.isoformat(), adjusted=False, raw=True)

    pages = [
        connection.rows(_unadjusted(page, connection, expected), expected, {"T": pl.String, **BAR})
        for page in connection.pages(expected, call)
    ]
    wanted = pl.DataFrame({"T": list(texts), "symbol": list(texts.values())}, schema_overrides={"T": pl.String})
    rows = pl.concat(pages)
    named = complete(rows.with_columns(session=pl.lit(session)), ["T"], ask, connection.access.service, expected)
    part = _judged(connection, ask, named.rows.join(wanted, on="T", how="inner").drop("T"), BAR, expected, [session])
    return Part(part.rows, pl.concat([named.rejected, part.rejected]))


def _daily(
    connection: Connection,
    ask: Ask,
    symbol: str,
    text: str,
    fields: dict[str, Any],
    sessions: Sequence[dt.date],
) -> Part:
    first, last = sessions[0].isoformat(), sessions[-1].isoformat()
    expected = f"daily bars of {symbol} from {first} to {last}"

    def call(client: Any) -> Any:
        return client.list_aggs(text, 1, "day", first, last, adjusted=False, sort="asc", limit=LARGEST_PAGE, raw=True)

    rows = _listed(connection, call, fields, expected).with_columns(symbol=pl.lit(symbol))
    part = _judged(connection, ask, rows, fields, expected, sessions)
    if part.rows.is_empty():
        advice = "check the symbol; the plan may not reach back so far"
        raise EmptyResult(connection.access.service, expected, "no bar of these sessions", advice)
    return part


def _judged(
    connection: Connection,
    ask: Ask,
    rows: pl.DataFrame,
    fields: dict[str, Any],
    expected: str,
    sessions: Sequence[dt.date],
) -> Part:
    service = connection.access.service
    dated = rows.with_columns(session=new_york_day(instant("t", MILLIS)))
    required = [name for name in fields if name in ("t", "c") or fields is BAR]
    whole = complete(dated, required, ask, service, expected)
    holidays = rejected_rows(
        whole.rows.filter(~is_session("session")), date="session", rule=NOT_A_SESSION, provider=service
    )
    asked = whole.rows.filter(pl.col("session").is_in(list(sessions)))
    return Part(asked.rename(NAMES, strict=False).drop("t"), pl.concat([whole.rejected, holidays]))


def _minutes(connection: Connection, ask: Ask, symbol: str, text: str, length: int) -> Part:
    service = connection.access.service
    opened, ended = hours(ask.sessions[0])[0], hours(ask.sessions[-1])[1]
    first, last = epoch(opened, MILLIS), epoch(ended, MILLIS) - 1
    expected = f"bars of {length} min of {symbol} from {ask.sessions[0]} to {ask.sessions[-1]}"

    def call(client: Any) -> Any:
        return client.list_aggs(
            text, length, "minute", first, last, adjusted=False, sort="asc", limit=LARGEST_PAGE, raw=True
        )

    rows = _listed(connection, call, BAR, expected)
    stamped = rows.with_columns(session=new_york_day(instant("t", MILLIS)), symbol=pl.lit(symbol))
    whole = complete(stamped, list(BAR), ask, service, expected)
    placed = whole.rows.with_columns(
        started=instant("t", MILLIS), ts=instant("t", MILLIS) + pl.duration(minutes=length)
    ).join(schedule().select("session", "open_at", "close_at"), on="session", how="inner", maintain_order="left")
    regular = placed.filter(
        pl.col("session").is_in(list(ask.sessions)),
        pl.col("started") >= pl.col("open_at"),
        pl.col("ts") <= pl.col("close_at"),
        pl.col("ts") + DELAY <= connection.access.clock(),
    )
    kept = regular.with_columns(known_at=pl.col("ts"), frequency=pl.lit(FREQUENCIES[length])).rename(NAMES)
    return Part(kept.drop("t", "started", "open_at", "close_at"), whole.rejected)


def _listed(connection: Connection, call: Any, fields: dict[str, Any], expected: str) -> pl.DataFrame:
    pages = connection.pages(expected, call)
    return pl.concat([connection.rows(_unadjusted(page, connection, expected), expected, fields) for page in pages])


def _unadjusted(page: Page, connection: Connection, expected: str) -> Page:
    if page.document.get("adjusted") is True:
        found = "bars that are adjusted for splits although the request says not to"
        raise SchemaDrift(connection.access.service, expected, found, REPORT)
    return page


def _as_bars(part: Part) -> Part:
    rows = at_close(part.rows).with_columns(adjustment_factor=pl.lit(None, dtype=pl.Float64))
    return Part(rows, part.rejected)


def _closed(connection: Connection, ask: Ask, expected: str) -> list[dt.date]:
    sessions = closed(ask.sessions, connection.access.clock())
    if not sessions:
        found = f"a session that has not closed {DELAY} ago"
        raise EmptyResult(connection.access.service, expected, found, "asked again later")
    return sessions


def _named(what: str, ask: Ask) -> str:
    days = str(ask.sessions[0]) if len(ask.sessions) == 1 else f"{ask.sessions[0]} to {ask.sessions[-1]}"
    more = "" if len(ask.symbols) <= 3 else f" and {len(ask.symbols) - 3} more"
    return f"{what} of {', '.join(ask.symbols[:3])}{more}, {days}"
