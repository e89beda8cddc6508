"""What a service may be asked for in a span of time, counted over all processes of a home and over their ends.

A budget of requests is :mod:`resources.providers.live.rate_limit`; this is for what else a vendor counts: pulls of one
file, or posts that are paid for. What is needed is set aside before it is asked for, so that two processes never spend
the same room, and what was not used is given back.
"""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from resources.providers.live.errors import Transient

BUSY_S = 10.0
SCHEMA = """
CREATE TABLE IF NOT EXISTS taken (service TEXT NOT NULL, name TEXT NOT NULL, at_us INTEGER NOT NULL,
    amount INTEGER NOT NULL);
"""
IN_SPAN = "service = ? AND name = ? AND abs(at_us - ?) < ?"


@dataclass(frozen=True)
class Taken:
    """What was granted.

    Attributes
    ----------
    amount
        At most what was wanted; 0 when there was too little room.
    used
        What is counted in the span, this included.
    first_at
        When the first of it was taken, which is when room begins to come back, one span later.
    """

    amount: int
    used: int
    first_at: dt.datetime
    row: int | None = None


class Allowance:
    """What is counted for one service.

    Parameters
    ----------
    path
        The file that all processes share; None to count in this object only.
    service
        Name of the service; needed where there is a file.

    Examples
    --------
    >>> noon, quarter = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC), dt.timedelta(minutes=15)
    >>> pulls = Allowance()
    >>> [pulls.take("a file", 1, limit=1, within=quarter, now=noon + n * quarter / 2).amount for n in range(3)]
    [1, 0, 1]
    """

    def __init__(self, path: Path | None = None, service: str = "") -> None:
        self.path, self.service = path, service
        self._connection: sqlite3.Connection | None = None

    def take(
        self, name: str, wanted: int, *, limit: int, within: dt.timedelta, now: dt.datetime, least: int = 1
    ) -> Taken:
        """Set aside up to ``wanted``, or nothing where there is not room for ``least``.

        Parameters
        ----------
        limit
            The most in any span.
        within
            Length of the span.

        Raises
        ------
        Transient
            When the shared file cannot be used.
        """
        now_us, span_us = round(now.timestamp() * 1e6), round(within.total_seconds() * 1e6)
        span = (self.service, name, now_us, span_us)
        with self._writing() as db:
            db.execute(f"DELETE FROM taken WHERE service = ? AND name = ? AND NOT ({IN_SPAN})", (*span[:2], *span))
            used, first_us = db.execute(f"SELECT total(amount), min(at_us) FROM taken WHERE {IN_SPAN}", span).fetchone()
            amount = min(wanted, limit - int(used))
            first_at = now if first_us is None else dt.datetime.fromtimestamp(first_us / 1e6, dt.UTC)
            if amount < least:
                return Taken(0, int(used), first_at)
            row = db.execute("INSERT INTO taken VALUES (?, ?, ?, ?)", (self.service, name, now_us, amount)).lastrowid
            return Taken(amount, int(used) + amount, first_at, row)

    def give_back(self, taken: Taken, amount: int) -> None:
        """Return ``amount`` of what was taken and not used; raises as :meth:`take` does."""
        with self._writing() as db:
            db.execute("UPDATE taken SET amount = amount - ? WHERE rowid = ?", (amount, taken.row))
            db.execute("DELETE FROM taken WHERE rowid = ? AND amount <= 0", (taken.row,))

    def close(self) -> None:
        """Close the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        try:
            db = self._opened()
            with db:
                db.execute("BEGIN IMMEDIATE")
                yield db
        except (sqlite3.Error, OSError) as error:
            found = f"{type(error).__name__}: {error}"
            advice = "asked again later; if it stays so, remove the file: the counts start anew"
            raise Transient(self.service, f"the shared counts in {self.path}", found, advice) from None

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            if self.path is not None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            where = ":memory:" if self.path is None else str(self.path)
            db = sqlite3.connect(where, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
            try:
                db.execute(SCHEMA)
            except sqlite3.Error:
                db.close()
                raise
            self._connection = db
        return self._connection
