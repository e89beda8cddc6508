"""The raw room: what the configured provider says, archived, validated and quarantined."""

from __future__ import annotations

import dagster as dg

from assets.night import Night, TableRows
from assets.plots import raw as plots
from assets.table_asset import table_asset

FETCH_RETRY = dg.RetryPolicy(max_retries=3, delay=2, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)
VENDOR_POOL = "vendor:market_data"
KINDS = ("polars", "parquet")


def _optional(night: Night, table: str) -> TableRows:
    """Return the provider's rows, or none and a warning when it does not have the table: bars alone are enough."""
    if night.serves(table):
        return _fetched(night, table)
    name = night.market_data.provider.name
    night.warn(f"{table}: provider {name} does not have this table; what is made from it stays empty or null")
    return TableRows(night.lake.table(table).empty(), metadata={"provider": name})


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
    return _optional(night, "raw.index_levels")


@table_asset("raw.option_quotes", kinds=KINDS, plots=plots.quoted_spreads, retry=FETCH_RETRY, pool=VENDOR_POOL)
def option_quotes(night: Night) -> TableRows:
    """One chain snapshot per symbol and session, 15 minutes before the close, with yesterday's open interest."""
    return _optional(night, "raw.option_quotes")


@table_asset("raw.macro", kinds=KINDS, plots=plots.series, retry=FETCH_RETRY, pool=VENDOR_POOL)
def macro(night: Night) -> TableRows:
    """Macroeconomic observations under the session in which each vintage became known."""
    return _optional(night, "raw.macro")


@table_asset("raw.dividends", kinds=KINDS, retry=FETCH_RETRY, pool=VENDOR_POOL)
def dividends(night: Night) -> TableRows:
    """Cash dividends under the session in which their announcement became known.

    Without them dividends still show in every forward implied by put-call parity, so their absence is no warning.
    """
    if night.serves("raw.dividends"):
        return _fetched(night, "raw.dividends")
    provider = night.market_data.provider.name
    night.say(f"raw.dividends: provider {provider} does not have this table; forwards come from put-call parity alone")
    return TableRows(night.lake.table("raw.dividends").empty(), metadata={"provider": provider})
