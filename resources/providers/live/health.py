"""How each service did: every ask, a running health, and a circuit breaker, in one SQLite file that processes share.

Health is the exponentially weighted share of good answers: each ask counts a fifth of what came before (``ALPHA``), and
what is twelve hours old counts half (``HALF_LIFE_S``), so that a service that is no longer asked is trusted again in
time.

Writing is durable against a killed process. A power cut may lose the last records, never the file: an ask waits for no
``fsync``.
"""

from __future__ import annotations

import datetime as dt
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import polars as pl

from gnosis.tables import TABLES
from resources.providers.errors import ProviderError
from resources.providers.live import breaker
from resources.providers.live.breaker import ANSWERED, NOT_ASKED, OK, PROPER, Breaker, BreakerRules, in_us
from resources.providers.protocol import conform

ALPHA = 0.2
HALF_LIFE_S = 43_200.0
BUSY_S = 10.0
KEPT_DAYS = 400

SCHEMA = """
CREATE TABLE IF NOT EXISTS asks (at_us INTEGER NOT NULL, session TEXT NOT NULL, service TEXT NOT NULL,
    table_name TEXT NOT NULL, kind TEXT NOT NULL, latency_s REAL NOT NULL, n_rows INTEGER NOT NULL, detail TEXT,
    health REAL, is_open INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS asks_by_time ON asks (at_us);
CREATE TABLE IF NOT EXISTS standings (service TEXT NOT NULL, table_name TEXT NOT NULL, good REAL NOT NULL,
    weight REAL NOT NULL, at_us INTEGER NOT NULL, PRIMARY KEY (service, table_name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS leaders (table_name TEXT PRIMARY KEY, service TEXT NOT NULL) WITHOUT ROWID;
"""


class DamagedLedgerError(ProviderError):
    """The file of the ledger is none."""


class HealthLedger:
    """The ledger; see the module.

    Parameters
    ----------
    path
        The file; made when it is first used.
    clock
        Returns the time, aware.

    Raises
    ------
    DamagedLedgerError
        By every method, when the file is no ledger.
    """

    def __init__(self, path: Path, clock: Callable[[], dt.datetime], rules: BreakerRules | None = None) -> None:
        self.path, self.rules, self._clock = path, rules or BreakerRules(), clock
        self._connection: sqlite3.Connection | None = None
        self._lock = threading.RLock()

    def record(
        self,
        service: str,
        table: str,
        session: dt.date,
        kind: str,
        *,
        latency_s: float = 0.0,
        n_rows: int = 0,
        detail: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        """Write down one ask.

        Parameters
        ----------
        session
            Latest session asked for.
        kind
            ``ok`` or the name of the class of the error.
        detail
            The error, free of secrets.
        retry_after_s
            When the service says to ask again; more than the first pause opens its breaker at once.
        """
        now_us = self._now_us()
        with self._lock, self._open() as db:
            db.execute("BEGIN IMMEDIATE")
            health = None if kind in NOT_ASKED else self._weigh(db, service, table, kind in PROPER, now_us)
            if kind in ANSWERED:
                breaker.close(db, service, table)
            elif kind not in NOT_ASKED:
                failure = breaker.Failure(kind, detail, retry_after_s)
                breaker.count_failure(db, self.rules, service, table, failure, now_us)
            is_open = breaker.blocking(db, service, table, now_us) is not None
            db.execute(
                "INSERT INTO asks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (now_us, session.isoformat(), service, table, kind, latency_s, n_rows, detail, health, is_open),
            )

    def health(self, service: str, table: str) -> float:
        """Return the health for ordering, from 0 to 1: the running share, drawn to 1 where little is known."""
        with self._lock, self._open() as db:
            found = db.execute(
                "SELECT good, weight, at_us FROM standings WHERE service = ? AND table_name = ?", (service, table)
            ).fetchone()
        if found is None:
            return 1.0
        good, weight, at_us = found
        faded = self._faded(self._now_us() - at_us)
        return float(min(max(1.0 - faded * (weight - good), 0.0), 1.0))

    def open(self, service: str, table: str) -> Breaker | None:
        """Return the breaker that keeps the service from being asked, None when it may be asked. Changes nothing."""
        with self._lock, self._open() as db:
            return breaker.blocking(db, service, table, self._now_us())

    def admit(self, service: str, table: str) -> Literal["closed", "half_open", "open"]:
        """Say whether an ask may go out now. After the pause exactly one process is told ``half_open``."""
        with self._lock, self._open() as db:
            return breaker.admit(db, self.rules, service, table, self._now_us())

    def reset(self, service: str) -> None:
        """Close every breaker of a service: after a probe that went well, or a key that was corrected."""
        with self._lock, self._open() as db:
            breaker.close_all(db, service)

    def leader(self, table: str) -> str | None:
        """Return the service that was asked first last time."""
        with self._lock, self._open() as db:
            found = db.execute("SELECT service FROM leaders WHERE table_name = ?", (table,)).fetchone()
        return None if found is None else str(found[0])

    def set_leader(self, table: str, service: str) -> None:
        """Remember who is asked first."""
        with self._lock, self._open() as db:
            db.execute("INSERT OR REPLACE INTO leaders VALUES (?, ?)", (table, service))

    def summary(self, since: dt.datetime | None = None) -> pl.DataFrame:
        """Return the rows of ``raw.provider_health``, one per session, service and table asked since then.

        A service that was skipped for want of a key has a row without asks that says so.
        """
        since_us = 0 if since is None else in_us(since.timestamp())
        with self._lock, self._open() as db:
            rows = db.execute("SELECT * FROM asks WHERE at_us >= ? ORDER BY at_us, rowid", (since_us,)).fetchall()
        return _summary(rows)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = _connected(self.path, self._now_us())
        return self._connection

    def _now_us(self) -> int:
        return in_us(self._clock().timestamp())

    def _faded(self, age_us: int) -> float:
        return float(0.5 ** (max(age_us, 0) / 1e6 / HALF_LIFE_S))

    def _weigh(self, db: sqlite3.Connection, service: str, table: str, is_good: bool, now_us: int) -> float:
        found = db.execute(
            "SELECT good, weight, at_us FROM standings WHERE service = ? AND table_name = ?", (service, table)
        ).fetchone()
        good, weight, at_us = found or (0.0, 0.0, now_us)
        kept = self._faded(now_us - at_us) * (1.0 - ALPHA)
        good, weight = good * kept + (ALPHA if is_good else 0.0), weight * kept + ALPHA
        db.execute("INSERT OR REPLACE INTO standings VALUES (?, ?, ?, ?, ?)", (service, table, good, weight, now_us))
        return float(min(good / weight, 1.0))


def _connected(path: Path, now_us: int) -> sqlite3.Connection:
    from filelock import FileLock

    path.parent.mkdir(parents=True, exist_ok=True)
    db = sqlite3.connect(path, timeout=BUSY_S, check_same_thread=False)
    try:
        # Two processes that turn on the write-ahead log at the same moment do not wait for each other.
        with FileLock(f"{path}.lock"):
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = NORMAL")
            db.executescript(SCHEMA + breaker.SCHEMA)
            db.execute("DELETE FROM asks WHERE at_us < ?", (now_us - in_us(KEPT_DAYS * 86_400.0),))
            db.commit()
    except sqlite3.OperationalError:
        db.close()
        raise
    except sqlite3.DatabaseError as error:
        db.close()
        raise DamagedLedgerError(
            f"{path}: expected the ledger of services, found {error}; remove the file, health starts anew"
        ) from error
    return db


def _summary(rows: list[tuple[object, ...]]) -> pl.DataFrame:
    schema = {
        "at_us": pl.Int64,
        "session": pl.String,
        "service": pl.String,
        "table_name": pl.String,
        "kind": pl.String,
        "latency_s": pl.Float64,
        "n_rows": pl.Int64,
        "detail": pl.String,
        "health": pl.Float64,
        "is_open": pl.Int64,
    }
    asks = pl.DataFrame(rows, schema=schema, orient="row")
    is_asked = ~pl.col("kind").is_in(list(NOT_ASKED))
    is_failure = ~pl.col("kind").is_in(list(PROPER))
    latency = pl.col("latency_s").filter(is_asked)
    grouped = asks.group_by("session", "service", "table_name", maintain_order=True).agg(
        n_asks=is_asked.sum(),
        n_answers=(is_asked & ~is_failure).sum(),
        n_failures=(is_asked & is_failure).sum(),
        n_rows=pl.col("n_rows").sum(),
        latency_p50_s=latency.quantile(0.5, "linear"),
        latency_p95_s=latency.quantile(0.95, "linear"),
        health=pl.col("health").drop_nulls().last(),
        is_open=pl.col("is_open").last().cast(pl.Boolean),
        status=pl.col("kind").filter(is_failure).last().fill_null(OK),
        detail=pl.col("detail").filter(is_failure).last(),
        known_at=pl.from_epoch(pl.col("at_us").max(), "us").dt.replace_time_zone("UTC"),
    )
    whole = grouped.with_columns(pl.col("session").str.to_date(), provider=pl.col("service"), synthetic=pl.lit(False))
    return conform(whole.select(list(TABLES["raw.provider_health"].polars_schema)), "raw.provider_health")
