"""From posts and news to scored documents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gnosis.engines.scoring.text import normalise, normalised_hash
from gnosis.options.origin import origin_of, require_table
from gnosis.tables import TABLES

NEWS_SOURCE = "news"
MAX_SUM_ERROR = 1e-6
_DOCUMENT = ["session", "source", "doc_id"]


class Scorer(Protocol):
    """Gives the probabilities that texts are positive, negative and neutral."""

    @property
    def name(self) -> str:
        """One of :data:`gnosis.tables.engines.documents.SCORERS`."""
        ...

    @property
    def content_hash(self) -> str:
        """Hash of what the probabilities depend on besides the text: model files or word lists."""
        ...

    def score(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return (n, 3) probabilities, positive, negative, neutral; a row depends on its text alone.

        A row of NaN says that the text has no score.
        """
        ...


def document_scores(posts: pl.DataFrame, news: pl.DataFrame, scorer: Scorer) -> pl.DataFrame:
    """Return the rows of ``engines.document_scores``: one per document and session, however many symbols it names.

    Rows without text, and texts that the scorer gives no score, are left out. Of several texts of a document in one
    session the last known counts, from the moment at which it was first known. Normalised texts are scored, each once.

    Parameters
    ----------
    posts
        Rows of ``raw.posts``.
    news
        Rows of ``raw.news``.
    scorer
        What gives the probabilities.

    Raises
    ------
    ValueError
        When a frame has not the columns of its table, or the scorer does not return probabilities.

    Examples
    --------
    >>> import datetime as dt
    >>> from gnosis.engines.scoring.lexicon import LexiconScorer
    >>> seven = dt.datetime(2014, 6, 2, 19, tzinfo=dt.UTC)
    >>> one = {"session": seven.date(), "source": "x", "post_id": "7", "ts": seven, "tag": "none", "known_at": seven}
    >>> one |= {"text_hash": "", "text": "Sales up 5%", "provider": "files", "synthetic": False}
    >>> rows = [one | {"symbol": symbol} for symbol in ("AAPL", "MSFT")]
    >>> posts = pl.DataFrame(rows, schema=TABLES["raw.posts"].polars_schema)
    >>> scores = document_scores(posts, TABLES["raw.news"].empty(), LexiconScorer())
    >>> scores.select("doc_id", "kind", "scorer", "p_pos", "p_neg", "p_neu").rows()
    [('7', 'post', 'lexicon', 0.625, 0.125, 0.25)]
    """
    require_table(posts, "raw.posts")
    require_table(news, "raw.news")
    schema = pl.Schema(TABLES["engines.document_scores"].polars_schema)
    shared = ["session", "ts", "known_at", "provider", "synthetic", "text"]
    rows = pl.concat(
        [
            posts.select(*shared, pl.col("source").cast(pl.String), doc_id="post_id", kind=pl.lit("post")),
            news.select(*shared, source=pl.lit(NEWS_SOURCE), doc_id="item_id", kind=pl.col("kind").cast(pl.String)),
        ],
        how="diagonal",
    ).drop_nulls("text")
    documents = _last_texts(rows.join(_normalised(rows["text"]), on="text"))
    texts = documents.select("text_hash", "normalised").unique("text_hash").sort("text_hash")
    scores = texts.select("text_hash").with_columns(_probabilities(texts["normalised"].to_list(), scorer))
    scores = scores.filter(pl.col("p_pos").is_not_nan())
    return (
        documents.join(scores, on="text_hash")
        .with_columns(scorer=pl.lit(scorer.name), scorer_hash=pl.lit(scorer.content_hash))
        .select(list(schema))
        .cast(schema)
        .sort(TABLES["engines.document_scores"].key)
    )


def _normalised(texts: pl.Series) -> pl.DataFrame:
    """Return each distinct text with its normalised form and its hash; a text of which nothing is left is left out."""
    distinct = texts.unique().sort()
    normalised = [normalise(text) for text in distinct]
    hashes = {text: normalised_hash(text) for text in set(normalised)}
    return pl.DataFrame(
        {
            "text": distinct,
            "normalised": pl.Series(normalised, dtype=pl.String),
            "text_hash": pl.Series([hashes[text] for text in normalised], dtype=pl.String),
        }
    ).filter(pl.col("normalised") != "")


def _last_texts(rows: pl.DataFrame) -> pl.DataFrame:
    """Return one row per document and session: its last text, and the origin of the rows that gave it first."""
    ordered = rows.sort(*_DOCUMENT, "known_at", "text_hash")
    is_last_text = pl.col("text_hash") == pl.col("text_hash").last().over(_DOCUMENT)
    of_text = ordered.filter(is_last_text)
    first = of_text.filter(pl.col("known_at") == pl.col("known_at").first().over(_DOCUMENT))
    documents = first.sort(*_DOCUMENT, "ts", "kind").unique(_DOCUMENT, keep="first", maintain_order=True)
    return documents.drop("known_at", "provider", "synthetic").join(origin_of(first, _DOCUMENT), on=_DOCUMENT)


def _probabilities(texts: list[str], scorer: Scorer) -> list[pl.Series]:
    found = np.asarray(scorer.score(texts) if texts else np.empty((0, 3)), dtype=np.float64)
    if found.shape != (len(texts), 3):
        raise ValueError(
            f"scorer {scorer.name}: expected probabilities of shape {(len(texts), 3)}, found {found.shape}"
        )
    is_scored = ~np.isnan(found).all(axis=1)
    wrong = is_scored & ~((found >= 0).all(axis=1) & (np.abs(found.sum(axis=1) - 1) < MAX_SUM_ERROR))
    if wrong.any():
        at = int(wrong.argmax())
        raise ValueError(
            f"scorer {scorer.name}: expected probabilities of sum 1, found {found[at].tolist()} for {texts[at][:80]!r}"
        )
    return [pl.Series(name, found[:, k]) for k, name in enumerate(("p_pos", "p_neg", "p_neu"))]
