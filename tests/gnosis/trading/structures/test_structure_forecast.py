"""Distributions of the price, and Greeks of a position in the units in which they are read."""

from __future__ import annotations

import numpy as np
import pytest

from gnosis.trading.structures import BY_ID, PriceForecast, lognormal_forecast, sampled_forecast
from gnosis.trading.structures.forecast import risk_neutral_below
from gnosis.trading.structures.position_greeks import position_greeks, summed_greeks
from gnosis.trading.structures.selection import enumerated
from tests.gnosis.trading.structures.flat_market import CARRY, RATE, VOLATILITY, chain_of, skewed_slice


def test_a_lognormal_forecast_has_its_mean_and_deviation():
    chain = chain_of((25, 70))
    forecast = lognormal_forecast(chain, 0.10, 0.3)
    tau = chain.tau_years[1]
    assert forecast.deviation(1) == pytest.approx(0.3 * np.sqrt(tau), rel=1e-4)
    assert forecast.below(1, 100 * np.exp([0.10 * tau]))[0] == pytest.approx(0.5, abs=1e-9)


def test_weights_of_any_grid_sum_to_one():
    forecast = lognormal_forecast(chain_of((25,)), 0.0, 0.3)
    for grid in (np.array([0.0, 90.0, 100.0]), np.linspace(95, 105, 7)):
        weights = forecast.weights(0, grid)
        assert weights.sum() == pytest.approx(1.0, abs=1e-15)
        assert (weights >= 0).all()


def test_the_surface_and_the_same_lognormal_law_agree():
    chain = chain_of((35,))
    forecast = lognormal_forecast(chain, RATE - CARRY - VOLATILITY**2 / 2, VOLATILITY)
    prices = np.linspace(80, 120, 41)
    found = risk_neutral_below(chain, np.zeros(41, dtype=np.int64), prices)
    assert found == pytest.approx(forecast.below(0, prices), abs=2e-5)
    skewed = risk_neutral_below(chain_of((35,), smile=skewed_slice), np.zeros(41, dtype=np.int64), prices)
    assert skewed[4] > found[4] + 1e-3


def test_samples_give_their_quantiles():
    draws = np.random.default_rng(3).lognormal(np.log(100), 0.1, (2, 5000))
    forecast = sampled_forecast(draws)
    share = (draws[1] <= 105).mean()
    assert forecast.below(1, np.array([105.0]))[0] == pytest.approx(share, abs=3e-3)
    with pytest.raises(ValueError, match="at least 401 paths"):
        sampled_forecast(draws[:, :100])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda price, mass: (price[:, ::-1], mass), "ascending positive prices"),
        (lambda price, mass: (price, mass[:, ::-1]), "rise within"),
        (lambda price, mass: (price[:, :5], mass[:, :5]), "at least 16 points"),
        (lambda price, mass: (price, mass * 1.5), "rise within"),
    ],
)
def test_a_forecast_that_is_no_distribution_is_refused(change, message):
    price, mass = np.linspace(80, 120, 41)[None, :], np.linspace(0, 1, 41)[None, :]
    with pytest.raises(ValueError, match=message):
        PriceForecast(*change(price, mass))


def test_position_greeks_are_sums_over_legs_in_edge_units():
    chain = chain_of((35,))
    drawn, _ = enumerated(chain, [BY_ID["covered_call"]])
    sums, edge = summed_greeks(chain, drawn), position_greeks(chain, drawn)
    call = drawn.contract[:, 0]
    assert edge.delta_shares == pytest.approx(100 * (1 - chain.greeks.delta[call]))
    assert edge.gamma_shares_per_usd == pytest.approx(-100 * chain.greeks.gamma_per_usd[call])
    assert edge.vega_usd_per_volpt == pytest.approx(-chain.greeks.vega_per_vol[call])
    assert edge.theta_usd_per_day == pytest.approx(-100 * chain.greeks.theta_per_year[call] / 365)
    assert edge.rho_usd_per_bp == pytest.approx(-0.01 * chain.greeks.rho_per_unit[call])
    assert edge.charm_shares_per_day == pytest.approx(-100 * chain.greeks.charm_per_year[call] / 365)
    assert sums.price == pytest.approx(100.0 - chain.greeks.price[call])


def test_a_one_point_rise_of_volatility_is_worth_the_vega():
    one, other = chain_of((35,)), chain_of((35,), smile=lambda tau: (0.21**2 * tau, 0.0, 0.0, 0.0, 0.1))
    drawn, _ = enumerated(one, [BY_ID["long_strangle"]])
    change = 100 * (summed_greeks(other, drawn).price - summed_greeks(one, drawn).price)
    assert change == pytest.approx(position_greeks(one, drawn).vega_usd_per_volpt, rel=0.02)
