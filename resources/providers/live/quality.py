"""Rows of ``raw.quality_events`` about answers: what is missing, who failed, what could not be confirmed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import groupby

import polars as pl

from gnosis.tables import TABLES
from resources.providers.live.errors import FetchError
from resources.providers.protocol import conform

EVENTS_TABLE = "raw.quality_events"
REASONS_JOINED = " | "
SERVICES_JOINED = "+"


@cache
def no_events() -> pl.DataFrame:
    """Return an empty frame of events."""
    return TABLES[EVENTS_TABLE].empty()


def reason(error: FetchError) -> str:
    """Return why a service did not serve, in one sentence without what was asked for.

    Examples
    --------
    >>> from resources.providers.live.errors import NotFound
    >>> reason(NotFound("yahoo", "bars of ZZZZ", "HTTP 404", "check the symbol"))
    'yahoo NotFound: HTTP 404; check the symbol'
    """
    found = " ".join(f"{error.found}; {error.advice}".split()).replace(REASONS_JOINED, " / ")
    return f"{error.service} {type(error).__name__}: {found}"


def as_events(rows: pl.DataFrame, table: str, kind: str, known_at: dt.datetime | pl.Expr) -> pl.DataFrame:
    """Return events of one kind.

    Parameters
    ----------
    rows
        ``session``, ``symbol``, ``providers``, ``detail`` and, where known, ``chosen``, ``value``,
        ``largest_deviation``.
    table
        Table of the doubtful rows.
    known_at
        When the doubt arose: receipt of the answers.
    """
    key = TABLES[EVENTS_TABLE].key
    absent = {"chosen": pl.String, "value": pl.Float64, "largest_deviation": pl.Float64}
    schema = TABLES[EVENTS_TABLE].polars_schema
    whole = rows.lazy().with_columns(
        *(pl.lit(None, dtype=dtype).alias(name) for name, dtype in absent.items() if name not in rows.columns),
        table_name=pl.lit(table),
        kind=pl.lit(kind),
        known_at=known_at if isinstance(known_at, pl.Expr) else pl.lit(known_at),
        provider=pl.col("providers"),
        synthetic=pl.lit(False),
    )
    return merged(whole.select(list(schema)).cast(schema).sort(key, maintain_order=True).collect())


def failure_events(
    table: str, session: dt.date, errors: Sequence[FetchError], chosen: str, known_at: dt.datetime
) -> pl.DataFrame:
    """Return the event that an ask moved on to ``chosen``, and one more when an answer had a new form.

    Parameters
    ----------
    session
        Latest session of the ask.
    errors
        Why earlier services did not serve it; empty for no event.
    """
    told = [("failover", error) for error in errors]
    told += [("schema_drift", error) for error in errors if type(error).__name__ == "SchemaDrift"]
    events = [
        as_events(
            pl.DataFrame(
                {
                    "session": [session],
                    "symbol": [""],
                    "providers": [error.service],
                    "chosen": [chosen if kind == "failover" else None],
                    "detail": [reason(error)],
                },
                schema_overrides={"chosen": pl.String},
            ),
            table,
            kind,
            known_at,
        )
        for kind, error in told
    ]
    return merged(pl.concat(events)) if events else no_events()


def missing_events(
    table: str,
    missing: pl.DataFrame,
    reasons: Mapping[str, Sequence[tuple[str, str]]],
    asked: Sequence[dt.date],
    known_at: dt.datetime,
) -> pl.DataFrame:
    """Return one event per symbol of which nobody had everything, under the last session asked for.

    Parameters
    ----------
    missing
        ``symbol``, ``session`` of what is missing.
    reasons
        By symbol, pairs of service and reason, in the order of asking.
    asked
        All sessions asked for, sorted: the missing ones are named as spans of these.

    Examples
    --------
    >>> day = dt.date(2012, 12, 28)
    >>> gone = pl.DataFrame({"symbol": ["AAA"], "session": [day]})
    >>> at = dt.datetime(2012, 12, 29, tzinfo=dt.UTC)
    >>> missing_events("raw.equity_bars", gone, {"AAA": [("b", "b Transient: HTTP 503")]}, [day], at)["detail"].item()
    'no row of 2012-12-28: b Transient: HTTP 503'
    """
    rows = [
        {
            "session": asked[-1],
            "symbol": symbol,
            "providers": SERVICES_JOINED.join(sorted({service for service, _ in reasons.get(symbol, ())})),
            "detail": f"no row of {_spans(sessions, asked)}: "
            + (
                REASONS_JOINED.join(dict.fromkeys(text for _, text in reasons.get(symbol, ())))
                or "no configured service has this table for these sessions"
            ),
        }
        for symbol, sessions in missing.group_by("symbol").agg(pl.col("session").unique().sort()).sort("symbol").rows()
    ]
    if not rows:
        return no_events()
    schema = {"session": pl.Date, "symbol": pl.String, "providers": pl.String, "detail": pl.String}
    return as_events(pl.DataFrame(rows, schema=schema), table, "missing", known_at)


def merged(events: pl.DataFrame) -> pl.DataFrame:
    """Return events with one row per key; sentences and services are joined, the largest deviation is kept.

    Of several sentences that start alike up to the first colon (one service, one kind of error) the first is kept.
    Merging what was merged changes nothing.
    """
    key = TABLES[EVENTS_TABLE].key
    is_repeated = pl.struct("session", "table_name", "symbol", "kind").n_unique() < pl.len()
    if events.is_empty() or not events.select(is_repeated).item():
        return events.sort(key, maintain_order=True)

    def united(column: str, separator: str) -> pl.Expr:
        return pl.col(column).str.split(separator).list.explode().unique().sort().str.join(separator)

    ordered = events.sort("largest_deviation", "value", "chosen", "detail", descending=True, nulls_last=True)
    one = ordered.group_by(key, maintain_order=True).agg(
        united("providers", SERVICES_JOINED),
        pl.when(pl.col("chosen").n_unique() == 1).then(pl.col("chosen").first()),
        pl.col("value", "largest_deviation").first(),
        pl.col("detail").str.split(REASONS_JOINED).list.explode().unique().sort(),
        pl.col("known_at").max(),
        united("provider", SERVICES_JOINED),
        pl.col("synthetic").any(),
    )
    return conform(one.with_columns(pl.col("detail").map_elements(_united, pl.String)), EVENTS_TABLE)


def _united(sentences: pl.Series) -> str:
    by_start: dict[str, str] = {}
    for sentence in sentences:
        by_start.setdefault(sentence.split(":", 1)[0], sentence)
    return REASONS_JOINED.join(by_start.values())


def _spans(sessions: Sequence[dt.date], asked: Sequence[dt.date]) -> str:
    place = {day: number for number, day in enumerate(asked)}
    spans = []
    for _, run in groupby(enumerate(sessions), key=lambda pair: place[pair[1]] - pair[0]):
        days = [day for _, day in run]
        spans.append(str(days[0]) if len(days) == 1 else f"{days[0]} to {days[-1]}")
    return ", ".join(spans)
