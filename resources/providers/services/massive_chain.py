"""Chains of options from Massive's snapshot of now, 250 contracts a page. Free keys are refused with 403.

A contract without a last quote has no instant and is set aside; when none has one, the plan does not include quotes.
The price of the underlying is the one of now: it is that of a quote only if both are at most 15 minutes apart. What has
no such price is set aside, so a chain of shares is there until 15 minutes after the close, not in the evening.
Greeks and volatilities of the service are not read: they may be missing for any contract.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import polars as pl

from gnosis.sessions import schedule
from gnosis.symbols import INDEX_CHAINS, ROOTS, chain_symbol, contract_fields, kind_of, root_terms
from resources.providers.live.each_symbol import each_symbol
from resources.providers.live.errors import EmptyResult, EntitlementError, SchemaDrift
from resources.providers.live.service import Answer, Ask
from resources.providers.rejections import rejected_rows
from resources.providers.services.massive_answer import Part, answered, complete, new_york_day
from resources.providers.services.massive_pages import REPORT, Connection, Page, instant

NANOS = 1_000_000_000
LARGEST_PAGE = 250
NOT_A_CONTRACT = "ticker|not_a_contract"
MULTIPLIER = 100.0
SPOT_APART = dt.timedelta(minutes=15)

FIELDS: dict[str, pl.DataType | type[pl.DataType]] = {
    "details": pl.Struct({"ticker": pl.String, "shares_per_contract": pl.Float64}),
    "last_quote": pl.Struct(
        {
            "bid": pl.Float64,
            "ask": pl.Float64,
            "bid_size": pl.Float64,
            "ask_size": pl.Float64,
            "last_updated": pl.Int64,
        }
    ),
    "day": pl.Struct({"volume": pl.Float64, "last_updated": pl.Int64}),
    "underlying_asset": pl.Struct({"price": pl.Float64, "value": pl.Float64, "last_updated": pl.Int64}),
    "open_interest": pl.Float64,
}
KEY = ["session", "symbol", "expiry", "settlement", "right", "strike", "root"]


def option_quotes(connection: Connection, ask: Ask) -> Answer:
    """Return the chains as they stand, each quote at the instant at which it was last changed.

    A chain may be named as the table does (``SPX``) or by its underlying (``^GSPC``); the rows name it as the table
    does. Contracts that were last quoted in another session than those asked for are left out, and so are adjusted
    contracts, whose roots are chains of their own.
    """
    expected = f"option quotes of {', '.join(ask.symbols)} in {ask.sessions[-1]}"
    parts, failures = each_symbol(ask.symbols, lambda symbol: _chain(connection, ask, symbol))
    return answered(ask, connection.access.service, expected, parts, failures)


def underlying_of(symbol: str) -> str:
    """Return the canonical symbol on which a chain is written.

    Examples
    --------
    >>> underlying_of("SPX"), underlying_of("^GSPC"), underlying_of("AAPL")
    ('^GSPC', '^GSPC', 'AAPL')
    """
    return ROOTS[symbol].underlying if symbol in INDEX_CHAINS else symbol


def _chain(connection: Connection, ask: Ask, symbol: str) -> Part:
    service, expected = connection.access.service, f"option quotes of {symbol} in {ask.sessions[-1]}"
    underlying = underlying_of(symbol)
    text = connection.text_of(underlying, kind_of(underlying))

    def call(client: Any) -> Any:
        # The client writes into the parameters it is given.
        return client.list_snapshot_options_chain(text, params={"limit": LARGEST_PAGE}, raw=True)

    pages = [_contracts(connection, page, expected) for page in connection.pages(expected, call)]
    contracts = pl.concat(pages)
    if contracts.is_empty():
        raise EmptyResult(service, expected, "no contract", "ask another service")
    if contracts["ts"].null_count() == contracts.height:
        wanted, advice = f"{expected} with quotes of the contracts", "the plan does not include it; ask another service"
        raise EntitlementError(service, wanted, "a snapshot without", advice)
    if contracts["spot"].null_count() == contracts.height:
        # The plan may lack one market, and in the evening no price is that of the quotes: other chains may be good.
        wanted = f"{expected} with a price of the underlying at most {SPOT_APART} from a quote"
        raise EmptyResult(service, wanted, "none", "ask another service, or ask during the session")
    for side in ("bid", "ask"):
        if contracts[side].null_count() == contracts.height:
            raise SchemaDrift(service, f"{expected} with the field {side!r}", "no quote that has it", REPORT)
    whole = complete(contracts, ["ticker", "ts", "spot"], ask, service, expected)
    named = whole.rows.with_columns(contract_fields("ticker").alias("fields")).unnest("fields")
    unknown = rejected_rows(
        named.filter(pl.col("root").is_null()).select(contracts.columns),
        date="session",
        rule=NOT_A_CONTRACT,
        provider=service,
    )
    terms = named.filter(pl.col("root").is_not_null()).with_columns(root_terms("root").alias("terms"))
    rows = terms.with_columns(
        symbol=pl.col("terms").struct["chain"],
        settlement=pl.col("terms").struct["settlement"],
        style=pl.col("terms").struct["style"],
    ).filter(pl.col("symbol") == chain_symbol(underlying), pl.col("session").is_in(list(ask.sessions)))
    if rows.is_empty():
        days = ", ".join(str(day) for day in whole.rows["session"].unique().sort()[-2:])
        found = f"{terms.height} contracts last quoted in {days or 'no session'}"
        raise EmptyResult(service, expected, found, "a chain is a snapshot of now; ask in the evening of the session")
    before = schedule().select("session", oi_session=pl.col("session").shift(1))
    dated = (
        rows.join(before, on="session", how="left", maintain_order="left")
        .with_columns(
            # On a later day the service may or may not have moved on to the next open interest.
            pl.when(pl.col("open_interest").is_not_null(), new_york_day(pl.col("known_at")) == pl.col("session"))
            .then(name)
            .alias(name)
            for name in ("open_interest", "oi_session")
        )
        .with_columns(
            multiplier=pl.lit(MULTIPLIER),
            deliverable_shares=pl.when(pl.col("shares_per_contract") != MULTIPLIER).then("shares_per_contract"),
        )
    )
    # While pages are turned a contract may move from one to the next: the later sight of it counts.
    once = dated.unique(KEY, keep="last", maintain_order=True)
    columns = [name for name in once.columns if name not in ("ticker", "shares_per_contract", "terms", "is_adjusted")]
    return Part(once.select(columns), pl.concat([whole.rejected, unknown]))


def _contracts(connection: Connection, page: Page, expected: str) -> pl.DataFrame:
    rows = connection.rows(page, expected, FIELDS)
    details, quote, bar, asset = (pl.col(name).struct for name in ("details", "last_quote", "day", "underlying_asset"))
    flat = rows.select(
        "open_interest",
        ticker=details["ticker"],
        shares_per_contract=details["shares_per_contract"],
        bid=quote["bid"],
        ask=quote["ask"],
        bid_size=quote["bid_size"],
        ask_size=quote["ask_size"],
        quoted=quote["last_updated"],
        traded=bar["last_updated"],
        day_volume=bar["volume"],
        # Indices have a value where shares have a price.
        price=pl.coalesce(asset["price"], asset["value"]),
        priced=asset["last_updated"],
    )
    at = pl.lit(page.reply.received_at).cast(pl.Datetime("us", "UTC"))
    stamped = flat.with_columns(ts=instant("quoted", NANOS), known_at=at)
    dated = stamped.with_columns(session=new_york_day(pl.col("ts")))
    # The day's bar is that of the last day with a trade, which need not be the day of the quote.
    is_same_day = new_york_day(instant("traded", NANOS)) == pl.col("session")
    apart = (instant("priced", NANOS) - pl.col("ts")).abs()
    return dated.with_columns(
        volume=pl.when(is_same_day).then("day_volume"), spot=pl.when(apart <= SPOT_APART).then("price")
    ).drop("quoted", "traded", "day_volume", "price", "priced")
