"""Chain cleaning: why a quote gives no volatility, and which quotes contradict each other.

Each row keeps the first reason that applies, in this order; all but the last deny it a volatility of its own. Settled,
adjusted and late contracts do not get one from the smile of their expiry either, and so have no exposure:

============== ==========================================================================================
settled        the contract had settled at or before the quote instant
no_rate        no Treasury rate was known at the quote, so there is no discount factor
adjusted       one contract delivers something else than its multiplier in shares: its strike is not comparable with
               the smile. Where the deliverable is not stated, a root that ends in a digit and a multiplier of 100: so
               the clearing house marks them (minis state their multiplier of 10)
repeated       the whole chain repeats the quotes of the session before: a download of the wrong day
stale          the quote is more than 15 minutes older than the nominal snapshot of the session
late           the quote is more than 15 minutes after the close of the session (index options trade until 16:15)
zero_bid       no bid
crossed        no ask, or ask < bid; ask = bid > 0 is locked, and kept
wide           (ask - bid)/mid > 0.5
no_forward     parity gives no forward for the expiry, and dividends are not known, so there is none from carry
bound          mid outside its no-arbitrage bounds by more than half the spread, or no volatility in [1e-4, 5]
no_time_value  mid less than half a tick ($0.005) above its lower bound, or below $0.02, or so close to the bound that
               rounding leaves no volatility
oi_missing     no open interest known before the session: there is a volatility, but no exposure
============== ==========================================================================================

The bounds of a European call are DF max(F - K, 0) and DF F, of a put DF max(K - F, 0) and DF K. An American contract
is worth at least its immediate exercise too, and at most the spot (call) or the strike (put).

Two flags stand beside the reasons and deny nothing: ``is_vertical`` and ``is_butterfly`` mark quotes that could be
traded against others of the same expiry without risk (Carr & Madan 2005).
"""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

import numpy as np
import polars as pl

from gnosis.options.arrays import Codes, Flags, Floats
from gnosis.options.chain.layout import Contracts, Layout, changes
from gnosis.options.chain.limits import HALF_TICK
from gnosis.sessions import schedule
from gnosis.tables import TABLES
from gnosis.tables.greeks import QUOTE_REASONS

KEY = TABLES["raw.option_quotes"].key
MAX_AGE_SECONDS = 15 * 60
MAX_AFTER_CLOSE = dt.timedelta(minutes=15)
STANDARD_MULTIPLIER = 100.0
MAX_RELATIVE_SPREAD = 0.5
LEAST_MID = 0.02
MIN_REPEATED_QUOTES = 20
MIN_REPEATED_SHARE = 0.95
REASON = pl.Enum(QUOTE_REASONS)
LABELS = pl.Series([*QUOTE_REASONS, None], dtype=REASON)
"""Reasons by position; a row without one has :data:`NO_REASON`."""
NO_REASON = np.int8(len(QUOTE_REASONS))


class ArbitrageFlags(NamedTuple):
    """Rows that take part in a free vertical spread, and rows that are the middle of a free butterfly."""

    is_vertical: Flags
    is_butterfly: Flags


def split_duplicates(quotes: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the rows to use, sorted by key, and the superseded versions of the same contract and session (``dup``).

    The version with the latest ``known_at`` is used; between equals the one with the later quote instant, then the
    larger values, so that the choice does not depend on the order of the rows. Rows known too late for the decision
    must have been left out before. In the lake a contract has one row per session: versions that came together lie in
    ``quarantine.raw_option_quotes`` under the rule ``delivered_twice``.
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


def is_adjusted(quotes: pl.DataFrame) -> Flags:
    """Return which contracts deliver something else than their multiplier in shares, or are marked so by their root.

    Examples
    --------
    >>> rows = {"root": ["XYZ", "XYZ", "XYZ7", "XYZ7"], "deliverable_shares": [None, 150.0, None, None]}
    >>> is_adjusted(pl.DataFrame(rows | {"multiplier": [100.0, 100.0, 100.0, 10.0]})).tolist()
    [False, True, True, False]
    """
    delivered, multiplier = quotes["deliverable_shares"].to_numpy(), quotes["multiplier"].to_numpy()
    is_unstated = np.isnan(delivered)
    adjusted: Flags = ~is_unstated & (delivered != multiplier)
    roots = quotes["root"].unique()
    marked = roots.filter(roots.str.contains("[0-9]$"))
    if not marked.is_empty():
        is_marked = quotes["root"].is_in(marked.implode()).to_numpy()
        adjusted |= is_unstated & is_marked & (multiplier == STANDARD_MULTIPLIER)
    return adjusted


def first_reason(n: int, **found: Flags) -> Codes:
    """Return the first of the named reasons that holds for each of n rows, as its position in QUOTE_REASONS.

    Examples
    --------
    >>> wide, stale = np.array([True, True, False]), np.array([False, True, False])
    >>> LABELS.gather(first_reason(3, wide=wide, stale=stale)).to_list()
    ['wide', 'stale', None]
    """
    reason = np.full(n, NO_REASON, dtype=np.int8)
    for name, holds in found.items():
        np.minimum(reason, np.int8(QUOTE_REASONS.index(name)), out=reason, where=holds)
    return reason


def is_two_sided(rows: Contracts) -> Flags:
    """Return whether a quote has a bid, and an ask not below it."""
    holds: Flags = (rows.bid > 0.0) & (rows.ask >= rows.bid)
    return holds


def quote_reason(rows: Contracts, seconds_old: Floats, **known: Flags) -> Codes:
    """Return what is wrong with a quote by itself.

    Parameters
    ----------
    rows
        The quotes; a missing price is read as none.
    seconds_old
        Seconds from the quote to the nominal snapshot of its session.
    **known
        What else is known of the rows by reason: settled, no_rate, adjusted, repeated, late.
    """
    bid, ask = np.nan_to_num(rows.bid), np.nan_to_num(rows.ask)
    return first_reason(
        bid.size,
        **known,
        stale=seconds_old > MAX_AGE_SECONDS,
        zero_bid=bid <= 0.0,
        crossed=ask < bid,
        wide=ask - bid > MAX_RELATIVE_SPREAD * (0.5 * (ask + bid)),
    )


def price_reason(rows: Contracts, mid: Floats, forward: Floats, discount: Floats) -> Codes:
    """Return what is wrong with the mid price of a usable quote: ``no_forward``, ``bound`` or ``no_time_value``.

    Parameters
    ----------
    rows
        The quotes.
    mid
        Mean of bid and ask, $, NaN where the quote is not usable.
    forward, discount
        Forward ($) and discount factor to settlement of each row, NaN where unknown.
    """
    with np.errstate(invalid="ignore"):
        sign = np.where(rows.is_call, 1.0, -1.0)
        lowest = discount * np.maximum(sign * (forward - rows.strike), 0.0)
        lowest = np.where(rows.is_american, np.maximum(lowest, sign * (rows.spot - rows.strike)), lowest)
        ceiling = np.where(rows.is_american, rows.spot, discount * forward)
        highest = np.where(rows.is_call, ceiling, np.where(rows.is_american, 1.0, discount) * rows.strike)
        half_spread = 0.5 * (rows.ask - rows.bid)
        return first_reason(
            mid.size,
            no_forward=~np.isnan(mid) & np.isnan(forward),
            bound=(mid < lowest - half_spread) | (mid > highest + half_spread),
            no_time_value=(mid - lowest < HALF_TICK) | (mid < LEAST_MID),
        )


def is_repeated(rows: Contracts, is_compared: Flags) -> Flags:
    """Return which rows belong to a chain that repeats the one of the session before.

    A chain is a repeat when at least 20 of its contracts with a bid were quoted in the preceding session of the
    exchange as well, and bid and ask of at least 95 % of them are the same. Without that session among the rows nothing
    is compared, and no row without ``is_compared``.
    """
    starts = np.flatnonzero(changes(rows.session, rows.symbol))
    session, symbol = rows.session[starts].astype(np.int64), rows.symbol[starts].astype(np.int64)
    days = schedule()["session"].to_physical().to_numpy().astype(np.int64)
    before = days[np.maximum(np.searchsorted(days, session) - 1, 0)]
    n_symbols = int(symbol.max()) + 1
    chain, wanted = session * n_symbols + symbol, before * n_symbols + symbol
    previous = np.minimum(np.searchsorted(chain, wanted), chain.size - 1)
    previous = np.where(chain[previous] == wanted, previous, -1)
    flags = np.zeros(rows.session.size, dtype=bool)
    if (previous < 0).all():
        return flags

    from gnosis.options.chain import chain_kernel

    kind = (rows.expiry.astype(np.int64) * 2 + rows.settlement) * 2 + ~rows.is_call
    chain_kernel.repeated_chains(
        np.append(starts, rows.session.size),
        previous,
        kind,
        rows.strike,
        rows.root,
        rows.bid,
        rows.ask,
        is_compared,
        MIN_REPEATED_QUOTES,
        MIN_REPEATED_SHARE,
        flags,
    )
    return flags


def arbitrage_flags(rows: Contracts, is_compared: Flags, belonging: Layout) -> ArbitrageFlags:
    """Return which quotes could be traded against others of the same expiry and right without risk.

    A vertical: the bid of a call is above the ask of one with a lower strike, or the bid of a put above the ask of one
    with a higher strike; both quotes are flagged. A butterfly: the bid of a strike is above the weighted asks of its
    two neighbours; the middle is flagged.

    Parameters
    ----------
    rows
        The quotes.
    is_compared
        Rows whose quotes can be traded, see :func:`is_two_sided`; the others are passed over.
    belonging
        How the rows belong together.
    """
    from gnosis.options.chain import chain_kernel

    flags = ArbitrageFlags(np.zeros(rows.bid.size, dtype=bool), np.zeros(rows.bid.size, dtype=bool))
    for row, is_call in ((belonging.call, True), (belonging.put, False)):
        compared = np.where((row >= 0) & is_compared[row], row, -1)
        chain_kernel.free_spreads(belonging.starts, compared, rows.strike, rows.bid, rows.ask, is_call, *flags)
    return flags
