"""Imbalance in volume time: identities, planted sweeps, trades, and what stands in without bars."""

from __future__ import annotations

import datetime as dt
from statistics import NormalDist

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnosis import simulate
from gnosis.engines.liquidity import toxicity_vpin
from gnosis.engines.liquidity.toxicity_vpin import trade_sides, volume_imbalance
from gnosis.engines.points import daily_points

volumes = st.lists(st.floats(0.1, 100), min_size=1, max_size=60)


@settings(deadline=None)
@given(volumes, st.integers(1, 20))
def test_half_buys_give_zero_and_one_side_gives_one(volume, buckets):
    bucket = sum(volume) / buckets * 0.999
    none, bought = np.zeros(len(volume)), np.ones(len(volume))
    assert volume_imbalance(volume, none, bucket, buckets) == 0.0
    assert volume_imbalance(volume, bought, bucket, buckets) == pytest.approx(1.0)
    assert volume_imbalance(volume, -bought, bucket, buckets) == pytest.approx(1.0)
    assert np.isnan(volume_imbalance(volume, bought, bucket * 1.1, buckets))


@settings(deadline=None)
@given(volumes, st.floats(0.01, 100), st.randoms())
def test_volume_and_bucket_times_the_same_factor_change_nothing(volume, factor, random):
    sides = [random.uniform(-1, 1) for _ in volume]
    bucket = sum(volume) / 7.5
    scaled = volume_imbalance(np.array(volume) * factor, sides, bucket * factor, 7)
    assert scaled == pytest.approx(volume_imbalance(volume, sides, bucket, 7), abs=1e-9)


def test_buckets_fill_from_the_last_event_and_unknown_events_are_passed_over():
    volume, sides = [100.0, np.nan, 100.0, 100.0], [1.0, 0.3, -1.0, 0.5]
    assert volume_imbalance(volume, sides, 150.0, 2) == pytest.approx((0 + 50 / 150) / 2)
    with pytest.raises(ValueError, match="one imbalance for each volume"):
        volume_imbalance([1.0], [1.0, 0.0], 1.0, 1)


def readable(bars, days, adv):
    """Toxicity by the definition, cutting the volume into a thousand slices per bucket at most."""
    rows = bars.sort("ts")
    before = pl.col("close").shift(1).over("session").fill_null(pl.col("open"))
    rows = rows.with_columns(change=(pl.col("close") / before).log())
    reference = rows.filter(pl.col("session").is_in(days[-21:-1]))["change"].to_numpy()
    rows = rows.filter(pl.col("session").is_in(days[-20:]))
    score = rows["change"].to_numpy() / reference.std(ddof=1)
    net = rows["volume"].to_numpy() * np.array([2 * NormalDist().cdf(z) - 1 for z in score])
    until = np.concatenate([[0], np.cumsum(rows["volume"].to_numpy())])
    edges = until[-1] - adv / 50 * np.arange(51)[::-1]
    at = np.interp(edges, until, np.concatenate([[0], np.cumsum(net)]))
    return np.abs(np.diff(at)).mean() / (adv / 50)


def test_toxicity_by_its_definition(flow_world, process_alone):
    points = daily_points(flow_world.bars, flow_world.days[-1:])
    found = process_alone(toxicity_vpin, points, flow_world.bars, intraday_bars=flow_world.intraday)
    for at, symbol in enumerate(points.symbols):
        bars = flow_world.bars.filter(pl.col("symbol") == symbol).sort("session")
        own = flow_world.intraday.filter(pl.col("symbol") == symbol)
        expected = readable(own, flow_world.days, bars["volume"][-21:-1].mean())
        assert found.values["toxicity_proxy"][at] == pytest.approx(expected, rel=1e-9)
    assert np.isnan(found.values["vpin"]).all()
    assert found.confidence.tolist() == [1.0, 1.0]
    assert not found.is_proxy.any()


def test_a_planted_sweep_is_seen_and_its_absence_too(flow_world, process_alone):
    points = daily_points(flow_world.bars, flow_world.days[-1:])
    last = flow_world.intraday["ts"].max()
    still = pl.when(pl.col("session") == flow_world.days[-1]).then(pl.col("open").first().over("symbol", "session"))
    calm = flow_world.intraday.sort("symbol", "ts").with_columns(
        open=still.otherwise("open"), close=still.otherwise("close")
    )
    swept = calm.with_columns(
        pl.when(pl.col("ts") == last).then(pl.col("open") * 1.03).otherwise("close").alias("close"),
        pl.when(pl.col("ts") == last).then(pl.col("volume") * 50).otherwise("volume").alias("volume"),
    ).with_columns(high=pl.max_horizontal("high", "close"))
    for bars, expected in ((calm, [0.0, 0.0]), (swept, [1.0, 1.0])):
        found = process_alone(toxicity_vpin, points, flow_world.bars, intraday_bars=bars)
        assert found.values["liq_sweep_alert"].tolist() == expected
    early = swept.filter(pl.col("ts") != last)
    found = process_alone(toxicity_vpin, points, flow_world.bars, intraday_bars=early)
    assert found.values["liq_sweep_alert"].tolist() == [0.0, 0.0]


@pytest.mark.parametrize(("jump", "volume", "expected"), [(0.08, 2e7, 1.0), (0.0, 2e7, 0.0), (0.08, 1e3, 0.0)])
def test_without_bars_the_alert_is_that_of_the_daily_bar(make_daily, point, process_alone, jump, volume, expected):
    bars = make_daily(n=62)
    own = pl.col("session") == bars["session"][-1]
    top = bars["close"][-2] * (1 + jump)
    bars = bars.with_columns(
        pl.when(own).then(top).otherwise("close").alias("close"),
        pl.when(own).then(top).otherwise("high").alias("high"),
        pl.when(own).then(bars["close"][-2] * 0.99).otherwise("low").alias("low"),
        pl.when(own).then(volume).otherwise("volume").alias("volume"),
    )
    found = process_alone(toxicity_vpin, point, bars)
    assert found.values["liq_sweep_alert"][0] == expected
    assert np.isnan(found.values["toxicity_proxy"][0])
    assert found.reasons["NO_INTRADAY"][0]
    assert found.is_proxy[0]
    assert found.confidence[0] == pytest.approx(0.3)


def test_the_daily_form_of_the_alert_says_so_and_costs_the_confidence_of_the_bars(flow_world, process_alone):
    points = daily_points(flow_world.bars, flow_world.days[-1:])
    five, close = flow_world.intraday, points.frame["as_of"][0]
    is_closing = pl.col("ts") > close - dt.timedelta(minutes=30)
    minutes = simulate.intraday_bars(flow_world.bars, seed=7, sessions=flow_world.days[-22:])
    one = flow_world.table("raw.intraday_bars", minutes).filter(pl.col("frequency") == "1min")
    unknown = pl.when(is_closing).then(None).otherwise("volume").alias("volume")
    daily = process_alone(toxicity_vpin, points, flow_world.bars)
    for bars in (five.filter(~is_closing), five.with_columns(unknown), one, five.filter(~is_closing).vstack(one)):
        found = process_alone(toxicity_vpin, points, flow_world.bars, intraday_bars=bars)
        np.testing.assert_array_equal(found.values["liq_sweep_alert"], daily.values["liq_sweep_alert"])
        assert not np.isnan(found.values["toxicity_proxy"]).any()
        assert found.is_proxy.all() and found.reasons["NO_INTRADAY"].all()
        assert found.confidence.tolist() == pytest.approx([0.3, 0.3])
    last = five.filter(is_closing).filter(pl.col("ts") == pl.col("ts").max())
    found = process_alone(toxicity_vpin, points, flow_world.bars, intraday_bars=five.filter(~is_closing).vstack(last))
    assert not found.is_proxy.any() and (found.confidence > 0.9).all()
    few = process_alone(
        toxicity_vpin, points, flow_world.bars, intraday_bars=one.vstack(five.filter(session=flow_world.days[-1]))
    )
    assert few.is_proxy.all() and few.reasons["SOURCE_MISSING"].all() and not few.reasons["NO_INTRADAY"].any()
    assert few.confidence.tolist() == pytest.approx([0.3, 0.3])


def test_bars_of_one_minute_are_preferred_and_never_lower_the_coverage(flow_world, process_alone):
    day = flow_world.days[-1:]
    points = daily_points(flow_world.bars, day)
    minutes = simulate.intraday_bars(flow_world.bars, seed=7, sessions=flow_world.days[-22:])
    minutes = flow_world.table("raw.intraday_bars", minutes)
    both = process_alone(toxicity_vpin, points, flow_world.bars, intraday_bars=minutes)
    one = minutes.filter(pl.col("frequency") == "1min")
    alone = process_alone(toxicity_vpin, points, flow_world.bars, intraday_bars=one)
    np.testing.assert_array_equal(both.values["toxicity_proxy"], alone.values["toxicity_proxy"])
    assert both.confidence.tolist() == [1.0, 1.0]
    few = minutes.filter((pl.col("frequency") == "5min") | pl.col("session").is_in(day))
    five = process_alone(toxicity_vpin, points, flow_world.bars, intraday_bars=few)
    assert five.confidence.tolist() == [1.0, 1.0]
    assert (five.values["toxicity_proxy"] != alone.values["toxicity_proxy"]).all()


def test_vpin_is_of_trades_only(flow_world, process_alone):
    points = daily_points(flow_world.bars, flow_world.days[-1:])
    trades = flow_world.table("raw.trades", simulate.trades(flow_world.bars, seed=7, sessions=flow_world.days[-3:]))
    for side, expected in (("buy", 1.0), ("sell", 1.0)):
        sided = trades.with_columns(aggressor=pl.lit(side).cast(trades.schema["aggressor"]))
        found = process_alone(toxicity_vpin, points, flow_world.bars, trades=sided)
        np.testing.assert_allclose(found.values["vpin"], expected)
    found = process_alone(toxicity_vpin, points, flow_world.bars, trades=trades).values["vpin"]
    assert ((found > 0) & (found < 1)).all()
    shuffled = trades.sample(fraction=1.0, shuffle=True, seed=3)
    again = process_alone(toxicity_vpin, points, flow_world.bars, trades=pl.concat([shuffled, trades.head(50)]))
    np.testing.assert_array_equal(again.values["vpin"], found)
    later = trades.with_columns(known_at=pl.lit(points.frame["as_of"].max()) + pl.duration(hours=1))
    assert np.isnan(process_alone(toxicity_vpin, points, flow_world.bars, trades=later).values["vpin"]).all()


def test_sides_of_the_venue_come_before_the_tick_rule():
    price, symbol = np.array([10.0, 10.1, 10.1, 10.0, 9.0, 9.0]), np.array([0, 0, 0, 0, 1, 1])
    assert trade_sides(np.zeros(6), price, symbol).tolist() == [0, 1, 1, -1, 0, 0]
    assert trade_sides(np.array([0.0, -1, 0, 1, 0, 0]), price, symbol).tolist() == [0, -1, 1, 1, 0, 0]


def test_regimes_by_percentile(flow_world, process_alone):
    points = daily_points(flow_world.bars.filter(pl.col("symbol") == "AAA"), flow_world.days[-1:])
    stored = daily_points(flow_world.bars.filter(pl.col("symbol") == "AAA"), flow_world.days[-101:-1]).frame
    own = process_alone(toxicity_vpin, points, flow_world.bars, intraday_bars=flow_world.intraday)
    value = own.values["toxicity_proxy"][0]
    for below, expected in ((0.5, 0.0), (0.8, 0.0), (0.9, 1.0), (0.95, 1.0), (0.99, 2.0)):
        past = np.where(np.arange(100) < 100 * below, value - 0.01, value + 0.01)
        found = process_alone(
            toxicity_vpin,
            points,
            flow_world.bars,
            intraday_bars=flow_world.intraday,
            stored=stored.with_columns(toxicity_proxy=pl.Series(past)),
        )
        assert found.values["toxicity_percentile"][0] == pytest.approx(below)
        assert found.values["toxicity_regime"][0] == expected
