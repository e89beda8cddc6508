"""Tables of the raw room: what providers said, one row per fact, with the moment it became known."""

from __future__ import annotations

import dataframely as dy
import polars as pl

from gnosis.tables.dictionary import (
    Origin,
    SymbolSession,
    count,
    day,
    flag,
    instant,
    label,
    number,
    text,
)


class RawEquityBars(SymbolSession, Origin):
    """Daily bars as traded (unadjusted), with the forward-anchored adjustment factor."""

    ts = instant("end of the bar: close of the session")
    open = number("$", "first traded price", nullable=False, min_exclusive=0)
    high = number("$", "highest traded price", nullable=False, min_exclusive=0)
    low = number("$", "lowest traded price", nullable=False, min_exclusive=0)
    close = number("$", "last traded price", nullable=False, min_exclusive=0)
    volume = number("shares", "shares traded, as traded (not adjusted for splits)", min=0)
    adjustment_factor = number(
        "ratio",
        "adjusted price = price x factor; cumulates splits and dividends with ex-date up to the bar",
        nullable=False,
        min_exclusive=0,
    )

    @dy.rule()
    def high_is_highest(cls) -> pl.Expr:
        return pl.col("high") >= pl.max_horizontal("open", "close", "low")

    @dy.rule()
    def low_is_lowest(cls) -> pl.Expr:
        return pl.col("low") <= pl.min_horizontal("open", "close", "high")

    @dy.rule()
    def known_after_bar(cls) -> pl.Expr:
        return pl.col("known_at") >= pl.col("ts")


class RawIndexLevels(SymbolSession, Origin):
    """Daily levels of indices such as ^GSPC and ^VIX."""

    ts = instant("instant of the closing level")
    open = number("points", "opening level", min_exclusive=0)
    high = number("points", "highest level", min_exclusive=0)
    low = number("points", "lowest level", min_exclusive=0)
    close = number("points", "closing level", nullable=False, min_exclusive=0)

    @dy.rule()
    def known_after_level(cls) -> pl.Expr:
        return pl.col("known_at") >= pl.col("ts")


class RawOptionQuotes(Origin):
    """Option quotes of one snapshot per session, with the open interest known at that moment."""

    session = day("exchange session of the snapshot", primary_key=True)
    symbol = text("symbol of the underlying", primary_key=True, min_length=1)
    expiry = day("expiry date of the contract", primary_key=True)
    settlement = label(
        ["am", "pm"],
        "morning or afternoon settlement",
        nullable=False,
        primary_key=True,
    )
    right = label(["C", "P"], "call or put", nullable=False, primary_key=True)
    strike = number("$", "strike price", nullable=False, min_exclusive=0, primary_key=True)
    root = text("option root as listed (SPX and SPXW are different roots)", primary_key=True)
    ts = instant("quote instant")
    bid = number("$", "best bid; 0 when there is none", min=0)
    ask = number("$", "best ask; 0 when there is none", min=0)
    bid_size = number("contracts", "size at the bid", min=0)
    ask_size = number("contracts", "size at the ask", min=0)
    volume = number("contracts", "contracts traded in the session up to the quote", min=0)
    open_interest = number("contracts", "open interest of oi_session, as known at the quote", min=0)
    oi_session = day("session whose open interest is given", nullable=True)
    multiplier = number("shares", "shares per contract", nullable=False, min_exclusive=0)
    deliverable_shares = number(
        "shares",
        "shares that one contract delivers, where that is not the multiplier (adjusted contracts); else null",
        min_exclusive=0,
    )
    style = label(["A", "E"], "American or European exercise", nullable=False)
    spot = number(
        "$",
        "price of the underlying at the quote instant",
        nullable=False,
        min_exclusive=0,
    )

    @dy.rule()
    def not_expired(cls) -> pl.Expr:
        return pl.col("expiry") >= pl.col("session")

    @dy.rule()
    def known_after_quote(cls) -> pl.Expr:
        return pl.col("known_at") >= pl.col("ts")

    @dy.rule()
    def open_interest_is_of_an_earlier_session(cls) -> pl.Expr:
        return pl.col("oi_session").is_null() | (pl.col("oi_session") < pl.col("session"))


class RawDividends(Origin):
    """Declared cash dividends: one row per announcement, under the session in which it became known."""

    session = day("exchange session in which the announcement became known", primary_key=True)
    symbol = text("symbol of the underlying", primary_key=True, min_length=1)
    ex_date = day("first session that trades without the dividend", primary_key=True)
    amount_usd = number("$ per share", "cash per share as traded on ex_date", nullable=False, min=0)


class RawSplits(Origin):
    """Share splits: one row per event, under the session in which it became known."""

    session = day("exchange session in which the split became known", primary_key=True)
    symbol = text("symbol of the share", primary_key=True, min_length=1)
    ex_date = day("first session that trades after the split", primary_key=True)
    ratio = number("ratio", "new shares per old one: 4 for four for one", nullable=False, min_exclusive=0)


class RawCryptoBars(SymbolSession, Origin):
    """Daily bars of crypto pairs from midnight to midnight UTC, under the first session that closes after them."""

    ts = instant("end of the bar: midnight UTC", primary_key=True)
    open = number("quote currency", "first traded price", nullable=False, min_exclusive=0)
    high = number("quote currency", "highest traded price", nullable=False, min_exclusive=0)
    low = number("quote currency", "lowest traded price", nullable=False, min_exclusive=0)
    close = number("quote currency", "last traded price", nullable=False, min_exclusive=0)
    volume = number("base currency", "amount traded on the exchange", min=0)

    @dy.rule()
    def high_is_highest(cls) -> pl.Expr:
        return pl.col("high") >= pl.max_horizontal("open", "close", "low")

    @dy.rule()
    def low_is_lowest(cls) -> pl.Expr:
        return pl.col("low") <= pl.min_horizontal("open", "close", "high")

    @dy.rule()
    def known_after_bar(cls) -> pl.Expr:
        return pl.col("known_at") >= pl.col("ts")


class RawCryptoTickers(SymbolSession, Origin):
    """Best quotes and last prices of crypto pairs at the instant of the pull."""

    ts = instant("instant of the quote; of its receipt where the exchange gives none", primary_key=True)
    bid = number("quote currency", "best bid", min_exclusive=0)
    ask = number("quote currency", "best ask", min_exclusive=0)
    last = number("quote currency", "last traded price", nullable=False, min_exclusive=0)
    volume_24h = number("base currency", "amount traded in the last 24 hours", min=0)

    @dy.rule()
    def not_crossed(cls) -> pl.Expr:
        return (pl.col("bid") < pl.col("ask")).fill_null(True)

    @dy.rule()
    def known_after_quote(cls) -> pl.Expr:
        return pl.col("known_at") >= pl.col("ts")


class RawQualityEvents(Origin):
    """What was doubtful about the data of a session, with the evidence."""

    session = day("exchange session of the doubtful rows", primary_key=True)
    table_name = text("table of the doubtful rows, for example raw.equity_bars", primary_key=True)
    symbol = text("symbol or series; empty where the whole table is meant", primary_key=True)
    kind = label(
        ["price_disagreement", "unverified", "missing", "late_action", "listing_gap", "failover", "schema_drift"],
        "what is doubtful",
        nullable=False,
        primary_key=True,
    )
    providers = text("services that were asked, joined by '+'; empty where none could be")
    chosen = text("service whose value was taken", nullable=True)
    value = number("unit of the column", "value taken")
    largest_deviation = number("ratio", "largest relative distance of an answer from the value taken", min=0)
    detail = text("evidence and advice in one sentence")


class RawProviderHealth(dy.Schema):
    """How each live service did, per table and session of the run that asked."""

    session = day("latest session that was asked for", primary_key=True)
    service = text("name of the service", primary_key=True)
    table_name = text("table that was asked for", primary_key=True)
    n_asks = count("asks made, repeats included", nullable=False)
    n_answers = count("asks that were answered with rows or a proper none", nullable=False)
    n_failures = count("asks that failed", nullable=False)
    n_rows = count("rows received", nullable=False)
    latency_p50_s = number("s", "median time of an ask", min=0)
    latency_p95_s = number("s", "95th percentile of the time of an ask", min=0)
    health = number("ratio", "running share of good answers, 1 is best", min=0, max=1)
    is_open = flag("true when the circuit breaker keeps the service from being asked")
    status = text("ok, or the kind of the last failure")
    detail = text("the last failure with advice, free of secrets", nullable=True)
    known_at = instant("when the last ask ended")
    provider = text("name of the service")
    synthetic = flag("false: observed")


class RawMacro(dy.Schema):
    """Macroeconomic observations with their vintages: one row per value ever published."""

    session = day("first session at whose close the value was known", primary_key=True)
    series_id = text("series identifier as at FRED, for example DGS10", primary_key=True)
    ref_date = day("date or first day of the period that the value is about", primary_key=True)
    known_at = instant("first moment the value could have been known", primary_key=True)
    value = number("unit of the series", "published value", nullable=False)
    is_vintage = flag("true when the publication date is known, false when a fixed lag was assumed")
    provider = text("provider of the value")
    synthetic = flag("true when the value was generated rather than observed")

    @dy.rule()
    def known_after_reference(cls) -> pl.Expr:
        return pl.col("known_at").dt.date() >= pl.col("ref_date")


class RawIntradayBars(SymbolSession, Origin):
    """Bars of one and five minutes of the regular session as traded; prices of a session share its daily factor."""

    frequency = label(["1min", "5min"], "length of the bar", nullable=False, primary_key=True)
    ts = instant("end of the bar", primary_key=True)
    open = number("$", "first traded price", nullable=False, min_exclusive=0)
    high = number("$", "highest traded price", nullable=False, min_exclusive=0)
    low = number("$", "lowest traded price", nullable=False, min_exclusive=0)
    close = number("$", "last traded price", nullable=False, min_exclusive=0)
    volume = number("shares", "shares traded in the bar", min=0)

    @dy.rule()
    def high_is_highest(cls) -> pl.Expr:
        return pl.col("high") >= pl.max_horizontal("open", "close", "low")

    @dy.rule()
    def low_is_lowest(cls) -> pl.Expr:
        return pl.col("low") <= pl.min_horizontal("open", "close", "high")

    @dy.rule()
    def known_after_bar(cls) -> pl.Expr:
        return pl.col("known_at") >= pl.col("ts")


class RawOrderBooks(SymbolSession, Origin):
    """Snapshots of the order book, one row per price level."""

    ts = instant("instant of the snapshot", primary_key=True)
    side = label(["B", "A"], "bid or ask", nullable=False, primary_key=True)
    level = count("position from the best price, from 1", nullable=False, primary_key=True, min=1)
    price = number("$", "price of the level", nullable=False, min_exclusive=0)
    size = number("shares", "displayed size; units of the asset for crypto", nullable=False, min=0)

    @dy.rule()
    def not_crossed(cls) -> pl.Expr:
        book = ["session", "symbol", "ts"]
        bid = pl.when(pl.col("side") == "B").then("price").max().over(book)
        ask = pl.when(pl.col("side") == "A").then("price").min().over(book)
        return (bid < ask).fill_null(True)

    @dy.rule()
    def known_after_snapshot(cls) -> pl.Expr:
        return pl.col("known_at") >= pl.col("ts")


class RawTrades(SymbolSession, Origin):
    """Trades as printed."""

    ts = instant("instant of the trade", primary_key=True)
    trade_id = text("identifier of the print within the session", primary_key=True, min_length=1)
    price = number("$", "traded price", nullable=False, min_exclusive=0)
    size = number("shares", "traded size; units of the asset for crypto", nullable=False, min_exclusive=0)
    aggressor = label(["buy", "sell"], "side that took liquidity, where the venue says so")

    @dy.rule()
    def known_after_trade(cls) -> pl.Expr:
        return pl.col("known_at") >= pl.col("ts")


class RawShortVolume(SymbolSession, Origin):
    """Off-exchange volume and its short sales: trades of one session, not open short positions."""

    short_volume = number("shares", "short sales reported off exchange", nullable=False, min=0)
    short_exempt_volume = number("shares", "of these, exempt from the price test; null where not reported", min=0)
    total_volume = number("shares", "volume reported off exchange", nullable=False, min=0)

    @dy.rule()
    def short_is_part_of_total(cls) -> pl.Expr:
        return pl.col("short_volume") <= pl.col("total_volume")


class RawDix(Origin):
    """Dark index and gamma exposure of the S&P 500 as a vendor publishes them after the close."""

    session = day("exchange session that the values are about", primary_key=True)
    dix = number("ratio", "dollar-weighted short share of off-exchange volume of the members", min=0, max=1)
    gex = number("vendor unit", "gamma exposure of the index options")


class RawPosts(SymbolSession, Origin):
    """Posts about a symbol, under the first session at whose close they were known."""

    source = label(["reddit", "stocktwits", "x"], "where it was posted", nullable=False, primary_key=True)
    post_id = text("identifier at the source", primary_key=True, min_length=1)
    community = text("subreddit, stream or the like", nullable=True)
    author_hash = text("hash of the author", nullable=True)
    ts = instant("instant of posting")
    tag = label(["bullish", "bearish", "none"], "the author's own tag", nullable=False)
    engagement = count("likes, upvotes or the like", nullable=True)
    text_hash = text("SHA-256 of the normalised text")
    text = text("the text; null where the source gives only its hash", nullable=True)

    @dy.rule()
    def known_after_posting(cls) -> pl.Expr:
        return pl.col("known_at") >= pl.col("ts")


class RawNews(SymbolSession, Origin):
    """Articles, filings and sections of earnings calls, under the first session at whose close they were known."""

    item_id = text("identifier at the source", primary_key=True, min_length=1)
    kind = label(["article", "filing", "earnings_prepared", "earnings_qa"], "what kind of text", nullable=False)
    event_id = text("earnings call that the section belongs to", nullable=True)
    outlet = text("publisher", nullable=True)
    ts = instant("instant of publication")
    text_hash = text("SHA-256 of the normalised text")
    text = text("headline or text; null where the source gives only its hash", nullable=True)

    @dy.rule()
    def known_after_publication(cls) -> pl.Expr:
        return pl.col("known_at") >= pl.col("ts")

    @dy.rule()
    def section_names_its_event(cls) -> pl.Expr:
        return pl.col("kind").cast(pl.String).str.starts_with("earnings").not_() | pl.col("event_id").is_not_null()


__all__ = [
    "RawCryptoBars",
    "RawCryptoTickers",
    "RawDividends",
    "RawDix",
    "RawEquityBars",
    "RawIndexLevels",
    "RawIntradayBars",
    "RawMacro",
    "RawNews",
    "RawOptionQuotes",
    "RawOrderBooks",
    "RawPosts",
    "RawProviderHealth",
    "RawQualityEvents",
    "RawShortVolume",
    "RawSplits",
    "RawTrades",
]
