"""One loopback server for every vendor, with a mode per service and path: the vendor's good answer, or a failure.

The first segment of a path names the service: ``http://127.0.0.1:<port>/yahoo/v8/finance/chart/AAA``. A vendor (one
module each in ``tests/loopback/vendors``) gives the good answers in the form of the real service; the failures that all
services share are made here.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol
from urllib.parse import parse_qs, unquote, urlsplit

MODES = (
    "ok",
    "empty",
    "paging",
    "redirect",
    "401",
    "402",
    "403",
    "404",
    "418",
    "429",
    "429_retry_after",
    "451",
    "500",
    "502",
    "503",
    "html",
    "truncated",
    "slow",
    "drip",
    "wrong_types",
)
RETRY_AFTER_S = 7
SLOW_S = 30.0
"""Longest wait of the mode ``slow``; clients of tests give up long before, and the wait ends with the server."""

DRIPS = 1_000
"""Pieces of a body in the mode ``drip``, spread over :data:`SLOW_S`: each of them comes in time, the whole does not."""

PAGE = b"<!DOCTYPE html><html><body><h1>Will be right back</h1></body></html>"


@dataclass(frozen=True)
class Request:
    """What came in. ``mode`` lets a vendor answer ``empty`` and ``paging`` (two items a page) in its own form."""

    service: str
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    host: str
    url: str
    mode: str

    @property
    def is_empty(self) -> bool:
        return self.mode == "empty"

    @property
    def page_size(self) -> int | None:
        """Largest number of items in an answer, None for all."""
        return 2 if self.mode == "paging" else None


@dataclass(frozen=True)
class Response:
    """What goes out."""

    body: bytes
    status: int = 200
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    is_dripping: bool = False

    @property
    def pieces(self) -> list[bytes]:
        """The body as it is sent."""
        size = -(-len(self.body) // DRIPS) if self.is_dripping else len(self.body)
        return [self.body[begin : begin + size] for begin in range(0, len(self.body), size or 1)]

    @classmethod
    def of_json(cls, document: Any, status: int = 200) -> Response:
        return cls(json.dumps(document).encode(), status)


class Vendor(Protocol):
    """The good answers of one service; ``refusal`` may be missing, then errors have a plain JSON body."""

    service: str

    def answer(self, request: Request) -> Response: ...


@dataclass
class _Rule:
    mode: str
    path: str
    remaining: int | None


class Loopback:
    """The server. Use it as a context manager, or the fixture ``loopback``.

    Attributes
    ----------
    log
        Every request, in order of arrival.
    watcher
        Called with each request before it is answered; may set modes.
    """

    def __init__(self) -> None:
        self.vendors: dict[str, Vendor] = {}
        self.log: list[Request] = []
        self.watcher: Callable[[Request], None] = lambda _: None
        self._rules: dict[str, list[_Rule]] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Loopback:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._server.shutdown()
        self._server.server_close()

    def url(self, service: str) -> str:
        """Return the base address of a service."""
        return f"http://127.0.0.1:{self._server.server_port}/{service}"

    def serve(self, *vendors: Vendor) -> None:
        """Answer for these services."""
        self.vendors.update({vendor.service: vendor for vendor in vendors})

    def set_mode(self, service: str, mode: str, path: str = "", times: int | None = None) -> None:
        """Answer in ``mode`` where ``path`` occurs in the path, for the next ``times`` requests (None: from now on)."""
        assert mode in MODES, mode
        with self._lock:
            self._rules.setdefault(service, []).insert(0, _Rule(mode, path, times))

    def reset(self) -> None:
        """Forget modes, vendors and the log."""
        with self._lock:
            self._rules.clear()
            self.vendors.clear()
            self.log.clear()
            self.watcher = lambda _: None

    def requests(self, service: str) -> list[Request]:
        """Return what was asked of a service."""
        return [request for request in self.log if request.service == service]

    def respond(self, request: Request) -> Response:
        """Return the response in the mode that is set."""
        self.watcher(request)
        with self._lock:
            mode = self._mode(request)
            request = replace(request, mode=mode)
            self.log.append(request)
        vendor = self.vendors.get(request.service)
        if vendor is None:
            return Response(b'{"error":"no such service"}', 404)
        if mode == "slow":
            self.pause(SLOW_S)
        if mode == "redirect" and "/moved" not in request.url:
            return Response(b"", 307, headers={"Location": request.url.replace("/", "/moved/", 1)})
        if mode == "html":
            return Response(PAGE, 200, "text/html")
        status = mode.split("_")[0]
        if status.isdecimal():
            refusal: Callable[[int], Response] = getattr(vendor, "refusal", _plain_refusal)
            wait = {"Retry-After": str(RETRY_AFTER_S)} if mode.endswith("retry_after") else {}
            made = refusal(int(status))
            return replace(made, headers={**made.headers, **wait})
        response = vendor.answer(request)
        if mode == "drip":
            return replace(response, is_dripping=True)
        if mode == "truncated":
            return replace(response, body=response.body[: len(response.body) * 2 // 3])
        if mode == "wrong_types":
            return replace(response, body=wrong_types(response.body))
        return response

    def pause(self, seconds: float) -> None:
        """Wait; not beyond the end of the server."""
        self._stop.wait(seconds)

    def _mode(self, request: Request) -> str:
        for rule in self._rules.get(request.service, ()):
            if rule.path in request.path and rule.remaining != 0:
                if rule.remaining is not None:
                    rule.remaining -= 1
                return rule.mode
        return "ok"


def wrong_types(body: bytes) -> bytes:
    """Return a body of the same form in which every number is a word."""
    try:
        document = json.loads(body)
    except ValueError:
        head, _, rest = body.partition(b"\n")
        return head + b"\n" + re.sub(rb"\d", b"x", rest)

    def spoilt(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: spoilt(part) for key, part in value.items()}
        if isinstance(value, list):
            return [spoilt(part) for part in value]
        if isinstance(value, bool) or value is None:
            return value
        if isinstance(value, (int, float)):
            return "unexpected"
        return "unexpected" if re.fullmatch(r"-?[\d.]+", value) else value

    return json.dumps(spoilt(document)).encode()


def _plain_refusal(status: int) -> Response:
    return Response.of_json({"error": f"refused with {status}"}, status)


def _handler(loopback: Loopback) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            parts = urlsplit(self.path)
            segments = unquote(parts.path).removeprefix("/moved").lstrip("/").split("/", 1)
            request = Request(
                service=segments[0],
                method=self.command,
                path="/" + (segments[1] if len(segments) > 1 else ""),
                query={name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()},
                headers={name.lower(): value for name, value in self.headers.items()},
                body=body,
                host=self.headers.get("X-Orig-Host", ""),
                url=self.path,
                mode="ok",
            )
            response = loopback.respond(request)
            self.send_response(response.status)
            self.send_header("Content-Type", response.content_type)
            self.send_header("Content-Length", str(len(response.body)))
            if self.close_connection:
                # A client that asked for it would otherwise use the closed connection again.
                self.send_header("Connection", "close")
            for name, value in response.headers.items():
                self.send_header(name, value)
            self.end_headers()
            for number, piece in enumerate(response.pieces):
                if number:
                    loopback.pause(SLOW_S / DRIPS)
                self.wfile.write(piece)

        do_GET = do_POST = do_HEAD = _serve

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def handle(self) -> None:
            # A client that gave up in the modes "slow" and "drip" is what they are for.
            try:
                super().handle()
            except (BrokenPipeError, ConnectionResetError):
                time.sleep(0)

    return Handler
