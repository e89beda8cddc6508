"""The raw room: what the configured provider says, archived, validated and quarantined."""

from __future__ import annotations

from dataclasses import replace

import dagster as dg
import polars as pl

from assets.night import Night, TableRows
from assets.plots import raw as plots
from assets.table_asset import table_asset
from gnosis.corporate_actions import adjustment_factors, with_stored_factors
from gnosis.listings import listing_gaps
from resources.providers.live.errors import UnavailableError
from resources.providers.live.events import late_actions, listing_gap_events
from resources.providers.rejections import LISTING_GAP, rejected_rows

FETCH_RETRY = dg.RetryPolicy(max_retries=3, delay=2, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)
VENDOR_POOL = "vendor:market_data"
KINDS = ("polars", "parquet")


MOST_SOURCES = 20
"""Sources named beside a materialisation; all of them are in the archive."""

CORE = ("raw.index_levels", "raw.option_quotes", "raw.macro")
"""Tables that a provider may lack, at a price that is worth a warning: whole rooms stay empty without them."""


def _optional(night: Night, table: str, without: str) -> TableRows:
    """Return the provider's rows, or none when it does not have the table, and say what that means."""
    provider = night.market_data.provider.name
    if night.serves(table):
        try:
            return _fetched(night, table)
        except UnavailableError as error:
            night.warn(f"{table}: {error}; {without}")
    else:
        tell = night.warn if table in CORE else night.say
        tell(f"{table}: provider {provider} does not have this table; {without}")
    return TableRows(night.lake.table(table).empty(), metadata={"provider": provider})


def _fetched(night: Night, table: str) -> TableRows:
    fetched = night.market_data.fetch(table, night.sessions)
    metadata = {
        "provider": night.market_data.provider.name,
        "sources": ", ".join(f"{source.name} {source.sha256[:12]}" for source in fetched.sources[:MOST_SOURCES])
        + (f" and {len(fetched.sources) - MOST_SOURCES} more" if len(fetched.sources) > MOST_SOURCES else ""),
        "rejected_rows": fetched.rejected.height,
    }
    if night.market_data.live is not None:
        metadata |= _told(night, table)
    return TableRows(fetched.frame, fetched.rejected, metadata)


def _told(night: Night, table: str) -> dict[str, object]:
    """Return the number of doubts of each kind about what was fetched, and say what is missing."""
    live = night.market_data.live
    assert live is not None
    events = live.quality_events(night.sessions).filter(pl.col("table_name") == table)
    missing = events.filter(pl.col("kind") == "missing")
    if missing.height:
        names = missing["symbol"].unique().sort().to_list()
        why = missing["detail"].mode().sort()[0]
        night.warn(f"{table}: {missing.height} of symbol x session missing ({', '.join(names[:5])}), mostly: {why}")
    counts = events.group_by(pl.col("kind").cast(pl.String)).len().sort("kind")
    return {f"{kind}_events": number for kind, number in counts.rows()}


@table_asset(
    "raw.equity_bars",
    reads=("raw.splits", "raw.dividends"),
    kinds=KINDS,
    plots=plots.closes,
    retry=FETCH_RETRY,
    pool=VENDOR_POOL,
)
def equity_bars(night: Night) -> TableRows:
    """Daily bars from the provider, unadjusted, known at the close.

    Offline providers bring the adjustment factor. That of live bars is carried on from the last stored bar by the
    splits and dividends of the days between, whichever service sent them.
    """
    fetched = _fetched(night, "raw.equity_bars")
    live = night.market_data.live
    if live is None:
        return fetched
    previous = night.last_rows("symbol")
    gaps = listing_gaps(fetched.frame, previous, listed_from=live.configuration.listed_from)
    is_another = pl.col("symbol").is_in(gaps["symbol"].implode())
    refused, bars = fetched.frame.filter(is_another), fetched.frame.filter(~is_another)
    # An action may have become known long before the bar that it moves.
    splits, dividends = (night.scan(table).collect() for table in ("raw.splits", "raw.dividends"))
    bars, late = adjustment_factors(bars, splits, dividends, previous)
    bars, torn = with_stored_factors(bars, *night.stored_beside("symbol"))
    live.note(
        "raw.equity_bars",
        night.sessions,
        pl.concat([late_actions(pl.concat([late, torn]), live.name), listing_gap_events(gaps, live.name)]),
    )
    set_aside = rejected_rows(refused, date="session", rule=LISTING_GAP, provider=live.name)
    return replace(
        fetched, frame=bars, rejected=pl.concat([frame for frame in (fetched.rejected, set_aside) if frame is not None])
    )


@table_asset("raw.splits", kinds=KINDS, retry=FETCH_RETRY, pool=VENDOR_POOL)
def splits(night: Night) -> TableRows:
    """Share splits under the session in which they became known."""
    return _optional(night, "raw.splits", "adjustment factors are those that the provider's bars bring")


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


@table_asset("raw.crypto_bars", kinds=KINDS, plots=plots.closes, retry=FETCH_RETRY, pool=VENDOR_POOL)
def crypto_bars(night: Night) -> TableRows:
    """Daily bars of crypto pairs; those of a weekend belong to Monday."""
    return _optional(night, "raw.crypto_bars", "nothing else rests on it yet")


@table_asset("raw.crypto_tickers", kinds=KINDS, retry=FETCH_RETRY, pool=VENDOR_POOL)
def crypto_tickers(night: Night) -> TableRows:
    """Best quotes and last prices of crypto pairs when the night asked."""
    return _optional(night, "raw.crypto_tickers", "nothing else rests on it yet")


FETCHED = (
    "raw.equity_bars",
    "raw.index_levels",
    "raw.option_quotes",
    "raw.macro",
    "raw.dividends",
    "raw.splits",
    "raw.intraday_bars",
    "raw.order_books",
    "raw.trades",
    "raw.short_volume",
    "raw.dix",
    "raw.posts",
    "raw.news",
    "raw.crypto_bars",
    "raw.crypto_tickers",
)
"""Tables that a provider fills; the last two of the room say how that went."""


@table_asset("raw.quality_events", reads=FETCHED, kinds=KINDS, plots=plots.doubts)
def quality_events(night: Night) -> pl.DataFrame:
    """What fetching a session left in doubt: missing rows, prices that disagree, prices that nobody confirmed."""
    live = night.market_data.live
    return live.quality_events(night.sessions) if live else night.lake.table("raw.quality_events").empty()


@table_asset("raw.provider_health", reads=FETCHED, kinds=KINDS, plots=plots.health)
def provider_health(night: Night) -> pl.DataFrame:
    """How each live service answered: asks, failures, time, and whether it is being left alone."""
    live = night.market_data.live
    return live.health() if live else night.lake.table("raw.provider_health").empty()
