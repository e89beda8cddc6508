"""Twins of volume by price, gaps, squeezes and ranges: features 29 to 32, 36 to 40, 43, 44 and 47."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from tests.gnosis.engines.test_volume_profile import plain as spread_over_bins
from tests.gnosis.engines.test_wyckoff import plain as phase_rule
from tests.gnosis.features.seen import Seen
from tests.gnosis.features.twins.daily_bars import ema
from tests.gnosis.features.twins.liquidity_inputs import (
    Daily,
    Value,
    bar_coverage,
    daily,
    intraday,
    percentile_rank,
    remembered,
    sample,
)

BINS = 50


class Profile(NamedTuple):
    """Volume of bins of equal width."""

    low: float
    width: float
    volume: list[float]

    def edge(self, number: int) -> float:
        return self.low + number * self.width

    def between(self, low: float, high: float) -> float:
        """Volume between two prices, even within a bin."""
        shares = [min(high, self.edge(k + 1)) - max(low, self.edge(k)) for k in range(BINS)]
        return sum(v * max(0.0, share) / self.width for v, share in zip(self.volume, shares, strict=True))

    def clusters(self, is_wanted: Callable[[float], bool]) -> list[list[int]]:
        """Return runs of adjacent bins, each as the list of their numbers."""
        runs: list[list[int]] = []
        for k in (k for k in range(BINS) if is_wanted(self.volume[k])):
            if runs and runs[-1][-1] == k - 1:
                runs[-1].append(k)
            else:
                runs.append([k])
        return runs

    @property
    def median(self) -> float:
        return statistics.median(v for v in self.volume if v > 0)

    def heavy(self) -> list[list[int]]:
        return self.clusters(lambda v: v > 1.5 * self.median)

    def light(self) -> list[list[int]]:
        return self.clusters(lambda v: 0 < v < 0.5 * self.median)

    def value_area(self) -> tuple[float, float]:
        """Return the edges of the bins around the fullest one that hold 70 % of the volume."""
        first = last = max(range(BINS), key=lambda k: (self.volume[k], -k))
        while sum(self.volume[first : last + 1]) < 0.7 * sum(self.volume):
            below = self.volume[first - 1] if first > 0 else -1.0
            above = self.volume[last + 1] if last < BINS - 1 else -1.0
            if above > below:
                last += 1
            else:
                first -= 1
        return self.edge(first), self.edge(last + 1)


def profile_of(bars: Sequence[tuple[float, float, float]]) -> Profile:
    low, high, volume = zip(*bars, strict=True)
    return Profile(min(low), (max(high) - min(low)) / BINS, spread_over_bins(low, high, volume, BINS))


def daily_profile(bars: Daily, backs: Iterable[int], fewest: int) -> Profile | None:
    known = [(bars.price(k, "low"), bars.price(k, "high"), bars.volume(k)) for k in backs if bars.volume(k) is not None]
    return profile_of(known) if len(known) >= fewest else None


@remembered
def profile(seen: Seen) -> Profile | None:
    """Profile of 60 sessions: of 5-minute bars where most of them are there, else of daily bars."""
    bars = daily(seen)
    if bar_coverage(seen, 60) < 0.6:
        return daily_profile(bars, range(60), 15)
    rows = []
    for row in intraday(seen, 60):
        factor = bars.bars.get(seen.back(row["session"]), {}).get("adjustment_factor")
        if factor is not None and row["volume"] is not None:
            rows.append((row["low"] * factor, row["high"] * factor, row["volume"] / factor))
    return profile_of(rows)


def absorption_zones(seen: Seen) -> Value:
    found, close = profile(seen), daily(seen).price(0)
    if found is None:
        return None
    near = 0
    for run in found.heavy():
        volumes = [found.volume[k] for k in run]
        centre = sum(v * (found.edge(k) + found.width / 2) for v, k in zip(volumes, run, strict=True)) / sum(volumes)
        near += abs(centre / close - 1) <= 0.1
    return min(near, 20)


def displacement_zones(seen: Seen) -> Value:
    found = profile(seen)
    if found is None:
        return None
    heavy = found.heavy()
    if len(heavy) < 2:
        return 0
    return min(sum(heavy[0][-1] < run[0] and run[-1] < heavy[-1][0] for run in found.light()), 20)


def balance(seen: Seen) -> Value:
    found, close = profile(seen), daily(seen).price(0)
    if found is None:
        return None
    kept = [k for run in found.heavy() for k in run]
    heavy = found._replace(volume=[v if k in kept else 0.0 for k, v in enumerate(found.volume)])
    below, above = heavy.between(-math.inf, close), heavy.between(close, math.inf)
    return (below - above) / (below + above) if below + above else None


def polr_direction(seen: Seen) -> Value:
    found, close, reach = profile(seen), daily(seen).price(0), daily(seen).atr()
    if found is None or reach is None:
        return None
    up, down = found.between(close, close + reach), found.between(close - reach, close)
    return math.tanh(2 * (down - up) / (down + up)) if down + up else None


def voids(seen: Seen) -> Value:
    bars = daily(seen)
    reach, close = bars.atr(), bars.price(0)
    if reach is None:
        return None
    ranges = [(bars.price(k, "low"), bars.price(k, "high")) for k in range(60, -1, -1)]
    count = 0
    for at, ((low1, high1), (low, high)) in enumerate(pairwise(ranges), 1):
        bottom, top = (high1, low) if low > high1 else (high, low1)
        if not bottom < top or top - bottom <= 0.5 * reach or bottom < 0.9 * close or top > 1.1 * close:
            continue
        for later_low, later_high in sorted(ranges[at + 1 :]):
            if later_low <= bottom:
                bottom = max(bottom, later_high)
        count += bottom < top
    return min(count, 20)


def bandwidth(bars: Daily, back: int) -> float | None:
    closes = bars.column("close", 20, back)
    return None if closes is None else 4 * statistics.stdev(closes) / statistics.fmean(closes)


@remembered
def compression(seen: Seen) -> Value:
    rank = percentile_rank(lambda back: bandwidth(daily(seen), back), 252)
    return None if rank is None else 1 - rank


def is_squeeze(bars: Daily, back: int) -> bool | None:
    """Bollinger bands (20, 2) inside EMA20 -/+ 1.5 ATR20."""
    closes, reach = bars.column("close", 120, back), bars.atr(back, 20)
    if closes is None or reach is None:
        return None
    centre, middle, half = ema(closes, 20), statistics.fmean(closes[-20:]), 2 * statistics.stdev(closes[-20:])
    return middle + half < centre + 1.5 * reach and middle - half > centre - 1.5 * reach


def expansion(seen: Seen) -> Value:
    length = 0
    while length < 120 and is_squeeze(daily(seen), length):
        length += 1
    known = length == 120 or is_squeeze(daily(seen), length) is not None
    return compression(seen) * length / 20 if known and compression(seen) is not None else None


def volume_strength(seen: Seen) -> Value:
    bars = daily(seen)

    def relative(back: int) -> float | None:
        own, known = bars.volume(back), sample(bars.volume, 20, back)
        return None if own is None or not known else own / statistics.fmean(known)

    return percentile_rank(relative, 60)


def effort(seen: Seen, side: int) -> Value:
    bars = daily(seen)
    volumes = bars.volumes(10)
    if not volumes or not sum(volumes):
        return None
    return sum(bars.volume(k) for k in range(10) if side * bars.clv(k) > 0.5) / sum(volumes)


def wyckoff_phase(seen: Seen) -> Value:
    bars = daily(seen)
    sides = [bars.column(name, 146) for name in ("high", "low", "close")]
    volumes = bars.volumes(146)
    if volumes is None:
        return "unknown"
    edges = [daily_profile(bars, range(out, 120), 0).value_area() for out in (5, 20)]
    return phase_rule(*sides, volumes, 145, 120, *edges, bars.atr(5))


def wyckoff_energy(seen: Seen) -> Value:
    bars = daily(seen)
    area, closes = daily_profile(bars, range(5, 120), 115), bars.column("close", 120)
    if area is None or closes is None or compression(seen) is None:
        return None
    low, high = area.value_area()
    return sum(low <= close <= high for close in closes) / 120 * compression(seen)
