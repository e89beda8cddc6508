"""Who provided the texts and scores that each symbol is read from."""

from __future__ import annotations

import polars as pl

from gnosis.engines.points import Points

# Sessions up to a point's own that are read: 20 half-lives of texts, and the calls that may be prior ones together with
# those that they may repeat.
POSTS_SESSIONS = 6
NEWS_SESSIONS = 16
EARNINGS_SESSIONS = 540
MENTIONS_SESSIONS = 2
"""Sessions to which posts of 24 hours belong."""

COLUMNS = ("symbol", "session", "known_at", "provider", "synthetic")


def text_origins(
    points: Points, posts: pl.DataFrame | None, news: pl.DataFrame | None, scores: pl.DataFrame | None
) -> list[tuple[pl.DataFrame, int]]:
    """Return texts and scores as inputs of :func:`gnosis.engines.input_origin.input_origin`.

    A score belongs to the symbols of its document. Posts on Reddit about any symbol are behind the share of mentions of
    each.

    Parameters
    ----------
    points
        Points.
    posts, news, scores
        Rows of ``raw.posts``, ``raw.news`` and ``engines.document_scores``; None: none.

    Examples
    --------
    >>> from gnosis.tables import TABLES
    >>> nobody = Points.of(pl.DataFrame(schema={"symbol": str, "session": pl.Date, "as_of": pl.Datetime}))
    >>> [sessions for _, sessions in text_origins(nobody, TABLES["raw.posts"].empty(), None, None)]
    [2, 6]
    """
    of_symbols = pl.col("symbol").is_in(points.symbols)
    found: list[tuple[pl.DataFrame, int]] = []
    if posts is not None:
        on_reddit = posts.filter(pl.col("source") == "reddit").group_by("session", "provider", "synthetic")
        everywhere = on_reddit.agg(pl.col("known_at").min()).join(
            pl.DataFrame({"symbol": points.symbols}, schema={"symbol": pl.String}), how="cross"
        )
        source = pl.col("source").cast(pl.String)
        texts = posts.filter(of_symbols).select(*COLUMNS, source, doc_id="post_id")
        found += [(everywhere, MENTIONS_SESSIONS), (_with_scores(texts, scores), POSTS_SESSIONS)]
    if news is not None:
        is_call = pl.col("kind").cast(pl.String).str.starts_with("earnings")
        for kinds, sessions in ((~is_call, NEWS_SESSIONS), (is_call, EARNINGS_SESSIONS)):
            texts = news.filter(of_symbols & kinds).select(*COLUMNS, source=pl.lit("news"), doc_id="item_id")
            found.append((_with_scores(texts, scores), sessions))
    return found


def _with_scores(texts: pl.DataFrame, scores: pl.DataFrame | None) -> pl.DataFrame:
    """Return the origin of texts and, under the symbols of their texts, of scores."""
    own = texts.select(COLUMNS)
    if scores is None or texts.is_empty():
        return own
    documents = texts.select("symbol", "source", "doc_id").unique()
    return pl.concat([own, scores.join(documents, on=["source", "doc_id"]).select(COLUMNS)])
