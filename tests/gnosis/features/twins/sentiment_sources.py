"""Slow, readable twins of the sentiment features made from texts, flows and the fusion of all readings.

Readings and confidences that are no features come from the stored row of the same session, what features were in
earlier sessions from the stored rows of those; all else is worked out from raw rows.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable
from statistics import fmean, stdev
from typing import Any

import numpy as np

from tests.gnosis.features.seen import Seen
from tests.gnosis.features.twins.aggressive_flow import (
    aggressive_buy_ratio,
    aggressive_sell_ratio,
    bid_ask_imbalance,
    net_aggressor_pressure,
)
from tests.gnosis.features.twins.counted_posts import counted_posts, is_collected
from tests.gnosis.features.twins.daily_bars import DailyBars, of_bars
from tests.gnosis.features.twins.sentiment_source_numbers import NUMBERS

__all__ = ["NUMBERS", "TWINS"]

SECTOR_FUNDS = {"XLY", "XLI", "XLB", "XLK", "XLP", "XLU", "XLV"}
READINGS = {
    "news_flow": "news_flow_v",
    "x_twitter": "x_twitter_v",
    "reddit": "reddit_v",
    "stocktwits": "stocktwits_v",
    "earnings_tone": "earnings_tone_v",
    "options_positioning": "options_positioning_v",
    "technical_regime": "technical_regime_v",
}
"""Readings that are no features; that of the flow is sent_composite_flow_bias."""


def z_score(value: float | None, sample: list[float | None], window: int) -> float | None:
    """Return (x - mean)/sd of the known values of a sample; None with too few, or when all are equal (1.3)."""
    known = [x for x in sample if x is not None]
    if value is None or len(known) < max(10, math.ceil(window / 4)) or stdev(known) == 0:
        return None
    return (value - fmean(known)) / stdev(known)


def earlier_rows(seen: Seen, sessions: int) -> list[dict[str, Any]]:
    """Return the engine's stored rows of so many sessions before the row's own."""
    stored = seen.rows("engines.sentiment", sessions=sessions + 1)
    return [row for row in stored if row["session"] < seen.session]


# The eight readings and their fusion (5.9). Weights are equal until errors are known, so they cancel or are 1/8.


def readings(seen: Seen) -> list[tuple[float, float]]:
    """Return (v, c) of the readings that exist."""
    (row,) = seen.rows("engines.sentiment", sessions=1)
    found = [(row[column], row[f"{name}_confidence"]) for name, column in READINGS.items()]
    # The flow comes before the technical regime: of two equal contributions the first counts.
    found.insert(6, (composite_flow_bias(seen), row["flow_and_dark_pool_confidence"]))
    return [(v, c) for v, c in found if v is not None]


def weighted(seen: Seen, value: Callable[[float], float]) -> float | None:
    """Return sum w c value(v)/sum w c."""
    pairs = readings(seen)
    weight = sum(c for _, c in pairs)
    return sum(c * value(v) for v, c in pairs) / weight if weight > 0 else None


def fused(seen: Seen) -> float | None:
    return weighted(seen, lambda v: v)


def bias(seen: Seen) -> str | None:
    lean = fused(seen)
    return None if lean is None else "bearish" if lean <= -0.15 else "bullish" if lean >= 0.15 else "neutral"


def strength(seen: Seen) -> float | None:
    lean = fused(seen)
    return None if lean is None else abs(lean)


def metabolic_load(bars: DailyBars) -> float | None:
    """Return (sd of r over 14 sessions/sd over the 120 before) x (mean volume over 14/mean over the 120 before)."""
    r, volume = bars.returns(134), bars.volumes(134)
    usual = stdev(r[:120]) * fmean(volume[:120])
    return stdev(r[120:]) * fmean(volume[120:]) / usual if usual > 0 else None


def energy(seen: Seen) -> float | None:
    load, square = of_bars(metabolic_load)(seen), weighted(seen, lambda v: v * v)
    return None if load is None or square is None else 0.5 * load * square


def confidence(seen: Seen) -> float:
    return sum(c for _, c in readings(seen)) / 8


def top_driver_contribution(seen: Seen) -> float | None:
    pairs = readings(seen)
    weight = sum(c for _, c in pairs)
    return max((c * v for v, c in pairs), key=abs) / weight if weight > 0 else None


# The market's dark index, and the flow bias that it enters.


def dark_index(seen: Seen) -> tuple[float | None, str | None]:
    """Return the dark index and its source: the last of five sessions in the file, else of the members' short share."""
    published = [row["dix"] for row in seen.rows("raw.dix", sessions=5) if row["dix"] is not None]
    if published:
        return published[-1], "dix"
    closes = {(row["session"], row["symbol"]): row["close"] for row in seen.rows("raw.equity_bars", None, sessions=5)}
    members = defaultdict(list)
    for row in seen.rows("raw.short_volume", None, sessions=5):
        if row["symbol"] not in SECTOR_FUNDS and (row["session"], row["symbol"]) in closes:
            close = closes[row["session"], row["symbol"]]
            members[row["session"]].append((row["short_volume"] * close, row["total_volume"] * close))
    for _, dollars in sorted(members.items(), reverse=True):
        total = sum(traded for _, traded in dollars)
        if len(dollars) >= 10 and total > 0:
            return sum(short for short, _ in dollars) / total, "short_volume"
    return None, None


def dix(seen: Seen) -> float | None:
    return dark_index(seen)[0]


def gex(seen: Seen) -> float | None:
    """Return the last published gex over its standard deviation in the 252 sessions before its own."""
    rows = {seen.back(row["session"]): row["gex"] for row in seen.rows("raw.dix") if row["gex"] is not None}
    age = min(rows, default=5)
    sample = [value for back, value in rows.items() if age < back <= age + 252]
    if age > 4 or len(sample) < 63 or stdev(sample) == 0:
        return None
    return rows[age] / stdev(sample)


def composite_flow_bias(seen: Seen) -> float | None:
    pressure, (value, source) = net_aggressor_pressure(seen), dark_index(seen)
    # The vendor's index and the short share have levels of their own: a z-score compares like with like.
    sample = [row["sent_dix"] for row in earlier_rows(seen, 252) if row["dix_source"] == source]
    z = z_score(value, sample, 252)
    if pressure is None or z is None:
        return pressure
    return 0.7 * pressure + 0.3 * math.tanh(z / 2)


def flow_regime(seen: Seen) -> str | None:
    f = composite_flow_bias(seen)
    past = [row["sent_composite_flow_bias"] for row in earlier_rows(seen, 252)]
    past = [x for x in past if x is not None]
    if f is None or len(past) < 63:
        return None
    if f > max(0.0, np.quantile(past, 0.8)):
        return "bullish_flow"
    return "bearish_flow" if f < min(0.0, np.quantile(past, 0.2)) else "balanced_flow"


# What posts say (5.3, 5.4).


def retail_score(seen: Seen) -> float | None:
    tags = [post["tag"] for post in counted_posts(seen, "stocktwits")]
    bull, bear = tags.count("bullish"), tags.count("bearish")
    return (bull - bear) / (bull + bear + 5) if tags else None


def wsb_score(seen: Seen) -> float | None:
    posts = [
        post
        for post in counted_posts(seen, "reddit")
        if (post["community"] or "").lower().removeprefix("r/") == "wallstreetbets" and post["score"] is not None
    ]
    u = [1 + math.log(1 + max(post["engagement"] or 0, 0)) for post in posts]
    return sum(u_i * post["score"] for u_i, post in zip(u, posts, strict=True)) / (sum(u) + 5) if posts else None


def social_volume(seen: Seen) -> float | None:
    if not (is_collected(seen, "stocktwits") and is_collected(seen, "reddit")):
        return None
    own = len(counted_posts(seen, "stocktwits")) + len(counted_posts(seen, "reddit"))
    counts = ("stocktwits_bull", "stocktwits_bear", "stocktwits_untagged", "reddit_count_24h")
    past = [[row[name] for name in counts] for row in earlier_rows(seen, 30)]
    return z_score(math.log1p(own), [math.log1p(sum(n)) if None not in n else None for n in past], 30)


TWINS: dict[str, Callable[[Seen], object]] = {
    "sent_bias": bias,
    "sent_strength": strength,
    "sent_energy": energy,
    "sent_confidence": confidence,
    "sent_top_driver_contribution": top_driver_contribution,
    "sent_flow_regime": flow_regime,
    "sent_bid_ask_imbalance": bid_ask_imbalance,
    "sent_aggressive_buy_ratio": aggressive_buy_ratio,
    "sent_aggressive_sell_ratio": aggressive_sell_ratio,
    "sent_net_aggressor_pressure": net_aggressor_pressure,
    "sent_dix": dix,
    "sent_gex": gex,
    "sent_composite_flow_bias": composite_flow_bias,
    "sent_retail_score": retail_score,
    "sent_wsb_score": wsb_score,
    "sent_social_volume": social_volume,
}
