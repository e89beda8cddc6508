"""The circuit breaker: a service that fails again and again is left alone for a while.

The breaker of a service opens after ``n_failures`` temporary failures in a row; that of one of its tables opens at once
when the key or the plan is refused, and after ``n_failures`` answers of a wrong form in a row. It stays open for a
pause that doubles with each opening; then one ask is let through, which closes it or opens it again. Its state is a
table of the ledger (:mod:`resources.providers.live.health`), so all processes of a home obey one breaker.
"""

from __future__ import annotations

import datetime as dt
import sqlite3
from dataclasses import dataclass
from typing import Literal, NamedTuple

OK = "ok"
UNUSABLE = frozenset({"MissingKeyError", "MissingPackageError"})
"""Kinds of failures of services that nobody has set up."""
NOT_ASKED = UNUSABLE | {"BudgetExhausted", "NotConfigured"}
"""Kinds of asks that never left the house: they say nothing of the service."""
PROPER = frozenset({OK, "NotFound"})
ANSWERED = PROPER | {"EmptyResult", "Incomplete"}
TEMPORARY = frozenset({"Transient", "RateLimited"})
REFUSED = frozenset({"AuthError", "EntitlementError"})

LONGEST_PAUSE_S = 86_400.0
"""No pause is longer: a row that says so is damaged and counts for nothing."""

WHOLE_SERVICE = ""
SCHEMA = """
CREATE TABLE IF NOT EXISTS breakers (service TEXT NOT NULL, table_name TEXT NOT NULL, n_failures INTEGER NOT NULL,
    n_openings INTEGER NOT NULL, open_until_us INTEGER, is_probing INTEGER NOT NULL, kind TEXT NOT NULL, detail TEXT,
    PRIMARY KEY (service, table_name)) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class BreakerRules:
    """When a breaker opens and for how long.

    Attributes
    ----------
    n_failures
        Temporary failures in a row.
    pause_s
        First pause after temporary failures; doubles with each opening.
    refusal_pause_s
        First pause after a refused key or plan.
    longest_pause_s
        Longest pause of our own; a service may ask for more, up to a day.
    probe_s
        Time after which the ask that was let through is given up for dead.
    """

    n_failures: int = 5
    pause_s: float = 30.0
    refusal_pause_s: float = 900.0
    longest_pause_s: float = 14_400.0
    probe_s: float = 120.0


@dataclass(frozen=True)
class Breaker:
    """A breaker that is not closed.

    Attributes
    ----------
    kind
        Kind of the failure that opened it.
    detail
        That failure in one sentence.
    until
        End of the pause.
    """

    kind: str
    detail: str
    until: dt.datetime


class Failure(NamedTuple):
    """What went wrong: kind, sentence, and the seconds after which the service says to ask again."""

    kind: str
    detail: str | None
    retry_after_s: float | None


def in_us(seconds: float) -> int:
    """Return whole microseconds."""
    return round(seconds * 1_000_000)


def count_failure(
    db: sqlite3.Connection, rules: BreakerRules, service: str, table: str, failure: Failure, now_us: int
) -> None:
    """Count a failure and open the breaker when it is due. Runs inside the caller's transaction."""
    scope = WHOLE_SERVICE if failure.kind in TEMPORARY else table
    if scope != WHOLE_SERVICE:
        # It did answer: what is wrong is of the table. A pause that is under way still holds.
        db.execute(
            "DELETE FROM breakers WHERE service = ? AND table_name = ? AND (is_probing OR open_until_us IS NULL)",
            (service, WHOLE_SERVICE),
        )
    found = db.execute(
        "SELECT CAST(n_failures AS INTEGER), CAST(n_openings AS INTEGER), iif(open_until_us <= ?, open_until_us, NULL),"
        " is_probing FROM breakers WHERE service = ? AND table_name = ?",
        (_latest(now_us), service, scope),
    ).fetchone()
    n_failures, n_openings, until_us, is_probing = found or (0, 0, None, 0)
    n_failures += 1
    asked_s = min(failure.retry_after_s or 0.0, LONGEST_PAUSE_S)
    is_told = asked_s > rules.pause_s
    is_due = n_failures >= rules.n_failures or failure.kind in REFUSED or is_told or is_probing
    # An ask that was under way when the breaker opened does not lengthen the pause.
    if is_due and (until_us is None or until_us <= now_us or is_probing):
        first_s = rules.refusal_pause_s if failure.kind in REFUSED else rules.pause_s
        pause_s = min(first_s * 2.0 ** min(n_openings, 30), rules.longest_pause_s, LONGEST_PAUSE_S)
        until_us, n_openings, is_probing = now_us + in_us(max(pause_s, asked_s)), n_openings + 1, 0
    db.execute(
        "INSERT OR REPLACE INTO breakers VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (service, scope, n_failures, n_openings, until_us, is_probing, failure.kind, failure.detail),
    )


def blocking(db: sqlite3.Connection, service: str, table: str, now_us: int) -> Breaker | None:
    """Return the breaker that keeps a service from being asked for a table."""
    found = db.execute(
        "SELECT kind, detail, open_until_us FROM breakers WHERE service = ? AND table_name IN (?, ?)"
        " AND open_until_us > ? AND open_until_us <= ? ORDER BY open_until_us DESC",
        (service, WHOLE_SERVICE, table, now_us, _latest(now_us)),
    ).fetchone()
    if found is None:
        return None
    kind, detail, until_us = found
    return Breaker(kind, detail or kind, dt.datetime.fromtimestamp(until_us / 1e6, dt.UTC))


def admit(
    db: sqlite3.Connection, rules: BreakerRules, service: str, table: str, now_us: int
) -> Literal["closed", "half_open", "open"]:
    """Say whether an ask may go out; ``half_open`` is said to one process only, which then has ``probe_s`` for it."""
    which = "service = ? AND table_name IN (?, ?) AND open_until_us <= ?"
    scopes = (service, WHOLE_SERVICE, table, _latest(now_us))
    waiting = db.execute(f"SELECT open_until_us FROM breakers WHERE {which}", scopes).fetchall()
    if not waiting:
        return "closed"
    if any(until_us > now_us for (until_us,) in waiting):
        return "open"
    claimed = db.execute(
        f"UPDATE breakers SET open_until_us = ?, is_probing = 1 WHERE {which} AND open_until_us <= ?",
        (now_us + in_us(rules.probe_s), *scopes, now_us),
    )
    return "half_open" if claimed.rowcount == len(waiting) else "open"


def _latest(now_us: int) -> int:
    return now_us + in_us(LONGEST_PAUSE_S)


def close(db: sqlite3.Connection, service: str, table: str) -> None:
    """Close the breakers of a service and of one of its tables."""
    db.execute("DELETE FROM breakers WHERE service = ? AND table_name IN (?, ?)", (service, WHOLE_SERVICE, table))


def close_all(db: sqlite3.Connection, service: str) -> None:
    """Close every breaker of a service."""
    db.execute("DELETE FROM breakers WHERE service = ?", (service,))
