"""Which side trades aggressively into the close, slowly and readably (5.7)."""

from __future__ import annotations

import datetime as dt
import math
from collections import defaultdict
from collections.abc import Callable
from statistics import NormalDist, fmean, stdev
from typing import Any

import numpy as np

from gnosis.sessions import schedule
from tests.gnosis.features.seen import CALENDAR, RANK, Seen
from tests.gnosis.features.twins.daily_bars import DailyBars, MissingBarError, of_bars

MINUTE = dt.timedelta(minutes=1)
HALF_HOUR = 30 * MINUTE
HOURS = {day: (opens, closes) for day, opens, closes in schedule().select("session", "open_at", "close_at").iter_rows()}
Traded = list[tuple[float, float | None, float | None]]
"""Bars as volume, buy probability and side, None where unknown."""

phi = NormalDist().cdf


def in_last_half_hour(seen: Seen, start: dt.datetime, end: dt.datetime) -> bool:
    _, close = HOURS[seen.session]
    return close - HALF_HOUR <= start and end <= close


def bid_ask_imbalance(seen: Seen) -> float | None:
    sizes: dict[dt.datetime, dict[str, float]] = defaultdict(dict)
    for row in seen.rows("raw.order_books", sessions=1, level=1):
        if in_last_half_hour(seen, row["ts"], row["ts"]):
            sizes[row["ts"]][row["side"]] = row["size"]
    both = [(side["B"], side["A"]) for side in sizes.values() if len(side) == 2 and side["B"] + side["A"] > 0]
    return fmean((bid - ask) / (bid + ask) for bid, ask in both) if both else of_bars(close_location)(seen)


def close_location(bars: DailyBars) -> float:
    """Return the mean close location of ten daily bars."""
    found = []
    for back in range(10):
        high, low, close = (bars.price(column, back) for column in ("high", "low", "close"))
        found.append(((close - low) - (high - close)) / (high - low) if high > low else 0.0)
    return fmean(found)


def minute_bars(seen: Seen) -> Traded:
    """Return the one-minute bars of the last half hour."""
    rows = seen.rows("raw.intraday_bars", sessions=21, frequency="1min")
    days = CALENDAR[RANK[seen.session] - 20 : RANK[seen.session]]
    expected = sum((HOURS[day][1] - HOURS[day][0]) // MINUTE for day in days)
    changes, before = [], None
    for row in rows:
        follows = before is not None and before["session"] == row["session"]
        changes.append(math.log(row["close"]) - math.log(before["close"] if follows else row["open"]))
        before = row
    reference = [change for row, change in zip(rows, changes, strict=True) if row["session"] < seen.session]
    sigma = stdev(reference) if len(reference) >= max(10, math.ceil(expected / 4)) else 0.0
    mids, found = best_mids(seen), []
    for at, row in enumerate(rows):
        if row["session"] < seen.session or not in_last_half_hour(seen, row["ts"] - MINUTE, row["ts"]):
            continue
        share = phi(changes[at] / sigma) if sigma > 0 else None
        last = rows[at - 1]["close"] if at and rows[at - 1]["session"] == seen.session else None
        side = quoted_side(row, last, mids)
        if side is None and share is not None:
            side = 2 * share - 1
        if row["volume"] is not None and side is not None:
            found.append((row["volume"], share, side))
    return found


def best_mids(seen: Seen) -> dict[dt.datetime, float]:
    """Return the middle of the best prices of each snapshot of the session."""
    prices: dict[dt.datetime, dict[str, float]] = defaultdict(dict)
    for row in seen.rows("raw.order_books", sessions=1, level=1):
        prices[row["ts"]][row["side"]] = row["price"]
    return {ts: (side["B"] + side["A"]) / 2 for ts, side in prices.items() if len(side) == 2}


def quoted_side(row: dict[str, Any], last: float | None, mids: dict[dt.datetime, float]) -> float | None:
    """Return the sign of close - last mid before the bar's last second, of the close's own change when equal.

    A mid older than five minutes is none.
    """
    end = row["ts"] - dt.timedelta(seconds=1)
    usable = [ts for ts in mids if ts < end and end - ts <= 5 * MINUTE]
    if not usable:
        return None
    mid = mids[max(usable)]
    if row["close"] == mid:
        return None if last is None else float(np.sign(row["close"] - last))
    return float(np.sign(row["close"] - mid))


def daily_bars(bars: DailyBars) -> Traded:
    """Return the last ten daily bars, sigma of each being that of the 60 changes before it."""
    r, volumes = bars.returns(70), bars.volumes(10)
    sigmas = [stdev(r[at : at + 60]) for at in range(10)]
    if min(sigmas) == 0:
        raise MissingBarError
    shares = [phi(change / sigma) for change, sigma in zip(r[60:], sigmas, strict=True)]
    return [(volume, share, 2 * share - 1) for volume, share in zip(volumes, shares, strict=True)]


def share_of_volume(bars: Traded, counts: Callable[[float], bool]) -> float | None:
    """Return the share of the volume of the bars whose buy probability counts."""
    known = [(volume, share) for volume, share, _ in bars if share is not None]
    total = sum(volume for volume, _ in known)
    return sum(volume for volume, share in known if counts(share)) / total if total > 0 else None


def net_share(bars: Traded) -> float | None:
    total = sum(volume for volume, _, _ in bars)
    return sum(volume * side for volume, _, side in bars) / total if total > 0 else None


def from_minutes_or_days(seen: Seen, measure: Callable[[Traded], float | None]) -> float | None:
    """Return a measure of the last half hour, or without its bars of ten daily ones."""
    found = measure(minute_bars(seen))
    return of_bars(lambda bars: measure(daily_bars(bars)))(seen) if found is None else found


def aggressive_buy_ratio(seen: Seen) -> float | None:
    return from_minutes_or_days(seen, lambda bars: share_of_volume(bars, lambda share: share > 0.6))


def aggressive_sell_ratio(seen: Seen) -> float | None:
    return from_minutes_or_days(seen, lambda bars: share_of_volume(bars, lambda share: share < 0.4))


def net_aggressor_pressure(seen: Seen) -> float | None:
    return from_minutes_or_days(seen, net_share)
