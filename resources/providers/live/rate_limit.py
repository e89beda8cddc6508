"""Budgets of requests that every process of one home shares."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from resources.providers.live.errors import BudgetExhausted, FetchError, Transient
from resources.providers.live.service import Rate

if TYPE_CHECKING:
    from pyrate_limiter import SQLiteBucket

LOCK_WAIT_S = 10.0
REQUESTS_BETWEEN_CLEANINGS = 100


def wall_clock_s() -> float:
    """Return seconds since 1970: the one clock that processes share."""
    return time.time()


class RateBudget:
    """The budget of one service: several rates hold at once, over all processes that use the same folder.

    The log of requests is one SQLite file per service below ``folder``, guarded by a file lock. A process that is
    killed holds nothing afterwards; what it had asked stays counted.

    Parameters
    ----------
    rates
        At most so many requests in any so many seconds. Without rates nothing is limited and no file is made.
    longest_wait_s
        Longest wait of one :meth:`acquire`.
    clock
        Returns seconds on a clock that all processes share.
    sleep
        Waits so many seconds.

    Examples
    --------
    >>> RateBudget(Path("unused"), "example", (), longest_wait_s=1.0).acquire()
    """

    def __init__(
        self,
        folder: Path,
        service: str,
        rates: Sequence[Rate],
        longest_wait_s: float,
        clock: Callable[[], float] = wall_clock_s,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.folder, self.service, self.longest_wait_s = folder, service, longest_wait_s
        # One rate per length of time: the bucket counts by it.
        self.rates = {rate.seconds: rate for rate in sorted(rates, key=lambda rate: -rate.requests)}
        self._clock, self._sleep = clock, sleep
        self._bucket: SQLiteBucket | None = None
        self._n_acquired = 0

    @property
    def path(self) -> Path:
        """The file that holds the log of requests."""
        return self.folder / f"{self.service.replace(':', '-')}.sqlite"

    def acquire(self) -> None:
        """Count one request, after waiting until the budget has room for it. This is the gate of an Access.

        Raises
        ------
        BudgetExhausted
            When the wait would exceed ``longest_wait_s``; ``retry_after`` is what remains of it.
        Transient
            When the shared file cannot be used.
        """
        if not self.rates:
            return
        waited = 0.0
        while True:
            wait_s = self._try()
            if wait_s == 0.0:
                return
            if waited + wait_s > self.longest_wait_s:
                raise self._exhausted(wait_s)
            self._sleep(wait_s)
            waited += wait_s

    def close(self) -> None:
        """Close the file."""
        if self._bucket is not None:
            self._bucket.close()
            self._bucket = None

    def _try(self) -> float:
        # Returns the seconds to wait, 0 when the request was counted. The time is read under the lock, so that the log
        # of several processes is in order.
        from filelock import FileLock, Timeout
        from pyrate_limiter import RateItem

        try:
            bucket = self._opened()
            assert isinstance(bucket.lock, FileLock)
            with bucket.lock.acquire(timeout=LOCK_WAIT_S):
                now_ms = round(self._clock() * 1000)
                _set_back(bucket, now_ms)
                if self._n_acquired % REQUESTS_BETWEEN_CLEANINGS == 0:
                    bucket.leak(now_ms)
                item = RateItem(self.service, now_ms)
                if bucket.put(item):
                    self._n_acquired += 1
                    return 0.0
                wait_ms = bucket.waiting(item)
                assert isinstance(wait_ms, int)
                return max(wait_ms, 1) / 1000
        except Timeout:
            raise self._unusable(f"its lock held for {LOCK_WAIT_S:g} s", "end the process that holds it") from None
        except (sqlite3.Error, OSError) as error:
            advice = "remove the file: the budget starts anew"
            raise self._unusable(f"{type(error).__name__}: {error}", advice) from None

    def _opened(self) -> SQLiteBucket:
        if self._bucket is None:
            from pyrate_limiter import Rate as BucketRate
            from pyrate_limiter import SQLiteBucket

            self.folder.mkdir(parents=True, exist_ok=True)
            rates = [BucketRate(rate.requests, round(seconds * 1000)) for seconds, rate in sorted(self.rates.items())]
            self._bucket = SQLiteBucket.init_from_file(rates, db_path=str(self.path), use_file_lock=True)
        return self._bucket

    def _exhausted(self, wait_s: float) -> BudgetExhausted:
        held = " and ".join(f"{rate.requests} requests in {rate.seconds:g} s" for rate in self.rates.values())
        found = f"the budget of {held} used up for longer than {self.longest_wait_s:g} s"
        advice = "asked again later; raise the rates of this service if its plan allows more"
        return BudgetExhausted(self.service, "room for one request", found, advice, wait_s)

    def _unusable(self, found: str, advice: str) -> FetchError:
        return Transient(self.service, f"the shared budget in {self.path}", found, advice)


def _set_back(bucket: SQLiteBucket, now_ms: int) -> None:
    # Requests from the future were made before the clock was set back, nobody knows how long before: they count from
    # now on, so that no wait exceeds what the rates say, and no rate is broken.
    newest = bucket.peek(0)
    if newest is not None and newest.timestamp > now_ms:
        query = f"UPDATE '{bucket.table}' SET item_timestamp = ? WHERE item_timestamp > ?"
        bucket.conn.execute(query, (now_ms, now_ms))
        bucket.conn.commit()
