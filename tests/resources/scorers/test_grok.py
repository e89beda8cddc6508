"""Grok: probabilities or a reason, never a default; what it costs; and every way in which it can fail."""

from __future__ import annotations

import datetime as dt
import json

import numpy as np
import polars as pl
import pytest
import stamina

from gnosis.engines.scoring import document_scores
from gnosis.tables import TABLES
from resources.providers.archive import Archive
from resources.providers.live.access import Access
from resources.providers.live.errors import (
    AuthError,
    EntitlementError,
    FetchError,
    MissingKeyError,
    NotFound,
    RateLimited,
    SchemaDrift,
)
from resources.providers.live.retry import Retry
from resources.scorers.grok import GrokScorer
from tests.loopback.cases import EXPECTED, SECRET
from tests.loopback.server import RETRY_AFTER_S, Loopback, Response
from tests.loopback.vendors.xai import KEYS, MODEL, XaiVendor
from tests.loopback.world import World

WORLD = World()
TEXTS = ["Good news", "Bad news", "News"]


@pytest.fixture
def loopback():
    with Loopback() as server:
        yield server


@pytest.fixture
def vendor(loopback):
    vendor = XaiVendor(WORLD)
    loopback.serve(vendor)
    return vendor


@pytest.fixture
def scorer_of(loopback, vendor):
    made = []

    def make(model=MODEL, keys=KEYS, base_url=None, timeout_s=20.0, **settings):
        access = Access("xai", base_url=base_url or loopback.url("xai"), timeout_s=timeout_s, keys=keys)
        made.append(access)
        return GrokScorer(access, model, **{"retry": Retry(attempts=1)} | settings)

    yield make
    for access in made:
        access.close()


def asked(loopback):
    bodies = [json.loads(request.body) for request in loopback.requests("xai")]
    return [[one["text"] for one in json.loads(body["messages"][1]["content"])["texts"]] for body in bodies]


def test_probabilities_are_in_the_order_of_the_interface(scorer_of, loopback):
    scorer = scorer_of()
    found = scorer.score(TEXTS)
    assert np.allclose(found, [[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]])
    assert scorer.score([]).shape == (0, 3)
    (request,) = loopback.requests("xai")
    body = json.loads(request.body)
    assert (body["model"], body["temperature"]) == (MODEL, 0)
    assert "search_parameters" not in body
    assert SECRET not in request.url + request.body.decode()


def test_equal_texts_are_paid_for_once_and_in_batches(scorer_of, loopback):
    scorer = scorer_of(batch_size=2)
    found = scorer.score([*TEXTS, "good  NEWS https://t.co/x"])
    assert (found[0] == found[3]).all()
    assert asked(loopback) == [["good news", "bad news"], ["news"]]
    scorer.score(TEXTS)
    assert len(loopback.requests("xai")) == 2


def test_after_an_error_only_the_rest_is_paid_for(scorer_of, loopback):
    scorer = scorer_of(batch_size=1)
    scorer.score(TEXTS[:1])
    loopback.set_mode("xai", "503", times=1)
    with pytest.raises(FetchError):
        scorer.score(TEXTS)
    assert not np.isnan(scorer.score(TEXTS)).any()
    assert asked(loopback) == [["good news"], ["bad news"], ["bad news"], ["news"]]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"positive": "high"}, "expected three numbers between 0 and 1"),
        ({"positive": None}, "expected three numbers between 0 and 1"),
        ({"positive": True}, "expected three numbers between 0 and 1"),
        ({"positive": 1.5}, "expected three numbers between 0 and 1"),
        ({"positive": -0.1}, "expected three numbers between 0 and 1"),
        ({"positive": float("nan")}, "expected three numbers between 0 and 1"),
        ({"positive": 0.9}, "expected a sum of 1, found 1.1"),
        ({"number": 7}, "the answer leaves it out"),
        ({"number": "0"}, "the answer leaves it out"),
        ({"number": 1}, "the answer leaves it out"),
    ],
)
def test_an_answer_that_is_of_no_use_gives_no_score(scorer_of, vendor, change, reason):
    vendor.spoil = lambda scores: [scores[0] | change, *scores[1:]]
    scorer = scorer_of()
    found = scorer.score(TEXTS)
    assert np.isnan(found[0]).all()
    assert reason in scorer.reasons["good news"]
    # With number 1 twice nobody knows which of them is meant.
    assert np.isnan(found[1]).all() == (change == {"number": 1})
    assert not np.isnan(found[2]).any()


def test_rounded_numbers_are_divided_by_their_sum(scorer_of, vendor):
    third = {"positive": 0.33, "negative": 0.33, "neutral": 0.33}
    vendor.spoil = lambda scores: [score | third for score in scores]
    assert np.allclose(scorer_of().score(TEXTS), 1 / 3, atol=1e-15)


@pytest.mark.parametrize("content", ["I think it is good.", "[]", '{"scores": {}}', '{"scores": [{"nu', ""])
def test_a_text_in_place_of_json_scores_nothing(scorer_of, vendor, content):
    vendor.content = content
    scorer = scorer_of()
    assert np.isnan(scorer.score(TEXTS)).all()
    assert set(scorer.reasons.values()) == {"the answer is not the JSON that was asked for"}


def test_an_answer_that_was_cut_off_scores_nothing(scorer_of, vendor):
    vendor.finish_reason = "length"
    scorer = scorer_of()
    assert np.isnan(scorer.score(TEXTS)).all()
    assert scorer.reasons["news"] == "the answer ended with 'length'"


def test_the_budget_of_texts_is_hard(scorer_of, loopback):
    scorer = scorer_of(batch_size=2, most_texts=3)
    found = scorer.score([f"good {n}" for n in range(5)])
    assert np.isnan(found).all(axis=1).tolist() == [False, False, False, True, True]
    assert "raise most_texts" in scorer.reasons["good 4"]
    assert sum(map(len, asked(loopback))) == 3


@pytest.mark.parametrize(("mode", "is_counted"), [("503", True), ("slow", True), ("html", True), ("429", False)])
def test_texts_of_a_request_that_failed_count_unless_it_was_refused(scorer_of, loopback, mode, is_counted):
    scorer = scorer_of(most_texts=3, timeout_s=0.4 if mode == "slow" else 20.0)
    loopback.set_mode("xai", mode, times=1)
    with pytest.raises(FetchError):
        scorer.score(TEXTS)
    assert np.isnan(scorer.score(TEXTS)).all() == is_counted
    assert len(loopback.requests("xai")) == (1 if is_counted else 2)


def test_errors_that_may_pass_are_repeated_within_the_budget(scorer_of, loopback):
    with stamina.set_testing(True, attempts=3, cap=True):
        loopback.set_mode("xai", "503", times=2)
        assert not np.isnan(scorer_of(most_texts=9, retry=Retry()).score(TEXTS)).any()
        assert len(loopback.requests("xai")) == 3
        loopback.set_mode("xai", "503")
        with pytest.raises(EntitlementError, match="6 of 8 texts asked for, some in requests that failed"):
            scorer_of(most_texts=8, retry=Retry()).score(TEXTS)
        assert len(loopback.requests("xai")) == 5
        loopback.set_mode("xai", "401")
        with pytest.raises(AuthError):
            scorer_of(retry=Retry()).score(TEXTS)
    assert len(loopback.requests("xai")) == 6


def test_texts_without_a_score_have_no_row(scorer_of, vendor):
    vendor.spoil = lambda scores: scores[:1]
    at = WORLD.calendar["close_at"][-1]
    base = {"session": WORLD.today, "source": "x", "symbol": "AAA", "ts": at, "known_at": at, "tag": "none"}
    base |= {"provider": "x", "synthetic": False, "text_hash": ""}
    rows = [base | {"post_id": str(n), "text": text} for n, text in enumerate(TEXTS)]
    posts = pl.DataFrame(rows, schema=TABLES["raw.posts"].polars_schema)
    found = document_scores(posts, TABLES["raw.news"].empty(), scorer_of())
    assert found.height == 1
    assert found["scorer"].cast(pl.String).to_list() == ["grok_not_reproducible"]
    _, failures = TABLES["engines.document_scores"].schema.filter(found)
    assert failures.counts() == {}


def test_the_identity_holds_all_that_is_known_and_says_that_it_is_not_enough(scorer_of):
    scorer = scorer_of()
    hashes = {scorer.content_hash, scorer_of("grok-5").content_hash, scorer_of(batch_size=1).content_hash}
    assert len(hashes) == 3
    assert scorer_of().content_hash == scorer.content_hash
    assert not scorer.is_reproducible
    assert "not_reproducible" in scorer.name


@pytest.mark.parametrize("mode", sorted(set(EXPECTED) - {"empty", "wrong_types"}))
def test_a_failure_is_one_of_ours_and_tells_no_key(scorer_of, loopback, mode, caplog):
    loopback.set_mode("xai", mode)
    scorer = scorer_of(timeout_s=0.15) if mode in ("slow", "drip") else scorer_of()
    with pytest.raises(FetchError) as raised:
        scorer.score(TEXTS)
    assert type(raised.value) is EXPECTED[mode]
    assert raised.value.__cause__ is None
    assert SECRET not in f"{raised.value!r} {raised.value} {caplog.text}"
    if mode == "429_retry_after":
        assert isinstance(raised.value, RateLimited)
        assert raised.value.retry_after == RETRY_AFTER_S


def test_an_answer_without_scores_or_with_other_types_scores_nothing_wrong(scorer_of, loopback):
    loopback.set_mode("xai", "empty", times=1)
    scorer = scorer_of()
    assert np.isnan(scorer.score(TEXTS)).all()
    assert set(scorer.reasons.values()) == {"the answer leaves it out"}
    # Only numbers that nobody reads are spoilt there: the scores are a text.
    loopback.set_mode("xai", "wrong_types")
    assert not np.isnan(scorer_of().score(TEXTS)).any()


@pytest.mark.parametrize("document", [{}, {"choices": []}, {"choices": [{"message": {}, "finish_reason": "stop"}]}])
def test_another_envelope_is_drift(scorer_of, vendor, document):
    vendor.answer = lambda request: Response.of_json(document)
    with pytest.raises(SchemaDrift):
        scorer_of().score(TEXTS)


def test_a_key_that_is_missing_or_wrong(scorer_of, loopback):
    with pytest.raises(MissingKeyError, match="XAI_API_KEY"):
        scorer_of(keys={}).score(TEXTS)
    assert loopback.requests("xai") == []
    with pytest.raises(AuthError, match="Incorrect API key"):
        scorer_of(keys={"XAI_API_KEY": "old-key"}).score(TEXTS)


def test_a_model_that_is_gone(scorer_of):
    with pytest.raises(NotFound, match="no such model"):
        scorer_of("grok-1").score(TEXTS)


@pytest.mark.parametrize("settings", [{"batch_size": 0}, {"most_texts": -1}])
def test_settings_that_make_no_sense(scorer_of, settings):
    with pytest.raises(ValueError, match="expected batch_size >= 1 and most_texts >= 0"):
        scorer_of(**settings)


def test_answers_are_archived_as_they_come(scorer_of, loopback, tmp_path):
    archive = Archive(tmp_path)
    scorer = scorer_of(batch_size=2, archive=archive)
    loopback.set_mode("xai", "503", times=1)
    with pytest.raises(FetchError):
        scorer.score(TEXTS)
    scorer.score(TEXTS)
    records = [json.loads(path.read_text()) for path in (tmp_path / "xai" / "engines.document_scores").glob("*.json")]
    assert [record["name"] for record in records] == ["POST /v1/chat/completions"] * 3
    answers = [archive.get("xai", "engines.document_scores", record["sha256"]) for record in records]
    assert sum(b"chat.completion" in answer for answer in answers) == 2
    assert scorer.access.recorder.taken() == ()


def test_without_an_archive_answers_are_left_with_the_access(scorer_of):
    scorer = scorer_of()
    scorer.score(TEXTS)
    (source,) = scorer.access.recorder.taken()
    assert source.fetched_at is not None and source.fetched_at.tzinfo == dt.UTC
