"""Which rows of a table of events each point may see, as contiguous pieces of sorted arrays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gnosis.engines.points import Integers, Points, session_ranks

BEFORE_ALL = np.iinfo(np.int64).min
# Sessions are ranked from 1990 on: 2^20 of them are four thousand years.
SESSIONS = 1 << 20


@dataclass(frozen=True)
class VisibleRows:
    """Rows that some of the points may see.

    Attributes
    ----------
    at
        Positions of these points among all.
    points
        The points.
    rows
        Positions of the rows in the frame, sorted by symbol and time; of several versions of an event only one.
    place
        Symbol and session rank of each of these rows as one ascending number.
    limit
        Per point, how many of the rows come before the first one of its symbol that it may not see yet.
    """

    at: Integers
    points: Points
    rows: Integers
    place: Integers
    limit: Integers

    def between(self, first: Integers, last: Integers) -> tuple[Integers, Integers]:
        """Return starts and ends of each point's rows with session ranks from ``first`` to ``last``."""
        base = self.points.symbol * SESSIONS
        ends = np.minimum(np.searchsorted(self.place, base + last, side="right"), self.limit)
        return np.minimum(np.searchsorted(self.place, base + np.maximum(first, 0), side="left"), ends), ends

    def session(self) -> Integers:
        """Return the session rank of each row."""
        return self.place & (SESSIONS - 1)

    def symbol(self) -> Integers:
        """Return the position of each row's symbol among those of the points."""
        return self.place // SESSIONS

    def of(self, chosen: Integers) -> VisibleRows:
        """Return the same rows for some of the points, given by their positions among these."""
        return VisibleRows(self.at[chosen], self.points.only(chosen), self.rows, self.place, self.limit[chosen])


def visible_rows(points: Points, frame: pl.DataFrame, time: str, table: str) -> Iterator[VisibleRows]:
    """Yield the rows that points may see: known at the point's cut-off, of several versions the one known last.

    Most tables become known in the order of their events, and then each point sees all rows up to some place. Rows
    that became known out of order split the points at the instants at which they did.

    Parameters
    ----------
    points
        Points of symbols that need not have rows.
    frame
        ``symbol``, ``session``, ``known_at``, ``provider`` and the column of ``time``, in any order.
    time
        Column that tells the events of a symbol apart and orders them.
    table
        Name of the table, for messages.

    Raises
    ------
    UnknownSessionError
        When a date is not a session of the exchange.
    """
    if len(points) == 0:
        return
    rows, symbol, position, event, known_at = _sorted(points, frame, time, table)
    place = symbol * SESSIONS + position
    of_points = points.symbol * SESSIONS + points.position
    # The first point that can hold a row in its window; a row after the last point of its symbol has none.
    holder = np.searchsorted(of_points, place, side="left")
    used = holder < len(points)
    used[used] = points.symbol[holder[used]] == symbol[used]
    if not used.all():
        rows, symbol, place, event, known_at, holder = (
            part[used] for part in (rows, symbol, place, event, known_at, holder)
        )
    is_plain = known_at <= _least_from(points.symbol, points.as_of)[holder]
    every = np.arange(len(points))
    if is_plain.all():
        last = _is_last(symbol, event)
        yield VisibleRows(every, points, rows[last], place[last], np.full(len(points), int(last.sum())))
        return
    is_first = np.ones(rows.size, dtype=bool)
    is_first[1:] = (symbol[1:] != symbol[:-1]) | (event[1:] != event[:-1])
    in_order = is_first & (known_at <= _least_from(symbol, known_at))
    is_late = ~is_plain & ~in_order
    waits = np.where(is_plain | is_late, BEFORE_ALL, known_at)
    instants = np.unique(known_at[is_late])
    group = np.searchsorted(instants, points.as_of, side="right")
    for number in np.unique(group):
        seen = np.flatnonzero(~is_late | (known_at <= (instants[number - 1] if number else BEFORE_ALL)))
        seen = seen[_is_last(symbol[seen], event[seen])]
        at = np.flatnonzero(group == number)
        some = points.only(at) if at.size < len(points) else points
        yield VisibleRows(at, some, rows[seen], place[seen], _limits(some, symbol[seen], waits[seen]))


def _sorted(
    points: Points, frame: pl.DataFrame, time: str, table: str
) -> tuple[Integers, Integers, Integers, Integers, Integers]:
    """Return rows of the points' symbols in order, their symbol, session rank, event and known_at."""
    distinct = frame["symbol"].unique()
    if len(distinct) == 1 and points.symbols == (distinct[0],):
        symbol = np.zeros(frame.height, dtype=np.int64)
    else:
        codes = frame["symbol"].cast(pl.Enum(points.symbols), strict=False).to_physical()
        symbol = codes.cast(pl.Int64).fill_null(-1).to_numpy()
    event = frame[time].to_physical().to_numpy().astype(np.int64)
    known_at = frame["known_at"].dt.epoch("us").to_numpy().astype(np.int64)
    rows = np.arange(frame.height)
    if (symbol < 0).any():
        rows = np.flatnonzero(symbol >= 0)
    position = session_ranks(frame["session"] if rows.size == frame.height else frame["session"].gather(rows), table)
    symbol, event, known_at = symbol[rows], event[rows], known_at[rows]
    is_same = symbol[1:] == symbol[:-1]
    if not ((symbol[1:] > symbol[:-1]) | (is_same & (event[1:] > event[:-1]))).all():
        provider = frame["provider"].gather(rows).rank("dense").to_numpy()
        order = np.lexsort((provider, known_at, event, symbol))
        rows, symbol, position, event, known_at = (part[order] for part in (rows, symbol, position, event, known_at))
    return rows, symbol, position, event, known_at


def _is_last(symbol: Integers, event: Integers) -> NDArray[np.bool_]:
    """Return where a row is the last version of its event."""
    last = np.ones(symbol.size, dtype=bool)
    last[:-1] = (symbol[1:] != symbol[:-1]) | (event[1:] != event[:-1])
    return last


def _pieces(symbol: Integers) -> Iterator[slice]:
    edges = np.flatnonzero(np.diff(symbol, prepend=-1, append=-1))
    for start, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        yield slice(start, end)


def _least_from(symbol: Integers, instants: Integers) -> Integers:
    """Return the earliest instant at or after each element among those of its symbol."""
    least = instants.copy()
    is_same = symbol[1:] == symbol[:-1]
    if (is_same & (instants[1:] < instants[:-1])).any():
        for piece in _pieces(symbol):
            least[piece] = np.minimum.accumulate(instants[piece][::-1])[::-1]
    return least


def _limits(points: Points, symbol: Integers, waits: Integers) -> Integers:
    limits = np.searchsorted(symbol, points.symbol, side="right")
    starts = np.searchsorted(symbol, points.symbol, side="left")
    for piece in _pieces(points.symbol):
        start, end = int(starts[piece.start]), int(limits[piece.start])
        reached = np.maximum.accumulate(waits[start:end])
        limits[piece] = start + np.searchsorted(reached, points.as_of[piece], side="right")
    return limits.astype(np.int64)
