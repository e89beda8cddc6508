"""Known truth: what the whole pipeline, from bars to promotion, says about markets of which everything is known.

That drift is reported within 20 sessions of its date is in ``test_model_drift.py``, that a second process fits the same
bytes in ``test_learning_models.py``. Rates over more seeds and all families: ``benchmarks/known_truth.py``.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from gnosis.learning.bootstrap import base_rate_band
from gnosis.learning.evidence import Proof
from gnosis.learning.gates import gates
from gnosis.learning.metrics import row_log_loss
from gnosis.learning.promotion import Decision, decide
from gnosis.simulate.edges import Edge
from gnosis.tables import TABLES
from tests.gnosis.learning import truth_markets as markets
from tests.gnosis.learning.truth_markets import Learned

pytestmark = [pytest.mark.heavy, pytest.mark.xdist_group("known_truth")]

N_SEEDS = 20
LEAST_WITHOUT_SKILL = 17
WARMUP_SESSIONS = 62
PLANTED_IC, PLANTED_IC_OF_PAIRS = 0.08, 0.12
"""Trees find two thirds of a relation between two features, which keeps them below the alarm of 0.10."""
BASELINES = ("majority", "logistic")
TREES = ("xgboost", "hist_gradient_boosting")
NO_EDGE = {"window": (504, 336), "parameters": {
    **markets.FAST,
    "xgboost": {**markets.FAST["xgboost"], "max_rounds": 20, "patience": 5},
    "hist_gradient_boosting": {**markets.FAST["hist_gradient_boosting"], "max_iter": 6},
}}  # fmt: skip
PAIRS = {"window": (756, 252), "threads": 2, "parameters": {
    **markets.FAST,
    "xgboost": {**markets.FAST["xgboost"], "max_depth": 4, "max_bin": 32, "colsample_bytree": 1.0, "max_rounds": 120},
}}  # fmt: skip


def decision(evidence) -> Decision:
    nothing = TABLES["models.promotion"].empty()
    last = markets.FIRST_SESSION
    return decide(nothing, evidence, candidate="direction-h1-f0-new", session=last, synthetic=True)


def failed(evidence) -> str | None:
    return decision(evidence).promotion["failed_gates"].item()


def market_of_a_pair(edge: Edge, seed: int) -> Learned:
    known = markets.market(edge, 20, 756 + 3 * 252 + WARMUP_SESSIONS, seed, PLANTED_IC_OF_PAIRS)
    return markets.learn(known, markets.rows_of(known), (*BASELINES, "xgboost"), **PAIRS)


@pytest.fixture(scope="module")
def linear() -> Learned:
    known = markets.market("linear", 12, 504 + 3 * 252 + WARMUP_SESSIONS, seed=1, ic=PLANTED_IC)
    return markets.learn(known, markets.rows_of(known), (*BASELINES, "xgboost"), window=(504, 252), threads=2)


@pytest.fixture(scope="module")
def regime() -> Learned:
    return market_of_a_pair("regime", seed=2)


@pytest.fixture(scope="module")
def evidence_of_an_edge(regime, linear):
    """What the gates are told about trees that found which way an edge goes in which regime."""
    ic, error = linear.score("xgboost", "ic")
    on_placebo = markets.on_exchanged_outcomes(regime, ("majority", "xgboost"), seed=2, **PAIRS)
    return markets.evidence(regime, on_placebo, planted=ic > 2.0 * error, seed=2)


@pytest.fixture(scope="module")
def without_edge() -> list[Learned]:
    """Markets of four symbols with noise in all features, over the horizon of the product."""
    found = []
    for seed in range(N_SEEDS):
        known = markets.noise_market(4, 900, seed)
        found.append(markets.learn(known, markets.rows_of(known, horizon=5), (*BASELINES, *TREES), **NO_EDGE))
    return found


class TestALinearEdge:
    def test_is_found_with_the_right_sign(self, linear) -> None:
        assert linear.verdicts["logistic"] == "skill" and linear.verdicts["majority"] == "no_skill"
        for model in ("logistic", "xgboost"):
            ic, error = linear.score(model, "ic")
            assert ic > 3.0 * error
            assert markets.expected_ic(linear, model, 1.0) > 0.5

    def test_has_its_coefficient_inside_the_interval(self, linear) -> None:
        ic, error = linear.score("logistic", "ic")
        assert abs(ic - PLANTED_IC) < 1.96 * error
        for model in ("logistic", "xgboost"):
            ic, error = linear.score(model, "ic")
            assert abs(ic - markets.expected_ic(linear, model, PLANTED_IC)) < 1.96 * error

    def test_has_the_true_probabilities(self, linear) -> None:
        """Of rows with alike signals, and of rows that a model answered alike."""
        for model, by in (("logistic", "signal"), ("logistic", "answer"), ("xgboost", "answer")):
            rows = markets.judged_beside_truth(linear, model, PLANTED_IC)
            fifth = pl.col(by).rank("ordinal") * 5 // (pl.len() + 1)
            found = rows.group_by(fifth.alias("fifth")).agg(pl.col("answer", "truth", "rose").mean(), n=pl.len())
            assert found["truth"].max() - found["truth"].min() > 0.04
            half_width = 1.96 * (pl.col("truth") * (1.0 - pl.col("truth")) / pl.col("n")).sqrt()
            for said in ("answer", "rose"):
                outside = found.filter((pl.col(said) - pl.col("truth")).abs() > half_width)
                assert outside.is_empty(), (model, by, said, outside)

    def test_has_the_true_probability_inside_the_published_interval(self, linear) -> None:
        """Of rows answered alike the mean truth is within the mean interval; those of a fold share a calibrator."""
        for model in ("logistic", "xgboost"):
            rows = markets.judged_beside_truth(linear, model, PLANTED_IC)
            assert rows.select(pl.col("answer").is_between("low", "high").all()).item()
            tenth = (pl.col("answer").rank("ordinal") * 10 // (pl.len() + 1)).over("fold").alias("tenth")
            bins = rows.group_by("fold", tenth).agg(pl.col("truth", "low", "high").mean())
            inside = bins["truth"].is_between(bins["low"], bins["high"])
            assert bins.height >= 30 and inside.mean() >= 0.95, (model, inside.mean())


class TestWithoutAnEdge:
    @pytest.mark.parametrize("model", [*BASELINES, *TREES])
    def test_a_family_shows_no_skill(self, without_edge, model) -> None:
        verdicts = [each.verdicts[model] for each in without_edge]
        assert verdicts.count("no_skill") >= LEAST_WITHOUT_SKILL, verdicts

    def test_nothing_is_promoted(self, without_edge) -> None:
        promoted = []
        for seed, learned in enumerate(without_edge):
            on_placebo = markets.on_exchanged_outcomes(learned, ("majority", "xgboost"), seed, **NO_EDGE)
            found = markets.evidence(learned, on_placebo, planted=True, seed=seed)
            if decision(found).promotion["decision"].item() == "promote":
                promoted.append(seed)
        assert not promoted

    @pytest.mark.parametrize("way", ["blocks of sessions", "single rows"])
    def test_shuffled_labels_score_as_chance(self, linear, way) -> None:
        """The same features, whose edge was found before, beside outcomes that belong to other rows."""
        families = (*BASELINES, "xgboost")
        if way == "blocks of sessions":
            shuffled = markets.on_exchanged_outcomes(linear, families, seed=4, window=(504, 252), threads=2)
        else:
            rows = markets.shuffled(linear.rows, seed=4)
            shuffled = markets.learn(linear.market, rows, families, window=(504, 252), threads=2)
        judged = shuffled.judged
        low, _ = base_rate_band(judged.losses("majority"), judged.session, block=markets.BLOCK_SESSIONS, seed=0)
        for model in families:
            assert shuffled.verdicts[model] == "no_skill"
            assert judged.losses(model).mean() >= low
        for model in families[1:]:
            ic, error = shuffled.score(model, "ic")
            assert abs(ic) < 2.58 * error
            area, error = shuffled.score(model, "auc")
            assert abs(area - 0.5) < 2.58 * error


class TestAnEdgeThatTakesTwoFeatures:
    @pytest.mark.parametrize("edge", ["interaction", "regime"])
    def test_is_found_by_trees_alone(self, regime, edge: Edge) -> None:
        learned = regime if edge == "regime" else market_of_a_pair(edge, seed=2)
        assert learned.verdicts == {"majority": "no_skill", "logistic": "no_skill", "xgboost": "skill"}
        ic, error = learned.score("xgboost", "ic")
        assert ic > 4.0 * error
        assert abs(ic - markets.expected_ic(learned, "xgboost", PLANTED_IC_OF_PAIRS)) < 2.58 * error
        assert abs(markets.expected_ic(learned, "logistic", 1.0)) < 0.15

    def test_passes_every_gate(self, evidence_of_an_edge) -> None:
        assert failed(evidence_of_an_edge) is None
        assert decision(evidence_of_an_edge).promotion["decision"].item() == "promote"


def test_an_edge_at_times_shows_in_the_state_of_the_market() -> None:
    known = markets.market_with_an_edge_at_times(20, 504 + 3 * 252 + WARMUP_SESSIONS, seed=1)
    states = known.truth.select(
        "session",
        "symbol",
        vix=pl.lit(None, pl.Float64),
        liquidity_regime=pl.when("regime").then(pl.lit("on")).otherwise(pl.lit("off")),
        movement_energy=pl.lit(None, pl.Float64),
    )
    learned = markets.learn(known, markets.rows_of(known), BASELINES, window=(504, 252), states=states, threads=2)
    on, error_on = learned.score("logistic", "ic", "liquidity on")
    off, error_off = learned.score("logistic", "ic", "liquidity off")
    assert on > 4.0 * error_on and abs(off) < 2.58 * error_off
    assert on - off > 3.0 * np.hypot(error_on, error_off)
    assert off < learned.score("logistic", "ic")[0] < on


class TestALeak:
    def test_is_too_good(self) -> None:
        known = markets.market("leak", 12, 504 + 126 + WARMUP_SESSIONS, seed=1)
        learned = markets.learn(known, markets.rows_of(known), (*BASELINES, "xgboost"), window=(504, 126), threads=2)
        assert learned.verdicts == {"majority": "no_skill", "logistic": "too_good", "xgboost": "too_good"}

    def test_is_caught_by_the_gate(self, linear, evidence_of_an_edge) -> None:
        """Two features made of the same bars: one looks back a session, one ahead; only their code differs."""
        bars = linear.market.bars
        move = pl.col("close").log().diff().over("symbol", order_by="session")
        proofs = {
            "tech_roc_5": truncation_proof(bars, move),
            "tech_atr": truncation_proof(bars, move.shift(-1).over("symbol", order_by="session")),
        }
        assert proofs == {"tech_roc_5": Proof(30, 0), "tech_atr": Proof(30, 30)}
        found = replace(evidence_of_an_edge, proofs={**evidence_of_an_edge.proofs, **proofs})
        decided = decision(found).promotion
        assert (decided["decision"].item(), decided["failed_gates"].item()) == ("reject", "G2")
        [reason] = [each.reason for each in gates(found) if not each.passed]
        assert "tech_atr" in reason and "tech_roc_5" not in reason


def truncation_proof(bars: pl.DataFrame, feature: pl.Expr) -> Proof:
    """Make the feature anew from the bars up to each of 30 sessions: what changes has looked ahead."""
    whole = bars.select("session", "symbol", value=feature)
    days = bars["session"].unique().sort()
    failures = 0
    pairs = [(days[100 + 7 * at], f"S{at % 12:02d}") for at in range(30)]
    for day, symbol in pairs:
        then = bars.filter(pl.col("session") <= day).select("session", "symbol", value=feature)
        known, later = (each.filter(session=day, symbol=symbol)["value"].item() for each in (then, whole))
        failures += known != later
    return Proof(len(pairs), failures)


def test_the_truth_of_the_simulator_is_the_frequency(linear) -> None:
    """What the other tests hold the models to: the log loss of the true probabilities is below that of any model."""
    rows = markets.judged_beside_truth(linear, "logistic", PLANTED_IC)
    truth, rose = rows["truth"].to_numpy(), rows["rose"].to_numpy().astype(np.int64)
    of_truth = row_log_loss(np.column_stack([1.0 - truth, truth]), rose).mean()
    for model in linear.judged.models:
        answer = linear.judged.answer[model][:, 2]
        assert of_truth < row_log_loss(np.column_stack([1.0 - answer, answer]), rose).mean()
