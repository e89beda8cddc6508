"""Daily bars of a symbol as one row sees them, for the readable twins: plain lists, oldest first."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from tests.gnosis.features.seen import Seen


class MissingBarError(Exception):
    """A bar, price or volume that the definition reads is not there, so its value is unknown."""


@dataclass(frozen=True)
class DailyBars:
    """Bars by sessions back from the row's own, which is 0; prices and volumes adjusted."""

    rows: dict[int, dict[str, Any]]
    start: int = 0

    @classmethod
    def of(cls, seen: Seen, symbol: str = "own") -> DailyBars:
        """Return the bars of the last 300 sessions, more than any definition reads."""
        rows = seen.rows("raw.equity_bars", symbol=symbol, sessions=300)
        return cls({seen.back(row["session"]): row for row in rows})

    def earlier(self, sessions: int) -> DailyBars:
        """Return the bars as counted from a session before."""
        return DailyBars(self.rows, self.start + sessions)

    def has(self, count: int) -> bool:
        return all(self.start + back in self.rows for back in range(count))

    def price(self, column: str, back: int = 0) -> float:
        """Return the adjusted price, raw price x adjustment_factor."""
        if self.start + back not in self.rows:
            raise MissingBarError
        row = self.rows[self.start + back]
        return row[column] * row["adjustment_factor"]

    def prices(self, column: str, count: int) -> list[float]:
        return [self.price(column, back) for back in reversed(range(count))]

    def closes(self, count: int) -> list[float]:
        return self.prices("close", count)

    def volume(self, back: int = 0) -> float:
        """Return the volume in shares that splits do not change, volume / adjustment_factor."""
        row = self.rows.get(self.start + back)
        if row is None or row["volume"] is None:
            raise MissingBarError
        return row["volume"] / row["adjustment_factor"]

    def volumes(self, count: int) -> list[float]:
        return [self.volume(back) for back in reversed(range(count))]

    def returns(self, count: int) -> list[float]:
        """Return daily log returns."""
        return [math.log(after / before) for before, after in pairwise(self.closes(count + 1))]

    def moves(self, count: int) -> list[float]:
        """Return changes of the close."""
        return [after - before for before, after in pairwise(self.closes(count + 1))]

    def typical(self, count: int) -> list[float]:
        """Return typical prices (H + L + C)/3."""
        sides = (self.prices(column, count) for column in ("high", "low", "close"))
        return [sum(of_day) / 3 for of_day in zip(*sides, strict=True)]

    def true_ranges(self, count: int) -> list[float]:
        found = []
        for back in reversed(range(count)):
            high, low, before = self.price("high", back), self.price("low", back), self.price("close", back + 1)
            found.append(max(high - low, abs(high - before), abs(low - before)))
        return found

    def directional_moves(self, count: int) -> list[tuple[float, float]]:
        """Return (+DM, -DM): a session moves in one direction only, that of the larger new extreme (Wilder 1978)."""
        found = []
        for back in reversed(range(count)):
            up = self.price("high", back) - self.price("high", back + 1)
            down = self.price("low", back + 1) - self.price("low", back)
            found.append((up if up > down and up > 0 else 0.0, down if down > up and down > 0 else 0.0))
        return found


Formula = Callable[[DailyBars], object]


def value_of(formula: Formula, bars: DailyBars) -> object:
    """Return what a formula says, null when a bar that it reads is missing."""
    try:
        return formula(bars)
    except MissingBarError:
        return None


def of_bars(formula: Formula) -> Callable[[Seen], object]:
    """Return the twin of a formula of the symbol's own bars."""
    return lambda seen: value_of(formula, DailyBars.of(seen))


def recursive_mean(values: list[float], seed: int, weight: float) -> list[float]:
    """Return the running means from the simple mean of the first ``seed`` values on."""
    means = [sum(values[:seed]) / seed]
    for value in values[seed:]:
        means.append(means[-1] + weight * (value - means[-1]))
    return means


def ema(values: list[float], n: int) -> float:
    """Return EMA_n: exactly 6n values, started at the first of them, weight 2/(n + 1)."""
    assert len(values) == 6 * n
    return recursive_mean(values, 1, 2 / (n + 1))[-1]


def wilder(values: list[float], n: int = 14) -> float:
    """Return Wilder_n: exactly 10n values, started at the mean of the first n, weight 1/n."""
    assert len(values) == 10 * n
    return recursive_mean(values, n, 1 / n)[-1]


def rsi(bars: DailyBars) -> float:
    moves = bars.moves(140)
    up, down = wilder([max(m, 0.0) for m in moves]), wilder([max(-m, 0.0) for m in moves])
    return 50.0 if up + down == 0 else 100 * up / (up + down)


def atr(bars: DailyBars, n: int = 14) -> float:
    return wilder(bars.true_ranges(10 * n), n)


def adx(bars: DailyBars) -> float | None:
    """Return ADX(14): directional means over 280 moves, DX from the last 140, Wilder_14 of those."""
    moves = bars.directional_moves(280)
    plus = recursive_mean([up for up, _ in moves], 14, 1 / 14)[-140:]
    minus = recursive_mean([down for _, down in moves], 14, 1 / 14)[-140:]
    if any(p + m == 0 for p, m in zip(plus, minus, strict=True)):
        return None
    return wilder([100 * abs(p - m) / (p + m) for p, m in zip(plus, minus, strict=True)])
