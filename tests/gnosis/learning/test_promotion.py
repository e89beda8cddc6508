"""Promotion: only a document that passes makes a champion, and the way back is always the one that was taken."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from dataclasses import replace

import polars as pl
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gnosis.learning.evidence import (
    Calibrated,
    Comparison,
    Evidence,
    Latency,
    Moved,
    Overfitting,
    Parity,
    Placebo,
    Proof,
)
from gnosis.learning.gates import gates
from gnosis.learning.matrix import FEATURE_NAMES
from gnosis.learning.promotion import (
    NoPreviousChampionError,
    PromotionError,
    champion_of,
    decide,
    document,
    rollback,
)
from gnosis.tables import TABLES

DAY = dt.date(2024, 1, 3)
EMPTY = TABLES["models.promotion"].empty()
BETTER = Comparison(-0.01, 0.004, 0.01, 5000)
GOOD = Evidence(
    horizon_bars=5,
    head="direction",
    champion=None,
    checks={"green": True},
    proofs={name: Proof(30, 0) for name in FEATURE_NAMES},
    placebo=Placebo(1.0, 0.9, 5000, True, 3000, {"ic_planted": 0.05, "ic_found": 0.048}),
    against={"majority": BETTER, "logistic": BETTER, "champion": BETTER},
    calibrated=Calibrated(0.01, 1.0, 0.01, 5000),
    moved=Moved(0.0, 0.0, n_features=141, output_psi=0.1, unusual_outputs=0, n_outputs=5),
    overfitting=Overfitting(0.97, 0.93, 0.1, 0.02, 120, 14.5, 1000),
    parity=Parity(5, 25, 0, 0),
    latency=Latency(0.1, 1.0, 1000),
    hashes={"model_sha256": ("a", "a"), "predictions_sha256": ("b", "b")},
)
BAD = replace(GOOD, calibrated=None)


def decided(promotion, candidate, evidence=GOOD, session=DAY, rejection=None):
    known = replace(evidence, champion=champion_of(promotion, "direction", 5, dt.date.max))
    return decide(promotion, known, candidate=candidate, session=session, synthetic=False, rejection=rejection)


def after(*candidates):
    """Decisions that promoted each of the candidates in turn."""
    promotion = EMPTY
    for number, candidate in enumerate(candidates):
        promotion = pl.concat([promotion, decided(promotion, candidate, session=DAY + dt.timedelta(number)).promotion])
    return promotion


class TestDocument:
    def test_is_canonical(self):
        written = document(GOOD, gates(GOOD), "v1", DAY)
        content = json.loads(written.text)
        assert written.text == json.dumps(content, sort_keys=True, separators=(",", ":"))
        assert written.sha256 == hashlib.sha256(written.text.encode()).hexdigest()
        assert (content["decision"], content["partition"], content["failed_gates"]) == ("promote", "2024-01-03", [])
        fields = {"gate", "statistic", "value", "threshold", "comparator", "n", "pass", "evidence", "reason"}
        assert {frozenset(each) for each in content["gates"]} == {frozenset(fields)}

    def test_is_the_same_bytes_whatever_the_order_of_what_was_measured(self):
        turned = replace(
            GOOD,
            proofs=dict(reversed(GOOD.proofs.items())),
            against=dict(reversed(GOOD.against.items())),
            hashes=dict(reversed(GOOD.hashes.items())),
        )
        assert document(turned, gates(turned), "v1", DAY) == document(GOOD, gates(GOOD), "v1", DAY)

    def test_has_its_bytes_by_heart(self):
        nothing = Evidence(5, "direction", None)
        found = document(nothing, gates(nothing), "v1", DAY).sha256
        assert found == "a78942ea20eab9ec6f9072627409660b3c4644623ba754d7336993ff89fca3f3"

    def test_changes_with_any_figure(self):
        other = replace(GOOD, latency=Latency(0.1, 1.0000000001, 1000))
        assert document(other, gates(other), "v1", DAY).sha256 != document(GOOD, gates(GOOD), "v1", DAY).sha256

    def test_shows_both_numbers_of_trials(self):
        content = json.loads(document(GOOD, gates(GOOD), "v1", DAY).text)
        told = content["evidence"]["overfitting"]
        assert (told["n_trials"], told["n_effective"]) == (120, 14.5)
        assert (told["deflated_sharpe_ratio"], told["deflated_sharpe_ratio_of_all"]) == (0.97, 0.93)

    def test_writes_what_could_not_be_measured_as_null(self):
        unknown = replace(GOOD, calibrated=Calibrated(float("nan"), 1.0, 0.01, 5000))
        content = json.loads(document(unknown, gates(unknown), "v1", DAY).text)
        assert content["evidence"]["calibrated"]["ece"] is None
        assert content["decision"] == "reject"


class TestDecision:
    def test_promotes_what_passes_every_gate(self):
        found = decided(EMPTY, "v1")
        row = found.promotion.row(0, named=True)
        assert (row["decision"], row["champion"], row["previous"], row["decision_number"]) == ("promote", "v1", None, 1)
        assert row["failed_gates"] is None
        assert found.gates["passed"].all()
        assert found.gates["document_sha256"].unique().to_list() == [row["document_sha256"]]
        for name, rows in (("models.promotion", found.promotion), ("models.gates", found.gates)):
            assert TABLES[name].schema.validate(rows, cast=False).equals(rows)

    def test_the_old_champion_becomes_the_previous_one(self):
        row = after("v1", "v2").row(-1, named=True)
        assert (row["champion"], row["previous"]) == ("v2", "v1")

    def test_rejects_what_fails_a_gate(self):
        row = decided(after("v1"), "v2", BAD).promotion.row(0, named=True)
        assert (row["decision"], row["champion"], row["failed_gates"]) == ("reject", "v1", "G5")

    def test_a_leaking_feature_rejects(self):
        leak = replace(GOOD, proofs={**GOOD.proofs, "tech_atr": Proof(60, 1)})
        row = decided(EMPTY, "v1", leak).promotion.row(0, named=True)
        assert (row["decision"], row["champion"], row["failed_gates"]) == ("reject", None, "G2")

    def test_a_person_may_reject_what_passes(self):
        row = decided(EMPTY, "v1", rejection="the market changed its hours").promotion.row(0, named=True)
        assert (row["decision"], row["champion"], row["failed_gates"]) == ("reject", None, None)
        assert json.loads(row["document"])["rejected_by_a_person"] == "the market changed its hours"

    def test_of_the_champion_is_none(self):
        with pytest.raises(PromotionError, match="not the champion"):
            decided(after("v1"), "v1")

    def test_needs_evidence_against_the_champion(self):
        with pytest.raises(PromotionError, match="against the champion v1, found None"):
            decide(after("v1"), GOOD, candidate="v2", session=DAY, synthetic=False)

    def test_is_never_taken_before_the_last_one(self):
        with pytest.raises(PromotionError, match="no earlier than the last one"):
            decided(after("v1"), "v2", session=DAY - dt.timedelta(1))

    def test_of_another_head_or_horizon_counts_by_itself(self):
        promotion = after("v1")
        assert champion_of(promotion, "direction", 20, dt.date.max) is None
        other = decide(
            promotion, replace(GOOD, horizon_bars=20), candidate="w1", session=DAY, synthetic=True
        ).promotion.row(0, named=True)
        assert (other["decision_number"], other["previous"], other["synthetic"]) == (1, None, True)


class TestChampion:
    def test_answers_from_the_session_after_its_decision_on(self):
        promotion = after("v1", "v2")
        days = [DAY + dt.timedelta(number) for number in range(3)]
        assert [champion_of(promotion, "direction", 5, day) for day in days] == [None, "v1", "v2"]
        assert champion_of(promotion.reverse(), "direction", 5, days[2]) == "v2"


class TestRollback:
    def test_swaps_champion_and_previous(self):
        promotion = after("v1", "v2")
        for expected in (("v1", "v2"), ("v2", "v1")):
            row = rollback(promotion, head="direction", horizon=5, session=dt.date(2024, 2, 1), reason="wrong data")
            assert TABLES["models.promotion"].schema.validate(row, cast=False).equals(row)
            promotion = pl.concat([promotion, row])
            last = row.row(0, named=True)
            assert (last["champion"], last["previous"]) == expected
            assert (last["decision"], last["model_version"]) == ("rollback", expected[0])
            content = json.loads(last["document"])
            assert (content["decision"], content["reason"]) == ("rollback", "wrong data")
            assert last["document_sha256"] == hashlib.sha256(last["document"].encode()).hexdigest()
        assert promotion["decision_number"].to_list() == [1, 2, 3, 4]

    @pytest.mark.parametrize("promoted", [(), ("v1",)])
    def test_needs_a_previous_champion(self, promoted):
        with pytest.raises(NoPreviousChampionError, match="to return to, found none"):
            rollback(after(*promoted), head="direction", horizon=5, session=dt.date(2024, 2, 1), reason="")


class Decisions(RuleBasedStateMachine):
    """Any sequence of decisions against the two names that it has to leave."""

    def __init__(self):
        super().__init__()
        self.promotion = EMPTY
        self.champion, self.previous, self.number, self.session = None, None, 0, DAY

    def append(self, row):
        self.promotion = pl.concat([self.promotion, row])

    def candidate(self):
        self.number += 1
        return f"v{self.number}"

    @rule(days=st.integers(0, 3))
    def wait(self, days):
        self.session += dt.timedelta(days)

    @rule()
    def promote(self):
        name = self.candidate()
        self.append(decided(self.promotion, name, session=self.session).promotion)
        self.champion, self.previous = name, self.champion

    @precondition(lambda self: self.previous is not None)
    @rule()
    def promote_the_previous_again(self):
        self.append(decided(self.promotion, self.previous, session=self.session).promotion)
        self.champion, self.previous = self.previous, self.champion

    @rule(by_a_person=st.booleans())
    def reject(self, by_a_person):
        evidence, reason = (GOOD, "no") if by_a_person else (BAD, None)
        self.append(decided(self.promotion, self.candidate(), evidence, self.session, reason).promotion)

    @rule()
    def roll_back(self):
        options = {"head": "direction", "horizon": 5, "session": self.session, "reason": "try"}
        if self.previous is None:
            with pytest.raises(NoPreviousChampionError):
                rollback(self.promotion, **options)
            return
        self.append(rollback(self.promotion, **options))
        self.champion, self.previous = self.previous, self.champion

    @invariant()
    def one_champion_with_a_document_that_promoted_it(self):
        assert champion_of(self.promotion, "direction", 5, dt.date.max) == self.champion
        assert self.promotion["decision_number"].to_list() == list(range(1, self.promotion.height + 1))
        if self.promotion.height:
            assert self.promotion["previous"][-1] == self.previous
        if self.champion is not None:
            own = self.promotion.filter((pl.col("model_version") == self.champion) & (pl.col("decision") == "promote"))
            assert all(json.loads(text)["decision"] == "promote" for text in own["document"])
            assert own.height


Decisions.TestCase.settings = settings(max_examples=12, stateful_step_count=12, deadline=None)
TestAnySequence = Decisions.TestCase
