"""How far an elasticity row can be trusted: confidence of the chain and of the depth, and the reasons.

The chain's confidence is the smaller of freshness and of (coverage of open interest x coverage near the money):

- freshness: mean over the listed contracts of 2^-(age - 1), age = sessions since the session of the contract's open
  interest (1 is the freshest possible), 0 for a contract without;
- coverage of open interest: share of the listed open interest whose contract has a volatility;
- coverage near the money: share of the listed contracts with |ln(K/S)| <= 0.10 whose strike has a volatility of its
  own.

Depth has 0.7 x coverage of the preferred input, which is not read yet, plus 0.3 x the share of expected daily bars.
With the listing held fixed no deletion of rows raises any of these numbers.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from gnosis.engines.elasticity.depth import session_numbers
from gnosis.options.chain.clock import with_settlement
from gnosis.options.chain.layout import CHAIN
from gnosis.options.positioning.conventions import CONTRACT
from gnosis.sessions import schedule

NEAR_THE_MONEY = 0.10
DAILY_WEIGHT = 0.3
LISTED = [*CONTRACT, "open_interest"]


def expected_listing(greeks: pl.DataFrame) -> pl.DataFrame:
    """Return the contracts that each chain should bring: those of the session before that have not settled by then.

    Parameters
    ----------
    greeks
        Rows of ``greeks.option_greeks``, from one session before the first chain.

    Returns
    -------
    polars.DataFrame
        The columns of :data:`LISTED`, ``session`` being the one in which the contract is expected and
        ``open_interest`` the last known. A session whose predecessor has no rows has none: nothing is known of what it
        should bring.

    Examples
    --------
    >>> from gnosis.tables import TABLES
    >>> expected_listing(TABLES["greeks.option_greeks"].empty()).height
    0
    """
    following = schedule().select("session", following=pl.col("session").shift(-1)).drop_nulls()
    rows = greeks.select(LISTED).join(following, on="session", how="inner", maintain_order="left")
    rows = rows.with_columns(session="following").filter(pl.col("expiry") >= pl.col("session"))
    terms = with_settlement(rows.select("session", "expiry", "settlement").unique())
    live = terms.filter(pl.col("settles_at") > pl.col("chain_at"))
    return rows.join(live, on=["session", "expiry", "settlement"], how="semi", maintain_order="left").select(LISTED)


def chain_quality(greeks: pl.DataFrame, chains: pl.DataFrame, listing: pl.DataFrame | None = None) -> pl.DataFrame:
    """Return coverage and freshness of every chain.

    Parameters
    ----------
    greeks
        Rows of ``greeks.option_greeks``, one per contract.
    chains
        ``session``, ``symbol`` and ``spot`` ($), one row per chain.
    listing
        Contracts that were expected: the columns of the contract key and ``open_interest`` (last known, contracts).
        What arrived counts as expected too. None: nothing else was.

    Returns
    -------
    polars.DataFrame
        One row per chain in the order of ``chains``: ``freshness``, ``oi_coverage``, ``near_coverage`` in [0, 1] (0
        where nothing was listed), ``has_oi``, ``has_iv``, ``is_oi_stale`` (more than half of the contracts with open
        interest have one older than a session), ``wide_share`` and ``stale_share`` (of the contracts near the money).

    Examples
    --------
    >>> from gnosis.tables import TABLES
    >>> none = TABLES["greeks.option_greeks"].empty()
    >>> chain_quality(none, none.select("session", "symbol", "spot")).height
    0
    """
    live = greeks.filter(~(pl.col("reason") == "settled").fill_null(False)).select(
        *LISTED, "iv", "iv_source", "reason", "oi_session"
    )
    if listing is not None:
        live = pl.concat([listing.select(LISTED).with_columns(is_missing=True), live], how="diagonal_relaxed")
        live = live.group_by(CONTRACT, maintain_order=True).agg(
            pl.col("open_interest").drop_nulls().last().alias("listed_oi"), pl.all().exclude(CONTRACT).last()
        )
    else:
        live = live.with_columns(listed_oi=pl.col("open_interest"), is_missing=pl.lit(None, dtype=pl.Boolean))
    arrived = pl.col("is_missing").is_null()
    live = live.join(chains.select(*CHAIN, "spot"), on=CHAIN, how="inner").with_columns(
        open_interest=pl.when(arrived).then("open_interest"),
        is_near=(pl.col("strike") / pl.col("spot")).log().abs() <= NEAR_THE_MONEY,
    )
    near = pl.col("is_near")
    counts = live.group_by(CHAIN).agg(
        n=pl.len(),
        n_near=near.sum(),
        n_own=(near & (pl.col("iv_source") == "own").fill_null(False)).sum(),
        n_wide=(near & (pl.col("reason") == "wide").fill_null(False)).sum(),
        n_stale=(near & (pl.col("reason") == "stale").fill_null(False)).sum(),
        has_iv=pl.col("iv").is_not_null().any(),
        has_oi=pl.col("open_interest").is_not_null().any(),
        oi=pl.col("listed_oi").sum(),
        oi_with_iv=pl.col("open_interest").filter(pl.col("iv").is_not_null()).sum(),
    )
    found = chains.select(CHAIN).join(counts, on=CHAIN, how="left", maintain_order="left")
    found = found.join(_ages(live), on=CHAIN, how="left", maintain_order="left")

    def share(part: str, whole: str) -> pl.Expr:
        return pl.when(pl.col(whole) > 0).then(pl.col(part) / pl.col(whole)).otherwise(0.0).fill_null(0.0)

    return found.select(
        freshness=share("fresh", "n"),
        oi_coverage=share("oi_with_iv", "oi"),
        near_coverage=share("n_own", "n_near"),
        has_oi=pl.col("has_oi").fill_null(False),
        has_iv=pl.col("has_iv").fill_null(False),
        is_oi_stale=share("n_old", "n_known") > 0.5,
        wide_share=share("n_wide", "n_near"),
        stale_share=share("n_stale", "n_near"),
    )


def _ages(live: pl.DataFrame) -> pl.DataFrame:
    """Sum 2^-(age - 1) over the contracts of each chain, and count those with known and with old open interest."""
    known = live.filter(pl.col("open_interest").is_not_null() & pl.col("oi_session").is_not_null())
    counts = known.group_by(*CHAIN, "oi_session").agg(contracts=pl.len().cast(pl.Int64))
    calendar = session_numbers()["session"]
    last = calendar.search_sorted(counts["oi_session"], side="right").to_numpy().astype(np.int64)
    now = calendar.search_sorted(counts["session"], side="right").to_numpy().astype(np.int64)
    age = np.maximum(now - last, 1)
    return (
        counts.with_columns(age=pl.Series(age), weight=pl.Series(np.exp2(1.0 - age)))
        .group_by(CHAIN)
        .agg(
            fresh=(pl.col("contracts") * pl.col("weight")).sum(),
            n_known=pl.col("contracts").sum(),
            n_old=pl.col("contracts").filter(pl.col("age") > 1).sum(),
        )
    )


def chain_confidence() -> pl.Expr:
    """Return the smaller of freshness and of the product of both coverages."""
    return pl.min_horizontal("freshness", pl.col("oi_coverage") * pl.col("near_coverage"))


def depth_confidence(has_depth: pl.Expr, daily_coverage: pl.Expr) -> pl.Expr:
    """Return 0.3 x the coverage of the daily bars, 0 without depth: the preferred input (0.7) is not read here."""
    return pl.when(has_depth).then(DAILY_WEIGHT * daily_coverage).otherwise(0.0)
