from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnosis.options import carry_forward, discount_factor, parity_forward, price

STRIKES = [95.0, 100.0, 105.0]
CALLS = [5.7816027400, 2.4273730419, 0.7032853291]
PUTS = [0.5152046008, 2.1404691215, 5.3958756275]
TAU = 30 / 365
DISCOUNT = discount_factor(0.05, TAU)


def found(calls, puts, strikes=STRIKES, spread=0.1, spot=100.0, discount=DISCOUNT, **rest) -> tuple[float, float]:
    forward, error = parity_forward(strikes, calls, puts, spread, spot, discount, **rest)
    return float(forward[0]), float(error[0])


def test_published_chain():
    parity = np.subtract(CALLS, PUTS)
    np.testing.assert_allclose(parity, [5.26639813919, 0.28690392037, -4.69259029845], atol=3e-10)
    slope, intercept = np.polyfit(STRIKES, parity, 1)
    assert -slope == pytest.approx(0.99589884376, rel=1e-10)
    assert intercept / -slope == pytest.approx(100.288085404, rel=1e-10)
    forward, error = found(CALLS, PUTS)
    assert forward == pytest.approx(100.288085404, rel=1e-10)
    assert forward == pytest.approx(float(carry_forward(100, TAU, 0.05, 0.015)), rel=1e-10)
    assert error < 1e-8


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-0.3, 0.3), min_size=3, max_size=3))
def test_shifting_call_and_put_of_a_strike_together_changes_nothing(shifts):
    forward, _ = found(np.add(CALLS, shifts), np.add(PUTS, shifts))
    assert forward == pytest.approx(found(CALLS, PUTS)[0], rel=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.floats(0.5, 200), st.lists(st.floats(-0.2, 0.2), min_size=3, max_size=3))
def test_scaling_all_prices_scales_the_forward(scale, noise):
    calls = np.add(CALLS, noise)
    forward, error = found(calls, PUTS)
    scaled = found(scale * calls, np.multiply(PUTS, scale), np.multiply(STRIKES, scale), 0.1 * scale, 100 * scale)
    assert scaled == pytest.approx((scale * forward, scale * error), rel=1e-9, abs=1e-9)


def test_one_wrong_quote_does_not_move_the_median():
    strikes = np.arange(97.0, 104.0)
    forward = 100.3
    calls = 3 + 0.995 * np.maximum(forward - strikes, 0)
    puts = 3 + 0.995 * np.maximum(strikes - forward, 0)
    calls[2] += 1.5
    assert found(calls, puts, strikes, discount=0.995)[0] == pytest.approx(forward, rel=1e-12)


def test_tight_quotes_outweigh_wide_ones():
    calls = [5.0, 2.0, 3.0, 9.0, 9.0]
    puts = [5.0, 2.0, 3.0, 4.0, 4.0]
    strikes = [100.0, 100.5, 101.0, 101.5, 102.0]
    forward, error = found(calls, puts, strikes, spread=[10.0, 0.1, 10.0, 10.0, 10.0], discount=1.0)
    assert (forward, error) == (100.5, 0.0)


def test_median_and_its_error_with_equal_weights():
    # Forwards 100, 101, 102, 104: the median is 101.5, the deviations 1.5, 0.5, 0.5, 2.5 have median 1.
    forward, error = found([5.0, 5.0, 5.0, 6.0], [5.0, 5.0, 5.0, 5.0], [100.0, 101.0, 102.0, 103.0], discount=1.0)
    assert forward == 101.5
    assert error == pytest.approx(1.4826)


def test_at_least_three_pairs():
    assert np.isnan(found(CALLS, PUTS, is_pair=[True, False, True])).all()
    assert np.isnan(found(CALLS, PUTS, is_pair=False)).all()


def test_locked_quotes_have_finite_weight():
    assert found(CALLS, PUTS, spread=0.0)[0] == pytest.approx(100.288085404, rel=1e-10)


def wings(strikes: np.ndarray, sigma: float, lie: float) -> tuple[np.ndarray, np.ndarray]:
    """Calls and puts with F = 100; calls further than the lie's distance from it are too dear by 1."""
    calls, puts = (price(100, strikes, TAU, 100, 1, sigma, is_call) for is_call in (True, False))
    return calls + (np.abs(strikes - 100) > lie), puts


def test_american_pairs_stay_within_two_percent():
    strikes = np.array([94.0, 95.0, 99.0, 100.0, 101.0, 105.0, 106.0, 107.0])
    calls, puts = wings(strikes, 0.4, 2)
    assert found(calls, puts, strikes, discount=1.0, is_american=True)[0] == pytest.approx(100, abs=1e-9)
    assert found(calls, puts, strikes, discount=1.0)[0] == pytest.approx(101, abs=1e-9)


def test_only_the_twelve_strikes_nearest_to_spot_count():
    strikes = np.arange(80.0, 121.0)
    calls, puts = wings(strikes, 0.8, 6)
    assert found(calls, puts, strikes, discount=1.0)[0] == pytest.approx(100, abs=1e-9)


def test_expiries_are_separate():
    forward, _ = parity_forward(
        STRIKES * 2, CALLS + CALLS, PUTS + list(np.add(PUTS, 0.5)), 0.1, 100, DISCOUNT, starts=[0, 3, 6]
    )
    assert forward[0] - forward[1] == pytest.approx(0.5 / DISCOUNT, rel=1e-9)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"spot": -100.0}, r"spot: expected positive finite values in \$ .* found -100.0"),
        ({"strikes": [95.0, 0.0, 105.0]}, r"strike: expected positive finite values in \$ .* found 0.0 at position 1"),
        ({"spread": [0.1, 0.1]}, r"spread_sum: expected one value, or one per strike, shape \(3,\), found \(2,\)"),
        ({"discount": [1.0] * 4}, r"discount: expected one value, or one per strike"),
        ({"starts": [0, 2]}, r"starts: expected positions ascending from 0 to the number of strikes 3"),
    ],
)
def test_impossible_arguments_are_refused(changed, message):
    with pytest.raises(ValueError, match=message):
        found(CALLS, PUTS, **changed)
    if "strikes" not in changed:
        with pytest.raises(ValueError, match="call_mid: expected one value, or one per strike"):
            found(CALLS[:2], PUTS)
