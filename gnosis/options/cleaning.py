"""Chain cleaning: why a quote gives no volatility. Each row keeps the first reason that applies.

Reasons, in the order in which they are looked for:

============== ==========================================================================================
settled        the contract had settled at or before the quote instant
no_rate        no Treasury rate was known at the quote, so there is no discount factor
stale          the quote is more than 15 minutes older than the nominal snapshot of the session
zero_bid       no bid
crossed        no ask, or ask < bid; ask = bid > 0 is locked, and kept
wide           (ask - bid)/mid > 0.5
bound          mid outside the European bounds by more than half the spread, or no volatility in [1e-4, 5]
no_time_value  mid less than half a tick ($0.005) above discounted intrinsic value, or below $0.02
============== ==========================================================================================

A missing open interest is no reason here: it does not touch the volatility. It shows as null ``open_interest``, and
the exposure leaves the contract out. American contracts are held to the European bounds, because they are priced by
the European formula.
"""

from __future__ import annotations

import datetime as dt

import polars as pl

from gnosis.options.clock import seconds_to_settlement
from gnosis.tables import TABLES
from gnosis.tables.greeks import QUOTE_REASONS

KEY = TABLES["raw.option_quotes"].key
MAX_AGE = dt.timedelta(minutes=15)
MAX_RELATIVE_SPREAD = 0.5
HALF_TICK = 0.005
LEAST_MID = 0.02
REASON = pl.Enum(QUOTE_REASONS)


def split_duplicates(quotes: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the rows to use, sorted by key, and the superseded versions of the same contract and session (``dup``).

    The version with the latest ``known_at`` is used; between equals the one with the later quote instant, then the
    larger values, so that the choice does not depend on the order of the rows.
    """
    ordered = quotes.sort(KEY)
    is_repeat = pl.all_horizontal(pl.col(name) == pl.col(name).shift() for name in KEY).fill_null(False)
    repeats = ordered.select(is_repeat.alias("is_repeat"))["is_repeat"]
    if not repeats.any():
        return ordered, ordered.clear()
    versions = ["known_at", "ts", *sorted(set(quotes.columns) - {"known_at", "ts", *KEY})]
    ordered = quotes.sort(KEY + versions, nulls_last=False)
    is_last = pl.any_horizontal(pl.col(name) != pl.col(name).shift(-1) for name in KEY).fill_null(True)
    return ordered.filter(is_last), ordered.filter(~is_last)


def mid() -> pl.Expr:
    """Return the mean of bid and ask, $."""
    return (pl.col("bid") + pl.col("ask")) / 2


def quote_reason() -> pl.Expr:
    """Return what is wrong with a quote by itself, null when nothing is.

    Reads ``ts``, ``chain_at``, ``settles_at``, ``bid`` and ``ask``; a missing price is read as none.
    """
    bid, ask = pl.col("bid").fill_null(0.0), pl.col("ask").fill_null(0.0)
    return (
        pl.when(seconds_to_settlement() <= 0)
        .then(pl.lit("settled"))
        .when(pl.col("ts") < pl.col("chain_at") - MAX_AGE)
        .then(pl.lit("stale"))
        .when(bid <= 0)
        .then(pl.lit("zero_bid"))
        .when(ask < bid)
        .then(pl.lit("crossed"))
        .when((ask - bid) / ((ask + bid) / 2) > MAX_RELATIVE_SPREAD)
        .then(pl.lit("wide"))
        .cast(REASON)
    )


def price_reason() -> pl.Expr:
    """Return what is wrong with the mid price of a usable quote, null when nothing is.

    Reads ``right``, ``strike``, ``forward``, ``discount``, ``bid``, ``ask`` and ``mid``.
    """
    is_call = pl.col("right") == "C"
    gain = pl.when(is_call).then(pl.col("forward") - pl.col("strike")).otherwise(pl.col("strike") - pl.col("forward"))
    lowest = pl.col("discount") * gain.clip(0.0)
    highest = pl.col("discount") * pl.when(is_call).then("forward").otherwise("strike")
    half_spread = (pl.col("ask") - pl.col("bid")) / 2
    price = pl.col("mid")
    return (
        pl.when((price < lowest - half_spread) | (price > highest + half_spread))
        .then(pl.lit("bound"))
        .when((price - lowest < HALF_TICK) | (price < LEAST_MID))
        .then(pl.lit("no_time_value"))
        .cast(REASON)
    )
