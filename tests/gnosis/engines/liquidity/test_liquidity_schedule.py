"""Remaining holdings of Almgren & Chriss (2001), and what amplification does to them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnosis.engines.liquidity.schedule import remaining_holdings, urgency


def test_published_holdings():
    found = remaining_holdings(1e6, np.arange(6), 5.0, 0.5)
    expected = [1_000_000, 599_460.798, 351_935.122, 194_241.566, 86_128.544, 0]
    np.testing.assert_allclose(found, expected, atol=5e-4)


def test_no_urgency_is_a_straight_line_and_great_urgency_does_not_overflow():
    times = np.linspace(0, 5, 11)
    np.testing.assert_allclose(remaining_holdings(100.0, times, 5.0, 0.0), 100 * (1 - times / 5), rtol=1e-12)
    np.testing.assert_allclose(remaining_holdings(100.0, times, 5.0, 1e-5), 100 * (1 - times / 5), rtol=1e-9)
    steep = remaining_holdings(1.0, [0.0, 1.0, 1000.0], 1000.0, 5.0)
    np.testing.assert_allclose(steep, [1.0, np.exp(-5.0), 0.0], rtol=1e-12)


@given(st.floats(0.2, 5), st.floats(0.2, 5), st.floats(1e-8, 1e-5), st.floats(0.01, 0.5))
def test_holdings_do_not_fall_as_amplification_rises(one, other, aversion, step):
    less, more = sorted((one, other))
    times = np.linspace(0, 5, 9)
    kappas = urgency(aversion, 0.5, 2.5e-6, step, permanent=2.5e-7, amplification=[less, more])
    held = [remaining_holdings(1e6, times, 5.0, kappa) for kappa in kappas]
    assert (held[1] >= held[0] - 1e-6).all()


def test_urgency_solves_its_equation_and_tends_to_the_continuous_one():
    tau, eta, gamma, aversion, sigma = 0.25, 2.5e-6, 2.5e-7, 2e-6, 0.95
    kappa = urgency(aversion, sigma, eta, tau, permanent=gamma).item()
    square = aversion * sigma**2 / (eta - gamma * tau / 2)
    assert np.cosh(kappa * tau) == pytest.approx(1 + square * tau**2 / 2, rel=1e-12)
    fine = urgency(aversion, sigma, eta, 1e-6, permanent=gamma).item()
    assert fine == pytest.approx(np.sqrt(aversion * sigma**2 / eta), rel=1e-6)
    halved = urgency(aversion, sigma, eta, 1e-6, amplification=4.0).item()
    assert halved == pytest.approx(fine / 2, rel=1e-6)


@pytest.mark.parametrize(
    "arguments", [([0.0], 0.0, 0.5), ([0.0], 5.0, -1.0), ([6.0], 5.0, 0.5), ([-1.0], 5.0, 0.5), ([0.0], 5.0, np.inf)]
)
def test_impossible_schedules_are_refused(arguments):
    with pytest.raises(ValueError, match="expected horizon > 0"):
        remaining_holdings(1e6, *arguments)


def test_permanent_impact_beyond_the_temporary_one_is_refused():
    with pytest.raises(ValueError, match="shorten the step"):
        urgency(1e-6, 1.0, 1e-6, 1.0, permanent=3e-6)
