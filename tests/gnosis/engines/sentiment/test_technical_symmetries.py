"""Symmetries of the features of daily bars, a second oracle, and the labels that random walks visit."""

import math

import numpy as np
import polars as pl
import pytest
import talib

from gnosis.engines.points import DailyBars, daily_points
from gnosis.engines.regimes import labels
from gnosis.engines.sentiment.technical_regime import daily_features

LABELLED = ("sent_wyckoff_phase", "sent_multi_period_regime", "sent_volatility_regime")


def computed(bars, sessions=None):
    points = daily_points(bars, sessions)
    return DailyBars(points, bars).compute_all(daily_features)


def test_classics_equal_ta_lib(walk):
    bars = walk(n=141, seed=8)
    high, low, close, volume = (bars[name].to_numpy() for name in ("high", "low", "close", "volume"))
    found = {name: values[0] for name, values in computed(bars, [bars["session"][-1]]).items()}
    assert found["sent_rsi"] == pytest.approx(talib.RSI(close, 14)[-1], rel=1e-10)
    assert found["sent_mfi"] == pytest.approx(talib.MFI(high, low, close, volume, 14)[-1], rel=1e-10)
    k, d = talib.STOCHF(high, low, close, 14, 3, 0)
    assert (found["sent_stoch_k"], found["sent_stoch_d"]) == pytest.approx((k[-1], d[-1]), rel=1e-10)
    # TA-Lib divides by n where the definition has n - 1.
    upper, middle, lower = talib.BBANDS(close, 20, 2 * math.sqrt(20 / 19), 2 * math.sqrt(20 / 19))
    assert found["sent_bb_percent_b"] == pytest.approx((close[-1] - lower[-1]) / (upper[-1] - lower[-1]), rel=1e-8)
    assert found["sent_bb_bandwidth"] == pytest.approx((upper[-1] - lower[-1]) / middle[-1], rel=1e-8)


def test_keltner_channel_has_the_range_of_ta_lib(walk):
    bars = walk(n=201, seed=8)
    high, low, close = (bars[name].to_numpy() for name in ("high", "low", "close"))
    found = computed(bars, [bars["session"][-1]])
    mean = close[-120]
    for price in close[-119:]:
        mean += (price - mean) * 2 / 21
    position = (close[-1] - mean) / (2 * talib.ATR(high, low, close, 20)[-1])
    assert found["sent_keltner_position"][0] == pytest.approx(position, rel=1e-10)


def swapped(bars):
    """Return the bars reflected at their last close: high and low trade places."""
    pivot = 2 * bars["close"][-1]
    return bars.with_columns(
        open=pivot - pl.col("open"),
        high=pivot - pl.col("low"),
        low=pivot - pl.col("high"),
        close=pivot - pl.col("close"),
    )


def test_reflection_of_prices_mirrors_the_oscillators(walk):
    bars = walk(n=270, sigma=0.005, seed=12)
    plain, other = (computed(frame, [bars["session"][-1]]) for frame in (bars, swapped(bars)))
    for name, mirrored in {
        "sent_rsi": 100 - plain["sent_rsi"],
        "sent_stoch_k": 100 - plain["sent_stoch_k"],
        "sent_bb_percent_b": 1 - plain["sent_bb_percent_b"],
        "sent_keltner_position": -plain["sent_keltner_position"],
        "sent_bb_mean_reversion_pressure": -plain["sent_bb_mean_reversion_pressure"],
        "sent_keltner_expansion": plain["sent_keltner_expansion"],
        "sent_squeeze_detected": plain["sent_squeeze_detected"],
        "sent_stoch_impulse": plain["sent_stoch_reversion"],
    }.items():
        np.testing.assert_allclose(other[name], mirrored, atol=1e-9, err_msg=name)


def test_stretching_prices_around_the_last_close_changes_no_position(walk):
    bars = walk(n=270, sigma=0.005, seed=13)
    last = bars["close"][-1]
    stretched = bars.with_columns(
        (last + 1.7 * (pl.col(name) - last)).alias(name) for name in ("open", "high", "low", "close")
    )
    plain, other = (computed(frame, [bars["session"][-1]]) for frame in (bars, stretched))
    for name in ("sent_rsi", "sent_stoch_k", "sent_stoch_d", "sent_bb_percent_b", "sent_keltner_position"):
        np.testing.assert_allclose(other[name], plain[name], rtol=1e-9, err_msg=name)
    middle, other_middle = (frame["close"].tail(20).mean() for frame in (bars, stretched))
    assert other["sent_bb_bandwidth"] * other_middle == pytest.approx(1.7 * plain["sent_bb_bandwidth"] * middle)


@pytest.mark.parametrize(("price", "volume"), [(3.0, 1.0), (1.0, 7.0)])
def test_units_of_price_and_volume_do_not_matter(walk, price, volume):
    bars = walk(n=300, seed=6)
    scaled = bars.with_columns(
        *(pl.col(name) * price for name in ("open", "high", "low", "close")), volume=pl.col("volume") * volume
    )
    plain, other = computed(bars), computed(scaled)
    for name in plain:
        np.testing.assert_allclose(other[name], plain[name], rtol=1e-7, atol=1e-9, err_msg=name)


def test_every_label_of_a_daily_regime_occurs(walk):
    seen = {name: set() for name in LABELLED}
    calm_then_wild = walk(n=900, seed=21).with_columns(
        # Half a year of narrow closes in wide ranges, then half a year of small ranges.
        close=pl.when(pl.int_range(pl.len()) // 150 % 3 == 1).then(100.0 + pl.col("close") % 0.5).otherwise("close")
    )
    wide = calm_then_wild.with_columns(
        high=pl.max_horizontal("open", "close", "high"), low=pl.min_horizontal("open", "close", "low")
    )
    frames = [wide, *(walk(n=1500, seed=seed, sigma=sigma) for seed, sigma in ((1, 0.02), (2, 0.01), (5, 0.03)))]
    for frame in frames:
        found = computed(frame)
        for name in LABELLED:
            seen[name] |= {labels(name)[int(value)] for value in np.unique(found[name]) if not np.isnan(value)}
    assert {name: sorted(found) for name, found in seen.items()} == {name: sorted(labels(name)) for name in LABELLED}
