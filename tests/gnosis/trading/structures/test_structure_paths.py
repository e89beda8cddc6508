"""Structures along simulated prices."""

from __future__ import annotations

import numpy as np
import pytest

from gnosis.trading.monte_carlo import HORIZON, STOP, TARGET
from gnosis.trading.structures import BY_ID, VolatilityConvention
from gnosis.trading.structures.exits import exit_levels
from gnosis.trading.structures.path_outcomes import structure_outcomes
from gnosis.trading.structures.premium import net_premium
from gnosis.trading.structures.selection import enumerated
from tests.gnosis.trading.structures.flat_market import CARRY, RATE, VOLATILITY, chain_of
from tests.gnosis.trading.structures.test_structure_table import FREE

STICKY_DELTA = VolatilityConvention.STICKY_DELTA


def prepared(name: str, days=(30, 75), style="E"):
    chain = chain_of(days, style=style)
    drawn, _ = enumerated(chain, [BY_ID[name]])
    drawn = drawn.take(np.flatnonzero(drawn.is_central)[:1])
    premium = net_premium(chain, drawn, FREE)
    return chain, drawn, float(premium.net_usd[0]), exit_levels(drawn, premium.net_usd)


def outcomes(name: str, paths, days_per_step=1.0, cost=0.0, style="E"):
    chain, drawn, net, exits = prepared(name, style=style)
    return net, structure_outcomes(chain, drawn, net, cost, exits, paths, days_per_step, STICKY_DELTA)


def test_a_credit_structure_that_nothing_happens_to_reaches_its_target():
    net, found = outcomes("iron_condor", np.zeros((1, 28)))
    assert found.ended_by.tolist() == [TARGET]
    assert found.pnl_usd[0] >= -0.5 * net
    assert 1 < found.steps_held[0] < 28


def test_a_crash_stops_a_short_put_at_what_it_then_costs():
    paths = np.zeros((1, 28))
    paths[0, 2:] = -0.25
    net, found = outcomes("naked_put", paths)
    assert (found.ended_by.tolist(), found.steps_held.tolist()) == ([STOP], [3])
    assert found.pnl_usd[0] < 2 * net < net < 0


def test_a_fall_stops_a_long_call_and_a_rally_pays():
    paths = np.stack([np.linspace(0, -0.08, 28), np.linspace(0, 0.1, 28)])
    net, found = outcomes("long_call", paths)
    assert found.ended_by.tolist() == [STOP, TARGET]
    assert -0.9 * net < found.pnl_usd[0] <= -0.75 * net
    assert 0.75 * net <= found.pnl_usd[1] < net


def test_a_structure_is_closed_out_before_its_expiry():
    net, found = outcomes("covered_call", np.zeros((1, 29)))
    assert (found.ended_by.tolist(), found.steps_held.tolist()) == ([HORIZON], [25])
    assert abs(found.pnl_usd[0]) < 0.5 * net


def test_costs_of_the_exit_lower_every_outcome():
    paths = np.random.default_rng(1).normal(0, 0.01, (50, 28)).cumsum(axis=1)
    _, free = outcomes("covered_call", paths)
    _, paid = outcomes("covered_call", paths, cost=0.05)
    assert paid.pnl_usd == pytest.approx(free.pnl_usd - 0.05, abs=1e-12)


def test_under_the_risk_neutral_law_stopping_earns_no_more_than_interest():
    """Optional stopping: the discounted value is a martingale wherever it is stopped."""
    rng = np.random.default_rng(11)
    half = rng.normal(size=(4000, 27))
    normal, step = np.concatenate([half, -half]), 1 / 365
    drift = (RATE - CARRY - VOLATILITY**2 / 2) * step
    paths = (drift + VOLATILITY * np.sqrt(step) * normal).cumsum(axis=1)
    for name in ("iron_condor", "long_strangle", "call_calendar"):
        net, found = outcomes(name, paths)
        discounted = (found.pnl_usd + net) * np.exp(-RATE * found.steps_held * step)
        error = discounted.std() / np.sqrt(discounted.size)
        assert abs(discounted.mean() - net) < 4 * error


@pytest.mark.parametrize(
    ("paths", "days", "message"),
    [(np.zeros(5), 1.0, "shape"), (np.zeros((2, 3)), 0.0, "positive steps"), (np.zeros((2, 3)), 30.0, "shorter steps")],
)
def test_paths_that_do_not_fit_are_refused(paths, days, message):
    chain, drawn, net, exits = prepared("naked_put")
    with pytest.raises(ValueError, match=message):
        structure_outcomes(chain, drawn, net, 0.0, exits, paths, days, STICKY_DELTA)
