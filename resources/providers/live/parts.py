"""Parts of the landing on the disk: there whole or not at all, never changed, and found when damaged.

Layout: ``<table>/<received at>_<first session>_<last session>_<hash>.json`` and beside it up to three Parquet files,
``.rows``, ``.rejected`` and ``.events``. The JSON is written last and names the hashes of the others; its own hash is
in its name.
"""

from __future__ import annotations

import datetime as dt
import io
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from resources.lake.objects import sync_folder
from resources.lake.parquet import sha256

RECEIVED = "%Y%m%dT%H%M%S%f"
DAMAGED = "damaged"


@dataclass(frozen=True)
class Part:
    """One record: where it lies and what it says."""

    path: Path
    said: dict[str, Any]


def write_part(
    folder: Path,
    frames: Mapping[str, pl.DataFrame],
    said: dict[str, Any],
    received_at: dt.datetime,
    span: tuple[dt.date, dt.date],
) -> Path:
    """Write the frames that hold rows, then the record that names them.

    Nothing is forced to the disk here (:func:`settle`): what a power cut tears is found by its hash.

    Parameters
    ----------
    span
        First and last session.
    """
    folder.mkdir(parents=True, exist_ok=True)
    bytes_of = {what: _parquet(rows) for what, rows in frames.items() if not rows.is_empty()}
    whole = said | {"files": {what: sha256(content) for what, content in bytes_of.items()}}
    record = (json.dumps(whole, sort_keys=True) + "\n").encode()
    received = received_at.astimezone(dt.UTC).strftime(RECEIVED)
    path = folder / f"{received}_{span[0]}_{span[1]}_{sha256(record)[:16]}.json"
    for what, content in bytes_of.items():
        _file(path, what).write_bytes(content)
    # Nobody looks for the others before the record has its name.
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.write_bytes(record)
    aside.replace(path)
    return path


def settle(written: Sequence[Path]) -> None:
    """Force parts to the disk."""
    for path in written:
        for file in _files(path):
            if file.exists():
                with file.open("rb") as opened:
                    os.fsync(opened.fileno())
    for folder in {path.parent for path in written}:
        sync_folder(folder)


def read_records(folder: Path, sessions: Sequence[dt.date] | None) -> list[Part]:
    """Return the sound records in the order of receipt; of those that may hold one of ``sessions``, or all.

    Damaged records are set aside.
    """
    parts = []
    for path in paths(folder):
        first, last = span(path)
        if sessions is not None and not any(first <= day <= last for day in sessions):
            continue
        content = path.read_bytes()
        if sha256(content)[:16] == path.stem.rsplit("_", 1)[-1]:
            parts.append(Part(path, json.loads(content)))
        else:
            _set_aside(path)
    return parts


def read_frames(part: Part) -> dict[str, pl.DataFrame] | None:
    """Return the frames of a part, or None when one is damaged or gone: then the part is set aside."""
    frames = {}
    for what, expected in part.said["files"].items():
        file = _file(part.path, what)
        content = file.read_bytes() if file.exists() else b""
        if sha256(content) != expected:
            _set_aside(part.path)
            return None
        frames[what] = pl.read_parquet(io.BytesIO(content))
    return frames


def paths(folder: Path) -> list[Path]:
    """Return the records in the order of receipt."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix == ".json" and not path.name.startswith("."))


def span(path: Path) -> tuple[dt.date, dt.date]:
    """Return first and last session of a record.

    Examples
    --------
    >>> [str(day) for day in span(Path("20121229T000000000000_2012-12-27_2012-12-28_0123456789abcdef.json"))]
    ['2012-12-27', '2012-12-28']
    """
    _, first, last, _ = path.stem.split("_")
    return dt.date.fromisoformat(first), dt.date.fromisoformat(last)


def _set_aside(path: Path) -> None:
    folder = path.parent.parent / DAMAGED / path.parent.name
    folder.mkdir(parents=True, exist_ok=True)
    for each in _files(path):
        # Another process may have been quicker.
        if each.exists():
            each.replace(folder / each.name)


def _files(path: Path) -> list[Path]:
    return [path, *(_file(path, what) for what in ("rows", "rejected", "events"))]


def _file(path: Path, what: str) -> Path:
    return path.with_suffix(f".{what}.parquet")


def _parquet(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.rechunk().write_parquet(buffer, compression="zstd", compression_level=1, statistics=False)
    return buffer.getvalue()
