"""Which session a crypto candle, snapshot or trade belongs to: markets that never close, under a calendar that does."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import polars as pl

from gnosis.sessions import schedule
from resources.providers.live.known import INSTANT, under_session

DAY = dt.timedelta(days=1)
LONGEST_CLOSURE = dt.timedelta(days=14)


def finished_candles(sessions: Sequence[dt.date], now: dt.datetime, newest: int | None) -> pl.DataFrame:
    """Return the daily candles that belong to ``sessions`` and have ended by ``now``.

    Parameters
    ----------
    newest
        Candles that the exchange gives at all, counted from the unfinished one back; None for all.

    Returns
    -------
    polars.DataFrame
        ``start`` and ``ts`` (its end), both at midnight UTC, and ``session``, sorted.

    Examples
    --------
    >>> monday = dt.date(2026, 11, 23)
    >>> candles = finished_candles([monday], dt.datetime(2026, 11, 23, 21, 30, tzinfo=dt.UTC), None)
    >>> [start.strftime("%a %d") for start in candles["start"]]
    ['Fri 20', 'Sat 21', 'Sun 22']
    """
    ends = pl.datetime_range(
        dt.datetime.combine(min(sessions), dt.time(), dt.UTC) - LONGEST_CLOSURE,
        dt.datetime.combine(max(sessions), dt.time(), dt.UTC),
        DAY,
        time_zone="UTC",
        eager=True,
    )
    candles = under_session(pl.DataFrame({"ts": ends.cast(INSTANT)}), "ts").select(
        "ts", "session", start=pl.col("ts") - DAY
    )
    wanted = candles.filter(pl.col("session").is_in(sessions), pl.col("ts") <= now)
    if newest is None:
        return wanted
    midnight = dt.datetime.combine(now.astimezone(dt.UTC).date(), dt.time(), dt.UTC)
    return wanted.filter(pl.col("start") >= midnight - (newest - 1) * DAY)


def in_opened_session(rows: pl.DataFrame, instant: str, sessions: Sequence[dt.date]) -> pl.DataFrame:
    """Add ``session``, the latest that had opened at ``instant``, and keep the rows of ``sessions``.

    Examples
    --------
    >>> evening = pl.DataFrame({"at": [dt.datetime(2026, 11, 20, 23, 30, tzinfo=dt.UTC)]}, schema={"at": INSTANT})
    >>> in_opened_session(evening, "at", [dt.date(2026, 11, 20)])["session"].to_list()
    [datetime.date(2026, 11, 20)]
    """
    opened = schedule().select("session", "open_at")
    dated = rows.sort(instant, maintain_order=True).join_asof(opened, left_on=instant, right_on="open_at")
    return dated.drop("open_at").filter(pl.col("session").is_in(sessions))
