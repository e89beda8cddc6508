"""Readable twins of the sentiment features 67 to 79: relative strength, money flow and stochastics."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from statistics import fmean

import polars as pl

from tests.gnosis.features.twins.daily_bars import DailyBars, Formula, rsi
from tests.gnosis.features.twins.hand_made import bars_of, sentiment_value


def divergence(bars: DailyBars) -> int:
    closes = bars.closes(20)
    # Distances from the middle of the 20 sessions: their products with the closes have the sign of the slope.
    slope = sum((k - 9.5) * (close - closes[0]) for k, close in enumerate(closes))
    change = rsi(bars) - rsi(bars.earlier(20))
    return int(slope < 0 and change > 10) - int(slope > 0 and change < -10)


def flows(bars: DailyBars, sessions: int) -> tuple[float, float]:
    """Return positive and negative money flow: typical price x volume by the direction of the typical price."""
    moves = list(zip(pairwise(bars.typical(sessions + 1)), bars.volumes(sessions), strict=True))
    up = sum(now * volume for (before, now), volume in moves if now > before)
    down = sum(now * volume for (before, now), volume in moves if now < before)
    return up, down


def mfi(bars: DailyBars) -> float:
    up, down = flows(bars, 14)
    return 50.0 if up + down == 0 else 100 * up / (up + down)


def pressure(side: int) -> Formula:
    def share(bars: DailyBars) -> float | None:
        total = sum(flows(bars, 20))
        return None if total == 0 else min(1.0, 2 * flows(bars, 5)[side] / total)

    return share


def stoch_k(bars: DailyBars) -> float | None:
    lowest, highest = min(bars.prices("low", 14)), max(bars.prices("high", 14))
    return None if highest == lowest else 100 * (bars.price("close") - lowest) / (highest - lowest)


def stoch_d(bars: DailyBars) -> float | None:
    parts = [stoch_k(bars.earlier(back)) for back in range(3)]
    return None if None in parts else fmean(part for part in parts if part is not None)


def crossing(sign: int) -> Formula:
    def crosses(bars: DailyBars) -> bool | None:
        k, d = stoch_k(bars), stoch_d(bars)
        k_before, d_before = stoch_k(bars.earlier(1)), stoch_d(bars.earlier(1))
        if k is None or d is None or k_before is None or d_before is None:
            return None
        return sign * (k - d) > 0 and sign * (k_before - d_before) <= 0

    return crosses


def composite(bars: DailyBars) -> float | None:
    k = stoch_k(bars)
    if k is None:
        return None
    return 0.4 * (rsi(bars) - 50) / 50 + 0.3 * (mfi(bars) - 50) / 50 + 0.3 * (k - 50) / 50


FORMULAS: dict[str, Formula] = {
    "sent_rsi": rsi,
    "sent_rsi_overbought": lambda bars: rsi(bars) > 70,
    "sent_rsi_oversold": lambda bars: rsi(bars) < 30,
    "sent_rsi_energy_decay_slope": lambda bars: (rsi(bars) - rsi(bars.earlier(5))) / 5,
    "sent_rsi_divergence": divergence,
    "sent_mfi": mfi,
    "sent_mfi_buy_pressure": pressure(0),
    "sent_mfi_sell_pressure": pressure(1),
    "sent_stoch_k": stoch_k,
    "sent_stoch_d": stoch_d,
    "sent_stoch_impulse": crossing(1),
    "sent_stoch_reversion": crossing(-1),
    "sent_oscillator_composite": composite,
}


def pushed(first: float, second: float) -> pl.DataFrame:
    """Return 139 closes at $100 and two more that move by so many dollars."""
    return bars_of([100.0] * 139 + [100.0 + first, 100.0 + first + second])


def in_range(closes: list[float]) -> pl.DataFrame:
    """Return 17 bars between $90 and $110, the last closes as given, those before in the middle."""
    places = range(17)
    return bars_of(
        [100.0] * (17 - len(closes)) + closes,
        high=dict.fromkeys(places, 110.0),
        low=dict.fromkeys(places, 90.0),
    )


# $10 and $11 in turn, from $10 to $10: 10 rises to 11 and 10 falls to 10.
SWING = bars_of([10.0 + k % 2 for k in range(21)])
# Nothing moves until a jump by $10, then 19 falls by $0.1 each: U = (10/14) (13/14)^19 = 0.175 against
# D = 0.1 (1 - (13/14)^19) = 0.076, so RSI rises from 50 to 70 while the 20 closes fall.
SINKING = bars_of([100.0] * 141 + [110.0 - 0.1 * k for k in range(20)])
# A session that opens nothing new but a range from 97 to 105 with its close at 103.
WIDE = bars_of([100.0] * 140 + [103.0], reach=1.0, high={-1: 105.0}, low={-1: 97.0})

NUMBERS: dict[str, Callable[[], tuple[object, object]]] = {
    # $13 up leaves U = 13/14; $1 down takes a fourteenth of it, 169/196, and makes D = 14/196.
    "sent_rsi": lambda: (sentiment_value("sent_rsi", pushed(13, -1)), 100 * 169 / 183),
    "sent_rsi_overbought": lambda: (sentiment_value("sent_rsi_overbought", pushed(13, -1)), True),
    "sent_rsi_oversold": lambda: (sentiment_value("sent_rsi_oversold", pushed(-13, 1)), True),
    # From 50, nothing had moved, to 100, nothing had fallen.
    "sent_rsi_energy_decay_slope": lambda: (
        sentiment_value("sent_rsi_energy_decay_slope", bars_of([100.0] * 145 + [101.0])),
        10.0,
    ),
    "sent_rsi_divergence": lambda: (sentiment_value("sent_rsi_divergence", SINKING), 1),
    # 7 rises to 11 and 7 falls to 10 with the same volume: 77/(77 + 70).
    "sent_mfi": lambda: (sentiment_value("sent_mfi", SWING), 100 * 77 / 147),
    # The last 5 moves are 2 rises and 3 falls; 20 moves turn over 110 + 100.
    "sent_mfi_buy_pressure": lambda: (sentiment_value("sent_mfi_buy_pressure", SWING), 2 * 22 / 210),
    "sent_mfi_sell_pressure": lambda: (sentiment_value("sent_mfi_sell_pressure", SWING), 2 * 30 / 210),
    "sent_stoch_k": lambda: (sentiment_value("sent_stoch_k", in_range([105.0])), 75.0),
    # K = 25, 50 and 100.
    "sent_stoch_d": lambda: (sentiment_value("sent_stoch_d", in_range([95.0, 100.0, 110.0])), 175 / 3),
    # K and D were both 50, then K is 100 or 0.
    "sent_stoch_impulse": lambda: (sentiment_value("sent_stoch_impulse", in_range([110.0])), True),
    "sent_stoch_reversion": lambda: (sentiment_value("sent_stoch_reversion", in_range([90.0])), True),
    # RSI = MFI = 100, K = 100 (103 - 97)/(105 - 97) = 75: 0.4 + 0.3 + 0.3/2.
    "sent_oscillator_composite": lambda: (sentiment_value("sent_oscillator_composite", WIDE), 0.85),
}
