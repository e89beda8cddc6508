"""SQL text of the catalog: names, types, and the query of what was known at an instant."""

from __future__ import annotations

import polars as pl

from gnosis.tables import Table
from resources.lake import reading

_TYPES: dict[pl.DataType, str] = {
    pl.Boolean(): "BOOLEAN",
    pl.Int8(): "TINYINT",
    pl.Int16(): "SMALLINT",
    pl.Int32(): "INTEGER",
    pl.Int64(): "BIGINT",
    pl.UInt8(): "UTINYINT",
    pl.UInt16(): "USMALLINT",
    pl.UInt32(): "UINTEGER",
    pl.UInt64(): "UBIGINT",
    pl.Float32(): "FLOAT",
    pl.Float64(): "DOUBLE",
    pl.String(): "VARCHAR",
    pl.Binary(): "BLOB",
    pl.Date(): "DATE",
    pl.Datetime("us"): "TIMESTAMP",
    pl.Datetime("us", "UTC"): "TIMESTAMP WITH TIME ZONE",
}


def as_of_query(table: Table, companion: Table | None) -> str:
    """Return what was known at ``t``; ``companion`` is given when rows of the table were restated."""
    columns, key = ", ".join(map(quoted, table.polars_schema)), ", ".join(map(quoted, table.key))
    rows = view_of(table)
    if companion is not None:
        earlier = (
            f"(SELECT {columns} FROM {view_of(companion)} WHERE NOT is_corrected AND superseded_at > t "
            f"QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY superseded_at) = 1)"
        )
        present = f"SELECT {columns} FROM {rows} ANTI JOIN {earlier} USING ({key})"
        rows = f"({present} UNION ALL SELECT {columns} FROM {earlier})"
    known = f"SELECT {columns} FROM {rows} WHERE known_at <= t"
    subject = ", ".join(map(quoted, reading.vintage_subject(table)))
    if not subject:
        return known
    return f"{known} QUALIFY row_number() OVER (PARTITION BY {subject} ORDER BY known_at DESC, session DESC) = 1"


def sql_type(dtype: pl.DataType) -> str:
    """Return the SQL type in which DuckDB shows a column.

    Raises
    ------
    TypeError
        For a dtype that no table of the house has.

    Examples
    --------
    >>> sql_type(pl.Enum(["C", "P"])), sql_type(pl.List(pl.Float64()))
    ('VARCHAR', 'DOUBLE[]')
    """
    if isinstance(dtype, pl.Enum):
        return "VARCHAR"
    if isinstance(dtype, pl.List):
        return f"{sql_type(dtype.inner)}[]"  # type: ignore[arg-type]
    if dtype not in _TYPES:
        raise TypeError(f"no SQL type for {dtype}; expected one of {', '.join(map(str, _TYPES))}, an enum or a list")
    return _TYPES[dtype]


def view_of(table: Table) -> str:
    """Return the view of a table, ready for a query."""
    return f"{quoted(table.room)}.{quoted(table.short_name)}"


def quoted(text: str) -> str:
    """Return a name as SQL writes it."""
    return '"' + text.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return a text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"


def file_literal(path: str) -> str:
    """Return the path of one file as ``read_parquet`` takes it."""
    # DuckDB reads these characters as patterns; between brackets they stand for themselves.
    return literal("".join(f"[{character}]" if character in "[*?" else character for character in path))
