"""Objects of the lake, named by keys below one root: durable on a local disk, plain elsewhere.

An object appears under its name whole or not at all. On a local disk that takes a temporary file, ``fsync``, a rename
and an ``fsync`` of the folder; an object store gives it with every put. Nothing here knows what the bytes mean.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import os
import time
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from filelock import FileLock, Timeout
from upath import UPath

from resources.lake.errors import DiskFullError, LakeBusyError

TEMPORARY_SUFFIX = ".tmp"
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@dataclass(frozen=True)
class Found:
    """One stored object: its key, size in bytes and the moment it was last written."""

    key: str
    size_bytes: int
    modified_at: dt.datetime


class Objects(Protocol):
    """What the lake asks of a place that keeps bytes."""

    def address(self, key: str) -> str:
        """Return the absolute path or URL of a key."""

    def scannable(self, key: str) -> str | bytes:
        """Return what Polars can scan: a path, or the bytes themselves."""

    def exists(self, key: str) -> bool:
        """Say whether the key holds an object."""

    def read(self, key: str) -> bytes:
        """Return the bytes of a key; FileNotFoundError without it."""

    def write(self, key: str, content: bytes) -> None:
        """Put an object under its key, whole or not at all."""

    def keep(self, key: str, second_key: str) -> None:
        """Give an object a second key that survives the replacement of the first."""

    def settle(self, keys: Iterable[str]) -> None:
        """Make the names of written objects survive a power cut."""

    def remove(self, key: str) -> None:
        """Remove an object; a missing one is no error."""

    def found(self, folder: str) -> list[Found]:
        """List the objects below a folder, sorted by key."""

    def lock(self, key: str, timeout_s: float) -> contextlib.AbstractContextManager[None]:
        """Hold the one lock of that name; LakeBusyError after ``timeout_s`` seconds."""


def objects_at(root: UPath) -> Objects:
    """Return the objects below ``root``: durable when it is local, plain otherwise."""
    return LocalObjects(Path(root.path)) if is_local(root) else RemoteObjects(root)


def is_local(path: UPath) -> bool:
    """Say whether a path lies on a local disk."""
    return path.protocol in ("", "file", "local")


@contextlib.contextmanager
def _room_for(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise DiskFullError(
            f"no room to write {path}: {error.strerror}. Nothing was committed and the stored data is untouched; "
            "free some space and run again"
        ) from error


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@dataclass(frozen=True)
class LocalObjects:
    """Objects as files below a folder of a local disk."""

    root: Path

    def address(self, key: str) -> str:
        """Return the absolute path of a key."""
        return str(self.root / key)

    def scannable(self, key: str) -> str | bytes:
        """Return the absolute path of a key."""
        return self.address(key)

    def exists(self, key: str) -> bool:
        """Say whether the key holds an object."""
        return (self.root / key).is_file()

    def read(self, key: str) -> bytes:
        """Return the bytes of a key; FileNotFoundError without it."""
        return (self.root / key).read_bytes()

    def write(self, key: str, content: bytes) -> None:
        """Write aside, ``fsync``, rename; :meth:`settle` then makes the name durable.

        Raises
        ------
        DiskFullError
            When the disk, the quota or the limit of file sizes has no room. No temporary file stays behind.
        """
        path = self.root / key
        aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}{TEMPORARY_SUFFIX}")
        with _room_for(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                with aside.open("wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                aside.replace(path)
            finally:
                aside.unlink(missing_ok=True)

    def keep(self, key: str, second_key: str) -> None:
        """Give a file a second name (a hard link)."""
        second = self.root / second_key
        with _room_for(second), contextlib.suppress(FileExistsError):
            second.parent.mkdir(parents=True, exist_ok=True)
            second.hardlink_to(self.root / key)

    def settle(self, keys: Iterable[str]) -> None:
        """``fsync`` every folder between the root's parent and the keys, each once."""
        folders = {self.root.parent, self.root}
        for key in keys:
            folders.update(self.root / folder for folder in PurePosixPath(key).parents)
        for folder in sorted(folders, reverse=True):
            sync_folder(folder)

    def remove(self, key: str) -> None:
        """Remove a file; a missing one is no error."""
        (self.root / key).unlink(missing_ok=True)

    def found(self, folder: str) -> list[Found]:
        """List the files below a folder, sorted by key."""
        listing = []
        for parent, _, names in os.walk(self.root / folder):
            for path in (Path(parent, name) for name in names):
                with contextlib.suppress(FileNotFoundError):
                    status = path.stat()
                    modified_at = dt.datetime.fromtimestamp(status.st_mtime, dt.UTC)
                    listing.append(Found(path.relative_to(self.root).as_posix(), status.st_size, modified_at))
        return sorted(listing, key=lambda found: found.key)

    @contextlib.contextmanager
    def lock(self, key: str, timeout_s: float) -> Iterator[None]:
        """Hold a file lock; the system releases it when the holder dies."""
        path = self.root / key
        with _room_for(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path)
        try:
            lock.acquire(timeout=timeout_s)
        except Timeout as error:
            raise LakeBusyError(
                f"waited {timeout_s:g} s for the lock {path}, which another writer still holds. "
                "Wait for the other run to end, or stop it, and run again"
            ) from error
        try:
            yield
        finally:
            lock.release()


@dataclass(frozen=True)
class RemoteObjects:
    """Objects in any store that fsspec speaks to; a put is whole by itself and durable when it returns."""

    root: UPath

    def address(self, key: str) -> str:
        """Return the URL of a key."""
        return str(self.root / key)

    def scannable(self, key: str) -> str | bytes:
        """Return the bytes of a key."""
        return self.read(key)

    def exists(self, key: str) -> bool:
        """Say whether the key holds an object."""
        return (self.root / key).is_file()

    def read(self, key: str) -> bytes:
        """Return the bytes of a key; FileNotFoundError without it."""
        return (self.root / key).read_bytes()

    def write(self, key: str, content: bytes) -> None:
        """Put an object under its key."""
        path = self.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def keep(self, key: str, second_key: str) -> None:
        """Copy an object."""
        if not self.exists(second_key):
            self.write(second_key, self.read(key))

    def settle(self, keys: Iterable[str]) -> None:
        """Do nothing: a put is durable when it returns."""

    def remove(self, key: str) -> None:
        """Remove an object; a missing one is no error."""
        with contextlib.suppress(FileNotFoundError):
            (self.root / key).unlink()

    def found(self, folder: str) -> list[Found]:
        """List the objects below a folder, sorted by key."""
        top, filesystem = (self.root / folder).path, self.root.fs
        prefix = len(self.root.path.rstrip("/")) + 1
        listing = filesystem.find(top, detail=True) if filesystem.exists(top) else {}
        return [
            Found(path[prefix:], details["size"], filesystem.modified(path))
            for path, details in sorted(listing.items())
        ]

    @contextlib.contextmanager
    def lock(self, key: str, timeout_s: float) -> Iterator[None]:
        """Hold a lock object made by a put that fails when it exists; a killed holder leaves it behind."""
        path = self.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                with self.root.fs.open(path.path, "xb") as file:
                    file.write(b"held")
                break
            except FileExistsError as error:
                if time.monotonic() > deadline:
                    raise LakeBusyError(
                        f"waited {timeout_s:g} s for the lock {path}. When no other run is alive, a killed one left "
                        "it behind: remove that object and run again"
                    ) from error
                time.sleep(0.05)
        try:
            yield
        finally:
            path.unlink()
