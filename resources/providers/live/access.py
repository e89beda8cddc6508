"""How a service is reached: address, key, time limit, clock, budget of requests, and the record of what it sent."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote, quote_plus

from resources.providers.live.allowance import Allowance
from resources.providers.live.errors import MissingKeyError
from resources.providers.live.service import Key
from resources.providers.protocol import Source

STRUCK_OUT = "***"
SHORTEST_SECRET = 4


def utc_now() -> dt.datetime:
    """Return the time."""
    return dt.datetime.now(dt.UTC)


@dataclass
class Recorder:
    """Keeps every body that a service sent until it is taken for the archive.

    Attributes
    ----------
    keeps_bodies
        False to keep what a body was, with its hash, but not the bytes.
    """

    sources: list[Source] = field(default_factory=list)
    keeps_bodies: bool = True

    def add(self, name: str, content: bytes, url: str, at: dt.datetime) -> None:
        """Keep one body. ``url`` holds no secret."""
        source = Source.of_bytes(name, content, url, at)
        self.sources.append(source if self.keeps_bodies else replace(source, content=None))

    def taken(self) -> tuple[Source, ...]:
        """Return what was kept since the last call."""
        taken, self.sources = tuple(self.sources), []
        return taken


@dataclass(frozen=True)
class Access:
    """What an adapter needs of its surroundings; production and tests differ in nothing else.

    Attributes
    ----------
    service
        Name of the service.
    base_url
        Address in place of the service's own ones; None for its own.
    timeout_s
        Longest time for one request from first to last byte.
    keys
        Values of environment variables that the service's key may consist of.
    options
        Settings of this service, as its module documents them.
    clock
        Returns the time, aware.
    gate
        Called before each HTTP request: waits until the budget allows it, or raises RateLimited.
    recorder
        Receives every body.
    allowance
        Counts what the vendor counts beside requests; of this access alone unless it is given.
    closers
        What :meth:`close` calls: whoever opens a connection adds its end.
    """

    service: str
    base_url: str | None = None
    timeout_s: float = 20.0
    keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    options: Mapping[str, Any] = field(default_factory=dict)
    clock: Callable[[], dt.datetime] = utc_now
    gate: Callable[[], None] = lambda: None
    recorder: Recorder = field(default_factory=Recorder)
    allowance: Allowance = field(default_factory=Allowance, repr=False)
    closers: list[Callable[[], Any]] = field(default_factory=list, repr=False)

    def close(self) -> None:
        """Close the connections that were opened through it."""
        while self.closers:
            self.closers.pop()()
        self.allowance.close()

    def credentials(self, key: Key) -> tuple[str, ...]:
        """Return the values of the first complete set of variables.

        Raises
        ------
        MissingKeyError
            When none is complete; says which to set and how to get a key.
        """
        for names in key.alternatives:
            if all(self.keys.get(name) for name in names):
                return tuple(self.keys[name] for name in names)
        wanted = " or ".join(" and ".join(names) for names in key.alternatives)
        raise MissingKeyError(self.service, f"a key in {wanted}", "none", f"skipped; to use it: {key.how}")

    def redact(self, text: str) -> str:
        """Return ``text`` with every secret struck out.

        Examples
        --------
        >>> Access("example", keys={"EXAMPLE_KEY": "s3cret"}).redact("https://example.test/?apikey=s3cret")
        'https://example.test/?apikey=***'
        """
        for secret in self._secrets():
            text = text.replace(secret, STRUCK_OUT)
        return text

    def redact_body(self, content: bytes) -> bytes:
        """Return a body with every secret struck out: some services repeat the key in what they answer.

        Examples
        --------
        >>> Access("example", keys={"EXAMPLE_KEY": "s3cret"}).redact_body(b'{"note": "your key s3cret"}')
        b'{"note": "your key ***"}'
        """
        for secret in self._secrets():
            content = content.replace(secret.encode(), STRUCK_OUT.encode())
        return content

    def _secrets(self) -> list[str]:
        forms = {form for secret in self.keys.values() for form in (secret, quote(secret, safe=""), quote_plus(secret))}
        # The longest first: a secret may be part of another one.
        return sorted((form for form in forms if len(form) >= SHORTEST_SECRET), key=lambda form: (-len(form), form))
