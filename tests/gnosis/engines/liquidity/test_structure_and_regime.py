"""Volume profile, gaps, efforts and squeezes by their definitions; the score and its regimes."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnosis.engines.indicators import atr, bollinger, ema
from gnosis.engines.liquidity import structure_and_regime
from gnosis.engines.liquidity.structure_and_regime import (
    distance_to_cut,
    liquidity_score,
    profile_structure,
    score_regime,
    squeeze_sessions,
    volume_below,
)
from gnosis.engines.liquidity.structure_kernel import is_covered, open_gaps
from gnosis.engines.points import daily_points
from gnosis.engines.protocol import ProcessorResult
from gnosis.engines.volume_profile import VolumeProfile

ranks = st.lists(st.floats(0, 1), min_size=4, max_size=4)


@settings(deadline=None)
@given(ranks, st.integers(0, 3), st.floats(0, 1))
def test_a_costlier_component_never_raises_the_score(four, which, higher):
    raised = list(four)
    raised[which] = max(four[which], higher)
    score, after = (liquidity_score(*(np.array([rank]) for rank in part))[0] for part in (four, raised))
    assert after <= score + 1e-12


def test_score_needs_three_components():
    known, none = np.array([0.5]), np.array([np.nan])
    assert liquidity_score(known, none, known, known)[0] == 0.5
    assert np.isnan(liquidity_score(known, none, none, known)[0])


def test_every_regime_of_the_score_and_the_distance_to_its_cuts():
    score = np.array([0.9, 0.8, 0.6, 0.4, 0.2, 0.19, np.nan])
    assert score_regime(score)[:6].tolist() == [0, 0, 1, 2, 3, 4]
    assert np.isnan(score_regime(score)[6])
    np.testing.assert_allclose(distance_to_cut(score)[:6], [0.1, 0, 0, 0, 0, 0.01], atol=1e-12)


def profile(volume, low=90.0, high=110.0):
    return VolumeProfile(np.array([volume], dtype=float), np.array([low]), np.array([high]))


@settings(deadline=None)
@given(st.lists(st.floats(1, 100), min_size=25, max_size=25), st.floats(0.5, 9))
def test_a_symmetric_profile_with_the_close_in_its_middle_has_no_direction(half, reach):
    found = profile_structure(profile(half + half[::-1]), np.array([100.0]), np.array([reach]))
    assert found["liq_polr_direction"][0] == pytest.approx(0, abs=1e-9)
    assert np.isnan(found["liq_hvn_lvn_balance"][0]) or found["liq_hvn_lvn_balance"][0] == pytest.approx(0, abs=1e-9)


def test_a_uniform_profile_has_no_direction_and_no_high_volume_bin():
    found = profile_structure(profile(np.ones(50)), np.array([100.0]), np.array([2.0]))
    assert found["liq_polr_direction"][0] == pytest.approx(0, abs=1e-12)
    assert np.isnan(found["liq_hvn_lvn_balance"][0])
    assert found["liq_n_absorption_zones"][0] == found["liq_n_displacement_zones"][0] == 0


def test_zones_of_a_drawn_profile():
    volume = np.full(50, 10.0)
    volume[[5, 6, 20, 44]] = 40.0
    volume[[1, 10, 11, 30, 48]] = 2.0
    found = profile_structure(profile(volume), np.array([108.0]), np.array([2.0]))
    # Bins are 0.4 wide: clusters at 92.4, 98.2 and 107.8; only those within 10.8 of 108 count.
    assert found["liq_n_absorption_zones"][0] == 2
    assert found["liq_n_displacement_zones"][0] == 2
    assert found["liq_hvn_lvn_balance"][0] == pytest.approx((120 + 40 - 0) / 160)
    up, down = volume_below(profile(volume), np.array([110.0])), volume_below(profile(volume), np.array([106.0]))
    here = volume_below(profile(volume), np.array([108.0]))
    above, below = (up - here)[0], (here - down)[0]
    assert found["liq_polr_direction"][0] == pytest.approx(np.tanh(2 * (below - above) / (below + above)))


@settings(deadline=None)
@given(st.integers(1, 60))
def test_one_heavy_cluster_leaves_no_displacement_zones(at):
    volume = np.full(60, 10.0)
    volume[at - 1] = 100.0
    volume[(at + 20) % 60] = 1.0
    assert profile_structure(profile(volume), np.array([100.0]), np.array([1.0]))["liq_n_displacement_zones"][0] == 0


def test_gaps_until_later_ranges_cover_them():
    low = np.full((1, 80), 99.0)
    high = np.full((1, 80), 100.0)
    low[0, 70:], high[0, 70:] = 103.0, 104.0
    arguments = (low + 0.5, np.zeros(1, np.int64), np.array([79]), np.array([1.0]), 60, 0.1, 20)

    def gaps():
        return open_gaps(high, low, *arguments).tolist()

    assert gaps() == [1.0]
    low[0, 75], high[0, 75] = 99.5, 102.0
    assert gaps() == [1.0]
    high[0, 76], low[0, 76] = 103.5, 101.5
    assert gaps() == [0.0]
    low[0, 75:77], high[0, 75:77] = np.nan, np.nan
    assert gaps() == [1.0]
    assert open_gaps(high, low, *arguments[:3], np.array([3.0]), 60, 0.1, 20).tolist() == [0.0]
    assert open_gaps(high, low, *arguments[:3], np.array([1.0]), 60, 0.02, 20).tolist() == [0.0]


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), max_size=8),
    st.integers(0, 19),
    st.integers(1, 20),
)
def test_covering_agrees_with_counting_unit_pieces(ranges, bottom, length):
    low, high = (np.array([pick(pair) for pair in ranges], dtype=float) for pick in (min, max))
    top = bottom + length
    pieces = all(any(a <= k and k + 1 <= b for a, b in zip(low, high, strict=True)) for k in range(bottom, top))
    assert is_covered(float(bottom), float(top), low, high) == pieces


@settings(deadline=None)
@given(st.lists(st.sampled_from([0.0, 1.0, np.nan]), min_size=1, max_size=200))
def test_squeeze_sessions_count_back_to_the_last_other_session(flags):
    column = len(flags) - 1
    found = squeeze_sessions(np.array([flags]), np.array([0]), np.array([column]))[0]
    run = 0
    while run < min(len(flags), 120) and flags[column - run] == 1.0:
        run += 1
    begins_unknown = run < 120 and (run == len(flags) or np.isnan(flags[column - run]))
    assert np.isnan(found) if begins_unknown else found == run


@pytest.mark.parametrize(("run", "expected"), [(99, 99), (110, 110), (120, 120), (130, 120)])
def test_at_most_120_sessions_of_a_squeeze_count(run, expected):
    flags = np.concatenate([[0.0], np.ones(run)])[None]
    assert squeeze_sessions(flags, np.array([0]), np.array([run])).tolist() == [expected]


def test_bands_within_one_and_a_half_ranges_are_a_squeeze(flow_world, process_alone):
    bars = flow_world.bars.filter(pl.col("symbol") == "AAA").sort("session")
    bars = bars.with_columns(high=pl.col("high") * 1.015, low=pl.col("low") / 1.015)
    points = daily_points(bars, flow_world.days[-100:])
    found = process_alone(structure_and_regime, points, bars, earlier=costs(points)).values
    high, low, close = ((bars[name] * bars["adjustment_factor"]).to_numpy()[None] for name in ("high", "low", "close"))
    bands, middle, reach = bollinger(close), ema(close, 20), atr(high, low, close, 20)
    width = np.maximum(bands.upper - middle, middle - bands.lower)[0] / reach[0]
    is_squeeze = width < 1.5
    runs = [next(k for k in range(at + 1) if not is_squeeze[at - k]) for at in range(len(width) - 100, len(width))]
    compression = found["liq_compression_energy"]
    np.testing.assert_allclose(found["liq_expansion_energy"], compression * np.array(runs) / 20)
    assert ((width[-100:] > 1.4) & is_squeeze[-100:]).any() and 0 < is_squeeze[-100:].sum() < 100


def costs(points, friction=None, kyle=None):
    none = np.full(len(points), np.nan)
    return {
        "slippage_field": ProcessorResult({"liq_friction_cost": none if friction is None else friction}, none),
        "impact_and_lambda": ProcessorResult({"liq_kyle_lambda": none if kyle is None else kyle}, none),
    }


def test_profile_of_five_minute_bars_and_of_daily_bars(flow_world, process_alone):
    points = daily_points(flow_world.bars, flow_world.days[-1:])
    fine = process_alone(
        structure_and_regime, points, flow_world.bars, earlier=costs(points), intraday_bars=flow_world.intraday
    )
    coarse = process_alone(structure_and_regime, points, flow_world.bars, earlier=costs(points))
    assert (fine.is_proxy | ~coarse.is_proxy).tolist() == [False, False]
    differs = [
        name for name in fine.values if not np.array_equal(fine.values[name], coarse.values[name], equal_nan=True)
    ]
    assert "liq_polr_direction" in differs
    assert not {"liq_wyckoff_phase", "liq_compression_energy", "liq_n_voids", "liq_buying_effort"} & set(differs)
    np.testing.assert_allclose(fine.confidence, [1 / 252] * 2)
    np.testing.assert_allclose(coarse.confidence, [0.3 / 252] * 2)
    assert coarse.reasons["NO_INTRADAY"].all()
    assert fine.reasons["SHORT_HISTORY"].all()
    half = flow_world.intraday.filter(pl.col("session").is_in(flow_world.days[-30:]))
    part = process_alone(structure_and_regime, points, flow_world.bars, earlier=costs(points), intraday_bars=half)
    np.testing.assert_array_equal(part.values["liq_polr_direction"], coarse.values["liq_polr_direction"])
    assert part.is_proxy.all()


def test_efforts_and_volume_strength_by_their_definitions(flow_world, process_alone):
    bars = flow_world.bars.filter(pl.col("symbol") == "AAA").sort("session")
    points = daily_points(bars, flow_world.days[-1:])
    found = process_alone(structure_and_regime, points, bars, earlier=costs(points)).values
    high, low, close, volume = (bars[name].to_numpy() for name in ("high", "low", "close", "volume"))
    location = ((close - low) - (high - close)) / (high - low)
    last = slice(-10, None)
    buying = volume[last][location[last] > 0.5].sum() / volume[last].sum()
    selling = volume[last][location[last] < -0.5].sum() / volume[last].sum()
    assert found["liq_buying_effort"][0] == pytest.approx(buying)
    assert found["liq_selling_effort"][0] == pytest.approx(selling)
    relative = np.array([volume[k] / volume[k - 20 : k].mean() for k in range(len(volume) - 61, len(volume))])
    assert found["liq_volume_strength"][0] == pytest.approx((relative[:-1] < relative[-1]).mean())
    logs = close * bars["adjustment_factor"].to_numpy()
    widths = np.array(
        [4 * logs[k - 19 : k + 1].std(ddof=1) / logs[k - 19 : k + 1].mean() for k in range(len(logs) - 253, len(logs))]
    )
    assert found["liq_compression_energy"][0] == pytest.approx(1 - (widths[:-1] < widths[-1]).mean())


def test_score_by_the_ranks_of_its_components(flow_world, process_alone):
    bars = flow_world.bars.filter(pl.col("symbol") == "AAA").sort("session")
    points = daily_points(bars)
    rng = np.random.default_rng(3)
    friction, kyle = rng.random((2, len(points)))
    result = process_alone(structure_and_regime, points, bars, earlier=costs(points, friction, kyle))
    score = result.values["liq_score"]
    at = len(points) - 1
    dollars = (bars["close"] * bars["volume"]).to_numpy()
    adjusted = bars["close"].to_numpy() * bars["adjustment_factor"].to_numpy()
    ratio = np.abs(adjusted[1:] / adjusted[:-1] - 1) / dollars[1:]
    illiquidity = np.array([ratio[k - 19 : k + 1].mean() for k in range(len(ratio) - 253, len(ratio))])
    scarcity = np.array([1 / dollars[k - 20 : k].mean() for k in range(len(dollars) - 253, len(dollars))])
    parts = [friction[at - 252 : at + 1], kyle[at - 252 : at + 1], illiquidity, scarcity]
    assert score[at] == pytest.approx(1 - np.mean([(part[:-1] < part[-1]).mean() for part in parts]))
    tightened = process_alone(structure_and_regime, points, bars, earlier=costs(points, friction / 3, kyle / 3))
    np.testing.assert_array_equal(tightened.values["liq_score"], score)
    dearer = friction.copy()
    dearer[at] += 0.5
    worse = process_alone(structure_and_regime, points, bars, earlier=costs(points, dearer, kyle)).values["liq_score"]
    assert worse[at] < score[at]
    direction = result.values["liq_polr_direction"]
    np.testing.assert_allclose(result.values["liq_polr_strength"], np.abs(direction) * score)
    assert result.confidence[at] == pytest.approx(0.3)
    assert result.confidence[100] == pytest.approx(0.3 * 101 / 252)
    assert {0, 1, 2, 3} <= {code for code in result.values["liq_regime"] if not np.isnan(code)}
