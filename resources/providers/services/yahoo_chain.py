"""Yahoo's option chains: quotes of one moment, one answer per expiry.

What is not taken: the implied volatility (absurd far from the money); the open interest of a chain in which all of it
is 0, which happens for days, and that of a chain received on a later morning, when it may be the newer one already. A
contract's volume is that of the session of its last trade, so it is taken only when that session is the one of the
quotes. Index chains come without bid and ask and are not asked for.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import polars as pl

from gnosis.sessions import NEW_YORK, open_interest_known_at, shift_session
from gnosis.symbols import parse_contracts, root_terms
from resources.providers.live.errors import EmptyResult
from resources.providers.live.known import INSTANT
from resources.providers.rejections import rejected_rows
from resources.providers.services.yahoo_client import SERVICE, YahooClient, drift

if TYPE_CHECKING:
    from collections.abc import Sequence

SHARES_PER_CONTRACT = 100.0
REGULAR = "REGULAR"
TEXTS = {"contractSymbol": "contract", "contractSize": "size", "currency": "currency"}
NUMBERS = {
    "strike": "listed_strike",
    "bid": "bid",
    "ask": "ask",
    "volume": "traded",
    "openInterest": "open_interest",
}
NEEDED = ("contractSymbol", "strike", "bid", "ask")
UNREADABLE = "contract|unreadable"
OTHER_UNDERLYING = "contract|other_underlying"
OTHER_STRIKE = "strike|not_of_the_contract"
OTHER_SIZE = "contract_size|not_regular"
NOT_DOLLARS = "currency|not_usd"


def ask_chain(client: YahooClient, written: str, expected: str) -> pl.DataFrame:
    """Return the quotes of all expiries in Yahoo's units, with ``ts``, ``known_at`` and ``spot`` of their answer.

    Raises
    ------
    EmptyResult
        When there is no chain.
    SchemaDrift
        When a field is missing or has another type; names it.
    """
    quotes = client.ask(written, expected, lambda ticker: _every_expiry(client, ticker, expected))
    for name in NEEDED:
        if quotes[TEXTS.get(name) or NUMBERS[name]].is_null().all():
            raise drift(f"{name} of {expected}", "none in the whole chain")
    return quotes


def quotes_of(
    quotes: pl.DataFrame, symbol: str, sessions: Sequence[dt.date], expected: str
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return rows of ``raw.option_quotes`` without ``provider``, and the rows set aside.

    Raises
    ------
    EmptyResult
        When the quotes are not of ``sessions``, or none is left.
    """
    days = quotes["ts"].dt.convert_time_zone(NEW_YORK.key).dt.date()
    quotes = quotes.with_columns(session=days).filter(pl.col("session").is_in(sessions))
    if quotes.is_empty():
        raise EmptyResult(
            SERVICE,
            expected,
            f"quotes of {days.max()!s}",
            "Yahoo has only the chain of now: take an archive for earlier ones",
        )
    if not quotes.select(((pl.col("bid") > 0) | (pl.col("ask") > 0)).any()).item():
        # Before the open and through whole evenings Yahoo shows a chain without a single quote.
        raise EmptyResult(SERVICE, expected, "no bid and no ask above 0", "asked again during the session")
    named = quotes.with_columns(pl.col("contract").fill_null("")).hstack(
        parse_contracts(quotes["contract"].fill_null("")).drop("is_adjusted")
    )
    terms = named.with_columns(root_terms("root").alias("terms")).unnest("terms")
    rule = pl.coalesce(
        pl.when(~pl.col("is_contract")).then(pl.lit(UNREADABLE)),
        pl.when(pl.col("underlying") != symbol).then(pl.lit(OTHER_UNDERLYING)),
        pl.when(pl.col("strike").ne_missing(pl.col("listed_strike"))).then(pl.lit(OTHER_STRIKE)),
        pl.when(pl.col("size").ne_missing(REGULAR)).then(pl.lit(OTHER_SIZE)),
        pl.when(pl.col("currency").ne_missing("USD")).then(pl.lit(NOT_DOLLARS)),
        pl.lit(None, dtype=pl.String),
    )
    judged = terms.with_columns(rule=rule)
    wrong = judged.filter(pl.col("rule").is_not_null())
    rejected = rejected_rows(
        wrong.select("session", *quotes.drop("session").columns), date="session", rule=wrong["rule"], provider=SERVICE
    )
    rows = judged.filter(pl.col("rule").is_null())
    if rows.is_empty():
        raise EmptyResult(SERVICE, expected, f"{wrong.height} contracts, none usable", "see the rejected rows")
    traded_on = pl.col("traded_at").dt.convert_time_zone(NEW_YORK.key).dt.date()
    before = {day: shift_session(day, -1) for day in rows["session"].unique()}
    rows = rows.with_columns(replaced_at=open_interest_known_at(rows["session"]))
    is_known = pl.lit(bool((rows["open_interest"] > 0).any())) & (pl.col("known_at") < pl.col("replaced_at"))
    open_interest = pl.when(is_known).then(pl.col("open_interest"))
    frame = rows.select(
        "session", "expiry", "settlement", "right", "strike", "root", "ts", "known_at", "bid", "style", "spot",
        symbol=pl.lit(symbol),
        ask=pl.when(pl.col("ask") != 0).then(pl.col("ask")),
        bid_size=None, ask_size=None,
        volume=pl.when(traded_on == pl.col("session")).then(pl.col("traded")),
        open_interest=open_interest,
        oi_session=pl.when(open_interest.is_not_null()).then(
            pl.col("session").replace_strict(before, default=None, return_dtype=pl.Date)
        ),
        multiplier=pl.lit(SHARES_PER_CONTRACT),
        deliverable_shares=None,
    )  # fmt: skip
    return frame, rejected


def _every_expiry(client: YahooClient, ticker: Any, expected: str) -> pl.DataFrame:
    # The answer without a date brings the list of expiries and the contracts of the first.
    parts = [_answer(client, ticker.option_chain(), expected)]
    first = client.document()["optionChain"]["result"][0]["options"][0]["expirationDate"]
    first_day = dt.datetime.fromtimestamp(first, dt.UTC).date().isoformat()
    others = [day for day in ticker.options if day != first_day]
    return pl.concat([*parts, *(_answer(client, ticker.option_chain(day), expected) for day in others)])


def _answer(client: YahooClient, chain: Any, expected: str) -> pl.DataFrame:
    known_at = client.access.clock()
    if chain.calls is None:
        if "optionChain" not in client.document():
            raise drift("optionChain", f"the fields {', '.join(sorted(client.document()))}")
        raise EmptyResult(SERVICE, expected, "no chain", "check that options on this symbol are listed")
    spot, at = (chain.underlying.get(name) for name in ("regularMarketPrice", "regularMarketTime"))
    for name, value in (("regularMarketPrice", spot), ("regularMarketTime", at)):
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise drift(f"a number in quote.{name}", repr(value))
    columns = [_columns(side) for side in (chain.calls, chain.puts)]
    return pl.concat(columns).with_columns(
        spot=pl.lit(float(spot)),
        ts=pl.lit(dt.datetime.fromtimestamp(at, dt.UTC)).cast(INSTANT),
        known_at=pl.lit(known_at).cast(INSTANT),
    )


def _columns(side: Any) -> pl.DataFrame:
    frame = pl.from_pandas(side[[*TEXTS, *NUMBERS, "lastTradeDate"]], nan_to_null=True)
    for name in NUMBERS:
        if not (frame.schema[name].is_numeric() or frame.schema[name] == pl.Null or frame.is_empty()):
            raise drift(f"numbers in {name}", str(frame.schema[name]))
    return frame.select(
        *(pl.col(name).cast(pl.String).alias(alias) for name, alias in TEXTS.items()),
        *(pl.col(name).cast(pl.Float64).fill_nan(None).alias(alias) for name, alias in NUMBERS.items()),
        pl.col("lastTradeDate").cast(INSTANT).alias("traded_at"),
    )
