"""Twins of what trading costs, and of the alerts of the last half hour: features 25 to 28, 33 to 35 and 45."""

from __future__ import annotations

import datetime as dt
import math
import statistics
from bisect import bisect_right
from collections.abc import Callable
from statistics import NormalDist
from typing import Any

from tests.gnosis.features.seen import Seen
from tests.gnosis.features.twins.liquidity_inputs import (
    MINUTE,
    Book,
    Daily,
    Value,
    closing_bars,
    daily,
    expected_bars,
    intraday,
    order_flow_imbalance,
    percentile_rank,
    quoted_spread,
    quotes,
    remembered,
    sample,
    z_score,
)

PHI = NormalDist().cdf


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
    instants = sorted(mids)
    rows = intraday(seen, 20)
    flow, moves = [], []
    sigma = statistics.stdev(row["change"] for row in rows) if len(rows) > 1 else 0.0
    before = None
    for row in rows:
        last = bisect_right(instants, row["ts"]) - 1
        is_inside = last >= 0 and instants[last] > row["ts"] - 5 * MINUTE
        price = mids[instants[last]] if is_inside else row["close"]
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


def orderbook_imbalance(seen: Seen) -> Value:
    closing, bars = quotes(seen, 5), daily(seen)
    if closing:
        if all(set(book.bids) == set(book.asks) == {1} for book in closing):
            return order_flow_imbalance(closing)
        sizes = [
            tuple(sum(size for level, (_, size) in side.items() if level <= 10) for side in (book.bids, book.asks))
            for book in closing
        ]
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
        (bid, size), (ask, offered) = before.bids[1], before.asks[1]
        bid_held = after.bids[1][0] >= bid and after.bids[1][1] >= size > 0
        ask_held = after.asks[1][0] <= ask and after.asks[1][1] >= offered > 0
        found += [
            (bid_held and row["low"] <= bid <= row["high"] and row["volume"] > 3 * size)
            or (ask_held and row["low"] <= ask <= row["high"] and row["volume"] > 3 * offered)
        ]
    if found or quotes(seen, 5):
        return any(found) if found else None
    bars = daily(seen)
    busy = z_score(bars.volume, 20)
    return None if busy is None or bars.sd() is None else busy > 2 and abs(bars.log_return(0)) < 0.25 * bars.sd()
