"""Readable twins of the regime features, and a number of each that was worked out by hand."""

from __future__ import annotations

import datetime as dt
import math
import statistics
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import polars as pl

from gnosis.features.regime import trading_period
from gnosis.sessions import NEW_YORK, schedule
from tests.gnosis.features.seen import Seen
from tests.gnosis.features.twins.daily_bars import DailyBars, MissingBarError, adx, of_bars
from tests.gnosis.features.twins.hand_made import bars_of, levels_of, regime_row

STALENESS = 3
"""Sessions in which the latest level of an index may lie, the current one included."""
HOURS = {row["session"]: row for row in schedule().iter_rows(named=True)}


class Index:
    """Levels of an index by sessions back from the latest one, which is 0; None when that is too old."""

    def __init__(self, seen: Seen, symbol: str) -> None:
        known = {seen.back(row["session"]): row["close"] for row in seen.rows("raw.index_levels", symbol=symbol)}
        latest = min(known, default=STALENESS)
        self.levels = {back - latest: level for back, level in known.items()} if latest < STALENESS else {}

    def last(self, count: int, before: int = 0) -> list[float] | None:
        """Return the last levels, oldest first; None when one of them is missing."""
        found = [self.levels.get(before + back) for back in reversed(range(count))]
        return None if None in found else [level for level in found if level is not None]

    def realized_vol(self, back: int = 0) -> float | None:
        """Return the volatility of 20 sessions, so many sessions back; None when one of 21 levels is missing."""
        levels = self.last(21, back)
        if levels is None:
            return None
        returns = [math.log(after / before) for before, after in pairwise(levels)]
        return float(np.std(returns, ddof=1)) * math.sqrt(252)


def vix(seen: Seen) -> float | None:
    return Index(seen, "^VIX").levels.get(0)


def vix_bucket(seen: Seen) -> str | None:
    level = vix(seen)
    if level is None:
        return None
    return "low" if level < 15 else "normal" if level < 20 else "elevated" if level < 30 else "crisis"


def vix_change(seen: Seen) -> float | None:
    both = Index(seen, "^VIX").last(2)
    return None if both is None else both[1] / both[0] - 1


def spx_price_gap(seen: Seen) -> float | None:
    window = Index(seen, "^GSPC").last(200)
    return None if window is None else math.log(window[-1] / statistics.fmean(window))


def spx_realized_vol(seen: Seen) -> float | None:
    return Index(seen, "^GSPC").realized_vol()


def spx_vol_bucket(seen: Seen) -> str | None:
    """The reference sample are the 504 sessions before; at least a quarter of them, 126, must be known."""
    spx = Index(seen, "^GSPC")
    own = spx.realized_vol()
    sample = [vol for vol in (spx.realized_vol(back) for back in range(1, 505)) if vol is not None]
    if own is None or len(sample) < 126:
        return None
    lower, upper = np.percentile(sample, [33, 67])
    return "low" if own < lower else "high" if own > upper else "medium"


def market_structure(bars: DailyBars) -> str | None:
    strength = adx(bars)
    if strength is None:
        return None
    slope = statistics.fmean(bars.closes(50)) - statistics.fmean(bars.earlier(10).closes(50))
    if strength > 25 and slope != 0:
        return "uptrend" if slope > 0 else "downtrend"
    return "chop" if strength < 20 else "rotation"


def session(seen: Seen) -> str:
    [own] = seen.rows("raw.equity_bars", sessions=1)
    end = own["ts"].astimezone(NEW_YORK)
    hours = HOURS.get(end.date())
    if hours is None:
        return "closed"
    if hours["open_at"] < end <= hours["close_at"]:
        return "regular"
    if end <= hours["open_at"]:
        return "pre" if end.time() > dt.time(4) else "closed"
    return "after" if end.time() <= dt.time(20) else "closed"


def liquidity_time(bars: DailyBars) -> str | None:
    """A daily bar is one bucket: the whole session. The reference sample needs 10 of its 20 sessions."""
    own, usual = bars.volume(), []
    for back in range(1, 21):
        try:
            usual.append(bars.volume(back))
        except MissingBarError:
            continue
    if len(usual) < 10 or sum(usual) == 0:
        return None
    ratio = own / statistics.fmean(usual)
    return "high" if ratio > 1.2 else "low" if ratio < 0.8 else "normal"


TWINS: dict[str, Callable[[Seen], object]] = {
    "regime_vix": vix,
    "regime_vix_bucket": vix_bucket,
    "regime_vix_change": vix_change,
    "regime_spx_price_gap": spx_price_gap,
    "regime_spx_realized_vol": spx_realized_vol,
    "regime_spx_vol_bucket": spx_vol_bucket,
    "regime_market_structure": of_bars(market_structure),
    "regime_session": session,
    "regime_liquidity_time": of_bars(liquidity_time),
}

# Closes of the VIX on 2015-08-21 and 2015-08-24 as Cboe published them.
CRASH = levels_of("^VIX", [28.03, 40.74])
# Returns of 1 % up and down in turn: variance 20/19 of 1 %^2.
STEADY = [0.01 if k % 2 else -0.01 for k in range(20)]


def spx(returns: list[float]) -> pl.DataFrame:
    return levels_of("^GSPC", (2000 * np.exp(np.cumsum([0.0, *returns]))).tolist())


def early_close() -> str:
    """The day after Thanksgiving closes at 13:00 New York time."""
    instant = pl.Series([dt.datetime(2016, 11, 25, 15, tzinfo=NEW_YORK)]).dt.convert_time_zone("UTC")
    return str(trading_period(instant)[0])


NUMBERS: dict[str, Callable[[], tuple[object, object]]] = {
    "regime_vix": lambda: (regime_row(CRASH)["regime_vix"], 40.74),
    "regime_vix_bucket": lambda: (regime_row(CRASH)["regime_vix_bucket"], "crisis"),
    # 12.71/28.03: a rise by 45.3 %.
    "regime_vix_change": lambda: (regime_row(CRASH)["regime_vix_change"], 12.71 / 28.03),
    # The mean of 199 levels of 100 and one of 300 is 101.
    "regime_spx_price_gap": lambda: (
        regime_row(levels_of("^GSPC", [100.0] * 199 + [300.0]))["regime_spx_price_gap"],
        math.log(300 / 101),
    ),
    "regime_spx_realized_vol": lambda: (
        regime_row(spx(STEADY))["regime_spx_realized_vol"],
        0.01 * math.sqrt(20 / 19 * 252),
    ),
    # 147 levels give 126 volatilities before the last; the 20 returns behind that one are twice as wild as any before.
    "regime_spx_vol_bucket": lambda: (
        regime_row(spx([*STEADY * 6, *STEADY[:6], *(2 * r for r in STEADY)]))["regime_spx_vol_bucket"],
        "high",
    ),
    # $1 up each session: ADX = 100, SMA50 rises.
    "regime_market_structure": lambda: (
        regime_row(bars=bars_of([100.0 + k for k in range(281)], reach=1.0))["regime_market_structure"],
        "uptrend",
    ),
    "regime_session": lambda: (early_close(), "after"),
    # 121 against a mean of 100.
    "regime_liquidity_time": lambda: (
        regime_row(bars=bars_of([50.0] * 21, volume=[100.0] * 20 + [121.0]))["regime_liquidity_time"],
        "high",
    ),
}
