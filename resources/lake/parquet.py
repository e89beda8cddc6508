"""Frames as Parquet bytes that depend on nothing but the rows, and old bytes read as the table's present columns."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from typing import Literal

import polars as pl

from gnosis.tables import Table
from resources.lake.errors import MigrationNeededError, SchemaMismatchError
from resources.lake.manifest import Entry

ROW_GROUP_ROWS = 122_880
ZSTD_LEVEL = 3

Source = Literal["stored", "cast", "null"]

_INTEGERS: dict[pl.DataType, tuple[int, int]] = {
    pl.Int8(): (-7, 7),
    pl.Int16(): (-15, 15),
    pl.Int32(): (-31, 31),
    pl.Int64(): (-63, 63),
    pl.UInt8(): (0, 8),
    pl.UInt16(): (0, 16),
    pl.UInt32(): (0, 32),
    pl.UInt64(): (0, 64),
}
_EXACT_BITS: dict[pl.DataType, int] = {pl.Float32(): 24, pl.Float64(): 53}


def require_schema(table: Table, frame: pl.DataFrame) -> pl.DataFrame:
    """Return the frame with the table's columns in their order.

    Raises
    ------
    SchemaMismatchError
        Naming every missing, unexpected or differently typed column.
    """
    expected, found = table.polars_schema, frame.schema
    faults = [
        f"column {name}: expected {dtype}, found {found.get(name, 'no such column')}"
        for name, dtype in expected.items()
        if found.get(name) != dtype
    ]
    faults += [f"column {name}: not in the table, found {found[name]}" for name in found if name not in expected]
    if faults:
        raise SchemaMismatchError(
            f"the frame does not fit {table.name}: {'; '.join(faults)}. "
            "Select and cast to TABLES[...].polars_schema, or change the schema class"
        )
    return frame.select(list(expected))


def encode(table: Table, frame: pl.DataFrame) -> bytes:
    """Return the frame as Parquet, sorted by the table's key: the same rows always give the same bytes.

    Raises
    ------
    SchemaMismatchError
        When two rows have the same key.
    """
    ordered = frame.sort(table.key, nulls_last=True).rechunk()
    keys = ordered.select(table.key)
    is_repeated = _equals_row_above(keys)
    if is_repeated.any():
        example = keys.filter(is_repeated).row(0, named=True)
        raise SchemaMismatchError(
            f"{table.name} takes one row per {', '.join(table.key)}; found {is_repeated.sum()} repeated, for example "
            + ", ".join(f"{name}={value}" for name, value in example.items())
        )
    buffer = io.BytesIO()
    ordered.write_parquet(
        buffer, compression="zstd", compression_level=ZSTD_LEVEL, row_group_size=ROW_GROUP_ROWS, statistics=True
    )
    return buffer.getvalue()


def _equals_row_above(keys: pl.DataFrame) -> pl.Series:
    is_first = pl.int_range(pl.len()) == 0
    return keys.select(
        pl.all_horizontal(pl.col(name).eq_missing(pl.col(name).shift()) for name in keys.columns) & ~is_first
    ).to_series()


def sha256(content: bytes) -> str:
    """Return the hexadecimal SHA-256 of some bytes."""
    return hashlib.sha256(content).hexdigest()


def schema_sha256(schema: pl.Schema) -> str:
    """Return the hash of names and dtypes in their order.

    Examples
    --------
    >>> schema_sha256(pl.Schema({"session": pl.Date(), "close": pl.Float64()}))[:12]
    'ddd7a0d62887'
    """
    return sha256(json.dumps([[name, repr(dtype)] for name, dtype in schema.items()]).encode())


def sources(table: Table, period: str, entry: Entry, found: Mapping[str, pl.DataType]) -> dict[str, Source]:
    """Say for each column of the table how a file with the columns ``found`` gives it: stored, cast or null.

    A column that the file lacks is null when it may be; one that the table no longer has is left out; a dtype that
    grew is cast.

    Raises
    ------
    MigrationNeededError
        For anything that would lose or invent a value.
    """
    columns = table.columns
    result: dict[str, Source] = {}
    for name, expected in table.polars_schema.items():
        stored = found.get(name)
        if stored is None and columns[name].nullable:
            result[name] = "null"
        elif stored is not None and is_lossless(stored, expected):
            result[name] = "stored" if stored == expected else "cast"
        else:
            raise MigrationNeededError(
                f"{table.name}, period {period}, column {name}: expected {expected}, found "
                f"{stored or 'no such column, and it may not be null'}. The file was written with an older schema and "
                f"cannot be read as the present one; make these sessions anew: {entry.command}"
            )
    return result


def is_lossless(stored: pl.DataType, expected: pl.DataType) -> bool:
    """Say whether every value of one dtype has the same value in the other.

    Examples
    --------
    >>> is_lossless(pl.Int32(), pl.Float64()), is_lossless(pl.Int64(), pl.Float64()), is_lossless(pl.Int64(), pl.Int8())
    (True, False, False)
    """
    if stored == expected:
        return True
    if isinstance(stored, pl.Enum):
        return isinstance(expected, pl.String) or (
            isinstance(expected, pl.Enum) and set(stored.categories) <= set(expected.categories)
        )
    if stored in _INTEGERS and expected in _INTEGERS:
        (low, high), (expected_low, expected_high) = _INTEGERS[stored], _INTEGERS[expected]
        return expected_low <= low and high <= expected_high
    if expected in _EXACT_BITS:
        bits = _INTEGERS[stored][1] if stored in _INTEGERS else _EXACT_BITS.get(stored)
        return bits is not None and bits <= _EXACT_BITS[expected]
    return False


def present_columns(table: Table, how: Mapping[str, Source]) -> list[pl.Expr]:
    """Return the expressions that read a file as the table's present columns, given :func:`sources`."""
    dtypes = table.polars_schema
    made = {
        "stored": lambda name: pl.col(name),
        "cast": lambda name: pl.col(name).cast(dtypes[name]),
        "null": lambda name: pl.lit(None, dtype=dtypes[name]).alias(name),
    }
    return [made[source](name) for name, source in how.items()]
