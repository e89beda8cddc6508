"""SVI slices against the published Vogt slice and its repairs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.optimize import brentq

from gnosis.options.surface import svi
from gnosis.options.surface.svi import JumpWing, RawSvi

VOGT = RawSvi(-0.0410, 0.1331, 0.3060, 0.3586, 0.4153)
VOGT_WINGS = (0.017426252555, -0.175211140809, 0.699738104117, 1.316798218986, 0.011624903235)
PRINTED_WINGS = (0.01742625, -0.1752111, 0.6997381, 1.316798, 0.0116249)


def g(raw: RawSvi, k: float) -> float:
    return float(svi.density_factor(raw, k))


def test_vogt_in_jump_wing_form():
    found = svi.jump_wing(VOGT, 1.0)
    assert np.array(found) == pytest.approx(VOGT_WINGS, rel=1e-9, abs=6e-13)
    for value, printed in zip(found, PRINTED_WINGS, strict=True):
        digits = len(str(printed).split(".")[1])
        assert round(float(value), digits) == printed


def test_vogt_there_and_back():
    assert np.array(svi.raw_svi(svi.jump_wing(VOGT, 1.0), 1.0)) == pytest.approx(np.array(VOGT), rel=1e-12)


def test_vogt_has_a_negative_density_between_two_points():
    k = np.linspace(-1.5, 1.5, 300_001)
    values = svi.density_factor(VOGT, k)
    assert values.min() == pytest.approx(-0.0328635735, abs=6e-11)
    assert k[values.argmin()] == pytest.approx(0.8792625, abs=1e-5)
    ends = [brentq(lambda at: g(VOGT, at), *bracket, xtol=1e-12) for bracket in ((0.5, 0.8), (1.0, 1.4))]
    assert ends == pytest.approx([0.6424079, 1.2569130], abs=6e-8)
    inside = (k > ends[0]) & (k < ends[1])
    assert (values[inside] < 0).all() and (values[~inside] > -1e-6).all()


def test_guaranteed_repair_of_vogt():
    repaired = svi.guaranteed_repair(svi.jump_wing(VOGT, 1.0))
    assert (repaired.c, repaired.v_min) == pytest.approx((0.349315822499, 0.015481824841), rel=1e-9)
    assert round(float(repaired.c), 7) == 0.3493158
    assert round(float(repaired.v_min), 8) == 0.01548182
    raw = svi.raw_svi(repaired, 1.0)
    assert np.array(raw) == pytest.approx(
        (0.0077409124, 0.0692420345, -0.3340364806, 0.0420337452, 0.1186078029), abs=6e-11
    )
    assert svi.density_factor(raw, np.linspace(-3, 3, 60_001)).min() == pytest.approx(0.26320361, abs=6e-9)


def test_printed_optimal_repair_of_vogt():
    raw = svi.raw_svi(JumpWing(*VOGT_WINGS[:3], 0.8564763, 0.0116249), 1.0)
    assert np.array(raw) == pytest.approx((-0.030519905, 0.102716790, 0.100717610, 0.272344205, 0.412398057), abs=6e-10)
    k = np.linspace(-3, 3, 60_001)
    values = svi.density_factor(raw, k)
    assert values.min() == pytest.approx(0.0081183, abs=6e-8)
    assert k[values.argmin()] == pytest.approx(0.8113, abs=1e-4)


def test_limits_of_g_in_the_wings():
    left, right = svi.g_limits(VOGT)
    assert (left, right) == pytest.approx((0.2494667203, 0.2481114761), abs=6e-11)
    assert g(VOGT, -1e7) == pytest.approx(float(left), abs=1e-6)
    assert g(VOGT, 1e7) == pytest.approx(float(right), abs=1e-6)
    assert svi.wing_slopes(VOGT) == pytest.approx((0.1331 * 0.694, 0.1331 * 1.306))


slices = st.builds(
    RawSvi,
    a=st.floats(0.0, 0.1),
    b=st.floats(1e-3, 0.8),
    rho=st.floats(-0.95, 0.95),
    m=st.floats(-0.5, 0.5),
    s=st.floats(0.01, 1.0),
)


@given(slices, st.floats(1 / 8760, 3.0))
@settings(max_examples=150, deadline=None)
def test_raw_to_jump_wing_and_back(raw, tau):
    wings = svi.jump_wing(raw, tau)
    # Where the least variance is (nearly) at the money, the wings no longer tell s.
    if abs(wings.psi) > 1e-3 * (wings.p + wings.c) and wings.v - wings.v_min > 1e-4 * wings.v:
        back = svi.raw_svi(wings, tau)
        assert np.array(back) == pytest.approx(np.array(raw), rel=1e-6, abs=1e-8)
        k = np.linspace(-1, 1, 21)
        assert svi.total_variance(back, k).w == pytest.approx(svi.total_variance(raw, k).w, rel=1e-8)


@given(slices, st.floats(-1.0, 1.0))
@settings(max_examples=60, deadline=None)
def test_derivatives_are_those_of_the_variance(raw, k):
    step = 1e-4 * raw.s
    below, at, above = svi.total_variance(raw, np.array([k - step, k, k + step])).w
    found = svi.total_variance(raw, k)
    assert float(found.slope) == pytest.approx((above - below) / (2 * step), rel=1e-4, abs=1e-6)
    assert float(found.curvature) == pytest.approx((above - 2 * at + below) / step**2, rel=1e-2, abs=1e-3 / raw.s)


def test_density_is_the_derivative_of_the_distribution_and_of_prices():
    raw = RawSvi(0.0102, 0.09805806757, -0.7, 0.14277254638, 0.14565713165)
    below = quad(lambda k: float(svi.log_moneyness_density(raw, k)), -20, 0.1, epsabs=1e-12, limit=200)[0]
    assert below == pytest.approx(float(svi.log_moneyness_distribution(raw, 0.1)), abs=1e-10)
    assert svi.log_moneyness_distribution(raw, [-30.0, 6.0]) == pytest.approx([0.0, 1.0], abs=1e-12)


def test_wings_of_no_slice_are_refused():
    with pytest.raises(ValueError, match="belong to no SVI slice"):
        svi.raw_svi(JumpWing(0.04, -0.6, 1.0, 1.0, 0.03), 1.0)
    with pytest.raises(ValueError, match="s is undetermined"):
        svi.raw_svi(JumpWing(0.04, 0.0, 1.0, 1.0, 0.04), 1.0)
