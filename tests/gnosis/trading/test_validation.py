"""Validation: every code has a candidate that trips it alone, and what is unknown never passes for good."""

from __future__ import annotations

import polars as pl
import pytest

from gnosis.trading.validation import CANDIDATE, ValidationLimits, findings, rules

SOUND = {
    "candidate_id": "a",
    "policy_veto": None,
    "is_killed": False,
    "net_edge": 0.01,
    "net_edge_se": 0.002,
    "gross_edge": 0.014,
    "spread_cost": 0.002,
    "impact_cost": 0.001,
    "is_new": True,
    "units": 100,
    "breached_cap": None,
    "quote_age_minutes": 1.0,
    "chain_age_minutes": 5.0,
    "model_age_sessions": 3,
    "is_quoted": True,
    "is_unstable": False,
    "stiffness_low": 1.0,
    "stiffness_high": 3.0,
    "is_short_gamma": False,
    "liq_regime": "Normal",
    "risk": "defined",
    "is_permitted": False,
    "vix": 18.0,
    "is_long_volatility": False,
    "is_event_driven": False,
    "days_exit_to_event": 30,
    "open_ideas": 3,
    "legs": 4,
    "needs_borrow": False,
    "borrow_rate_per_year": None,
    "opens_short_options": False,
    "is_pin_window": False,
    "confidence": 0.9,
    "disagreement_rank": 0.5,
    "drift_state": "stable",
    "p_dealers_long_gamma": 0.97,
    "sentiment_rank": 0.5,
}


def found_of(**changes: object) -> list[str]:
    rows = pl.DataFrame([{**SOUND, **changes}], schema=CANDIDATE)
    return findings(rows, ValidationLimits())["code"].to_list()


TRIPPED = {
    "RISK_VETO": [{"policy_veto": "storm"}],
    "KILL_SWITCH": [{"is_killed": True}, {"is_killed": None}],
    "NO_EDGE": [
        {"net_edge": 0.0},
        {"net_edge": -0.01},
        {"net_edge": None},
        {"net_edge_se": 0.009},
        {"net_edge_se": None},
        {"net_edge": -0.01, "is_new": False},
    ],
    "ZERO_SIZE": [{"units": 0}, {"units": None}],
    "CAP_BREACH": [{"breached_cap": "gross"}],
    "STALE_QUOTE": [{"quote_age_minutes": 15.1}, {"quote_age_minutes": None}],
    "STALE_CHAIN": [{"chain_age_minutes": 60.1}],
    "STALE_MODEL": [{"model_age_sessions": 11}, {"drift_state": "stale"}],
    "CROSSED_OR_EMPTY_QUOTE": [{"is_quoted": False}],
    "UNSTABLE_SHORT_GAMMA": [
        {"is_short_gamma": True, "is_unstable": True},
        {"is_short_gamma": True, "stiffness_low": -1.0},
        {"is_short_gamma": True, "stiffness_low": 0.0},
        {"is_short_gamma": True, "stiffness_low": None},
        {"is_short_gamma": None, "is_unstable": None},
    ],
    "LIQ_CRISIS": [{"liq_regime": "Crisis"}, {"liq_regime": None}, {"liq_regime": "Stressed", "risk": "large"}],
    "VOL_CEILING": [{"vix": 50.1}, {"vix": None}],
    "EVENT_WINDOW": [{"days_exit_to_event": 6}, {"days_exit_to_event": -3}],
    "UNDEFINED_RISK": [{"risk": "unlimited"}, {"risk": None}],
    "TOO_MANY": [{"open_ideas": 6}, {"legs": 11}, {"legs": None}],
    "BORROW": [{"needs_borrow": True}, {"needs_borrow": None}],
    "PIN_WINDOW": [
        {"opens_short_options": True, "is_pin_window": True},
        {"opens_short_options": True, "is_pin_window": None},
    ],
    "LOW_CONFIDENCE": [{"confidence": 0.49}, {"confidence": None}],
    "POLICY_CONFLICT": [{"disagreement_rank": 0.91}],
    "DRIFT_WATCH": [{"drift_state": "watch"}],
    "SIGN_UNDETERMINED": [{"p_dealers_long_gamma": 0.5}, {"p_dealers_long_gamma": None}],
    "WIDE_SPREAD": [{"spread_cost": 0.008}, {"spread_cost": None}],
    "HIGH_IMPACT": [{"impact_cost": 0.008}, {"impact_cost": None}],
    "CROWDED_SENTIMENT": [{"sentiment_rank": 0.96}],
}


def test_a_sound_candidate_has_no_finding():
    assert found_of() == []


def test_every_rule_has_a_candidate_that_trips_it():
    assert list(TRIPPED) == [rule.code for rule in rules(ValidationLimits())]


@pytest.mark.parametrize(("code", "changes"), [(code, changes) for code, rows in TRIPPED.items() for changes in rows])
def test_each_rule_is_tripped_alone(code, changes):
    assert found_of(**changes) == [code]


@pytest.mark.parametrize(
    "changes",
    [
        {"net_edge_se": 0.1, "is_new": False},
        {"is_short_gamma": True},
        {"is_short_gamma": True, "stiffness_low": -3.0, "stiffness_high": -1.0},
        {"is_unstable": True},
        {"liq_regime": "Stressed"},
        {"vix": 80.0, "is_long_volatility": True},
        {"days_exit_to_event": None},
        {"days_exit_to_event": 2, "is_event_driven": True},
        {"risk": "unlimited", "is_permitted": True},
        {"needs_borrow": True, "borrow_rate_per_year": 0.004},
        {"is_pin_window": True},
        {"chain_age_minutes": None, "is_quoted": None},
        {"model_age_sessions": None, "drift_state": None},
        {"p_dealers_long_gamma": 0.03},
    ],
)
def test_what_does_not_concern_a_candidate_lets_it_pass(changes):
    assert found_of(**changes) == []


def test_findings_carry_limit_and_value_in_the_order_of_the_candidates():
    rows = pl.DataFrame(
        [{**SOUND, "candidate_id": "z", "vix": 61.5, "units": 0}, SOUND, {**SOUND, "candidate_id": "b", "legs": 12}],
        schema=CANDIDATE,
    )
    found = findings(rows, ValidationLimits(vix=60.0))
    assert found.select("candidate_id", "code", "severity", "limit", "value").rows() == [
        ("z", "ZERO_SIZE", "error", "1", "0"),
        ("z", "VOL_CEILING", "error", "60 points", "61.5"),
        ("b", "TOO_MANY", "error", "5 ideas, 10 legs", "3"),
    ]


def test_bad_input_is_refused():
    rows = pl.DataFrame([SOUND, SOUND], schema=CANDIDATE)
    with pytest.raises(ValueError, match="share one"):
        findings(rows, ValidationLimits())
    with pytest.raises(ValueError, match=r"missing \['vix'\]"):
        findings(rows.drop("vix"), ValidationLimits())
    with pytest.raises(ValueError, match="sign_low below sign_high"):
        ValidationLimits(sign_low=0.9, sign_high=0.1)
