"""Documents: weights, de-duplication, author cap, and what a point may see of them (2.8; S2-S4, S7, C1-C4, C7, C8)."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnosis.engines.document_weights import certainty, information_confidence, shrunk
from gnosis.engines.documents import Documents
from gnosis.engines.points import Points
from gnosis.sessions import schedule

SESSION = dt.date(2019, 5, 1)
CLOSE = dt.datetime(2019, 5, 1, 20, tzinfo=dt.UTC)
SURE_POSITIVE, SURE_NEGATIVE = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0)
MICROSECOND = 1 / 3.6e9
"""In hours."""
LONG = "the company reports earnings far above what analysts had expected this quarter"


def point(as_of=CLOSE, symbols=("AAA",)):
    days = schedule().filter(pl.col("close_at") >= as_of)["session"][0]
    return Points.of(
        pl.DataFrame({"symbol": symbols, "session": [days] * len(symbols), "as_of": [as_of] * len(symbols)})
    )


def window(texts, documents, stream="x", as_of=CLOSE, **settings_of_texts):
    return Documents(point(as_of), **texts(documents, **settings_of_texts)).window(stream)


def level(found):
    return shrunk(found.mean, found.mass).item()


def test_confidence_of_a_document():
    found = certainty([0.7, 1.0, 1 / 3, 0.5], [0.1, 0.0, 1 / 3, 0.5], [0.2, 0.0, 1 / 3, 0.0])
    assert found == pytest.approx([0.2701533008, 1.0, 0.0, 0.3690702464], abs=1e-10)


def test_entropy_of_the_published_probabilities():
    p = np.array([0.7, 0.1, 0.2])
    assert -(p * np.log(p)).sum() == pytest.approx(0.8018185525, abs=1e-10)


@pytest.mark.parametrize("stream", ["x", "news"])
def test_two_documents_one_half_life_apart(texts, stream):
    half_life, kind = (6.0, {}) if stream == "x" else (24.0, {"kind": "article"})
    documents = [{"p": SURE_POSITIVE} | kind, {"p": SURE_NEGATIVE, "age": half_life} | kind]
    found = window(texts, documents, stream)
    assert found.mean.item() == pytest.approx(1 / 3, abs=1e-12)
    assert found.mass.item() == pytest.approx(1.5, abs=1e-12)
    assert level(found) == pytest.approx(0.0769230769, abs=1e-10)
    assert information_confidence(found.mass, found.model_mass).item() == pytest.approx(0.2307692308, abs=1e-10)


def test_weight_halves_with_the_half_life_and_ends_after_ten(texts):
    masses = [window(texts, [{"p": SURE_POSITIVE, "age": age}]).mass.item() for age in (0.0, 6.0, 60.0, 60.01)]
    assert masses == pytest.approx([1.0, 0.5, 2.0**-10, 0.0], abs=1e-12)


def test_age_counts_from_the_instant_at_which_the_text_was_known(texts):
    frames = texts([{"p": SURE_POSITIVE, "age": 0.0}])
    frames["posts"] = frames["posts"].with_columns(ts=pl.col("ts") - dt.timedelta(hours=6))
    assert Documents(point(), **frames).window("x").mass.item() == 1.0


@pytest.mark.parametrize(
    ("text", "counted"),
    [
        (LONG, 1),
        (LONG.upper() + " http://t.co/xyz $AAA", 1),
        ("RT @user: " + LONG, 1),
        ("the merger of both banks was called off this morning by regulators", 2),
    ],
)
def test_similar_texts_count_once(texts, text, counted):
    found = window(texts, [{"age": 3.0, "text": LONG}, {"age": 1.0, "text": text}])
    assert found.n_documents.item() == counted


def test_similar_texts_more_than_two_days_apart_are_two(texts):
    assert window(texts, [{"age": 50.0, "text": LONG}, {"text": LONG}]).n_documents.item() == 2
    assert (
        window(texts, [{"age": 50.0, "text": LONG, "hash": "a"}, {"text": LONG, "hash": "a"}]).n_documents.item() == 1
    )


def test_similar_texts_two_days_apart_to_the_microsecond_are_one(texts):
    for age, counted in ((48.0, 1), (48.0 + MICROSECOND, 2)):
        assert window(texts, [{"age": age, "text": LONG}, {"text": LONG}]).n_documents.item() == counted


def test_the_earliest_copy_counts(texts):
    copies = [{"age": age, "hash": "same"} for age in (1.0, 6.0, 2.0)]
    once = window(texts, [copies[1]])
    found = window(texts, copies)
    assert found.mass.item() == once.mass.item()
    assert found.count_24h.item() == 1


def test_texts_of_other_symbols_and_sources_are_not_copies(texts):
    documents = [{"hash": "same"}, {"hash": "same", "source": "reddit"}, {"hash": "same", "symbol": "BBB"}]
    found = Documents(point(symbols=("AAA", "BBB")), **texts(documents))
    assert found.window("x").n_documents.tolist() == [1, 1]
    assert found.window("reddit").n_documents.tolist() == [1, 0]


def test_without_a_text_only_the_hash_makes_a_copy(texts):
    assert window(texts, [{"text": None}, {"text": None}, {"text": None, "hash": "hash 0"}]).n_documents.item() == 2


def test_three_posts_of_an_author_count_in_a_day(texts):
    ages = [1.0, 2.0, 3.0, 4.0, 5.0]
    found = window(texts, [{"age": age, "author": "a", "p": SURE_POSITIVE} for age in ages])
    assert found.n_documents.item() == 3
    assert found.mass.item() == pytest.approx(sum(2 ** (-age / 6) for age in ages[:3]))
    assert window(texts, [{"age": age, "author": str(age)} for age in ages]).n_documents.item() == 5
    assert window(texts, [{"age": age, "author": None} for age in ages]).n_documents.item() == 5
    assert window(texts, [{"age": age, "author": "a"} for age in (1.0, 2.0, 3.0, 25.0)]).n_documents.item() == 4


def test_the_day_of_an_author_ends_at_four_in_new_york(texts):
    later = CLOSE + dt.timedelta(days=1)
    for age, counted in ((0.0, 3), (-MICROSECOND, 4)):
        posts = [{"age": age, "author": "a"} for age in (1.0, 2.0, 3.0, age)]
        assert window(texts, posts, as_of=later).n_documents.item() == counted


def test_the_strongest_posts_of_an_author_count(texts):
    weak, strong = (0.4, 0.3, 0.3), (0.95, 0.03, 0.02)
    documents = [{"age": 1.0 + number, "author": "a", "p": weak} for number in range(3)]
    documents.append({"age": 5.0, "author": "a", "p": strong})
    expected = certainty(*strong) * 2 ** (-5 / 6) + certainty(*weak) * (2 ** (-1 / 6) + 2 ** (-2 / 6))
    assert window(texts, documents).mass.item() == pytest.approx(expected.item())


def test_a_later_post_displaces_only_from_then_on(texts):
    documents = [{"age": 9.0 - number, "author": "a", "p": SURE_POSITIVE} for number in range(3)]
    later = [*documents, {"age": 1.0, "author": "a", "p": SURE_POSITIVE}]
    before = CLOSE - dt.timedelta(hours=2)
    assert window(texts, later, as_of=before).mass.item() == window(texts, documents, as_of=before).mass.item()
    assert window(texts, later).n_documents.item() == 3


def test_posts_that_name_many_symbols_or_say_little_are_dropped(texts):
    many = [{"id": "p", "symbol": f"S{number}", "hash": "p"} for number in range(5)] + [{"id": "p", "hash": "p"}]
    assert window(texts, many).n_documents.item() == 0
    assert window(texts, many[1:]).n_documents.item() == 1
    assert window(texts, [{"text": "$A $B $C $D $E $F all rise today"}]).n_documents.item() == 0
    assert window(texts, [{"text": "$AAA up http://t.co/abc"}]).n_documents.item() == 0
    assert window(texts, [{"text": "$AAA up"}]).n_documents.item() == 0
    assert window(texts, [{"text": "short", "kind": "article"}], "news").n_documents.item() == 1


def test_symbols_that_a_post_came_to_name_later_do_not_drop_it(texts):
    first = {"id": "p", "hash": "p", "age": 6.0}
    named = [{"id": "p", "hash": "p", "age": 3.0, "symbol": f"S{number}"} for number in range(5)]
    again = first | {"age": 1.0, "engagement": 9}
    assert window(texts, [first, *named, again], as_of=CLOSE - dt.timedelta(hours=4)).n_documents.item() == 1
    assert window(texts, [first, *named, again]).n_documents.item() == 1
    assert window(texts, [first | {"age": 2.0}, *named, again]).n_documents.item() == 0


def test_engagement_weighs_posts_but_not_news(texts):
    documents = [{"p": SURE_POSITIVE, "engagement": 9}, {"p": SURE_NEGATIVE}]
    weight = 1 + np.log(10)
    assert window(texts, documents).mean.item() == pytest.approx((weight - 1) / (weight + 1))
    news = [document | {"kind": "article"} for document in documents]
    assert window(texts, news, "news").mean.item() == pytest.approx(0.0)


def test_a_document_without_a_score_counts_among_posts_only(texts):
    found = window(texts, [{"p": None}, {}])
    assert (found.n_documents.item(), found.count_24h.item()) == (1, 2)


def test_a_score_counts_from_when_it_is_known_and_the_last_one_decides(texts):
    frames = texts([{"age": 6.0, "p": SURE_POSITIVE}])
    rescored = frames["scores"].with_columns(
        known_at=pl.lit(CLOSE - dt.timedelta(hours=2)).cast(pl.Datetime("us", "UTC")),
        p_pos=pl.lit(0.0),
        p_neg=pl.lit(1.0),
    )
    both = frames | {"scores": pl.concat([frames["scores"], rescored])}
    late = frames | {"scores": rescored}
    hours = {hour: point(CLOSE - dt.timedelta(hours=hour)) for hour in (0, 3)}
    assert [Documents(hours[hour], **both).window("x").mean.item() for hour in (3, 0)] == [1.0, -1.0]
    assert [Documents(hours[hour], **late).window("x").n_documents.item() for hour in (3, 0)] == [0, 1]
    assert Documents(hours[0], **late).window("x").mass.item() == 0.5


def test_a_later_version_of_a_post_changes_only_what_follows(texts):
    frames = texts([{"age": 6.0, "id": "p", "hash": "h"}, {"age": 1.0, "id": "p", "hash": "h", "engagement": 99}])
    early = CLOSE - dt.timedelta(hours=3)
    first = frames | {"posts": frames["posts"].filter(pl.col("engagement") == 0)}
    assert Documents(point(early), **frames).window("x").weight == Documents(point(early), **first).window("x").weight
    found = Documents(point(), **frames).window("x")
    assert found.n_documents.item() == 1
    assert found.weight.item() == pytest.approx(5.0 * found.mass.item())


def test_a_day_ends_after_its_last_microsecond(texts):
    for age, counted in ((24.0, 1), (24.0 + MICROSECOND, 0)):
        found = Documents(point(), **texts([{"age": age, "source": "reddit"}]))
        assert found.window("reddit").count_24h.item() == found.mentions_24h("reddit").item() == counted


NEXT_CLOSE = CLOSE + dt.timedelta(days=1)


@pytest.mark.parametrize("late_by", [dt.timedelta(), dt.timedelta(hours=3), dt.timedelta(days=2)])
def test_a_late_bar_adds_no_text_of_a_later_session(texts, late_by):
    """A night reads the texts of its session and earlier ones; a backfill has the later ones beside them."""
    own = [{"age": 1.0, "source": "reddit", "author": "a"}, {"age": 5.0, "source": "reddit", "p": SURE_NEGATIVE}]
    later = [{"age": age, "source": "reddit", "author": "a", "p": SURE_POSITIVE} for age in (-0.1, -1.0, -2.0, -3.0)]
    again = own[0] | {"id": "d0", "hash": "hash 0", "age": -1.5, "engagement": 900}
    frames, whole = texts(own), texts([*own, *later, again])
    points = Points.of(point().frame.with_columns(as_of=pl.lit(CLOSE + late_by).cast(pl.Datetime("us", "UTC"))))
    punctual = Documents(point(), **frames)
    for given_frames in (frames, whole):
        found = Documents(points, **given_frames)
        for name, values in vars(found.window("reddit")).items():
            assert values == pytest.approx(getattr(punctual.window("reddit"), name), nan_ok=True), name
        assert found.mentions_24h("reddit").item() == 2


def test_a_text_is_of_its_session_though_it_was_known_before_the_close_of_the_one_before(texts):
    """On the day before an early close a text of 24 hours may belong to the next session already."""
    frames = texts([{"age": 1.0}])
    next_session = frames["posts"].with_columns(session=pl.lit(NEXT_CLOSE.date()))
    for posts, counted in ((frames["posts"], 1), (next_session, 0)):
        for late_by in (0, 3):
            at = pl.lit(CLOSE + dt.timedelta(hours=late_by)).cast(pl.Datetime("us", "UTC"))
            points = Points.of(point().frame.with_columns(as_of=at))
            assert Documents(points, posts, None, frames["scores"]).window("x").count_24h.item() == counted
    found = Documents(point(NEXT_CLOSE), next_session, None, frames["scores"]).window("x")
    # Its age counts from the instant at which it was known.
    assert (found.n_documents.item(), found.count_24h.item()) == (1, 0)
    assert found.mass.item() == pytest.approx(certainty(0.7, 0.1, 0.2) * 2 ** (-25 / 6))


def test_mentions_count_every_symbol(texts):
    documents = [{"source": "reddit", "symbol": f"S{number}"} for number in range(3)]
    documents += [{"source": "reddit"}, {"source": "reddit", "age": 25.0}, {"source": "reddit", "hash": "hash 3"}]
    assert Documents(point(), **texts(documents)).mentions_24h("reddit").item() == 4


# Properties on random collections of posts.

POST = st.fixed_dictionaries(
    {
        "age": st.floats(-5.0, 70.0).map(lambda age: round(age, 2)),
        "p": st.sampled_from([(0.7, 0.1, 0.2), (0.1, 0.8, 0.1), (0.95, 0.03, 0.02), (0.34, 0.33, 0.33), None]),
        "author": st.sampled_from(["a", "b", None]),
        "engagement": st.integers(0, 200),
        "scorer": st.sampled_from(["finbert", "lexicon"]),
        "symbol": st.sampled_from(["AAA", "BBB"]),
        "text": st.sampled_from([None, LONG, LONG + " again", "short", "nothing new on this quiet trading day"]),
    }
)
POSTS = st.lists(POST, max_size=14).map(lambda rows: [row | {"id": f"p{i}"} for i, row in enumerate(rows)])


def sums(documents, symbols=("AAA", "BBB"), as_of=CLOSE):
    found = Documents(point(as_of, symbols), **documents).window("x")
    return np.stack([getattr(found, name) for name in type(found).__dataclass_fields__])


@settings(max_examples=15, deadline=None)
@given(POSTS, st.randoms(use_true_random=False))
def test_rows_known_later_order_and_repeated_delivery_change_nothing(texts, documents, random):
    frames = texts(documents)
    expected = sums(frames)
    known = {name: frame.filter(pl.col("known_at") <= CLOSE) for name, frame in frames.items()}
    assert np.array_equal(expected, sums(known), equal_nan=True)
    shuffled = {
        name: pl.concat([frame, frame]).sample(fraction=1.0, shuffle=True, seed=random.randrange(99))
        for name, frame in frames.items()
    }
    assert np.array_equal(expected, sums(shuffled), equal_nan=True)
    alone = [sums(frames, (symbol,)) for symbol in ("AAA", "BBB")]
    assert np.array_equal(expected, np.concatenate(alone, axis=1), equal_nan=True)


@settings(max_examples=20, deadline=None)
@given(POSTS, st.data())
def test_leaving_documents_out_never_raises_confidence(texts, documents, data):
    # The unit of deletion is the document after de-duplication: here every text is its own.
    documents = [row | {"text": None} for row in documents]
    kept = [row for row in documents if data.draw(st.booleans())]

    def confidences(rows):
        found = Documents(point(symbols=("AAA", "BBB")), **texts(rows)).window("x")
        return information_confidence(found.mass, found.model_mass)

    assert (confidences(kept) <= confidences(documents) + 1e-12).all()


@settings(max_examples=15, deadline=None)
@given(POSTS, st.integers(0, 13))
def test_raising_a_score_never_lowers_the_level(texts, documents, which):
    # At a fixed confidence: both signs of one certainty are (p, q, r) and (q, p, r).
    documents = [row | {"text": None, "p": row["p"] or (0.2, 0.6, 0.2)} for row in documents]
    if which >= len(documents):
        return
    p_pos, p_neg, p_neu = documents[which]["p"]
    low, high = (min(p_pos, p_neg), max(p_pos, p_neg), p_neu), (max(p_pos, p_neg), min(p_pos, p_neg), p_neu)
    levels = []
    for p in (low, high):
        changed = [row | ({"p": p} if number == which else {}) for number, row in enumerate(documents)]
        found = Documents(point(symbols=("AAA", "BBB")), **texts(changed)).window("x")
        levels.append(np.nan_to_num(shrunk(found.mean, found.mass)))
    assert (levels[1] >= levels[0] - 1e-12).all()


@settings(max_examples=15, deadline=None)
@given(POSTS, st.floats(0.0, 70.0), st.floats(0.0, 70.0))
def test_without_new_documents_the_level_decays(texts, documents, first, second):
    frames = texts([row | {"age": abs(row["age"])} for row in documents])
    instants = [CLOSE + dt.timedelta(hours=hours) for hours in sorted((first, second))]
    levels = []
    for instant in instants:
        found = Documents(point(instant, ("AAA", "BBB")), **frames).window("x")
        levels.append(np.abs(np.nan_to_num(shrunk(found.mean, found.mass))))
    assert (levels[1] <= levels[0] + 0.002).all()


def test_a_text_delivered_by_two_collections_reads_the_same(texts):
    documents = [{"age": age, "text": f"{LONG} {age}" * 2, "hash": str(age)} for age in (1.0, 5.0, 9.0)]
    again = [row | {"age": row["age"] - 0.5, "id": f"again {row['age']}"} for row in documents]
    assert np.array_equal(sums(texts(documents)), sums(texts(documents + again)), equal_nan=True)
