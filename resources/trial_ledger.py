"""The trial ledger on disk: one line per row, appended under a lock, chained by hashes, never rewritten.

``trials.jsonl`` holds the rows; ``trials.head.json`` remembers how long the file was after the last append, because a
chain of hashes alone cannot tell that its newest rows are missing. A row counts once its line feed is on the disk. What
a killed process left of a line is moved to ``trials.torn`` and reported.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import polars as pl

from gnosis.backtest.trial_chain import Chain, ChainError, TrialError
from gnosis.backtest.trials import Ended, returns_sha256
from resources.lake.objects import sync_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from typing import Unpack

    from gnosis.backtest.trials import Figures, Status, Trial

LOCK_TIMEOUT_S = 120.0
HEAD_BYTES = 128

logger = logging.getLogger(__name__)


class LedgerBusyError(RuntimeError):
    """Another process held the ledger for too long."""


@dataclass(frozen=True)
class Torn:
    """What was left of a line that a killed process had begun to write.

    Attributes
    ----------
    after_row
        Number of whole rows before it.
    content
        The bytes.
    """

    after_row: int
    content: bytes


class TrialLedger:
    """The append-only file ``trials.jsonl`` in a folder, shared by threads and processes.

    Parameters
    ----------
    folder
        Home of the ledger; made when missing.
    """

    def __init__(self, folder: Path) -> None:
        from filelock import FileLock

        self.path = folder / "trials.jsonl"
        self._head_path = folder / "trials.head.json"
        self._torn_path = folder / "trials.torn"
        self._returns_folder = folder / "trial_returns"
        folder.mkdir(parents=True, exist_ok=True)
        self._file_lock = FileLock(folder / "trials.lock")
        self._thread_lock = threading.Lock()
        self._chain = Chain()
        self._n_bytes = 0

    def begin(self, trial: Trial) -> None:
        """Write a trial down before it gives a result; when this returns its row is on the disk.

        Raises
        ------
        ChainError
            When the file is not what was written, with file and line.
        LedgerBusyError
            When another process holds the ledger for more than two minutes.
        """
        self.begin_all([trial])

    def begin_all(self, trials: Sequence[Trial]) -> None:
        """Write many trials down at once; when this returns all their rows are on the disk.

        Raises
        ------
        ChainError, LedgerBusyError
            As :meth:`begin`.
        """
        with self._current() as chain, self._written() as rows:
            rows.extend(row for trial in trials if (row := chain.begin(trial)) is not None)

    def finish(
        self,
        trial: Trial,
        *,
        status: Status = "complete",
        returns: pl.DataFrame | None = None,
        **figures: Unpack[Figures],
    ) -> None:
        """Write down how a trial ended, see :class:`gnosis.backtest.trials.Recorder`.

        Raises
        ------
        TrialError
            For a trial that was never begun, or a figure that is not finite; otherwise as :meth:`begin`.
        """
        self.finish_all([Ended(trial, status, returns, figures)])

    def finish_all(self, ended: Sequence[Ended]) -> None:
        """Write down at once how many trials ended; see :meth:`finish`."""
        digests = [None if end.returns is None else returns_sha256(end.returns) for end in ended]
        with self._current() as chain, self._written() as rows:
            for end, digest in zip(ended, digests, strict=True):
                row = chain.finish(end.trial, end.status, end.figures, digest)
                if row is None:
                    continue
                if end.returns is not None and digest is not None:
                    self._keep(end.returns, digest)
                rows.append(row)

    def rows(self) -> pl.DataFrame:
        """Return ``backtests.trials``, read anew from the first line with every hash checked."""
        with self._current(anew=True) as chain:
            return chain.frame()

    def returns(self, sha256: str) -> pl.DataFrame:
        """Return the series (``session``, ``net_return``) that a trial ended with.

        Raises
        ------
        TrialError
            When the file does not hold what the ledger says.
        """
        path = self._returns_folder / f"{sha256}.parquet"
        found = pl.read_parquet(path)
        if returns_sha256(found) != sha256:
            raise TrialError(f"expected the returns with hash {sha256} in {path}, found others; restore the file")
        return found

    def torn(self) -> list[Torn]:
        """Return what was set aside of lines that were never whole, oldest first."""
        if not self._torn_path.exists():
            return []
        kept = map(json.loads, self._torn_path.read_text(encoding="utf-8").splitlines())
        return [Torn(entry["after_row"], bytes.fromhex(entry["bytes_hex"])) for entry in kept]

    @contextlib.contextmanager
    def _current(self, *, anew: bool = False) -> Iterator[Chain]:
        """Hold the ledger, with everything read that others appended since."""
        from filelock import Timeout

        with self._thread_lock:
            try:
                self._file_lock.acquire(timeout=LOCK_TIMEOUT_S)
            except Timeout as error:
                raise LedgerBusyError(
                    f"waited {LOCK_TIMEOUT_S:g} s for {self._file_lock.lock_file}, which another process still holds; "
                    "wait for the other run to end, or stop it, and run again"
                ) from error
            try:
                if anew:
                    self._chain, self._n_bytes = Chain(), 0
                self._read_on()
                yield self._chain
            finally:
                self._file_lock.release()

    def _read_on(self) -> None:
        size = self.path.stat().st_size if self.path.exists() else 0
        known = len(self._chain.rows)
        if size < self._n_bytes:
            self._chain, self._n_bytes = Chain(), 0
        rest = self._read_lines() if size > self._n_bytes else b""
        head = self._head()
        n_rows = len(self._chain.rows)
        if n_rows < max(known, head["rows"]):
            self._refuse(
                n_rows + 1, f"expected {max(known, head['rows'])} lines, found {n_rows}: the newest are missing"
            )
        if head["rows"] and self._chain.rows[head["rows"] - 1]["row_sha256"] != head["row_sha256"]:
            self._refuse(
                head["rows"],
                f"expected the row {head['row_sha256'][:12]} that {self._head_path.name} remembers, found another: "
                "the ledger was rewritten",
            )
        if rest:
            self._set_aside(rest)

    def _read_lines(self) -> bytes:
        """Read on to the end of the file and return what follows its last line feed."""
        with self.path.open("rb") as file:
            file.seek(self._n_bytes)
            *whole, rest = file.read().split(b"\n")
        for line in whole:
            number = len(self._chain.rows) + 1
            try:
                row = json.loads(line)
            except ValueError as error:
                self._refuse(number, f"expected a row as JSON, found {line[:40]!r}", error)
            if not isinstance(row, dict):
                self._refuse(number, f"expected a row as JSON, found {line[:40]!r}")
            try:
                self._chain.accept(row)
            except ValueError as error:
                self._refuse(number, str(error), error)
            self._n_bytes += len(line) + 1
        return rest

    def _refuse(self, line: int, found: str, cause: Exception | None = None) -> NoReturn:
        raise ChainError(line, f"{self.path}, line {line}: {found}; restore the file from a backup") from cause

    def _set_aside(self, rest: bytes) -> None:
        entry = {"after_row": len(self._chain.rows), "bytes_hex": rest.hex()}
        with self._torn_path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
            file.flush()
            os.fsync(file.fileno())
        with self.path.open("r+b") as file:
            file.truncate(self._n_bytes)
            os.fsync(file.fileno())
        logger.warning(
            "%s: %d bytes of a line that was never whole were set aside in %s; the run that wrote it was killed",
            self.path,
            len(rest),
            self._torn_path.name,
        )

    @contextlib.contextmanager
    def _written(self) -> Iterator[list[dict[str, Any]]]:
        """Collect rows that were appended to the chain and put them on the disk, all of them or an error."""
        rows: list[dict[str, Any]] = []
        is_written = False
        try:
            yield rows
            self._write(rows)
            is_written = True
        finally:
            if not is_written:
                # The chain in memory is ahead of the file: read it anew at the next call.
                self._chain, self._n_bytes = Chain(), 0

    def _write(self, rows: Sequence[dict[str, Any]]) -> None:
        if not rows:
            return
        lines = b"".join(json.dumps(row, separators=(",", ":"), allow_nan=False).encode() + b"\n" for row in rows)
        is_new = not self.path.exists()
        with self.path.open("ab") as file:
            file.write(lines)
            file.flush()
            os.fsync(file.fileno())
        self._n_bytes += len(lines)
        self._remember()
        if is_new:
            sync_folder(self.path.parent)

    def _head(self) -> dict[str, Any]:
        content = self._head_path.read_text(encoding="utf-8") if self._head_path.exists() else ""
        if not content:
            return {"rows": 0, "row_sha256": None}
        try:
            head: dict[str, Any] = json.loads(content)
        except ValueError as error:
            raise TrialError(
                f"{self._head_path}: expected the length of the ledger as JSON, found {content[:40]!r}; "
                "restore the file from a backup"
            ) from error
        return head

    def _remember(self) -> None:
        # One short write over the last one and no fsync: it may fall behind the rows in a power cut, never before them.
        head = {"rows": len(self._chain.rows), "row_sha256": self._chain.head}
        with self._head_path.open("r+b" if self._head_path.exists() else "wb", buffering=0) as file:
            file.write(json.dumps(head).ljust(HEAD_BYTES).encode())

    def _keep(self, returns: pl.DataFrame, sha256: str) -> None:
        path = self._returns_folder / f"{sha256}.parquet"
        if path.exists():
            return
        self._returns_folder.mkdir(exist_ok=True)
        aside = path.with_suffix(".aside")
        returns.write_parquet(aside)
        with aside.open("rb") as file:
            os.fsync(file.fileno())
        aside.replace(path)
        sync_folder(self._returns_folder)
