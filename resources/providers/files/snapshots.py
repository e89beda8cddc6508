"""Which snapshot of a chain counts when files hold several, or the same one twice."""

from __future__ import annotations

import polars as pl

from gnosis.sessions import schedule
from resources.providers.rejections import SUPERSEDED

CHAIN = ["session", "symbol", "root"]
CONTRACT = ["symbol", "root", "expiry", "right", "strike"]
REPEATED = "repeats_previous_session"
LEAST_TRADED = 20
LEAST_SHARE_REPEATED = 0.5
"""Share of the contracts traded in the session before whose volume is the same again. On real S&P 500 chains of 2019 it
is 0.93 and 1.00 for the two files that repeat a session, and at most 0.03 for all others."""


def label_snapshots(quotes: pl.DataFrame) -> pl.Series:
    """Return for each row of raw.option_quotes the rule that its snapshot breaks, null when it breaks none.

    ``superseded_snapshot``: the session has a later snapshot of the same root, or an equal one that was known earlier.
    ``repeats_previous_session``: the file was downloaded again before anything had happened. Either all quotes, volumes
    and the spot of the contracts that it shares with the session before are the same; or the spot is the same and so
    are most volumes of the contracts traded in the session before, at least 20 of them: quotes and a few volumes differ
    when the first download was made before the end of trading. Roots are judged apart, and only a chain with at least
    one traded contract is judged.

    Examples
    --------
    >>> import datetime as dt
    >>> row = {"symbol": "AAA", "root": "AAA", "expiry": dt.date(2013, 1, 19), "right": "C", "strike": 10.0}
    >>> row |= {"bid": 1.0, "ask": 1.2, "volume": 5.0, "spot": 10.5}
    >>> at = dt.datetime(2013, 1, 2, 20, 45, tzinfo=dt.UTC)
    >>> days = [dt.date(2013, 1, 2), dt.date(2013, 1, 3)]
    >>> label_snapshots(pl.DataFrame([row | {"session": d, "ts": at, "known_at": at} for d in days])).to_list()
    [None, 'repeats_previous_session']
    """
    if quotes.is_empty():
        return pl.Series("rule", [], dtype=pl.String)
    rows = quotes.select(*CHAIN, "expiry", "right", "strike", "bid", "ask", "volume", "spot", "ts", "known_at")
    rows = rows.with_columns(pl.col("right").cast(pl.String)).with_row_index("row")
    latest = pl.col("ts") == pl.col("ts").max().over(CHAIN)
    first_known = pl.col("known_at") == pl.col("known_at").filter(latest).min().over(CHAIN)
    counts = (latest & first_known).alias("counts")
    rows = rows.with_columns(counts)
    previous = schedule().select("session", previous=pl.col("session").shift(1))
    kept = rows.filter("counts").unique([*CHAIN, "expiry", "right", "strike"], keep="first", maintain_order=True)
    pairs = kept.join(previous, on="session", how="inner", maintain_order="left").join(
        kept, left_on=["previous", *CONTRACT], right_on=["session", *CONTRACT], how="inner", suffix="_before"
    )
    same = {name: pl.col(name).eq_missing(pl.col(f"{name}_before")) for name in ("bid", "ask", "volume", "spot")}
    was_traded = pl.col("volume_before").fill_null(0) > 0
    all_same = pl.all_horizontal(*same.values()).all() & was_traded.any()
    volumes_same = (was_traded.sum() >= LEAST_TRADED) & (
        same["volume"].filter(was_traded).mean() >= LEAST_SHARE_REPEATED
    )
    repeated = (
        pairs.group_by(CHAIN)
        .agg(repeats=all_same | (same["spot"].all() & volumes_same.fill_null(False)))
        .filter("repeats")
    )
    labelled = rows.join(repeated, on=CHAIN, how="left", maintain_order="left").sort("row")
    return labelled.select(
        rule=pl.when(~pl.col("counts"))
        .then(pl.lit(SUPERSEDED))
        .when(pl.col("repeats").fill_null(False))
        .then(pl.lit(REPEATED))
    )["rule"]
