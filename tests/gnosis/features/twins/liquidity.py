"""Liquidity features by their definitions, bar by bar and level by level, and numbers worked out by hand."""

from __future__ import annotations

import datetime as dt
import json
import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
import talib
from bidask import edge
from tests.gnosis.features.twins.liquidity_numbers import NUMBERS

from gnosis.sessions import schedule
from tests.gnosis.engines.test_volume_profile import plain as spread_over_bins
from tests.gnosis.engines.test_wyckoff import plain as phase_rule
from tests.gnosis.features.seen import CALENDAR, RANK, Seen

Value = float | int | bool | str | None
BINS = 50
MINUTE = dt.timedelta(minutes=1)
HOURS = {row["session"]: (row["open_at"], row["close_at"]) for row in schedule().iter_rows(named=True)}
PHI = NormalDist().cdf


def remembered(of: Callable[[Seen], Any]) -> Callable[[Seen], Any]:
    """Keep the answer about the last row asked about: several twins need the same."""
    last: list[Any] = [None, None]

    def ask(seen: Seen) -> Any:
        if last[0] is not seen:
            last[:] = [seen, of(seen)]
        return last[1]

    return ask


# Trailing statistics: the sample is what was known in the N sessions before, never the current value.


def sample(value: Callable[[int], float | None], window: int, own: int = 0) -> list[float] | None:
    known = [x for x in (value(own + back) for back in range(1, window + 1)) if x is not None]
    return known if len(known) >= max(10, math.ceil(window / 4)) else None


def z_score(value: Callable[[int], float | None], window: int, own: int = 0) -> float | None:
    x, known = value(own), sample(value, window, own)
    if x is None or known is None or statistics.stdev(known) == 0:
        return None
    return (x - statistics.fmean(known)) / statistics.stdev(known)


def percentile_rank(value: Callable[[int], float | None], window: int) -> float | None:
    x, known = value(0), sample(value, window)
    if x is None or known is None:
        return None
    return (sum(y < x for y in known) + sum(y == x for y in known) / 2) / len(known)


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


class Daily:
    """Daily bars by how many sessions ago they were; None where there is none."""

    def __init__(self, seen: Seen) -> None:
        self.bars = {seen.back(row["session"]): row for row in seen.rows("raw.equity_bars", sessions=330)}

    def price(self, back: int, name: str = "close") -> float | None:
        bar = self.bars.get(back)
        return bar and bar[name] * bar["adjustment_factor"]

    def volume(self, back: int) -> float | None:
        """Shares in units of the first bar: a split changes nothing."""
        bar = self.bars.get(back)
        return None if bar is None or bar["volume"] is None else bar["volume"] / bar["adjustment_factor"]

    def traded(self, back: int) -> float | None:
        return self.bars[back]["volume"] if back in self.bars else None

    def dollars(self, back: int) -> float | None:
        volume = self.traded(back)
        return None if volume is None else self.bars[back]["close"] * volume

    def log_return(self, back: int, sessions: int = 1) -> float | None:
        now, before = self.price(back), self.price(back + sessions)
        return None if now is None or before is None else math.log(now / before)

    def sd(self, back: int = 0, window: int = 20) -> float | None:
        """Standard deviation of the last returns, the current one among them."""
        known = sample(self.log_return, window, back - 1)
        return None if known is None or self.log_return(back) is None else statistics.stdev(known)

    def adv_usd(self, back: int = 0) -> float | None:
        known = sample(self.dollars, 20, back)
        return None if known is None else statistics.fmean(known)

    def clv(self, back: int) -> float | None:
        if back not in self.bars:
            return None
        high, low, close = (self.price(back, name) for name in ("high", "low", "close"))
        return 0.0 if high == low else ((close - low) - (high - close)) / (high - low)

    def column(self, name: str, count: int, back: int = 0) -> list[float] | None:
        """Return the last prices, oldest first; None where one is missing."""
        found = [self.price(k, name) for k in range(back + count - 1, back - 1, -1)]
        return None if None in found else found

    def volumes(self, count: int) -> list[float] | None:
        found = [self.volume(k) for k in range(count - 1, -1, -1)]
        return None if None in found else found

    def atr(self, back: int = 0, span: int = 14) -> float | None:
        """Wilder's mean over exactly 10 x span true ranges."""
        sides = [self.column(name, 10 * span + 1, back) for name in ("high", "low", "close")]
        return None if None in sides else float(talib.ATR(*(np.array(side) for side in sides), span)[-1])

    def edge(self) -> float | None:
        sides = [
            [self.price(k, name) or math.nan for k in range(20, -1, -1)] for name in ("open", "high", "low", "close")
        ]
        found = float(edge(*(np.array(side) for side in sides), sign=True))
        return None if math.isnan(found) else found


daily = remembered(Daily)


# Order books.


class Book(NamedTuple):
    """One snapshot: levels of price and size, best first."""

    ts: dt.datetime
    bids: list[tuple[float, float]]
    asks: list[tuple[float, float]]

    @property
    def mid(self) -> float:
        return (self.bids[0][0] + self.asks[0][0]) / 2


@remembered
def books(seen: Seen) -> list[Book]:
    """Return the snapshots of the regular session whose prices are in order."""
    opens, closes = HOURS[seen.session]
    by_ts: dict[dt.datetime, dict[str, list[tuple[float, float]]]] = {}
    for row in seen.rows("raw.order_books", sessions=1):
        by_ts.setdefault(row["ts"], {"B": [], "A": []})[row["side"]].append((row["price"], row["size"]))
    found = [Book(ts, sides["B"], sides["A"]) for ts, sides in sorted(by_ts.items()) if opens <= ts <= closes]
    return [
        book
        for book in found
        if all(better > worse for (better, _), (worse, _) in pairwise(book.bids))
        and all(better < worse for (better, _), (worse, _) in pairwise(book.asks))
        and not (book.bids and book.asks and book.bids[0][0] >= book.asks[0][0])
    ]


def quotes(seen: Seen, minutes: int = 390) -> list[Book]:
    """Return the snapshots with both sides in the last minutes of the session."""
    since = HOURS[seen.session][1] - minutes * MINUTE
    return [book for book in books(seen) if book.bids and book.asks and book.ts >= since]


def quoted_spread(seen: Seen) -> float | None:
    spreads = [(book.asks[0][0] - book.bids[0][0]) / book.mid for book in quotes(seen, 30)]
    return statistics.median(spreads) if spreads else None


def order_flow_imbalance(snapshots: Sequence[Book]) -> float | None:
    """Cont, Kukanov & Stoikov (2014): what was added to the best bid less what was added to the best ask."""
    events = []
    for before, after in pairwise(snapshots):
        (pb, qb), (pa, qa) = after.bids[0], after.asks[0]
        (pb0, qb0), (pa0, qa0) = before.bids[0], before.asks[0]
        events.append(qb * (pb >= pb0) - qb0 * (pb <= pb0) - qa * (pa <= pa0) + qa0 * (pa >= pa0))
    size = sum(abs(event) for event in events)
    return sum(events) / size if size else None


# Bars of one and five minutes.


def intraday(seen: Seen, sessions: int, frequency: str = "5min") -> list[dict[str, Any]]:
    """Return bars with the change of their log price within the session, from the open for the first one."""
    rows = seen.rows("raw.intraday_bars", sessions=sessions, frequency=frequency)
    for before, row in zip([None, *rows], rows, strict=False):
        same = before is not None and before["session"] == row["session"]
        row["change"] = math.log(row["close"] / (before["close"] if same else row["open"]))
    return rows


def expected_bars(seen: Seen, sessions: int, minutes: int = 5, back: int = 0) -> int:
    rank = RANK[seen.session] - back
    days = CALENDAR[rank - sessions + 1 : rank + 1]
    return sum((closes - opens) // (minutes * MINUTE) for opens, closes in (HOURS[day] for day in days))


def bar_coverage(seen: Seen, sessions: int, minutes: int = 5) -> float:
    known = [row for row in intraday(seen, sessions, f"{minutes}min") if row["volume"] is not None]
    return min(1.0, len(known) / expected_bars(seen, sessions, minutes))


def closing_bars(seen: Seen, rows: Iterable[dict[str, Any]], minutes: int) -> list[dict[str, Any]]:
    """Return the bars of a length in minutes that lie within the last half hour."""
    close = HOURS[seen.session][1]
    return [row for row in rows if row["ts"] <= close and row["ts"] - minutes * MINUTE >= close - 30 * MINUTE]


# Costs: features 25 to 28, 45 and 46.


def friction_cost(seen: Seen) -> Value:
    bars, spread = daily(seen), quoted_spread(seen)
    if spread is None:
        estimate = bars.edge()
        spread = None if estimate is None else max(estimate, 0.0)
    return None if spread is None or bars.sd() is None else 1e4 * (spread / 2 + bars.sd() * math.sqrt(0.01))


@remembered
def kyle_lambda(seen: Seen) -> Value:
    mids = {}
    for row in seen.rows("raw.order_books", sessions=20, level=1):
        mids.setdefault(row["ts"], {})[row["side"]] = row["price"]
    mids = {ts: (s["B"] + s["A"]) / 2 for ts, s in mids.items() if len(s) == 2 and s["B"] < s["A"]}
    rows = intraday(seen, 20)
    flow, moves = [], []
    sigma = statistics.stdev(row["change"] for row in rows) if len(rows) > 1 else 0.0
    before = None
    for row in rows:
        inside = [ts for ts in mids if row["ts"] - 5 * MINUTE < ts <= row["ts"]]
        price = mids[max(inside)] if inside else row["close"]
        start = before[1] if before and before[0] == row["session"] else row["open"]
        before = row["session"], price
        if row["volume"] is not None and sigma > 0:
            flow.append(row["close"] * row["volume"] / 1e6 * (2 * PHI(row["change"] / sigma) - 1))
            moves.append(1e4 * math.log(price / start))
    if len(flow) >= 200:
        squares = sum(x * x for x in flow)
        slope = sum(x * y for x, y in zip(flow, moves, strict=True)) / squares
        rest = sum((y - slope * x) ** 2 for x, y in zip(flow, moves, strict=True))
        if slope / math.sqrt(rest / (len(flow) - 1) / squares) >= 2:
            return slope
    bars = daily(seen)
    if any(bars.traded(back) is None for back in range(21)) or not bars.sd() or not bars.adv_usd():
        return None
    return bars.sd() * 1e10 / bars.adv_usd()


def illiquidity(bars: Daily, back: int) -> float | None:
    """Amihud (2002) of a session, per $1m."""

    def ratio(k: int) -> float | None:
        now, before, dollars = bars.price(k), bars.price(k + 1), bars.dollars(k)
        return None if now is None or before is None or not dollars else abs(now / before - 1) / dollars

    known = sample(ratio, 20, back - 1)
    return None if known is None or ratio(back) is None else 1e6 * statistics.fmean(known)


def amihud(seen: Seen) -> Value:
    return illiquidity(daily(seen), 0)


@remembered
def score(seen: Seen) -> Value:
    """Ranks of friction and lambda are among the stored values, those of the others among values from bars."""
    bars = daily(seen)
    stored = {seen.back(row["session"]): row for row in seen.rows("engines.liquidity", sessions=273)}

    def of(name: str, own: Callable[[Seen], Value]) -> Callable[[int], float | None]:
        return lambda back: own(seen) if back == 0 else stored[back][name] if back in stored else None

    components = [
        of("liq_friction_cost", friction_cost),
        of("liq_kyle_lambda", kyle_lambda),
        lambda back: illiquidity(bars, back),
        lambda back: 1 / bars.adv_usd(back) if bars.adv_usd(back) else None,
    ]
    ranks = [rank for rank in (percentile_rank(value, 252) for value in components) if rank is not None]
    return 1 - statistics.fmean(ranks) if len(ranks) >= 3 else None


def regime(seen: Seen) -> Value:
    found = score(seen)
    cuts = [("Abundant", 0.8), ("Normal", 0.6), ("Thin", 0.4), ("Stressed", 0.2), ("Crisis", -math.inf)]
    return None if found is None else next(name for name, cut in cuts if found >= cut)


def regime_confidence(seen: Seen) -> Value:
    found = score(seen)
    if found is None:
        return None
    return min(1.0, min(abs(found - cut) for cut in (0.8, 0.6, 0.4, 0.2)) / 0.1) * confidence(seen)


# Alerts and imbalance: features 33 to 35.


def orderbook_imbalance(seen: Seen) -> Value:
    closing, bars = quotes(seen, 5), daily(seen)
    if closing:
        if all(len(book.bids) == len(book.asks) == 1 for book in closing):
            return order_flow_imbalance(closing)
        sizes = [tuple(sum(size for _, size in side[:10]) for side in (book.bids, book.asks)) for book in closing]
        return statistics.fmean((bid - ask) / (bid + ask) for bid, ask in sizes if bid + ask > 0)
    known = [(bars.clv(k), bars.volume(k)) for k in range(20) if bars.volume(k) is not None]
    if len(known) < 10 or bars.volume(0) is None or not sum(volume for _, volume in known):
        return None
    return sum(clv * volume for clv, volume in known) / sum(volume for _, volume in known)


def is_sweep(signed: float, change: float, mad: float, sigma: float) -> bool:
    return abs(signed) > 3 * mad and abs(change) > 2 * sigma and signed * change > 0


def sweep_bars(seen: Seen) -> tuple[list[dict[str, Any]], list[dict[str, Any]], int]:
    """Return the 5-minute bars of the last half hour, of the 20 sessions before, and how many of these are needed."""
    rows = intraday(seen, 21)
    reference = [row for row in rows if row["session"] < seen.session]
    own = [row for row in rows if row["session"] == seen.session]
    return closing_bars(seen, own, 5), reference, max(10, math.ceil(expected_bars(seen, 20, back=1) / 4))


def has_sweep_bars(seen: Seen) -> bool:
    closing, reference, fewest = sweep_bars(seen)
    known = [sum(row["volume"] is not None for row in rows) for rows in (closing, reference)]
    return known[0] >= 1 and known[1] >= fewest


def sweep_alert(seen: Seen) -> Value:
    bars = daily(seen)
    closing, reference, _ = sweep_bars(seen)
    if has_sweep_bars(seen):
        sigma = statistics.stdev(row["change"] for row in reference)

        def signed(row: dict[str, Any]) -> float | None:
            factor = bars.bars.get(seen.back(row["session"]), {}).get("adjustment_factor")
            known = factor is not None and row["volume"] is not None
            return row["volume"] / factor * (2 * PHI(row["change"] / sigma) - 1) if known else None

        before = [x for x in (signed(row) for row in reference) if x is not None]
        mad = 1.4826 * statistics.median(abs(x - statistics.median(before)) for x in before)
        return any(is_sweep(signed(row), row["change"], mad, sigma) for row in closing if signed(row) is not None)

    def effort(back: int) -> float | None:
        return None if bars.volume(back) is None else bars.volume(back) * bars.clv(back)

    own, change, sigma, known = effort(0), bars.log_return(0), bars.sd(window=60), sample(effort, 60)
    if None in (own, change, sigma, known):
        return None
    mad = 1.4826 * statistics.median(abs(x - statistics.median(known)) for x in known)
    return is_sweep(own, change, mad, sigma)


def iceberg_alert(seen: Seen) -> Value:
    snapshots, found = quotes(seen, 30), []

    def nearest(instant: dt.datetime) -> Book | None:
        near = min(snapshots, key=lambda book: abs(book.ts - instant), default=None)
        return near if near and abs(near.ts - instant) <= MINUTE / 2 else None

    for row in closing_bars(seen, intraday(seen, 1, "1min"), 1):
        before, after = nearest(row["ts"] - MINUTE), nearest(row["ts"])
        if not before or not after or row["volume"] is None or not before.ts < after.ts <= before.ts + MINUTE:
            continue
        (bid, size), (ask, offered) = before.bids[0], before.asks[0]
        bid_held = after.bids[0][0] >= bid and after.bids[0][1] >= size > 0
        ask_held = after.asks[0][0] <= ask and after.asks[0][1] >= offered > 0
        found += [
            (bid_held and row["low"] <= bid <= row["high"] and row["volume"] > 3 * size)
            or (ask_held and row["low"] <= ask <= row["high"] and row["volume"] > 3 * offered)
        ]
    if found or quotes(seen, 5):
        return any(found) if found else None
    bars = daily(seen)
    busy = z_score(bars.volume, 20)
    return None if busy is None or bars.sd() is None else busy > 2 and abs(bars.log_return(0)) < 0.25 * bars.sd()


# Volume by price: features 29, 30, 32, 47 and 48.


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


def polr_strength(seen: Seen) -> Value:
    direction, found = polr_direction(seen), score(seen)
    return None if direction is None or found is None else abs(direction) * found


# Structure of daily bars: features 31, 36 to 40, 43 and 44.


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
    ema = closes[0]
    for close in closes[1:]:
        ema += 2 / 21 * (close - ema)
    middle, half = statistics.fmean(closes[-20:]), 2 * statistics.stdev(closes[-20:])
    return middle + half < ema + 1.5 * reach and middle - half > ema - 1.5 * reach


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


# Off-exchange volume: features 41, 42 and 50 to 52.


def files(seen: Seen, sessions: int) -> tuple[int | None, dict[int, dict[str, Any]]]:
    """Return the age of the last published file, at most 5, and the possible files of the last sessions by age."""
    rows = {seen.back(row["session"]): row for row in seen.rows("raw.short_volume", sessions=sessions)}
    rows = {back: row for back, row in rows.items() if row["short_volume"] <= row["total_volume"]}
    return (min(rows) if rows and min(rows) <= 5 else None), rows


def short_shares(seen: Seen, sessions: int) -> tuple[int | None, dict[int, float]]:
    age, rows = files(seen, sessions)
    return age, {k: row["short_volume"] / row["total_volume"] for k, row in rows.items() if row["total_volume"] > 0}


def off_shares(seen: Seen, sessions: int) -> tuple[int | None, dict[int, float]]:
    (age, rows), bars = files(seen, sessions), daily(seen)
    shares = {k: row["total_volume"] / bars.traded(k) for k, row in rows.items() if bars.traded(k)}
    return age, {k: share for k, share in shares.items() if share <= 1}


def short_volume_ratio(seen: Seen) -> Value:
    age, shares = short_shares(seen, 6)
    return shares.get(age)


def off_exchange_ratio(seen: Seen) -> Value:
    age, shares = off_shares(seen, 6)
    return shares.get(age)


def hidden_accumulation(seen: Seen) -> Value:
    (age, shares), bars = off_shares(seen, 85), daily(seen)
    if age is None:
        return None

    def is_quiet(back: int) -> bool:
        change, usual = bars.log_return(back), bars.sd(back)
        return change is not None and usual is not None and abs(change) < 0.5 * usual

    # The 21 bars of sigma_d lie within the 85 sessions.
    quiet = [back for back in sorted(shares)[:20] if back <= 64 and is_quiet(back)][:5]
    scores = [z for z in (z_score(shares.get, 60, back) for back in quiet) if z is not None]
    return sigmoid(statistics.fmean(scores)) if len(scores) >= 3 else None


def dark_pool_pressure(seen: Seen) -> Value:
    age, shares = short_shares(seen, 262)
    if age is None:
        return None
    published = sorted(shares)
    means = {k: statistics.fmean(shares[m] for m in published[i : i + 5]) for i, k in enumerate(published[:-4])}
    z = z_score(means.get, 252, age)
    return None if z is None else math.tanh(z / 2)


def short_squeeze_pressure(seen: Seen) -> Value:
    (age, shares), bars = short_shares(seen, 66), daily(seen)
    if age is None:
        return None
    terms = [
        z_score(shares.get, 20, age),
        z_score(lambda back: bars.log_return(back, 5), 60),
        z_score(lambda back: math.log(bars.volume(back)) if bars.volume(back) else None, 20),
    ]
    if None in terms:
        return None
    return sigmoid(sum(terms)) if bars.log_return(0, 5) > 0 else 0.0


# Confidence: feature 49.


def book_coverage(seen: Seen, levels: int, minutes: int | None = None) -> float:
    """Return the share of the expected levels: of snapshots that share an expected one's part the fullest counts."""
    opens, closes = HOURS[seen.session]
    first = opens if minutes is None else max(opens, closes - minutes * MINUTE)
    settings = json.loads(seen.rows("engines.liquidity", sessions=1)[-1]["parameters"])
    expected = max(round(settings["snapshots_per_session"] * ((closes - first) / MINUTE) / 390), 1)
    best = 0
    for is_stamped_at_end in (False, True):
        fullest: dict[int, int] = {}
        for book in (book for book in books(seen) if book.ts >= first):
            place = (book.ts - first) / (closes - first) * expected
            part = max(math.ceil(place - 1e-9) - 1, 0) if is_stamped_at_end else min(int(place + 1e-9), expected - 1)
            there = len(book.bids[:levels]) + len(book.asks[:levels])
            fullest[part] = max(fullest.get(part, 0), there)
        best = max(best, sum(fullest.values()))
    return best / (2 * levels * expected)


@remembered
def confidence(seen: Seen) -> Value:
    """0.7 x share of the preferred input, when it is used, + 0.3 x share of the daily bars; mean of eight processors."""
    bars = daily(seen)

    def share_of_days(sessions: int) -> float:
        return sum(bars.traded(back) is not None for back in range(sessions)) / sessions

    book, days = book_coverage(seen, 10), share_of_days(20)
    has_depth = bool(quotes(seen)) or bool(bars.adv_usd() and bars.sd())
    has_quote = quoted_spread(seen) is not None
    of_bars = sum(back in bars.bars for back in range(21)) / 21
    age, _ = files(seen, 6)
    stored = sum(back > 0 for back in {seen.back(r["session"]) for r in seen.rows("engines.liquidity", sessions=252)})
    parts = [
        0.7 * book * bool(quotes(seen, 5)) + 0.3 * days if orderbook_imbalance(seen) is not None else 0.0,
        0.7 * book * bool(quotes(seen)) + 0.3 * days if has_depth else 0.0,
        0.7 * book * has_quote + 0.3 * days if friction_cost(seen) is not None else 0.0,
        0.7 * bar_coverage(seen, 20) + 0.3 * days,
        0.7 * book_coverage(seen, 1, 30) * has_quote + 0.3 * of_bars if has_quote or bars.edge() is not None else 0.0,
        0.7 * max(bar_coverage(seen, 20), bar_coverage(seen, 20, 1)) * has_sweep_bars(seen) + 0.3 * share_of_days(60),
        0.0 if age is None else 2 ** (-max(0, age - 1) / 2),
        min(1.0, (stored + 1) / 252) * (0.7 * bar_coverage(seen, 60) + 0.3 * share_of_days(60)),
    ]
    return statistics.fmean(parts)


TWINS: dict[str, Callable[[Seen], Value]] = {
    "liq_score": score,
    "liq_friction_cost": friction_cost,
    "liq_kyle_lambda": kyle_lambda,
    "liq_amihud": amihud,
    "liq_n_absorption_zones": absorption_zones,
    "liq_n_displacement_zones": displacement_zones,
    "liq_n_voids": voids,
    "liq_hvn_lvn_balance": balance,
    "liq_orderbook_imbalance": orderbook_imbalance,
    "liq_sweep_alert": sweep_alert,
    "liq_iceberg_alert": iceberg_alert,
    "liq_compression_energy": compression,
    "liq_expansion_energy": expansion,
    "liq_volume_strength": volume_strength,
    "liq_buying_effort": lambda seen: effort(seen, 1),
    "liq_selling_effort": lambda seen: effort(seen, -1),
    "liq_off_exchange_ratio": off_exchange_ratio,
    "liq_hidden_accumulation": hidden_accumulation,
    "liq_wyckoff_phase": wyckoff_phase,
    "liq_wyckoff_energy": wyckoff_energy,
    "liq_regime": regime,
    "liq_regime_confidence": regime_confidence,
    "liq_polr_direction": polr_direction,
    "liq_polr_strength": polr_strength,
    "liq_confidence": confidence,
    "liq_dark_pool_pressure": dark_pool_pressure,
    "liq_short_volume_ratio": short_volume_ratio,
    "liq_short_squeeze_pressure": short_squeeze_pressure,
}
__all__ = ["NUMBERS", "TWINS"]
