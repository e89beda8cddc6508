"""Which structures fit which market, and every reason against them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gnosis.trading.structures import BY_ID, STRUCTURES, Direction, Ineligible, MarketState, shortlist

CALM = MarketState(
    direction=Direction.NEUTRAL,
    volatility="short",
    energy_up_pct=80.0,
    energy_down_pct=75.0,
    iv_rank_pct=90.0,
    amplification=0.8,
    hedge_pressure_pct=50.0,
    is_term_upward=True,
)
EASY = replace(CALM, volatility="long", energy_up_pct=20.0, energy_down_pct=30.0, iv_rank_pct=20.0, amplification=1.4)


def ids(state, **rest):
    kept, _ = shortlist(STRUCTURES, state, is_simulation=True, **rest)
    return {item.id for item in kept}


def reasons(state, name):
    _, frame = shortlist([BY_ID[name]], state, is_simulation=True)
    return frame["reason"].to_list()


def test_a_calm_market_sells_volatility():
    expected = {"short_strangle", "short_straddle", "iron_condor", "short_guts", "cash_secured_put", "naked_put"}
    assert ids(CALM) == expected | {"naked_call", "double_diagonal"}


def test_a_strong_rise_with_little_in_its_way_buys_calls():
    found = ids(replace(EASY, direction=Direction.BULL_STRONG))
    assert found == {
        "long_call",
        "bull_call_spread",
        "call_ratio_backspread",
    }


def test_a_strong_fall_with_little_in_its_way_buys_puts():
    found = ids(replace(EASY, direction=Direction.BEAR_STRONG))
    assert found == {
        "long_put",
        "bear_put_spread",
        "put_ratio_backspread",
    }


@pytest.mark.parametrize("item", [item for item in STRUCTURES if item.view is not None], ids=lambda item: item.id)
def test_every_structure_is_eligible_in_some_market(item):
    found = [
        state
        for base in (CALM, EASY)
        for direction in Direction
        for volatility in ("long", "short")
        for rank in (20.0, 90.0)
        for state in [replace(base, direction=direction, volatility=volatility, iv_rank_pct=rank)]
        if item.id in ids(state)
    ]
    mixed = replace(CALM, direction=Direction.BULL_MODERATE, iv_rank_pct=40.0)
    assert found or item.id in ids(mixed)


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("iron_condor", {"direction": Direction.BULL_STRONG}, Ineligible.DIRECTION),
        ("iron_condor", {"volatility": "none"}, Ineligible.VOLATILITY),
        ("iron_condor", {"volatility": None}, Ineligible.VOLATILITY_UNKNOWN),
        ("iron_condor", {"energy_down_pct": 60.0}, Ineligible.ENERGY),
        ("iron_condor", {"energy_down_pct": None}, Ineligible.ENERGY_UNKNOWN),
        ("short_strangle", {"iv_rank_pct": 69.9}, Ineligible.IV_RANK),
        ("short_strangle", {"iv_rank_pct": None}, Ineligible.IV_RANK_UNKNOWN),
        ("iron_condor", {"amplification": 1.0}, Ineligible.AMPLIFICATION),
        ("iron_condor", {"amplification": None}, Ineligible.AMPLIFICATION_UNKNOWN),
        ("short_straddle", {"hedge_pressure_pct": 80.1}, Ineligible.HEDGE_PRESSURE),
        ("short_straddle", {"hedge_pressure_pct": None}, Ineligible.HEDGE_PRESSURE_UNKNOWN),
        ("double_diagonal", {"is_term_upward": False}, Ineligible.TERM_STRUCTURE),
        ("double_diagonal", {"is_term_upward": None}, Ineligible.TERM_STRUCTURE_UNKNOWN),
    ],
)
def test_each_predicate_rejects_with_its_reason(name, change, reason):
    assert reasons(CALM, name) == []
    assert reasons(replace(CALM, **change), name) == [reason]


def test_a_known_obstacle_counts_before_an_unknown_one():
    assert reasons(replace(CALM, energy_up_pct=10.0, energy_down_pct=None), "iron_condor") == [Ineligible.ENERGY]


def test_unlimited_losses_need_simulation_or_a_grant():
    kept, frame = shortlist(STRUCTURES, CALM, is_simulation=False, granted=frozenset({"short_strangle"}))
    assert {item.id for item in kept if item.risk == "unlimited"} == {"short_strangle"}
    refused = frame.filter(frame["reason"] == Ineligible.SIMULATION_ONLY)["structure"].to_list()
    assert "naked_call" in refused
    assert "iron_condor" not in refused


def test_the_overlay_is_no_entry():
    assert reasons(CALM, "delta_hedge") == [Ineligible.OVERLAY]
