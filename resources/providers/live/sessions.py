"""Sessions for SDKs that bring their own HTTP: the same rules laid over ``requests`` and over ``curl_cffi``."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from resources.providers.live.access import Access
from resources.providers.live.errors import FetchError, Transient
from resources.providers.live.http import error_of_status, whole_body
from resources.providers.live.redacted_logs import redact_logs

ORIGINAL_HOST = "X-Orig-Host"
LOGGERS = ("urllib3.connectionpool", "urllib3.connection", "urllib3.util.retry")
"""What requests logs to, by way of urllib3: addresses at level DEBUG."""

PIECE = 65_536


def watched(session_class: type, access: Access, *, raises: bool, expected: Callable[[], str]) -> Any:
    """Return a session of a subclass of ``session_class`` that obeys ``access``.

    Every request waits for the budget, has one time limit from first to last byte, redirects included, is led to
    ``access.base_url`` when there is one (the original host goes along as a header), and its body is kept for the
    archive.

    Parameters
    ----------
    session_class
        ``requests.Session`` or ``curl_cffi.requests.Session``.
    raises
        True to raise our error for a status of 300 and more, so that the SDK never sees it; False where the SDK reads
        the body of errors.
    expected
        What is being asked for, for messages.
    """
    import requests
    from urllib3.exceptions import HTTPError

    # curl limits the whole request by itself; requests only the wait for each piece.
    is_limited = not issubclass(session_class, requests.Session)

    class Watched(session_class):
        def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
            access.gate()
            target, headers = redirected(access, url)
            kwargs["headers"] = {**(kwargs.get("headers") or {}), **headers}
            kwargs["timeout"] = access.timeout_s
            if not is_limited:
                deadline = time.monotonic() + access.timeout_s
                kwargs["hooks"] = {"response": lambda found, **_: _read_whole(found, access, expected(), deadline)}
            try:
                response = super().request(method, target, *args, **kwargs)
            except FetchError:
                raise
            except (OSError, HTTPError) as error:
                # Both libraries derive their errors from OSError; while a body is read, urllib3 speaks for itself.
                found = access.redact(f"{type(error).__name__}: {error}")[:200]
                advice = "check the network and base_url of this service; a longer timeout_s can be set"
                raise Transient(access.service, expected(), found, advice) from None
            path = urlsplit(url).path
            shown = access.redact(str(response.url))
            access.recorder.add(f"{method.upper()} {path}", access.redact_body(response.content), shown, access.clock())
            if raises:
                text = response.content[:300].decode("utf-8", "replace")
                refusal = error_of_status(access, expected(), response.status_code, response.headers, text)
                if refusal is not None:
                    raise refusal
            return response

    session = Watched()
    access.closers.append(session.close)
    redact_logs(access, *LOGGERS)
    return session


def _read_whole(response: Any, access: Access, expected: str, deadline: float) -> None:
    # requests calls this for every response before it looks at it, those that redirect among them.
    pieces = iter(lambda: response.raw.read1(PIECE, decode_content=True), b"")
    is_whole = False
    try:
        response._content = whole_body(access, expected, pieces, deadline)
        response._content_consumed = is_whole = True
    finally:
        if not is_whole:
            response.close()


def redirected(access: Access, url: str) -> tuple[str, dict[str, str]]:
    """Return the address to ask and the headers that go along: those of ``access.base_url`` when there is one.

    Examples
    --------
    >>> redirected(Access("example", base_url="http://127.0.0.1:81/example"), "https://api.example.test/v1/bars?a=1")
    ('http://127.0.0.1:81/example/v1/bars?a=1', {'X-Orig-Host': 'api.example.test'})
    """
    if access.base_url is None:
        return url, {}
    parts = urlsplit(url)
    query = f"?{parts.query}" if parts.query else ""
    return f"{access.base_url.rstrip('/')}{parts.path}{query}", {ORIGINAL_HOST: parts.netloc.rpartition("@")[2]}
