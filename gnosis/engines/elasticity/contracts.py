"""The contracts of many chains as arrays: sorted by symbol, session, expiry, root, strike and right.

Chains are in the order of the points, so that a chain's number is its point's position.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gnosis.engines.points import Floats, Integers
from gnosis.options.chain.clock import with_settlement
from gnosis.options.chain.layout import changes, codes
from gnosis.options.positioning.contracts import is_alive, is_late, is_priced, one_version
from gnosis.options.positioning.exposure import unsigned_exposures
from gnosis.options.positioning.gamma_profile import smile_slopes
from gnosis.sessions import schedule

Bools = NDArray[np.bool_]

BY_EXPIRY = ["symbol", "session", "expiry", "settlement", "root"]
BY_CONTRACT = [*BY_EXPIRY, "strike", "right"]
EXPOSURES = [
    "gex_usd_per_pct",
    "dex_usd",
    "vex_usd_per_volpt",
    "cex_usd_per_day",
    "vega_usd_per_volpt",
    "vomma_usd_per_volpt2",
    "speed_usd_per_pct2",
    "zomma_usd_per_pct_volpt",
]
FAR = np.iinfo(np.int64).max
# No two sessions of the exchange are further apart: only contracts as near can settle before the next one.
LONGEST_GAP_DAYS = 10


@dataclass(frozen=True)
class Contracts:
    """Contracts that had not settled at their quote; arrays have one element per contract, NaN where unknown.

    Attributes
    ----------
    point, expiry
        Position of the chain's point, and number of the expiry among all.
    is_call, is_cash_settled, is_priced
        Right; European exercise, taken as settled in cash; whether the contract can be revalued.
    strike, spot, tau_years, dte_days, iv, forward, discount
        $, years, calendar days, 1/sqrt(year), ratio.
    open_interest, oi_session
        Contracts, and the rank of its session in the exchange calendar, -1 where unknown.
    multiplier, size
        Shares per contract; shares behind the open interest of contracts that can be revalued, else 0.
    delta
        Shares per share.
    exposures
        By name, those of :func:`gnosis.options.positioning.exposure.unsigned_exposures` at dealer fraction 1; 0 where
        unknown.
    settles_at
        Microseconds since 1970 UTC; far away for contracts that live beyond any gap between two sessions.
    """

    point: Integers
    expiry: Integers
    is_call: Bools
    is_cash_settled: Bools
    is_priced: Bools
    strike: Floats
    spot: Floats
    tau_years: Floats
    dte_days: Integers
    iv: Floats
    forward: Floats
    discount: Floats
    open_interest: Floats
    oi_session: Integers
    multiplier: Floats
    size: Floats
    delta: Floats
    exposures: dict[str, Floats]
    settles_at: Integers


@dataclass(frozen=True)
class Smiles:
    """Strikes with a volatility, call and put together, of all expiries that have any.

    Attributes
    ----------
    starts
        First strike of each expiry, followed by the number of strikes.
    of_expiry
        A contract of each expiry, for its terms.
    of_contract
        Strike of each contract that can be revalued, in their order.
    k, iv, slope
        ln(K/F), ascending within an expiry; volatility; its slope up to the next strike, 0 on the last.
    first
        A contract of each strike, for its terms.
    """

    starts: Integers
    of_expiry: Integers
    of_contract: Integers
    k: Floats
    iv: Floats
    slope: Floats
    first: Integers


@dataclass(frozen=True)
class Chains:
    """Chains and their contracts.

    Attributes
    ----------
    frame
        ``symbol``, ``session`` and ``known_at`` (UTC) of each chain, in the order of the points.
    spot
        $, of the latest quote within the session; of two at one instant the larger.
    ts
        Microseconds since 1970 UTC of that quote.
    is_synthetic
        Whether any row was generated.
    rows
        Rows of ``greeks.option_greeks``, settled ones included, in the order of the arrays.
    starts
        First row of each chain.
    is_live
        Rows that had not settled.
    """

    frame: pl.DataFrame
    spot: Floats
    ts: Integers
    is_synthetic: Bools
    rows: pl.DataFrame
    starts: Integers
    is_live: pl.Series

    def __len__(self) -> int:
        return self.frame.height


def chains_of(greeks: pl.DataFrame) -> Chains:
    """Return the chains of rows of ``greeks.option_greeks`` in any order; of several versions of a row one."""
    rows = one_version(greeks, BY_CONTRACT)
    facts = rows.select(
        codes(rows["symbol"]).alias("symbol"),
        pl.col("session").to_physical(),
        pl.col("ts").to_physical(),
        "spot",
        pl.col("known_at").dt.epoch("us"),
        "synthetic",
        is_late=is_late(),
    )
    symbol, session, ts, spot, known_at, synthetic, late = (facts[name].to_numpy() for name in facts.columns)
    starts = np.flatnonzero(changes(symbol, session)) if rows.height else np.zeros(0, dtype=np.int64)
    if rows.is_empty():
        last, newest, is_synthetic = starts, np.zeros(0, dtype=np.int64), np.zeros(0, dtype=bool)
    else:
        # A quote later than its session decides only where the chain has no other.
        instants = np.where(late, ts - (1 << 60), ts)
        number = np.repeat(np.arange(starts.size), np.diff(starts, append=rows.height))
        is_newest = instants == np.maximum.reduceat(instants, starts)[number]
        highest = np.maximum.reduceat(np.where(is_newest, spot, -np.inf), starts)
        candidates = np.flatnonzero(is_newest & (spot == highest[number]))
        last = candidates[np.searchsorted(candidates, starts)]
        newest = np.maximum.reduceat(known_at, starts)
        is_synthetic = np.logical_or.reduceat(synthetic, starts)
    frame = rows[starts].select("symbol", "session", known_at=pl.Series(newest).cast(pl.Datetime("us", "UTC")))
    return Chains(
        frame=frame,
        spot=spot[last].astype(np.float64),
        ts=ts[last].astype(np.int64),
        is_synthetic=is_synthetic,
        rows=rows,
        starts=starts,
        is_live=rows.select(is_alive()).to_series(),
    )


def contracts_of(chains: Chains) -> Contracts:
    """Return the contracts that had not settled.

    Raises
    ------
    ValueError
        When a contract with volatility has a Greek that is unknown.
    """
    number = np.repeat(np.arange(len(chains)), np.diff(chains.starts, append=chains.rows.height))
    rows, is_all = chains.rows, bool(chains.is_live.all())
    if not is_all:
        rows, number = rows.filter(chains.is_live), number[chains.is_live.to_numpy()]
    exposures = unsigned_exposures()
    floats = ["strike", "spot", "tau_years", "iv", "forward", "discount", "open_interest", "multiplier", "delta"]
    taken = rows.select(
        *floats,
        "dte_days",
        *(exposures[name].alias(name) for name in EXPOSURES),
        is_call=pl.col("right") == "C",
        is_cash_settled=pl.col("style") == "E",
        is_priced=is_priced(),
        expiry=pl.col("expiry").to_physical(),
        settlement=pl.col("settlement").to_physical(),
        root=codes(rows["root"]),
    )
    # A column with nulls leaves Polars with NaN in their place.
    found = {name: taken[name].to_numpy() for name in taken.columns}
    n = rows.height
    known = found["is_priced"] & np.isfinite(found["open_interest"])
    of_greeks = {name: found.pop(name) for name in EXPOSURES}
    unknown = np.logical_or.reduce([~np.isfinite(values) for values in of_greeks.values()]) & known
    if unknown.any():
        row = rows[int(np.flatnonzero(unknown)[0])].select(*BY_CONTRACT, "delta", "gamma_per_usd", "vanna_per_vol")
        raise ValueError(f"greeks.option_greeks: expected finite Greeks where iv is known, found {row.row(0)}")
    new_expiry = (
        changes(number, found.pop("expiry"), found.pop("settlement"), found.pop("root")) if n else np.zeros(0, bool)
    )
    expiry = np.cumsum(new_expiry) - 1
    return Contracts(
        point=number,
        expiry=expiry,
        oi_session=_ranks(rows["oi_session"]),
        size=np.where(known, found["open_interest"] * found["multiplier"], 0.0),
        exposures={name: np.where(known, values, 0.0) for name, values in of_greeks.items()},
        settles_at=_settles_at(rows, np.flatnonzero(new_expiry), expiry, found["dte_days"]),
        **found,
    )


def _ranks(sessions: pl.Series) -> Integers:
    """Return the rank of the last session up to each date, -1 where it is null."""
    calendar = schedule()["session"].to_physical().to_numpy()
    days = sessions.to_physical()
    if days.n_unique() == 1:
        one = days[0]
        rank = -1 if one is None else int(np.searchsorted(calendar, one, side="right")) - 1
        return np.full(len(days), rank, dtype=np.int64)
    ranks = np.searchsorted(calendar, days.fill_null(calendar[0]).to_numpy(), side="right").astype(np.int64) - 1
    return np.where(days.is_null().to_numpy(), -1, ranks)


def _settles_at(rows: pl.DataFrame, first: Integers, expiry: Integers, dte_days: Integers) -> Integers:
    instants = np.full(first.size, FAR)
    near = np.flatnonzero(dte_days[first] <= LONGEST_GAP_DAYS)
    if near.size:
        terms = with_settlement(rows[first[near]].select("session", "expiry", "settlement"))
        instants[near] = terms["settles_at"].dt.epoch("us").to_numpy()
    return instants[expiry]


def smiles_of(contracts: Contracts) -> Smiles:
    """Return the strikes with a volatility.

    Raises
    ------
    ValueError
        When one strike of an expiry has two volatilities.
    """
    priced = np.flatnonzero(contracts.is_priced)
    terms = [getattr(contracts, name)[priced] for name in ("expiry", "strike", "tau_years", "forward", "discount")]
    iv = contracts.iv[priced]
    if priced.size == 0:
        none, no = np.zeros(0, dtype=np.int64), np.zeros(0)
        return Smiles(np.zeros(1, dtype=np.int64), none, none, no, no, no, none)
    expiry, strike = terms[:2]
    same = ~changes(expiry, strike)
    differs = np.flatnonzero(same[1:] & (np.abs(iv[1:] / iv[:-1] - 1) > 1e-9))
    if differs.size:
        at = differs[0] + 1
        raise ValueError(
            "greeks.option_greeks: expected one volatility for call and put of a strike, found "
            f"{iv[at - 1]} and {iv[at]} at strike {strike[at]}"
        )
    is_new = changes(*terms, iv)
    first = np.flatnonzero(is_new)
    k = np.log(strike[first] / terms[3][first])
    starts = np.append(np.flatnonzero(changes(expiry[first])), first.size)
    return Smiles(
        starts=starts,
        of_expiry=priced[first[starts[:-1]]],
        of_contract=np.cumsum(is_new) - 1,
        k=k,
        iv=iv[first],
        slope=smile_slopes(starts, k, iv[first]),
        first=priced[first],
    )
