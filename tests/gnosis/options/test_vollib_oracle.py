"""vollib as oracle. It scales vega, rho by 0.01 and theta by 1/365; the conversion is here and nowhere else."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from gnosis.options import Greeks, carry_forward, discount_factor, greeks, implied_vol

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from vollib.black_scholes_merton import black_scholes_merton
    from vollib.black_scholes_merton.greeks import analytical
    from vollib.black_scholes_merton.implied_volatility import implied_volatility


def per_unit(name: str, vollib_value: float) -> float:
    """Return vollib's Greek per 1.00 of volatility or rate and per year."""
    return vollib_value * {"vega": 100.0, "rho": 100.0, "theta": 365.0}.get(name, 1.0)


def contracts(n: int) -> list[tuple[float, ...]]:
    generator = np.random.default_rng(20190515)
    tau = np.exp(generator.uniform(np.log(1 / 365), np.log(2), n))
    iv = generator.uniform(0.08, 1.0, n)
    strike = 100 * np.exp(generator.normal(0, 1.2, n) * iv * np.sqrt(tau))
    return list(zip(strike, tau, generator.uniform(0, 0.08, n), generator.uniform(0, 0.05, n), iv, strict=True))


@pytest.fixture(scope="module", params=["c", "p"])
def pair(request) -> tuple[str, list[tuple[float, ...]], Greeks]:
    flag = request.param
    sample = contracts(200)
    strike, tau, rate, carry, iv = np.array(sample).T
    forward = carry_forward(100, tau, rate, carry)
    return flag, sample, greeks(100, strike, tau, forward, discount_factor(rate, tau), iv, flag == "c")


def test_conversion_of_units():
    """Vector 1 in vollib's units: vega per vol point, theta per day, rho per percent."""
    arguments = ("c", 100, 105, 30 / 365, 0.05, 0.2, 0.015)
    assert analytical.vega(*arguments) == pytest.approx(0.0847902983999, rel=1e-9)
    assert per_unit("vega", analytical.vega(*arguments)) == pytest.approx(8.47902983999, rel=1e-9)
    assert per_unit("theta", analytical.theta(*arguments)) == pytest.approx(-11.050158518, rel=1e-9)
    assert per_unit("rho", analytical.rho(*arguments)) == pytest.approx(1.74846534471, rel=1e-9)
    assert per_unit("gamma", analytical.gamma(*arguments)) == pytest.approx(0.0515807648599, rel=1e-9)


def test_prices_agree(pair):
    flag, sample, found = pair
    expected = [black_scholes_merton(flag, 100, k, tau, r, v, q) for k, tau, r, q, v in sample]
    np.testing.assert_allclose(found.price, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("delta", "delta"),
        ("gamma", "gamma_per_usd"),
        ("vega", "vega_per_vol"),
        ("theta", "theta_per_year"),
        ("rho", "rho_per_unit"),
    ],
)
def test_greeks_agree(pair, name, column):
    flag, sample, found = pair
    function = getattr(analytical, name)
    expected = [per_unit(name, function(flag, 100, k, tau, r, v, q)) for k, tau, r, q, v in sample]
    np.testing.assert_allclose(getattr(found, column), expected, rtol=1e-8, atol=1e-10)


def test_implied_volatilities_agree(pair):
    flag, sample, found = pair
    strike, tau, rate, carry, _ = np.array(sample).T
    forward = carry_forward(100, tau, rate, carry)
    own = implied_vol(found.price, strike, tau, forward, discount_factor(rate, tau), flag == "c")
    expected = [
        implied_volatility(value, 100, k, t, r, q, flag)
        for value, (k, t, r, q, _) in zip(found.price.tolist(), sample, strict=True)
    ]
    well = found.vega_per_vol > 1e-2
    np.testing.assert_allclose(own[well], np.array(expected)[well], atol=1e-9)
