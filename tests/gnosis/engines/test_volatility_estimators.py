import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnosis.engines.volatility import (
    close_to_close_variance,
    garman_klass_variance,
    parkinson_variance,
    rogers_satchell_variance,
    yang_zhang_variance,
)

BARS = np.array(
    [
        [100.0, 100.9, 99.6, 100.5],
        [100.6, 101.0, 99.9, 100.1],
        [100.2, 101.3, 100.0, 101.2],
        [101.1, 101.7, 100.6, 100.8],
        [102.6, 103.4, 102.3, 103.2],
        [103.1, 103.5, 102.4, 102.6],
        [102.7, 103.0, 101.9, 102.1],
        [102.2, 102.9, 101.8, 102.8],
    ]
)
OPEN, HIGH, LOW, CLOSE = BARS.T


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (close_to_close_variance(CLOSE), 1.22687270671e-4),
        (parkinson_variance(HIGH, LOW)[1:].mean(), 4.45363194291e-5),
        (garman_klass_variance(OPEN, HIGH, LOW, CLOSE)[1:].mean(), 4.74748728078e-5),
        (rogers_satchell_variance(OPEN, HIGH, LOW, CLOSE)[1:].mean(), 4.57497483920e-5),
        (yang_zhang_variance(OPEN, HIGH, LOW, CLOSE), 8.93368609851e-5),
    ],
)
def test_eight_reference_bars(found, expected):
    assert found == pytest.approx(expected, rel=1e-11)


@pytest.fixture(scope="module")
def simulated():
    """Open, high, low and close of 20,000 driftless days of 400 steps, true variance 1e-4."""
    rng = np.random.default_rng(20_000)
    parts = []
    for _ in range(10):
        path = np.cumsum(rng.normal(0.0, 0.01 / np.sqrt(400), (2_000, 400)), axis=1)
        parts.append(
            np.stack([np.zeros(2_000), np.maximum(path.max(axis=1), 0), np.minimum(path.min(axis=1), 0), path[:, -1]])
        )
    return np.exp(np.concatenate(parts, axis=1))


@pytest.mark.parametrize(
    ("name", "bias", "efficiency"),
    [("parkinson", 0.935, 5.25), ("garman_klass", 0.907, 8.3), ("rogers_satchell", 0.904, 6.5)],
)
def test_bias_and_efficiency_on_simulated_days(simulated, name, bias, efficiency):
    o, h, low, c = simulated
    estimate = {
        "parkinson": lambda: parkinson_variance(h, low),
        "garman_klass": lambda: garman_klass_variance(o, h, low, c),
        "rogers_satchell": lambda: rogers_satchell_variance(o, h, low, c),
    }[name]()
    assert estimate.mean() / 1e-4 == pytest.approx(bias, abs=0.015)
    assert np.var(np.log(c / o) ** 2) / np.var(estimate) == pytest.approx(efficiency, rel=0.08)


@settings(max_examples=30)
@given(st.floats(0.1, 5.0))
def test_every_estimator_scales_with_the_square_of_log_returns(a):
    scaled = 100.0 * (BARS / 100.0) ** a
    for estimator in (garman_klass_variance, rogers_satchell_variance, yang_zhang_variance):
        np.testing.assert_allclose(estimator(*scaled.T), a**2 * estimator(*BARS.T), rtol=1e-9)
    np.testing.assert_allclose(parkinson_variance(*scaled.T[1:3]), a**2 * parkinson_variance(HIGH, LOW), rtol=1e-9)
    assert close_to_close_variance(scaled[:, 3]) == pytest.approx(a**2 * close_to_close_variance(CLOSE), rel=1e-9)


def test_estimators_work_along_the_last_axis():
    stacked = [np.stack([side, side * 2]) for side in BARS.T]
    assert yang_zhang_variance(*stacked).shape == (2,)
    np.testing.assert_allclose(yang_zhang_variance(*stacked), 8.93368609851e-5, rtol=1e-11)


def test_too_few_bars_for_a_sample_variance():
    with pytest.raises(ValueError, match="at least 3 bars"):
        yang_zhang_variance(*BARS[:2].T)
