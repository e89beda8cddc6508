"""Readings of news and posts: values, regimes, what is unknown and why (5.1-5.4)."""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from gnosis.engines.documents import Documents
from gnosis.engines.points import Points
from gnosis.engines.protocol import columns_of
from gnosis.engines.regimes import REGIMES
from gnosis.engines.sentiment import news_flow, reddit, stocktwits, x_twitter
from gnosis.engines.sentiment.inputs import collected_at
from gnosis.engines.sentiment.parameters import SentimentParameters
from gnosis.engines.sentiment.stocktwits import retail_score
from gnosis.engines.trailing import History
from gnosis.sessions import schedule, sessions_between, shift_session
from gnosis.tables import TABLES

SESSION = dt.date(2019, 5, 1)
CLOSE = dt.datetime(2019, 5, 1, 20, tzinfo=dt.UTC)
PROCESSORS = {"news": news_flow, "x": x_twitter, "reddit": reddit, "stocktwits": stocktwits}
LEVELS = {"news": "news_level", "x": "x_level", "reddit": "reddit_level", "stocktwits": "stocktwits_level"}
V = {"news": "news_flow_v", "x": "x_twitter_v", "reddit": "reddit_v", "stocktwits": "stocktwits_v"}


def point(as_of=CLOSE):
    return Points.of(pl.DataFrame({"symbol": ["AAA"], "session": [SESSION], "as_of": [as_of]}))


def run(
    texts, documents, source="x", collected=("news", "x", "reddit", "stocktwits"), stored=None, hours=24.0, **given
):
    points = point()
    inputs = SimpleNamespace(
        points=points,
        documents=Documents(points, **texts(documents, **given)),
        collected=collected_at(points, collected),
        stocktwits_hours=np.array([hours]),
    )
    return PROCESSORS[source].process(inputs, History(points, stored), SentimentParameters(), {})


def past(**columns):
    """Return stored rows of as many earlier sessions as the columns have values."""
    n = len(next(iter(columns.values())))
    days = sessions_between(shift_session(SESSION, -n), shift_session(SESSION, -1))
    closes = schedule().filter(pl.col("session").is_in(days))["close_at"]
    return pl.DataFrame({"symbol": "AAA", "session": days, "as_of": closes, **columns})


def codes(result):
    return {code for code, where in result.reasons.items() if where.item()}


def of_source(source, **rest):
    return ({"kind": "article"} if source == "news" else {"source": source}) | rest


@pytest.mark.parametrize("source", list(PROCESSORS))
def test_a_source_that_was_not_collected_is_never_neutral(texts, source):
    result = run(texts, [of_source(source)], source, collected=())
    assert all(np.isnan(np.asarray(values)).all() for values in result.values.values())
    assert result.confidence.item() == 0.0
    assert codes(result) == {"SOURCE_MISSING"}


@pytest.mark.parametrize("source", list(PROCESSORS))
def test_a_collected_source_without_documents_has_no_reading(texts, source):
    result = run(texts, [], source)
    assert np.isnan(result.values[V[source]]).all()
    assert result.confidence.item() == 0.0
    assert codes(result) == {"FEW_DOCUMENTS"}
    counts = [values.item() for name, values in result.values.items() if name.endswith(("_24h", "_documents"))]
    assert counts
    assert set(counts) == {0.0}


@pytest.mark.parametrize("source", list(PROCESSORS))
def test_the_level_stands_in_until_there_is_a_reference_sample(texts, source):
    result = run(texts, [of_source(source, p=(1.0, 0.0, 0.0))], source)
    assert result.values[V[source]].item() == pytest.approx(1 / 6)
    assert result.confidence.item() == pytest.approx(0.5 / 6)
    assert codes(result) == {"FEW_DOCUMENTS", "UNCALIBRATED"}


@pytest.mark.parametrize("source", list(PROCESSORS))
def test_a_reading_is_the_surprise_against_sixty_sessions(texts, source):
    rng = np.random.default_rng(3)
    levels = rng.normal(0.0, 0.1, 60)
    result = run(texts, [of_source(source, p=(1.0, 0.0, 0.0))], source, stored=past(**{LEVELS[source]: levels}))
    z = (1 / 6 - levels.mean()) / levels.std(ddof=1)
    assert result.values[V[source]].item() == pytest.approx(np.tanh(z / 2))
    assert result.confidence.item() == pytest.approx(1 / 6)
    assert codes(result) == {"FEW_DOCUMENTS"}


def test_word_lists_count_half_and_say_so(texts):
    result = run(texts, [{"p": (1.0, 0.0, 0.0)}], scorer="lexicon")
    assert result.confidence.item() == pytest.approx(0.25 / 6)
    assert "SCORER_FALLBACK" in codes(result)


def ranked(share, n=252):
    """Return n values of which a share is below 0 and the rest above."""
    return np.where(np.arange(n) < share * n, -0.5, 0.5)


@pytest.mark.parametrize(
    ("share", "label"),
    [
        (0.0, "very_negative"),
        (0.04, "very_negative"),
        (0.06, "negative"),
        (0.19, "negative"),
        (0.21, "neutral"),
        (0.79, "neutral"),
        (0.81, "positive"),
        (0.94, "positive"),
        (0.96, "very_positive"),
        (1.0, "very_positive"),
    ],
)
def test_every_tone_of_the_news(texts, share, label):
    result = run(texts, [{"kind": "article", "p": (0.4, 0.4, 0.2)}], "news", stored=past(news_level=ranked(share)))
    assert list(REGIMES["news_tone"])[int(result.values["news_tone"].item())].value == label


@pytest.mark.parametrize(
    ("share", "label"),
    [(0.19, "quiet"), (0.21, "normal"), (0.79, "normal"), (0.81, "elevated"), (0.96, "elevated"), (0.98, "viral")],
)
@pytest.mark.parametrize("source", ["x", "reddit", "stocktwits"])
def test_every_label_of_attention(texts, source, share, label):
    counts = np.where(np.arange(252) < share * 252, 1, 3)
    column = "stocktwits_untagged" if source == "stocktwits" else f"{source}_count_24h"
    others = dict.fromkeys(("stocktwits_bull", "stocktwits_bear"), np.zeros(252, int)) if source == "stocktwits" else {}
    result = run(texts, [of_source(source), of_source(source)], source, stored=past(**{column: counts}, **others))
    name = f"{source}_attention"
    assert list(REGIMES[name])[int(result.values[name].item())].value == label


def test_news_counts_items_and_outlets_and_their_dispersion(texts):
    documents = [
        {"kind": "article", "outlet": name, "p": p}
        for name, p in (("a", (1, 0, 0)), ("a", (0, 1, 0)), ("b", (1, 0, 0)))
    ]
    values = run(texts, [*documents, {"kind": "filing", "outlet": "c", "age": 25.0, "p": None}], "news").values
    assert (values["news_count_24h"].item(), values["news_outlets_24h"].item()) == (3, 2)
    assert values["news_dispersion"].item() == pytest.approx(np.sqrt(1 - 1 / 9))


def test_concentration_of_authors(texts):
    sure = (1.0, 0.0, 0.0)
    documents = [{"author": author, "p": sure} for author in ("a", "a", "b", None)]
    assert run(texts, documents).values["x_author_hhi"].item() == pytest.approx(0.5**2 + 2 * 0.25**2)
    assert run(texts, documents[:2]).values["x_author_hhi"].item() == pytest.approx(1.0)


def test_wallstreetbets_score(texts):
    posts = [
        {"source": "reddit", "community": community, "engagement": upvotes, "p": p}
        for community, upvotes, p in (
            ("r/WallStreetBets", 0, (1, 0, 0)),
            ("wallstreetbets", 9, (0, 1, 0)),
            ("stocks", 99, (1, 0, 0)),
        )
    ]
    weight = 1 + np.log(10)
    found = run(texts, posts, "reddit").values["sent_wsb_score"].item()
    assert found == pytest.approx((1 - weight) / (1 + weight + 5))
    assert np.isnan(run(texts, posts[2:], "reddit").values["sent_wsb_score"]).all()


def test_share_of_mentions(texts):
    posts = [{"source": "reddit", "symbol": symbol} for symbol in ("AAA", "BBB", "BBB", "CCC")]
    assert run(texts, posts, "reddit").values["reddit_mention_share"].item() == 0.25


def test_retail_score_of_the_specification(texts):
    tags = ["bullish"] * 8 + ["bearish"] * 2
    for sign, swap in ((1, {}), (-1, {"bullish": "bearish", "bearish": "bullish"})):
        posts = [{"source": "stocktwits", "tag": swap.get(tag, tag), "p": None} for tag in tags]
        result = run(texts, posts, "stocktwits")
        assert result.values["sent_retail_score"].item() == pytest.approx(sign * 0.4)
        assert np.sign(result.values["stocktwits_v"].item()) == sign
    assert retail_score(8, 2).item() == 0.4


def test_posts_are_counted_by_their_tags(texts):
    tags = ["bullish"] * 3 + ["bearish"] * 2 + ["none"] * 4
    values = run(texts, [{"source": "stocktwits", "tag": tag} for tag in tags], "stocktwits").values
    assert [values[f"stocktwits_{kind}"].item() for kind in ("bull", "bear", "untagged")] == [3, 2, 4]


@pytest.mark.parametrize("source", list(PROCESSORS))
def test_the_newest_document_says_since_when_it_is_known(texts, source):
    """A text without a score says nothing, and one that is known after the cut-off is not there."""
    documents = [of_source(source, age=age, p=p) for age, p in ((3.0, (1, 0, 0)), (9.0, (1, 0, 0)), (-1.0, (1, 0, 0)))]
    result = run(texts, [*documents, of_source(source, age=1.0, p=None)], source)
    prefix = V[source].removesuffix("_v")
    newest = CLOSE - dt.timedelta(hours=3)
    assert result.values[f"{prefix}_newest_known_at"].item() == newest.timestamp() * 1e6
    column = columns_of(
        {f"{prefix}_newest_known_at": result.values[f"{prefix}_newest_known_at"]},
        TABLES["engines.sentiment"].polars_schema,
    )
    assert column[f"{prefix}_newest_known_at"].to_list() == [newest]
    assert np.isnan(run(texts, [], source).values[f"{prefix}_newest_known_at"]).all()


def test_retail_score_without_tags(texts):
    assert run(texts, [{"source": "stocktwits"}], "stocktwits").values["sent_retail_score"].item() == 0.0
    assert np.isnan(run(texts, [], "stocktwits").values["sent_retail_score"]).all()


def test_pages_that_end_early_lower_the_confidence(texts):
    posts = [{"source": "stocktwits", "tag": "bullish"}] * 6
    posts = [post | {"author": str(number)} for number, post in enumerate(posts)]
    whole, half = (run(texts, posts, "stocktwits", hours=hours) for hours in (24.0, 12.0))
    assert half.confidence.item() == pytest.approx(whole.confidence.item() / 2)
    assert (whole.values["message_velocity_per_h"].item(), half.values["message_velocity_per_h"].item()) == (0.25, 0.5)
    assert "LOW_COVERAGE" in codes(half)


def test_raising_a_score_raises_the_reading(texts):
    """S2: with the history fixed, level and reading follow the score."""
    stored = past(x_level=np.random.default_rng(1).normal(0.0, 0.1, 60))
    low, high = (
        run(texts, [{"p": p}, {"p": (0.2, 0.6, 0.2)}], stored=stored).values for p in ((0.1, 0.7, 0.2), (0.7, 0.1, 0.2))
    )
    assert high["x_level"].item() > low["x_level"].item()
    assert high["x_twitter_v"].item() > low["x_twitter_v"].item()


def test_texts_published_before_but_known_later_are_invisible(texts):
    late = [{"age": -1.0, "p": (1.0, 0.0, 0.0)}]
    frames = texts(late)
    frames["posts"] = frames["posts"].with_columns(
        ts=pl.lit(CLOSE - dt.timedelta(hours=3)).cast(pl.Datetime("us", "UTC"))
    )
    assert Documents(point(), **frames).window("x").count_24h.item() == 0
