"""Social posts with a planted mood, planted attention and texts whose tone follows the mood."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from gnosis.engines.scoring.text import text_hash
from gnosis.sessions import schedule
from gnosis.simulate.draws import check_seed, date_keys, keyed_normal, keyed_uniform, stream, text_keys
from gnosis.simulate.volatility import persistent_factor
from gnosis.simulate.wording import ENDINGS, sentences

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from numpy.typing import NDArray

SOURCES = ["reddit", "stocktwits", "x"]
COMMUNITIES = {"stocktwits": "stream", "x": "cashtag"}
SUBREDDITS = ["wallstreetbets", "stocks", "investing"]
REPEATED, NEARLY_REPEATED = 0.05, 0.05
"""Shares of posts that say what the post before them said, word for word or with another ending."""


def social_posts(
    symbols: Sequence[str],
    sessions: Sequence[dt.date],
    seed: int,
    posts_per_session: float | pl.DataFrame = 20.0,
    *,
    has_details: bool = False,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return generated posts in the 24 hours before each session's close.

    The mood of a symbol is a persistent standard normal m, independent of prices. The number of posts is Poisson; a
    post is tagged bullish with probability 0.8 / (1 + exp(-m)), bearish with 0.8 / (1 + exp(m)), otherwise none. Its
    text is positive, negative or neutral accordingly; 5% repeat the text of the post before and 5% change its ending.
    There are 240 texts: a crowd of many posts repeats itself, and engines count a text once, unless posts have details.

    Parameters
    ----------
    symbols, sessions
        Whom and when the posts are about.
    seed
        Integer >= 0.
    posts_per_session
        Expected number per symbol and session, > 0; or ``session``, ``symbol``, ``posts_per_session`` of every one, as
        in the truth of a scripted market.
    has_details
        Whether each post that repeats no other adds figures of its own: shares, prices of entry and exit.

    Returns
    -------
    frame : polars.DataFrame
        Columns of raw.posts; ``session`` is that of the close that follows, ``known_at`` five minutes after ``ts``;
        sorted by (session, symbol, post_id).
    truth : polars.DataFrame
        ``session``, ``symbol``, ``mood``, ``posts_expected``.

    Raises
    ------
    ValueError
        When ``posts_per_session`` is not positive everywhere or the seed is not an integer >= 0.

    Examples
    --------
    >>> import datetime as dt
    >>> frame, truth = social_posts(["AAA"], [dt.date(2012, 1, 3)], seed=7)
    >>> frame.height, round(truth["mood"].item(), 4)
    (24, 0.1647)
    """
    from scipy.special import pdtrik

    check_seed(seed)
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
    expected = _expected(moods, posts_per_session)
    counts = np.maximum(np.ceil(pdtrik(chance, expected.to_numpy())), 0).astype(np.int64)
    rows = moods.with_columns(number=pl.int_ranges(pl.Series(counts))).explode(
        "number", empty_as_null=False, keep_nulls=False
    )
    keys = (text_keys(rows["symbol"]), date_keys(rows["session"]), rows["number"].to_numpy())
    bullish = 0.8 / (1 + np.exp(-rows["mood"].to_numpy()))
    names = ("tag", "source", "author", "time", "subreddit", "text", "repeat")
    draw = {name: keyed_uniform(seed, f"posts.{name}", *keys) for name in names}
    stance = np.where(draw["tag"] < bullish, 0, np.where(draw["tag"] < 0.8, 1, 2))
    source = (draw["source"] * len(SOURCES)).astype(np.int64)
    loudness = keyed_normal(seed, "posts.engagement", *keys)
    name = pl.format("{}-{}-{}", "symbol", "session", "number")
    frame = rows.with_columns(
        source=np.array(SOURCES)[source],
        subreddit=np.array(SUBREDDITS)[(draw["subreddit"] * len(SUBREDDITS)).astype(np.int64)],
        author_hash=pl.format("author-{}", pl.Series((draw["author"] * 5_000).astype(np.int64))),
        ts=pl.col("close_at") - pl.Series((draw["time"] * 86_000).astype(np.int64) + 301) * pl.duration(seconds=1),
        tag=np.array(["bullish", "bearish", "none"])[stance],
        engagement=np.floor(np.exp(1 + loudness)).astype(np.int64),
        **_texts(rows, stance, draw["text"], draw["repeat"], _details(seed, keys) if has_details else None),
    ).select(
        "session",
        name.alias("post_id"),
        "source",
        community=pl.col("source").replace_strict(COMMUNITIES, default=pl.col("subreddit")),
        author_hash="author_hash",
        symbol="symbol",
        ts="ts",
        tag="tag",
        engagement="engagement",
        text_hash="text_hash",
        text="text",
        known_at=pl.col("ts") + pl.duration(minutes=5),
        provider=pl.lit("simulate"),
        synthetic=pl.lit(True),
    )
    truth = moods.select("session", "symbol", "mood", posts_expected=expected)
    return frame.sort("session", "symbol", "post_id"), truth


def _expected(moods: pl.DataFrame, posts_per_session: float | pl.DataFrame) -> pl.Series:
    """Return the expected number of posts of every row."""
    if isinstance(posts_per_session, pl.DataFrame):
        given = posts_per_session.select("session", "symbol", "posts_per_session")
        expected = moods.join(given, on=["session", "symbol"], how="left", maintain_order="left", validate="m:1")[
            "posts_per_session"
        ].cast(pl.Float64)
    else:
        expected = pl.Series([float(posts_per_session)], dtype=pl.Float64).new_from_index(0, moods.height)
    if not (expected > 0).fill_null(value=False).all():
        raise ValueError(f"expected posts_per_session > 0 for every symbol and session, found {posts_per_session}")
    return expected


def _details(seed: int, keys: tuple[NDArray[np.uint64], ...]) -> pl.Series:
    """Return figures that tell one author's position from another's."""
    shares, entry, reach = (keyed_uniform(seed, f"posts.{name}", *keys) for name in ("shares", "entry", "reach"))
    price = np.round(10 + 190 * entry, 2)
    return pl.select(
        pl.format(
            ", {} shares in at {} and out at {} or {}",
            pl.Series(1 + (shares * 5_000).astype(np.int64)),
            pl.Series(price),
            pl.Series(np.round(price * (1.05 + reach), 2)),
            pl.Series(np.round(price * (0.95 - 0.3 * reach), 2)),
        )
    ).to_series()


def _texts(
    rows: pl.DataFrame,
    stance: NDArray[np.int64],
    chance: NDArray[np.float64],
    repeat: NDArray[np.float64],
    details: pl.Series | None,
) -> dict[str, pl.Series]:
    """Return the columns ``text`` and ``text_hash``; a post repeats the one before it in its session, never another."""
    words = sentences("posts")
    starts = np.cumsum([0, *map(len, words)])
    written = starts[stance] + (chance * np.diff(starts)[stance]).astype(np.int64)
    repeats = (repeat < REPEATED + NEARLY_REPEATED) & (rows["number"].to_numpy() > 0)
    said = np.where(repeats, np.concatenate([written[:1], written[:-1]]), written)
    ending = np.where(repeats & (repeat < NEARLY_REPEATED), 1 + (said % (len(ENDINGS) - 1)), 0)
    lines = [line for of_tone in words for line in of_tone]
    found = pl.DataFrame({"symbol": rows["symbol"], "said": said, "ending": ending}).with_columns(detail=pl.lit(""))
    if details is not None:
        found = found.with_columns(detail=details.gather(np.arange(rows.height) - repeats))
    distinct = found.unique(maintain_order=True).with_columns(
        text=(
            pl.col("said").replace_strict(list(range(len(lines))), lines, return_dtype=pl.String)
            + pl.col("detail")
            + pl.col("ending").replace_strict(list(range(len(ENDINGS))), ENDINGS, return_dtype=pl.String)
        ).str.replace("{symbol}", pl.col("symbol"), literal=True)
    )
    hashed = distinct.with_columns(text_hash=pl.Series(list(map(text_hash, distinct["text"])), dtype=pl.String))
    texts = found.join(hashed, on=["symbol", "said", "ending", "detail"], how="left", maintain_order="left")
    return {"text": texts["text"], "text_hash": texts["text_hash"]}
