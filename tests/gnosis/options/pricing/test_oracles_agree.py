"""vollib as second, pyvolr as third oracle: an index chain, and hard contracts whose price identifies a volatility."""

from __future__ import annotations

import numpy as np
import pytest

from gnosis.options import greeks, implied_vol

VECTOR_1 = (100.0, 105.0, 30 / 365, 0.05, 0.015, 0.2)


@pytest.fixture(params=["vollib", "pyvolr"])
def library(request) -> str:
    return request.param


def test_conversion_of_vollibs_units(oracles):
    """Vector 1 in vollib's own units: vega per vol point, theta per day, rho per percent."""
    arguments = ("c", 100, 105, 30 / 365, 0.05, 0.2, 0.015)
    assert oracles.analytical.vega(*arguments) == pytest.approx(0.0847902983999, rel=1e-9)
    assert oracles.analytical.theta(*arguments) == pytest.approx(-11.050158518 / 365, rel=1e-9)
    assert oracles.analytical.rho(*arguments) == pytest.approx(0.0174846534471, rel=1e-9)
    assert oracles.per_unit("vollib", "vega", 0.0847902983999) == pytest.approx(8.47902983999, rel=1e-9)
    assert oracles.per_unit("vollib", "gamma", 0.05) == 0.05


def test_pyvolr_gives_raw_partial_derivatives(oracles):
    """Vector 1 straight from pyvolr: nothing to convert."""
    found = oracles.bs.greeks("c", 100, 105, 30 / 365, 0.05, 0.2, 0.015)
    assert found["vega"] == pytest.approx(8.47902983999, rel=1e-9)
    assert found["theta"] == pytest.approx(-11.050158518, rel=1e-9)
    assert found["rho"] == pytest.approx(1.74846534471, rel=1e-9)
    for name, value in found.items():
        assert oracles.per_unit("pyvolr", name, value) == value


@pytest.mark.parametrize(
    ("is_call", "expected"),
    [
        (True, [0.7032853291, 0.219762803564, 0.0515807648599, 8.47902983999, -11.050158518, 1.74846534471]),
        (False, [5.3958756275, -0.779005079404, 0.0515807648599, 8.47902983999, -7.31984141269, -6.84627810147]),
    ],
)
def test_vector_1_after_conversion(oracles, library, is_call, expected):
    found = getattr(oracles, f"{library}_greeks")(*(np.array([value]) for value in VECTOR_1), np.array([is_call]))
    names = ("price", "delta", "gamma_per_usd", "vega_per_vol", "theta_per_year", "rho_per_unit")
    np.testing.assert_allclose([found[name][0] for name in names], expected, rtol=1e-9)


def test_price_and_greeks_agree(hard_grid, oracles, library):
    contracts, references = hard_grid
    own = greeks(*contracts[1:])
    found = getattr(oracles, f"{library}_greeks")(
        contracts.spot,
        contracts.strike,
        contracts.tau_years,
        contracts.rate,
        contracts.carry,
        contracts.iv,
        contracts.is_call,
    )
    identified = references.kind == "identified"
    for name, value in found.items():
        size = references.scale[own._fields.index(name)][identified]
        difference = np.abs(getattr(own, name) - value)[identified] / size
        realistic = contracts.stratum[identified] == "index chain"
        assert difference[realistic].max() <= 1e-10, name
        assert difference.max() <= 1e-8, name


def test_implied_volatilities_agree(hard_grid, oracles, library):
    contracts, references = hard_grid
    price = references.value[0]
    own = implied_vol(
        price, contracts.strike, contracts.tau_years, contracts.forward, contracts.discount, contracts.is_call
    )
    found = getattr(oracles, f"{library}_implied_vol")(
        price,
        contracts.spot,
        contracts.strike,
        contracts.tau_years,
        contracts.rate,
        contracts.carry,
        contracts.is_call,
    )
    identified = references.kind == "identified"
    for is_call in (True, False):
        rows = identified & (contracts.is_call == is_call)
        assert rows.sum() > 100
        # Rate and carry yield bring roundings of their own into the library's forward and discount factor.
        np.testing.assert_array_less(np.abs(own.iv - found)[rows], (1e-9 + references.error)[rows])


def test_a_refused_price_has_no_volatility(oracles, library):
    columns = (np.full(2, 100.0), np.full(2, 90.0), np.full(2, 0.1), np.full(2, 0.05), np.zeros(2))
    found = getattr(oracles, f"{library}_implied_vol")(np.array([5.0, 150.0]), *columns, np.array([True, True]))
    assert np.isnan(found).all()
