"""Events of sessions, kept by table and month until they are asked for or replaced."""

from __future__ import annotations

import datetime as dt
import io
import os
from collections.abc import Sequence
from pathlib import Path

import polars as pl
from filelock import FileLock

from resources.lake.objects import sync_folder
from resources.providers.live.quality import merged, no_events


class Notes:
    """One Parquet file per table and month below ``folder``; processes take turns at a table.

    The newest note of a session of a table replaces the earlier one, also when it holds nothing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, table: str, sessions: Sequence[dt.date], events: pl.DataFrame) -> None:
        """Keep ``events`` (of ``sessions`` only) in place of what was kept for these sessions of the table."""
        outside = events.filter(~pl.col("session").is_in(list(sessions)))
        if not outside.is_empty():
            raise ValueError(f"expected events of the sessions noted, found {outside['session'][0]}; note it as well")
        folder = self.folder / table
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock"):
            for month in sorted({day.replace(day=1) for day in sessions}):
                file = folder / f"{month:%Y-%m}.parquet"
                before = pl.read_parquet(file) if file.exists() else no_events()
                kept = before.filter(~pl.col("session").is_in(list(sessions)))
                after = merged(pl.concat([kept, events.filter(pl.col("session").dt.truncate("1mo") == month)]))
                if not after.equals(before):
                    _replace(file, after)
            sync_folder(folder)

    def read(self, sessions: Sequence[dt.date]) -> pl.DataFrame:
        """Return the events of ``sessions``, of all tables, sorted by key."""
        months = {f"{day:%Y-%m}" for day in sessions}
        files = sorted(file for file in self.folder.glob("*/*.parquet") if file.stem in months)
        found = pl.concat([no_events(), *(pl.read_parquet(io.BytesIO(file.read_bytes())) for file in files)])
        return merged(found.filter(pl.col("session").is_in(list(sessions))))


def _replace(file: Path, events: pl.DataFrame) -> None:
    # Written aside and renamed: readers see the old file or the new one.
    aside = file.with_name(f".{file.name}.{os.getpid()}")
    with aside.open("wb") as opened:
        events.rechunk().write_parquet(opened, compression="zstd")
        opened.flush()
        os.fsync(opened.fileno())
    aside.replace(file)
