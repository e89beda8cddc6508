"""What a provider is: something that returns the rows of a raw table for some sessions, and shows its sources."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import polars as pl

from gnosis.tables import TABLES

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence

REJECTED_SCHEMA = pl.Schema({"session": pl.Date, "rule": pl.String, "found": pl.String, "provider": pl.String})


@dataclass(frozen=True)
class Source:
    """One piece of raw material behind a fetch, for the archive.

    Attributes
    ----------
    name
        Name of the file or response.
    sha256
        Hash of its bytes, hexadecimal.
    content
        The bytes, or None when only the record is archived: the file is the user's own and stays where it is.
    url_or_path
        Where it came from.
    fetched_at
        When it was received (UTC), None when that was not recorded.
    """

    name: str
    sha256: str
    content: bytes | None = field(repr=False)
    url_or_path: str
    fetched_at: dt.datetime | None = None

    @classmethod
    def of_bytes(cls, name: str, content: bytes, url_or_path: str, fetched_at: dt.datetime | None = None) -> Source:
        """Return the source with the hash of ``content``.

        Examples
        --------
        >>> Source.of_bytes("a.csv", b"session,close", "memory").sha256[:12]
        '11c7c49f83ca'
        """
        return cls(name, hashlib.sha256(content).hexdigest(), content, url_or_path, fetched_at)


@dataclass(frozen=True)
class Fetched:
    """What a provider returned.

    Attributes
    ----------
    frame
        Exactly the table's columns and dtypes, sorted by key. Rows may still break the table's rules (a negative
        price, a duplicate key): the caller validates and quarantines them.
    rejected
        Rows that never became rows of the table: ``session`` (the session whose run reports the row: its own, or the
        first one after a date that is none), ``rule``, ``found`` (the row as JSON), ``provider``.
    sources
        The raw material, for the archive.
    """

    frame: pl.DataFrame
    rejected: pl.DataFrame
    sources: tuple[Source, ...]


class Provider(Protocol):
    """One source of raw tables.

    ``fetch`` depends on nothing but its arguments and the provider's data: the rows of a session are the same whatever
    other sessions are asked for with it.
    """

    @property
    def name(self) -> str:
        """Name written in the column ``provider``."""

    @property
    def tables(self) -> frozenset[str]:
        """Tables that it can serve."""

    @property
    def coverage(self) -> Mapping[str, tuple[dt.date, dt.date]]:
        """First and last session of each table, both inclusive."""

    @property
    def first_session(self) -> dt.date:
        """First session for which a run can be made."""

    @property
    def last_session(self) -> dt.date:
        """Last session for which a run can be made."""

    def fetch(self, table: str, sessions: Sequence[dt.date]) -> Fetched:
        """Return the rows of ``table`` for ``sessions``."""


def conform(frame: pl.DataFrame, table: str) -> pl.DataFrame:
    """Return ``frame`` with exactly the table's columns and dtypes, sorted by its key."""
    schema = TABLES[table].polars_schema
    return frame.select(list(schema)).cast(schema).sort(TABLES[table].key, maintain_order=True)
