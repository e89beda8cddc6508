"""Exchange sessions and the moments at which things become known.

Everything is keyed by the exchange session (a date). Instants are UTC. The calendar is XNYS unless said otherwise.
The rules for when a number could first have been used live here and nowhere else.
"""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Sequence

    import exchange_calendars as ec

NEW_YORK = ZoneInfo("America/New_York")
UTC = dt.UTC
FIRST_SESSION = dt.date(1990, 1, 2)
CHAIN_LEAD = dt.timedelta(minutes=15)
OPEN_INTEREST_PUBLISHED = dt.time(9, 0)


class UnknownSessionError(ValueError):
    """A date that is not a session of the exchange, or lies outside the calendar."""


@lru_cache(maxsize=4)
def calendar(exchange: str = "XNYS") -> ec.ExchangeCalendar:
    """Return the exchange calendar from 1990 to about one year ahead."""
    import exchange_calendars

    return exchange_calendars.get_calendar(exchange, start=FIRST_SESSION.isoformat())


@lru_cache(maxsize=4)
def schedule(exchange: str = "XNYS") -> pl.DataFrame:
    """Return every session with its opening, closing and chain snapshot instants.

    Returns
    -------
    polars.DataFrame
        ``session`` (date), ``open_at``, ``close_at``, ``chain_at`` (UTC, microseconds; ``chain_at`` is 15 minutes
        before the close) and ``is_early_close`` (bool), sorted by session.

    Examples
    --------
    >>> import datetime as dt
    >>> day = schedule().filter(pl.col("session") == dt.date(2012, 11, 23))
    >>> day["close_at"].item().isoformat(), day["is_early_close"].item()
    ('2012-11-23T18:00:00+00:00', True)
    """
    cal = calendar(exchange)
    frame = cal.schedule
    utc_us = pl.Datetime("us", "UTC")
    table = pl.DataFrame(
        {
            "session": [stamp.date() for stamp in frame.index],
            "open_at": frame["open"].dt.tz_localize(None).to_numpy(),
            "close_at": frame["close"].dt.tz_localize(None).to_numpy(),
        }
    ).with_columns(
        pl.col("open_at", "close_at").cast(pl.Datetime("us")).dt.replace_time_zone("UTC").cast(utc_us),
        is_early_close=pl.col("session").is_in(pl.Series([stamp.date() for stamp in cal.early_closes]).implode()),
    )
    return table.with_columns(chain_at=pl.col("close_at") - CHAIN_LEAD)


def sessions_between(first: dt.date, last: dt.date, exchange: str = "XNYS") -> list[dt.date]:
    """Return the sessions from ``first`` to ``last``, both inclusive.

    Examples
    --------
    >>> [day.isoformat() for day in sessions_between(dt.date(2012, 12, 31), dt.date(2013, 1, 3))]
    ['2012-12-31', '2013-01-02', '2013-01-03']
    """
    return schedule(exchange).filter(pl.col("session").is_between(first, last))["session"].to_list()


@lru_cache(maxsize=4)
def _positions(exchange: str) -> dict[dt.date, int]:
    """Return the number of each session, for questions that are asked thousands of times a night."""
    return {session: number for number, session in enumerate(schedule(exchange)["session"])}


def require_session(day: dt.date | str, exchange: str = "XNYS") -> dt.date:
    """Return ``day`` as a date, or raise when the exchange had no session on it.

    Raises
    ------
    UnknownSessionError
        With the nearest sessions on both sides.

    Examples
    --------
    >>> require_session("2013-01-01")
    Traceback (most recent call last):
    gnosis.sessions.UnknownSessionError: expected a session of XNYS, found 2013-01-01; nearest are ...
    """
    try:
        date = day if isinstance(day, dt.date) else dt.date.fromisoformat(day)
    except ValueError as error:
        raise UnknownSessionError(f"expected a session as YYYY-MM-DD, found {day!r}") from error
    if date in _positions(exchange):
        return date
    known = schedule(exchange)["session"]
    first, last = known[0], known[-1]
    if not first <= date <= last:
        raise UnknownSessionError(f"expected a session of {exchange} between {first} and {last}, found {date}")
    before = known.filter(known < date)[-1]
    after = known.filter(known > date)[0]
    raise UnknownSessionError(f"expected a session of {exchange}, found {date}; nearest are {before} and {after}")


def is_session(day: dt.date, exchange: str = "XNYS") -> bool:
    """Return True when the exchange had or will have a session on ``day``.

    Examples
    --------
    >>> is_session(dt.date(2012, 10, 29)), is_session(dt.date(2012, 10, 31))
    (False, True)
    """
    return day in _positions(exchange)


def shift_session(day: dt.date, by: int, exchange: str = "XNYS") -> dt.date:
    """Return the session ``by`` sessions after (negative: before) the session ``day``.

    Examples
    --------
    >>> shift_session(dt.date(2012, 12, 31), 1).isoformat(), shift_session(dt.date(2013, 1, 2), -1).isoformat()
    ('2013-01-02', '2012-12-31')
    """
    require_session(day, exchange)
    known = schedule(exchange)["session"]
    position = _positions(exchange)[day] + by
    if not 0 <= position < len(known):
        raise UnknownSessionError(f"the calendar of {exchange} ends before {by} sessions from {day}")
    return known[position]


def last_completed_session(instant: dt.datetime, exchange: str = "XNYS") -> dt.date:
    """Return the latest session whose close is at or before ``instant`` (aware datetime)."""
    closed = schedule(exchange).filter(pl.col("close_at") <= instant.astimezone(UTC))
    if closed.is_empty():
        raise UnknownSessionError(f"no session of {exchange} had closed by {instant.isoformat()}")
    return closed["session"][-1]


def open_interest_known_at(sessions: pl.Series, exchange: str = "XNYS") -> pl.Series:
    """Return when the open interest of each session could first be used: 09:00 New York of the next session.

    Examples
    --------
    >>> open_interest_known_at(pl.Series([dt.date(2012, 12, 31)]))[0].isoformat()
    '2013-01-02T14:00:00+00:00'
    """
    known = schedule(exchange)["session"]
    after = known.shift(-1)
    stamps = [
        None if day is None else dt.datetime.combine(day, OPEN_INTEREST_PUBLISHED, NEW_YORK).astimezone(UTC)
        for day in after
    ]
    table = pl.DataFrame(
        {
            "session": known,
            "oi_known_at": pl.Series(stamps, dtype=pl.Datetime("us", "UTC")),
        }
    )
    return (
        sessions.alias("session").to_frame().join(table, on="session", how="left", maintain_order="left")["oi_known_at"]
    )


def non_session_weekdays(first: dt.date, last: dt.date, exchange: str = "XNYS") -> Sequence[dt.date]:
    """Return the Mondays to Fridays between ``first`` and ``last`` on which the exchange was closed."""
    days = pl.date_range(first, last, "1d", eager=True)
    weekdays = days.filter(days.dt.weekday() <= 5)
    return weekdays.filter(~weekdays.is_in(schedule(exchange)["session"].implode())).to_list()
