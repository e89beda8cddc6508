"""How answers of Massive are put together: whole rows, and rows that are set aside."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import NamedTuple

import polars as pl

from gnosis.sessions import NEW_YORK, schedule
from gnosis.tables import TABLES
from resources.providers.live.errors import EmptyResult, FetchError, SchemaDrift
from resources.providers.live.service import EVENTS, Answer, Ask
from resources.providers.protocol import conform
from resources.providers.rejections import no_rejections, rejected_rows
from resources.providers.services.massive_pages import REPORT

DELAY = dt.timedelta(minutes=15)
"""Age of the prices of a plan without real-time data: a bar is whole this long after its end."""


class Part(NamedTuple):
    """Rows of a table but for ``provider`` and ``synthetic``, and rows that were set aside."""

    rows: pl.DataFrame
    rejected: pl.DataFrame


def closed(sessions: Sequence[dt.date], now: dt.datetime) -> list[dt.date]:
    """Return the sessions that closed so long ago that their bars are whole.

    Examples
    --------
    >>> days = [dt.date(2026, 11, 19), dt.date(2026, 11, 20)]
    >>> [str(day) for day in closed(days, dt.datetime(2026, 11, 20, 21, 14, tzinfo=dt.UTC))]
    ['2026-11-19']
    """
    known = schedule().filter(pl.col("session").is_in(list(sessions)), pl.col("close_at") + DELAY <= now)
    return known["session"].to_list()


def hours(session: dt.date) -> tuple[dt.datetime, dt.datetime]:
    """Return the open and the close of a session (UTC)."""
    row = schedule().row(by_predicate=pl.col("session") == session, named=True)
    return row["open_at"], row["close_at"]


def new_york_day(instant: pl.Expr) -> pl.Expr:
    """Return the date in New York of an instant."""
    return instant.dt.convert_time_zone(str(NEW_YORK)).dt.date()


def complete(rows: pl.DataFrame, required: Sequence[str], ask: Ask, service: str, expected: str) -> Part:
    """Return the rows that have all of ``required``; the others set aside under ``<field>|nullability``.

    ``rows`` has a column ``session``, null where the row does not tell.

    Raises
    ------
    SchemaDrift
        When no row has one of the fields: then it is not the row that is wrong.
    """
    if rows.is_empty():
        return Part(rows, no_rejections())
    for name in required:
        if rows[name].null_count() == rows.height:
            raise SchemaDrift(service, f"{expected} with the field {name!r}", "no row that has it", REPORT)
    lacks = [pl.when(pl.col(name).is_null()).then(pl.lit(f"{name}|nullability")) for name in required]
    judged = rows.with_columns(pl.coalesce(lacks).alias("rule|"))
    broken = judged.filter(pl.col("rule|").is_not_null())
    rejected = rejected_rows(
        broken.drop("rule|").with_columns(pl.col("session").fill_null(ask.sessions[-1])),
        date="session",
        rule=broken["rule|"],
        provider=service,
    )
    return Part(judged.filter(pl.col("rule|").is_null()).drop("rule|"), rejected)


def answered(ask: Ask, service: str, expected: str, parts: Sequence[Part], failures: dict[str, FetchError]) -> Answer:
    """Return the answer of parts and failures.

    Raises
    ------
    EmptyResult
        When there is no row and the table must have some.
    """
    rows = [part.rows for part in parts if not part.rows.is_empty()]
    rejected = pl.concat([no_rejections(), *(part.rejected for part in parts)])
    if not rows and ask.table not in EVENTS:
        raise EmptyResult(service, expected, "no row that fits", "ask another service")
    frame = pl.concat(rows) if rows else pl.DataFrame(schema=TABLES[ask.table].polars_schema)
    origin = frame.with_columns(provider=pl.lit(service), synthetic=pl.lit(False))
    return Answer(conform(origin, ask.table), rejected, failures)
