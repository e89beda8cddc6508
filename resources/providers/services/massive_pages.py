"""The client of Massive (once Polygon) with our HTTP beneath it: pages that are checked before anyone reads them.

Left alone, both clients give ``[]`` for a page of HTML, for a missing ``results`` and for an empty day alike, and the
older one can wait for ever, since it ignores the time limits it takes. Here the client makes the addresses, parameters
and headers, and :class:`resources.providers.live.http.Http` sends them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

import polars as pl

from gnosis.symbols import InvalidSymbolError, UnmappedSymbolError, kind_of, to_provider
from resources.providers.live.access import Access
from resources.providers.live.errors import (
    EmptyResult,
    EntitlementError,
    FetchError,
    MissingPackageError,
    NotFound,
    SchemaDrift,
)
from resources.providers.live.http import Http, Reply
from resources.providers.live.service import Key

GOOD = ("OK", "DELAYED")
TOO_EARLY = b"before end of day"
"""In the message of a refusal to a free key that asks for the day that is not over (reported)."""

KINDS: Mapping[Any, tuple[type, ...]] = {pl.String: (str,), pl.Int64: (int,), pl.Float64: (int, float)}
REPORT = "the answer has a new form: look at the archived bytes and report it"


@dataclass(frozen=True)
class Page:
    """One page of an answer.

    Attributes
    ----------
    reply
        As it was received.
    document
        Its JSON.
    n_rows
        Number of entries in ``results``.
    """

    reply: Reply
    document: Mapping[str, Any]
    n_rows: int


@dataclass(frozen=True)
class _Response:
    """What the client sees of a reply."""

    reply: Reply
    status: int = 200

    @property
    def data(self) -> bytes:
        return self.reply.content


class _Pool:
    """Stands in for the urllib3 pool of a client: our time limit, budget, record and errors."""

    def __init__(self, http: Http) -> None:
        self.http, self.expected = http, ""

    def request(
        self, method: str, url: str, fields: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None
    ) -> _Response:
        assert method == "GET", method
        # Parameters that are empty must be None: an empty mapping would take the query of a next page away.
        path = url.removeprefix(self.http.base_url)
        try:
            return _Response(self.http.get(path, self.expected, params=fields or None, headers=headers))
        except EntitlementError as error:
            # The one refusal of 403 that passes by itself: it must not count as a plan without the table.
            if TOO_EARLY in (self.http.access.recorder.sources[-1].content or b""):
                found = "HTTP 403 because the day has not ended there"
                raise EmptyResult(error.service, self.expected, found, "ask again later in the evening") from None
            raise


class Connection:
    """A client of Massive or Polygon.

    Parameters
    ----------
    access
        How the service is reached.
    package
        ``massive`` or ``polygon``.
    host
        Address of the service.
    key
        Variables that its key may be in.
    """

    def __init__(self, access: Access, package: str, host: str, key: Key) -> None:
        self.access, self._package, self._key = access, package, key
        self._pool = _Pool(Http(access, host))
        self._made: Any = None

    def text_of(self, symbol: str, kind: str) -> str:
        """Return how the service writes a symbol of this kind.

        Raises
        ------
        NotFound
            When the symbol is of another kind or unknown to the service.
        """
        expected = f"an {kind} that the service has"
        try:
            text = to_provider(symbol, "massive")
        except (InvalidSymbolError, UnmappedSymbolError) as error:
            raise NotFound(self.access.service, expected, repr(symbol), str(error)) from None
        if kind_of(symbol) != kind:
            raise NotFound(self.access.service, expected, symbol, "ask another service")
        return text

    def require_key(self) -> None:
        """Raise MissingKeyError when there is no key, before anything is asked or judged."""
        self.access.credentials(self._key)

    def get(self, expected: str, call: Callable[[Any], Any]) -> Reply:
        """Return one reply as it is; ``call`` takes the client and passes ``raw=True``."""
        client = self._client()
        self._pool.expected = expected
        response: _Response = call(client)
        return response.reply

    def pages(self, expected: str, call: Callable[[Any], Any]) -> Iterator[Page]:
        """Return the pages of a list, following ``next_url`` by path and query at the address of the first page.

        Raises
        ------
        FetchError
            By the status of the reply or of its JSON; SchemaDrift when it is no list of results.
        """
        reply, seen = self.get(expected, call), set[str]()
        while True:
            page = self._page(reply, expected)
            yield page
            following = page.document.get("next_url")
            if not following:
                return
            if following in seen:
                raise SchemaDrift(self.access.service, expected, "pages that lead back to themselves", REPORT)
            seen.add(following)
            parts = urlsplit(following)
            path = f"{parts.path}?{parts.query}" if parts.query else parts.path
            reply = self._pool.request("GET", self._made.BASE + path, headers=self._made.headers).reply

    def rows(self, page: Page, expected: str, fields: Mapping[str, pl.DataType | type[pl.DataType]]) -> pl.DataFrame:
        """Return ``fields`` of the results as a frame, null where a result lacks one.

        Raises
        ------
        SchemaDrift
            When a field is of another type; names it.
        """
        if page.n_rows == 0:
            return pl.DataFrame(schema=pl.Schema(fields))
        wrong = _mistyped(page.document["results"], fields)
        if wrong is None:
            text = pl.Series([page.reply.content.decode("utf-8")])
            try:
                return _decoded(text, fields)
            except pl.exceptions.ComputeError:
                wrong = "results"
        raise SchemaDrift(self.access.service, expected, f"another type in the field {wrong!r}", REPORT)

    def _client(self) -> Any:
        if self._made is None:
            (secret,) = self.access.credentials(self._key)
            try:
                module = import_module(self._package)
            except ModuleNotFoundError:
                advice = f"install it with: uv pip install {self._package}"
                raise MissingPackageError(self.access.service, f"the package {self._package}", "none", advice) from None
            # The key must be passed: the client reads the environment when it is imported.
            self._made = module.RESTClient(api_key=secret, base=self._pool.http.base_url, retries=0)
            self._made.client = self._pool
        return self._made

    def _page(self, reply: Reply, expected: str) -> Page:
        document = reply.json(expected)
        if not isinstance(document, dict):
            raise SchemaDrift(self.access.service, expected, f"JSON that is a {type(document).__name__}", REPORT)
        status = document.get("status")
        if status not in GOOD:
            raise self._refused(expected, str(status), self.access.redact(str(document.get("message", "")))[:120])
        results = document.get("results")
        if results is None and document.get("resultsCount") == 0:
            # Bars leave the list out when there are none.
            return Page(reply, document, 0)
        if not isinstance(results, list):
            found = "no results" if results is None else f"results that are a {type(results).__name__}"
            raise SchemaDrift(self.access.service, f"{expected} as a list of results", found, REPORT)
        return Page(reply, document, len(results))

    def _refused(self, expected: str, status: str, message: str) -> FetchError:
        found = f"status {status} {message}".strip()
        if status == "NOT_AUTHORIZED":
            return EntitlementError(self.access.service, expected, found, "the plan does not include this")
        if status == "NOT_FOUND":
            return NotFound(self.access.service, expected, found, "check the symbol")
        return SchemaDrift(self.access.service, f"{expected} with the status OK", found, REPORT)


def instant(column: str, per_second: int) -> pl.Expr:
    """Return an epoch in whole units, ``per_second`` to a second, as an instant in microseconds (UTC).

    Examples
    --------
    >>> pl.select(t=1791997200000).select(instant("t", 1000)).item().isoformat()
    '2026-10-14T17:00:00+00:00'
    """
    value = pl.col(column)
    micros = value * (1_000_000 // per_second) if per_second <= 1_000_000 else value // (per_second // 1_000_000)
    return micros.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")


def epoch(at: dt.datetime, per_second: int) -> int:
    """Return an instant as an epoch, exactly, in units of which ``per_second`` make a second.

    Examples
    --------
    >>> epoch(dt.datetime(2026, 10, 14, 17, tzinfo=dt.UTC), 1_000_000_000)
    1791997200000000000
    """
    micros = (at - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)
    return micros * per_second // 1_000_000


def _decoded(text: pl.Series, fields: Mapping[str, Any]) -> pl.DataFrame:
    listed = text.str.json_decode(pl.Struct({"results": pl.List(pl.Struct(fields))}))
    return listed.struct.field("results").explode().struct.unnest()


def _mistyped(rows: Sequence[Any], fields: Mapping[str, Any]) -> str | None:
    """Return a field that holds another type in some row: the decoder would make 1.0 of true and 2 of 2.5."""
    if not {type(row) for row in rows} <= {dict}:
        return "results"
    for name, dtype in fields.items():
        values = [row.get(name) for row in rows]
        if isinstance(dtype, pl.Struct):
            inner = _mistyped([value for value in values if value is not None], dtype.to_schema())
            if inner is not None:
                return name if inner == "results" else f"{name}.{inner}"
        elif not {type(value) for value in values} <= {*KINDS[dtype], type(None)}:
            return name
    return None
