"""When a row from a live service could first have been known, and under which session it belongs.

The rules are those of the files (:mod:`resources.providers.files.timing`): what is public at a fixed moment carries
that moment, so that one night and a backfill give the same row; what exists only as a snapshot carries the instant at
which it was received.
"""

from __future__ import annotations

import datetime as dt

import polars as pl

from gnosis.sessions import NEW_YORK, schedule

EVENING = dt.time(18, 0)
MORNING = dt.time(9, 0)
INSTANT = pl.Datetime("us", "UTC")
VIX_FAMILY = r"^\^(VIX|VVIX)"
AFTER_SHARES = dt.timedelta(minutes=15)


def evening(column: str = "session") -> pl.Expr:
    """Return 18:00 New York of the date in ``column`` (UTC): when volumes of the day are public.

    Examples
    --------
    >>> pl.select(session=dt.date(2026, 11, 20)).select(evening()).item().isoformat()
    '2026-11-20T23:00:00+00:00'
    """
    return new_york(pl.col(column), EVENING)


def new_york(day: pl.Expr, time: dt.time) -> pl.Expr:
    """Return the instant (UTC) at which clocks in New York show ``time`` on ``day``."""
    return day.dt.combine(time).dt.replace_time_zone(str(NEW_YORK)).dt.convert_time_zone("UTC").cast(INSTANT)


def at_close(rows: pl.DataFrame) -> pl.DataFrame:
    """Add ``ts`` and ``known_at``, both the close of ``session``: the rule of bars and index levels.

    Rows whose date is no session get null: the caller rejects them first.
    """
    closes = schedule().select("session", ts="close_at", known_at="close_at")
    return rows.join(closes, on="session", how="left", maintain_order="left")


def at_level_close(rows: pl.DataFrame) -> pl.DataFrame:
    """Add ``ts`` and ``known_at`` of daily index levels: the close of ``session``, for the family of the VIX later.

    Cboe calculates the volatility indices of ``symbol`` 15 minutes longer than shares trade, also on the days on which
    these close early.

    Examples
    --------
    >>> days = pl.DataFrame({"session": [dt.date(2026, 11, 27)] * 2, "symbol": ["^GSPC", "^VIX"]})
    >>> [str(at.time()) for at in at_level_close(days)["ts"]]
    ['18:00:00', '18:15:00']
    """
    extra = pl.when(pl.col("symbol").str.contains(VIX_FAMILY)).then(AFTER_SHARES).otherwise(dt.timedelta())
    return at_close(rows).with_columns(pl.col("ts", "known_at") + extra)


def under_session(rows: pl.DataFrame, instant: str) -> pl.DataFrame:
    """Add ``session``: the first one whose close is at or after ``instant``; null after the end of the calendar."""
    return (
        rows.with_row_index("position")
        .sort(instant, maintain_order=True)
        .join_asof(schedule().select("session", "close_at"), left_on=instant, right_on="close_at", strategy="forward")
        .sort("position")
        .drop("position", "close_at")
    )
