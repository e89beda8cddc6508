"""Snapshots of order books as arrays, and those that every point may see."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import polars as pl

from gnosis.engines.points import Floats, Integers, Points, session_ranks
from gnosis.engines.protocol import Bools
from gnosis.options.origin import require_table
from gnosis.sessions import schedule

LEVELS = 20
"""Levels of a side that are kept at most."""

MINUTE_US = 60_000_000


@dataclass(frozen=True)
class _Runs:
    """Neighbouring rows of one snapshot that the same points see."""

    start: Integers
    stop: Integers
    symbol: Integers
    position: Integers
    ts: Integers
    visible_from: Integers

    def only(self, rows: Bools | Integers) -> _Runs:
        return _Runs(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


class OrderBooks:
    """Snapshots of order books, sorted by symbol, session and instant, and what each point may see of them.

    A row counts for a point when it was known at the point's cut-off; of several versions of a level the one known
    last. A snapshot that is crossed, locked, or whose prices do not get worse from level to level is left out and
    counted. Arrays of levels have the shape (snapshots, levels), best level first, NaN where a level is absent.
    :meth:`mid_before` alone judges snapshots by their best prices and not by deeper levels, so that sessions of which
    only level 1 is at hand give the mids that the whole books give.

    Attributes
    ----------
    points
        The points.
    levels
        Width of the arrays: the deepest level that comes, at most 20.
    ts
        Microseconds since 1970 UTC.
    position
        Rank of the session in the exchange calendar.
    bid_price, bid_size, ask_price, ask_size
        $ and shares.
    mid
        Middle of the best prices ($); NaN unless level 1 of both sides is there.
    starts, ends
        Slice of the snapshots of each point's own session.
    dropped
        Snapshots of each point's own session that were left out.

    Parameters
    ----------
    points
        Points of symbols that need not have books.
    frame
        Rows of ``raw.order_books`` in any order, of the points' sessions and of earlier ones; several versions of a
        level allowed.

    Raises
    ------
    ValueError
        When a column is missing or of another dtype, or a price, size or level is not possible.
    UnknownSessionError
        When a session is not one of the exchange.

    Examples
    --------
    >>> import datetime as dt
    >>> from gnosis.simulate.book import square_root_book
    >>> from gnosis.tables import TABLES
    >>> schema = TABLES["raw.order_books"].polars_schema
    >>> book = square_root_book([dt.date(2012, 1, 3)])[0].select(list(schema)).cast(schema)
    >>> close = dt.datetime(2012, 1, 3, 21, tzinfo=dt.UTC)
    >>> points = Points.of(pl.DataFrame({"symbol": ["K5"], "session": [close.date()], "as_of": [close]}))
    >>> books = OrderBooks(points, book)
    >>> books.mid.tolist(), books.ask_price[0, :2].tolist(), books.ends.tolist()
    ([100.0], [100.05, 100.1], [1])
    """

    def __init__(self, points: Points, frame: pl.DataFrame) -> None:
        require_table(frame, "raw.order_books")
        _require_possible(frame)
        self.points = points
        # Instants at which a symbol's view may change, and where each point stands among them.
        self._instants = np.unique(points.as_of)
        views = points.symbol * (self._instants.size + 1) + np.searchsorted(self._instants, points.as_of)
        self._views, self._view = np.unique(views, return_inverse=True)
        runs = self._versions(self._visible(_runs_of(frame, points)))
        order = np.lexsort((runs.ts, runs.visible_from, runs.position, runs.symbol))
        runs = runs.only(order)
        block = np.stack([runs.symbol, runs.position, runs.visible_from])
        is_new_block = np.ones(runs.ts.size, dtype=bool)
        is_new_block[1:] = (block[:, 1:] != block[:, :-1]).any(axis=0)
        is_new = is_new_block.copy()
        is_new[1:] |= runs.ts[1:] != runs.ts[:-1]
        self._fill(frame, runs, is_new, is_new_block)
        self.starts, self.ends = self.of_session(0)
        self.dropped = self._dropped_of(0)

    def of_session(self, lag: int = 0) -> tuple[Integers, Integers]:
        """Return the slice of snapshots that each point sees of the session ``lag`` sessions before its own."""
        return self.of(np.arange(len(self.points)), self.points.position - lag)

    def of(self, point: Integers, position: Integers) -> tuple[Integers, Integers]:
        """Return the slice of snapshots that points see of sessions; empty where there is none.

        Parameters
        ----------
        point
            Positions of points.
        position
            Rank of a session in the exchange calendar for each of them.
        """
        return self._slices(point, position, self._edges)

    def regular(self, lag: int = 0, minutes: int | None = None) -> tuple[Integers, Integers]:
        """Return the slice of the regular session, or of its last minutes, both ends included.

        Parameters
        ----------
        lag
            Sessions before each point's own.
        minutes
            Length of the window that ends with the session's own close; the whole regular session when None.
        """
        from gnosis.engines.order_books_kernel import first_at

        opens, closes = regular_hours(self.points.position - lag)
        first = opens if minutes is None else np.maximum(opens, closes - minutes * MINUTE_US)
        starts, ends = self.of_session(lag)
        return first_at(self.ts, starts, ends, first), first_at(self.ts, starts, ends, closes + 1)

    def mid_before(self, point: Integers, position: Integers, instant: Integers, longest_us: int) -> Floats:
        """Return the last mid that points see before instants of sessions, NaN where there is none.

        Every snapshot counts whose best bid is below its best ask, whatever its deeper levels are.

        Parameters
        ----------
        point, position
            As for :meth:`of`.
        instant
            Microseconds since 1970 UTC; a snapshot at the instant itself does not count.
        longest_us
            Age in microseconds beyond which a mid is not used.

        Returns
        -------
        numpy.ndarray
            $.
        """
        from gnosis.engines.order_books_kernel import first_at, last_value_before

        starts, ends = self._slices(point, position, self._quoted_edges)
        ends = first_at(self._quoted_ts, starts, ends, instant)
        return last_value_before(self._quoted_ts, self._quoted_mid, starts, ends, instant, longest_us)

    def _visible(self, runs: _Runs) -> _Runs:
        """Return the runs that some point sees, ``visible_from`` as position among the views, first at their use."""
        points = self.points
        rank = np.searchsorted(self._instants, runs.visible_from)
        view = np.searchsorted(self._views, runs.symbol * (self._instants.size + 1) + rank)
        width = int(max(points.position.max(initial=0), runs.position.max(initial=0))) + 1
        user = np.searchsorted(points.symbol * width + points.position, runs.symbol * width + runs.position)
        seen = (view < self._views.size) & (user < len(points))
        runs, view, user = runs.only(seen), view[seen], user[seen]
        # Points are sorted by symbol and session, so the least view from a point on is that of its first user.
        first_use = np.minimum.accumulate(self._view[::-1])[::-1]
        view = np.maximum(view, first_use[user])
        same = (self._views[view] // (self._instants.size + 1) == runs.symbol) & (points.symbol[user] == runs.symbol)
        runs = runs.only(same)
        return _Runs(runs.start, runs.stop, runs.symbol, runs.position, runs.ts, view[same])

    def _versions(self, runs: _Runs) -> _Runs:
        """Return the runs once for every view of their session that holds them."""
        if runs.ts.size == 0:
            return runs
        views = self._views.size
        width = int(runs.position.max()) + 1
        session = runs.symbol * width + runs.position
        versions = np.unique(session * views + runs.visible_from)
        if versions.size == np.unique(versions // views).size:
            return runs
        first = np.searchsorted(versions, session * views + runs.visible_from)
        count = np.searchsorted(versions, (session + 1) * views) - first
        repeated = np.repeat(np.arange(session.size), count)
        nth = np.arange(repeated.size) - np.repeat(np.cumsum(count) - count, count)
        whole = runs.only(repeated)
        view = versions[first[repeated] + nth] % views
        return _Runs(whole.start, whole.stop, whole.symbol, whole.position, whole.ts, view)

    def _fill(self, frame: pl.DataFrame, runs: _Runs, is_new: Bools, is_new_block: Bools) -> None:
        from gnosis.engines.order_books_kernel import disordered, fill

        snapshot = np.cumsum(is_new) - 1
        n = int(is_new.sum())
        level = frame["level"].to_numpy()
        self.levels = int(min(level.max(initial=1), LEVELS))
        shape = (n, 2, self.levels)
        prices, sizes = np.full(shape, np.nan), np.full(shape, np.nan)
        columns = (
            frame["side"].to_physical().to_numpy().astype(np.int64),
            np.ascontiguousarray(level),
            np.ascontiguousarray(frame["price"].to_numpy()),
            np.ascontiguousarray(frame["size"].to_numpy()),
            np.ascontiguousarray(frame["known_at"].dt.epoch("us").to_numpy()),
        )
        for column in columns:
            column.flags.writeable = False
        known = np.full(shape, np.iinfo(np.int64).min, dtype=np.int64)
        fill(runs.start, runs.stop, snapshot, *columns, known, prices, sizes)

        wrong = disordered(prices) == 1
        first = np.flatnonzero(is_new)
        block = (np.cumsum(is_new_block) - 1)[first]
        n_blocks = int(is_new_block.sum())
        self._block_dropped = np.bincount(block[wrong], minlength=n_blocks)
        best_bid, best_ask = prices[:, 0, 0], prices[:, 1, 0]
        self._quoted_mid = np.where(best_bid < best_ask, (best_bid + best_ask) / 2, np.nan)
        self._quoted_ts = runs.ts[first]
        self._quoted_edges = np.searchsorted(block, np.arange(n_blocks + 1))
        if wrong.any():
            prices, sizes, first, block = prices[~wrong], sizes[~wrong], first[~wrong], block[~wrong]
        self.bid_price, self.ask_price = (np.ascontiguousarray(prices[:, side]) for side in (0, 1))
        self.bid_size, self.ask_size = (np.ascontiguousarray(sizes[:, side]) for side in (0, 1))
        self.mid: Floats = (self.bid_price[:, 0] + self.ask_price[:, 0]) / 2
        self.ts, self.position = runs.ts[first], runs.position[first]
        self._edges = np.searchsorted(block, np.arange(n_blocks + 1))
        heads = np.flatnonzero(is_new_block)
        self._block_symbol, self._block_position = runs.symbol[heads], runs.position[heads]
        self._block_view = runs.visible_from[heads]

    def _slices(self, point: Integers, position: Integers, edges: Integers) -> tuple[Integers, Integers]:
        at = self._block_of(point, position)
        return np.where(at >= 0, edges[at], 0), np.where(at >= 0, edges[at + 1], 0)

    def _block_of(self, point: Integers, position: Integers) -> Integers:
        """Return which version of which session's block a point sees, -1 for none."""
        width = int(max(self._block_position.max(initial=0), position.max(initial=0))) + 1
        views = self._views.size + 1
        blocks = (self._block_symbol * width + self._block_position) * views + self._block_view
        session = self.points.symbol[point] * width + np.maximum(position, 0)
        at = np.searchsorted(blocks, session * views + self._view[point], side="right") - 1
        return np.where((at >= 0) & (blocks[at] // views == session) if blocks.size else False, at, -1)

    def _dropped_of(self, lag: int) -> Integers:
        at = self._block_of(np.arange(len(self.points)), self.points.position - lag)
        return np.where(at >= 0, np.append(self._block_dropped, 0)[at], 0)


def regular_hours(position: Integers) -> tuple[Integers, Integers]:
    """Return opening and close of sessions by their rank in the calendar, microseconds since 1970 UTC.

    Examples
    --------
    >>> import datetime as dt
    >>> rank = session_ranks(pl.Series([dt.date(2012, 11, 23)]), "sessions")
    >>> opens, closes = regular_hours(rank)
    >>> ((closes - opens) // MINUTE_US).tolist()
    [210]
    """
    opens, closes = _hours()
    return opens[position], closes[position]


@lru_cache(maxsize=1)
def _hours() -> tuple[Integers, Integers]:
    table = schedule()
    opens, closes = (table[name].dt.epoch("us").to_numpy().astype(np.int64) for name in ("open_at", "close_at"))
    return opens, closes


def _require_possible(frame: pl.DataFrame) -> None:
    price, size, level = (frame[name].to_numpy() for name in ("price", "size", "level"))
    for name, holds, expected in (
        ("price", np.isfinite(price) & (price > 0.0), "positive finite prices in $"),
        ("size", np.isfinite(size) & (size >= 0.0), "finite sizes in shares, at least 0"),
        ("level", level >= 1, "levels from 1"),
    ):
        if not holds.all():
            at = int(np.flatnonzero(~holds)[0])
            key = ", ".join(str(frame[column][at]) for column in ("session", "symbol", "ts", "side", "level"))
            raise ValueError(
                f"raw.order_books: expected {expected}, found {name} {frame[name][at]} in row {at} ({key}); "
                "correct or leave out such rows"
            )


def _runs_of(frame: pl.DataFrame, points: Points) -> _Runs:
    """Return the runs of rows of the points' symbols; ``visible_from`` holds the instant at which a run was known."""
    n = frame.height
    known_at = frame["known_at"].dt.epoch("us").to_numpy()
    if n == 0 or len(points) == 0:
        none = np.zeros(0, np.int64)
        return _Runs(none, none, none, none, none, none)
    ts = frame["ts"].dt.epoch("us").to_numpy()
    is_first = np.ones(n, dtype=bool)
    same_symbol = (frame["symbol"] == frame["symbol"].shift(1)).fill_null(False).to_numpy()[1:]
    days = frame["session"].to_physical().to_numpy()
    is_first[1:] = ~same_symbol | (days[1:] != days[:-1]) | (ts[1:] != ts[:-1]) | (known_at[1:] != known_at[:-1])
    start = np.flatnonzero(is_first)
    heads = frame.select("symbol", "session")[start]
    names = pl.Series(points.symbols, dtype=pl.String)
    symbol = np.minimum(names.search_sorted(heads["symbol"]).to_numpy().astype(np.int64), len(names) - 1)
    wanted = (names.gather(symbol) == heads["symbol"]).to_numpy()
    runs = _Runs(
        start, np.append(start[1:], n), symbol, session_ranks(heads["session"], "raw.order_books"),
        ts[start].astype(np.int64), known_at[start].astype(np.int64),
    )  # fmt: skip
    return runs if wanted.all() else runs.only(wanted)
