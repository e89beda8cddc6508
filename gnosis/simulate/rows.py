"""Frames in the shape of the tables they belong to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gnosis.tables import TABLES

if TYPE_CHECKING:
    import polars as pl


def rows_of(table: str, frame: pl.DataFrame) -> pl.DataFrame:
    """Return the columns of ``table`` with their dtypes, sorted by its key."""
    schema = TABLES[table].polars_schema
    return frame.select(list(schema)).cast(schema).sort(TABLES[table].key)
