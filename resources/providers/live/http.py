"""HTTP as every adapter speaks it: one time limit, one meaning of each status, every body kept, no secret told."""

from __future__ import annotations

import datetime as dt
import email.utils
import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from resources.providers.live.access import Access
from resources.providers.live.errors import (
    LONGEST_RETRY_AFTER_S,
    AuthError,
    EntitlementError,
    FetchError,
    NotFound,
    RateLimited,
    SchemaDrift,
    Transient,
)
from resources.providers.live.redacted_logs import redact_logs

if TYPE_CHECKING:
    import httpx

USER_AGENT = "gnosis/0.1 (research; one person)"
LARGEST_BODY = 256 * 2**20
MOST_REDIRECTS = 5
LOGGERS = ("httpx", "httpcore.connection", "httpcore.http11", "httpcore.http2", "httpcore.proxy", "httpcore.socks")
"""What httpx logs to: addresses at level INFO, headers at level DEBUG."""


@dataclass(frozen=True)
class Reply:
    """A successful response.

    Attributes
    ----------
    content
        The body.
    content_type
        Media type without parameters, lower case.
    received_at
        When the last byte came (UTC).
    url
        Address without secrets.
    redact
        Strikes the secrets out of a body.
    """

    service: str
    content: bytes
    content_type: str
    headers: Mapping[str, str]
    received_at: dt.datetime
    url: str
    redact: Callable[[bytes], bytes] = field(default=bytes, repr=False)

    def json(self, expected: str) -> Any:
        """Return the body as JSON.

        Raises
        ------
        SchemaDrift
            When it is something else, such as a page for people.
        """
        try:
            return json.loads(self.content)
        except ValueError:
            found = f"{self.content_type or 'an unnamed type'} starting {self.redact(self.content)[:40]!r}"
            advice = "the service is in maintenance, blocks this address or has changed; look at the archived bytes"
            raise SchemaDrift(self.service, f"{expected} as JSON", found, advice) from None


class Http:
    """A client for one service. Follows redirects; raises our errors and no others.

    Parameters
    ----------
    access
        How the service is reached; its ``base_url`` goes before ``base_url``.
    base_url
        The service's own address.
    headers
        Sent with every request, the key among them.

    Examples
    --------
    >>> Http(Access("example"), "https://example.test").base_url
    'https://example.test'
    """

    def __init__(self, access: Access, base_url: str, headers: Mapping[str, str] | None = None) -> None:
        self.access = access
        self.base_url = (access.base_url or base_url).rstrip("/")
        self.headers = {"User-Agent": USER_AGENT, **(headers or {})}
        self._client: httpx.Client | None = None

    def get(
        self,
        path: str,
        expected: str,
        params: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Return the reply to a GET of ``path`` (from ``/`` on) or of a whole address of the same service.

        Raises
        ------
        FetchError
            By the status (:func:`error_of_status`); Transient when nothing came in time.
        """
        return self._send("GET", path, expected, params=params, headers=headers)

    def post(
        self,
        path: str,
        expected: str,
        document: Any,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Return the reply to a POST of a JSON document; raises as :meth:`get` does."""
        return self._send("POST", path, expected, json=document, headers=headers)

    def _send(self, method: str, path: str, expected: str, **request: Any) -> Reply:
        import httpx

        self.access.gate()
        url = path if path.startswith(("http://", "https://")) else self.base_url + path
        if self._client is None:
            # Redirects are followed here: httpx reads their bodies without any limit.
            self._client = httpx.Client(timeout=self.access.timeout_s, follow_redirects=False, headers=self.headers)
            self.access.closers.append(self._client.close)
            redact_logs(self.access, *LOGGERS)
        deadline = time.monotonic() + self.access.timeout_s
        try:
            response, content = self._followed(self._client.build_request(method, url, **request), deadline, expected)
        except httpx.TimeoutException:
            raise too_slow(self.access, expected) from None
        except httpx.HTTPError as error:
            found = self.access.redact(f"{type(error).__name__}: {error}")[:200]
            advice = "check the network and base_url of this service"
            raise Transient(self.access.service, expected, found, advice) from None
        at = self.access.clock()
        shown = self.access.redact(str(response.url))
        self.access.recorder.add(f"{method} {path.split('?')[0]}", self.access.redact_body(content), shown, at)
        refusal = error_of_status(
            self.access, expected, response.status_code, response.headers, content[:300].decode("utf-8", "replace")
        )
        if refusal is not None:
            raise refusal
        kind = response.headers.get("content-type", "").split(";")[0].strip().lower()
        redact = self.access.redact_body
        return Reply(self.access.service, content, kind, response.headers, at, shown, redact)

    def _followed(self, request: httpx.Request, deadline: float, expected: str) -> tuple[httpx.Response, bytes]:
        # Returns the first response that leads nowhere else, and its body.
        assert self._client is not None
        for _ in range(MOST_REDIRECTS + 1):
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise too_slow(self.access, expected)
            request.extensions["timeout"] = dict.fromkeys(("connect", "read", "write", "pool"), left_s)
            response = self._client.send(request, stream=True)
            try:
                content = whole_body(self.access, expected, response.iter_bytes(), deadline)
            finally:
                response.close()
            if response.next_request is None:
                return response, content
            request = response.next_request
        advice = "the address has moved: set base_url of this service"
        raise SchemaDrift(self.access.service, expected, "redirects without end", advice)


def whole_body(access: Access, expected: str, pieces: Iterable[bytes], deadline: float) -> bytes:
    """Return a body that comes in pieces.

    HTTP libraries limit the wait for each piece, not for all of them: a slow drip would hold a night for ever.

    Parameters
    ----------
    pieces
        As they come; waits no longer for one than the time limit of a request.
    deadline
        In seconds of :func:`time.monotonic`.

    Raises
    ------
    Transient
        When the deadline passes before the last piece.
    SchemaDrift
        When there are more than :data:`LARGEST_BODY` bytes.

    Examples
    --------
    >>> whole_body(Access("example"), "bars", [b"session,", b"close"], time.monotonic() + 1)
    b'session,close'
    """
    whole, size = [], 0
    for piece in pieces:
        size += len(piece)
        whole.append(piece)
        if time.monotonic() > deadline:
            raise too_slow(access, expected)
        if size > LARGEST_BODY:
            found = f"more than {LARGEST_BODY >> 20} MiB"
            raise SchemaDrift(access.service, expected, found, "check base_url of this service")
    return b"".join(whole)


def too_slow(access: Access, expected: str) -> Transient:
    """Return the error of an answer that was not there in time."""
    found = f"no whole answer within {access.timeout_s:g} s"
    return Transient(access.service, expected, found, "asked again later; a longer timeout_s can be set")


def error_of_status(
    access: Access, expected: str, status: int, headers: Mapping[str, str], body: str
) -> FetchError | None:
    """Return what a status means, None below 300.

    401: AuthError; 402, 403 and 451 (plan, account or country): EntitlementError; 404, 410: NotFound; 418, 429:
    RateLimited with the seconds of ``Retry-After``; 408, 425 and 5xx: Transient; every other one: SchemaDrift, since
    the service no longer takes the documented request.

    Parameters
    ----------
    headers
        Of the response; names are compared as the mapping compares them, so pass one that ignores case.
    body
        Start of the body, for the message.

    Examples
    --------
    >>> limited = error_of_status(Access("example"), "bars", 429, {"Retry-After": "7"}, "slow down")
    >>> type(limited).__name__, limited.retry_after
    ('RateLimited', 7.0)
    """
    if status < 300:
        return None
    service, text = access.service, " ".join(access.redact(body).split())[:120]
    found = f"HTTP {status}" + (f" {text!r}" if text and not text.startswith("<") else "")
    if status == 401:
        return AuthError(service, expected, found, "check the key; it may be mistyped or revoked")
    if status in (402, 403, 451):
        return EntitlementError(service, expected, found, "the plan, the account or the country may not have this")
    if status in (404, 410):
        return NotFound(service, expected, found, "check the symbol; the service may have moved")
    if status in (418, 429):
        wait = retry_after(headers.get("Retry-After"), access.clock())
        return RateLimited(service, expected, found, "asked again later; lower the rates of this service", wait)
    if status in (408, 425) or status >= 500:
        return Transient(service, expected, found, "asked again later")
    return SchemaDrift(service, expected, found, "the service no longer takes this request; report it")


def retry_after(value: str | None, now: dt.datetime) -> float | None:
    """Return the seconds that a ``Retry-After`` header asks for, None when it names no time within a day.

    A date without a zone is taken for UTC.

    Examples
    --------
    >>> noon = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
    >>> retry_after("30", noon), retry_after("Fri, 20 Nov 2026 12:01:00 GMT", noon), retry_after("soon", noon)
    (30.0, 60.0, None)
    """
    if not value:
        return None
    if value.strip().isdecimal():
        wait_s = float(value)
    else:
        try:
            at = email.utils.parsedate_to_datetime(value)
        except (ValueError, OverflowError):
            return None
        aware = at if at.tzinfo else at.replace(tzinfo=dt.UTC)
        wait_s = max((aware - now).total_seconds(), 0.0)
    return wait_s if wait_s <= LONGEST_RETRY_AFTER_S else None
