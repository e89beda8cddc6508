"""Which contracts were expected, and how well what arrived covers them.

Deleting rows while the listing stays as it is raises none of these numbers: every denominator comes from the listing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gnosis.engines.elasticity.contracts import Chains, Contracts
from gnosis.engines.points import Floats, Integers, Points
from gnosis.options.chain.clock import with_settlement
from gnosis.options.chain.layout import CHAIN
from gnosis.options.origin import require_table
from gnosis.options.positioning.contracts import one_version
from gnosis.options.positioning.conventions import CONTRACT
from gnosis.sessions import schedule

LISTED = [*CONTRACT, "open_interest", "oi_session"]
Bools = NDArray[np.bool_]


def expected_listing(greeks: pl.DataFrame) -> pl.DataFrame:
    """Return the contracts that each chain should bring: those of the session before that have not settled by then.

    Parameters
    ----------
    greeks
        Rows of ``greeks.option_greeks``, from one session before the first chain.

    Returns
    -------
    polars.DataFrame
        The columns of :data:`LISTED`, ``session`` being the one in which the contract is expected, ``open_interest``
        and ``oi_session`` the last known. A session whose predecessor has no rows has none: nothing is known of what it
        should bring.

    Examples
    --------
    >>> from gnosis.tables import TABLES
    >>> expected_listing(TABLES["greeks.option_greeks"].empty()).height
    0
    """
    require_table(greeks, "greeks.option_greeks")
    following = schedule().select("session", following=pl.col("session").shift(-1)).drop_nulls()
    rows = one_version(greeks).select(LISTED).join(following, on="session", how="inner", maintain_order="left")
    rows = rows.with_columns(session="following").filter(pl.col("expiry") >= pl.col("session"))
    terms = with_settlement(rows.select("session", "expiry", "settlement").unique())
    live = terms.filter(pl.col("settles_at") > pl.col("chain_at"))
    return rows.join(live, on=["session", "expiry", "settlement"], how="semi", maintain_order="left").select(LISTED)


@dataclass(frozen=True)
class Listed:
    """Contracts that were expected or arrived; arrays have one element per contract, NaN where unknown.

    Attributes
    ----------
    point
        Position of the chain's point.
    is_near
        Whether the strike is near the money.
    weight
        Open interest by which the contract counts: that of the listing, or of its row where the listing has none.
    is_usable
        Whether a volatility and an open interest arrived.
    oi_age
        Sessions since the session of the open interest, at least 1.
    oi_change
        Open interest now less that of the listing, where it is of a later session.
    has_quote
        Whether its bid is positive and below its ask.
    quote_freshness
        exp(-age/15 min) of the quote at the nominal snapshot, 0 without.
    relative_spread
        min(1, (ask - bid)/mid), 1 without a quote.
    quote_row
        Row of ``raw.option_quotes``, -1 without.
    """

    point: Integers
    is_near: Bools
    weight: Floats
    is_usable: Bools
    oi_age: Floats
    oi_change: Floats
    has_quote: Bools
    quote_freshness: Floats
    relative_spread: Floats
    quote_row: Integers


def listed_contracts(
    points: Points,
    chains: Chains,
    contracts: Contracts,
    listing: pl.DataFrame | None,
    quotes: pl.DataFrame | None,
    near_the_money: float,
    quote_minutes: float,
) -> Listed:
    """Return the contracts of the listing and those that arrived, with what is known of their quotes.

    Parameters
    ----------
    points, chains, contracts
        Of the chains.
    listing
        The columns of :data:`LISTED`; None when nothing but what arrived was expected.
    quotes
        Rows of ``raw.option_quotes``; None when there are none.
    near_the_money
        |ln(K/S)| up to which a contract is near the money.
    quote_minutes
        Age at which the freshness of a quote is 1/e.

    Raises
    ------
    ValueError
        When a column is missing or of another dtype.
    """
    point, strike = contracts.point, contracts.strike
    row = np.arange(point.size)
    expected = expected_session = None
    keys = None
    if listing is not None or quotes is not None:
        rows = chains.rows if chains.is_live.all() else chains.rows.filter(chains.is_live)
        keys = rows.select(CONTRACT).with_columns(point=pl.Series(point), row=pl.Series(row))
    if listing is not None and keys is not None:
        keys = _with_listing(points, keys, listing)
        row = keys["row"].fill_null(-1).to_numpy()
        point, strike = keys["point"].to_numpy(), keys["strike"].to_numpy()
        expected = keys["listed_interest"].fill_null(float("nan")).to_numpy()
        expected_session = keys["listed_session"].to_physical().fill_null(-1).to_numpy()

    # Row -1, the last one, stands for what did not arrive.
    held = np.append(contracts.open_interest, np.nan)[row]
    session = np.append(contracts.oi_session, -1)[row]
    is_dated = np.isfinite(held) & (session >= 0)
    oi_age = np.where(is_dated, np.maximum(points.position[point] - session, 1), np.nan)
    weight, change = held, np.full(point.size, np.nan)
    if expected is not None and expected_session is not None:
        weight = np.where(np.isnan(expected), held, expected)
        calendar = schedule()["session"].to_physical().to_numpy()
        before = np.searchsorted(calendar, expected_session, side="right") - 1
        is_later = is_dated & (expected_session >= 0) & (session > before)
        change = np.where(is_later, held - expected, np.nan)
    bid, ask, ts, quote_row = _quotes(points, keys, quotes, point.size)
    has_quote = (bid > 0) & (ask > bid)
    mid = np.where(has_quote, 0.5 * (bid + ask), 1.0)
    nominal = schedule()["chain_at"].dt.epoch("us").to_numpy()[points.position[point]]
    age_minutes = np.maximum(nominal - ts, 0) / 60e6
    return Listed(
        point=point,
        is_near=np.abs(np.log(strike / chains.spot[point])) <= near_the_money,
        weight=np.nan_to_num(weight),
        is_usable=np.append(contracts.is_priced, False)[row] & np.isfinite(held),
        oi_age=oi_age,
        oi_change=change,
        has_quote=has_quote,
        quote_freshness=np.where(quote_row >= 0, np.exp(-age_minutes / quote_minutes), 0.0),
        relative_spread=np.where(has_quote, np.minimum(1.0, (ask - bid) / mid), 1.0),
        quote_row=quote_row,
    )


def _with_listing(points: Points, keys: pl.DataFrame, listing: pl.DataFrame) -> pl.DataFrame:
    """Add the contracts of the listing that did not arrive, and its open interest to those that did."""
    if missing := [name for name in LISTED if name not in listing.columns]:
        raise ValueError(f"listing: expected columns {LISTED} as from expected_listing, missing {missing}")
    chains = points.frame.select(*CHAIN, listed_point=pl.int_range(pl.len(), dtype=pl.Int64))
    expected = (
        listing.select(LISTED)
        .rename({"open_interest": "listed_interest", "oi_session": "listed_session"})
        .join(chains, on=CHAIN, how="inner", maintain_order="left")
    )
    # Sorted, as the sums below run in the order of the rows.
    expected = expected.sort(expected.columns).unique(CONTRACT, keep="last", maintain_order=True)
    both = keys.join(expected, on=CONTRACT, how="full", coalesce=True, maintain_order="left_right")
    return both.with_columns(point=pl.coalesce("point", "listed_point"))


def _quotes(
    points: Points, keys: pl.DataFrame | None, quotes: pl.DataFrame | None, n: int
) -> tuple[Floats, Floats, Integers, Integers]:
    """Return bid, ask, instant and row of the last quote of each contract that its point may see."""
    bid, ask = np.full(n, np.nan), np.full(n, np.nan)
    ts, row = np.zeros(n, dtype=np.int64), np.full(n, -1)
    if quotes is None or keys is None:
        return bid, ask, ts, row
    require_table(quotes, "raw.option_quotes")
    given = quotes.select(
        *CONTRACT,
        "bid",
        "ask",
        quote_ts=pl.col("ts").to_physical(),
        quote_known=pl.col("known_at").dt.epoch("us"),
        quote_row=pl.int_range(pl.len(), dtype=pl.Int64),
    )
    found = keys.select(*CONTRACT, "point", at=pl.int_range(pl.len(), dtype=pl.Int64)).join(
        given, on=CONTRACT, how="inner", maintain_order="left"
    )
    at, of_point = found["at"].to_numpy(), found["point"].to_numpy()
    known, instant = found["quote_known"].to_numpy(), found["quote_ts"].to_numpy()
    close = schedule()["close_at"].dt.epoch("us").to_numpy()[points.position[of_point]]
    # A quote later than its session is none of the snapshot.
    seen = np.flatnonzero((known <= points.as_of[of_point]) & (instant <= close))
    bids, asks = (found[name].to_numpy() for name in ("bid", "ask"))
    if (np.diff(at[seen]) == 0).any():
        # The last assignment below stays: the version known last, of two the later and tighter quote.
        seen = seen[np.lexsort((-asks[seen], bids[seen], instant[seen], known[seen], at[seen]))]
    bid[at[seen]], ask[at[seen]], ts[at[seen]] = bids[seen], asks[seen], instant[seen]
    row[at[seen]] = found["quote_row"].to_numpy()[seen]
    return bid, ask, ts, row
