"""Second-order gamma field of sentiment: printed values, the switched-off term, and the cross derivative."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnosis.engines.physics import amplification, log_return
from gnosis.engines.sentiment_field import gamma_shift, price_impulse, sentiment_amplification


def test_printed_values():
    shift = gamma_shift(0.1, 0.5, 20e9)
    assert shift == pytest.approx(-1e9)
    assert sentiment_amplification(50e9, -20e9, shift) == pytest.approx(1.7241379310, abs=5e-11)
    assert sentiment_amplification(50e9, -20e9, 0.0) == pytest.approx(1.6666666667, abs=5e-11)


@pytest.mark.parametrize("sentiment", [-1.0, 0.3, 1.0, np.nan])
@pytest.mark.parametrize("call_gamma", [0.0, 3e9, np.nan])
def test_without_the_term_it_is_the_amplification_bit_for_bit(sentiment, call_gamma):
    depth, gamma = np.array([50e9, 1 / 3, 10.0, np.nan]), np.array([-20e9, 0.1, -10.0, 1.0])
    shift = gamma_shift(0.0, sentiment, call_gamma)
    assert sentiment_amplification(depth, gamma, shift).tobytes() == amplification(depth, gamma).tobytes()
    assert price_impulse(0.0, sentiment, 50e9, -20e9, call_gamma) == 0.0


@settings(max_examples=40)
@given(st.floats(0.01, 0.5), st.floats(-0.99, 0.99), st.floats(0.5, 5), st.floats(-0.3, 1), st.floats(0.01, 0.4))
def test_cross_derivative_is_its_finite_difference(kappa, sentiment, depth, gamma, call_gamma):
    def move(s, flow):
        return log_return(flow, depth, gamma + gamma_shift(kappa, s, call_gamma))

    step = 1e-5
    slope = (move(sentiment + step, 1.0) - move(sentiment - step, 1.0)) / (2 * step)
    assert price_impulse(kappa, sentiment, depth, gamma, call_gamma) == pytest.approx(slope, rel=1e-6)


@pytest.mark.parametrize(("kappa", "gamma"), [(0.5, -49.0), (0.0, -50.0)])
def test_without_any_stiffness_it_is_null(kappa, gamma):
    assert 50.0 + gamma + gamma_shift(kappa, 1.0, 2.0) == 0.0
    assert np.isnan(price_impulse(kappa, 1.0, 50.0, gamma, 2.0))
    assert np.isnan(sentiment_amplification(50.0, gamma, gamma_shift(kappa, 1.0, 2.0)))


def test_unstable_or_unknown_is_null():
    assert np.isnan(sentiment_amplification(50e9, -49e9, gamma_shift(0.1, 1.0, 20e9)))
    assert np.isnan(price_impulse(0.1, 1.0, 50e9, -49e9, 20e9))
    assert np.isnan([gamma_shift(0.1, np.nan, 1.0), gamma_shift(0.1, 1.0, np.nan)]).all()
    assert price_impulse(0.1, [0.5, -0.5], 50e9, -20e9, 20e9).shape == (2,)
