"""Bars of one and five minutes as each point may see them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
import polars as pl

from gnosis.engines.points import DailyBars, Floats, Integers, Panel, Points
from gnosis.engines.visible_rows import SESSIONS, VisibleRows, visible_rows
from gnosis.options.origin import require_table
from gnosis.sessions import schedule
from gnosis.tables import TABLES

MINUTES = {"1min": 1, "5min": 5}
MINUTE_US = 60_000_000
Slices = tuple[Integers, Integers]


@lru_cache(maxsize=1)
def closes_us() -> Integers:
    """Return the close of every session of the calendar in microseconds since 1970 UTC."""
    return schedule()["close_at"].dt.epoch("us").to_numpy().astype(np.int64)


@lru_cache(maxsize=1)
def _minutes_until() -> Integers:
    """Return how many minutes the sessions before each rank had together."""
    opens = schedule()["open_at"].dt.epoch("us").to_numpy().astype(np.int64)
    return np.concatenate([[0], np.cumsum((closes_us() - opens) // MINUTE_US)])


def expected_bars(position: Integers, frequency: str, sessions: int = 1) -> Integers:
    """Return how many bars the last sessions up to each rank have by the calendar: 78 of 5 minutes on a full day.

    Examples
    --------
    >>> import datetime as dt
    >>> from gnosis.engines.points import session_ranks
    >>> ranks = session_ranks(pl.Series([dt.date(2012, 11, 21), dt.date(2012, 11, 23)]), "example")
    >>> expected_bars(ranks, "5min").tolist(), expected_bars(ranks, "1min", 2).tolist()
    ([78, 42], [780, 600])
    """
    until = _minutes_until()
    return (until[position + 1] - until[np.maximum(position + 1 - sessions, 0)]) // MINUTES[frequency]


@dataclass(frozen=True)
class SeenBars:
    """The bars that some points may see, sorted by symbol and end of the bar; prices as traded.

    Slices are pairs of integer arrays with one element per point: its bars are [start, end) of the arrays here.

    Attributes
    ----------
    visible
        What the points may see.
    frequency
        Length of the bars.
    ts
        End of the bar, microseconds since 1970 UTC.
    session
        Rank of the session in the exchange calendar.
    open, high, low, close
        $ as traded.
    volume
        Shares as traded, NaN where unknown.
    """

    visible: VisibleRows
    frequency: str
    ts: Integers
    session: Integers
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats

    @property
    def at(self) -> Integers:
        """Positions of the points among all."""
        return self.visible.at

    @property
    def points(self) -> Points:
        """The points, in the order of the slices."""
        return self.visible.points

    @cached_property
    def log_change(self) -> Floats:
        """ln of the close over that of the bar before in the same session, over its own open for the first bar."""
        logs = np.log(self.close)
        before = np.empty_like(logs)
        before[1:] = logs[:-1]
        is_first = np.ones(logs.size, dtype=bool)
        is_first[1:] = self.visible.place[1:] != self.visible.place[:-1]
        before[is_first] = np.log(self.open[is_first])
        return logs - before

    def factor(self, panel: Panel) -> Floats:
        """Return the adjustment factor of each bar's session by the daily bars, NaN where there is no daily bar."""
        return panel.factor(self.visible.symbol(), self.session)

    def last(self, sessions: int) -> Slices:
        """Return each point's bars of the last sessions, its own one the last of them."""
        position = self.points.position
        return self.visible.between(position - sessions + 1, position)

    def before(self, sessions: int) -> Slices:
        """Return each point's bars of the sessions before its own."""
        position = self.points.position
        return self.visible.between(position - sessions, position - 1)

    def own(self) -> Slices:
        """Return each point's bars of its own session."""
        return self.last(1)

    def closing(self, minutes: int = 30) -> Slices:
        """Return each point's bars that lie within the last minutes of the regular session."""
        starts, ends = self.own()
        length = MINUTES[self.frequency]
        close = closes_us()[self.points.position]
        # One session has at most 390 bars of a known length: those after the cut are at most this many from the end.
        inside = np.zeros(len(self.points), dtype=np.int64)
        after = np.zeros(len(self.points), dtype=np.int64)
        for back in range(1, 391 // length + 1):
            row = np.maximum(ends - back, 0)
            exists = ends - back >= starts
            ts = self.ts[row] if self.ts.size else np.zeros(len(self.points), dtype=np.int64)
            late = exists & (ts > close)
            wanted = exists & (ts <= close) & (ts - length * MINUTE_US >= close - minutes * MINUTE_US)
            after += late
            inside += wanted
            if not (late | wanted).any():
                break
        return ends - after - inside, ends - after


class IntradayBars:
    """The bars of one length that every point may see.

    Parameters
    ----------
    points
        Points of symbols that need not have bars.
    frame
        Rows of ``raw.intraday_bars`` in any order, several versions of a bar and other lengths allowed; None: no bars.
    frequency
        ``"1min"`` or ``"5min"``.

    Raises
    ------
    ValueError
        When a column is missing or of another dtype.

    Examples
    --------
    >>> import datetime as dt
    >>> close = dt.datetime(2012, 1, 3, 21, tzinfo=dt.UTC)
    >>> points = Points.of(pl.DataFrame({"symbol": ["AAA"], "session": [close.date()], "as_of": [close]}))
    >>> day = {"session": close.date(), "symbol": "AAA", "frequency": "5min", "provider": "test", "synthetic": False}
    >>> prices = dict.fromkeys(("open", "high", "low", "close"), 10.0)
    >>> ends = [close - dt.timedelta(minutes=5 * step) for step in range(3)]
    >>> rows = [day | prices | {"ts": end, "known_at": end, "volume": 100.0} for end in ends]
    >>> schema = TABLES["raw.intraday_bars"].polars_schema
    >>> bars = IntradayBars(points, pl.DataFrame(rows).select(list(schema)).cast(schema), "5min")
    >>> bars.groups[0].own(), bars.coverage(1).round(4).tolist()
    ((array([0]), array([3])), [0.0385])
    """

    def __init__(self, points: Points, frame: pl.DataFrame | None, frequency: str) -> None:
        self.points = points
        self.frequency = frequency
        if frame is None:
            frame = pl.DataFrame(schema=TABLES["raw.intraday_bars"].polars_schema)
        require_table(frame, "raw.intraday_bars")
        wanted = frame["frequency"] == frequency
        rows = frame if wanted.all() else frame.filter(wanted)
        self.is_empty = rows.is_empty()
        """True when there is no bar of this length at all."""
        self.groups = [_seen(visible, rows, frequency) for visible in visible_rows(points, rows, "ts", "intraday_bars")]
        """Bars by what points may see of them; as a rule one group with all points."""

    def compute_all(self, of: Callable[[SeenBars], dict[str, Floats]]) -> dict[str, Floats]:
        """Return what a function of bars says of every point, by name; first axis of each result: points."""
        parts = [(seen.at, of(seen)) for seen in self.groups]
        if len(parts) == 1:
            return parts[0][1]
        names = parts[0][1] if parts else {}
        found = {name: np.full((len(self.points), *part.shape[1:]), np.nan) for name, part in names.items()}
        for at, by_name in parts:
            for name, part in by_name.items():
                found[name][at] = part
        return found

    def compute_with(self, daily: DailyBars, of: Callable[[SeenBars, Panel], dict[str, Floats]]) -> dict[str, Floats]:
        """Return what a function of bars and of the daily bars of the same points says of every point, by name."""
        place = self.points.symbol * SESSIONS + self.points.position

        def within(panel: Panel, points: Points) -> dict[str, Floats]:
            wanted = np.searchsorted(place, points.symbol * SESSIONS + points.position)
            found: dict[str, Floats] = {}
            for seen in self.groups:
                both, here, there = np.intersect1d(seen.at, wanted, assume_unique=True, return_indices=True)
                if both.size == 0:
                    continue
                some = seen if both.size == seen.at.size else replace(seen, visible=seen.visible.of(here))
                parts = of(some, panel)
                if both.size == len(points):
                    return parts
                for name, part in parts.items():
                    whole = found.setdefault(name, np.full((len(points), *part.shape[1:]), np.nan))
                    whole[there] = part
            return found

        return daily.compute_all(within)

    def compute(self, of: Callable[[SeenBars], Floats]) -> Floats:
        """Return one such result."""
        return self.compute_all(lambda seen: {"": of(seen)}).get("", np.zeros(0))

    def coverage(self, sessions: int) -> Floats:
        """Return the share of the bars with a volume that the calendar expects in each point's last sessions."""

        def share(seen: SeenBars) -> Floats:
            starts, ends = seen.last(sessions)
            known = np.concatenate([[0], np.cumsum(~np.isnan(seen.volume))])
            return (known[ends] - known[starts]) / expected_bars(seen.points.position, self.frequency, sessions)

        return np.minimum(self.compute(share), 1.0)


def _seen(visible: VisibleRows, frame: pl.DataFrame, frequency: str) -> SeenBars:
    is_whole = visible.rows.size == frame.height and bool((np.diff(visible.rows) == 1).all())

    def column(name: str) -> Floats:
        values = frame[name].fill_null(float("nan")).to_numpy() if name == "volume" else frame[name].to_numpy()
        return np.ascontiguousarray(values if is_whole else values[visible.rows], dtype=np.float64)

    ts = frame["ts"].dt.epoch("us").to_numpy()
    return SeenBars(
        visible,
        frequency,
        (ts if is_whole else ts[visible.rows]).astype(np.int64),
        visible.session(),
        **{name: column(name) for name in ("open", "high", "low", "close", "volume")},
    )
