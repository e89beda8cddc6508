"""In which order services are asked for a table: a documented score, with a margin that a new leader must win by.

Points, fewer are better:

======================  ========================================================================================
preference              as the service declares for the table (0, 1, 2, ...)
health                  5 x (1 - health): a failure costs about one step of preference
freshness               1 per quarter of an hour that the newest datum asked for is still missing, at most 4
cost                    10 per dollar that a request costs
======================  ========================================================================================

The service that led last time keeps the lead unless another is better by more than half a point. Equal points are
ordered by name.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from gnosis.sessions import schedule, shift_session
from resources.providers.live.service import Capability

HEALTH_POINTS = 5.0
FRESHNESS_POINTS_PER_S = 1 / 900
MOST_FRESHNESS_POINTS = 4.0
POINTS_PER_USD = 10.0
LEAD = 0.5


@dataclass(frozen=True)
class Candidate:
    """A service that has the table.

    Attributes
    ----------
    health
        From 0 to 1; 1 for a service that was not asked before.
    is_open
        True when its circuit breaker keeps it from being asked.
    """

    name: str
    capability: Capability
    cost_usd_per_request: float = 0.0
    health: float = 1.0
    is_open: bool = False


def newest_session(now: dt.datetime) -> dt.date:
    """Return the latest session that has begun by ``now`` (aware): the one that a snapshot of now is about.

    Examples
    --------
    >>> newest_session(dt.datetime(2012, 12, 31, 14, 0, tzinfo=dt.UTC)).isoformat()
    '2012-12-28'
    """
    begun = schedule().filter(pl.col("open_at") <= now.astimezone(dt.UTC))
    day: dt.date = begun["session"][-1]
    return day


def reachable(sessions: Sequence[dt.date], capability: Capability, newest: dt.date) -> tuple[dt.date, ...]:
    """Return those of ``sessions`` that a service can be asked for, ``newest`` being the newest session of now.

    Examples
    --------
    >>> days = [dt.date(2012, 12, 27), dt.date(2012, 12, 28)]
    >>> [str(day) for day in reachable(days, Capability(1, 1, 0.0, reaches_back_sessions=1), days[1])]
    ['2012-12-28']
    """
    back = capability.reaches_back_sessions
    first = dt.date.min if back is None else shift_session(newest, 1 - back)
    return tuple(day for day in sessions if first <= day <= newest)


def points(candidate: Candidate, sessions: Sequence[dt.date], now: dt.datetime) -> float:
    """Return the score of a candidate, lower is better; see the module.

    Parameters
    ----------
    sessions
        Sessions asked for. Freshness counts as far as the newest of them is younger than the service's delay.

    Examples
    --------
    >>> evening = dt.datetime(2012, 12, 28, 21, 0, tzinfo=dt.UTC)
    >>> late = Candidate("late", Capability(1, 1, delay_s=900.0, preference=2), health=0.8)
    >>> points(late, [dt.date(2012, 12, 28)], evening)
    4.0
    """
    closes_at = schedule().filter(pl.col("session") == max(sessions))["close_at"].item()
    age_s = max((now - closes_at).total_seconds(), 0.0)
    lacking_s = max(candidate.capability.delay_s - age_s, 0.0)
    return (
        candidate.capability.preference
        + HEALTH_POINTS * (1.0 - candidate.health)
        + min(lacking_s * FRESHNESS_POINTS_PER_S, MOST_FRESHNESS_POINTS)
        + POINTS_PER_USD * candidate.cost_usd_per_request
    )


def order(
    candidates: Sequence[Candidate], sessions: Sequence[dt.date], now: dt.datetime, leader: str | None = None
) -> list[str]:
    """Return the names of those who can be asked, best first.

    Left out are candidates with an open breaker and those that reach none of the sessions.

    Parameters
    ----------
    leader
        Who was first last time, None when nobody was.

    Examples
    --------
    >>> near = [Candidate("a", Capability(1, 1, 0.0, preference=0), health=0.95)]
    >>> near += [Candidate("b", Capability(1, 1, 0.0, preference=0))]
    >>> at = dt.datetime(2012, 12, 28, 23, tzinfo=dt.UTC)
    >>> order(near, [dt.date(2012, 12, 28)], at), order(near, [dt.date(2012, 12, 28)], at, leader="a")
    (['b', 'a'], ['a', 'b'])
    """
    if not sessions:
        return []
    newest = newest_session(now)
    scored = {
        candidate.name: points(candidate, reached, now)
        for candidate in candidates
        if not candidate.is_open and (reached := reachable(sessions, candidate.capability, newest))
    }
    ordered = sorted(scored, key=lambda name: (scored[name], name))
    if leader in scored and scored[leader] - scored[ordered[0]] <= LEAD:
        ordered.remove(leader)
        ordered.insert(0, leader)
    return ordered
