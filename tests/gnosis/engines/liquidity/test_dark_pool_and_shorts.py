"""Off-exchange share and short share at the last published session, by their definitions, and when they are null."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest

from gnosis.engines.liquidity import dark_pool_and_shorts
from gnosis.engines.liquidity.dark_pool_and_shorts import published_slope
from gnosis.engines.points import Points, daily_points
from gnosis.sessions import schedule


def z(values):
    return (values[-1] - values[:-1].mean()) / values[:-1].std(ddof=1)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.fixture(scope="module")
def world(flow_world):
    own = pl.col("symbol") == "AAA"
    return flow_world.bars.filter(own).sort("session"), flow_world.shorts.filter(own).sort("session")


def at_last(world, process_alone, shorts=None, bars=None, session=None):
    bars = world[0] if bars is None else bars
    points = daily_points(bars, [bars["session"][-1] if session is None else session])
    found = process_alone(dark_pool_and_shorts, points, bars, short_volume=world[1] if shorts is None else shorts)
    return {name: float(values[0]) for name, values in found.values.items()}, found


def test_values_by_their_definitions(world, process_alone):
    bars, shorts = world
    values, found = at_last(world, process_alone)
    # The file of the session itself is out after its close.
    ratio = (shorts["short_volume"] / shorts["total_volume"]).to_numpy()[:-1]
    off = (shorts["total_volume"] / bars["volume"]).to_numpy()[:-1]
    assert values["liq_short_volume_ratio"] == ratio[-1]
    assert values["liq_off_exchange_ratio"] == pytest.approx(off[-1])
    means = np.convolve(ratio, np.ones(5) / 5, "valid")
    assert values["short_share_5"] == pytest.approx(means[-1])
    assert values["liq_dark_pool_pressure"] == pytest.approx(np.tanh(z(means[-253:]) / 2))
    assert values["short_volume_trend"] == pytest.approx(np.polyfit(np.arange(10), ratio[-10:], 1)[0])
    log_close = np.log(bars["close"].to_numpy() * bars["adjustment_factor"].to_numpy())
    five = log_close[5:] - log_close[:-5]
    volume = np.log(bars["volume"].to_numpy())
    squeeze = sigmoid(z(ratio[-21:]) + z(five[-61:]) + z(volume[-21:])) if five[-1] > 0 else 0.0
    assert values["liq_short_squeeze_pressure"] == pytest.approx(squeeze)
    returns = np.diff(log_close)
    quiet = [k for k in range(-20, 0) if abs(returns[k - 1]) < 0.5 * returns[k - 20 : k or None].std(ddof=1)][-5:]
    scores = [z(off[k - 60 : k + 1 or None]) for k in quiet]
    assert len(scores) >= 3
    assert values["liq_hidden_accumulation"] == pytest.approx(sigmoid(np.mean(scores)))
    assert found.confidence.tolist() == [1.0]
    assert not any(where.any() for where in found.reasons.values())


def test_squeeze_pressure_after_a_rise_and_after_a_fall(flow_world, world, process_alone):
    bars, shorts = world
    points = daily_points(bars, bars["session"][-40:].to_list())
    found = process_alone(dark_pool_and_shorts, points, bars, short_volume=shorts).values["liq_short_squeeze_pressure"]
    log_close = np.log(bars["close"].to_numpy() * bars["adjustment_factor"].to_numpy())
    five = (log_close[5:] - log_close[:-5])[-40:]
    assert (found[five <= 0] == 0).all()
    assert (found[five > 0] > 0).all()
    assert 0 < (five > 0).sum() < 40


@pytest.mark.parametrize("age", range(1, 8))
def test_confidence_halves_every_two_sessions_and_ends_after_four(world, process_alone, age):
    bars, shorts = world
    old = shorts.filter(pl.col("session") < bars["session"][-age])
    values, found = at_last(world, process_alone, shorts=old)
    assert found.reasons["SHORTS_STALE"][0] == (age > 1)
    if age <= 4:
        assert found.confidence[0] == pytest.approx(2 ** (-(age - 1) / 2))
        assert values["liq_short_volume_ratio"] == old["short_volume"][-1] / old["total_volume"][-1]
        assert values["liq_off_exchange_ratio"] == pytest.approx(old["total_volume"][-1] / bars["volume"][-1 - age])
    else:
        assert found.confidence[0] == 0.0
        assert all(np.isnan(value) for value in values.values())


def test_without_a_file_nothing_is_said(world, process_alone):
    points = daily_points(world[0], [world[0]["session"][-1]])
    for frame in (None, world[1].clear()):
        found = process_alone(dark_pool_and_shorts, points, world[0], short_volume=frame)
        assert all(np.isnan(values[0]) for values in found.values.values())
        assert found.confidence.tolist() == [0.0]
        assert found.reasons["SHORTS_STALE"].tolist() == [True]


def test_impossible_volumes_are_rejected_and_said(world, process_alone):
    shorts = world[1]
    last = pl.col("session") == shorts["session"][-2]
    above = shorts.with_columns(
        pl.when(last).then(pl.col("total_volume") + 1).otherwise("short_volume").alias("short_volume")
    )
    values, found = at_last(world, process_alone, shorts=above)
    before = shorts.filter(pl.col("session") < shorts["session"][-2])
    assert values["liq_short_volume_ratio"] == before["short_volume"][-1] / before["total_volume"][-1]
    assert found.reasons["BOUND_VIOLATION"][0]
    assert found.confidence[0] == pytest.approx(2**-0.5)
    more = shorts.with_columns(pl.when(last).then(1e12).otherwise("total_volume").alias("total_volume"))
    values, found = at_last(world, process_alone, shorts=more)
    assert np.isnan(values["liq_off_exchange_ratio"])
    assert found.reasons["BOUND_VIOLATION"][0]
    assert not np.isnan(values["liq_short_volume_ratio"])


def test_a_correction_counts_from_when_it_is_known(world, process_alone):
    bars, shorts = world
    day, as_of = shorts["session"][-2], schedule().filter(pl.col("session") == bars["session"][-1])["close_at"][0]
    row = shorts.filter(pl.col("session") == day)
    for known_at, factor in ((as_of, 2), (as_of + dt.timedelta(seconds=1), 1)):
        corrected = row.with_columns(total_volume=pl.col("total_volume") * 2, known_at=pl.lit(known_at))
        values, _ = at_last(world, process_alone, shorts=pl.concat([corrected, shorts]).cast(dict(shorts.schema)))
        assert values["liq_short_volume_ratio"] == row["short_volume"][0] / row["total_volume"][0] / factor


def test_missing_files_are_no_sessions_of_the_trend(world, process_alone):
    shorts = world[1]
    kept = shorts.filter(~pl.col("session").is_in(shorts["session"][-6:-3].to_list()))
    values, _ = at_last(world, process_alone, shorts=kept)
    ratio = (kept["short_volume"] / kept["total_volume"]).to_numpy()[:-1]
    assert values["short_share_5"] == pytest.approx(ratio[-5:].mean())
    assert values["short_volume_trend"] == pytest.approx(np.polyfit(np.arange(10), ratio[-10:], 1)[0])


def test_regimes_of_short_flow_are_all_reached(flow_world, world, process_alone):
    bars, shorts = world
    points = Points.of(daily_points(bars).frame.tail(60))
    labels = set()
    for shift in (0.0, 0.4):
        moved = shorts.with_columns(
            short_volume=(pl.col("short_volume") * (1 - shift * (pl.int_range(pl.len()) % 2 == 0)))
        )
        for trend in (1.0, 0.5, 1.5):
            part = pl.when(pl.int_range(pl.len()) > pl.len() - 30).then(trend).otherwise(1.0)
            frame = moved.with_columns(short_volume=(pl.col("short_volume") * part).clip(0, pl.col("total_volume")))
            found = process_alone(dark_pool_and_shorts, points, bars, short_volume=frame)
            labels |= set(found.values["short_flow_regime"].tolist())
    assert labels == {0.0, 1.0, 2.0}


def test_slope_needs_every_value():
    assert np.isnan(published_slope(np.array([[np.nan, 1.0, 2.0]]))[0])
