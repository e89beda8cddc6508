"""From posts and news to the rows of engines.document_scores."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest

from gnosis.engines.scoring import LexiconScorer, document_scores, text_hash
from gnosis.tables import TABLES

NOON = dt.datetime(2014, 6, 2, 16, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


class Counting:
    """A scorer that keeps what it was asked and returns what it is told."""

    name = "lexicon"
    content_hash = "abc"

    def __init__(self, row=(0.5, 0.3, 0.2)):
        self.asked: list[str] = []
        self.row = row

    def score(self, texts):
        self.asked += texts
        return np.array([self.row] * len(texts))


def posts(*rows):
    base = {"session": NOON.date(), "source": "x", "symbol": "AAPL", "ts": NOON, "known_at": NOON, "tag": "none"}
    base |= {"text_hash": "given", "provider": "files", "synthetic": False}
    return pl.DataFrame([base | row for row in rows], schema=TABLES["raw.posts"].polars_schema)


def news(*rows):
    base = {"session": NOON.date(), "symbol": "AAPL", "kind": "article", "ts": NOON, "known_at": NOON}
    base |= {"text_hash": "given", "provider": "files", "synthetic": False}
    return pl.DataFrame([base | row for row in rows], schema=TABLES["raw.news"].polars_schema)


EVERYTHING = (
    posts(
        {"post_id": "1", "text": "Sales up 5% https://t.co/a"},
        {"post_id": "1", "text": "Sales up 5% https://t.co/a", "symbol": "MSFT"},
        {"post_id": "2", "text": "SALES up 5% https://t.co/b"},
        {"post_id": "2", "text": "sales up 5%", "source": "reddit"},
        {"post_id": "3", "text": None},
        {"post_id": "4", "text": "https://t.co/c"},
        {"post_id": "5", "text": "Net loss", "session": NOON.date() + dt.timedelta(days=1)},
    ),
    news(
        {"item_id": "1", "text": "Profit fell"},
        {"item_id": "2", "text": "Orders rose", "kind": "earnings_qa", "event_id": "q1", "synthetic": True},
    ),
)


def test_the_rows_are_those_of_the_table():
    found = document_scores(*EVERYTHING, LexiconScorer())
    table = TABLES["engines.document_scores"]
    assert dict(found.schema) == dict(table.polars_schema)
    table.schema.validate(found)
    assert found.equals(found.sort(table.key))
    assert set(found["scorer"]) == {"lexicon"} and found["scorer_hash"].unique().item() == LexiconScorer().content_hash
    rows = {(r["source"], r["doc_id"]): r for r in found.iter_rows(named=True)}
    assert set(rows) == {("x", "1"), ("x", "2"), ("reddit", "2"), ("x", "5"), ("news", "1"), ("news", "2")}
    assert rows["news", "2"]["kind"] == "earnings_qa" and rows["news", "2"]["synthetic"]
    assert rows["x", "1"]["kind"] == "post" and rows["x", "1"]["p_pos"] == 0.625
    assert rows["news", "1"]["p_neg"] == 0.625
    assert rows["x", "1"]["text_hash"] == text_hash("sales up 5%")


def test_equal_texts_are_scored_once():
    scorer = Counting()
    found = document_scores(*EVERYTHING, scorer)
    assert sorted(scorer.asked) == ["net loss", "orders rose", "profit fell", "sales up 5%"]
    assert found.height == 6 and found["p_pos"].unique().to_list() == [0.5]


def test_the_order_of_rows_changes_nothing():
    expected = document_scores(*EVERYTHING, LexiconScorer())
    shuffled = [frame.sample(fraction=1, shuffle=True, seed=3) for frame in EVERYTHING]
    assert document_scores(*shuffled, LexiconScorer()).equals(expected)


def test_a_document_is_known_when_its_last_text_was_first_known():
    versions = posts(
        {"post_id": "1", "text": "Sales fell"},
        {"post_id": "1", "text": "Sales rose", "symbol": "B", "known_at": NOON + HOUR, "ts": NOON + HOUR},
        {"post_id": "1", "text": "Sales rose", "symbol": "C", "known_at": NOON + 2 * HOUR, "provider": "other"},
    )
    (row,) = document_scores(versions, news(), LexiconScorer()).iter_rows(named=True)
    assert row["p_pos"] > row["p_neg"]
    assert (row["known_at"], row["ts"], row["provider"]) == (NOON + HOUR, NOON + HOUR, "files")


def test_what_comes_in_later_changes_no_earlier_session():
    first, later = posts({"post_id": "1", "text": "Sales rose"}), {"post_id": "1", "text": "Sales fell"}
    expected = document_scores(first, news(), LexiconScorer())
    poisoned = posts(later | {"session": NOON.date() + dt.timedelta(days=1), "known_at": NOON + 24 * HOUR})
    found = document_scores(pl.concat([first, poisoned]), news(), LexiconScorer())
    assert found.filter(pl.col("session") == NOON.date()).equals(expected)


def test_nothing_in_nothing_out():
    scorer = Counting()
    found = document_scores(posts(), news({"item_id": "1", "text": None}), scorer)
    assert found.is_empty() and scorer.asked == []
    assert dict(found.schema) == dict(TABLES["engines.document_scores"].polars_schema)


@pytest.mark.parametrize("row", [(0.5, 0.3, 0.3), (1.1, -0.1, 0.0), (np.nan, 0.5, 0.5), (0.5, 0.5)])
def test_a_scorer_without_probabilities_is_refused(row):
    with pytest.raises(ValueError, match="scorer lexicon: expected probabilities"):
        document_scores(posts({"post_id": "1", "text": "a b c"}), news(), Counting(row))


def test_a_frame_of_another_table_is_refused():
    with pytest.raises(ValueError, match=r"raw\.news: expected"):
        document_scores(posts(), posts(), LexiconScorer())
