"""Tone of earnings calls against earlier ones (5.5)."""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from gnosis.engines.documents import Documents
from gnosis.engines.points import Points
from gnosis.engines.regimes import EarningsTone
from gnosis.engines.sentiment import earnings_tone
from gnosis.engines.sentiment.inputs import collected_at
from gnosis.engines.sentiment.parameters import SentimentParameters
from gnosis.engines.trailing import History
from gnosis.sessions import schedule, shift_session

SESSION = dt.date(2019, 5, 1)
CLOSE = dt.datetime(2019, 5, 1, 20, tzinfo=dt.UTC)
DAY = 24.0


def section(kind, quarter, score, **rest):
    """Return a section of the call ``quarter`` quarters before the last one, with a confident score."""
    p = ((1 + score) / 2, (1 - score) / 2, 0.0)
    return {"kind": f"earnings_{kind}", "event": f"q{quarter}", "age": quarter * 91 * DAY, "p": p} | rest


def calls(scores, **last):
    """Return both sections of calls, the last call first."""
    found = []
    for quarter, score in enumerate(scores):
        rest = last if quarter == 0 else {}
        found += [section("prepared", quarter, score, **rest), section("qa", quarter, score, **rest)]
    return found


def run(texts, documents, collected=("news",), as_of=CLOSE, **given):
    points = Points.of(pl.DataFrame({"symbol": ["AAA"], "session": [SESSION], "as_of": [as_of]}))
    inputs = SimpleNamespace(
        points=points,
        documents=Documents(points, **texts(documents, **given)),
        collected=collected_at(points, collected),
    )
    result = earnings_tone.process(inputs, History(points), SentimentParameters(), {})
    values = {name: np.asarray(part).item() for name, part in result.values.items()}
    return values, result.confidence.item(), {code for code, where in result.reasons.items() if where.item()}


def test_surprise_and_reading(texts):
    values, confidence, reasons = run(texts, calls([0.8, 0.2, 0.4, 0.3, 0.1], age=20 * DAY))
    priors = np.array([0.2, 0.4, 0.3, 0.1])
    z = (0.8 - priors.mean()) / priors.std(ddof=1)
    assert values["tone_prepared"] == pytest.approx(0.8)
    assert values["tone_gap"] == pytest.approx(0.0)
    assert values["tone_surprise_z"] == pytest.approx(z)
    assert values["earnings_tone_v"] == pytest.approx(np.tanh(z / 2) / 2)
    assert values["earnings_tone_n_documents"] == 2
    assert confidence == pytest.approx(0.5)
    assert reasons == {"FEW_DOCUMENTS"}


def test_sections_are_means_weighted_by_confidence(texts):
    more = section("qa", 0, 0.0, p=(0.7, 0.1, 0.2))
    values, *_ = run(texts, [*calls([0.9, 0.2, 0.3]), more])
    sure, unsure = 1 - -(0.95 * np.log(0.95) + 0.05 * np.log(0.05)) / np.log(3), 0.2701533008
    assert values["tone_qa"] == pytest.approx((0.9 * sure + 0.6 * unsure) / (sure + unsure))


@pytest.mark.parametrize(
    ("last", "label"), [(0.2, EarningsTone.STABLE), (-0.4, EarningsTone.DETERIORATING), (0.8, EarningsTone.IMPROVING)]
)
def test_every_label(texts, last, label):
    values, *_ = run(texts, calls([last, 0.1, 0.3, 0.2]))
    assert list(EarningsTone)[int(values["earnings_tone"])] == label


@pytest.mark.parametrize(
    ("last", "label"),
    [
        (0.5, EarningsTone.IMPROVING),
        (0.499, EarningsTone.STABLE),
        (-0.499, EarningsTone.STABLE),
        (-0.5, EarningsTone.DETERIORATING),
    ],
)
def test_a_surprise_of_one_is_a_change(texts, last, label):
    values, *_ = run(texts, calls([last, 0.5, 0.0, -0.5]))
    assert values["tone_surprise_z"] == pytest.approx(2 * last)
    assert list(EarningsTone)[int(values["earnings_tone"])] == label


@pytest.mark.parametrize(("hours", "priors"), [(0.0, 1), (-1.0, 2)])
def test_prior_calls_are_those_of_400_sessions(texts, hours, priors):
    edge = schedule().filter(pl.col("session") == shift_session(SESSION, -400))["close_at"].item()
    age = (CLOSE - edge) / dt.timedelta(hours=1) + hours
    far = [row | {"age": age} for row in calls([0, 0, 0.4])[4:]]
    assert np.isnan(run(texts, calls([0.5, 0.2]) + far)[0]["tone_surprise_z"]) == (priors == 1)


def test_mass_and_newest_section_of_the_last_call(texts):
    documents = calls([0.9, 0.2, 0.3], age=20 * DAY)
    documents[1] |= {"age": 10 * DAY}
    values, *_ = run(texts, documents)
    sure = 1 - -(0.95 * np.log(0.95) + 0.05 * np.log(0.05)) / np.log(3)
    assert values["earnings_tone_information_mass"] == pytest.approx(2 * sure / 2)
    assert values["earnings_tone_newest_known_at"] == (CLOSE - dt.timedelta(days=10)).timestamp() * 1e6
    nothing = run(texts, [])[0]
    assert nothing["earnings_tone_information_mass"] == 0.0
    assert np.isnan(nothing["earnings_tone_newest_known_at"])


def test_one_prior_call_is_too_few(texts):
    values, confidence, reasons = run(texts, calls([0.5, 0.2]))
    assert np.isnan(values["earnings_tone_v"])
    assert values["tone_prepared"] == pytest.approx(0.5)
    assert confidence == 0.0
    assert {"SHORT_HISTORY", "FEW_DOCUMENTS"} <= reasons


def test_calls_older_than_200_days_or_400_sessions_do_not_count(texts):
    old = [row | {"age": row["age"] + 201 * DAY} for row in calls([0.5, 0.2, 0.3])]
    assert np.isnan(run(texts, old)[0]["tone_prepared"])
    far = calls([0.5, 0.2]) + [row | {"age": 700 * DAY} for row in calls([0, 0, 0.4])[4:]]
    assert np.isnan(run(texts, far)[0]["tone_surprise_z"])


def test_calls_within_sixty_days_are_one(texts):
    again = [row | {"event": "again", "age": 91 * DAY + 30 * DAY} for row in calls([0.2])]
    values, confidence, _ = run(texts, calls([0.5, 0.2, 0.3]) + again)
    plain = run(texts, calls([0.5, 0.2, 0.3]))
    assert confidence == pytest.approx(plain[1])
    assert values["tone_surprise_z"] == pytest.approx(plain[0]["tone_surprise_z"])


def test_a_missing_section_and_word_lists_halve_the_confidence(texts):
    whole = calls([0.5, 0.2, 0.3, 0.1, 0.4])
    assert run(texts, whole)[1] == pytest.approx(1.0)
    assert run(texts, whole[:1] + whole[2:])[1] == pytest.approx(0.5)
    lexicon = [row | {"scorer": "lexicon"} for row in whole]
    _, confidence, reasons = run(texts, lexicon)
    assert confidence == pytest.approx(0.5)
    assert "SCORER_FALLBACK" in reasons


def test_a_call_is_not_seen_before_it_is_known(texts):
    documents = calls([0.9, 0.2, 0.3, 0.1, 0.4], age=5 * DAY)
    before = CLOSE - dt.timedelta(days=6)
    assert run(texts, documents, as_of=before)[0] == pytest.approx(
        run(texts, documents[2:], as_of=before)[0], nan_ok=True
    )


def test_uncollected_news(texts):
    values, confidence, reasons = run(texts, calls([0.5, 0.2, 0.3]), collected=("x",))
    assert all(np.isnan(list(values.values())))
    assert (confidence, reasons) == (0.0, {"SOURCE_MISSING"})


def test_leaving_sections_out_never_raises_the_confidence(texts):
    whole = calls([0.5, 0.2, 0.3, 0.1, 0.4, 0.0], age=3 * DAY)
    expected = run(texts, whole)[1]
    rng = np.random.default_rng(5)
    for _ in range(25):
        kept = [row for row in whole if rng.random() < 0.7]
        assert run(texts, kept)[1] <= expected + 1e-12
