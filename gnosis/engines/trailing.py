"""Trailing statistics: a value against the values that earlier sessions had, the current one never among them.

The reference sample of window N at session t is x[t-N] .. x[t-1] on the exchange calendar; a statistic of fewer than
max(10, ceil(N/4)) known values is unknown. Earlier sessions are those of the points themselves and stored rows, as far
as they were known at the cut-off of the point.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import ArrayLike

from gnosis.engines.points import Floats, Integers, Points, session_ranks

YEAR = 252


def least(window: int) -> int:
    """Return how many known values a reference sample needs.

    Examples
    --------
    >>> least(252), least(20)
    (63, 10)
    """
    return max(10, math.ceil(window / 4))


def banded(rank: Floats, below: Sequence[float] = (0.2,), up_to: Sequence[float] = (0.8,)) -> Floats:
    """Return the position of the label of a percentile rank, NaN where the rank is.

    Parameters
    ----------
    rank
        In [0, 1].
    below
        Cuts that belong to the label above them.
    up_to
        Cuts that belong to the label below them.

    Examples
    --------
    >>> banded(np.array([0.1, 0.2, 0.8, 0.9, np.nan]), below=(0.2,), up_to=(0.8,)).tolist()
    [0.0, 1.0, 1.0, 2.0, nan]
    """
    position = np.sum([rank >= cut for cut in below] + [rank > cut for cut in up_to], axis=0, dtype=np.float64)
    return np.where(np.isnan(rank), np.nan, position)


class History:
    """What the sessions before each point said.

    Parameters
    ----------
    points
        Points of the rows in the making.
    stored
        Rows of the engine's own table, under one sign convention, with ``symbol``, ``session`` and ``as_of``; rows of
        sessions that are among the points are not read, nor rows with a later cut-off than the point's. None: nothing
        is stored.

    Raises
    ------
    ValueError
        When a key column is missing or a symbol and session comes twice.

    Examples
    --------
    >>> from gnosis.sessions import schedule
    >>> rows = schedule().head(11).select(symbol=pl.lit("A"), session="session", as_of="close_at", x=pl.int_range(11.0))
    >>> history = History(Points.of(rows.tail(1)), rows.head(10))
    >>> history.series("x", np.array([4.5])).percentile_rank(10).item(), history.sessions().item()
    (0.5, 10)
    """

    def __init__(self, points: Points, stored: pl.DataFrame | None = None) -> None:
        self.points = points
        self._stored = pl.DataFrame() if stored is None else stored
        self._rows: Integers = np.zeros(0, np.int64)
        symbol, position, as_of = self._rows, self._rows, self._rows
        if self._stored.height and len(points):
            self._rows, symbol, position, as_of = _earlier_rows(points, self._stored)
        ends = np.concatenate([position, points.position])
        self.first = int(ends.min()) if ends.size else 0
        width = int(ends.max()) - self.first + 1 if ends.size else 1
        self._own = points.position - self.first
        self._shape = (len(points.symbols), width)
        self._cells = symbol * width + (position - self.first)
        # A cell without a row holds NaN, so its instant does not matter.
        self._known_at = self._placed(np.zeros(self._shape, dtype=np.int64), as_of)
        self._known_at[points.symbol, self._own] = points.as_of

    def _placed(self, matrix: np.ndarray, past: ArrayLike) -> np.ndarray:
        """Return the matrix with what the stored rows say put into their cells."""
        matrix.reshape(-1)[self._cells] = past
        return matrix

    def series(self, name: str, values: Floats) -> Series:
        """Return the values of a column over time: those of the points, and before them the stored ones.

        Labels and flags count as their position; a column that is not stored has no past.
        """
        matrix = np.full(self._shape, np.nan)
        if self._rows.size and name in self._stored.columns:
            column = self._stored[name]
            codes = column.to_physical() if isinstance(column.dtype, pl.Enum) else column
            # A float column with nulls leaves Polars with NaN in their place.
            past = (codes if codes.dtype == pl.Float64 else codes.cast(pl.Float64)).to_numpy()
            self._placed(matrix, past if self._rows.size == past.size else past[self._rows])
        own = np.array(values, dtype=np.float64)
        matrix[self.points.symbol, self._own] = own
        return Series(matrix, self.points.symbol, self._own, own, self._known_at, self.points.as_of)

    def sessions(self, window: int = YEAR) -> Integers:
        """Return how many of the ``window`` sessions before each point have a row, stored or made with it."""
        there = self._placed(np.full(self._shape, np.nan), 1.0)
        there[self.points.symbol, self._own] = 1.0
        own = np.ones(len(self.points))
        return Series(there, self.points.symbol, self._own, own, self._known_at, self.points.as_of).count(window)


def _earlier_rows(points: Points, stored: pl.DataFrame) -> tuple[Integers, Integers, Integers, Integers]:
    """Return number, symbol, session rank and cut-off (microseconds) of the stored rows that some point may read."""
    if missing := [name for name in ("symbol", "session", "as_of") if name not in stored.columns]:
        raise ValueError(f"stored rows: expected columns symbol, session and as_of, missing are {missing}")
    codes = stored["symbol"].cast(pl.Enum(points.symbols), strict=False).to_physical().cast(pl.Int64).fill_null(-1)
    symbol, position = codes.to_numpy(), session_ranks(stored["session"], "stored rows")
    last = int(points.position.max())
    first = int(min(position.min(), points.position.min()))
    width = last - first + 1
    cells = np.where((symbol >= 0) & (position <= last), symbol * width + (position - first), -1)
    # The last cell stands for rows of other symbols and of later sessions.
    taken = np.zeros(len(points.symbols) * width + 1, dtype=bool)
    taken[points.symbol * width + (points.position - first)] = True
    taken[-1] = True
    rows = np.flatnonzero(~taken[cells])
    times = np.bincount(cells[rows], minlength=1)
    if times.max() > 1:
        found = stored[rows[times[cells[rows]] > 1][:1]].select("symbol", "session").row(0)
        raise ValueError(
            f"stored rows: expected each symbol and session once, found {found[0]} on {found[1]} more than once: "
            "keep the rows of one sign convention"
        )
    as_of = stored["as_of"].dt.epoch("us").to_numpy()
    if rows.size == cells.size:
        return rows, symbol, position, as_of
    return rows, symbol[rows], position[rows], as_of[rows]


def _no_instants() -> Integers:
    return np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class Series:
    """One quantity of every symbol over time.

    Attributes
    ----------
    matrix
        Values by symbol and session, NaN where unknown.
    symbol, column
        Place of each point in the matrix.
    values
        Value of each point.
    known_at, as_of
        Cut-off of every cell and of every point in microseconds since 1970 UTC: a point does not read what was known
        only after its own cut-off. Empty where every cell of the past may be read.
    """

    matrix: Floats
    symbol: Integers
    column: Integers
    values: Floats
    known_at: Integers = field(default_factory=lambda: np.zeros((0, 0), dtype=np.int64))
    as_of: Integers = field(default_factory=_no_instants)

    def lag(self, sessions: int) -> Floats:
        """Return the value that many sessions before each point."""
        column = self.column - sessions
        place = (self.symbol, np.maximum(column, 0))
        seen = column >= 0
        if self.as_of.size:
            seen &= self.known_at[place] <= self.as_of
        return np.where(seen, self.matrix[place], np.nan)

    def trailing(self, length: int) -> Floats:
        """Return the last ``length`` values up to each point's own, shape (points, length), oldest first."""
        column = self.column[:, None] + np.arange(1 - length, 1)
        place = (self.symbol[:, None], np.maximum(column, 0))
        seen = column >= 0
        if self.as_of.size:
            seen &= self.known_at[place] <= self.as_of[:, None]
        return np.where(seen, self.matrix[place], np.nan)

    def count(self, window: int) -> Integers:
        """Return the number of known values in the reference sample."""
        return self._statistic("count", window).astype(np.int64)

    def z(self, window: int) -> Floats:
        """Return (x - mean)/sd of the reference sample, sd with n - 1; NaN where sd is 0."""
        return self._statistic("z", window)

    def percentile_rank(self, window: int = YEAR) -> Floats:
        """Return the share of the reference sample below x, half of the equal ones included."""
        return self._statistic("rank", window)

    def quantile(self, share: float, window: int = YEAR) -> Floats:
        """Return the quantile of the reference sample, linear between order statistics."""
        return self._statistic("quantile", window, share=share)

    def quantiles(self, *shares: float, window: int = YEAR) -> list[Floats]:
        """Return :meth:`quantile` of several shares out of one sorted sample; where no cell is hidden from a point."""
        from gnosis.engines.trailing_order_kernel import trailing_quantiles

        assert self.as_of.size == 0
        # Without NaN numpy sorts several times as quickly; the unknown values may be anywhere.
        order = np.argsort(np.where(np.isnan(self.matrix), np.inf, self.matrix), axis=1)
        place = self.matrix, order, self.symbol, self.column
        return list(trailing_quantiles(*place, window, least(window), np.array(shares)))

    def median(self, window: int = YEAR) -> Floats:
        """Return the median of the reference sample."""
        return self._statistic("quantile", window, share=0.5)

    def mad(self, window: int = YEAR) -> Floats:
        """Return 1.4826 x the median absolute deviation from the median of the reference sample."""
        return self._statistic("mad", window)

    def mean(self, window: int, fewest: int | None = None) -> Floats:
        """Return the mean of the reference sample; with ``fewest`` of so many known values or more."""
        return self._statistic("mean", window, fewest)

    def sd(self, window: int, fewest: int | None = None) -> Floats:
        """Return the standard deviation (n - 1) of the reference sample; with ``fewest`` of so many values or more."""
        return self._statistic("sd", window, fewest)

    def _statistic(self, name: str, window: int, fewest: int | None = None, share: float = 0.5) -> Floats:
        from gnosis.engines import trailing_kernel
        from gnosis.engines.trailing_abreast_kernel import STATISTICS

        return trailing_kernel.trailing(
            self.matrix,
            self.symbol,
            self.column,
            self.values,
            self.known_at,
            self.as_of,
            window,
            least(window) if fewest is None else fewest,
            STATISTICS.index(name),
            share,
        )
