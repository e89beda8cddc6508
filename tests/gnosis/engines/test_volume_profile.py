"""Volume by price: a plain twin, the identities of the specification, clusters, value area and windows without bars."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnosis.engines.volume_profile import (
    VolumeProfile,
    bin_kinds,
    clusters,
    median_volume,
    value_area,
    value_areas,
    volume_profiles,
)


def profile_of(low, high, volume, bins=50):
    n = len(low)
    return volume_profiles(np.array(low), np.array(high), np.array(volume), np.array([0]), np.array([n]), bins)


def shaped(*volume):
    """Return a profile of one-dollar bins from 0 on."""
    return VolumeProfile(np.array([volume], dtype=float), np.zeros(1), np.full(1, float(len(volume))))


def plain(low, high, volume, bins=50):
    bottom, top = min(low), max(high)
    out = [0.0] * bins
    for lo, hi, v in zip(low, high, volume, strict=True):
        if hi == lo:
            out[min(int((lo - bottom) / (top - bottom) * bins), bins - 1) if top > bottom else 0] += v
            continue
        for k in range(bins):
            left, right = (bottom + (top - bottom) * (k + step) / bins for step in (0, 1))
            out[k] += v * max(0.0, min(hi, right) - max(lo, left)) / (hi - lo)
    return out


def random_bars(seed, n=60):
    rng = np.random.default_rng(seed)
    low = 100 + np.cumsum(rng.normal(0, 1, n))
    return low, low + rng.uniform(0, 3, n) * (rng.random(n) > 0.1), rng.uniform(1, 100, n)


seeds = st.integers(0, 10_000)


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_every_bar_is_spread_over_its_own_range(seed):
    bars = random_bars(seed)
    profile = profile_of(*bars)
    np.testing.assert_allclose(profile.volume[0], plain(*bars), rtol=1e-9, atol=1e-9)
    assert profile.volume.sum() == pytest.approx(bars[2].sum())
    assert (profile.low[0], profile.high[0]) == (bars[0].min(), bars[1].max())


@settings(max_examples=15, deadline=None)
@given(seeds, st.floats(0.01, 100.0), st.floats(0.01, 100.0))
def test_units_of_price_and_volume(seed, a, b):
    low, high, volume = random_bars(seed)
    one, other = profile_of(low, high, volume), profile_of(a * low, a * high, b * volume)
    np.testing.assert_allclose(other.volume, b * one.volume, rtol=1e-9, atol=1e-9 * b)
    np.testing.assert_allclose(other.edges, a * one.edges)
    np.testing.assert_array_equal(bin_kinds(other), bin_kinds(one))
    np.testing.assert_allclose(value_area(other), a * np.array(value_area(one)))
    found = [clusters(profile, bin_kinds(profile), 1) for profile in (one, other)]
    assert found[1].first.tolist() == found[0].first.tolist()
    np.testing.assert_allclose(found[1].centre, a * found[0].centre)


@settings(max_examples=15, deadline=None)
@given(seeds)
def test_two_half_bars_are_one_bar(seed):
    low, high, volume = random_bars(seed)
    halves = profile_of(np.repeat(low, 2), np.repeat(high, 2), np.repeat(volume / 2, 2))
    np.testing.assert_allclose(halves.volume, profile_of(low, high, volume).volume, rtol=1e-12)


def test_many_windows_are_each_their_own():
    bars = random_bars(3, n=200)
    starts, ends = np.array([0, 50, 10, 199]), np.array([60, 200, 10, 200])
    many = volume_profiles(*bars, starts, ends)
    for number in (0, 1, 3):
        own = profile_of(*(side[starts[number] : ends[number]] for side in bars))
        assert many.volume[number].tobytes() == own.volume[0].tobytes()
    assert np.isnan(many.volume[2]).all() and np.isnan(many.low[2])


def test_neighbouring_windows_have_the_bits_they_have_alone():
    """One after the other they share bins and units; a largest volume that leaves or comes changes the units."""
    low, high, _ = random_bars(5, n=400)
    rng = np.random.default_rng(6)
    volume = np.exp(rng.normal(0.0, 3.0, 400)) * (rng.random(400) < 0.9)
    volume[100:140] = 0.0
    starts = np.arange(380)
    many = volume_profiles(low, high, volume, starts, starts + 20)
    for start in starts:
        own = profile_of(*(side[start : start + 20] for side in (low, high, volume)))
        assert many.volume[start].tobytes() == own.volume[0].tobytes()
    assert (many.volume[100:121] == 0.0).all()
    areas = np.array(value_areas(low, high, volume, starts, starts + 20))
    np.testing.assert_array_equal(areas, np.array(value_area(many)))


def test_the_median_is_that_of_the_bins_that_are_not_empty():
    rng = np.random.default_rng(7)
    volume = rng.lognormal(0.0, 1.0, (150, 50)) * (rng.random((150, 50)) < rng.random((150, 1)))
    volume[3] = 0.0
    found = median_volume(VolumeProfile(volume, np.zeros(150), np.ones(150)))
    expected = [np.median(row[row > 0.0]) if (row > 0.0).any() else np.nan for row in volume]
    np.testing.assert_array_equal(found, expected)


def test_bars_without_range():
    profile = profile_of([1.0, 2.0, 6.0, 1.0], [1.0, 2.0, 6.0, 6.0], [5.0, 7.0, 9.0, 0.0], bins=5)
    assert profile.volume.tolist() == [[5.0, 7.0, 0.0, 0.0, 9.0]]
    flat = profile_of([3.0, 3.0], [3.0, 3.0], [1.0, 2.0])
    assert flat.volume[0, 0] == 3.0 and flat.volume.sum() == 3.0
    assert [side.item() for side in value_area(flat)] == [3.0, 3.0]


def test_a_price_on_an_edge_fills_no_bin_by_rounding():
    """0.1, 0.2 and 0.3 are not exact: their quotients miss the edges by a rounding."""
    profile = profile_of([0.1, 0.3], [0.6, 0.4], [1.0, 1.0], bins=5)
    np.testing.assert_allclose(profile.volume[0], [0.2, 0.2, 1.2, 0.2, 0.2])
    lone = profile_of([0.1, 0.3], [0.2, 0.4], [1.0, 1.0], bins=3)
    np.testing.assert_allclose(lone.volume[0], [1.0, 0.0, 1.0])
    assert lone.volume[0, 1] == 0.0


@pytest.mark.parametrize("column", [0, 1, 2])
def test_one_unknown_bar_leaves_the_window_unknown(column):
    bars = [side.copy() for side in random_bars(4)]
    bars[column][17] = np.nan
    profile = volume_profiles(*bars, np.array([0, 20]), np.array([20, 60]))
    assert np.isnan(profile.volume[0]).all()
    assert np.isfinite(profile.volume[1]).all()
    assert np.isnan([side[0] for side in value_area(profile)]).all()
    assert (bin_kinds(profile)[0] == 0).all()
    assert set(clusters(profile, bin_kinds(profile), 1).window.tolist()) == {1}


def test_kinds_are_cut_at_the_median_of_the_bins_that_are_not_empty():
    # Median of (10, 10, 20, 4): 10; 15 is not more than 1.5 times, 5 not less than half.
    assert bin_kinds(shaped(10, 10, 20, 4, 0)).tolist() == [[0, 0, 1, -1, 0]]
    assert bin_kinds(shaped(15, 10, 10, 5, 0)).tolist() == [[0, 0, 0, 0, 0]]
    assert bin_kinds(shaped(8, 8, 8, 8, 8)).tolist() == [[0] * 5]
    assert bin_kinds(shaped(0, 0, 0)).tolist() == [[0] * 3]


def test_clusters_are_runs_of_one_kind():
    profile = shaped(30, 10, 10, 20, 40, 10, 4, 3, 10, 10, 2)
    kinds = bin_kinds(profile)
    high, low = clusters(profile, kinds, 1), clusters(profile, kinds, -1)
    assert (high.first.tolist(), high.last.tolist()) == ([0, 3], [0, 4])
    assert high.centre.tolist() == [0.5, (20 * 3.5 + 40 * 4.5) / 60]
    assert high.volume.tolist() == [30.0, 60.0]
    assert (low.first.tolist(), low.last.tolist()) == ([6, 10], [7, 10])


@pytest.mark.parametrize(
    ("volume", "low", "high"),
    [
        ((5, 20, 50, 20, 5), 1, 3),
        ((0, 0, 100, 0, 0), 2, 3),
        ((10, 10, 10, 10, 10), 0, 4),
        ((10, 40, 10, 40, 10), 0, 4),
        ((70, 30), 0, 1),
        ((1, 2, 3, 94), 3, 4),
    ],
)
def test_value_area(volume, low, high):
    found = value_area(shaped(*volume))
    assert [side.item() for side in found] == [low, high]


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_value_area_holds_enough_and_no_bin_too_many(seed):
    profile = profile_of(*random_bars(seed))
    area = value_area(profile)
    inside = (profile.centres > area.low[:, None]) & (profile.centres < area.high[:, None])
    held = profile.volume[inside]
    total = profile.volume.sum()
    assert held.sum() >= 0.7 * total * (1 - 1e-9)
    assert held.sum() - max(held[0], held[-1]) < 0.7 * total
    assert inside[0, profile.volume[0].argmax()]


def test_a_window_without_volume_has_no_value_area():
    assert np.isnan([side.item() for side in value_area(shaped(0, 0, 0))]).all()


def test_windows_that_do_not_fit_are_named():
    low, high, volume = random_bars(1)
    with pytest.raises(ValueError, match="expected windows within 60 bars, found bars 0 to 61"):
        volume_profiles(low, high, volume, np.array([0]), np.array([61]))
    with pytest.raises(ValueError, match=r"expected one low, high and volume per bar .* \(60,\), \(60,\), \(59,\)"):
        volume_profiles(low, high, volume[1:], np.array([0]), np.array([60]))
