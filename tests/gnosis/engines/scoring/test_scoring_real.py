"""The lexicon on labelled sentences: what docs/scoring.md prints is what is measured."""

from __future__ import annotations

import csv
import gzip
import json
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from statistics import fmean

import numpy as np
import polars as pl
import pytest

from gnosis.engines.scoring import LexiconScorer, normalise

pytestmark = pytest.mark.real_data
DOCS = Path(__file__).resolve().parents[4] / "docs" / "scoring.md"
NEGATIVE, NEUTRAL, POSITIVE = 0, 1, 2
NEUTRAL_SCORE = 0.1


def phrasebank(folder: Path) -> tuple[list[str], list[int]]:
    with gzip.open(folder / "financial_phrasebank_allagree.csv.gz", "rt", encoding="latin-1", newline="") as lines:
        rows = list(csv.reader(lines))[1:]
    return [row[1] for row in rows], [int(row[2]) for row in rows]


def labelled(scores: Iterable[tuple[str, float]]) -> tuple[list[str], list[int]]:
    by_text = defaultdict(list)
    for text, score in scores:
        by_text[text].append(score)
    means = [fmean(found) for found in by_text.values()]
    return list(by_text), [1 + (mean > NEUTRAL_SCORE) - (mean < -NEUTRAL_SCORE) for mean in means]


def headlines(folder: Path) -> tuple[list[str], list[int]]:
    rows = json.loads(gzip.decompress((folder / "SemEval2017Task5Headlines.json.gz").read_bytes()))
    return labelled((row["title"], row["sentiment"]) for row in rows)


def fiqa(folder: Path) -> tuple[list[str], list[int]]:
    rows = json.loads(gzip.decompress((folder / "FiQA_post.json.gz").read_bytes())).values()
    return labelled((row["sentence"], float(info["sentiment_score"])) for row in rows for info in row["info"])


SETS = {
    "Financial PhraseBank, all agree": phrasebank,
    "SemEval-2017 headlines (development)": headlines,
    "FiQA posts (development)": fiqa,
}


def measured(texts: list[str], labels: list[int]) -> list[float]:
    """Return accuracy, share of the majority class, macro-F1, its three F1, and the share of good and bad missed."""
    truth = np.array(labels)
    p_pos, p_neg, p_neu = LexiconScorer().score(texts).T
    is_positive, is_negative = p_pos > np.maximum(p_neg, p_neu), p_neg > np.maximum(p_pos, p_neu)
    found = np.where(is_positive, POSITIVE, np.where(is_negative, NEGATIVE, NEUTRAL))
    f1 = [
        2 * float(((found == k) & (truth == k)).sum()) / float((found == k).sum() + (truth == k).sum())
        for k in (NEGATIVE, NEUTRAL, POSITIVE)
    ]
    majority = float(np.bincount(truth).max() / len(truth))
    return [
        float((found == truth).mean()),
        majority,
        fmean(f1),
        *f1,
        float((found[truth != NEUTRAL] == NEUTRAL).mean()),
    ]


def documented(name: str) -> tuple[int, list[float]]:
    line = re.search(rf"^\| {re.escape(name)} \|(.*)\|$", DOCS.read_text(encoding="utf-8"), re.MULTILINE)
    assert line is not None
    n, *figures = line[1].split("|")
    return int(n), [float(figure) for figure in figures]


@pytest.mark.parametrize("name", SETS)
def test_the_documented_figures_are_the_measured_ones(shared_data, name):
    texts, labels = SETS[name](shared_data / "sentiment")
    n, figures = documented(name)
    assert len(texts) == n
    assert [round(figure, 3) for figure in measured(texts, labels)] == figures


def test_the_lexicon_beats_the_bar_on_sentences_that_it_was_not_made_on(shared_data):
    accuracy, majority, macro_f1, *_ = measured(*phrasebank(shared_data / "sentiment"))
    assert macro_f1 > 0.70
    assert accuracy > majority > 0.571


def test_every_tweet_has_a_score_and_copies_have_the_same(shared_data):
    tweets = pl.read_parquet(shared_data / "sentiment" / "stocknet_tweets_6tickers_2014_2016.parquet")["text"]
    texts = tweets.unique(maintain_order=True).head(3000).to_list()
    p = LexiconScorer().score(texts)
    assert np.isfinite(p).all() and np.allclose(p.sum(axis=1), 1)
    assert (LexiconScorer().score([normalise(text) for text in texts]) == p).all()
