"""Books of one instrument as they were known from instant to instant, and the snapshots that are kept of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from gnosis.engines.liquidity.replay import interval_states

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gnosis.engines.points import Floats, Integers
    from resources.providers.files.config import BookRules

MICROSECONDS = 1_000_000
CROSSED, NO_SNAPSHOT = "crossed", "no_snapshot"
INSTANT = pl.Datetime("us", "UTC")
SNAPSHOT_SCHEMA: dict[str, pl.DataType] = {
    "symbol": pl.String(),
    "ts": INSTANT,
    "side": pl.String(),
    "level": pl.Int64(),
    "price": pl.Float64(),
    "size": pl.Float64(),
    "known_at": INSTANT,
}
ASIDE_SCHEMA: dict[str, pl.DataType] = {
    "symbol": pl.String(),
    "ts": INSTANT,
    "best_bid": pl.Float64(),
    "best_ask": pl.Float64(),
    "rule|": pl.String(),
    "day": pl.Date(),
}


@dataclass(frozen=True)
class States:
    """States of one instrument's book, ascending by ``known``.

    Attributes
    ----------
    symbol
        Our symbol.
    ts, known
        Shape (n,), microseconds since 1970 UTC: instant of the venue, and from when on the state was known.
    price, size
        Shape (n, 2, levels): bids first, best level first; NaN where there is none.
    rule
        Shape (n,), text: why the state cannot be trusted; empty when it can.
    heard
        Every sign of life of the source, microseconds.
    """

    symbol: str
    ts: Integers
    known: Integers
    price: Floats
    size: Floats
    rule: NDArray[np.str_]
    heard: Integers


def snapshots(states: States, symbol: str, rules: BookRules) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the snapshots of one instrument under our ``symbol``, and the states that were set aside.

    Set aside are the states that a snapshot would have shown, and of the others every one that is crossed or came
    before the book, and the first one of those that cannot be trusted for another reason.
    """
    price, size = states.price[:, :, : rules.levels], states.size[:, :, : rules.levels]
    rule = np.where((states.rule == "") & (price[:, 0, 0] >= price[:, 1, 0]), CROSSED, states.rule)
    if rules.interval_seconds is None:
        # Of several states of one instant the last one is what was left of it.
        chosen = np.flatnonzero(np.diff(states.ts, append=states.ts[-1:] + 1))
        ts, known = states.ts[chosen], states.known[chosen]
    else:
        interval, stale = (round(s * MICROSECONDS) for s in (rules.interval_seconds, rules.stale_after_seconds))
        ts, chosen = interval_states(states.known, interval, stale, states.heard)
        known = ts
    good = rule[chosen] == ""
    points, _, levels = price[chosen[good]].shape
    kept = pl.DataFrame(
        {
            "symbol": np.full(points * 2 * levels, symbol),
            "ts": np.repeat(ts[good], 2 * levels),
            "side": np.tile(np.repeat(["B", "A"], levels), points),
            "level": np.tile(np.arange(1, levels + 1), 2 * points),
            "price": price[chosen[good]].ravel(),
            "size": size[chosen[good]].ravel(),
            "known_at": np.repeat(known[good], 2 * levels),
        }
    ).filter(pl.col("price").is_not_nan())
    begins = (rule != np.concatenate([[""], rule[:-1]])) | np.isin(rule, (CROSSED, NO_SNAPSHOT))
    wrong = np.union1d(np.flatnonzero((rule != "") & begins), chosen[~good])
    aside = pl.DataFrame(
        {
            "symbol": np.full(len(wrong), symbol),
            "ts": states.ts[wrong],
            "best_bid": price[wrong, 0, 0],
            "best_ask": price[wrong, 1, 0],
            "rule|": rule[wrong],
        }
    ).with_columns(pl.col("ts").cast(INSTANT), pl.col("best_bid", "best_ask").fill_nan(None))
    return kept.cast(pl.Schema(SNAPSHOT_SCHEMA)), aside.with_columns(day=pl.col("ts").dt.date()).cast(
        pl.Schema(ASIDE_SCHEMA)
    )
