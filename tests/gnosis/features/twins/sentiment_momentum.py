"""Readable twins of the sentiment features 59 and 103 to 111: movement and the volume behind it."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import correlation, fmean, stdev

from tests.gnosis.features.twins.daily_bars import DailyBars, Formula, MissingBarError
from tests.gnosis.features.twins.hand_made import bars_of, closes, sentiment_value


def votes(bars: DailyBars) -> list[int]:
    sd = stdev(bars.returns(60))
    totals = [(sum(bars.returns(n)), n) for n in (10, 20, 50)]
    return [(r > 0) - (r < 0) if abs(r) > sd * math.sqrt(n) else 0 for r, n in totals]


def multi_period_regime(bars: DailyBars) -> str:
    bars.price("close")
    try:
        cast = votes(bars)
    except MissingBarError:
        return "unknown"
    if cast.count(1) >= 2 and -1 not in cast:
        return "bullish_consensus"
    return "bearish_consensus" if cast.count(-1) >= 2 and 1 not in cast else "mixed"


def energy(bars: DailyBars) -> float:
    return 100 * sum(abs(r) for r in bars.returns(14))


def coherence(bars: DailyBars) -> float | None:
    returns = bars.returns(20)
    path = sum(abs(r) for r in returns)
    return None if path == 0 else abs(sum(returns)) / path


def exhaustion(bars: DailyBars) -> bool | None:
    now, before = coherence(bars), coherence(bars.earlier(10))
    if now is None or before is None:
        return None
    return energy(bars) > 1.2 * energy(bars.earlier(10)) and now < 0.8 * before


def buildup(bars: DailyBars) -> bool | None:
    now, before = coherence(bars), coherence(bars.earlier(10))
    if now is None or before is None:
        return None
    return energy(bars) < 0.8 * energy(bars.earlier(10)) and now > 1.2 * before


def volume_trend_correlation(bars: DailyBars) -> float | None:
    sizes, volumes = [abs(r) for r in bars.returns(14)], bars.volumes(14)
    if min(volumes) == 0 or len(set(sizes)) == 1 or len(set(volumes)) == 1:
        return None
    return correlation(sizes, [math.log(volume) for volume in volumes])


def energy_per_volume(bars: DailyBars) -> float | None:
    usual = [fmean(bars.earlier(back + 1).volumes(60)) for back in reversed(range(14))]
    if min(usual) == 0:
        return None
    relative = sum(volume / mean for volume, mean in zip(bars.volumes(14), usual, strict=True))
    path = sum(abs(r) for r in bars.returns(14))
    return None if relative == 0 else path / relative


def volume_confirmation(bars: DailyBars) -> bool:
    return fmean(bars.volumes(14)) > 1.1 * fmean(bars.volumes(60))


def exhaustion_vs_continuation(bars: DailyBars) -> float | None:
    is_tiring, is_forming, straight = exhaustion(bars), buildup(bars), coherence(bars)
    is_confirmed = volume_confirmation(bars)
    if is_tiring is None or is_forming is None or straight is None:
        return None
    steady = 0.2 * (straight > 0.7) - 0.2 * (straight < 0.3)
    return 0.4 * (is_forming - is_tiring) + steady + 0.2 * (2 * is_confirmed - 1)


def metabolic_load(bars: DailyBars) -> float | None:
    before, usual = bars.earlier(14).returns(120), fmean(bars.earlier(14).volumes(120))
    now, recent = bars.returns(14), fmean(bars.volumes(14))
    if len(set(before)) == 1 or usual == 0:
        return None
    return stdev(now) / stdev(before) * recent / usual


FORMULAS: dict[str, Formula] = {
    "sent_multi_period_regime": multi_period_regime,
    "sent_momentum_energy": energy,
    "sent_trend_coherence": coherence,
    "sent_exhaustion_detected": exhaustion,
    "sent_buildup_detected": buildup,
    "sent_volume_trend_correlation": volume_trend_correlation,
    "sent_energy_per_volume": energy_per_volume,
    "sent_volume_confirmation": volume_confirmation,
    "sent_exhaustion_vs_continuation": exhaustion_vs_continuation,
    "sent_metabolic_load": metabolic_load,
}


def told(name: str, returns: list[float], volume: list[float] | float = 100.0) -> object:
    return sentiment_value(name, bars_of(closes(returns), volume=volume))


# Returns of 2 % and -1 % in turn: R = 5, 10 and 25 % over 10, 20 and 50 sessions; one standard deviation is 1.5 % times
# sqrt(60/59), over 10, 20 and 50 sessions 4.8, 6.8 and 10.7 %.
RISING = [0.02, -0.01] * 30
# A straight rise, then swings twice as wide: energy 24 after 14, coherence 10 %/30 % after 1.
TIRING = [0.01] * 50 + [0.02, -0.02] * 5
# Swings, then a quiet rise: energy 4 x 2 + 10 x 0.5 = 13 after 28, coherence 5 %/25 % after 0.
FORMING = [0.02, -0.02] * 10 + [0.005] * 10
# Sizes of 1 and 2 %, volumes of 100 and 200, seven of each; large on large five times, small on small five times.
SIZES = [0.01] * 7 + [0.02] * 7
VOLUMES = [100.0, *[100.0] * 5, *[200.0] * 2, *[100.0] * 2, *[200.0] * 5]

NUMBERS: dict[str, Callable[[], tuple[object, object]]] = {
    "sent_multi_period_regime": lambda: (told("sent_multi_period_regime", RISING), "bullish_consensus"),
    # Fourteen moves by 1 %.
    "sent_momentum_energy": lambda: (told("sent_momentum_energy", [0.01, -0.01] * 7), 14.0),
    # 15 % up and 5 % down.
    "sent_trend_coherence": lambda: (told("sent_trend_coherence", [0.01] * 15 + [-0.01] * 5), 0.5),
    "sent_exhaustion_detected": lambda: (told("sent_exhaustion_detected", TIRING), True),
    "sent_buildup_detected": lambda: (told("sent_buildup_detected", FORMING), True),
    # Two variables of two values: (5 x 5 - 2 x 2)/7^2.
    "sent_volume_trend_correlation": lambda: (told("sent_volume_trend_correlation", SIZES, VOLUMES), 3 / 7),
    # 14 % over 13 usual volumes and one of twice the usual.
    "sent_energy_per_volume": lambda: (
        told("sent_energy_per_volume", [0.01] * 73, [100.0] * 73 + [200.0]),
        0.14 / 15,
    ),
    # 130 over 14 sessions, 107 over 60, and 1.1 x 107 = 117.7.
    "sent_volume_confirmation": lambda: (
        told("sent_volume_confirmation", [0.01] * 59, [100.0] * 46 + [130.0] * 14),
        True,
    ),
    # Exhaustion, coherence of a third, volume as usual: -0.4 + 0 - 0.2.
    "sent_exhaustion_vs_continuation": lambda: (told("sent_exhaustion_vs_continuation", TIRING), -0.6),
    # Swings of 2 % after such of 1 %, volume 150 after 100.
    "sent_metabolic_load": lambda: (
        told("sent_metabolic_load", [0.01, -0.01] * 60 + [0.02, -0.02] * 7, [100.0] * 121 + [150.0] * 14),
        2 * math.sqrt(14 / 13 * 119 / 120) * 1.5,
    ),
}
