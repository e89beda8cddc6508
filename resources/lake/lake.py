"""The lake: every table of the house as immutable Parquet files that a manifest names.

A reader sees the files of one manifest and nothing else; a writer adds files and then replaces the manifest, under one
lock per table. A process killed at any moment leaves the old table or the new one.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from upath import UPath

from gnosis.tables import TABLES, Table
from resources.lake import reading, verification, versions, writing
from resources.lake.errors import UnknownTableError, VersionNotFoundError
from resources.lake.manifest import FORMAT_VERSION, Entry, Manifest, require_known_format
from resources.lake.objects import Objects, is_local, objects_at

if TYPE_CHECKING:
    import duckdb

    from resources.lake.catalog import Publication
    from resources.lake.retention import Sweep

FORMAT_KEY = "format.json"


class Lake:
    """Tables of one home folder.

    Parameters
    ----------
    home
        Folder that holds ``lake/`` and ``gnosis.duckdb``; made at the first write.
    dictionary
        Tables that the lake may hold.
    lock_timeout_s
        Seconds to wait for another writer of the same table.

    Examples
    --------
    >>> import tempfile
    >>> lake, day = Lake(tempfile.mkdtemp()), dt.date(2012, 3, 14)
    >>> row = {"session": day, "row_number": 0, "rule": "high_is_highest", "found": "{}", "provider": "example"}
    >>> frame = pl.DataFrame([row], schema=TABLES["quarantine.raw_equity_bars"].polars_schema)
    >>> commit = lake.write("quarantine.raw_equity_bars", frame, [day], run_id="first")
    >>> commit.version, commit.changed, lake.read("quarantine.raw_equity_bars")["rule"].to_list()
    (1, True, ['high_is_highest'])
    """

    def __init__(
        self,
        home: Path | UPath | str,
        dictionary: Mapping[str, Table] = TABLES,
        lock_timeout_s: float = 600.0,
    ) -> None:
        path = UPath(home)
        self.home: UPath = path.absolute() if is_local(path) else path
        self.dictionary = dictionary
        self.lock_timeout_s = lock_timeout_s
        self.objects: Objects = objects_at(self.home / "lake")

    def __repr__(self) -> str:
        return f"Lake({str(self.home)!r})"

    def __getstate__(self) -> dict[str, object]:
        # The dictionary of the house is wherever this software is, and some of its schema classes are made there.
        return vars(self) | {"dictionary": None if self.dictionary is TABLES else self.dictionary}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state | {"dictionary": TABLES if state["dictionary"] is None else state["dictionary"]})

    def table(self, name: str) -> Table:
        """Return a table of the dictionary; UnknownTableError without it."""
        if name not in self.dictionary:
            raise UnknownTableError(f"no table {name!r}; the dictionary has {', '.join(sorted(self.dictionary))}")
        return self.dictionary[name]

    def folder(self, table_name: str) -> str:
        """Return the key of a table's folder: ``room/table``."""
        table = self.table(table_name)
        return f"{table.room}/{table.short_name}"

    def tables(self) -> list[str]:
        """Return the names of the tables that were written at least once."""
        return [name for name in self.dictionary if self.objects.exists(f"{self.folder(name)}/manifest.json")]

    def manifest(self, table_name: str, version: int | None = None) -> Manifest:
        """Return the manifest of a table, at its present version or an earlier one.

        Raises
        ------
        NewerHomeError
            When a later version of this software wrote the home or the table.
        VersionNotFoundError
            When that version was never committed or has been retired.
        """
        self._require_known_home()
        key = f"{self.folder(table_name)}/manifest.json"
        present = self._load(key) if self.objects.exists(key) else Manifest(table_name)
        if version is None or version == present.version:
            return present
        kept = self.kept_versions(table_name)
        if version not in kept:
            raise VersionNotFoundError(
                f"{table_name} has no version {version}: it is at version {present.version} and keeps {kept}"
            )
        return self._load(self.kept_key(table_name, version))

    def kept_key(self, table_name: str, version: int) -> str:
        """Return the key under which a superseded manifest is kept."""
        return f"{self.folder(table_name)}/manifests/{version}.json"

    def kept_versions(self, table_name: str) -> list[int]:
        """Return the versions that can be read, sorted; the present one is the last."""
        present = self.manifest(table_name).version
        listing = self.objects.found(f"{self.folder(table_name)}/manifests")
        names = [Path(found.key).stem for found in listing if found.key.endswith(".json")]
        return sorted({int(name) for name in names if int(name) < present} | {present} - {0})

    def sessions(self, table_name: str) -> list[dt.date]:
        """Return the materialised sessions of a table, sorted; those without any row are among them."""
        return self.manifest(table_name).sessions

    def write(
        self,
        table_name: str,
        frame: pl.DataFrame,
        sessions: Sequence[dt.date] | None,
        run_id: str,
        learnt_at: versions.LearntAt | None = None,
        correction: versions.Correction | None = None,
    ) -> writing.Commit:
        """Replace the rows of some sessions, or of the whole table, in one commit.

        Parameters
        ----------
        table_name
            ``room.table``.
        frame
            Rows with exactly the columns and dtypes of the table, in any order.
        sessions
            Sessions to replace; those without rows in ``frame`` become empty. None for a table stored as one file,
            which is replaced as a whole.
        run_id
            Run that writes, kept in the manifest.
        learnt_at
            When the rows were learnt, or the clock to be read once the table's lock is held. Rows of a raw table that
            they change are then kept as superseded versions, and what they say counts as known from this instant on;
            see :func:`versions.learn`. Without it they simply take the place of what was stored.
        correction
            Rows that come with other values keep their own ``known_at``, and no version before is read any more.

        Raises
        ------
        SchemaMismatchError
            For wrong columns or dtypes, or a repeated key.
        SessionMismatchError
            For rows outside ``sessions``.
        CorruptFileError, MigrationNeededError
            When the other sessions of a period that is rewritten in part cannot be read.
        DiskFullError, LakeBusyError, NewerHomeError
            Nothing is committed and the stored data is untouched.
        """
        return writing.write(self, self.table(table_name), frame, sessions, run_id, learnt_at, correction)

    def scan(
        self,
        table_name: str,
        first: dt.date | None = None,
        last: dt.date | None = None,
        symbols: Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
        version: int | None = None,
        as_of: dt.datetime | None = None,
        night_of: reading.NightOf | None = None,
    ) -> pl.LazyFrame:
        """Return rows lazily, from the files of one manifest that can hold them.

        Parameters
        ----------
        first, last
            First and last session, both inclusive.
        symbols
            Symbols to keep.
        columns
            Columns to return; all by default.
        version
            Version of the table; the present one by default.
        as_of
            Keep what was known at this instant: rows with ``known_at`` up to it, of a row restated later the version
            current then. Of tables that store vintages (``known_at`` is in their key) only the latest vintage known
            then is kept.
        night_of
            Choose of each restated row the version that was current when the night of this session decided, 15
            minutes before its close, or the row's earliest version where it became known only later; with
            ``"newest"`` the present one. ``known_at`` is that of the first version. No other row is left out.

        Raises
        ------
        ValueError
            For a filter on a column that the table does not have, an instant without a time zone, or more than one of
            ``version``, ``as_of`` and ``night_of``.
        MigrationNeededError
            When a period was written with columns that cannot be read as the present ones.
        """
        rows = reading.scan(self, table_name, first, last, symbols, version, as_of, night_of)
        return rows if columns is None else rows.select(columns)

    def read(
        self,
        table_name: str,
        first: dt.date | None = None,
        last: dt.date | None = None,
        symbols: Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
        version: int | None = None,
        as_of: dt.datetime | None = None,
        night_of: reading.NightOf | None = None,
    ) -> pl.DataFrame:
        """Return rows sorted by the table's key; the parameters are those of :meth:`scan`.

        Raises
        ------
        CorruptFileError
            When a file is missing, cut short or unreadable. Only :meth:`verify` compares every hash.
        """
        try:
            rows = reading.scan(self, table_name, first, last, symbols, version, as_of, night_of)
            rows = rows.sort(self.table(table_name).key, nulls_last=True)
            return (rows if columns is None else rows.select(columns)).collect()
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError):
            self.verify(table_name, version)
            if companion := versions.companion_of(self, self.table(table_name)):
                self.verify(companion.name)
            raise

    def restatements(self, table_name: str, last: dt.date | None = None) -> pl.DataFrame:
        """Return ``session`` and ``learnt_at`` of each instant at which rows up to a session became others."""
        return reading.restatements(self, self.table(table_name), last)

    def verify(self, table_name: str | None = None, version: int | None = None) -> int:
        """Read every file of a table, or of all, and compare its hash; see :func:`verification.verify`."""
        return verification.verify(self, table_name, version)

    def content(self, table_name: str, period: str, entry: Entry) -> bytes:
        """Return the bytes of a period's file after comparing their hash; CorruptFileError when they differ."""
        return verification.content(self, table_name, period, entry)

    def summary(self) -> pl.DataFrame:
        """Return one line per written table: version, rows, sessions, first and last session, files, bytes."""
        lines = []
        for name in self.tables():
            manifest = self.manifest(name)
            entries, sessions = manifest.entries.values(), manifest.sessions
            n_rows, size_bytes = sum(entry.rows for entry in entries), sum(entry.size_bytes for entry in entries)
            first, last = min(sessions, default=None), max(sessions, default=None)
            lines.append((name, manifest.version, n_rows, len(sessions), first, last, len(entries), size_bytes))
        columns = ["table", "version", "rows", "sessions", "first", "last", "files", "bytes"]
        dtypes = {"table": pl.String(), "first": pl.Date(), "last": pl.Date()}
        return pl.DataFrame(lines, schema={name: dtypes.get(name, pl.Int64()) for name in columns}, orient="row")

    def publish_catalog(self) -> Publication:
        """Build ``gnosis.duckdb`` from the present manifests and swap it in; see :func:`catalog.publish`."""
        from resources.lake import catalog

        return catalog.publish(self)

    def connect(self) -> duckdb.DuckDBPyConnection:
        """Open the published catalog for reading; see :func:`catalog.connect`."""
        from resources.lake import catalog

        return catalog.connect(self)

    def sweep(
        self,
        keep_versions: int = 3,
        older_than: dt.timedelta = dt.timedelta(days=7),
        grace: dt.timedelta = dt.timedelta(hours=1),
    ) -> Sweep:
        """Retire superseded versions and what killed writers left; see :func:`retention.sweep`."""
        from resources.lake import retention

        return retention.sweep(self, keep_versions, older_than, grace)

    def lock(self, table_name: str) -> AbstractContextManager[None]:
        """Hold the one writer's lock of a table; LakeBusyError after ``lock_timeout_s``."""
        return self.objects.lock(f"{self.folder(table_name)}/.lock", self.lock_timeout_s)

    def commit(self, before: Manifest, after: Manifest) -> None:
        """Replace a table's manifest, keeping the superseded one addressable. The caller holds the table's lock."""
        key = f"{self.folder(after.table)}/manifest.json"
        if before.version:
            kept_key = self.kept_key(after.table, before.version)
            self.objects.keep(key, kept_key)
            self.objects.settle([kept_key])
        self.objects.write(key, after.to_json())
        self.objects.settle([key])

    def claim_home(self) -> None:
        """Mark a home with the format of the files that are written now; NewerHomeError for one of a later version."""
        if self._require_known_home() != FORMAT_VERSION:
            self.objects.write(FORMAT_KEY, json.dumps({"format_version": FORMAT_VERSION}).encode())
            self.objects.settle([FORMAT_KEY])

    def _require_known_home(self) -> int | None:
        if not self.objects.exists(FORMAT_KEY):
            return None
        found: int = json.loads(self.objects.read(FORMAT_KEY))["format_version"]
        require_known_format(found, self.objects.address(FORMAT_KEY))
        return found

    def _load(self, key: str) -> Manifest:
        return Manifest.from_json(self.objects.read(key), self.objects.address(key))
