import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnosis.options.positioning.conventions import DEALER_FRACTION
from gnosis.options.positioning.delta_profile import delta_profiles
from gnosis.options.positioning.gamma_profile import gamma_profiles

ADV_USD = 100e6


def dealer_delta(greeks, ratios, convention="naive", revaluation="sticky_moneyness"):
    found, x = delta_profiles(greeks, ratios, revaluation), DEALER_FRACTION[convention]
    return (x["C"] * found.call + x["P"] * found.put)[0]


@pytest.mark.parametrize(
    ("convention", "up", "down"),
    [("naive", -0.00492744466, -0.00359564875), ("customer_long", 0.01689958221, 0.01721356385)],
)
def test_pressure_of_the_mini_book(mini_book, convention, up, down):
    below, here, above = dealer_delta(mini_book, [0.99, 1.0, 1.01], convention)
    assert -(above - here) * 100 / ADV_USD == pytest.approx(up, rel=1e-8)
    assert (below - here) * 100 / ADV_USD == pytest.approx(down, rel=1e-8)


@settings(max_examples=20, deadline=None)
@given(st.floats(0.05, 1.0), st.integers(1, 400), st.floats(0.85, 1.15))
def test_flat_smile_knows_one_revaluation_and_gamma_is_the_slope(book, sigma, days, ratio):
    frame = book([("C", 95.0, 100.0), ("P", 102.0, 70.0)], days=days, smile=lambda k: sigma)
    step = 1e-4
    low, high = (dealer_delta(frame, [ratio * (1 + h)])[0] for h in (-step, step))
    assert dealer_delta(frame, [ratio], revaluation="sticky_strike")[0] == pytest.approx(
        dealer_delta(frame, [ratio])[0], rel=1e-9, abs=1e-6
    )
    profile = gamma_profiles(frame, [ratio])
    gamma = profile.call[0, 0] - profile.put[0, 0]
    assert (high - low) / (200 * ratio * step) == pytest.approx(gamma, rel=1e-2, abs=1e-3 * (1 + abs(gamma)))


def test_volatility_follows_the_smile(book):
    frame = book([("C", k, 10.0) for k in (90.0, 100.0, 110.0)], smile=lambda k: 0.2 - 0.5 * k)
    by_moneyness, by_strike = (
        dealer_delta(frame, [1.05], revaluation=r) for r in ("sticky_moneyness", "sticky_strike")
    )
    assert by_moneyness[0] != pytest.approx(by_strike[0], rel=1e-3)
    own = frame.select((pl.col("delta") * 1000).sum()).item()
    assert dealer_delta(frame, [1.0])[0] == pytest.approx(own, rel=1e-12)


def test_chains_do_not_mix(book):
    one, two = book([("C", 100.0, 5.0)], symbol="AAA"), book([("P", 100.0, 7.0)], symbol="BBB")
    both = delta_profiles(pl.concat([two, one]), [0.9, 1.0])
    assert both.chains["symbol"].to_list() == ["AAA", "BBB"]
    np.testing.assert_array_equal(both.call[0], delta_profiles(one, [0.9, 1.0]).call[0])
    np.testing.assert_array_equal(both.put[1], delta_profiles(two, [0.9, 1.0]).put[0])
    assert not both.call[1].any() and not both.put[0].any()


@pytest.mark.parametrize("ratios", [1.01, [1.0, float("nan")], [[0.99], [1.01]]])
@pytest.mark.parametrize("profiles", [delta_profiles, gamma_profiles])
def test_ratios_are_a_list_of_numbers(mini_book, profiles, ratios):
    with pytest.raises(ValueError, match="ratios: expected a list of spots over spot"):
        profiles(mini_book, ratios)
