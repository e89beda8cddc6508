"""Signing of volume: the normal distribution, its identities, and the quote and tick rules."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from gnosis.engines.volume_signing import buy_share, quote_rule, signed_volume


def test_printed_values():
    assert buy_share(0.01, 0.01).round(10) == 0.8413447461
    assert buy_share(0.0, 0.02) == 0.5
    assert signed_volume(1e6, 0.0, 0.02) == 0.0


@settings(max_examples=60)
@given(st.floats(-0.5, 0.5), st.floats(1e-4, 0.1))
def test_a_rise_buys_what_a_fall_sells(change, sigma):
    assert buy_share(change, sigma) + buy_share(-change, sigma) == pytest.approx(1.0, abs=3e-16)
    assert signed_volume(5.0, change, sigma) == pytest.approx(-signed_volume(5.0, -change, sigma))
    assert 0.0 <= buy_share(change, sigma) <= 1.0
    assert buy_share(change * 3, sigma * 3) == pytest.approx(buy_share(change, sigma))


def test_it_is_the_normal_distribution():
    x = np.linspace(-37, 37, 20_001)
    np.testing.assert_allclose(buy_share(x, 1.0), norm.cdf(x), rtol=2e-13)
    near = np.linspace(-8, 8, 20_001)
    np.testing.assert_allclose(buy_share(near, 1.0), norm.cdf(near), rtol=1e-14)
    assert (np.diff(buy_share(x, 1.0)) >= 0).all()
    assert buy_share([1e300, -1e300], 1.0).round(12).tolist() == [1.0, 0.0]


def test_shapes_and_unknown_values():
    found = buy_share(np.array([[0.01, np.nan], [-0.01, 0.0]]), np.array([0.01, 0.0]))
    assert found.shape == (2, 2)
    assert np.isnan(found[:, 1]).all() and np.isfinite(found[:, 0]).all()
    assert np.isnan(buy_share(0.01, [np.nan, -1.0])).all()
    assert buy_share([], 1.0).shape == (0,)
    assert np.isnan(signed_volume(np.nan, 0.01, 0.01))
    frozen = np.zeros(3)
    frozen.flags.writeable = False
    assert buy_share(frozen, 1.0).tolist() == [0.5] * 3


@pytest.mark.parametrize(
    ("close", "mid", "before", "side"),
    [
        (10.01, 10.0, 10.05, 1.0),
        (9.99, 10.0, 9.0, -1.0),
        (10.0, 10.0, 9.99, 1.0),
        (10.0, 10.0, 10.01, -1.0),
        (10.0, 10.0, 10.0, 0.0),
        (10.01, 10.0, np.nan, 1.0),
        (10.0, 10.0, np.nan, np.nan),
        (10.0, np.nan, 9.0, np.nan),
        (np.nan, 10.0, 9.0, np.nan),
    ],
)
def test_quote_rule_and_tick_rule(close, mid, before, side):
    np.testing.assert_array_equal(quote_rule(close, mid, before), side)
