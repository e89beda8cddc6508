"""One ask, repeated where that may help: with jitter, as the service asks, and never for long."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from resources.providers.live.errors import FetchError, RateLimited

T = TypeVar("T")


@dataclass(frozen=True)
class Retry:
    """How often and how long one ask is repeated.

    Only errors that are temporary are repeated. A service that says when to ask again is asked then, unless that is
    later than this ask may take: then the error goes on at once, so that another service is asked instead.
    ``stamina.set_testing(True, attempts=3, cap=True)`` repeats without waiting.

    Attributes
    ----------
    attempts
        Most attempts, the first included.
    longest_s
        Longest time from the first attempt to the start of the last, in seconds.
    first_pause_s
        Pause after the first failure; doubles with each further one.
    longest_pause_s
        Longest pause that is not asked for by the service.
    jitter_s
        Largest random addition to a pause.
    """

    attempts: int = 3
    longest_s: float = 60.0
    first_pause_s: float = 0.5
    longest_pause_s: float = 10.0
    jitter_s: float = 0.5

    def call(self, ask: Callable[[], T]) -> T:
        """Return what ``ask`` returns, from the first attempt that succeeds.

        Raises
        ------
        FetchError
            That of the last attempt.

        Examples
        --------
        >>> Retry().call(lambda: "rows")
        'rows'
        """
        import stamina
        from stamina.instrumentation import set_on_retry_hooks

        # The ledger has every attempt; stamina's own reports would go to standard output.
        set_on_retry_hooks(())
        started = time.monotonic()

        def is_repeated(error: Exception) -> bool | float:
            if not isinstance(error, FetchError) or not error.is_temporary:
                return False
            wait_s = error.retry_after if isinstance(error, RateLimited) else None
            if wait_s is None:
                return True
            if wait_s > self.longest_s - (time.monotonic() - started):
                return False
            return float(wait_s)

        attempts = stamina.retry_context(
            on=is_repeated,
            attempts=self.attempts,
            timeout=self.longest_s,
            wait_initial=self.first_pause_s,
            wait_max=self.longest_pause_s,
            wait_jitter=self.jitter_s,
        )
        for attempt in attempts:
            with attempt:
                return ask()
        raise AssertionError("stamina ends with a result or the last error")
