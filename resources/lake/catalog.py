"""The published face of the lake: ``gnosis.duckdb``, views over the files of one manifest per table.

The catalog holds no rows, only which files are the tables. It is built aside and swapped in by a rename, so that any
number of readers may hold it open: each keeps the picture it opened, whatever is written and published meanwhile.
"""

from __future__ import annotations

import contextlib
import json
import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import polars as pl

from gnosis.tables import Table
from resources.lake import parquet, reading, sql, versions
from resources.lake.errors import CatalogMissingError, DiskFullError, NotLocalError
from resources.lake.manifest import Manifest
from resources.lake.objects import NO_ROOM, is_local, sync_folder

if TYPE_CHECKING:
    from resources.lake.lake import Lake

CATALOG_NAME = "gnosis.duckdb"
CATALOG_FORMAT = 1
RECORDS = "published"


@dataclass(frozen=True)
class Publication:
    """The catalog after a call: its path, whether it was replaced, and how many views and files it names."""

    path: Path
    changed: bool
    views: int
    files: int


def publish(lake: Lake) -> Publication:
    """Build the catalog of the present manifests aside and swap it in.

    Schemas are the rooms, with one view per table, commented with units from the data dictionary; a table that has
    ``known_at`` also has the table macro ``room.table_as_of(t)``, whose rows are those of ``Lake.read(as_of=t)``.
    ``lineage(idea)`` gives the edges behind one idea.
    ``main.tables`` is the data dictionary and ``main.manifest`` says which file holds which period. Nothing is built
    when the catalog shows the present manifests already.

    Raises
    ------
    NotLocalError
        For a home that is not on a local disk.
    MigrationNeededError, CorruptFileError, DiskFullError
        The catalog of before stays.
    """
    path = _local_home(lake) / CATALOG_NAME
    lake.claim_home()
    with lock(lake):
        manifests = {name: lake.manifest(name) for name in lake.dictionary}
        n_files = sum(len(manifest.entries) for manifest in manifests.values())
        record = f"{RECORDS}/{_fingerprint(lake, manifests)}.json"
        is_shown = path.is_file() and _records(lake) == [record]
        if not is_shown:
            _swap_in(lake, path, manifests, record)
    return Publication(path, not is_shown, len(manifests), n_files)


def connect(lake: Lake) -> duckdb.DuckDBPyConnection:
    """Open the published catalog for reading, with instants shown in UTC.

    The connection keeps its picture until it is closed. Inside one process DuckDB shares an open catalog: all
    connections to it must be closed before a newly published one is seen.

    Raises
    ------
    CatalogMissingError
        When nothing was published in this home yet.
    """
    path = _local_home(lake) / CATALOG_NAME
    if not path.is_file():
        raise CatalogMissingError(f"no catalog {path}: nothing was published in this home yet. Run: gnosis run")
    connection = duckdb.connect(str(path), read_only=True)
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def lock(lake: Lake) -> contextlib.AbstractContextManager[None]:
    """Hold the one publisher's lock; a sweep holds it too."""
    return lake.objects.lock(f"{RECORDS}/.lock", lake.lock_timeout_s)


def published_versions(lake: Lake) -> dict[str, set[int]]:
    """Return the versions that the published catalog shows, by table."""
    versions: dict[str, set[int]] = {}
    for record in _records(lake):
        for name, version in json.loads(lake.objects.read(record)).items():
            versions.setdefault(name, set()).add(version)
    return versions


def remove_unfinished(lake: Lake) -> None:
    """Remove catalogs that a killed publisher left half built. The caller holds :func:`lock`."""
    if is_local(lake.home):
        for path in _local_home(lake).glob(f".{CATALOG_NAME}.*"):
            path.unlink()


def _local_home(lake: Lake) -> Path:
    if not is_local(lake.home):
        raise NotLocalError(f"the catalog needs a home on a local disk, found {lake.home}; read tables with Lake.scan")
    return Path(lake.home.path)


def _records(lake: Lake) -> list[str]:
    return [found.key for found in lake.objects.found(RECORDS) if found.key.endswith(".json")]


def _fingerprint(lake: Lake, manifests: Mapping[str, Manifest]) -> str:
    shown = {
        "format": CATALOG_FORMAT,
        "home": str(lake.home),
        "versions": {name: manifest.version for name, manifest in manifests.items()},
        "dictionary": [[table.title, *_dictionary_rows(table)] for table in lake.dictionary.values()],
    }
    return parquet.sha256(json.dumps(shown, sort_keys=True).encode())


def _swap_in(lake: Lake, path: Path, manifests: Mapping[str, Manifest], record: str) -> None:
    # The record of what is shown comes before the swap and those of before go after it: a sweep between two kills
    # protects both the catalog that is and the one that was about to be.
    aside = path.with_name(f".{CATALOG_NAME}.{uuid.uuid4().hex}")
    try:
        _build(lake, aside, manifests)
        versions = {name: manifest.version for name, manifest in manifests.items() if manifest.version}
        lake.objects.write(record, json.dumps(versions).encode())
        lake.objects.settle([record])
        # Whoever opens the catalog for writing would lock everyone else out.
        aside.chmod(0o444)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
        aside.with_name(f"{aside.name}.wal").unlink(missing_ok=True)
    # A log that somebody's writing session left must not be replayed into the new catalog.
    path.with_name(f"{CATALOG_NAME}.wal").unlink(missing_ok=True)
    sync_folder(path.parent)
    for earlier in _records(lake):
        if earlier != record:
            lake.objects.remove(earlier)


def _build(lake: Lake, aside: Path, manifests: Mapping[str, Manifest]) -> None:
    try:
        with contextlib.closing(duckdb.connect(str(aside))) as connection:
            connection.execute("BEGIN")
            for name, manifest in manifests.items():
                _add_view(lake, connection, lake.table(name), manifest)
            for name in manifests:
                _add_macro(lake, connection, lake.table(name), manifests)
            if LINEAGE in manifests:
                connection.execute(f"CREATE MACRO lineage(idea) AS TABLE {_LINEAGE_QUERY}")
            _add_dictionary(lake, connection, manifests)
            connection.execute("COMMIT")
            connection.execute("CHECKPOINT")
        with aside.open("rb") as file:
            os.fsync(file.fileno())
    except duckdb.Error as error:
        if any(os.strerror(code) in str(error) for code in NO_ROOM):
            raise DiskFullError(f"no room to build {aside}; the catalog of before stays. Free some space") from error
        lake.verify()
        raise


def _add_view(lake: Lake, connection: duckdb.DuckDBPyConnection, table: Table, manifest: Manifest) -> None:
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {sql.quoted(table.room)}")
    view = sql.view_of(table)
    connection.execute(f"CREATE VIEW {view} AS {_query(lake, table, manifest)}")
    comments = [f"COMMENT ON VIEW {view} IS {sql.literal(table.title)}"]
    for column in table.polars_schema:
        words = f"{table.description(column)} [{table.unit(column)}]"
        comments.append(f"COMMENT ON COLUMN {view}.{sql.quoted(column)} IS {sql.literal(words)}")
    connection.execute("; ".join(comments))


LINEAGE = "trades.lineage"
_LINEAGE_QUERY = f"SELECT * FROM {LINEAGE} WHERE idea_id = idea ORDER BY depth, child_table, parent_table, parent_row"


def _add_macro(
    lake: Lake, connection: duckdb.DuckDBPyConnection, table: Table, manifests: Mapping[str, Manifest]
) -> None:
    if "known_at" in table.polars_schema:
        companion = versions.companion_of(lake, table)
        is_restated = companion is not None and bool(manifests[companion.name].entries)
        macro = f"{sql.quoted(table.room)}.{sql.quoted(f'{table.short_name}_as_of')}"
        query = sql.as_of_query(table, companion if is_restated else None)
        connection.execute(f"CREATE MACRO {macro}(t) AS TABLE {query}")


def _query(lake: Lake, table: Table, manifest: Manifest) -> str:
    """Return the view's query: one branch per schema that the files were written with."""
    present_sha256 = parquet.schema_sha256(table.polars_schema)
    periods = {period: manifest.entries[period] for period in sorted(manifest.entries)}
    branches = []
    for group in reading.by_schema(periods):
        period, entry = next(iter(group.items()))
        is_present = entry.schema_sha256 == present_sha256
        schema = table.polars_schema if is_present else reading.stored_schema(lake, table, entry)
        how = parquet.sources(table, period, entry, schema)
        keys = (f"{lake.folder(table.name)}/{entry.file}" for entry in group.values())
        files = ", ".join(sql.file_literal(lake.objects.address(key)) for key in keys)
        branches.append(f"SELECT {_columns(table, how)} FROM read_parquet([{files}], hive_partitioning = false)")
    if not branches:
        return f"SELECT {_columns(table, dict.fromkeys(table.polars_schema, 'null'))} WHERE false"
    return " UNION ALL ".join(branches)


def _columns(table: Table, how: Mapping[str, parquet.Source]) -> str:
    dtypes = table.polars_schema
    written = {
        "stored": lambda name: sql.quoted(name),
        "cast": lambda name: f"CAST({sql.quoted(name)} AS {sql.sql_type(dtypes[name])}) AS {sql.quoted(name)}",
        "null": lambda name: f"CAST(NULL AS {sql.sql_type(dtypes[name])}) AS {sql.quoted(name)}",
    }
    return ", ".join(written[source](name) for name, source in how.items())


def _add_dictionary(lake: Lake, connection: duckdb.DuckDBPyConnection, manifests: Mapping[str, Manifest]) -> None:
    names = ["schema_name", "table_name", "column_name", "data_type", "unit", "description"]
    described = [row for table in lake.dictionary.values() for row in _dictionary_rows(table)]
    _add_rows(connection, "tables", pl.DataFrame(described, schema=dict.fromkeys(names, pl.String), orient="row"))
    stored = [
        (
            name,
            period,
            lake.objects.address(f"{lake.folder(name)}/{entry.file}"),
            entry.rows,
            entry.sha256,
            entry.run_id,
        )
        for name, manifest in manifests.items()
        for period, entry in sorted(manifest.entries.items())
    ]
    names = ["table_name", "period", "file", "rows", "sha256", "run_id"]
    dtypes = dict.fromkeys(names, pl.String) | {"rows": pl.Int64}
    _add_rows(connection, "manifest", pl.DataFrame(stored, schema=dtypes, orient="row"))


def _add_rows(connection: duckdb.DuckDBPyConnection, name: str, rows: pl.DataFrame) -> None:
    connection.register("rows_to_add", rows)
    connection.execute(f"CREATE TABLE main.{name} AS SELECT * FROM rows_to_add")
    connection.unregister("rows_to_add")


def _dictionary_rows(table: Table) -> list[tuple[str, ...]]:
    return [
        (table.room, table.short_name, name, sql.sql_type(dtype), table.unit(name), table.description(name))
        for name, dtype in table.polars_schema.items()
    ]
