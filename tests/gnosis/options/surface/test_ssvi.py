"""SSVI against the vectors of its published formulas."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnosis.options.surface import svi
from gnosis.options.surface.ssvi import ArbitrageError, Ssvi, certify_term_structure

SURFACE = Ssvi(-0.7, 1.0, 0.5)
VECTORS = [
    (0.01, (0.017679302222, 0.01, 0.005380810476), (0.1691563, 1.6831683), 0.2795551, (4.9259267, 34.8088955)),
    (0.04, (0.054625844848, 0.04, 0.028021876858), (0.3333974, 1.6346154), 0.3111852, (2.3571651, 17.1515852)),
    (0.16, (0.186938097632, 0.16, 0.135302422941), (0.6313641, 1.4655172), 0.3819847, (1.0005137, 8.1201106)),
]


@pytest.mark.parametrize(("theta", "variances", "butterfly", "least_g", "calendar"), VECTORS)
def test_vectors(theta, variances, butterfly, least_g, calendar):
    theta = np.array(theta)
    assert SURFACE.total_variance(np.array([-0.1, 0.0, 0.1]), theta) == pytest.approx(variances, abs=6e-13)
    found = SURFACE.sufficient_conditions(theta)
    assert (found.wing, found.curvature) == pytest.approx(butterfly, abs=6e-8)
    assert (found.calendar, found.calendar_bound) == pytest.approx(calendar, abs=6e-8)
    assert found.calendar <= found.calendar_bound
    g = svi.density_factor(SURFACE.raw_svi(theta), np.linspace(-1, 1, 20_001))
    assert g.min() == pytest.approx(least_g, abs=1e-7)


def test_raw_form_of_a_slice():
    raw = SURFACE.raw_svi(np.array(0.04))
    assert np.array(raw) == pytest.approx((0.0102, 0.09805806757, -0.7, 0.14277254638, 0.14565713165), abs=6e-12)


def test_slices_do_not_cross():
    k = np.linspace(-1.5, 1.5, 2001)
    w = SURFACE.total_variance(k, np.array([[0.01], [0.04], [0.16]]))
    assert np.diff(w, axis=0).min(axis=1) == pytest.approx([0.0136245050, 0.0536764595], abs=6e-11)


parameters = st.tuples(st.floats(-0.95, 0.95), st.floats(0.05, 3.0), st.floats(0.0, 1.0))


@given(parameters, st.floats(1e-5, 2.0))
@settings(max_examples=100, deadline=None)
def test_a_slice_is_raw_svi_with_variance_theta_at_the_money(found, theta):
    surface, theta = Ssvi(*found), np.array(theta)
    k = np.linspace(-1.5, 1.5, 31)
    raw = surface.raw_svi(theta)
    assert svi.total_variance(raw, k).w == pytest.approx(surface.total_variance(k, theta), rel=1e-9)
    assert float(surface.total_variance(0.0, theta)) == pytest.approx(float(theta), rel=1e-12)


@given(parameters, st.floats(1e-5, 2.0), st.floats(1.0, 5.0))
@settings(max_examples=100, deadline=None)
def test_sufficient_conditions_suffice(found, theta, growth):
    surface, theta = Ssvi(*found), np.array([theta, growth * theta])
    k = np.concatenate([np.linspace(-1.5, 1.5, 301), np.sqrt(theta[0]) * np.linspace(-8, 8, 301)])
    try:
        surface.certify(theta)
    except ArbitrageError:
        return
    for each in theta:
        assert svi.density_factor(surface.raw_svi(each), k).min() >= -1e-12
    earlier, later = surface.total_variance(k, theta[:, None])
    # In the low wing the two parts of w cancel, so equal slices differ by the rounding of the high wing.
    assert (later - earlier).min() >= -8 * np.spacing(earlier.max())


def test_refused_parameters_name_the_condition():
    with pytest.raises(ArbitrageError, match=r"theta phi\^2"):
        Ssvi(-0.7, 2.0).certify(np.array([0.01]))
    with pytest.raises(ArbitrageError, match=r"\|rho\| < 1"):
        Ssvi(-1.2, 0.5).certify(np.array([0.01]))
    with pytest.raises(ArbitrageError, match="not to fall"):
        certify_term_structure(np.array([0.02, 0.01]))
