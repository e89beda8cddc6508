"""Splits and cash dividends of Massive, under the sessions in which they became known.

A dividend with a declaration date was known on that evening. Its ex-date has a row too, known when that day opens: the
services that know no declaration have only that one, and whichever of them is asked on which night, no dividend is
missing. Every row has the whole of the ex-date as declared by then, so the latest known is the one that counts. Splits
have the ex-date alone: the service does not say when one was announced. Amounts are per share as traded on the ex-date.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import polars as pl

from gnosis.sessions import schedule, shift_session
from resources.providers.live.each_symbol import each_symbol
from resources.providers.live.known import EVENING, INSTANT, new_york
from resources.providers.live.service import Answer, Ask
from resources.providers.rejections import rejected_rows
from resources.providers.services.ex_dates import one_ratio
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
    """Return the dividends in US dollars: of an ex-date, all that were declared by the session of the row."""

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

    def of_symbol(symbol: str) -> Part:
        text = connection.text_of(symbol, "equity")
        # The whole history of a symbol is one page.
        return judged(found(ticker=text).with_columns(symbol=pl.lit(symbol)), expected)

    service = connection.access.service
    n_pages = len(dates) * (1 + len(ask.sessions) * ROWS_PER_SESSION[ask.table] // LARGEST_PAGE)
    if len(ask.symbols) <= n_pages:
        parts, failures = each_symbol(ask.symbols, of_symbol)
        return answered(ask, service, expected, parts, failures)
    names, failures = each_symbol(ask.symbols, lambda symbol: (connection.text_of(symbol, "equity"), symbol))
    # An action of a holiday or a weekend becomes known to the next session.
    after, last = shift_session(ask.sessions[0], -1).isoformat(), ask.sessions[-1].isoformat()
    market = pl.concat([found(**{f"{date}_gt": after, f"{date}_lte": last}) for date in dates])
    wanted = pl.DataFrame(names, schema=["ticker", "symbol"], orient="row")
    once = market.join(wanted, on="ticker", how="inner")
    # What was declared for the same ex-date before these sessions is not in the lists of the market.
    is_within = pl.col(dates[-1]).is_between(pl.lit(after), pl.lit(last), closed="right")
    ahead = once.filter(~is_within)["symbol"].unique().sort()
    parts = [judged(once.filter(~pl.col("symbol").is_in(ahead.implode())), expected)]
    if not ahead.is_empty():
        histories, failed = each_symbol(ahead.to_list(), of_symbol)
        parts, failures = parts + histories, failures | failed
    return answered(ask, service, expected, parts, failures)


def _splits(connection: Connection, ask: Ask, found: pl.DataFrame, expected: str) -> Part:
    dated = found.unique(maintain_order=True).with_columns(ex_date=_day("execution_date"))
    known = _at_ex_date(dated, connection.access.clock())
    part = complete(known, ["ex_date", "split_from", "split_to"], ask, connection.access.service, expected)
    rows = part.rows.filter(pl.col("session").is_in(list(ask.sessions)))
    ratios = rows.with_columns(ratio=pl.col("split_to") / pl.col("split_from"))
    return Part(one_ratio(ratios, "session", "ex_date", "known_at"), part.rejected)


def _dividends(connection: Connection, ask: Ask, found: pl.DataFrame, expected: str) -> Part:
    service, now = connection.access.service, connection.access.clock()
    # A dividend may be found by both of its dates.
    once = found.unique(maintain_order=True)
    dated = once.with_columns(ex_date=_day("ex_dividend_date"), declared=_day("declaration_date"))
    known = _at_ex_date(dated, now)
    part = complete(known, ["ex_date", "cash_amount", "currency"], ask, service, expected)
    is_dollar = pl.col("currency") == "USD"
    asked = pl.col("session").is_in(list(ask.sessions))
    foreign = rejected_rows(part.rows.filter(asked, ~is_dollar), date="session", rule=FOREIGN, provider=service)
    rows = _told(part.rows.filter(is_dollar), now).filter(asked)
    return Part(rows, pl.concat([part.rejected, foreign]))


def _told(paid: pl.DataFrame, now: dt.datetime) -> pl.DataFrame:
    """Return per symbol and ex-date a row at each declaration and one at the ex-date: all that was declared by then.

    A dividend that was declared after its ex-date is no part of that day's row: nobody knew it then.
    """
    declared = _by(new_york(pl.col("declared"), EVENING), now)
    known = _under(paid, "declared", "told_in").with_columns(
        told_in=pl.coalesce("told_in", "session"),
        told_at=pl.when(pl.col("declared").is_null()).then("known_at").otherwise(declared),
    )
    share = ["symbol", "ex_date"]
    steps = (
        known.group_by([*share, "told_in"])
        .agg(pl.col("session", "known_at").first(), pl.col("told_at").max(), pl.col("cash_amount").sum())
        .sort(*share, "told_in")
        .with_columns(pl.col("told_at").cum_max().over(share), amount_usd=pl.col("cash_amount").cum_sum().over(share))
    )
    of_ex_date = steps.filter(pl.col("told_in") <= pl.col("session")).group_by(share, maintain_order=True).last()
    return pl.concat(
        [
            steps.filter(pl.col("told_in") != pl.col("session")).select(
                *share, "amount_usd", session="told_in", known_at="told_at"
            ),
            of_ex_date.select(*share, "amount_usd", "session", known_at=pl.max_horizontal("known_at", "told_at")),
        ]
    )


def _day(column: str) -> pl.Expr:
    return pl.col(column).str.to_date("%Y-%m-%d")


def _by(instant: pl.Expr, now: dt.datetime) -> pl.Expr:
    """Return ``instant``, and the receipt for what was received before."""
    return pl.min_horizontal(instant, pl.lit(now).cast(INSTANT))


def _at_ex_date(rows: pl.DataFrame, now: dt.datetime) -> pl.DataFrame:
    """Add ``session`` and ``known_at``: the first session from the ex-date on, and its open."""
    opens = schedule().select("session", known_at="open_at")
    placed = _under(rows, "ex_date", "session").join(opens, on="session", how="left", maintain_order="left")
    return placed.with_columns(known_at=_by(pl.col("known_at"), now))


def _under(rows: pl.DataFrame, day: str, name: str) -> pl.DataFrame:
    """Add the first session on or after ``day``, null where there is no day."""
    sessions = schedule().select(pl.col("session").alias(name))
    return (
        rows.with_row_index("position")
        .sort(day, maintain_order=True)
        .join_asof(sessions, left_on=day, right_on=name, strategy="forward", coalesce=False)
        .sort("position")
        .drop("position")
    )
