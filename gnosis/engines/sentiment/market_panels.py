"""Values by symbol and session as knowledge cut-offs see them, for measures of the market rather than of a symbol."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gnosis.engines.points import Floats, Integers, Points, session_ranks
from gnosis.sessions import schedule

Bools = NDArray[np.bool_]
NEVER = np.iinfo(np.int64).max

MEMBERSHIP_SCHEMA: dict[str, pl.DataType] = {
    "symbol": pl.String(),
    "first_session": pl.Date(),
    "last_session": pl.Date(),
}
"""Dated membership of the universe: null as ``last_session`` = still a member. A symbol may come more than once."""


ORIGIN_SCHEMA: dict[str, pl.DataType] = {"provider": pl.String(), "synthetic": pl.Boolean()}
"""Who provided the rows behind a measure, null where none of its values is known, and whether any was generated."""


class CutOffs:
    """Pairs of session and knowledge cut-off, sorted, each once.

    Parameters
    ----------
    frame
        ``session`` and ``as_of``; the frame of ``Points`` will do.
    lookback
        Sessions that panels hold up to the first cut-off, its own among them.

    Attributes
    ----------
    frame
        The pairs.
    column
        Column of each pair's session in the panels.
    first, width
        Rank of the session in column 0 of the panels, and their number of columns.
    """

    def __init__(self, frame: pl.DataFrame, lookback: int) -> None:
        as_of = pl.col("as_of").cast(pl.Datetime("us", "UTC"))
        self.frame = frame.select("session", as_of).unique().sort("session", "as_of")
        position = session_ranks(self.frame["session"], "cut-offs")
        self.as_of = self.frame["as_of"].dt.epoch("us").to_numpy().astype(np.int64)
        earliest_session = int(position.min()) if position.size else 0
        self.first = max(earliest_session - lookback + 1, 0)
        self.column = position - self.first
        self.width = int(self.column.max(initial=0)) + 1
        # What was known at the earliest cut-off of a session and all later ones, all of them see.
        earliest = np.full(self.width, NEVER)
        np.minimum.at(earliest, self.column, self.as_of)
        self.earliest: Integers = np.minimum.accumulate(earliest[::-1])[::-1]

    def days(self) -> Integers:
        """Return the sessions of the panels' columns as days since 1970."""
        return schedule()["session"].slice(self.first, self.width).to_physical().to_numpy()


class Versions:
    """Values by symbol and session, in all the versions in which they became known.

    Parameters
    ----------
    cut_offs
        The cut-offs that panels are for.
    rows
        ``session``, ``known_at``, ``provider`` and, with symbols, ``symbol``, in any order; None: nothing.
    values
        Expressions of the values by name.
    table
        Name of the table, for messages.
    symbols
        Sorted symbols of the panels' rows. None: the table has no symbols, and panels have one row.
    """

    def __init__(
        self,
        cut_offs: CutOffs,
        rows: pl.DataFrame | None,
        values: Mapping[str, pl.Expr],
        table: str,
        symbols: Sequence[str] | None = None,
    ) -> None:
        self.shape = (1 if symbols is None else len(symbols), cut_offs.width)
        self._names = list(values)
        self._row = self._column = self._known_at = np.zeros(0, dtype=np.int64)
        self._is_late = np.zeros(0, dtype=bool)
        self._values = {name: np.zeros(0) for name in values}
        if rows is not None and rows.height:
            key = ["session"] if symbols is None else ["symbol", "session"]
            found = rows.select(*key, "known_at", "provider", **values)
            row, column = _places(found, table, symbols)
            if np.bincount(row * np.int64(column.max() + 1) + column).max() > 1:
                # The version known last overwrites the others of its session.
                order = found.select(pl.arg_sort_by(*key, "known_at", "provider")).to_series().to_numpy()
                found, row, column = found[order], row[order], column[order]
            column = column - cut_offs.first
            within = (column >= 0) & (column < cut_offs.width)
            self._row, self._column = row[within], column[within]
            self._known_at = found["known_at"].dt.epoch("us").to_numpy().astype(np.int64)[within]
            self._is_late = self._known_at > cut_offs.earliest[self._column]
            self._values = {
                name: found[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()[within] for name in values
            }
        self.late_at: Integers = np.unique(self._known_at[self._is_late])

    def panels(self, instant: int | None) -> dict[str, Floats]:
        """Return the values known at an instant, by name, shape (symbols, sessions), NaN where there is none."""
        seen = ~self._is_late if instant is None else ~self._is_late | (self._known_at <= instant)
        place = self._row[seen], self._column[seen]
        found = {}
        for name in self._names:
            found[name] = np.full(self.shape, np.nan)
            found[name][place] = self._values[name][seen]
        return found


def _places(rows: pl.DataFrame, table: str, symbols: Sequence[str] | None) -> tuple[Integers, Integers]:
    """Return the position of each row's symbol among the symbols, 0 without symbols, and the rank of its session."""
    column = session_ranks(rows["session"], table)
    if symbols is None:
        return np.zeros(rows.height, dtype=np.int64), column
    codes = rows["symbol"].cast(pl.Enum(symbols)).to_physical()
    return codes.to_numpy().astype(np.int64), column


def views(cut_offs: CutOffs, *tables: Versions) -> Iterator[tuple[Integers, list[dict[str, Floats]]]]:
    """Yield groups of cut-offs that see the same rows: their positions, and the panels of each table.

    As a rule rows are known by the cut-off of their own session, and there is one group. Rows that were known late
    split the cut-offs at the instants at which they became known.
    """
    instants = np.unique(np.concatenate([table.late_at for table in tables]))
    group = np.searchsorted(instants, cut_offs.as_of, side="right")
    for number in np.unique(group):
        instant = int(instants[number - 1]) if number else None
        yield np.flatnonzero(group == number), [table.panels(instant) for table in tables]


def members(
    cut_offs: CutOffs, membership: pl.DataFrame | None, symbols: Sequence[str], without: Sequence[str]
) -> Bools:
    """Return which symbols are members of the universe in which session, shape (symbols, sessions).

    Parameters
    ----------
    cut_offs
        For the sessions.
    membership
        Rows as in :data:`MEMBERSHIP_SCHEMA`. None: every symbol but those of ``without``, always.
    symbols
        Sorted symbols.
    without
        Symbols that are no members when nothing says who is.

    Raises
    ------
    ValueError
        When a column is missing or of another dtype.
    """
    shape = (len(symbols), cut_offs.width)
    if membership is None:
        return np.broadcast_to(~np.isin(np.array(symbols, dtype=str), without)[:, None], shape)
    for name, dtype in MEMBERSHIP_SCHEMA.items():
        if membership.schema.get(name) != dtype:
            raise ValueError(f"membership: expected {name!r} as {dtype}, found {membership.schema.get(name)}")
    is_member = np.zeros(shape, dtype=bool)
    spells = membership.filter(pl.col("symbol").is_in(list(symbols)))
    if spells.height:
        days = cut_offs.days()
        row = pl.Series(symbols, dtype=pl.String).search_sorted(spells["symbol"]).to_numpy()
        begin = spells["first_session"].to_physical().to_numpy()[:, None]
        end = spells["last_session"].to_physical().fill_null(int(days[-1])).to_numpy()[:, None]
        np.logical_or.at(is_member, row, (days >= begin) & (days <= end))
    return is_member


def rows_at(points: Points, rows: pl.DataFrame, schema: Mapping[str, pl.DataType], what: str) -> dict[str, Floats]:
    """Return the columns of rows by session and cut-off at every point, NaN where its session has none.

    Of several rows of a session the latest counts whose cut-off is not after that of the point.

    Raises
    ------
    ValueError
        When a column of the schema is missing or of another dtype.
    """
    for name, dtype in schema.items():
        if rows.schema.get(name) != dtype:
            raise ValueError(f"{what}: expected a column {name!r} as {dtype}, found {rows.schema.get(name)}")
    names = [name for name, dtype in schema.items() if dtype == pl.Float64]
    place = _place(points, rows, what)
    if rows.height == 0:
        return {name: np.full(len(points), np.nan) for name in names}
    return {name: np.where(place < 0, np.nan, rows[name].fill_null(float("nan")).to_numpy()[place]) for name in names}


def origin_at(points: Points, rows: pl.DataFrame, what: str) -> pl.DataFrame:
    """Return who provided the rows of :func:`rows_at`, by symbol and session of the points that have one."""
    place = _place(points, rows, what)
    is_there = np.flatnonzero(place >= 0)
    return points.frame[is_there].select(
        "symbol",
        "session",
        known_at="as_of",
        **{name: rows[name].gather(place[is_there]) for name in ORIGIN_SCHEMA},
    )


def _place(points: Points, rows: pl.DataFrame, what: str) -> Integers:
    """Return the row of each point, -1 where its session has none that was known."""
    order = rows.select(pl.arg_sort_by("session", "as_of")).to_series().to_numpy()
    rows = rows[order].select("session", "as_of")
    position = session_ranks(rows["session"], what)
    as_of = rows["as_of"].dt.epoch("us").to_numpy()
    # One number per pair that sorts as the pair does: the session, then the rank of the cut-off among all of them.
    instants = np.unique(as_of)
    key = position * (instants.size + 1) + np.searchsorted(instants, as_of) + 1
    wanted = points.position * (instants.size + 1) + np.searchsorted(instants, points.as_of, side="right")
    place = np.searchsorted(key, wanted, side="right") - 1
    found = np.full(len(points), -1)
    if order.size:
        is_there = (place >= 0) & (position[place] == points.position)
        found[is_there] = order[place[is_there]]
    return found
