"""Off-exchange volume and its short sales as each point may see them."""

from __future__ import annotations

import numpy as np
import polars as pl

from gnosis.engines.points import Floats, Integers, Points
from gnosis.engines.visible_rows import visible_rows
from gnosis.options.origin import require_table
from gnosis.tables import TABLES

STALE_AFTER = 4
"""Sessions back that a file may be about: it counts within the last five sessions, the current one included."""

VOLUMES = ("short_volume", "total_volume")


class OffExchange:
    """What was published of each point's symbol by its cut-off.

    The file of a session is out in the evening, after the close: at the close of a session the last published one is
    the session before. A row whose short volume exceeds its total volume is rejected, as if it had not come.

    Parameters
    ----------
    points
        Points of symbols that need not have rows.
    frame
        Rows of ``raw.short_volume`` in any order, several versions of a row allowed; None: nothing was published.

    Attributes
    ----------
    position
        Rank in the exchange calendar of the last session published by each point's cut-off, -1 when there is none.
    age
        Sessions from that one to the point's own, NaN when there is none.
    has_rejected
        True where a row of the last sessions, six counting the point's own, was rejected.

    Raises
    ------
    ValueError
        When a column is missing or of another dtype.
    """

    def __init__(self, points: Points, frame: pl.DataFrame | None = None) -> None:
        if frame is None:
            frame = pl.DataFrame(schema=TABLES["raw.short_volume"].polars_schema)
        require_table(frame, "raw.short_volume")
        self.points = points
        is_wrong = frame["short_volume"] > frame["total_volume"]
        self.has_rejected = np.zeros(len(points), dtype=bool)
        if is_wrong.any():
            for visible in visible_rows(points, frame.filter(is_wrong), "session", "raw.short_volume"):
                starts, ends = visible.between(visible.points.position - STALE_AFTER, visible.points.position)
                self.has_rejected[visible.at] = ends > starts
            frame = frame.filter(~is_wrong)
        self.position: Integers = np.full(len(points), -1)
        self._volumes = {name: frame[name].to_numpy().astype(np.float64) for name in VOLUMES}
        self._groups = list(visible_rows(points, frame, "session", "raw.short_volume"))
        for visible in self._groups:
            starts, ends = visible.between(np.zeros(len(visible.points), np.int64), visible.points.position)
            has = ends > starts
            self.position[visible.at[has]] = visible.session()[ends[has] - 1]
        self.age: Floats = np.where(self.position >= 0, points.position - self.position, np.nan)

    def trailing(self, column: str, length: int) -> Floats:
        """Return a volume over the calendar's last sessions up to the last published one of each point.

        Parameters
        ----------
        column
            ``"short_volume"`` or ``"total_volume"``.
        length
            Sessions n.

        Returns
        -------
        numpy.ndarray
            Shares, shape (points, n), oldest first, the last published session in the last column; NaN where a
            session has no row.
        """
        found = np.full((len(self.points), length), np.nan)
        for visible in self._groups:
            session = visible.session()
            if session.size == 0:
                continue
            first = int(session.min())
            panel = np.full((len(self.points.symbols), int(session.max()) - first + 1), np.nan)
            panel[visible.symbol(), session - first] = self._volumes[column][visible.rows]
            # Rows that a point may not see yet are of later sessions than its last published one.
            columns = self.position[visible.at][:, None] - first + np.arange(1 - length, 1)
            values = panel[visible.points.symbol[:, None], np.clip(columns, 0, panel.shape[1] - 1)]
            found[visible.at] = np.where(columns >= 0, values, np.nan)
        return found

    def short_share(self, length: int) -> Floats:
        """Return short over total volume, shape and order as :meth:`trailing`; NaN where nothing was traded.

        Examples
        --------
        >>> import datetime as dt
        >>> from gnosis.simulate.shorts import short_volume
        >>> days = [dt.date(2012, 1, 3), dt.date(2012, 1, 4)]
        >>> bars = pl.DataFrame({"session": days, "symbol": ["AAA"] * 2, "volume": [1e6] * 2})
        >>> frame = short_volume(bars, seed=7)[0].select(list(TABLES["raw.short_volume"].polars_schema))
        >>> close = dt.datetime(2012, 1, 4, 21, tzinfo=dt.UTC)
        >>> point = pl.DataFrame({"symbol": ["AAA"], "session": days[1:], "as_of": [close]})
        >>> shorts = OffExchange(Points.of(point), frame)
        >>> shorts.age.tolist(), shorts.short_share(2).round(4).tolist()
        ([1.0], [[nan, 0.4963]])
        """
        total = self.trailing("total_volume", length)
        return self.trailing("short_volume", length) / np.where(total > 0, total, np.nan)
