"""What the liquidity twins read: trailing samples, daily bars, order books, bars of one and five minutes."""

from __future__ import annotations

import datetime as dt
import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import talib
from bidask import edge

from gnosis.sessions import schedule
from tests.gnosis.features.seen import CALENDAR, RANK, Seen

Value = float | int | bool | str | None

MINUTE = dt.timedelta(minutes=1)
HOURS = {row["session"]: (row["open_at"], row["close_at"]) for row in schedule().iter_rows(named=True)}


def remembered(of: Callable[[Seen], Any]) -> Callable[[Seen], Any]:
    """Keep the answer about the last row asked about: several twins need the same."""
    last: list[Any] = [None, None]

    def ask(seen: Seen) -> Any:
        if last[0] is not seen:
            last[:] = [seen, of(seen)]
        return last[1]

    return ask


def sample(value: Callable[[int], float | None], window: int, own: int = 0) -> list[float] | None:
    """Return what was known in the N sessions before, never the current value; None when that is too little."""
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


class Book(NamedTuple):
    """One snapshot: price and size by level, 1 the best."""

    ts: dt.datetime
    bids: dict[int, tuple[float, float]]
    asks: dict[int, tuple[float, float]]

    @property
    def mid(self) -> float:
        return (self.bids[1][0] + self.asks[1][0]) / 2


@remembered
def books(seen: Seen) -> list[Book]:
    """Return the snapshots of the regular session whose prices are in order."""
    opens, closes = HOURS[seen.session]
    by_ts: dict[dt.datetime, dict[str, dict[int, tuple[float, float]]]] = {}
    for row in seen.rows("raw.order_books", sessions=1):
        by_ts.setdefault(row["ts"], {"B": {}, "A": {}})[row["side"]][row["level"]] = row["price"], row["size"]
    found = [Book(ts, sides["B"], sides["A"]) for ts, sides in sorted(by_ts.items()) if opens <= ts <= closes]
    return [book for book in found if is_in_order(book)]


def is_in_order(book: Book) -> bool:
    """Return whether prices get worse from level to level and every bid is below every ask."""
    bids, asks = ([price for price, _ in side.values()] for side in (book.bids, book.asks))
    prices = [*reversed(bids), *asks]
    return all(lower < higher for lower, higher in pairwise(prices))


def quotes(seen: Seen, minutes: int = 390) -> list[Book]:
    """Return the snapshots with both sides in the last minutes of the session."""
    since = HOURS[seen.session][1] - minutes * MINUTE
    return [book for book in books(seen) if 1 in book.bids and 1 in book.asks and book.ts >= since]


def quoted_spread(seen: Seen) -> float | None:
    spreads = [(book.asks[1][0] - book.bids[1][0]) / book.mid for book in quotes(seen, 30)]
    return statistics.median(spreads) if spreads else None


def order_flow_imbalance(snapshots: Sequence[Book]) -> float | None:
    """Cont, Kukanov & Stoikov (2014): what was added to the best bid less what was added to the best ask."""
    events = []
    for before, after in pairwise(snapshots):
        (pb, qb), (pa, qa) = after.bids[1], after.asks[1]
        (pb0, qb0), (pa0, qa0) = before.bids[1], before.asks[1]
        events.append(qb * (pb >= pb0) - qb0 * (pb <= pb0) - qa * (pa <= pa0) + qa0 * (pa >= pa0))
    size = sum(abs(event) for event in events)
    return sum(events) / size if size else None


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
