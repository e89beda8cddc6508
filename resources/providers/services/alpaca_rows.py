"""Answers of Alpaca as typed rows, before any rule of a table is applied.

A field that is nowhere, or of another type, is :class:`SchemaDrift`. A field that single rows lack breaks the rule
``<field>|nullability`` of these rows alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl

from gnosis.sessions import NEW_YORK, schedule
from resources.providers.live.errors import SchemaDrift
from resources.providers.live.known import INSTANT
from resources.providers.rejections import rejected_rows

NAME = "alpaca"
NUMBER, WHOLE, TEXT, TEXTS, DAY = pl.Float64(), pl.Int64(), pl.String(), pl.List(pl.String()), pl.Date()
Parts = tuple[pl.DataFrame, pl.DataFrame]
"""Rows of a table, and rejected rows."""

FORMS = {
    NUMBER: "a number",
    WHOLE: "a whole number",
    TEXT: "a text",
    TEXTS: "a list of texts",
    DAY: "a date as YYYY-MM-DD",
    INSTANT: "an instant as 2026-11-20T21:00:00Z",
}


def typed_rows(
    rows: Iterable[Any], fields: Mapping[str, pl.DataType], expected: str, optional: frozenset[str] = frozenset()
) -> pl.DataFrame:
    """Return rows with exactly these fields and ``rule``, the rule that a row breaks (null for none).

    Parameters
    ----------
    rows
        Mappings from field to value.
    fields
        Type by field: one of :data:`FORMS`.
    expected
        What was asked for, for messages.
    optional
        Fields that rows may lack.

    Raises
    ------
    SchemaDrift
        When something is no mapping, a field is missing in all rows, or has another type in one of them.

    Examples
    --------
    >>> found = [{"ex_date": "2026-11-20", "rate": 7}, {"rate": 8.5}]
    >>> typed_rows(found, {"ex_date": DAY, "rate": NUMBER}, "dividends").rows()
    [(datetime.date(2026, 11, 20), 7.0, None), (None, 8.5, 'ex_date|nullability')]
    """
    found = list(rows)
    if strange := next((row for row in found if not isinstance(row, dict)), None):
        raise _drift(expected, "rows of named fields", repr(strange)[:60])
    if not found:
        return pl.DataFrame(schema={**fields, "rule": pl.String})
    frame = pl.from_dicts(found, infer_schema_length=None)
    required = [name for name in fields if name not in optional]
    if lacking := [name for name in required if name not in frame.columns or frame[name].is_null().all()]:
        raise _drift(expected, f"the fields {', '.join(required)}", f"no {', '.join(lacking)}")
    made = frame.select(
        _typed(frame[name], dtype, expected) if name in frame.columns else pl.lit(None, dtype).alias(name)
        for name, dtype in fields.items()
    )
    rules = [pl.when(pl.col(name).is_null()).then(pl.lit(f"{name}|nullability")) for name in required]
    return made.with_columns(rule=pl.coalesce(rules))


def by_symbol(answer: Any, expected: str) -> list[dict[str, Any]]:
    """Return the rows of lists by symbol, each with its symbol as ``S``.

    Examples
    --------
    >>> by_symbol({"AAA": [{"c": 1.0}], "BBB": []}, "bars")
    [{'S': 'AAA', 'c': 1.0}]
    """
    if not isinstance(answer, dict) or not all(isinstance(rows, list) for rows in answer.values()):
        raise _drift(expected, "lists by symbol", repr(answer)[:60])
    if strange := next((row for rows in answer.values() for row in rows if not isinstance(row, dict)), None):
        raise _drift(expected, "rows of named fields", repr(strange)[:60])
    return [{"S": symbol, **row} for symbol, rows in answer.items() for row in rows]


def parted(rows: pl.DataFrame, date: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the rows that break no rule, without ``rule``, and the others as rejected rows reported by ``date``."""
    broken = rows.filter(pl.col("rule").is_not_null())
    rejected = rejected_rows(broken.drop("rule"), date=date, rule=broken["rule"], provider=NAME)
    return rows.filter(pl.col("rule").is_null()).drop("rule"), rejected


def breaking(condition: pl.Expr, rule: str) -> pl.Expr:
    """Return ``rule`` with ``condition`` noted under that name; a rule broken before keeps its place."""
    return pl.coalesce("rule", pl.when(condition).then(pl.lit(rule))).alias("rule")


def new_york_date(instant: str) -> pl.Expr:
    """Return the date on which an instant (UTC) falls in New York.

    Examples
    --------
    >>> import datetime as dt
    >>> night = pl.DataFrame({"t": [dt.datetime(2026, 11, 20, 3, tzinfo=dt.UTC)]})
    >>> night.select(new_york_date("t")).item()
    datetime.date(2026, 11, 19)
    """
    return pl.col(instant).dt.convert_time_zone(str(NEW_YORK)).dt.date()


def with_hours(rows: pl.DataFrame, session: str = "session") -> pl.DataFrame:
    """Add ``open_at`` and ``close_at`` of a session, null for a date that is none."""
    hours = schedule().select(pl.col("session").alias(session), "open_at", "close_at")
    return rows.join(hours, on=session, how="left", maintain_order="left")


def _typed(column: pl.Series, dtype: pl.DataType, expected: str) -> pl.Series:
    drift = _drift(expected, f"{column.name} as {FORMS[dtype]}", f"{column.drop_nulls().head(1).to_list()}")
    if column.dtype == pl.Null:
        return column.cast(dtype)
    if dtype in (NUMBER, WHOLE):
        if not (column.dtype.is_integer() or (dtype == NUMBER and column.dtype.is_float())):
            raise drift
        return column.cast(dtype)
    if dtype == TEXTS:
        if column.dtype not in (TEXTS, pl.List(pl.Null)):
            raise drift
        return column.cast(dtype)
    if column.dtype != pl.String:
        raise drift
    if dtype == TEXT:
        return column
    read = column.str.to_date("%Y-%m-%d", strict=False) if dtype == DAY else _instants(column)
    if unread := column.filter(read.is_null() & column.is_not_null()).to_list():
        raise _drift(expected, f"{column.name} as {FORMS[dtype]}", repr(unread[0])[:60])
    return read


def _instants(column: pl.Series) -> pl.Series:
    # "%+" is RFC 3339; digits below the microsecond are cut off, never rounded up into the future.
    return column.str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False)


def _drift(expected: str, wanted: str, found: str) -> SchemaDrift:
    advice = "the answer has a new form: look at the archived bytes and report it"
    return SchemaDrift(NAME, f"{expected}: {wanted}", found, advice)
