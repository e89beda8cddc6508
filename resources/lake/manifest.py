"""The manifest of a table: which immutable file holds which period. Replacing it is the commit, and nothing else is."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from resources.lake.errors import NewerHomeError

FORMAT_VERSION = 2
"""Format 2 keeps versions of restated rows, which software of format 1 would leave out and overwrite."""


@dataclass(frozen=True)
class Entry:
    """One period of a table.

    Attributes
    ----------
    file
        Path of the Parquet file below the table's folder: ``period/content-hash.parquet``.
    rows, size_bytes
        Rows and bytes of the file.
    sha256
        Hash of the file's bytes.
    schema_sha256
        Hash of the columns and dtypes it was written with.
    run_id
        Run that wrote the file.
    sessions
        Sessions materialised in this period, those without any row included; empty in tables that have no periods.
    known_at_min, known_at_max
        Range of ``known_at`` in the file; None without rows or without that column.
    """

    file: str
    rows: int
    size_bytes: int
    sha256: str
    schema_sha256: str
    run_id: str
    sessions: tuple[dt.date, ...]
    known_at_min: dt.datetime | None = None
    known_at_max: dt.datetime | None = None

    def same_content(self, other: Entry | None) -> bool:
        """Say whether the other entry holds the same rows of the same sessions, whoever wrote them."""
        return other is not None and (self.sha256, self.schema_sha256, self.sessions) == (
            other.sha256,
            other.schema_sha256,
            other.sessions,
        )

    @property
    def command(self) -> str:
        """Command that makes this period anew."""
        if not self.sessions:
            return "gnosis run --again"
        return f"gnosis run --from {min(self.sessions)} --to {max(self.sessions)} --again"


@dataclass(frozen=True)
class Manifest:
    """All periods of a table at one version; version 0 is the table before its first commit."""

    table: str
    version: int = 0
    schema_sha256: str = ""
    committed_at: dt.datetime | None = None
    entries: Mapping[str, Entry] = field(default_factory=dict)

    @property
    def sessions(self) -> list[dt.date]:
        """All materialised sessions, sorted."""
        return sorted(session for entry in self.entries.values() for session in entry.sessions)

    @property
    def files(self) -> list[str]:
        """Files of all periods, in the order of the periods."""
        return [self.entries[period].file for period in sorted(self.entries)]

    def to_json(self) -> bytes:
        """Return the manifest as JSON, one line per period so that people can read and compare it."""
        head = {
            "format_version": FORMAT_VERSION,
            "table": self.table,
            "version": self.version,
            "schema_sha256": self.schema_sha256,
            "committed_at": _text(self.committed_at),
        }
        lines = [
            f"{json.dumps(period)}: {json.dumps(_plain(self.entries[period]), sort_keys=True)}"
            for period in sorted(self.entries)
        ]
        opening = json.dumps(head)[:-1] + ', "entries": {'
        return (opening + "\n" + ",\n".join(lines) + "\n}}\n").encode()

    @classmethod
    def from_json(cls, content: bytes, address: str) -> Manifest:
        """Read a manifest; ``address`` is named when it cannot be used.

        Raises
        ------
        NewerHomeError
            When a later version of this software wrote it.
        """
        return _parsed(content, address)


# A night asks some hundred times for the same few manifests, and those of daily files are long.
@lru_cache(maxsize=128)
def _parsed(content: bytes, address: str) -> Manifest:
    found = json.loads(content)
    require_known_format(found["format_version"], address)
    return Manifest(
        table=found["table"],
        version=found["version"],
        schema_sha256=found["schema_sha256"],
        committed_at=_instant(found["committed_at"]),
        entries=MappingProxyType({period: _entry(values) for period, values in found["entries"].items()}),
    )


def require_known_format(found: int, address: str) -> None:
    """Raise NewerHomeError when ``found`` is a format that this version does not know."""
    if found > FORMAT_VERSION:
        raise NewerHomeError(
            f"{address} has format {found}, this version knows formats up to {FORMAT_VERSION}: the home was written "
            "by a later version of gnosis. Update gnosis, or set GNOSIS_HOME to another folder; nothing was changed"
        )


def _plain(entry: Entry) -> dict[str, Any]:
    return vars(entry) | {
        "sessions": [session.isoformat() for session in entry.sessions],
        "known_at_min": _text(entry.known_at_min),
        "known_at_max": _text(entry.known_at_max),
    }


def _entry(values: dict[str, Any]) -> Entry:
    return Entry(
        **values
        | {
            "sessions": tuple(map(dt.date.fromisoformat, values["sessions"])),
            "known_at_min": _instant(values["known_at_min"]),
            "known_at_max": _instant(values["known_at_max"]),
        }
    )


def _text(instant: dt.datetime | None) -> str | None:
    return instant.isoformat() if instant else None


def _instant(text: str | None) -> dt.datetime | None:
    return dt.datetime.fromisoformat(text) if text else None
