"""When policies learn: on the last session of each month, from what had become of decisions by then.

A month is decided with what was known at its beginning, so that one night and a range of nights learn the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from gnosis.sessions import schedule

if TYPE_CHECKING:
    import datetime as dt

    from numpy.typing import NDArray

OUTCOME = {
    "session": pl.Date,
    "symbol": pl.String,
    "is_rise": pl.Boolean,
    "t0": pl.Int64,
    "t1": pl.Int64,
    "known": pl.Int64,
}
"""Columns of an outcome; instants are microseconds since 1970, UTC."""


def learning_moments(sessions: Sequence[dt.date]) -> pl.DataFrame:
    """Return, for each session, the last session of the month before and the instant of its close.

    Returns
    -------
    polars.DataFrame
        ``session``, ``learned_through`` and ``cut`` (microseconds since 1970, UTC), in the order of the sessions.

    Raises
    ------
    ValueError
        For a session in the first month of the calendar: nothing lies before it.

    Examples
    --------
    >>> import datetime as dt
    >>> learning_moments([dt.date(2024, 1, 3)]).select("learned_through").item().isoformat()
    '2023-12-29'
    """
    calendar = schedule().select("session", "close_at")
    first_of_month = pl.Series([session.replace(day=1) for session in sessions], dtype=pl.Date)
    before = calendar["session"].search_sorted(first_of_month).cast(pl.Int64) - 1
    if before.len() and before.min() < 0:  # type: ignore[operator]
        raise ValueError(f"expected sessions after the first month of the calendar, found {min(sessions)}")
    return pl.DataFrame(
        {
            "session": pl.Series(list(sessions), dtype=pl.Date),
            "learned_through": calendar["session"].gather(before),
            "cut": calendar["close_at"].dt.epoch("us").gather(before),
        }
    )


def direction_outcomes(labels: pl.DataFrame, horizon_bars: int) -> pl.DataFrame:
    """Return which decisions were followed by a rise, and since when that is known; small moves are left out.

    Parameters
    ----------
    labels
        Rows of ``models.labels``.
    horizon_bars
        Horizon of the decisions.

    Returns
    -------
    polars.DataFrame
        Columns of :data:`OUTCOME`, sorted by session and symbol.

    Examples
    --------
    >>> from gnosis.tables import TABLES
    >>> direction_outcomes(TABLES["models.labels"].empty(), 5).height
    0
    """
    told = labels.filter((pl.col("horizon_bars") == horizon_bars) & (pl.col("y_dir").abs() == 1))
    return told.select(
        session="signal_session",
        symbol="symbol",
        is_rise=pl.col("y_dir") > 0,
        t0=pl.col("t0").dt.epoch("us"),
        t1=pl.col("t1").dt.epoch("us"),
        known=pl.col("known_at").dt.epoch("us"),
    ).sort("session", "symbol")


def matched(rows: pl.DataFrame, outcomes: pl.DataFrame) -> tuple[NDArray[np.int64], pl.DataFrame]:
    """Return the positions of the rows whose outcome is known some day, and those outcomes in the same order."""
    both = rows.select("session", "symbol").with_row_index("row").join(outcomes, on=["session", "symbol"], how="inner")
    both = both.sort("row")
    return both["row"].cast(pl.Int64).to_numpy(), both.drop("row")
