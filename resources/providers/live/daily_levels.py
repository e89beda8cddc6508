"""Daily index levels, whichever service they come from."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import polars as pl

from resources.providers.live.known import at_level_close
from resources.providers.protocol import conform
from resources.providers.rejections import NO_VALUE, NOT_A_SESSION, is_session, rejected_rows

if TYPE_CHECKING:
    from collections.abc import Sequence


def daily_levels(
    rows: pl.DataFrame, sessions: Sequence[dt.date], now: dt.datetime, provider: str
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the rows of ``raw.index_levels`` for ``sessions``, and the rejected rows that these sessions report.

    A level is of its date's session and known when the index closes, which for the family of the VIX is 15 minutes
    after the session. A row of an index that has not closed is unfinished and left out. A row without a close, or of a
    date that is no session, is set aside.

    Parameters
    ----------
    rows
        ``session`` (date), ``symbol``, ``open``, ``high``, ``low``, ``close`` (points; null where not given).
    sessions
        Sessions wanted.
    now
        Instant of the answer.
    provider
        Name of the service.

    Examples
    --------
    >>> row = {"session": dt.date(2012, 12, 31), "symbol": "^VIX", "open": None, "high": None, "low": None}
    >>> now = dt.datetime(2013, 1, 1, tzinfo=dt.UTC)
    >>> frame, _ = daily_levels(pl.DataFrame([row | {"close": 18.02}]), [dt.date(2012, 12, 31)], now, "example")
    >>> frame["close"].to_list(), frame["known_at"].item().isoformat()
    ([18.02], '2012-12-31T21:15:00+00:00')
    """
    rule = (
        pl.when(pl.col("close").is_null())
        .then(pl.lit(NO_VALUE))
        .when(~is_session("session"))
        .then(pl.lit(NOT_A_SESSION))
    )
    judged = rows.with_columns(rule=rule)
    wrong = judged.filter(pl.col("rule").is_not_null())
    rejected = rejected_rows(wrong.drop("rule"), date="session", rule=wrong["rule"], provider=provider)
    good = judged.filter(pl.col("rule").is_null(), pl.col("session").is_in(list(sessions)))
    timed = at_level_close(good).filter(pl.col("ts") <= now)
    frame = timed.with_columns(provider=pl.lit(provider), synthetic=pl.lit(False))
    return conform(frame, "raw.index_levels"), rejected.filter(pl.col("session").is_in(list(sessions)))
