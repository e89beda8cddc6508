"""The lake: tables as immutable Parquet with a manifest per table and a swapped catalog for SQL.

``lake/<room>/<table>/<period>/<sha256>.parquet`` holds the rows and is never changed; ``manifest.json`` beside the
periods says which file is which period, and replacing it is the commit; ``gnosis.duckdb`` shows all of it as views.

Limits: one writer per table at a time (others wait); files are read whole when a period is rewritten in part, so a
period should fit in memory several times; the catalog needs a local disk.
"""

from resources.lake.errors import (
    CatalogMissingError,
    CorruptFileError,
    DiskFullError,
    LakeBusyError,
    LakeError,
    MigrationNeededError,
    NewerHomeError,
    NotLocalError,
    SchemaMismatchError,
    SessionMismatchError,
    UnknownTableError,
    VersionNotFoundError,
)
from resources.lake.lake import Lake
from resources.lake.manifest import Entry, Manifest
from resources.lake.versions import Changes, Correction
from resources.lake.writing import Commit

__all__ = [
    "CatalogMissingError",
    "Changes",
    "Commit",
    "Correction",
    "CorruptFileError",
    "DiskFullError",
    "Entry",
    "Lake",
    "LakeBusyError",
    "LakeError",
    "Manifest",
    "MigrationNeededError",
    "NewerHomeError",
    "NotLocalError",
    "SchemaMismatchError",
    "SessionMismatchError",
    "UnknownTableError",
    "VersionNotFoundError",
]
