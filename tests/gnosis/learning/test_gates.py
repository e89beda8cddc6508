"""The gates: each passes at its limit and fails one step beyond, and too little data never passes."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import replace

import polars as pl
import pytest

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
from gnosis.learning.gate_statistics import leaking, moved
from gnosis.learning.gates import failed_gates, gates, gates_frame
from gnosis.learning.matrix import FEATURE_NAMES
from gnosis.tables import TABLES
from gnosis.tables.model_scores import GATES

BETTER = Comparison(difference=-0.01, standard_error=0.004, p_value=0.01, n=5000)
AT_THE_LIMITS = Evidence(
    horizon_bars=5,
    head="direction",
    champion="direction-h5-f1-old",
    checks={"labels.in_order": True},
    proofs={name: Proof(pairs=30, failures=0) for name in FEATURE_NAMES},
    placebo=Placebo(log_loss=0.98, base_rate_low=0.98, n=5000, is_edge_detected=True, n_planted=3000),
    against={
        "majority": BETTER,
        "logistic": replace(BETTER, difference=-1e-12, p_value=math.nextafter(0.05, 0.0)),
        "champion": Comparison(difference=0.004, standard_error=0.004, p_value=0.9, n=4000),
    },
    calibrated=Calibrated(ece=0.03, slope=0.8, brier_skill=1e-12, n=5000),
    moved=Moved(
        drifted_feature_share=0.9,
        unusual_feature_share=0.05,
        n_features=141,
        output_psi=0.9,
        unusual_outputs=0,
        n_outputs=5,
    ),
    overfitting=Overfitting(
        deflated_sharpe_ratio=0.95,
        deflated_sharpe_ratio_of_all=0.9,
        probability_of_backtest_overfitting=0.20,
        spa_p_value=0.05,
        n_trials=120,
        n_effective=14.5,
        n=1000,
    ),
    parity=Parity(sessions=5, rows=25, feature_rows_different=0, predictions_different=0),
    latency=Latency(native_median_ms=math.nextafter(1.0, 0.0), answer_p95_ms=math.nextafter(10.0, 0.0), calls=1000),
    hashes={"model_sha256": ("a", "a"), "predictions_sha256": ("b", "b")},
    artefacts={"G2": "c" * 64},
)


def but(part, **changes):
    """Evidence at the limits with one figure changed."""
    return replace(AT_THE_LIMITS, **{part: replace(getattr(AT_THE_LIMITS, part), **changes)})


def against(name, **changes):
    found = dict(AT_THE_LIMITS.against)
    found[name] = replace(found[name], **changes)
    return replace(AT_THE_LIMITS, against=found)


def proofs(**changes):
    return replace(
        AT_THE_LIMITS, proofs={**AT_THE_LIMITS.proofs, "tech_atr": Proof(**{"pairs": 30, "failures": 0} | changes)}
    )


def beyond(limit, towards=math.inf):
    return math.nextafter(limit, towards)


def test_all_pass_at_their_limits():
    measured = gates(AT_THE_LIMITS)
    assert [each for each in measured if not each.passed] == []
    assert list(dict.fromkeys(each.gate for each in measured)) == GATES
    assert all(each.reason is None for each in measured)
    assert {each.evidence_sha256 for each in measured if each.gate == "G2"} == {"c" * 64}


ONE_STEP_BEYOND = {
    "G1 red check": ("G1", replace(AT_THE_LIMITS, checks={"labels.in_order": True, "dataset.known": False})),
    "G2 leak": ("G2", proofs(failures=1)),
    "G3 placebo": ("G3", but("placebo", log_loss=beyond(0.98, 0.0))),
    "G3 edge": ("G3", but("placebo", is_edge_detected=False)),
    "G4 base rate": ("G4", against("majority", difference=0.0)),
    "G4 base rate p": ("G4", against("majority", p_value=0.05)),
    "G4 logistic": ("G4", against("logistic", difference=0.0)),
    "G4 logistic p": ("G4", against("logistic", p_value=0.05)),
    "G4 champion": ("G4", against("champion", difference=beyond(0.004))),
    "G5 ece": ("G5", but("calibrated", ece=beyond(0.03))),
    "G5 slope": ("G5", but("calibrated", slope=beyond(0.8, 0.0))),
    "G5 slope upper": ("G5", but("calibrated", slope=beyond(1.25))),
    "G5 brier": ("G5", but("calibrated", brier_skill=0.0)),
    "G6 features": ("G6", but("moved", unusual_feature_share=8 / 141)),
    "G6 outputs": ("G6", but("moved", unusual_outputs=1)),
    "G7 deflated": ("G7", but("overfitting", deflated_sharpe_ratio=beyond(0.95, 0.0))),
    "G7 overfitting": ("G7", but("overfitting", probability_of_backtest_overfitting=beyond(0.20))),
    "G7 superior": ("G7", but("overfitting", spa_p_value=beyond(0.05))),
    "G8 features": ("G8", but("parity", feature_rows_different=1)),
    "G8 predictions": ("G8", but("parity", predictions_different=1)),
    "G9 native": ("G9", but("latency", native_median_ms=1.0)),
    "G9 answer": ("G9", but("latency", answer_p95_ms=10.0)),
    "G10": ("G10", replace(AT_THE_LIMITS, hashes={**AT_THE_LIMITS.hashes, "model_sha256": ("a", "A")})),
}


@pytest.mark.parametrize("case", ONE_STEP_BEYOND)
def test_fails_one_step_beyond(case):
    gate, evidence = ONE_STEP_BEYOND[case]
    measured = gates(evidence)
    assert failed_gates(measured) == [gate]
    (failed,) = [each for each in measured if not each.passed]
    assert failed.reason.startswith("expected ")


TOO_LITTLE = {
    "G1 no check": ("G1", replace(AT_THE_LIMITS, checks={})),
    "G2 few pairs": ("G2", proofs(pairs=29)),
    "G2 no proof": ("G2", replace(AT_THE_LIMITS, proofs={name: Proof(30, 0) for name in FEATURE_NAMES[:-1]})),
    "G3": ("G3", replace(AT_THE_LIMITS, placebo=None)),
    "G3 no rows": ("G3", but("placebo", n=0)),
    "G3 unmeasured": ("G3", but("placebo", log_loss=math.nan)),
    "G4": ("G4", replace(AT_THE_LIMITS, against={})),
    "G4 no logistic": (
        "G4",
        replace(AT_THE_LIMITS, against={n: c for n, c in AT_THE_LIMITS.against.items() if n != "logistic"}),
    ),
    "G4 no champion": (
        "G4",
        replace(AT_THE_LIMITS, against={n: c for n, c in AT_THE_LIMITS.against.items() if n != "champion"}),
    ),
    "G4 no error": ("G4", against("champion", standard_error=0.0)),
    "G5": ("G5", replace(AT_THE_LIMITS, calibrated=None)),
    "G5 unmeasured": ("G5", but("calibrated", slope=math.nan)),
    "G6": ("G6", replace(AT_THE_LIMITS, moved=None)),
    "G6 no output": ("G6", but("moved", output_psi=None, unusual_outputs=None, n_outputs=0)),
    "G7": ("G7", replace(AT_THE_LIMITS, overfitting=None)),
    "G7 one trial only": ("G7", but("overfitting", probability_of_backtest_overfitting=None)),
    "G7 no ledger": ("G7", but("overfitting", n_trials=0)),
    "G8": ("G8", replace(AT_THE_LIMITS, parity=None)),
    "G8 few sessions": ("G8", but("parity", sessions=4)),
    "G9": ("G9", replace(AT_THE_LIMITS, latency=None)),
    "G9 few calls": ("G9", but("latency", calls=999)),
    "G10": ("G10", replace(AT_THE_LIMITS, hashes={})),
    "G10 no predictions": ("G10", replace(AT_THE_LIMITS, hashes={"model_sha256": ("a", "a")})),
}


@pytest.mark.parametrize("case", TOO_LITTLE)
def test_too_little_does_not_pass(case):
    gate, evidence = TOO_LITTLE[case]
    measured = gates(evidence)
    assert failed_gates(measured) == [gate]
    assert {each.reason.split(":")[0] for each in measured if not each.passed} == {"insufficient"}


def test_a_leaking_feature_is_named():
    measured = gates(proofs(failures=3))
    (leak,) = [each for each in measured if each.statistic == "leaking_features"]
    assert (leak.value, leak.passed) == (1.0, False)
    assert leak.reason.endswith("tech_atr")
    assert leaking(proofs(failures=3).proofs) == ["tech_atr"]


def test_a_proof_of_no_feature_is_refused():
    with pytest.raises(ValueError, match="found some of \\['nonsense'\\]"):
        leaking({"nonsense": Proof(30, 0)})


def test_without_a_champion_none_has_to_be_beaten():
    first = replace(
        AT_THE_LIMITS, champion=None, against={n: AT_THE_LIMITS.against[n] for n in ("majority", "logistic")}
    )
    assert failed_gates(gates(first)) == []


def test_each_head_has_its_own_baselines():
    names = [each.statistic for each in gates(replace(AT_THE_LIMITS, head="volatility")) if each.gate == "G4"]
    assert [name for name in names if name.startswith("loss_less")] == [
        "loss_less_majority",
        "loss_less_ewma",
        "loss_less_ridge",
    ]
    with pytest.raises(ValueError, match="expected a head"):
        gates(replace(AT_THE_LIMITS, head="price"))


def test_a_gate_that_nobody_judged_failed():
    assert failed_gates([each for each in gates(AT_THE_LIMITS) if each.gate != "G7"]) == ["G7"]


def test_rows_keep_to_their_table():
    table = TABLES["models.gates"]
    for evidence in (AT_THE_LIMITS, Evidence(5, "direction", None)):
        rows = gates_frame(gates(evidence), horizon_bars=5, head="direction", model_version="v", document_sha256="d")
        assert table.schema.validate(rows, cast=False).equals(rows)
    assert not rows["passed"].any()


def test_drift_of_the_last_session_is_what_counts():
    rows = pl.DataFrame(
        {
            "session": [dt.date(2024, 1, 2)] * 2 + [dt.date(2024, 1, 3)] * 8,
            "kind": ["feature", "output", *["feature"] * 4, *["output"] * 4],
            "psi_60_sessions": [9.0, 9.0, 0.1, 0.26, 0.27, None, 0.3, 0.31, 0.25, None],
            "psi_usual_60_sessions": [0.1, 0.1, None, 0.3, 0.1, 0.1, 0.3, 0.3, 0.2, 0.1],
        }
    )
    assert moved(rows) == Moved(
        drifted_feature_share=2 / 3,
        unusual_feature_share=1 / 3,
        n_features=3,
        output_psi=0.31,
        unusual_outputs=1,
        n_outputs=3,
    )
    assert moved(rows.clear()) == Moved(None, None, 0, None, None, 0)
