"""Rows of ``raw.quality_events`` about answers: what is missing, who failed, what could not be confirmed."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Sequence
from functools import cache

import polars as pl

from gnosis.sessions import schedule
from gnosis.tables import TABLES
from resources.providers.live.errors import FetchError
from resources.providers.protocol import conform

EVENTS_TABLE = "raw.quality_events"
REASONS_JOINED = " | "
SERVICES_JOINED = "+"
SAID_OF_SERVICE = re.compile(r"\S+ \w+: ")
"""How :func:`reason` begins: name of the service, which may hold a colon, and kind of the error."""
NO_SERVICE = "no configured service has this table for these sessions"


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
    table: str, failed: pl.DataFrame, errors: Sequence[FetchError], chosen: str, known_at: dt.datetime
) -> pl.DataFrame:
    """Return one event per session that an ask moved on to ``chosen``, and one more when an answer had a new form.

    Parameters
    ----------
    failed
        ``session`` and ``fault``: the places in ``errors`` of those who failed in the session; no row for no event.
    """
    is_drift = [place for place, error in enumerate(errors) if type(error).__name__ == "SchemaDrift"]
    whole = failed.select(symbol=pl.lit(""), session="session", fault="fault")
    drift = whole.filter(pl.col("fault").is_in(is_drift))
    moved = _told(whole, errors).with_columns(chosen=pl.lit(chosen))
    return pl.concat(
        [
            as_events(moved, table, "failover", known_at),
            as_events(_told(drift, errors), table, "schema_drift", known_at),
        ]
    )


def missing_events(
    table: str, missing: pl.DataFrame, faults: pl.DataFrame, errors: Sequence[FetchError]
) -> pl.DataFrame:
    """Return one event per cell that nobody served, known at the close of its session.

    So a session has the same events whatever else was asked for with it, and whenever it is asked for again.

    Parameters
    ----------
    missing
        ``symbol``, ``session`` of what is missing.
    faults
        ``symbol``, ``session`` and ``fault``: the places in ``errors`` of those who did not serve the cell.

    Examples
    --------
    >>> from resources.providers.live.errors import Transient
    >>> gone = pl.DataFrame({"symbol": ["AAA"], "session": [dt.date(2012, 12, 28)]})
    >>> down = Transient("b", "bars of AAA", "HTTP 503", "asked again later")
    >>> missing_events("raw.equity_bars", gone, gone.with_columns(fault=0), [down])["detail"].item()
    'b Transient: HTTP 503; asked again later'
    """
    by_cell = missing.select("symbol", "session").join(faults, on=["symbol", "session"], how="left")
    closes = schedule().select("session", known_at="close_at")
    told = _told(by_cell, errors).join(closes, on="session", how="left", maintain_order="left")
    return as_events(told, table, "missing", pl.col("known_at"))


def _told(by_cell: pl.DataFrame, errors: Sequence[FetchError]) -> pl.DataFrame:
    # Services and sentences of each cell. Cells of one ask share their faults: sentences are made once for all of them.
    told = pl.col("fault").cast(pl.String).str.join(",")
    cells = by_cell.group_by("symbol", "session").agg(faults=told)
    words = {}
    for faults in cells["faults"].unique():
        those = [errors[int(place)] for place in faults.split(",") if place]
        services = SERVICES_JOINED.join(sorted({error.service for error in those}))
        words[faults] = (services, _united(sorted(map(reason, those))) or NO_SERVICE)
    rows = [(faults, *both) for faults, both in words.items()]
    schema = {"faults": pl.String, "providers": pl.String, "detail": pl.String}
    texts = pl.DataFrame(rows, schema=schema, orient="row")
    return cells.join(texts, on="faults", maintain_order="left").drop("faults")


def merged(events: pl.DataFrame) -> pl.DataFrame:
    """Return events with one row per key; sentences and services are joined, the largest deviation is kept.

    Of several sentences of one service about one kind of error the first is kept. Merging what was merged changes
    nothing.
    """
    key = TABLES[EVENTS_TABLE].key
    is_repeated = pl.struct("session", "table_name", "symbol", "kind").n_unique() < pl.len()
    if events.is_empty() or not events.select(is_repeated).item():
        return events.sort(key, maintain_order=True)

    def united(column: str, separator: str) -> pl.Expr:
        return pl.col(column).str.split(separator).list.explode().unique().sort().str.join(separator)

    # Parts of one fetch say the same of a session, each at its receipt.
    alike = events.group_by(pl.exclude("known_at")).agg(pl.col("known_at").max()).select(events.columns)
    ordered = alike.sort("largest_deviation", "value", "chosen", "detail", descending=True, nulls_last=True)
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


def _united(sentences: Iterable[str]) -> str:
    by_start: dict[str, str] = {}
    for sentence in sentences:
        start = SAID_OF_SERVICE.match(sentence)
        by_start.setdefault(start.group() if start else sentence, sentence)
    return REASONS_JOINED.join(by_start.values())
