"""From tables of posts, news and scores to sorted arrays of documents, each counted once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gnosis.engines.document_weights import STREAMS, DocumentParameters, certainty, engagement_weight
from gnosis.engines.duplicates import cashtags, near_duplicates, repeats, words
from gnosis.engines.points import Floats, Integers

Bools = NDArray[np.bool_]

NEVER = np.iinfo(np.int64).max
TAGS = ("none", "bullish", "bearish")
TAGGED = (0.9, 0.05, 0.05)
WALLSTREETBETS = "wallstreetbets"
MODEL = "finbert"
# Added to a time in New York up to and including 16:00, it stays within the day.
DAY_END = dt.timedelta(hours=8, microseconds=-1)


@dataclass(frozen=True)
class DocumentRows:
    """Versions of documents, sorted by bucket (stream and symbol) and instant.

    Attributes
    ----------
    symbols
        Names of the symbols, sorted; bucket = position of the stream x number of symbols + position of the symbol.
    bucket_starts
        First row of each bucket, and the end.
    instants
        Rows visible_from, visible_until (both of the version) and birth (of the document), microseconds since 1970.
    floats
        Rows score s (NaN without), confidence c, engagement weight e, 1 for scores of the model or the author's tag,
        weight in r/wallstreetbets (NaN elsewhere).
    codes
        Rows tag (position in ``TAGS``), author, outlet; the latter -1 when unknown.
    sizes
        Number of authors and of outlets.
    event
        Earnings call of each row, -1 for none.
    """

    symbols: pl.Series
    bucket_starts: Integers
    instants: Integers
    floats: Floats
    codes: Integers
    sizes: Integers
    event: Integers

    def buckets(self, stream: str, symbols: Sequence[str]) -> Integers:
        """Return the bucket of each symbol in a stream; every symbol is among ``self.symbols``."""
        places = _places(self.symbols, pl.Series(symbols, dtype=pl.String))
        return STREAMS.index(stream) * len(self.symbols) + places


def document_rows(
    symbols: Sequence[str],
    posts: pl.DataFrame,
    news: pl.DataFrame,
    scores: pl.DataFrame,
    parameters: DocumentParameters,
) -> DocumentRows:
    """Return the documents about some symbols, and posts on Reddit about any.

    Parameters
    ----------
    symbols
        Sorted.
    posts, news, scores
        As for :class:`gnosis.engines.documents.Documents`, with ``readable_at``: the instant from which a row counts.
        Ages count from ``known_at``.
    """
    rows = _deliveries(symbols, posts, news)
    names = pl.Series(sorted({*symbols, *rows["symbol"].unique()}), dtype=pl.String)
    bucket = rows["stream"].to_numpy() * len(names) + _places(names, rows["symbol"])
    document, known_at = _ranks(rows["doc_id"]), _us(rows["known_at"])
    ties = [_ranks(rows[name]) for name in ("provider", "text_hash", "engagement", "tag")]
    order = np.lexsort((*ties, known_at, document, bucket))
    rows, bucket, known_at, document = rows[order], bucket[order], known_at[order], document[order]
    first = np.flatnonzero(_is_new(bucket, document))
    unit = np.cumsum(_is_new(bucket, document)) - 1
    units = rows[first]
    stream = bucket[first] // max(len(names), 1)
    counted = _counted(units, bucket[first], document[first], stream, parameters)
    scores = scores.sort("known_at", "scorer", "scorer_hash", "p_pos", "p_neg")
    events = _events(unit, _us(rows["readable_at"]), units, scores)
    events = _Events(
        *(part[counted[unit[events.row]]] for part in (events.row, events.score, events.start, events.end))
    )

    probabilities = _probabilities(rows, events, scores)
    s, c = probabilities[0] - probabilities[1], certainty(*probabilities)
    of = unit[events.row]
    displaced = _displaced(units, bucket[first], document[first], stream, of, events.start, c, parameters)
    engagement = rows["engagement"].cast(pl.Float64).fill_null(float("nan")).to_numpy()[events.row]
    is_post = ~rows["is_news"].to_numpy()[events.row]
    upvotes = 1.0 + np.log1p(np.maximum(np.nan_to_num(engagement), 0.0))
    is_wsb = rows["is_wsb"].to_numpy()[events.row]
    tag, is_tagged = _tags(rows, events)
    is_model = (scores["scorer"] == MODEL).to_numpy()
    by_model = is_tagged | ((events.score >= 0) & _gathered(is_model, events.score))
    floats = np.stack(
        [
            s,
            c,
            np.where(is_post, engagement_weight(engagement), 1.0),
            by_model.astype(np.float64),
            np.where(is_wsb, upvotes, np.nan),
        ]
    )
    author, outlet, event = (_codes(rows[name])[events.row] for name in ("author", "outlet", "event_id"))
    codes = np.stack([tag, author, outlet])
    instants = np.stack([events.start, np.minimum(events.end, displaced[of]), known_at[first][of]])
    final = np.lexsort((document[first][of], instants[2], instants[0], bucket[first][of]))
    edges = np.arange(len(STREAMS) * len(names) + 1)
    return DocumentRows(
        names,
        np.searchsorted(bucket[first][of][final], edges).astype(np.int64),
        np.ascontiguousarray(instants[:, final]),
        np.ascontiguousarray(floats[:, final]),
        np.ascontiguousarray(codes[:, final]),
        np.array([author.max(initial=-1) + 1, outlet.max(initial=-1) + 1]),
        event[final],
    )


def _deliveries(symbols: Sequence[str], posts: pl.DataFrame, news: pl.DataFrame) -> pl.DataFrame:
    """Return posts and news under one set of columns."""
    shared = ("symbol", "known_at", "readable_at", "provider", "text_hash", "text")
    wanted = pl.col("symbol").is_in(list(symbols))
    community = pl.col("community").str.to_lowercase().str.strip_prefix("r/")
    of_posts = (
        posts.with_columns(n_symbols=pl.Series(_symbols_of_post(posts)))
        .filter(wanted | (pl.col("source") == "reddit"))
        .select(
            *shared,
            "n_symbols",
            "engagement",
            doc_id="post_id",
            author="author_hash",
            source=pl.col("source").cast(pl.String),
            kind=pl.col("source").cast(pl.String),
            tag=pl.col("tag").cast(pl.String),
            is_wsb=((community == WALLSTREETBETS) & (pl.col("source") == "reddit")).fill_null(False),
            is_news=pl.lit(False),
        )
    )
    kind = pl.col("kind").cast(pl.String)
    of_news = news.filter(wanted).select(
        *shared,
        "outlet",
        doc_id="item_id",
        source=pl.lit("news"),
        kind=pl.when(kind.is_in(["article", "filing"])).then(pl.lit("news")).otherwise(kind),
        tag=pl.lit("none"),
        event_id=pl.when(kind.str.starts_with("earnings")).then("event_id"),
        is_wsb=pl.lit(False),
        is_news=pl.lit(True),
    )
    numbered = {name: number for number, name in enumerate(STREAMS)}
    return pl.concat([of_posts, of_news], how="diagonal").with_columns(
        stream=pl.col("kind").replace_strict(numbered, return_dtype=pl.Int64)
    )


def _symbols_of_post(posts: pl.DataFrame) -> Integers:
    """Return how many symbols each row's post was known to name when the row's symbol was first known."""
    post = _ranks(posts["post_id"]) * 4 + posts["source"].to_physical().to_numpy().astype(np.int64)
    if np.unique(post).size == post.size:
        return np.ones(post.size, dtype=np.int64)
    symbol, known_at = _ranks(posts["symbol"]), _us(posts["known_at"])
    order = np.lexsort((known_at, symbol, post))
    new = _is_new(post[order], symbol[order])
    pair = np.cumsum(new) - 1
    of_pair, since = post[order][new], known_at[order][new]
    ranked = np.lexsort((since, of_pair))
    # Pairs of the same post and instant count together: the place after the last of them.
    step = np.flatnonzero(_is_new(of_pair[ranked], since[ranked]))
    after = np.repeat(np.append(step[1:], ranked.size), np.diff(np.append(step, ranked.size)))
    before = np.searchsorted(of_pair[ranked], of_pair[ranked])
    count = np.empty(ranked.size, dtype=np.int64)
    count[ranked] = after - before
    found = np.empty(post.size, dtype=np.int64)
    found[order] = count[pair]
    return found


def _counted(
    units: pl.DataFrame, bucket: Integers, document: Integers, stream: Integers, parameters: DocumentParameters
) -> Bools:
    """Return which documents are fit to count and are not the repeat of an earlier one."""
    is_post = ~units["is_news"].to_numpy()
    tokens = words(units["text"])
    n_words = tokens.list.len().fill_null(parameters.fewest_words).to_numpy()
    n_symbols = np.maximum(units["n_symbols"].fill_null(1).to_numpy(), cashtags(units["text"]).to_numpy())
    unfit = is_post & ((n_words < parameters.fewest_words) | (n_symbols > parameters.most_symbols))
    birth = _us(units["known_at"])
    order = np.lexsort((document, birth, bucket))
    order = order[~unfit[order]]
    bucket, birth = bucket[order], birth[order]
    longest = np.array([parameters.longest_age_us(name) for name in STREAMS])[stream[order]]
    found = np.zeros(unfit.size, dtype=bool)
    found[order] = ~(
        repeats(bucket, birth, _ranks(units["text_hash"])[order], longest)
        | near_duplicates(
            tokens.gather(order), bucket, birth, parameters.least_similarity, int(parameters.similarity_hours * 3.6e9)
        )
    )
    return found


@dataclass(frozen=True)
class _Events:
    """Versions of documents: row of the text, row of the score (-1 without), instants between which it holds."""

    row: Integers
    score: Integers
    start: Integers
    end: Integers


def _events(unit: Integers, readable_at: Integers, units: pl.DataFrame, scores: pl.DataFrame) -> _Events:
    """Return each instant from which a document or its score may be read, with what was known last of both."""
    keys = units.select("source", "doc_id").with_row_index("unit")
    pairs = scores.select("source", "doc_id", "readable_at").with_row_index("score").join(keys, on=["source", "doc_id"])
    of = np.concatenate([unit, pairs["unit"].to_numpy().astype(np.int64)])
    instant = np.concatenate([readable_at, _us(pairs["readable_at"])])
    row = np.concatenate([np.arange(unit.size), np.full(pairs.height, -1)])
    score = np.concatenate([np.full(unit.size, -1), pairs["score"].to_numpy().astype(np.int64)])
    order = np.lexsort((score, row, instant, of))
    of, instant, row, score = of[order], instant[order], row[order], score[order]
    start = np.searchsorted(of, of)
    last = np.append(_is_new(of, instant)[1:], True)[: of.size]
    row, score = (_carried(part, start)[last] for part in (row, score))
    of, instant = of[last], instant[last]
    end = np.append(np.where(of[1:] == of[:-1], instant[1:], NEVER), NEVER)[: of.size]
    known = row >= 0
    return _Events(row[known], score[known], instant[known], end[known])


def _carried(values: Integers, start: Integers) -> Integers:
    """Return the last value >= 0 up to each place from ``start`` on, -1 when there is none."""
    place = np.maximum.accumulate(np.where(values >= 0, np.arange(values.size), -1)) if values.size else values
    return np.where(place >= start, values[place], -1)


def _tags(rows: pl.DataFrame, events: _Events) -> tuple[Integers, Bools]:
    """Return the authors' tags, and where they stand in for a score: on StockTwits."""
    tag = rows["tag"].replace_strict({name: code for code, name in enumerate(TAGS)}, return_dtype=pl.Int64)
    of = tag.to_numpy()[events.row]
    return of, (of > 0) & (rows["stream"].to_numpy()[events.row] == STREAMS.index("stocktwits"))


def _probabilities(rows: pl.DataFrame, events: _Events, scores: pl.DataFrame) -> tuple[Floats, Floats, Floats]:
    tag, is_tagged = _tags(rows, events)
    given = scores.select("p_pos", "p_neg", "p_neu").to_numpy().T
    p = [np.where(events.score >= 0, _gathered(part, events.score), np.nan) for part in given]
    likely, unlikely, neutral = TAGGED
    p_pos = np.where(is_tagged, np.where(tag == 1, likely, unlikely), p[0])
    p_neg = np.where(is_tagged, np.where(tag == 1, unlikely, likely), p[1])
    return p_pos, p_neg, np.where(is_tagged, neutral, p[2])


def _displaced(
    units: pl.DataFrame,
    bucket: Integers,
    document: Integers,
    stream: Integers,
    unit: Integers,
    start: Integers,
    confidence: Floats,
    parameters: DocumentParameters,
) -> Integers:
    """Return when enough stronger posts of the same author, symbol and day are known, by document.

    Strength is confidence x decay, whose order among documents does not change with time; it is that of the first
    score. Days are cut at fixed instants: with a sliding day one post less could let two others in.
    """
    from gnosis.engines import documents_kernel

    birth = _us(units["known_at"])
    is_scored = ~np.isnan(confidence)
    first = np.full(birth.size, -1)
    first[unit[is_scored][::-1]] = np.flatnonzero(is_scored)[::-1]
    since = np.where(first >= 0, _gathered(start, first), birth)
    half_life = np.array([parameters.half_life_us(name) for name in STREAMS])[stream]
    certain = np.where(first >= 0, _gathered(confidence, first), 0.0)
    strength = np.where(certain > 0, np.log2(np.where(certain > 0, certain, 1.0)) + birth / half_life, -np.inf)
    local = units["known_at"].dt.convert_time_zone("America/New_York").dt.replace_time_zone(None)
    day = _codes((local + DAY_END).dt.date())
    author = _codes(units["author"])
    group = np.where(author >= 0, (bucket * (author.max(initial=0) + 1) + author) * (day.max(initial=0) + 1) + day, -1)
    some = np.flatnonzero(group >= 0)
    order = some[np.lexsort((document[some], -strength[some], group[some]))]
    found = np.full(birth.size, NEVER)
    found[order] = documents_kernel.displaced_at(group[order], since[order], parameters.posts_per_author)
    return found


def _is_new(*columns: Integers) -> Bools:
    """Return where a row differs from the one before in any column."""
    new = np.ones(columns[0].size, dtype=bool)
    if new.size:
        new[1:] = np.any([column[1:] != column[:-1] for column in columns], axis=0)
    return new


def _gathered(values: NDArray, rows: Integers) -> NDArray:
    """Return values by row; any value where the row is -1."""
    return values[np.maximum(rows, 0)] if values.size else np.zeros(rows.size, dtype=values.dtype)


def _places(names: pl.Series, symbols: pl.Series) -> Integers:
    return names.search_sorted(symbols).to_numpy().astype(np.int64) if len(symbols) else np.zeros(0, np.int64)


def _ranks(values: pl.Series) -> Integers:
    """Return the rank of each value among the distinct ones, from 1; 0 for null."""
    return values.rank("dense").fill_null(0).cast(pl.Int64).to_numpy()


def _codes(values: pl.Series) -> Integers:
    """Return a number for each distinct value from 0 on, -1 for null."""
    return (values.rank("dense").cast(pl.Int64) - 1).fill_null(-1).to_numpy()


def _us(instants: pl.Series) -> Integers:
    return instants.dt.epoch("us").to_numpy().astype(np.int64)
