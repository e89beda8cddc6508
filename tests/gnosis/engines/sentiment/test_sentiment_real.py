"""Tweets of 2014-2016 through the engine: no text serves a bar that closed before it was written."""

from __future__ import annotations

import datetime as dt
import hashlib

import numpy as np
import polars as pl
import pytest

from gnosis.engines.document_rows import document_rows
from gnosis.engines.document_weights import HOUR_US, DocumentParameters
from gnosis.engines.documents import Documents
from gnosis.engines.duplicates import cashtags, near_duplicates, repeats, words
from gnosis.engines.points import Points
from gnosis.engines.sentiment import sentiment
from gnosis.engines.sentiment.breadth import BREADTH_SCHEMA
from gnosis.engines.sentiment.dark_index import DARK_INDEX_SCHEMA
from gnosis.sessions import schedule
from gnosis.tables import TABLES

pytestmark = pytest.mark.real_data
HOURS = 60


@pytest.fixture(scope="module")
def posts(shared_data):
    tweets = pl.read_parquet(shared_data / "sentiment" / "stocknet_tweets_6tickers_2014_2016.parquet")
    tweets = tweets.with_row_index("number").with_columns(pl.col("created_at").cast(pl.Datetime("us", "UTC")))
    calendar = schedule().select("session", "close_at")
    tweets = tweets.sort("created_at").join_asof(
        calendar.sort("close_at"), left_on="created_at", right_on="close_at", strategy="forward"
    )
    schema = TABLES["raw.posts"].polars_schema
    hashes = [hashlib.sha256(text.encode()).hexdigest() for text in tweets["text"]]
    rows = tweets.select(
        "session",
        "text",
        symbol="ticker",
        known_at="created_at",
        ts="created_at",
        provider=pl.lit("files"),
        synthetic=pl.lit(False),
        source=pl.lit("x"),
        post_id=pl.format("{}", "number"),
        community=pl.lit(None, pl.String),
        author_hash=pl.lit(None, pl.String),
        tag=pl.lit("none"),
        engagement=pl.lit(None, pl.Int64),
        text_hash=pl.Series(hashes),
    )
    return rows.select(list(schema)).cast(schema)


@pytest.fixture(scope="module")
def points(posts):
    days = posts["session"].unique().sort()
    closes = schedule().filter(pl.col("session").is_in(days.implode())).select("session", as_of="close_at")
    return Points.of(closes.join(posts.select("symbol").unique(), how="cross"))


def test_repeats_count_once_and_nothing_is_seen_before_it_was_written(posts, points):
    window = Documents(points, posts, None, None).window("x")
    # A plain count, one symbol at a time: all tweets of the 24 hours up to the close, repeats included.
    ages = {}
    for symbol in points.symbols:
        written = posts.filter(pl.col("symbol") == symbol)["ts"].dt.epoch("us").sort().to_numpy()
        own = points.symbol == points.symbols.index(symbol)
        as_of = points.as_of[own]
        ages[symbol] = np.searchsorted(written, as_of, side="right") - np.searchsorted(written, as_of - 86_400_000_000)
        assert (window.count_24h[own] <= ages[symbol]).all()
    total = sum(int(count.sum()) for count in ages.values())
    assert window.count_24h.sum() / total == pytest.approx(0.674, abs=0.005)


def test_a_sixth_of_the_tweets_repeat_earlier_ones(posts):
    many, few = cashtags(posts["text"]) > 5, words(posts["text"]).list.len() < 3
    fit = posts.filter(~(many | few)).sort("symbol", "known_at", "post_id")
    at = fit["known_at"].dt.epoch("us").to_numpy().astype(np.int64)
    symbol = fit["symbol"].rank("dense").cast(pl.Int64).to_numpy()
    text = fit["text_hash"].rank("dense").cast(pl.Int64).to_numpy()
    equal = repeats(symbol, at, text, np.full(at.size, HOURS * HOUR_US))
    similar = near_duplicates(words(fit["text"]), symbol, at, 0.8, 48 * HOUR_US)
    assert equal.mean() == pytest.approx(0.162, abs=0.001)
    assert (similar & ~equal).mean() == pytest.approx(0.032, abs=0.001)
    given = [posts, TABLES["raw.news"].empty(), TABLES["engines.document_scores"].empty()]
    readable = [frame.with_columns(readable_at="known_at") for frame in given]
    rows = document_rows(sorted(posts["symbol"].unique()), *readable, DocumentParameters())
    # Documents of one instant stand in the order of their names.
    assert rows.instants.shape[1] == fit.height - (equal | similar).sum()


def test_similar_tweets_are_those_of_a_plain_search(posts):
    some = posts.filter(pl.col("symbol") == "FB").sort("known_at").head(700)
    at = some["known_at"].dt.epoch("us").to_numpy().astype(np.int64)
    tokens = words(some["text"])
    found = near_duplicates(tokens, np.zeros(at.size, np.int64), at, 0.8, 48 * HOUR_US)
    sets = [set(text) for text in tokens.to_list()]
    plain = [
        any(
            at[i] - at[j] <= 48 * HOUR_US and len(sets[i] & sets[j]) >= 0.8 * len(sets[i] | sets[j]) > 0
            for j in range(max(0, i - 250), i)
        )
        for i in range(at.size)
    ]
    assert 0 < sum(plain) < at.size / 2
    assert found.tolist() == plain


def test_every_tweet_serves_the_first_close_after_it_and_no_earlier_one(posts, points):
    at_close = posts.join(schedule().select("session", "close_at"), on="session")
    assert (at_close["ts"] <= at_close["close_at"]).all()
    cut = dt.datetime(2015, 1, 2, 21, tzinfo=dt.UTC)
    early = points.as_of <= int(cut.timestamp() * 1e6)
    known = Documents(points.only(early), posts.filter(pl.col("ts") <= cut), None, None).window("x")
    assert np.array_equal(known.count_24h, Documents(points, posts, None, None).window("x").count_24h[early])


def test_the_engine_on_tweets(posts, walk):
    last = dt.date(2015, 6, 30)
    near = posts.filter(pl.col("session").is_between(dt.date(2015, 3, 2), last), pl.col("symbol").is_in(["AAPL", "FB"]))
    p = np.random.default_rng(0).dirichlet([2, 1, 2], near.height)
    schema = TABLES["engines.document_scores"].polars_schema
    scores = (
        near.with_columns(
            doc_id="post_id",
            kind=pl.lit("post"),
            scorer=pl.lit("lexicon"),
            scorer_hash=pl.lit("h"),
            p_pos=pl.Series(p[:, 0]),
            p_neg=pl.Series(p[:, 1]),
            p_neu=pl.Series(1 - p[:, 0] - p[:, 1]),
        )
        .with_columns(pl.col("source").cast(pl.String))
        .select(list(schema))
        .cast(schema)
    )
    bars = walk(("AAPL", "FB"), n=120, last=last)
    days = sorted(bars["session"].unique())[-60:]
    frame = sentiment(
        bars,
        posts=near,
        scores=scores,
        sessions=days,
        collected={"x"},
        breadth=pl.DataFrame(schema=BREADTH_SCHEMA),
        dark=pl.DataFrame(schema=DARK_INDEX_SCHEMA),
    )
    TABLES["engines.sentiment"].schema.validate(frame)
    late = frame.filter(pl.col("session") > days[30])
    assert late["x_twitter_v"].is_not_null().all()
    assert late["x_surprise_z"].is_not_null().all()
    assert frame["x_twitter_reasons"].str.contains("SCORER_FALLBACK").all()
    assert (frame["x_twitter_confidence"] < 0.5).all()
