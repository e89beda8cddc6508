"""HTTP as every adapter speaks it: one time limit, one meaning of each status, every body kept, no secret told."""

from __future__ import annotations

import datetime as dt
import email.utils
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from resources.providers.live.access import Access
from resources.providers.live.errors import (
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
    """

    service: str
    content: bytes
    content_type: str
    headers: Mapping[str, str]
    received_at: dt.datetime
    url: str

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
            found = f"{self.content_type or 'an unnamed type'} starting {self.content[:40]!r}"
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
            self._client = httpx.Client(
                timeout=self.access.timeout_s,
                follow_redirects=True,
                max_redirects=MOST_REDIRECTS,
                headers=self.headers,
            )
            self.access.closers.append(self._client.close)
            redact_logs(self.access, "httpx")
        deadline = time.monotonic() + self.access.timeout_s
        try:
            with self._client.stream(method, url, **request) as response:
                content = self._body(response, deadline, expected)
        except httpx.TooManyRedirects:
            advice = "the address has moved: set base_url of this service"
            raise SchemaDrift(self.access.service, expected, "redirects without end", advice) from None
        except httpx.HTTPError as error:
            raise self._unreached(expected, error) from None
        at = self.access.clock()
        shown = self.access.redact(str(response.url))
        self.access.recorder.add(f"{method} {path.split('?')[0]}", self.access.redact_body(content), shown, at)
        refusal = error_of_status(
            self.access, expected, response.status_code, response.headers, content[:300].decode("utf-8", "replace")
        )
        if refusal is not None:
            raise refusal
        kind = response.headers.get("content-type", "").split(";")[0].strip().lower()
        return Reply(self.access.service, content, kind, response.headers, at, shown)

    def _body(self, response: httpx.Response, deadline: float, expected: str) -> bytes:
        # httpx limits the wait for each piece, not for all of them: a slow drip would hold a night for ever.
        pieces, size = [], 0
        for piece in response.iter_bytes():
            size += len(piece)
            pieces.append(piece)
            if time.monotonic() > deadline:
                raise self._too_slow(expected)
            if size > LARGEST_BODY:
                found = f"more than {LARGEST_BODY >> 20} MiB"
                raise SchemaDrift(self.access.service, expected, found, "check base_url of this service")
        return b"".join(pieces)

    def _too_slow(self, expected: str) -> Transient:
        found = f"no whole answer within {self.access.timeout_s:g} s"
        return Transient(self.access.service, expected, found, "asked again later; a longer timeout_s can be set")

    def _unreached(self, expected: str, error: httpx.HTTPError) -> Transient:
        import httpx

        if isinstance(error, httpx.TimeoutException):
            return self._too_slow(expected)
        found = self.access.redact(f"{type(error).__name__}: {error}")[:200]
        return Transient(self.access.service, expected, found, "check the network and base_url of this service")


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
    """Return the seconds that a ``Retry-After`` header asks for, None when it says nothing that can be read.

    Examples
    --------
    >>> noon = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
    >>> retry_after("30", noon), retry_after("Fri, 20 Nov 2026 12:01:00 GMT", noon), retry_after("soon", noon)
    (30.0, 60.0, None)
    """
    if not value:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        at = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    return max((at - now).total_seconds(), 0.0)
