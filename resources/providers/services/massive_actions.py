"""Splits and cash dividends of Massive, under the session in which they became known.

A dividend with a declaration date was known on that evening; what has only an ex-date was known when that day opened,
and so is every split: the service does not say when one was announced. Amounts are per share as traded on the ex-date.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import polars as pl

from gnosis.sessions import schedule, shift_session
from resources.providers.live.each_symbol import each_symbol
from resources.providers.live.known import EVENING, new_york
from resources.providers.live.service import Answer, Ask
from resources.providers.rejections import rejected_rows
from resources.providers.services.massive_answer import Part, answered, complete
from resources.providers.services.massive_pages import Connection

LARGEST_PAGE = 1_000
ROWS_PER_SESSION = {"raw.splits": 8, "raw.dividends": 300}
"""What the whole market has about each session: decides whether symbols or the market are asked for (unverified)."""

SPLIT = {
    "id": pl.String,
    "ticker": pl.String,
    "execution_date": pl.String,
    "split_from": pl.Float64,
    "split_to": pl.Float64,
}
DIVIDEND = {
    "id": pl.String,
    "ticker": pl.String,
    "declaration_date": pl.String,
    "ex_dividend_date": pl.String,
    "cash_amount": pl.Float64,
    "currency": pl.String,
}
FOREIGN = "currency|not_usd"
List = Callable[..., Any]


def splits(connection: Connection, ask: Ask) -> Answer:
    """Return the splits; ``ratio`` is new shares per old one."""

    def listed(client: Any, **rest: Any) -> Any:
        return client.list_splits(limit=LARGEST_PAGE, raw=True, **rest)

    def judged(found: pl.DataFrame, expected: str) -> Part:
        return _splits(connection, ask, found, expected)

    return _actions(connection, ask, "splits", SPLIT, listed, ("execution_date",), judged)


def dividends(connection: Connection, ask: Ask) -> Answer:
    """Return the dividends in US dollars; several of one announcement and ex-date are one sum."""

    def listed(client: Any, **rest: Any) -> Any:
        return client.list_dividends(limit=LARGEST_PAGE, raw=True, **rest)

    def judged(found: pl.DataFrame, expected: str) -> Part:
        return _dividends(connection, ask, found, expected)

    dates = ("declaration_date", "ex_dividend_date")
    return _actions(connection, ask, "dividends", DIVIDEND, listed, dates, judged)


def _actions(
    connection: Connection,
    ask: Ask,
    what: str,
    fields: dict[str, Any],
    listed: List,
    dates: tuple[str, ...],
    judged: Callable[[pl.DataFrame, str], Part],
) -> Answer:
    expected = f"{what} of {', '.join(ask.symbols[:3])}, {ask.sessions[0]} to {ask.sessions[-1]}"

    def found(**rest: Any) -> pl.DataFrame:
        pages = connection.pages(expected, lambda client: listed(client, **rest))
        return pl.concat([connection.rows(page, expected, fields) for page in pages])

    n_pages = len(dates) * (1 + len(ask.sessions) * ROWS_PER_SESSION[ask.table] // LARGEST_PAGE)
    if len(ask.symbols) <= n_pages:

        def of_symbol(symbol: str) -> Part:
            text = connection.text_of(symbol, "equity")
            # The whole history of a symbol is one page.
            return judged(found(ticker=text).with_columns(symbol=pl.lit(symbol)), expected)

        parts, failures = each_symbol(ask.symbols, of_symbol)
        return answered(ask, connection.access.service, expected, parts, failures)
    names, failures = each_symbol(ask.symbols, lambda symbol: (connection.text_of(symbol, "equity"), symbol))
    # An action of a holiday or a weekend becomes known to the next session.
    after, last = shift_session(ask.sessions[0], -1).isoformat(), ask.sessions[-1].isoformat()
    market = pl.concat([found(**{f"{date}_gt": after, f"{date}_lte": last}) for date in dates])
    wanted = pl.DataFrame(names, schema=["ticker", "symbol"], orient="row")
    # A dividend may be found by both of its dates.
    once = market.unique(maintain_order=True).join(wanted, on="ticker", how="inner")
    return answered(ask, connection.access.service, expected, [judged(once, expected)], failures)


def _splits(connection: Connection, ask: Ask, found: pl.DataFrame, expected: str) -> Part:
    dated = found.with_columns(ex_date=_day("execution_date"), declared=pl.lit(None, dtype=pl.Date))
    known = _known(dated, connection.access.clock())
    part = complete(known, ["ex_date", "split_from", "split_to"], ask, connection.access.service, expected)
    rows = part.rows.filter(pl.col("session").is_in(list(ask.sessions)))
    return Part(
        rows.select("session", "symbol", "ex_date", "known_at", ratio=pl.col("split_to") / pl.col("split_from")),
        part.rejected,
    )


def _dividends(connection: Connection, ask: Ask, found: pl.DataFrame, expected: str) -> Part:
    service = connection.access.service
    dated = found.with_columns(ex_date=_day("ex_dividend_date"), declared=_day("declaration_date"))
    known = _known(dated, connection.access.clock())
    part = complete(known, ["ex_date", "cash_amount", "currency"], ask, service, expected)
    asked = part.rows.filter(pl.col("session").is_in(list(ask.sessions)))
    is_dollar = pl.col("currency") == "USD"
    foreign = rejected_rows(asked.filter(~is_dollar), date="session", rule=FOREIGN, provider=service)
    key = ["session", "symbol", "ex_date"]
    total = asked.filter(is_dollar).group_by(key, maintain_order=True)
    rows = total.agg(pl.col("known_at").max(), amount_usd=pl.col("cash_amount").sum())
    return Part(rows, pl.concat([part.rejected, foreign]))


def _day(column: str) -> pl.Expr:
    return pl.col(column).str.to_date("%Y-%m-%d")


def _known(rows: pl.DataFrame, now: dt.datetime) -> pl.DataFrame:
    """Add ``session`` and ``known_at``; what was received before the evening of its day was known on receipt."""
    placed = (
        rows.with_columns(on=pl.coalesce("declared", "ex_date"))
        .with_row_index("position")
        .sort("on", maintain_order=True)
        .join_asof(
            schedule().select("session", "open_at"),
            left_on="on",
            right_on="session",
            strategy="forward",
            coalesce=False,
        )
        .sort("position")
    )
    moment = pl.when(pl.col("declared").is_null()).then("open_at").otherwise(new_york(pl.col("declared"), EVENING))
    received = pl.lit(now).cast(pl.Datetime("us", "UTC"))
    return placed.with_columns(known_at=pl.min_horizontal(moment, received)).drop("on", "position", "open_at")
