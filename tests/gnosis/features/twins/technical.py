"""Readable twins of the technical features, and a number of each that was worked out by hand."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable

from tests.gnosis.features.seen import Seen
from tests.gnosis.features.twins.daily_bars import (
    DailyBars,
    Formula,
    MissingBarError,
    adx,
    atr,
    of_bars,
    recursive_mean,
    rsi,
    wilder,
)
from tests.gnosis.features.twins.hand_made import bars_of, closes, technical_value


def histogram(bars: DailyBars) -> float:
    """EMA12 and EMA26 run over 210 bars from the first of them, signal EMA9 over the last 54 differences."""
    prices = bars.closes(210)
    fast, slow = recursive_mean(prices, 1, 2 / 13), recursive_mean(prices, 1, 2 / 27)
    macd = [a - b for a, b in zip(fast, slow, strict=True)]
    return (macd[-1] - recursive_mean(macd[-54:], 1, 2 / 10)[-1]) / prices[-1]


def slope(of: Callable[[DailyBars], float]) -> Formula:
    return lambda bars: (of(bars) - of(bars.earlier(3))) / 3


def atr_expansion(bars: DailyBars) -> float | None:
    usual = statistics.fmean(atr(bars.earlier(k)) for k in range(20))
    return atr(bars) / usual if usual > 0 else None


def roc(sessions: int) -> Formula:
    def change(bars: DailyBars) -> float:
        bars.closes(sessions + 1)
        return bars.price("close") / bars.price("close", sessions) - 1

    return change


def momentum_zscore(bars: DailyBars) -> float | None:
    """z20: the reference sample are the 20 returns before, at least 10 of them known."""
    [own] = bars.returns(1)
    sample = []
    for k in range(1, 21):
        try:
            sample += bars.earlier(k).returns(1)
        except MissingBarError:
            continue
    if len(sample) < 10 or len(set(sample)) == 1:
        return None
    return (own - statistics.mean(sample)) / statistics.stdev(sample)


def directional_index(side: int) -> Formula:
    def share(bars: DailyBars) -> float | None:
        mean_move = wilder([moves[side] for moves in bars.directional_moves(140)])
        return 100 * mean_move / atr(bars) if atr(bars) > 0 else None

    return share


TWINS: dict[str, Callable[[Seen], object]] = {
    name: of_bars(formula)
    for name, formula in {
        "tech_macd_histogram": histogram,
        "tech_macd_histogram_slope": slope(histogram),
        "tech_rsi_slope": slope(rsi),
        "tech_atr": lambda bars: atr(bars) / bars.price("close"),
        "tech_atr_expansion": atr_expansion,
        "tech_roc_5": roc(5),
        "tech_roc_10": roc(10),
        "tech_roc_20": roc(20),
        "tech_momentum_zscore": momentum_zscore,
        "tech_adx": adx,
        "tech_plus_di": directional_index(0),
        "tech_minus_di": directional_index(1),
    }.items()
}

# 299 sessions at $100, then one at $113.
JUMP = bars_of([100.0] * 299 + [113.0])
# $1 up each session between high and low $1 away: +DM = 1, TR = 2. Then $1 down: -DM = 1, TR = 2.
TURN = bars_of([100.0 + k for k in range(299)] + [397.0], reach=1.0)
GROWTH = bars_of([100.0 * 1.01**k for k in range(21)])

NUMBERS: dict[str, Callable[[], tuple[object, object]]] = {
    # EMA12 gains 2 of the 13 dollars, EMA26 gains 26/27, the signal takes a fifth of their difference.
    "tech_macd_histogram": lambda: (
        technical_value("tech_macd_histogram", JUMP),
        0.8 * (2 - 26 / 27) / 113,
    ),
    "tech_macd_histogram_slope": lambda: (
        technical_value("tech_macd_histogram_slope", JUMP),
        0.8 * (2 - 26 / 27) / 113 / 3,
    ),
    # From 50, nothing had moved, to 100, nothing had fallen.
    "tech_rsi_slope": lambda: (technical_value("tech_rsi_slope", JUMP), 50 / 3),
    # One true range of 13, the others 0: the mean is a fourteenth.
    "tech_atr": lambda: (technical_value("tech_atr", JUMP), 13 / 14 / 113),
    # The mean over 20 sessions has the same value once and 0 nineteen times.
    "tech_atr_expansion": lambda: (technical_value("tech_atr_expansion", JUMP), 20.0),
    # 1.01^5 = 1.0510100501, 1.01^10 = 1.1046221254, 1.01^20 = 1.2201900399.
    "tech_roc_5": lambda: (technical_value("tech_roc_5", GROWTH), 0.0510100501),
    "tech_roc_10": lambda: (technical_value("tech_roc_10", GROWTH), 0.10462212541120453),
    "tech_roc_20": lambda: (technical_value("tech_roc_20", GROWTH), 0.22019003994796704),
    # Twenty returns of +-1 %: mean 0, variance 20/19 of 1 %^2. Then 2 %.
    "tech_momentum_zscore": lambda: (
        technical_value("tech_momentum_zscore", bars_of(closes([*[0.01, -0.01] * 10, 0.02]))),
        2 / math.sqrt(20 / 19),
    ),
    # DX is 100 all along and 100 (13/14 - 1/14) at the turn, of which ADX takes a fourteenth: 100 - 50/49.
    "tech_adx": lambda: (technical_value("tech_adx", TURN), 100 - 50 / 49),
    # +DI was 100 x 1/2 and loses a fourteenth, -DI has a fourteenth of 100 x 1/2.
    "tech_plus_di": lambda: (technical_value("tech_plus_di", TURN), 50 * 13 / 14),
    "tech_minus_di": lambda: (technical_value("tech_minus_di", TURN), 50 / 14),
}
