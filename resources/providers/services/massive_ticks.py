"""Trades and best quotes of Massive: instants are nanoseconds since 1970 (UTC), pages of 50,000.

The service counted displayed sizes in round lots of the security, whose size the answer does not tell, until the
exchanges' feed changed to shares on 3 November 2025 (reported). Quotes of earlier sessions are refused.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import polars as pl

from resources.providers.live.each_symbol import each_symbol
from resources.providers.live.errors import EmptyResult, NotFound
from resources.providers.live.service import Answer, Ask
from resources.providers.rejections import rejected_rows
from resources.providers.services.massive_answer import Part, answered, complete, hours
from resources.providers.services.massive_pages import Connection, epoch, instant

NANOS = 1_000_000_000
LARGEST_PAGE = 50_000
IN_SHARES_SINCE = dt.date(2025, 11, 3)
CORRECTED = "correction|not_standing"

TRADE = {
    "id": pl.String,
    "exchange": pl.Int64,
    "trf_id": pl.Int64,
    "correction": pl.Int64,
    "price": pl.Float64,
    "size": pl.Float64,
    "decimal_size": pl.String,
    "participant_timestamp": pl.Int64,
    "sip_timestamp": pl.Int64,
}
QUOTE = {
    "sip_timestamp": pl.Int64,
    "bid_price": pl.Float64,
    "bid_size": pl.Float64,
    "ask_price": pl.Float64,
    "ask_size": pl.Float64,
}


def trades(connection: Connection, ask: Ask) -> Answer:
    """Return the trades of the regular session, open and close included, as the other services and the bars have them.

    ``ts`` is the instant at the exchange, ``known_at`` the one at which the consolidated feed had the trade. An
    identifier of the service is unique for an exchange and a reporting facility, so both are part of ``trade_id``.
    Trades that were corrected or cancelled later are set aside; nobody says who took liquidity.
    """
    expected = f"trades of {', '.join(ask.symbols)} in {ask.sessions[0]}"

    def of_symbol(symbol: str) -> Part:
        text = connection.text_of(symbol, "equity")
        parts = [_trades(connection, ask, symbol, text, session) for session in ask.sessions]
        return Part(pl.concat([part.rows for part in parts]), pl.concat([part.rejected for part in parts]))

    parts, failures = each_symbol(ask.symbols, of_symbol)
    return answered(ask, connection.access.service, expected, parts, failures)


def order_books(connection: Connection, ask: Ask) -> Answer:
    """Return the best bid and ask as they stood at the last quote of each minute of the regular session.

    The service has the top of the book only: level 1 on both sides, none on a side without a quote.
    """
    expected = f"best quotes of {', '.join(ask.symbols)} in {ask.sessions[0]}"

    def of_symbol(symbol: str) -> Part:
        text = connection.text_of(symbol, "equity")
        parts = [_quotes(connection, ask, symbol, text, session) for session in ask.sessions]
        return Part(pl.concat([part.rows for part in parts]), pl.concat([part.rejected for part in parts]))

    parts, failures = each_symbol(ask.symbols, of_symbol)
    return answered(ask, connection.access.service, expected, parts, failures)


def _trades(connection: Connection, ask: Ask, symbol: str, text: str, session: dt.date) -> Part:
    service, expected = connection.access.service, f"trades of {symbol} in {session}"
    opened, until = hours(session)

    def call(client: Any) -> Any:
        return client.list_trades(
            text,
            timestamp_gte=epoch(opened, NANOS),
            timestamp_lte=epoch(until, NANOS),
            order="asc",
            limit=LARGEST_PAGE,
            raw=True,
        )

    pages = [connection.rows(page, expected, TRADE) for page in connection.pages(expected, call)]
    found = pl.concat(pages).with_columns(session=pl.lit(session), symbol=pl.lit(symbol))
    required = ["id", "exchange", "price", "size", "participant_timestamp", "sip_timestamp"]
    whole = complete(found, required, ask, service, expected)
    stands = pl.col("correction").fill_null(0) == 0
    corrected = rejected_rows(whole.rows.filter(~stands), date="session", rule=CORRECTED, provider=service)
    rows = whole.rows.filter(stands).select(
        "session",
        "symbol",
        "price",
        ts=instant("participant_timestamp", NANOS),
        known_at=instant("sip_timestamp", NANOS),
        trade_id=pl.format("{}:{}:{}", "exchange", pl.col("trf_id").cast(pl.String).fill_null("-"), "id"),
        # Parts of shares are told as a decimal beside the whole number.
        size=pl.coalesce(pl.col("decimal_size").cast(pl.Float64), "size"),
        aggressor=pl.lit(None, dtype=pl.String),
    )
    # A clock of an exchange may run ahead of the feed's: a trade is not known before it happens.
    in_order = rows.with_columns(known_at=pl.max_horizontal("ts", "known_at"))
    return Part(in_order, pl.concat([whole.rejected, corrected]))


def _quotes(connection: Connection, ask: Ask, symbol: str, text: str, session: dt.date) -> Part:
    service, expected = connection.access.service, f"best quotes of {symbol} in {session}"
    if session < IN_SHARES_SINCE:
        found = f"sizes in round lots, which no answer converts: sizes are in shares since {IN_SHARES_SINCE}"
        raise NotFound(service, f"{expected} with sizes in shares", found, "ask for later sessions")
    opened, until = hours(session)

    def call(client: Any) -> Any:
        return client.list_quotes(
            text,
            timestamp_gte=epoch(opened, NANOS),
            timestamp_lte=epoch(until, NANOS),
            order="asc",
            limit=LARGEST_PAGE,
            raw=True,
        )

    # A busy symbol has millions of quotes a day: each page is thinned at once, and the whole once more.
    kept, rejected = [], []
    for page in connection.pages(expected, call):
        dated = connection.rows(page, expected, QUOTE).with_columns(session=pl.lit(session))
        whole = complete(dated, ["sip_timestamp"], ask, service, expected)
        kept.append(_last_of_minutes(whole.rows))
        rejected.append(whole.rejected)
    snapshots = _last_of_minutes(pl.concat(kept))
    if snapshots.is_empty():
        raise EmptyResult(service, expected, "no quote", "check the symbol")
    sides = [
        snapshots.select("session", "sip_timestamp", side=pl.lit(letter), price=f"{side}_price", size=f"{side}_size")
        for letter, side in (("B", "bid"), ("A", "ask"))
    ]
    rows = (
        pl.concat(sides)
        .filter(pl.col("price") > 0)
        .with_columns(
            symbol=pl.lit(symbol),
            ts=instant("sip_timestamp", NANOS),
            known_at=instant("sip_timestamp", NANOS),
            level=pl.lit(1),
        )
    )
    sized = complete(rows.drop("sip_timestamp"), ["size"], ask, service, expected)
    return Part(sized.rows, pl.concat([*rejected, sized.rejected]))


def _last_of_minutes(quotes: pl.DataFrame) -> pl.DataFrame:
    minute = pl.col("sip_timestamp") // (60 * NANOS)
    return quotes.group_by(minute.alias("minute"), maintain_order=True).last().drop("minute")
