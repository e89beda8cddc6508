import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnosis.engines.potential import potential, potential_shape

positive = st.floats(1e-3, 1e3)
X = np.linspace(-0.05, 0.05, 41)


@pytest.mark.parametrize(
    ("works", "name"),
    [
        (3.0 * X**2, "quadratic"),
        (X**2 + 15.0 * X**3, "cubic"),
        (-(X**2) + 800.0 * X**4, "double_well"),
        (X**2 + 800.0 * X**4, "quartic"),
        (0.0 * X, None),
    ],
)
def test_shapes_of_the_potential(works, name):
    assert potential_shape(works).name == name


def test_shape_recovers_its_coefficients():
    shape = potential_shape(2.0 * X**2 - 3.0 * X**3 + 5.0 * X**4)
    assert (shape.a2, shape.a3, shape.a4, shape.residual) == pytest.approx((2.0, -3.0, 5.0, 0.0), abs=1e-6)


@pytest.mark.parametrize("works", [np.zeros(40), np.full(41, np.nan)])
def test_shape_needs_41_finite_works(works):
    with pytest.raises(ValueError, match="41 finite works"):
        potential_shape(works)


@settings(max_examples=40)
@given(positive, st.floats(1e3, 1e9))
def test_constant_slope_is_one_parabola(spot, k):
    assert potential_shape(potential(spot, np.full(81, k))).name == "quadratic"
