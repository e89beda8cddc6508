"""Records of an answer in JSON, read field by field: what is missing or mistyped is named, never made up."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from resources.providers.live.access import Access
from resources.providers.live.errors import SchemaDrift
from resources.providers.live.service import Ask
from resources.providers.rejections import no_rejections, rejected_rows

DTYPES: Mapping[type, pl.DataType] = {str: pl.String(), int: pl.Int64(), float: pl.Float64()}
_REPORT = "the answer has a new form: look at the archived bytes and report it"


@dataclass(frozen=True)
class Field:
    """Where a value stands in a record, and what it must be.

    Attributes
    ----------
    path
        Names from the outside in, with dots between them.
    kind
        ``str``, ``int`` or ``float``; a whole number is a float too.
    is_nullable
        True when the value, or what it stands in, may be null. It must be there all the same.
    is_optional
        True when it may be missing as well.
    """

    path: str
    kind: type
    is_nullable: bool = False
    is_optional: bool = False


def read_records(
    access: Access, expected: str, records: Any, fields: Mapping[str, Field]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return a column per field, and the records in which a field is missing or mistyped.

    Parameters
    ----------
    records
        List of objects as the service sent them.
    fields
        By column.

    Returns
    -------
    rows : polars.DataFrame
        One row per good record, in their order.
    malformed : polars.DataFrame
        ``position`` of the record, ``field`` (path), ``found`` (type; never the value, which may name an author).

    Raises
    ------
    SchemaDrift
        When there is no list, or there are records and none is good: then the form of the answer has changed.

    Examples
    --------
    >>> records = [{"id": 7, "user": {"id": 1}}, {"id": "7", "user": {"id": 1}}]
    >>> rows, malformed = read_records(
    ...     Access("example"), "posts", records, {"post_id": Field("id", int), "author": Field("user.id", int)}
    ... )
    >>> rows.rows(), malformed.rows()
    ([(7, 1)], [(1, 'id', 'str')])
    """
    if not isinstance(records, list):
        raise SchemaDrift(access.service, f"{expected} as a list", type(records).__name__, _REPORT)
    columns: dict[str, list[Any]] = {name: [] for name in fields}
    faults = []
    for position, record in enumerate(records):
        values = {name: _value(record, field) for name, field in fields.items()}
        wrong = next((name for name, value in values.items() if isinstance(value, _Fault)), None)
        if wrong is not None:
            faults.append((position, fields[wrong].path, values[wrong].found))
            continue
        for name, value in values.items():
            columns[name].append(value)
    if records and len(faults) == len(records):
        _, path, found = faults[0]
        field = next(field for field in fields.values() if field.path == path)
        raise SchemaDrift(access.service, f"{path} of {expected} to be {field.kind.__name__}", found, _REPORT)
    rows = pl.DataFrame(columns, schema={name: DTYPES[field.kind] for name, field in fields.items()})
    malformed = pl.DataFrame(
        faults, schema={"position": pl.Int64, "field": pl.String, "found": pl.String}, orient="row"
    )
    return rows, malformed


@dataclass(frozen=True)
class _Fault:
    found: str


def _value(record: Any, field: Field) -> Any:
    value = record
    for name in field.path.split("."):
        if value is None:
            break
        if not isinstance(value, Mapping):
            return _Fault(type(value).__name__)
        if name not in value:
            return None if field.is_optional else _Fault("nothing")
        value = value[name]
    if value is None:
        return None if field.is_nullable or field.is_optional else _Fault("null")
    kinds = (int, float) if field.kind is float else (field.kind,)
    if isinstance(value, bool) or not isinstance(value, kinds):
        return _Fault(type(value).__name__)
    if isinstance(value, str) and not _is_unicode(value):
        return _Fault("half a character")
    if isinstance(value, float) and not math.isfinite(value):
        return _Fault(str(value))
    return value


def _is_unicode(text: str) -> bool:
    # JSON can hold half of a surrogate pair, where a text was cut within an emoji; no file can.
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def set_aside(malformed: pl.DataFrame, ask: Ask, symbol: str | None, provider: str) -> pl.DataFrame:
    """Return malformed records as rejected rows of the last session asked for; the rule is ``<field>|type``."""
    if malformed.is_empty():
        return no_rejections()
    rows = malformed.with_columns(symbol=pl.lit(symbol, dtype=pl.String), session=pl.lit(ask.sessions[-1]))
    return rejected_rows(rows, date="session", rule=(rows["field"] + "|type").alias("rule"), provider=provider)


def set_aside_undated(rows: pl.DataFrame, field: str, ask: Ask, provider: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the rows that have a ``ts``, and the others as rejected rows with the rule ``<field>|format``.

    Parameters
    ----------
    rows
        With ``symbol``, ``ts`` and ``stamp``, the text that ``ts`` was read from.
    """
    undated = rows.filter(pl.col("ts").is_null()).select("symbol", "stamp", session=pl.lit(ask.sessions[-1]))
    dated = rows.filter(pl.col("ts").is_not_null()).drop("stamp")
    return dated, rejected_rows(undated, date="session", rule=f"{field}|format", provider=provider)
