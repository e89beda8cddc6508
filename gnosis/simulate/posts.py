"""Social posts with a planted mood and planted attention."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from gnosis.sessions import schedule
from gnosis.simulate.draws import check_seed, date_keys, keyed_normal, keyed_uniform, stream, text_keys
from gnosis.simulate.volatility import persistent_factor

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

SOURCES = ["reddit", "stocktwits", "x"]
COMMUNITIES = {"reddit": "stocks", "stocktwits": "stream", "x": "cashtag"}


def social_posts(
    symbols: Sequence[str], sessions: Sequence[dt.date], seed: int, posts_per_session: float = 20.0
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return generated posts in the 24 hours before each session's close.

    The mood of a symbol is a persistent standard normal m, independent of prices. The number of posts is Poisson; a
    post is tagged bullish with probability 0.8 / (1 + exp(-m)), bearish with 0.8 / (1 + exp(m)), otherwise none.

    Parameters
    ----------
    symbols, sessions
        Whom and when the posts are about.
    seed
        Integer >= 0.
    posts_per_session
        Expected number per symbol and session, > 0.

    Returns
    -------
    frame : polars.DataFrame
        ``session`` (of the close that follows), ``post_id``, ``source``, ``community``, ``author_hash``, ``symbol``,
        ``ts``, ``tag``, ``engagement``, ``text_hash``, ``known_at`` (five minutes after ``ts``), ``provider``,
        ``synthetic``; sorted by (session, symbol, post_id).
    truth : polars.DataFrame
        ``session``, ``symbol``, ``mood``, ``posts_expected``.

    Raises
    ------
    ValueError
        When ``posts_per_session`` is not positive or the seed is not an integer >= 0.

    Examples
    --------
    >>> import datetime as dt
    >>> frame, truth = social_posts(["AAA"], [dt.date(2012, 1, 3)], seed=7)
    >>> frame.height, round(truth["mood"].item(), 4)
    (24, 0.1647)
    """
    from scipy.special import pdtrik

    check_seed(seed)
    if not posts_per_session > 0:
        raise ValueError(f"expected posts_per_session > 0, found {posts_per_session}")
    calendar = schedule().with_row_index("place").filter(pl.col("session").is_in(pl.Series(sessions).implode()))
    places = calendar["place"].to_numpy()
    moods = pl.concat(
        calendar.select("session", "close_at", pl.lit(symbol).alias("symbol")).with_columns(
            mood=persistent_factor(stream(seed, "posts.mood", symbol).standard_normal(int(places.max()) + 1), 0.9)[
                places
            ]
        )
        for symbol in sorted(set(symbols))
    ).sort("session", "symbol")
    chance = keyed_uniform(seed, "posts.count", text_keys(moods["symbol"]), date_keys(moods["session"]))
    counts = np.maximum(np.ceil(pdtrik(chance, posts_per_session)), 0).astype(np.int64)
    rows = moods.with_columns(number=pl.int_ranges(pl.Series(counts))).explode(
        "number", empty_as_null=False, keep_nulls=False
    )
    keys = (text_keys(rows["symbol"]), date_keys(rows["session"]), rows["number"].to_numpy())
    bullish = 0.8 / (1 + np.exp(-rows["mood"].to_numpy()))
    draw = {name: keyed_uniform(seed, f"posts.{name}", *keys) for name in ("tag", "source", "author", "time")}
    tag = np.where(draw["tag"] < bullish, "bullish", np.where(draw["tag"] < 0.8, "bearish", "none"))
    loudness = keyed_normal(seed, "posts.engagement", *keys)
    name = pl.format("{}-{}-{}", "symbol", "session", "number")
    frame = rows.with_columns(
        source=np.array(SOURCES)[(draw["source"] * len(SOURCES)).astype(np.int64)],
        author_hash=pl.format("author-{}", pl.Series((draw["author"] * 5_000).astype(np.int64))),
        ts=pl.col("close_at") - pl.Series((draw["time"] * 86_000).astype(np.int64) + 301) * pl.duration(seconds=1),
        tag=tag,
        engagement=np.floor(np.exp(1 + loudness)).astype(np.int64),
    ).select(
        "session",
        name.alias("post_id"),
        "source",
        pl.col("source").replace_strict(COMMUNITIES).alias("community"),
        "author_hash",
        "symbol",
        "ts",
        "tag",
        "engagement",
        pl.format("text-{}", name).alias("text_hash"),
        known_at=pl.col("ts") + pl.duration(minutes=5),
        provider=pl.lit("simulate"),
        synthetic=pl.lit(True),
    )
    truth = moods.select("session", "symbol", "mood", posts_expected=pl.lit(float(posts_per_session)))
    return frame.sort("session", "symbol", "post_id"), truth
