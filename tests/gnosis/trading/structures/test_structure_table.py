"""The table of 28 structures against the numbers of the specification."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gnosis.trading.structures import STRUCTURES, Execution, Permission, Risk
from gnosis.trading.structures.forecast import risk_neutral_below
from gnosis.trading.structures.formulas import table_bounds
from gnosis.trading.structures.margin import margin_rule, required_margin_usd
from gnosis.trading.structures.payoff import expiry_curve, payoffs
from gnosis.trading.structures.premium import net_premium
from gnosis.trading.structures.probability import profit_mass, risk_neutral_profit
from gnosis.trading.structures.schema import Delta, Leg, Structure, delta
from gnosis.trading.structures.selection import enumerated
from tests.gnosis.trading.structures.flat_market import SESSION, chain_of

INF = np.inf
FREE = Execution(half_spreads=0.0, fee_usd_per_contract=0.0)
EXPECTED = {
    1: ([100], -2.610585, INF, 2.610585, [102.6106]),
    2: ([100, 104], -1.525163, 2.474837, 1.525163, [101.5252]),
    3: ([100, 104], 0.439740, INF, 3.560260, [100.4397, 107.5603]),
    5: ([100], -2.323602, 97.676398, 2.323602, [97.6764]),
    6: ([100, 97], -1.190568, 1.809432, 1.190568, [98.8094]),
    7: ([101, 97], 0.581399, 93.581399, 3.418601, [93.5814, 100.4186]),
    8: ([107, 94], 0.944419, 0.944419, INF, [93.0556, 107.9444]),
    9: ([100, 100], 4.934187, 4.934187, INF, [95.0658, 104.9342]),
    10: ([103, 98], -2.846687, INF, 2.846687, [95.1533, 105.8467]),
    11: ([97, 104, 107], 1.731180, 1.731180, 95.268820, [95.2688, 105.7312]),
    12: ([104, 97, 94], 1.761313, 1.761313, INF, [95.2387, 105.7613]),
    13: ([104], -98.914578, 5.085422, 98.914578, [98.9146]),
    14: ([97], 1.133034, 1.133034, 95.866966, [95.8670]),
    17: ([94, 97, 104, 107], 1.274037, 1.274037, 1.725963, [95.7260, 105.2740]),
    18: ([99, 100, 104], 0.988833, 1.988833, 2.011167, [101.9888]),
    19: ([102, 100, 97], 0.080097, 2.080097, 0.919903, [97.9199]),
    20: ([99, 100, 101], -0.064023, 0.935977, 0.064023, [99.0640, 100.9360]),
    21: ([98, 100, 102], -0.254449, 1.745551, 0.254449, [98.2544, 101.7456]),
    23: ([96, 105], 0.013876, INF, 95.986124, [95.9861]),
    24: ([96, 105], -0.013876, 95.986124, INF, [95.9861]),
    25: ([98, 103], 7.827546, 2.827546, INF, [95.1725, 105.8275]),
    26: ([105], 0.842667, 0.842667, INF, [105.8427]),
    27: ([97], 1.133034, 1.133034, 95.866966, [95.8670]),
}
BY_NUMBER = {item.number: item for item in STRUCTURES}


def in_days(structure: Structure, days: int) -> Structure:
    return replace(structure, dte=dict.fromkeys(structure.dte, (days, days)))


def central(structure: Structure, chain=None):
    """Return the chain and the one candidate with every strike nearest to its target, at its mids."""
    chain = chain or chain_of((35,))
    drawn, rejected = enumerated(chain, [in_days(structure, 35)])
    drawn = drawn.take(drawn.is_central)
    assert len(drawn) == 1, rejected
    premium = net_premium(chain, drawn, FREE)
    return chain, drawn, premium, payoffs(expiry_curve(chain, drawn, premium.outlay_usd))


@pytest.mark.parametrize("number", EXPECTED)
def test_strikes_premium_bounds_and_breakevens_are_those_of_the_specification(number):
    strikes, net, profit, loss, breakevens = EXPECTED[number]
    chain, drawn, premium, found = central(BY_NUMBER[number])
    assert chain.strike_usd[drawn.contract[0]][drawn.is_leg[0]].tolist() == strikes
    assert -premium.net_usd[0] == pytest.approx(net, abs=1e-6)
    assert found.max_profit_usd[0] == pytest.approx(profit, abs=1e-6)
    assert found.max_loss_usd[0] == pytest.approx(loss, abs=1e-6)
    assert found.breakeven_usd[0] == pytest.approx(breakevens, abs=1e-4)


@pytest.mark.parametrize("number", EXPECTED)
def test_the_table_formulas_equal_the_engine(number):
    chain, drawn, premium, found = central(BY_NUMBER[number])
    profit, loss = table_bounds(chain, drawn, premium.outlay_usd)
    assert profit[0] == pytest.approx(found.max_profit_usd[0], abs=1e-9)
    assert loss[0] == pytest.approx(found.max_loss_usd[0], abs=1e-9)


@pytest.mark.parametrize(("number", "expected"), [(2, 0.409465), (17, 0.556769), (8, 0.769077)])
def test_the_risk_neutral_probability_of_profit_is_that_of_the_specification(number, expected):
    chain, drawn, _, found = central(BY_NUMBER[number])
    assert risk_neutral_profit(chain, drawn.near, found)[0] == pytest.approx(expected, abs=1e-6)


def test_an_uncertified_surface_has_no_risk_neutral_probability():
    _, drawn, _, found = central(BY_NUMBER[17])
    failed = chain_of((35,), certificate="failed")
    assert np.isnan(risk_neutral_profit(failed, drawn.near, found)).all()
    below = risk_neutral_below(failed, np.zeros((1, 2), dtype=np.int64), found.crossing_usd)
    assert 0 < profit_mass(found, below)[0] < 1


def test_a_naked_put_needs_the_margin_of_the_specification():
    chain, drawn, premium, found = central(BY_NUMBER[27])
    margin = required_margin_usd(chain, drawn, premium, found.max_loss_usd, margin_rule(SESSION))
    assert margin[0] == pytest.approx(1813.3034, abs=1e-4)


def test_numbers_and_names_are_unique_and_in_order():
    assert [item.number for item in STRUCTURES] == list(range(1, 29))
    assert len({item.id for item in STRUCTURES}) == 28


def test_unlimited_losses_belong_to_simulation_and_nothing_else_does():
    for item in STRUCTURES:
        is_simulation = item.permission is Permission.SIMULATION_ONLY
        assert is_simulation == (item.risk is Risk.UNLIMITED) == (item.max_loss == "unlimited")


def test_a_structure_needs_a_row_and_no_code():
    row = replace(
        BY_NUMBER[17],
        number=29,
        id="wide_condor",
        legs=(Leg("P", 1, delta(10)), Leg("P", -1, delta(25)), Leg("C", -1, delta(25)), Leg("C", 1, delta(10))),
    )
    chain, drawn, _, found = central(row)
    strikes = chain.strike_usd[drawn.contract[0]]
    assert (np.diff(strikes) > 0).all()
    assert 0 < found.max_loss_usd[0] < max(strikes[1] - strikes[0], strikes[3] - strikes[2])


def test_delta_ranges_are_five_points_unless_the_table_says_otherwise():
    for item in STRUCTURES:
        for leg in item.options:
            if isinstance(leg.strike, Delta):
                given = (
                    (0.16, 0.30) if item.id == "naked_call" else (leg.strike.target - 0.05, leg.strike.target + 0.05)
                )
                assert (leg.strike.low, leg.strike.high) == pytest.approx(given)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("C", 0, delta(50)), "quantity other than 0"),
        (("C", 1), "strike for options"),
        (("S", 1, delta(50)), "none for"),
    ],
)
def test_a_leg_that_makes_no_sense_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Leg(*arguments)
