"""Comparing stored files with the hashes of their manifest, and saying how a damaged one comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resources.lake.errors import CorruptFileError
from resources.lake.manifest import Entry
from resources.lake.parquet import sha256

if TYPE_CHECKING:
    from resources.lake.lake import Lake


def verify(lake: Lake, table_name: str | None = None, version: int | None = None) -> int:
    """Read every file of a table, or of all, and compare its hash with the manifest; return how many.

    Raises
    ------
    CorruptFileError
        Naming each missing or altered file and the command that makes it anew.
    """
    faults: list[str] = []
    n_files = 0
    for name in lake.tables() if table_name is None else [table_name]:
        for period, entry in sorted(lake.manifest(name, version).entries.items()):
            n_files += 1
            try:
                lake.content(name, period, entry)
            except CorruptFileError as error:
                faults.append(str(error))
    if faults:
        raise CorruptFileError("\n".join(faults))
    return n_files


def content(lake: Lake, table_name: str, period: str, entry: Entry) -> bytes:
    """Return the bytes of a period's file after comparing their hash; CorruptFileError when they differ."""
    key = f"{lake.folder(table_name)}/{entry.file}"
    found = lake.objects.read(key) if lake.objects.exists(key) else None
    if found is not None and sha256(found) == entry.sha256:
        return found
    words = "no such file" if found is None else f"{len(found)} bytes with sha256 {sha256(found)[:12]}"
    # What providers said earlier cannot be made anew.
    repair = "give its earlier versions up" if lake.table(table_name).room == "superseded" else "make it anew"
    raise CorruptFileError(
        f"{lake.objects.address(key)} ({table_name}, period {period}): expected {entry.size_bytes} bytes with "
        f"sha256 {entry.sha256[:12]}, found {words}. Restore the file from a copy or {repair}: "
        f"{_command(lake, table_name, entry)}"
    )


def _command(lake: Lake, table_name: str, entry: Entry) -> str:
    table = lake.table(table_name)
    if entry.sessions and table.room == "superseded":
        return f"{entry.command} --correct-history {table.short_name.replace('_', '.', 1)}"
    if entry.sessions:
        return entry.command + (" --republish" if table.is_published_once else "")
    # A table stored as one file is made anew by any night, the last one being the cheapest.
    last = max((day for name in lake.tables() for day in lake.sessions(name)[-1:]), default=None)
    return entry.command if last is None else f"gnosis run --from {last} --to {last} --again"
