"""What the rules make of sentences of every kind. The sentences are our own."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnosis.engines.scoring import LexiconScorer, normalise, probabilities
from gnosis.engines.scoring.evidence import Evidence, evidence
from gnosis.engines.scoring.tokens import sentences
from gnosis.engines.scoring.vocabulary import _LISTS, Part, vocabulary

WORDS = vocabulary()
SCORER = LexiconScorer()
POSITIVE = [
    "Operating profit rose to EUR 13.1 mn from EUR 8.7 mn",
    "Operating profit was EUR 13.1 mn, compared to EUR 8.7 mn a year earlier",
    "The operating margin was 8.2 % ( 6.9 % )",
    "Net sales were EUR 1.2 bn (EUR 950 mn)",
    "The operating loss narrowed to $3 million",
    "A profit of EUR 2 mn, compared with a loss of EUR 1 mn in 2008",
    "The company swung from a loss to a profit",
    "The yard went from a loss of EUR 2.1 mn in 2008 to a profit of EUR 1 mn",
    "The mill turned from loss into profit",
    "Sales grew from 210 mn to 260 mn",
    "Costs fell 4 percent",
    "Lower raw material costs",
    "The company cut its debt",
    "Foundry wins contract for twelve cranes",
    "Record earnings",
    "Shares jumped",
    "Broker upgrades the bank",
    "Demand did not fall; it rose",
]
NEGATIVE = [
    "Operating profit fell to EUR 8.7 mn from EUR 13.1 mn",
    "Operating profit was EUR 8.7 mn, compared to EUR 13.1 mn a year earlier",
    "The operating margin was 6.9 % ( 8.2 % )",
    "Net sales were EUR 950 mn (EUR 1.2 bn)",
    "The operating loss widened to $3 million",
    "A loss of EUR 1 mn, compared with a profit of EUR 2 mn in 2008",
    "The result turned from a profit to a loss",
    "The bank slipped into loss",
    "Sales shrank from 260 mn to 210 mn",
    "Costs rose 4 percent",
    "The miller posted a net loss",
    "The plant will lay off 40 people",
    "Profit warning from the shipyard",
    "Record fine",
    "Strong competition",
    "Carmaker recalls 2,700 cars",
    "Broker downgrades the bank",
    "Sales did not grow",
]
NEUTRAL = [
    "The company makes pumps in Tampere",
    "The value of the deal was not disclosed",
    "The annual general meeting is on 28 March 2010",
    "The fund's holding fell below 5 %",
    "The share capital was increased by 2,000 shares",
    "The system helps customers to reduce costs",
    "Employs up to 300 people",
    "Net sales were EUR 120 mn in 2008",
    "",
]


def label(text: str) -> str:
    p_pos, p_neg, p_neu = SCORER.score([text])[0]
    return "neutral" if p_neu >= max(p_pos, p_neg) else "positive" if p_pos > p_neg else "negative"


@pytest.mark.parametrize("text", POSITIVE)
def test_good_news(text):
    assert label(text) == "positive"


@pytest.mark.parametrize("text", NEGATIVE)
def test_bad_news(text):
    assert label(text) == "negative"


@pytest.mark.parametrize("text", NEUTRAL)
def test_no_news(text):
    assert label(text) == "neutral"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("profit rose", Evidence(4, 0, 1)),
        ("profit rose. profit rose.", Evidence(8, 0, 1)),
        ("profit rose but costs rose", Evidence(4, 4, 1)),
        ("profit rose, though the loss did not narrow", Evidence(4, 2, 1)),
        ("the company aims to increase sales", Evidence(1, 0, 1)),
        ("the company plans to cut jobs", Evidence(0, 4, 1)),
        ("rose", Evidence(2, 0, 1)),
        ("up 5%", Evidence(2, 0, 1)),
        ("profit of 5 mn vs 4 mn", Evidence(3, 0, 1)),
        ("profit of 5 mn vs 4 %", Evidence(0, 0, 1.5)),
        ("from a loss to a profit", Evidence(3, 0, 1)),
        ("from a loss, to a profit", Evidence(3, 0, 1)),
        ("from a loss; to a profit", Evidence(0, 2, 1)),
        ("from a loss with profit", Evidence(0, 2, 1)),
        ("time lost from delays to deliveries", Evidence(0, 2, 1)),
        ("profit in 2009 compared to 2008", Evidence(0, 0, 1.5)),
        ("one. two. three.", Evidence(0, 0, 2.5)),
        ("", Evidence(0, 0, 1)),
    ],
)
def test_tokens_are_counted_as_documented(text, expected):
    assert evidence(text, WORDS) == pytest.approx(expected)


def test_an_amount_without_a_unit_has_that_of_the_other():
    for text in ("sales of eur 13.1 mn (8.7)", "sales of eur 1,310 mn (1,100)", "sales of eur 1.2 mn (950,000)"):
        assert evidence(text, WORDS).positive == 3


def test_a_long_row_of_digits_is_no_amount():
    assert evidence(f"sales of {'9' * 400} mn compared to {'9' * 400}.5 mn", WORDS) == Evidence(0, 0, 1.5)


def test_every_word_is_in_one_list_and_can_be_found():
    listed = [
        " ".join(entry.split())
        for _, _, words, phrases in _LISTS
        for entry in (*words.split(), *(phrase for phrase in phrases.split(";") if phrase.strip()))
    ]
    assert sorted(set(listed)) == sorted(listed)
    for entry in listed:
        (found,) = sentences(entry, WORDS)
        part, value = WORDS.entries[entry]
        assert [(t.part, t.value) for t in found] == ([] if part is Part.VOID else [(part, value)]), entry


def test_probabilities_are_smooth_in_the_counts():
    counts = np.array([[n, 1.0, 1.0] for n in range(40)])
    p = probabilities(counts)
    assert np.allclose(p, (counts + 1) / (counts.sum(axis=1, keepdims=True) + 3))
    logits = np.log(counts + 1)
    assert np.allclose(p, np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True))
    assert (np.diff(p[:, 0]) > 0).all() and (p[:, 0] < 1).all()


def test_further_words_count_and_change_the_hash():
    more = LexiconScorer(positive=["SPLENDOUR"], negative=["PROFIT", "MURK"])
    assert more.content_hash != SCORER.content_hash == LexiconScorer().content_hash
    plain, better, worse = more.score(["murmur", "splendour", "murk"])
    assert better[0] > plain[0] and worse[1] > plain[1]
    assert (more.score(["profit rose"]) == SCORER.score(["profit rose"])).all()


TEXTS = st.lists(
    st.one_of(st.sampled_from([*POSITIVE, *NEGATIVE, *NEUTRAL, "not", "(", "from", "5 mn", "%"]), st.text(max_size=20)),
    max_size=4,
).map(" ".join)


@settings(max_examples=150, deadline=None)
@given(st.lists(TEXTS, max_size=5), st.randoms(use_true_random=False))
def test_any_text_has_probabilities_of_its_own(texts, random):
    p = SCORER.score(texts)
    assert p.shape == (len(texts), 3) and (p > 0).all() and np.allclose(p.sum(axis=1), 1)
    order = random.sample(range(len(texts)), len(texts))
    assert (SCORER.score([texts[k] for k in order]) == p[order]).all()
    assert (
        SCORER.score([normalise(text) for text in texts]) == SCORER.score([text.upper().lower() for text in texts])
    ).all()
