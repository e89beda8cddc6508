"""One clock for pricing, discounting, Greeks and charm: calendar time between two UTC instants, ACT/365F.

Afternoon-settled contracts settle at the close of the expiry session, morning-settled ones at its opening. When the
expiry date is no session (the Saturdays of monthly contracts before 2015, holidays) it is the session before.
"""

from __future__ import annotations

import datetime as dt

import polars as pl

from gnosis.sessions import UnknownSessionError, schedule
from gnosis.tables.greeks import EXPIRY_BUCKETS

SECONDS_PER_YEAR = 365 * 86_400
TAU_FLOOR_YEARS = 1 / 8760
CALENDAR_DAYS_AHEAD = 330
SETTLEMENT_TIMES = {"am": dt.time(9, 30), "pm": dt.time(16, 0)}


def with_settlement(contracts: pl.DataFrame) -> pl.DataFrame:
    """Add ``chain_at`` and ``close_at`` of the session, its nominal snapshot and its close, and ``settles_at``.

    Early closes and holidays come from the exchange calendar for expiries up to 330 days after the session. The
    calendar reaches only about a year ahead of the day it is asked, so for later ones it would tell tomorrow something
    that it did not tell today; they settle at 09:30 or 16:00 New York of the expiry date, or of the Friday before a
    weekend.

    Parameters
    ----------
    contracts
        With ``session`` and ``expiry`` (dates) and ``settlement`` (am, pm).

    Raises
    ------
    UnknownSessionError
        When a session is not one of the exchange.

    Examples
    --------
    >>> black_friday = {"session": [dt.date(2012, 11, 21)], "expiry": [dt.date(2012, 11, 23)], "settlement": ["pm"]}
    >>> with_settlement(pl.DataFrame(black_friday))["settles_at"].item().isoformat()
    '2012-11-23T18:00:00+00:00'
    """
    calendar = schedule()
    days, session, expiry = calendar["session"], contracts["session"], contracts["expiry"]
    unknown = session.filter(~session.is_in(days.implode())).unique().sort()
    if not unknown.is_empty():
        raise UnknownSessionError(
            f"expected sessions of XNYS between {days[0]} and {days[-1]}, "
            f"found {unknown[0]} ({len(unknown)} such dates): key the quotes by exchange session"
        )
    last = days.search_sorted(expiry, side="right") - 1
    is_in_reach = ((expiry - session).dt.total_days() <= CALENDAR_DAYS_AHEAD) & (expiry <= days[-1])
    is_morning = contracts["settlement"] == "am"
    settles_at = calendar["open_at"].gather(last).zip_with(is_morning, calendar["close_at"].gather(last))
    if not is_in_reach.all():
        weekend_days = (pl.col("expiry").dt.weekday().cast(pl.Int64) - 5).clip(0)
        weekday = contracts.select(expiry=pl.col("expiry") - pl.duration(days=weekend_days))
        nominal = weekday.select(am=_new_york("expiry", "am"), pm=_new_york("expiry", "pm"))
        settles_at = settles_at.zip_with(is_in_reach, nominal["am"].zip_with(is_morning, nominal["pm"]))
    own = days.search_sorted(session)
    return contracts.with_columns(
        chain_at=calendar["chain_at"].gather(own), close_at=calendar["close_at"].gather(own), settles_at=settles_at
    )


def _new_york(day: str, settlement: str) -> pl.Expr:
    local = pl.col(day).dt.combine(SETTLEMENT_TIMES[settlement], "us").dt.replace_time_zone("America/New_York")
    return local.dt.convert_time_zone("UTC")


def opening_of(day: str) -> pl.Expr:
    """Return 09:30 New York of a column of dates.

    Examples
    --------
    >>> pl.DataFrame({"ex_date": [dt.date(2019, 5, 10)]}).select(opening_of("ex_date")).item().isoformat()
    '2019-05-10T13:30:00+00:00'
    """
    return _new_york(day, "am")


def seconds_to_settlement() -> pl.Expr:
    """Return the seconds from ``ts`` to ``settles_at``, negative after settlement."""
    return (pl.col("settles_at") - pl.col("ts")).dt.total_microseconds() / 1e6


def tau_years() -> pl.Expr:
    """Return the time from ``ts`` to ``settles_at`` in years, at least one hour.

    Examples
    --------
    >>> friday = dt.datetime(2012, 11, 9, 20, 45, tzinfo=dt.UTC)
    >>> monday = dt.datetime(2012, 11, 12, 21, 0, tzinfo=dt.UTC)
    >>> pl.DataFrame({"ts": [friday], "settles_at": [monday]}).select(tau_years()).item() * 8760
    72.25
    """
    return (seconds_to_settlement() / SECONDS_PER_YEAR).clip(TAU_FLOOR_YEARS)


def is_tau_floored() -> pl.Expr:
    """Return whether the time to settlement was raised to one hour."""
    return seconds_to_settlement() / SECONDS_PER_YEAR < TAU_FLOOR_YEARS


def dte_days() -> pl.Expr:
    """Return calendar days from the session date to the expiry date."""
    return (pl.col("expiry") - pl.col("session")).dt.total_days()


def expiry_bucket(days: pl.Expr) -> pl.Expr:
    """Return the expiry bucket of a number of calendar days to expiry.

    Examples
    --------
    >>> pl.select(expiry_bucket(pl.Series([0, 1, 2, 7, 8, 35, 36]))).to_series().to_list()
    ['0-1', '0-1', '2-7', '2-7', '8-35', '8-35', '36+']
    """
    same_day, week, month, later = EXPIRY_BUCKETS
    return (
        pl.when(days <= 1)
        .then(pl.lit(same_day))
        .when(days <= 7)
        .then(pl.lit(week))
        .when(days <= 35)
        .then(pl.lit(month))
        .otherwise(pl.lit(later))
        .cast(pl.Enum(EXPIRY_BUCKETS))
    )
