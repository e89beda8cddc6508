"""Why a live service did not answer with rows. One small family; no exception of an SDK or of a transport leaves it.

Only :class:`Transient` and :class:`RateLimited` are worth another attempt at the same service; all others send the
request on to the next service.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from resources.providers.errors import ProviderError

if TYPE_CHECKING:
    import polars as pl


class FetchError(ProviderError):
    """Root of the family. The message says what was expected, what was found and what to do.

    Attributes
    ----------
    service
        Name of the service that was asked.
    is_temporary
        True when the same request may succeed later without any change.

    Examples
    --------
    >>> str(NotFound("yahoo", "bars of ZZZZ", "HTTP 404", "correct the symbol"))
    'yahoo: expected bars of ZZZZ, found HTTP 404; correct the symbol'
    """

    is_temporary = False

    def __init__(self, service: str, expected: str, found: str, advice: str) -> None:
        self.service, self.expected, self.found, self.advice = service, expected, found, advice
        super().__init__(f"{service}: expected {expected}, found {found}; {advice}")


class AuthError(FetchError):
    """The service does not accept the key."""


class MissingKeyError(AuthError):
    """No key is set: the service is skipped, and the message says how to get one."""


class MissingPackageError(FetchError):
    """The Python package that speaks to the service is not installed."""


class EntitlementError(FetchError):
    """The key is good, but the plan, the account or the country may not have this."""


LONGEST_RETRY_AFTER_S = 86_400.0


class RateLimited(FetchError):
    """Too many requests.

    Attributes
    ----------
    retry_after
        Seconds after which the service says to ask again; None when it does not say, or names no time within a day.
    """

    is_temporary = True

    def __init__(self, service: str, expected: str, found: str, advice: str, retry_after: float | None = None) -> None:
        is_told = retry_after is not None and 0.0 <= retry_after <= LONGEST_RETRY_AFTER_S
        self.retry_after = retry_after if is_told else None
        super().__init__(service, expected, found, advice)


class BudgetExhausted(RateLimited):
    """Our own budget has no room: nothing was asked, which says nothing of the service."""


class NotFound(FetchError):
    """The service does not know the symbol, the series or the file."""


class NotConfigured(NotFound):
    """A setting without which the service cannot be asked, such as the addresses of feeds, is not there."""


class EmptyResult(FetchError):
    """The service answered properly and has no rows where there must be some."""


class Incomplete(FetchError):
    """The service answered properly, but its answer does not reach over all that was asked for."""


class SchemaDrift(FetchError):
    """The answer has not the documented form: HTML, truncated JSON, a missing or mistyped field."""


class Transient(FetchError):
    """Time-out, broken connection, or an error on the side of the service."""

    is_temporary = True


class UnavailableError(Exception):
    """No configured service could answer. Says of each one why, and what to do.

    Attributes
    ----------
    failures
        The error of each service that was asked, in the order of asking.
    events
        Rows of ``raw.quality_events``: what is missing and why.
    """

    def __init__(self, table: str, failures: tuple[FetchError, ...], events: pl.DataFrame) -> None:
        self.table, self.failures, self.events = table, failures, events
        why = " | ".join(str(failure) for failure in failures) or "no configured service has this table"
        super().__init__(f"expected rows of {table} from at least one service, found none: {why}")

    @property
    def is_temporary(self) -> bool:
        """True when a service may answer later without any change."""
        return any(failure.is_temporary for failure in self.failures)
