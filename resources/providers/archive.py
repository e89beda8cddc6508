"""The raw archive: what providers sent, byte for byte, so that parsing can be repeated without fetching.

Contents are addressed by their SHA-256 and compressed once; beside each lies a small JSON record. Equal bytes are kept
once, and putting them again changes no byte on disk.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from resources.providers.protocol import Source


class DamagedArchiveError(Exception):
    """An archived content no longer has the hash under which it was filed."""


class Archive:
    """Content-addressed archive of provider bytes below one folder.

    Layout: ``<provider>/<schema.table>/<sha256>.gz`` and ``<sha256>.json``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._unsettled: list[Path] = []

    def put(self, provider: str, table: str, source: Source, *, settles: bool = True) -> Path:
        """File one source and return the path of its record.

        It survives a killed process at once, and a power cut when this returns; without ``settles`` only after
        :meth:`settle`, which forces many to the disk in the time of few.

        The record holds name, hash, origin, receipt time and size. A source without content (a file that stays with
        its owner) gets a record only. A record that exists is left as it is: the first receipt counts.

        Raises
        ------
        DamagedArchiveError
            When the bytes do not have the stated hash.
        """
        folder = self.folder / provider / table
        folder.mkdir(parents=True, exist_ok=True)
        record = folder / f"{source.sha256}.json"
        if source.content is not None:
            _require_hash(source.content, source.sha256, source.url_or_path)
            content = folder / f"{source.sha256}.gz"
            if not content.exists():
                _write(content, gzip.compress(source.content, compresslevel=6, mtime=0))
                self._unsettled.append(content)
        if not record.exists():
            facts = {
                "name": source.name,
                "sha256": source.sha256,
                "url_or_path": source.url_or_path,
                "fetched_at": source.fetched_at.isoformat() if source.fetched_at else None,
                "bytes": len(source.content) if source.content is not None else None,
                "kept": source.content is not None,
            }
            _write(record, (json.dumps(facts, indent=1, sort_keys=True) + "\n").encode())
            self._unsettled.append(record)
        if settles:
            self.settle()
        return record

    def settle(self) -> None:
        """Force what was filed to the disk."""
        while self._unsettled:
            with self._unsettled.pop().open("rb") as file:
                os.fsync(file.fileno())

    def get(self, provider: str, table: str, sha256: str) -> bytes:
        """Return the archived bytes with this hash.

        Raises
        ------
        FileNotFoundError
            When they were never filed, or only their record was.
        DamagedArchiveError
            When the file on disk was damaged.
        """
        path = self.folder / provider / table / f"{sha256}.gz"
        try:
            content = gzip.decompress(path.read_bytes())
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise DamagedArchiveError(f"{path}: expected gzip, found {error}; restore the file") from error
        _require_hash(content, sha256, str(path))
        return content


def _require_hash(content: bytes, sha256: str, origin: str) -> None:
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise DamagedArchiveError(f"{origin}: expected bytes with SHA-256 {sha256}, found {found}; fetch them again")


def _write(path: Path, content: bytes) -> None:
    # Written aside and renamed, so that a killed process never leaves half a file under a valid name.
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.write_bytes(content)
    aside.replace(path)
