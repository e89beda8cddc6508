from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnosis.options.surface.ssvi import Ssvi, certify_term_structure
from gnosis.simulate.surface import atm_total_variance, call_put_prices, gamma_per_usd


@given(
    st.floats(-0.8, -0.2),
    st.floats(0.4, 1.2),
    st.floats(0.05, 1.5),
    st.floats(0.05, 1.5),
)
@settings(max_examples=60, deadline=None)
def test_certified_surface_has_a_density_and_rises_in_tau(rho, eta, now, long):
    tau = np.array([1 / 8760, 0.02, 0.1, 0.3, 0.7])
    theta = atm_total_variance(tau, np.array(now**2), np.array(long**2), 4.0)
    surface = Ssvi(rho, eta)
    surface.certify(theta)
    certify_term_structure(theta)
    k = np.linspace(-1.5, 1.5, 601)
    w = surface.total_variance(k, theta[:, None])
    assert np.diff(w, axis=0).min() > 0
    call, put = call_put_prices(np.array(1.0), np.array(1.0), np.exp(k), w)
    strikes = np.exp(k)
    assert (np.diff(call, axis=1) <= 1e-12).all()
    slopes = np.diff(call, axis=1) / np.diff(strikes)
    assert (np.diff(slopes, axis=1) >= -1e-9).all()
    assert call - put == pytest.approx(np.broadcast_to(1 - strikes, call.shape), abs=1e-12)


def test_gamma_of_the_published_vector_and_of_finite_differences():
    spot, rate, carry, tau = 100.0, 0.05, 0.015, 30 / 365
    discount, w = np.array(np.exp(-rate * tau)), np.array(0.04 * tau)
    forward = spot * np.exp((rate - carry) * tau)
    gamma = gamma_per_usd(np.array(spot), np.array(forward), discount, np.array(105.0), w)
    assert gamma == pytest.approx(0.0515807648599, rel=1e-11)
    step = 0.01
    prices = [
        call_put_prices(np.array(forward * (spot + s) / spot), discount, np.array(105.0), w)[0]
        for s in (-step, 0.0, step)
    ]
    assert (prices[0] - 2 * prices[1] + prices[2]) / step**2 == pytest.approx(float(gamma), rel=1e-5)
