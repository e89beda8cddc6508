"""Rows of the test tables of the option specification that have no other test."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from gnosis.options import carry_forward, discount_factor, greeks


@settings(max_examples=40, deadline=None)
@given(
    spot=st.floats(5, 5000),
    moneyness=st.floats(-1.5, 1.5),
    tau=st.floats(0.1, 2),
    rate=st.floats(-0.02, 0.12),
    carry=st.floats(-0.02, 0.08),
    iv=st.floats(0.2, 0.8),
    is_call=st.booleans(),
)
def test_second_derivatives_are_homogeneous(spot, moneyness, tau, rate, carry, iv, is_call):
    """G9: with V = S delta + K dV/dK also S^2 d2V/dS2 = K^2 d2V/dK2; dV/dK = -rho/(tau K), differenced in K."""
    strike = spot * np.exp(moneyness * iv * np.sqrt(tau))
    strikes = strike * np.array([1 - 1e-4, 1.0, 1 + 1e-4])
    forward, discount = carry_forward(spot, tau, rate, carry), discount_factor(rate, tau)
    found = greeks(spot, strikes, tau, forward, discount, iv, is_call)
    slope = -found.rho_per_unit / tau / strikes
    curvature = (slope[2] - slope[0]) / (strikes[2] - strikes[0])
    np.testing.assert_allclose(strike**2 * curvature, spot**2 * found.gamma_per_usd[1], rtol=2e-6)
    np.testing.assert_allclose(found.price, spot * found.delta + strikes * slope, rtol=1e-9, atol=1e-11 * spot)
