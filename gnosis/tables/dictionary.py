"""What a table of the house is: its schema, key, storage period and units, and the columns that every table shares."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import dataframely as dy
import polars as pl

from gnosis.engines.regimes import labels

ORIGIN = ("known_at", "provider", "synthetic")
COMPANION_ROOMS = ("quarantine", "superseded")
Period = Literal["day", "month", "year", "all"]


def number(unit: str, description: str, *, nullable: bool = True, **bounds: Any) -> dy.Float64:
    """Return a float column with its unit. Null means unknown; NaN and infinity are never stored."""
    return dy.Float64(nullable=nullable, metadata={"unit": unit}, description=description, **bounds)


def numbers(unit: str, description: str, *, nullable: bool = True) -> dy.List:
    """Return a column of ascending lists of floats with their unit."""
    return dy.List(dy.Float64(nullable=False), nullable=nullable, metadata={"unit": unit}, description=description)


def count(description: str, *, unit: str = "count", nullable: bool = True, **bounds: Any) -> dy.Int64:
    """Return an integer column; counts are not negative unless ``min`` says so."""
    return dy.Int64(
        nullable=nullable,
        metadata={"unit": unit},
        description=description,
        **({"min": 0} | bounds),
    )


def text(description: str, *, nullable: bool = False, **rest: Any) -> dy.String:
    """Return a text column."""
    return dy.String(nullable=nullable, metadata={"unit": "text"}, description=description, **rest)


def label(values: list[str], description: str, *, nullable: bool = True, **rest: Any) -> dy.Enum:
    """Return a column with a closed list of values."""
    return dy.Enum(
        values,
        nullable=nullable,
        metadata={"unit": "label"},
        description=description,
        **rest,
    )


def regime(column: str, description: str) -> dy.Enum:
    """Return the column of a regime: its labels are those of :data:`gnosis.engines.regimes.REGIMES`."""
    return label(labels(column), description)


def instant(description: str, *, nullable: bool = False, **rest: Any) -> dy.Datetime:
    """Return a UTC instant in microseconds."""
    return dy.Datetime(
        nullable=nullable,
        time_unit="us",
        time_zone="UTC",
        metadata={"unit": "UTC"},
        description=description,
        **rest,
    )


def day(description: str, *, nullable: bool = False, **rest: Any) -> dy.Date:
    """Return a date column."""
    return dy.Date(nullable=nullable, metadata={"unit": "date"}, description=description, **rest)


def flag(description: str, *, nullable: bool = False, **rest: Any) -> dy.Bool:
    """Return a boolean column."""
    return dy.Bool(nullable=nullable, metadata={"unit": "bool"}, description=description, **rest)


class Origin(dy.Schema):
    """Where a row comes from and since when it was known."""

    known_at = instant("first moment this row could have been known")
    provider = text("provider of the underlying data; several are joined by '+'")
    synthetic = flag("true when any input of this row was generated rather than observed")


class SymbolSession(dy.Schema):
    """Key of a row about one symbol in one exchange session."""

    session = day("exchange session the row is about", primary_key=True)
    symbol = text("symbol of the underlying", primary_key=True, min_length=1)


class Quarantine(dy.Schema):
    """A row that broke a rule of its table, kept whole as JSON with the rule's name."""

    session = day("session of the run that rejected the row", primary_key=True)
    row_number = count(
        "position of the row among the rejected rows of its session",
        primary_key=True,
        nullable=False,
    )
    rule = text("name of the rule that the row broke; several are joined by ','")
    found = text("the rejected row as JSON, column order of the table")
    provider = text("provider of the row", nullable=True)


@dataclass(frozen=True)
class Table:
    """One stored table.

    Attributes
    ----------
    name
        ``schema.table``.
    schema
        Column definitions and row rules.
    period
        How the rows are cut into files: one file per ``day``, ``month`` or ``year`` of ``session``, or one in ``all``.
    is_published_once
        Rows of a session that are stored are kept: only an explicit demand replaces them.
    is_append_only
        Rows that can be read are never replaced, whatever is demanded: people may have acted on them.
    """

    name: str
    schema: type[dy.Schema]
    period: Period
    is_published_once: bool = False
    is_append_only: bool = False

    @property
    def room(self) -> str:
        """Schema part of the name: raw, greeks, engines, features, models, trades, backtests or a companion room."""
        return self.name.split(".")[0]

    @property
    def is_companion(self) -> bool:
        """True for a table that is written beside another one: its rejected rows, or earlier versions of its rows."""
        return self.room in COMPANION_ROOMS

    @property
    def short_name(self) -> str:
        """Table part of the name."""
        return self.name.split(".")[1]

    @property
    def key(self) -> list[str]:
        """Columns that identify a row, in the order in which files are sorted."""
        return list(self._key)

    @property
    def title(self) -> str:
        """First line of the schema's documentation."""
        return (self.schema.__doc__ or "").strip().splitlines()[0]

    @property
    def polars_schema(self) -> pl.Schema:
        """Names and dtypes of the columns: the key first, then the schema's own, where the row comes from last.

        Always the same object, which thousands ask for each night: copy it to change it.
        """
        return self._polars_schema

    # A schema class takes a millisecond to list its columns, longer than many a function that asks for them.
    @cached_property
    def columns(self) -> Mapping[str, dy.Column]:
        """Definitions of the columns by name."""
        return self.schema.columns()

    @cached_property
    def _key(self) -> tuple[str, ...]:
        return tuple(self.schema.primary_key())

    @cached_property
    def _polars_schema(self) -> pl.Schema:
        columns = self.columns
        told = [name for name in columns if name not in self._key and name not in ORIGIN]
        # What the schema says itself stands before what it takes over from its parts.
        told.sort(key=lambda name: name not in vars(self.schema))
        ordered = [*self._key, *told, *(name for name in ORIGIN if name in columns and name not in self._key)]
        return pl.Schema({name: columns[name].dtype for name in ordered})

    def unit(self, column: str) -> str:
        """Return the unit of a column."""
        return str((self.columns[column].metadata or {})["unit"])

    def description(self, column: str) -> str:
        """Return the description of a column."""
        return self.columns[column].description or ""

    def empty(self) -> pl.DataFrame:
        """Return a frame with the table's columns and no rows."""
        return pl.DataFrame(schema=self.polars_schema)


def quarantine_table(table: Table) -> Table:
    """Return the quarantine table that belongs to ``table``."""
    return Table(f"quarantine.{table.room}_{table.short_name}", Quarantine, period="year")


def superseded_table(table: Table) -> Table:
    """Return the table of the earlier versions of rows of ``table``, each with the instant that ended it."""

    def columns(namespace: dict[str, Any]) -> None:
        namespace["__doc__"] = (
            f"Earlier versions of restated rows of {table.name}, whole, with the instant that ended each."
        )
        namespace["superseded_at"] = instant("when another version of the row was learnt", primary_key=True)
        namespace["is_corrected"] = flag(
            "true when a correction of history replaced it: it is not read as of any instant"
        )

    schema = types.new_class(f"Superseded{table.schema.__name__}", (table.schema,), exec_body=columns)
    return Table(f"superseded.{table.room}_{table.short_name}", schema, period=table.period)
