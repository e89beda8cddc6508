"""The raw room: what the configured provider says, archived, validated and quarantined."""

from __future__ import annotations

import dagster as dg

from assets.night import Night, TableRows
from assets.plots import raw as plots
from assets.table_asset import table_asset

FETCH_RETRY = dg.RetryPolicy(max_retries=3, delay=2, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)
VENDOR_POOL = "vendor:market_data"
KINDS = ("polars", "parquet")


CORE = ("raw.index_levels", "raw.option_quotes", "raw.macro")
"""Tables that a provider may lack, at a price that is worth a warning: whole rooms stay empty without them."""


def _optional(night: Night, table: str, without: str) -> TableRows:
    """Return the provider's rows, or none when it does not have the table, and say what that means."""
    if night.serves(table):
        return _fetched(night, table)
    provider = night.market_data.provider.name
    tell = night.warn if table in CORE else night.say
    tell(f"{table}: provider {provider} does not have this table; {without}")
    return TableRows(night.lake.table(table).empty(), metadata={"provider": provider})


def _fetched(night: Night, table: str) -> TableRows:
    fetched = night.market_data.fetch(table, night.sessions)
    metadata = {
        "provider": night.market_data.provider.name,
        "sources": ", ".join(f"{source.name} {source.sha256[:12]}" for source in fetched.sources),
        "rejected_rows": fetched.rejected.height,
    }
    return TableRows(fetched.frame, fetched.rejected, metadata)


@table_asset("raw.equity_bars", kinds=KINDS, plots=plots.closes, retry=FETCH_RETRY, pool=VENDOR_POOL)
def equity_bars(night: Night) -> TableRows:
    """Daily bars from the provider, unadjusted, known at the close."""
    return _fetched(night, "raw.equity_bars")


@table_asset("raw.index_levels", kinds=KINDS, plots=plots.closes, retry=FETCH_RETRY, pool=VENDOR_POOL)
def index_levels(night: Night) -> TableRows:
    """Daily index levels from the provider, known at the close."""
    return _optional(night, "raw.index_levels", "what is made from index levels is null")


@table_asset("raw.option_quotes", kinds=KINDS, plots=plots.quoted_spreads, retry=FETCH_RETRY, pool=VENDOR_POOL)
def option_quotes(night: Night) -> TableRows:
    """One chain snapshot per symbol and session, 15 minutes before the close, with yesterday's open interest."""
    return _optional(night, "raw.option_quotes", "nothing is made from option chains")


@table_asset("raw.macro", kinds=KINDS, plots=plots.series, retry=FETCH_RETRY, pool=VENDOR_POOL)
def macro(night: Night) -> TableRows:
    """Macroeconomic observations under the session in which each vintage became known."""
    return _optional(
        night, "raw.macro", "without Treasury yields options have no volatility, and macro features are null"
    )


@table_asset("raw.dividends", kinds=KINDS, retry=FETCH_RETRY, pool=VENDOR_POOL)
def dividends(night: Night) -> TableRows:
    """Cash dividends under the session in which their announcement became known."""
    return _optional(night, "raw.dividends", "forwards come from put-call parity alone")


@table_asset("raw.intraday_bars", kinds=KINDS, plots=plots.volume_of_day, retry=FETCH_RETRY, pool=VENDOR_POOL)
def intraday_bars(night: Night) -> TableRows:
    """Bars of one and five minutes of the regular session, as traded."""
    return _optional(night, "raw.intraday_bars", "impact, toxicity and structure come from daily bars")


@table_asset("raw.order_books", kinds=KINDS, plots=plots.order_book, retry=FETCH_RETRY, pool=VENDOR_POOL)
def order_books(night: Night) -> TableRows:
    """Snapshots of the order book by level; a crossed book is quarantined."""
    return _optional(night, "raw.order_books", "depth, imbalance and spread are the daily proxies")


@table_asset("raw.trades", kinds=KINDS, retry=FETCH_RETRY, pool=VENDOR_POOL)
def trades(night: Night) -> TableRows:
    """Trades as printed, with the side that took liquidity where the venue says so."""
    return _optional(night, "raw.trades", "toxicity has no volume clock of trades")


@table_asset("raw.short_volume", kinds=KINDS, plots=plots.short_shares, retry=FETCH_RETRY, pool=VENDOR_POOL)
def short_volume(night: Night) -> TableRows:
    """Off-exchange volume and its short sales, published in the evening: trades, not open short positions."""
    return _optional(night, "raw.short_volume", "off-exchange shares are null")


@table_asset("raw.dix", kinds=KINDS, plots=plots.dix, retry=FETCH_RETRY, pool=VENDOR_POOL)
def dix(night: Night) -> TableRows:
    """Dark index and gamma exposure of the S&P 500 as a vendor publishes them in the evening."""
    return _optional(night, "raw.dix", "the dark index follows from short volume of the index members, if there is any")


@table_asset("raw.posts", kinds=KINDS, plots=plots.posts_by_source, retry=FETCH_RETRY, pool=VENDOR_POOL)
def posts(night: Night) -> TableRows:
    """Social posts under the first session at whose close they were known."""
    return _optional(night, "raw.posts", "readings of social sources are null, never neutral")


@table_asset("raw.news", kinds=KINDS, retry=FETCH_RETRY, pool=VENDOR_POOL)
def news(night: Night) -> TableRows:
    """Articles, filings and sections of earnings calls under the first session at whose close they were known."""
    return _optional(night, "raw.news", "readings of news and of earnings calls are null, never neutral")
