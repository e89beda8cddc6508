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
    """Add ``chain_at``, the nominal snapshot instant of the session, and ``settles_at``, the settlement instant.

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
    known = contracts.join(calendar.select("session", "chain_at"), on="session", how="left", maintain_order="left")
    unknown = known.filter(pl.col("chain_at").is_null())["session"].unique().sort()
    if not unknown.is_empty():
        raise UnknownSessionError(
            f"expected sessions of XNYS between {calendar['session'][0]} and {calendar['session'][-1]}, "
            f"found {unknown[0]} ({len(unknown)} such dates): key the quotes by exchange session"
        )
    last = known["expiry"].unique().sort().to_frame()
    last = last.join_asof(
        calendar.select(pl.col("session").alias("expiry_session"), "open_at", "close_at"),
        left_on="expiry",
        right_on="expiry_session",
        strategy="backward",
    )
    is_near = (pl.col("expiry") - pl.col("session")).dt.total_days() <= CALENDAR_DAYS_AHEAD
    is_in_calendar = pl.col("expiry") <= calendar["session"][-1]
    is_morning = pl.col("settlement") == "am"
    weekend_days = (pl.col("expiry").dt.weekday().cast(pl.Int64) - 5).clip(0)
    weekday = pl.col("expiry") - pl.duration(days=weekend_days)
    nominal = [
        weekday.dt.combine(SETTLEMENT_TIMES[half], "us")
        .dt.replace_time_zone("America/New_York")
        .dt.convert_time_zone("UTC")
        for half in ("am", "pm")
    ]
    return (
        known.join(last, on="expiry", how="left", maintain_order="left")
        .with_columns(
            settles_at=pl.when(is_near & is_in_calendar)
            .then(pl.when(is_morning).then("open_at").otherwise("close_at"))
            .otherwise(pl.when(is_morning).then(nominal[0]).otherwise(nominal[1]))
        )
        .drop("expiry_session", "open_at", "close_at")
    )


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
