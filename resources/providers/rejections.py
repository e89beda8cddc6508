"""Rows that cannot enter a table, kept whole with the rule that they break; and the rules that need no schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from gnosis.sessions import schedule, shift_session
from resources.providers.errors import SessionNotCoveredError
from resources.providers.protocol import REJECTED_SCHEMA

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

NOT_A_SESSION = "not_a_session"
BEFORE_LISTING = "before_listing"
LISTING_GAP = "listing_gap"
SUPERSEDED = "superseded_snapshot"
NO_VALUE = "value|nullability"
OUTSIDE_REGULAR_SESSION = "outside_regular_session"
NOT_DOLLARS = "currency|not_usd"
SET_ASIDE = (
    NOT_A_SESSION,
    BEFORE_LISTING,
    LISTING_GAP,
    SUPERSEDED,
    OUTSIDE_REGULAR_SESSION,
    NO_VALUE,
    NOT_DOLLARS,
)
"""Rules of rows that have no place but are not wrong: a holiday, bars that may be another company's, an earlier
snapshot of the same session, a bar before the open or after the close, a day on which a macro series has no
observation, a payment in another currency. However many there are, the other rows can be trusted."""


def no_rejections() -> pl.DataFrame:
    """Return an empty frame of rejected rows."""
    return pl.DataFrame(schema=REJECTED_SCHEMA)


def rejected_rows(rows: pl.DataFrame, *, date: str, rule: str | pl.Series, provider: str) -> pl.DataFrame:
    """Return ``rows`` as rejected rows: ``session``, ``rule``, ``found`` (JSON), ``provider``.

    Parameters
    ----------
    rows
        The rows as found; every column goes into the JSON.
    date
        Column with the date of a row. The session that reports the row is the first one on or after that date, so that
        a row of a holiday is reported once, by the night that follows.
    rule
        Name of the broken rule, or one name per row.
    provider
        Name of the provider.

    Examples
    --------
    >>> import datetime as dt
    >>> holiday = pl.DataFrame({"day": [dt.date(2012, 12, 25)], "close": [1.5]})
    >>> rejected_rows(holiday, date="day", rule="not_a_session", provider="sample").rows()
    [(datetime.date(2012, 12, 26), 'not_a_session', '{"day":"2012-12-25","close":1.5}', 'sample')]
    """
    if rows.is_empty():
        return no_rejections()
    reported = (
        rows.select(pl.col(date).alias("day"))
        .with_row_index()
        .sort("day", maintain_order=True)
        .join_asof(schedule().select("session"), left_on="day", right_on="session", strategy="forward")
        .sort("index")["session"]
    )
    names = pl.lit(rule) if isinstance(rule, str) else rule
    return (
        rows.select(rule=names, found=pl.struct(pl.all()).struct.json_encode(), provider=pl.lit(provider))
        .with_columns(session=reported)
        .select(list(REJECTED_SCHEMA))
        .cast(REJECTED_SCHEMA)
    )


def is_session(column: str) -> pl.Expr:
    """Return the condition that the date in ``column`` is an exchange session."""
    return pl.col(column).is_in(schedule()["session"].implode())


def future_rows(frame: pl.DataFrame, now: dt.datetime) -> pl.DataFrame:
    """Return the rows that claim to have become known after ``now`` (aware datetime): nobody can have received them.

    Providers read no clock, so the caller, who knows the time, applies this rule.

    Examples
    --------
    >>> import datetime as dt
    >>> at = dt.datetime(2013, 1, 2, 21, tzinfo=dt.UTC)
    >>> future_rows(pl.DataFrame({"known_at": [at]}), at).height, future_rows(
    ...     pl.DataFrame({"known_at": [at]}), at - dt.timedelta(minutes=1)
    ... ).height
    (0, 1)
    """
    if now.tzinfo is None:
        raise ValueError(f"expected an aware datetime as now, found {now!r}; pass one with tzinfo=UTC")
    return frame.filter(pl.col("known_at") > now)


def require_covered(
    provider: str, table: str, sessions: Sequence[dt.date], coverage: tuple[dt.date, dt.date]
) -> list[dt.date]:
    """Return the sessions sorted and without repeats, or raise when one is not covered or not a session.

    Raises
    ------
    SessionNotCoveredError
        When a session lies outside ``coverage``.
    gnosis.sessions.UnknownSessionError
        When a date is not a session.
    """
    first, last = coverage
    asked = sorted(set(sessions))
    outside = [day for day in asked if not first <= day <= last]
    if outside:
        raise SessionNotCoveredError(provider, table, outside[0], first, last)
    for day in asked:
        shift_session(day, 0)
    return asked
