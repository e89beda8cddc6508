"""Readable twins of the sentiment features 60 and 80 to 89: Bollinger band, Keltner channel, volatility regime."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import fmean, stdev

from tests.gnosis.features.twins.daily_bars import DailyBars, Formula, atr, ema, wilder
from tests.gnosis.features.twins.hand_made import bars_of, sentiment_value


def band(bars: DailyBars) -> tuple[float, float, float]:
    """Return middle, upper and lower edge of the Bollinger band (20, 2), sample standard deviation."""
    closes = bars.closes(20)
    sd = 0.0 if len(set(closes)) == 1 else stdev(closes)
    return fmean(closes), fmean(closes) + 2 * sd, fmean(closes) - 2 * sd


def percent_b(bars: DailyBars) -> float | None:
    _, upper, lower = band(bars)
    return None if upper == lower else (bars.price("close") - lower) / (upper - lower)


def bandwidth(bars: DailyBars) -> float:
    middle, upper, lower = band(bars)
    return (upper - lower) / middle


def reversion_pressure(bars: DailyBars) -> float | None:
    b = percent_b(bars)
    if b is None:
        return None
    if b > 0.8:
        return max((0.8 - b) / 0.2, -1.0)
    return min((0.2 - b) / 0.2, 1.0) if b < 0.2 else 0.0


def squeeze_active(bars: DailyBars) -> bool:
    return bandwidth(bars) < 0.7 * fmean(bandwidth(bars.earlier(back)) for back in range(1, 121))


def keltner_position(bars: DailyBars) -> float | None:
    reach = atr(bars, 20)
    return None if reach == 0 else (bars.price("close") - ema(bars.closes(120), 20)) / (2 * reach)


def range_now_and_usual(bars: DailyBars) -> tuple[float, float]:
    """Return ATR20 and its mean over the previous 60 sessions, each over its own 200 true ranges."""
    ranges = bars.true_ranges(260)
    means = [wilder(ranges[k : k + 200], 20) for k in range(61)]
    return means[60], fmean(means[:60])


def expansion(bars: DailyBars) -> bool:
    now, usual = range_now_and_usual(bars)
    return now > 1.2 * usual


def compression(bars: DailyBars) -> bool:
    now, usual = range_now_and_usual(bars)
    return now < 0.8 * usual


def force_boundary(bars: DailyBars) -> float | None:
    position = keltner_position(bars)
    return None if position is None else min(2.0, abs(abs(position) - 1))


def squeeze(bars: DailyBars) -> bool:
    _, upper, lower = band(bars)
    centre, reach = ema(bars.closes(120), 20), 1.5 * atr(bars, 20)
    return upper < centre + reach and lower > centre - reach


def envelope_score(bars: DailyBars) -> float | None:
    pressure, position = reversion_pressure(bars), keltner_position(bars)
    if pressure is None or position is None:
        return None
    return 0.6 * pressure + 0.4 * max(-1.0, min(1.0, position))


def volatility_regime(bars: DailyBars) -> str:
    is_wide, is_narrow = expansion(bars), compression(bars)
    if squeeze(bars):
        return "squeeze"
    return "expansion" if is_wide else "compression" if is_narrow else "normal"


FORMULAS: dict[str, Formula] = {
    "sent_volatility_regime": volatility_regime,
    "sent_bb_percent_b": percent_b,
    "sent_bb_bandwidth": bandwidth,
    "sent_bb_mean_reversion_pressure": reversion_pressure,
    "sent_bb_squeeze_active": squeeze_active,
    "sent_keltner_position": keltner_position,
    "sent_keltner_expansion": expansion,
    "sent_keltner_compression": compression,
    "sent_keltner_force_boundary": force_boundary,
    "sent_squeeze_detected": squeeze,
    "sent_envelope_score": envelope_score,
}

# $99 and $101 in turn: mean 100, sum of squares 20, variance 20/19.
SWING = bars_of([99.0, 101.0] * 10)
# 16 closes at $99 and 4 at $104: mean 100, sum of squares 80, variance 80/19; the last close is 4 above the mean.
HIGH = bars_of([99.0] * 16 + [104.0] * 4)
# $100 between 99 and 101, then one session at $104.2 between 103.2 and 105.2.
# EMA20 gains 2/21 of 4.2 = 0.4; the true range 5.2 lifts ATR20 from 2 to 2 + 3.2/20 = 2.16.
STEP = bars_of([100.0] * 260 + [104.2], reach=1.0)
# The same with a session at $121: EMA20 = 102, true range 22, ATR20 = 3. The standard deviation of 20 closes is
# 21/sqrt(20), so the upper edge of the band, 101.05 + 9.39, lies outside of 102 + 4.5.
JUMP = bars_of([100.0] * 260 + [121.0], reach=1.0)
# Sessions $2 wide, and then 20 without any range: ATR20 falls to 2 (19/20)^20 = 0.717; the 60 sessions before have 41
# times 2 among them, so their mean is above 1.36.
STILL = bars_of(
    [100.0] * 261, reach=1.0, high=dict.fromkeys(range(-20, 0), 100.0), low=dict.fromkeys(range(-20, 0), 100.0)
)

NUMBERS: dict[str, Callable[[], tuple[object, object]]] = {
    "sent_volatility_regime": lambda: (sentiment_value("sent_volatility_regime", JUMP), "expansion"),
    # One above the mean, the band 4 standard deviations wide.
    "sent_bb_percent_b": lambda: (sentiment_value("sent_bb_percent_b", SWING), 0.5 + math.sqrt(19 / 20) / 4),
    "sent_bb_bandwidth": lambda: (sentiment_value("sent_bb_bandwidth", SWING), 4 * math.sqrt(20 / 19) / 100),
    # %b = 1/2 + 4/(4 sd) = 1/2 + sqrt(19/80) = 0.987.
    "sent_bb_mean_reversion_pressure": lambda: (
        sentiment_value("sent_bb_mean_reversion_pressure", HIGH),
        (0.3 - math.sqrt(19 / 80)) / 0.2,
    ),
    # A band of some width for 120 sessions, then one of none.
    "sent_bb_squeeze_active": lambda: (
        sentiment_value("sent_bb_squeeze_active", bars_of([99.0, 101.0] * 60 + [100.0] * 20)),
        True,
    ),
    "sent_keltner_position": lambda: (sentiment_value("sent_keltner_position", STEP), 3.8 / 4.32),
    "sent_keltner_expansion": lambda: (sentiment_value("sent_keltner_expansion", JUMP), True),
    "sent_keltner_compression": lambda: (sentiment_value("sent_keltner_compression", STILL), True),
    "sent_keltner_force_boundary": lambda: (sentiment_value("sent_keltner_force_boundary", STEP), 0.52 / 4.32),
    # A band without width inside a channel of $100 +- 3.
    "sent_squeeze_detected": lambda: (
        sentiment_value("sent_squeeze_detected", bars_of([100.0] * 201, reach=1.0)),
        True,
    ),
    # %b = 1/2 + 0.95 sqrt(20)/4 > 1, so the pressure is -1.
    "sent_envelope_score": lambda: (sentiment_value("sent_envelope_score", STEP), -0.6 + 0.4 * 3.8 / 4.32),
}
