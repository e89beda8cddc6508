"""Daily form of market depth: the linear law on average dollar volume and daily volatility, as known at the session.

The cut-off of a row is the moment at which its own inputs were known: the chain of the session and the first version
of its daily bar. A bar of an earlier session that became known later, or a later version of one, is not seen.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from gnosis.engines import physics
from gnosis.options.origin import require_table
from gnosis.sessions import UnknownSessionError, schedule

WINDOW = 20
LEAST_OBSERVATIONS = 10
"""A statistic over 20 sessions needs at least max(10, ceil(20/4)) of them."""


def session_numbers() -> pl.DataFrame:
    """Return ``session`` and its position ``number`` in the exchange calendar."""
    return schedule().select("session", number=pl.int_range(pl.len(), dtype=pl.Int64))


def numbered(rows: pl.DataFrame, table: str) -> pl.DataFrame:
    """Add the position of each session in the exchange calendar, or raise when there is none.

    Raises
    ------
    UnknownSessionError
        With the first date on which the exchange was closed.
    """
    found = rows.join(session_numbers(), on="session", how="left", maintain_order="left")
    unknown = found.filter(pl.col("number").is_null())["session"]
    if not unknown.is_empty():
        raise UnknownSessionError(
            f"{table}: expected sessions of XNYS, found {unknown.sort()[0]} ({unknown.n_unique()} such dates): "
            "key the rows by exchange session"
        )
    return found


def daily_depth(chains: pl.DataFrame, bars: pl.DataFrame) -> pl.DataFrame:
    """Return depth by the linear law for every chain, from daily bars.

    ADV$ is the mean of close x volume (both as traded) over the 20 sessions before; sigma_d the sample standard
    deviation of the last 20 daily log returns of adjusted closes, the session included. A session without bar leaves a
    gap: it is not bridged. Both are null with fewer than 10 observations, sigma_d without a return of the session
    itself; depth is null when either is null or not positive.

    Parameters
    ----------
    chains
        ``session``, ``symbol``, ``spot`` ($), ``known_at``; one row per chain.
    bars
        Rows of ``raw.equity_bars`` in any order.

    Returns
    -------
    polars.DataFrame
        One row per chain in the order given: ``adv_usd``, ``sigma_d``, ``depth_usd_per_unit``,
        ``lambda_usd_per_share`` (null where unknown), ``coverage`` (share of the 21 sessions whose bar was there with
        what is needed of it), ``is_short`` (fewer than 20 observations), ``as_of`` (the cut-off), and ``known_at``,
        ``provider``, ``synthetic`` of the bars used (null without any).

    Raises
    ------
    ValueError
        When a column of ``bars`` is missing or of another dtype.
    UnknownSessionError
        When a session is not one of the exchange.

    Examples
    --------
    >>> from gnosis.tables import TABLES
    >>> none = TABLES["engines.elasticity"].empty().select("session", "symbol", "spot", "known_at")
    >>> daily_depth(none, TABLES["raw.equity_bars"].empty()).height
    0
    """
    require_table(bars, "raw.equity_bars")
    rows = numbered(chains.with_row_index("chain"), "greeks.option_greeks")
    bars = bars.join(chains.select("symbol").unique(), on="symbol", how="semi")
    bars = numbered(bars, "raw.equity_bars").rename({"known_at": "bar_known_at"})
    first_known = bars.group_by("session", "symbol").agg(own_bar_known_at=pl.col("bar_known_at").min())
    rows = rows.join(first_known, on=["session", "symbol"], how="left", maintain_order="left").with_columns(
        as_of=pl.max_horizontal("known_at", "own_bar_known_at")
    )
    places = pl.DataFrame({"place": np.arange(WINDOW + 1)})
    wanted = rows.select("chain", "symbol", "as_of", last="number").join(places, how="cross")
    wanted = wanted.with_columns(number=pl.col("last") - WINDOW + pl.col("place"))
    seen = (
        wanted.join(bars.drop("session"), on=["symbol", "number"], how="inner")
        .filter(pl.col("bar_known_at") <= pl.col("as_of"))
        .sort("chain", "place", "bar_known_at", "close", "volume", "adjustment_factor", "provider")
        .unique(["chain", "place"], keep="last", maintain_order=True)
    )
    return _statistics(rows, seen)


def _statistics(rows: pl.DataFrame, seen: pl.DataFrame) -> pl.DataFrame:
    shape = (rows.height, WINDOW + 1)
    at = (seen["chain"].to_numpy(), seen["place"].to_numpy())
    dollars, log_close = np.full(shape, np.nan), np.full(shape, np.nan)
    dollars[at] = (seen["close"] * seen["volume"]).to_numpy()
    log_close[at] = (seen["close"] * seen["adjustment_factor"]).log().to_numpy()
    before = dollars[:, :WINDOW]
    returns = np.diff(log_close, axis=1)
    n_before, n_returns = ((~np.isnan(values)).sum(axis=1) for values in (before, returns))

    enough = np.where(n_before >= LEAST_OBSERVATIONS, n_before, np.nan)
    adv = np.nansum(before, axis=1) / enough
    # A return of the session itself must be among them: without today's bar nothing is known about today.
    enough = np.where((n_returns >= LEAST_OBSERVATIONS) & ~np.isnan(returns[:, -1]), n_returns, np.nan)
    mean = np.nansum(returns, axis=1) / enough
    sigma = np.sqrt(np.nansum((returns - mean[:, None]) ** 2, axis=1) / (enough - 1))

    depth = physics.linear_depth(adv, sigma)
    usable = (~np.isnan(before)).sum(axis=1) + ~np.isnan(log_close[:, -1])
    used = seen.group_by("chain").agg(
        bars_known_at=pl.col("bar_known_at").max(),
        bars_provider=pl.col("provider").unique().sort().str.join("+"),
        bars_synthetic=pl.col("synthetic").any(),
    )
    return (
        rows.with_columns(
            adv_usd=pl.Series(adv).fill_nan(None),
            sigma_d=pl.Series(sigma).fill_nan(None),
            depth_usd_per_unit=pl.Series(depth).fill_nan(None),
            lambda_usd_per_share=pl.Series(rows["spot"].to_numpy() ** 2 / depth).fill_nan(None),
            coverage=pl.Series(usable / (WINDOW + 1)),
            is_short=pl.Series((n_before < WINDOW) | (n_returns < WINDOW)),
        )
        .join(used, on="chain", how="left", maintain_order="left")
        .select(
            "adv_usd", "sigma_d", "depth_usd_per_unit", "lambda_usd_per_share", "coverage", "is_short", "as_of",
            known_at="bars_known_at", provider="bars_provider", synthetic="bars_synthetic",
        )
    )  # fmt: skip
