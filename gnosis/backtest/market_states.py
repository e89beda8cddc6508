"""What the market was like when a session's positions were decided: the buckets that results are cut by."""

from __future__ import annotations

import polars as pl

QUINTILES = 5
READS = {
    "features.regime": ["session", "symbol", "regime_vix_bucket"],
    "engines.liquidity": ["session", "symbol", "liq_regime"],
    "engines.elasticity": [
        "session", "symbol", "sign_convention", "hedge_primary_regime", "hedge_movement_energy",
    ],
}  # fmt: skip
"""Tables and columns that :func:`market_states` takes."""


def market_states(
    sessions: pl.Series,
    regime: pl.DataFrame,
    liquidity: pl.DataFrame,
    elasticity: pl.DataFrame,
    vix_buckets: dict[int, str],
) -> pl.DataFrame:
    """Return the buckets of each session: the state of the session before, on whose close its positions were decided.

    A regime is the one that most symbols are in (of equally many the first by name). Energy is the mean movement energy
    of the symbols, cut into fifths of the sessions given: it describes the sample and decides nothing in it.

    Parameters
    ----------
    sessions
        Exchange sessions of the backtest, in order.
    regime, liquidity, elasticity
        Rows of the tables of :data:`READS`; of elasticity the ``naive`` convention counts.
    vix_buckets
        Label of each code of ``regime_vix_bucket``.

    Returns
    -------
    polars.DataFrame
        ``session``, ``scope`` (vix_bucket, liquidity_regime, hedge_regime, energy_quintile) and ``bucket``; a session
        whose state is not known has no row of that scope.

    Examples
    --------
    >>> import datetime as dt
    >>> days = [dt.date(2024, 1, day) for day in (2, 3)]
    >>> regime = pl.DataFrame({"session": days[:1], "symbol": ["SPY"], "regime_vix_bucket": [1]})
    >>> none = pl.DataFrame(schema={"session": pl.Date, "symbol": pl.String, "liq_regime": pl.String,
    ...     "sign_convention": pl.String, "hedge_primary_regime": pl.String, "hedge_movement_energy": pl.Float64})
    >>> market_states(pl.Series("session", days), regime, none, none, {1: "normal"}).rows()
    [(datetime.date(2024, 1, 3), 'vix_bucket', 'normal')]
    """
    naive = elasticity.filter(pl.col("sign_convention").cast(pl.String) == "naive")
    buckets = (
        pl.col("regime_vix_bucket").cast(pl.Int64).replace_strict(vix_buckets, return_dtype=pl.String, default=None)
    )
    energy = naive.group_by("session").agg(pl.col("hedge_movement_energy").mean()).drop_nulls().sort("session")
    energy = energy.filter(pl.col("session").is_in(sessions.implode()))
    fifth = (pl.col("hedge_movement_energy").rank("ordinal") - 1) * QUINTILES // pl.len() + 1
    parts = [
        _most_common(regime.with_columns(bucket=buckets), "vix_bucket"),
        _most_common(liquidity.with_columns(bucket=pl.col("liq_regime").cast(pl.String)), "liquidity_regime"),
        _most_common(naive.with_columns(bucket=pl.col("hedge_primary_regime").cast(pl.String)), "hedge_regime"),
        energy.select("session", scope=pl.lit("energy_quintile"), bucket=pl.format("{}", fifth.cast(pl.Int64))),
    ]
    decided_on = pl.DataFrame({"session": sessions, "decided": sessions.shift(1)}).drop_nulls()
    return (
        decided_on.join(pl.concat(parts), left_on="decided", right_on="session")
        .select("session", "scope", "bucket")
        .sort("session", "scope")
    )


def _most_common(rows: pl.DataFrame, scope: str) -> pl.DataFrame:
    counted = rows.drop_nulls("bucket").group_by("session", "bucket").len()
    first = counted.sort("session", "len", "bucket", descending=[False, True, False])
    return (
        first.group_by("session", maintain_order=True).first().select("session", scope=pl.lit(scope), bucket="bucket")
    )
