"""Readable twins of the sentiment features 58 and 62 to 66: Wyckoff phase, demand and supply, false breaks."""

from __future__ import annotations

from collections.abc import Callable
from statistics import fmean, stdev
from typing import Any

import polars as pl

from tests.gnosis.features.twins.daily_bars import DailyBars, Formula, MissingBarError, atr
from tests.gnosis.features.twins.hand_made import bars_of, sentiment_value


def demand_supply_ratio(bars: DailyBars) -> float | None:
    moves = list(zip(bars.moves(50), bars.volumes(50), strict=True))
    up = sum(volume for move, volume in moves if move > 0)
    down = sum(volume for move, volume in moves if move < 0)
    if down == 0:
        return 2.0 if up > 0 else None
    return min(2.0, up / down)


def spring(bars: DailyBars) -> bool:
    before = bars.earlier(6)
    floor = min(before.prices("low", 25))
    reach = 0.5 * atr(bars.earlier(5)) / bars.price("close", 5)
    is_light = fmean(bars.volumes(5)) < 1.1 * fmean(before.volumes(25))
    return min(bars.prices("low", 5)) < floor * (1 - reach) and bars.price("close") > floor and is_light


def utad(bars: DailyBars) -> bool:
    before = bars.earlier(6)
    ceiling = max(before.prices("high", 25))
    reach = 0.5 * atr(bars.earlier(5)) / bars.price("close", 5)
    is_heavy = fmean(bars.volumes(5)) > 1.2 * fmean(before.volumes(25))
    return max(bars.prices("high", 5)) > ceiling * (1 + reach) and bars.price("close") < ceiling and is_heavy


def is_unusual(bars: DailyBars) -> bool:
    """Return whether z60 of the volume is above 2; volumes that are all equal have no z-score."""
    sample = bars.earlier(1).volumes(60)
    return len(set(sample)) > 1 and (bars.volume() - fmean(sample)) / stdev(sample) > 2


def wyckoff_phase(bars: DailyBars) -> str:
    """Return the first phase that applies; the lines are those of the rule."""
    try:
        bars.volumes(146)
        a = atr(bars.earlier(5))
    except MissingBarError:
        return "unknown"
    close = bars.price("close")
    closes, lows, highs = bars.closes(50), bars.prices("low", 50), bars.prices("high", 50)
    lo, up = min(lows[:-5]), max(highs[:-5])
    lo2, up2 = min(lows[:-20]), max(highs[:-20])
    if all(c > up for c in closes[-3:]) or all(c < lo for c in closes[-3:]):
        return "E"
    if (min(lows[-5:]) < lo - a / 2 and close > lo) or (max(highs[-5:]) > up + a / 2 and close < up):
        return "C"
    third = (up2 - lo2) / 3
    held_low = min(lows[-20:-5]) < lo2 - a / 2 and up2 - third <= close <= up2
    held_high = max(highs[-20:-5]) > up2 + a / 2 and lo2 <= close <= lo2 + third
    if fmean(bars.volumes(5)) > fmean(bars.volumes(50)) and (held_low or held_high):
        return "D"
    move = abs(closes[-11] - closes[-31])
    has_stopped = move > 3 * a and max(highs[-10:]) - min(lows[-10:]) < move / 2
    if has_stopped and any(is_unusual(bars.earlier(back)) for back in range(10)):
        return "A"
    return "B" if lo <= close <= up and min(lows[-10:]) >= lo and max(highs[-10:]) <= up else "unknown"


def phase_of_a_bar(bars: DailyBars) -> str:
    """Return the phase of a session that has a bar."""
    bars.price("close")
    return wyckoff_phase(bars)


def operator_bias(bars: DailyBars) -> float | None:
    d = demand_supply_ratio(bars)
    is_spring, is_utad = spring(bars), utad(bars)
    if d is None:
        return None
    b = {"B": 0.2, "D": 0.5, "E": 0.3}.get(wyckoff_phase(bars), 0.0)
    sign = (d > 1) - (d < 1)
    return max(-1.0, min(1.0, b * sign + 0.3 * is_spring - 0.3 * is_utad + 0.3 * (d - 1)))


def wyckoff_strength(bars: DailyBars) -> float | None:
    bars.closes(150)
    phases = [wyckoff_phase(bars.earlier(back)) for back in range(5)]
    p = 0.0 if phases[0] == "unknown" else phases.count(phases[0]) / 5
    d, is_broken = demand_supply_ratio(bars), spring(bars) or utad(bars)
    return None if d is None else 0.5 * p + 0.3 * abs(d - 1) + 0.2 * is_broken


FORMULAS: dict[str, Formula] = {
    "sent_wyckoff_phase": phase_of_a_bar,
    "sent_demand_supply_ratio": demand_supply_ratio,
    "sent_spring_detected": spring,
    "sent_utad_detected": utad,
    "sent_operator_bias": operator_bias,
    "sent_wyckoff_strength": wyckoff_strength,
}


def quiet_range(**changed: Any) -> pl.DataFrame:
    """Return 146 bars that close at $100 between 99 and 101, volume 100: the true range is 2 all along."""
    return bars_of([100.0] * 146, reach=1.0, **changed)


# $99 and $101 in turn within $0.5, volume 300 on rises and 200 on falls: d = 1.5, and phase B all along.
IS_RISE = [k % 2 == 1 for k in range(151)]
SWING = bars_of(
    [101.0 if is_rise else 99.0 for is_rise in IS_RISE],
    reach=0.5,
    volume=[300.0 if is_rise else 200.0 for is_rise in IS_RISE],
)

NUMBERS: dict[str, Callable[[], tuple[object, object]]] = {
    # The low at 97 is more than half an average range below 99, and the close is back above.
    "sent_wyckoff_phase": lambda: (sentiment_value("sent_wyckoff_phase", quiet_range(low={-3: 97.0})), "C"),
    "sent_demand_supply_ratio": lambda: (sentiment_value("sent_demand_supply_ratio", SWING), 1.5),
    # 97 < 99 (1 - 0.5 x 2/100) = 98.01, with as much volume as before.
    "sent_spring_detected": lambda: (sentiment_value("sent_spring_detected", quiet_range(low={-3: 97.0})), True),
    # 103 > 101 (1 + 0.5 x 2/100) = 102.01, with half as much volume again.
    "sent_utad_detected": lambda: (
        sentiment_value("sent_utad_detected", quiet_range(high={-3: 103.0}, volume=[100.0] * 141 + [150.0] * 5)),
        True,
    ),
    # Phase B: 0.2 x 1 + 0.3 x 0.5.
    "sent_operator_bias": lambda: (sentiment_value("sent_operator_bias", SWING), 0.35),
    # The phase was B five times: 0.5 + 0.3 x 0.5.
    "sent_wyckoff_strength": lambda: (sentiment_value("sent_wyckoff_strength", SWING), 0.65),
}
