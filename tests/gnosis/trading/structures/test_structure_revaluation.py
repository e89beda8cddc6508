"""Structures with legs of several expiries: model values, exact limits, and conventions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gnosis.trading.structures import BY_ID, VolatilityConvention, lognormal_forecast, profit_at
from gnosis.trading.structures.premium import net_premium
from gnosis.trading.structures.revaluation import price_grid, revalued_payoffs, values_at, worth_table
from gnosis.trading.structures.selection import enumerated
from tests.gnosis.trading.structures.flat_market import CARRY, RATE, VOLATILITY, chain_of, skewed_slice
from tests.gnosis.trading.structures.test_structure_table import FREE

STICKY_DELTA, STICKY_STRIKE = VolatilityConvention.STICKY_DELTA, VolatilityConvention.STICKY_STRIKE


def at_days(name: str, near: int, later: int):
    item = BY_ID[name]
    return replace(item, dte={bucket: (near, near) if bucket == "N" else (later, later) for bucket in item.dte})


def revalued(name: str, later: int, style: str = "E", convention=STICKY_DELTA, strikes=None, **rest):
    """Return chain, the central candidate, its outlay, its payoffs, and its profit at given prices."""
    chain = chain_of((35, later), style=style, **rest)
    drawn, rejected = enumerated(chain, [at_days(name, 35, later)])
    if strikes is None:
        drawn = drawn.take(drawn.is_central)
    else:
        drawn = drawn.take((chain.strike_usd[drawn.contract] == strikes).all(axis=1))
    assert len(drawn) == 1, rejected
    outlay = net_premium(chain, drawn, FREE).outlay_usd
    deviation = lognormal_forecast(chain, 0.0, VOLATILITY).deviation(0)
    grid = price_grid(float(chain.forward_usd[0]), deviation, chain.strike_usd)
    worth, place = worth_table(chain, drawn, grid, convention)
    found = revalued_payoffs(chain, drawn, worth, place, outlay, grid)

    def profit(prices):
        return profit_at(chain, drawn, outlay, np.asarray(prices, dtype=np.float64), convention)[0]

    return chain, drawn, outlay[0], found, profit


@pytest.mark.parametrize("convention", list(VolatilityConvention))
def test_a_european_call_calendar_has_the_values_of_the_specification(convention):
    _, _, outlay, found, profit = revalued("call_calendar", 75, convention=convention, strikes=[100, 100])
    assert outlay == pytest.approx(1.301413, abs=1e-6)
    assert found.max_profit_usd[0] == pytest.approx(1.499397, abs=1e-6)
    assert profit([100.0])[0] == pytest.approx(1.499397, abs=1e-6)
    assert profit([0.0])[0] == pytest.approx(-1.301413, abs=1e-6)
    assert profit([399.3433 - 1e-2])[0] > -outlay > profit([399.3433 + 1e-2])[0]
    assert np.isinf(found.max_loss_usd[0])


@pytest.mark.parametrize("convention", list(VolatilityConvention))
def test_a_european_put_calendar_has_the_values_of_the_specification(convention):
    _, _, outlay, found, profit = revalued("put_calendar", 75, convention=convention, strikes=[100, 100])
    assert outlay == pytest.approx(0.975115, abs=1e-6)
    assert found.max_profit_usd[0] == pytest.approx(1.497828, abs=1e-6)
    assert profit([0.0])[0] == pytest.approx(-1.412512, abs=1e-6)
    assert found.max_loss_usd[0] == pytest.approx(1.412512, abs=1e-6)


@pytest.mark.parametrize("name", ["call_calendar", "put_calendar"])
def test_an_american_calendar_loses_no_more_than_its_debit(name):
    *_, outlay, found, _ = revalued(name, 75, style="A", smile=skewed_slice)
    assert 0 < found.max_loss_usd[0] <= outlay + 1e-9


def test_a_poor_mans_covered_call_has_the_debit_of_the_specification_and_less_than_its_width():
    chain, drawn, outlay, found, _ = revalued("poor_mans_covered_call", 365, style="A")
    assert chain.strike_usd[drawn.contract[0]].tolist() == [88.0, 104.0]
    assert outlay == pytest.approx(15.605430, abs=1e-6)
    assert found.max_loss_usd[0] == pytest.approx(outlay, abs=1e-9)
    assert found.max_profit_usd[0] < 16 < np.inf


def test_breakevens_of_a_calendar_are_where_its_model_value_is_zero():
    *_, found, profit = revalued("put_calendar", 75, style="A")
    roots = found.breakeven_usd[0]
    assert roots.size == 2
    assert found.crossing[0].tolist() == [1.0, -1.0]
    assert np.abs(profit(roots)).max() < 1e-3


def test_sticky_strike_and_sticky_delta_differ_on_a_smile_away_from_todays_price():
    profits = {}
    for convention in VolatilityConvention:
        *_, profit = revalued("call_calendar", 75, style="A", convention=convention, smile=skewed_slice)
        profits[convention] = profit([90.0, 110.0])
    assert np.abs(profits[STICKY_DELTA] - profits[STICKY_STRIKE]).min() > 1e-3


def test_values_at_the_near_expiry_are_black_scholes_with_the_time_left():
    from gnosis.options import price

    chain = chain_of((35, 75))
    rows = np.arange(*chain.bounds[1, 0])[::20]
    prices, left = np.array([80.0, 100.0, 120.0]), 40 / 365
    expected = [
        price(
            prices, chain.strike_usd[row], left, prices * np.exp((RATE - CARRY) * left), np.exp(-RATE * left),
            VOLATILITY, True,
        )
        for row in rows
    ]  # fmt: skip
    assert values_at(chain, rows, 0, prices, STICKY_DELTA) == pytest.approx(np.array(expected), rel=1e-10)


def test_a_contract_that_expires_before_has_no_value_to_ask_for():
    chain = chain_of((35, 75))
    with pytest.raises(ValueError, match="live at least until the near expiry"):
        values_at(chain, np.array([0]), 1, np.array([100.0]), STICKY_DELTA)


def test_the_grid_has_all_points_of_the_core_both_tails_and_the_strikes():
    grid = price_grid(100.0, 0.06, np.array([97.3]))
    is_core = np.abs(np.log(grid[1:] / 100.0)) <= 0.36 + 1e-12
    assert is_core.sum() >= 401
    assert 97.3 in grid
    assert grid[0] == 0.0
    assert grid[1] < 5.0 < 2000.0 < grid[-1]
    with pytest.raises(ValueError, match="positive forward and deviation"):
        price_grid(100.0, 0.0, np.array([100.0]))
