"""The rows that an engine makes, and the daily bars that each of them may see."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gnosis.engines import indicators
from gnosis.options.origin import require_table
from gnosis.sessions import UnknownSessionError, schedule

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Points:
    """Symbols and sessions of the rows to make, sorted by symbol and session.

    Attributes
    ----------
    frame
        ``symbol``, ``session`` and ``as_of`` (UTC), the knowledge cut-off.
    symbols
        Distinct symbols, sorted.
    symbol
        Position in ``symbols`` of each point.
    position
        Rank of the session in the exchange calendar.
    as_of
        Microseconds since 1970 UTC.
    """

    frame: pl.DataFrame
    symbols: tuple[str, ...]
    symbol: Integers
    position: Integers
    as_of: Integers

    def __len__(self) -> int:
        return self.symbol.size

    @cached_property
    def block(self) -> tuple[int, int] | None:
        """Ranks of the first session and of the one after the last, where every symbol has a point in each of them."""
        width = len(self) // max(len(self.symbols), 1)
        shape = (len(self.symbols), width)
        if width == 0 or len(self) != shape[0] * width:
            return None
        first = int(self.position[0])
        is_whole = (self.position.reshape(shape) == first + np.arange(width)).all() and (
            self.symbol.reshape(shape) == np.arange(shape[0])[:, None]
        ).all()
        return (first, first + width) if is_whole else None

    @classmethod
    def of(cls, frame: pl.DataFrame) -> Points:
        """Return the points of a frame with ``symbol``, ``session`` and ``as_of``; one row per symbol and session.

        Raises
        ------
        ValueError
            When a symbol and session comes twice.
        UnknownSessionError
            When a date is not a session of the exchange.

        Examples
        --------
        >>> import datetime as dt
        >>> close = dt.datetime(2012, 1, 3, 21, tzinfo=dt.UTC)
        >>> frame = pl.DataFrame({"symbol": ["B", "A"], "session": [close.date()] * 2, "as_of": [close] * 2})
        >>> points = Points.of(frame)
        >>> points.symbols, points.symbol.tolist()
        (('A', 'B'), [0, 1])
        """
        rows = frame.select("symbol", "session", pl.col("as_of").cast(pl.Datetime("us", "UTC"))).sort(
            "symbol", "session"
        )
        if rows.select("symbol", "session").is_duplicated().any():
            raise ValueError("points: expected each symbol and session once, found some twice")
        symbols = rows["symbol"].unique().sort()
        codes = symbols.search_sorted(rows["symbol"]) if rows.height else pl.Series([], dtype=pl.UInt32)
        return cls(
            rows,
            tuple(symbols),
            codes.to_numpy().astype(np.int64),
            session_ranks(rows["session"], "points"),
            rows["as_of"].dt.epoch("us").to_numpy().astype(np.int64),
        )

    def only(self, where: NDArray[np.bool_] | Integers) -> Points:
        """Return some of the points; the codes of the symbols stay."""
        return Points(
            self.frame.filter(pl.Series(where)) if where.dtype == bool else self.frame[where],
            self.symbols,
            self.symbol[where],
            self.position[where],
            self.as_of[where],
        )


def session_ranks(sessions: pl.Series, table: str) -> Integers:
    """Return the rank of each session in the exchange calendar.

    Raises
    ------
    UnknownSessionError
        With the first date on which the exchange was closed.
    """
    days = sessions.to_physical().cast(pl.Int64).to_numpy()
    first, ranks = _rank_of_days()
    # Days outside of the calendar fall on the two ends, which are no sessions.
    found = ranks[np.clip(days - (first - 1), 0, ranks.size - 1)]
    if found.min(initial=0) < 0:
        dates = sessions.filter(pl.Series(found < 0)).unique().sort()
        raise UnknownSessionError(
            f"{table}: expected sessions of XNYS, found {dates[0]} ({len(dates)} such dates): key the rows by session"
        )
    return found


@lru_cache(maxsize=1)
def _rank_of_days() -> tuple[int, Integers]:
    """Return the first session in days since 1970, and the rank of every day from the one before it to the one after
    the last session; -1 without trading.
    """
    known = schedule()["session"].to_physical().to_numpy().astype(np.int64)
    ranks = np.full(int(known[-1] - known[0]) + 3, -1, dtype=np.int64)
    ranks[known - known[0] + 1] = np.arange(known.size)
    return int(known[0]), ranks


def daily_points(bars: pl.DataFrame, sessions: Collection[dt.date] | None = None) -> Points:
    """Return a point for every daily bar: known at the close of the session or with its bar, whichever is later.

    Parameters
    ----------
    bars
        Rows of ``raw.equity_bars``; of several versions of a bar the first one known decides.
    sessions
        Sessions wanted; all of the bars when None.
    """
    require_table(bars, "raw.equity_bars")
    rows = bars if sessions is None else bars.filter(pl.col("session").is_in(list(sessions)))
    first = rows.group_by("symbol", "session").agg(known_at=pl.col("known_at").min())
    closes = schedule().select("session", "close_at")
    known = first.join(closes, on="session", how="left")
    return Points.of(known.with_columns(as_of=pl.max_horizontal("known_at", "close_at")))


@dataclass(frozen=True)
class Panel:
    """Daily bars on the exchange calendar, arrays of shape (symbols, sessions); NaN where no bar is seen.

    Indicators that several processors read are made once.

    Attributes
    ----------
    first
        Rank of the session in column 0.
    open, high, low, close
        Adjusted prices ($ x adjustment_factor).
    traded_close
        Close as traded ($).
    volume
        Shares as traded.
    adjusted_volume
        Shares in units of the first bar: volume / adjustment_factor.
    known_at
        Microseconds since 1970 UTC, 0 where no bar is seen.
    """

    first: int
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    traded_close: Floats
    volume: Floats
    adjusted_volume: Floats
    known_at: Integers

    @cached_property
    def returns(self) -> Floats:
        """Daily log returns; NaN where a close or the one of the session before is missing."""
        return indicators.log_returns(self.close)

    @cached_property
    def sd60(self) -> Floats:
        """Standard deviation (n - 1) of the last 60 daily log returns."""
        return indicators.rolling_sd(self.returns, 60)

    @cached_property
    def moves(self) -> indicators.Moves:
        """Moves of the close, true range and directional moves in $."""
        return indicators.moves(self.high, self.low, self.close)

    @cached_property
    def atr14(self) -> Floats:
        """Average true range in $, Wilder's mean of 14."""
        return indicators.wilder(self.moves.true_range, 14)

    @cached_property
    def atr20(self) -> Floats:
        """Average true range in $, Wilder's mean of 20."""
        return indicators.wilder(self.moves.true_range, 20)

    @cached_property
    def rsi(self) -> Floats:
        """Wilder's RSI(14), 0 to 100."""
        return indicators.relative_strength(*map(indicators.wilder, (self.moves.up, self.moves.down)))

    @cached_property
    def ema20(self) -> Floats:
        """Exponential mean of 20 closes in $."""
        return indicators.ema(self.close, 20)

    @cached_property
    def bollinger(self) -> indicators.Bollinger:
        """Bollinger bands (20, 2) in $."""
        return indicators.bollinger(self.close)

    def factor(self, symbol: Integers, position: Integers) -> Floats:
        """Return the adjustment factor of symbols in sessions given by their rank; NaN where no bar is seen."""
        column = position - self.first
        inside = (column >= 0) & (column < self.close.shape[1])
        factors = self.close / self.traded_close
        return np.where(inside, factors[symbol, np.where(inside, column, 0)], np.nan)

    def at(self, points: Points, values: Floats, lag: int = 0) -> Floats:
        """Return the values (symbols, sessions) at the points, or so many sessions before; NaN before the panel."""
        if points.block is not None and points.block[1] - self.first > lag >= 0:
            start, end = points.block[0] - self.first - lag, points.block[1] - self.first - lag
            if start >= 0:
                return values[:, start:end].flatten()
            found = np.full((values.shape[0], end - start), np.nan)
            found[:, -start:] = values[:, :end]
            return found.reshape(-1)
        column = points.position - self.first - lag
        if lag == 0:
            return values[points.symbol, column]
        return np.where(column >= 0, values[points.symbol, np.maximum(column, 0)], np.nan)

    def share_known(self, points: Points, values: Floats, length: int) -> Floats:
        """Return the share of the last ``length`` sessions up to each point whose value is finite."""
        from gnosis.engines.pairwise_kernel import trailing_counts

        return self.at(points, trailing_counts(np.ascontiguousarray(values), length)) / length

    def trailing(self, points: Points, values: Floats, length: int) -> Floats:
        """Return the last ``length`` values up to each point, shape (points, length), oldest first; NaN before."""
        columns = points.position[:, None] - self.first + np.arange(1 - length, 1)
        found = values[points.symbol[:, None], np.maximum(columns, 0)]
        return np.where(columns >= 0, found, np.nan)


def visible_panels(points: Points, bars: pl.DataFrame) -> Iterator[tuple[Integers, Panel]]:
    """Yield the panels of bars that points may see, each with the positions of its points.

    Of several versions of a bar the one known last at the cut-off counts. As a rule every bar is known at its own
    session's cut-off, and there is one panel. Bars that were known late split the points of their symbol at the
    instants at which they became known.

    Parameters
    ----------
    points
        Points of symbols that need not have bars.
    bars
        Rows of ``raw.equity_bars`` in any order, several versions of a bar allowed.

    Raises
    ------
    ValueError
        When a column is missing or of another dtype.
    """
    require_table(bars, "raw.equity_bars")
    rows = bars.filter(pl.col("symbol").is_in(list(points.symbols))).sort("symbol", "session", "known_at", "provider")
    code = pl.Series(points.symbols, dtype=pl.String).search_sorted(rows["symbol"]) if rows.height else None
    symbol = np.zeros(0, np.int64) if code is None else code.to_numpy().astype(np.int64)
    position = session_ranks(rows["session"], "raw.equity_bars")
    known_at = rows["known_at"].dt.epoch("us").to_numpy().astype(np.int64)
    if len(points) == 0:
        return
    first = int(min(position.min(initial=points.position.min()), points.position.min()))
    width = int(points.position.max()) - first + 1
    within = position - first < width
    rows, symbol, position, known_at = (
        rows.filter(pl.Series(within)),
        symbol[within],
        position[within],
        known_at[within],
    )
    # A version is plain when every point from its session on may see it.
    is_late = known_at > _earliest_readers(points, first, width)[symbol, position - first]
    group, order = _late_groups(points, symbol, known_at, is_late)
    for number in np.unique(group):
        # Versions of one session overwrite each other in the order of their known_at.
        seen = ~is_late | (order < number)
        own = rows if seen.all() else rows.filter(pl.Series(seen))
        panel = _panel(own, symbol[seen], position[seen], known_at[seen], first, (len(points.symbols), width))
        yield np.flatnonzero(group == number), panel


def _late_groups(
    points: Points, symbol: Integers, known_at: Integers, is_late: NDArray[np.bool_]
) -> tuple[Integers, Integers]:
    """Return how many late instants of its own symbol each point has behind it, and which of them each version is."""
    instants = np.unique(known_at[is_late])
    width = instants.size + 1
    late = symbol[is_late] * width + np.searchsorted(instants, known_at[is_late])
    own = np.unique(late)
    # Instants of symbols before, to count within the symbol.
    before = np.searchsorted(own, np.arange(len(points.symbols)) * width)
    reached = points.symbol * width + np.searchsorted(instants, points.as_of, side="right")
    order = np.zeros(symbol.size, dtype=np.int64)
    order[is_late] = np.searchsorted(own, late) - before[symbol[is_late]]
    return np.searchsorted(own, reached) - before[points.symbol], order


class DailyBars:
    """The daily bars that every point may see.

    Parameters
    ----------
    points, bars
        As for :func:`visible_panels`.
    """

    def __init__(self, points: Points, bars: pl.DataFrame) -> None:
        self.points = points
        self._groups = [(rows, points.only(rows), panel) for rows, panel in visible_panels(points, bars)]

    def compute(self, of: Callable[[Panel, Points], Floats]) -> Floats:
        """Return what a function of a panel and its points says of every point; first axis of the result: points."""
        parts = [(rows, of(panel, points)) for rows, points, panel in self._groups]
        if len(parts) == 1:
            return parts[0][1]
        shape = parts[0][1].shape[1:] if parts else ()
        found = np.full((len(self.points), *shape), np.nan)
        for rows, values in parts:
            found[rows] = values
        return found

    def compute_all(self, of: Callable[[Panel, Points], dict[str, Floats]]) -> dict[str, Floats]:
        """Return several such quantities by name."""
        parts = [(rows, of(panel, points)) for rows, points, panel in self._groups]
        if len(parts) == 1:
            return parts[0][1]
        names = parts[0][1] if parts else {}
        found = {name: np.full((len(self.points), *values.shape[1:]), np.nan) for name, values in names.items()}
        for rows, by_name in parts:
            for name, values in by_name.items():
                found[name][rows] = values
        return found


def _earliest_readers(points: Points, first: int, width: int) -> Integers:
    """Return, per symbol and session, the earliest cut-off of the points from that session on."""
    never = np.iinfo(np.int64).max
    cut_off = np.full((len(points.symbols), width), never)
    cut_off[points.symbol, points.position - first] = points.as_of
    return np.minimum.accumulate(cut_off[:, ::-1], axis=1)[:, ::-1]


def _panel(
    rows: pl.DataFrame, symbol: Integers, position: Integers, known_at: Integers, first: int, shape: tuple[int, int]
) -> Panel:
    factor = rows["adjustment_factor"].to_numpy()
    at = (symbol, position - first)

    def placed(values: Floats) -> Floats:
        full = np.full(shape, np.nan)
        full[at] = values
        return full

    known = np.zeros(shape, dtype=np.int64)
    known[at] = known_at
    volume = rows["volume"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    adjusted = {name: placed(rows[name].to_numpy() * factor) for name in ("open", "high", "low", "close")}
    return Panel(
        first=first,
        **adjusted,
        traded_close=placed(rows["close"].to_numpy()),
        volume=placed(volume),
        adjusted_volume=placed(volume / factor),
        known_at=known,
    )
