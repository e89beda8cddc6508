"""What a live service is: one outside source of raw tables, with what it can do, how often and at what price.

A service knows its vendor and nothing of its rivals: choosing, repeating, comparing and recording are the router's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from resources.providers.live.errors import FetchError, SchemaDrift

if TYPE_CHECKING:
    import datetime as dt

    import polars as pl

    from resources.providers.live.access import Access

EVENTS = frozenset({"raw.dividends", "raw.splits", "raw.posts", "raw.news", "raw.trades"})
"""Tables of things that happen or not: an answer without rows is an answer. In all others it is an EmptyResult."""

PUBLISHED = frozenset({"raw.macro"})
"""Tables in which an EmptyResult says that nothing was published; of events an answer without rows says it."""

UNITED = frozenset({"raw.posts", "raw.news"})
"""Tables to which every service adds what is said in its own place: none stands in for another."""

SNAPSHOTS = ("raw.option_quotes", "raw.order_books", "raw.trades", "raw.crypto_tickers")
"""Tables of what is there now: of earlier sessions hardly any service has them."""


@dataclass(frozen=True)
class Capability:
    """What a service has of one table.

    Attributes
    ----------
    max_symbols
        Symbols in one ask; None when one ask brings the whole market, or the table has no symbols.
    max_sessions
        Sessions in one ask; None when any number costs the same.
    delay_s
        Age of the newest datum, in seconds.
    reaches_back_sessions
        Newest sessions that can be asked for; 1 for a snapshot of now, None for all.
    preference
        Quality for this table, from 0, lower is better: what decides between services that are equally well.
    kinds
        Kinds of symbols that it has (:func:`gnosis.symbols.kind_of`); None where that is no question.
    """

    max_symbols: int | None
    max_sessions: int | None
    delay_s: float
    reaches_back_sessions: int | None = None
    preference: int = 5
    kinds: frozenset[str] | None = None


@dataclass(frozen=True)
class Rate:
    """At most ``requests`` HTTP requests in any ``seconds``."""

    requests: int
    seconds: float


@dataclass(frozen=True)
class Key:
    """Environment variables that hold a key.

    Attributes
    ----------
    alternatives
        Sets of variables, in order; the first that is complete is used.
    how
        How to get one, in one sentence with the address.
    """

    alternatives: tuple[tuple[str, ...], ...]
    how: str


@dataclass(frozen=True)
class Profile:
    """What is known of a service before asking it.

    Attributes
    ----------
    capabilities
        By table.
    rates
        Budget of requests; several hold at once.
    cost_usd_per_request
        Price of a request or of what it typically returns.
    key
        None when no key is needed.
    optional_key
        Key without which the service still answers, with less; ``how`` says what is gained.
    keeps_bodies
        False where the terms forbid to keep what the service sends: the archive then has records with hashes only.
    terms
        What its terms allow, in one sentence.
    hosts
        Addresses that it uses, for the documents and for redirecting in tests.
    """

    name: str
    title: str
    capabilities: Mapping[str, Capability]
    rates: tuple[Rate, ...]
    hosts: tuple[str, ...]
    terms: str
    cost_usd_per_request: float = 0.0
    key: Key | None = None
    optional_key: Key | None = None
    keeps_bodies: bool = True

    @property
    def variables(self) -> tuple[str, ...]:
        """Environment variables that a key of this service may be in."""
        keys = [key for key in (self.key, self.optional_key) if key is not None]
        return tuple(dict.fromkeys(name for key in keys for names in key.alternatives for name in names))


@dataclass(frozen=True)
class Ask:
    """One request for rows of a table.

    Attributes
    ----------
    table
        ``raw.equity_bars`` and the like.
    symbols
        Canonical symbols (:mod:`gnosis.symbols`); series names for ``raw.macro``; empty where the table has none.
    sessions
        Sessions, sorted.
    """

    table: str
    symbols: tuple[str, ...]
    sessions: tuple[dt.date, ...]


@dataclass(frozen=True)
class Answer:
    """What a service returned.

    Attributes
    ----------
    frame
        Exactly the table's columns and dtypes (:func:`resources.providers.protocol.conform`), only symbols and
        sessions asked for, ``synthetic`` false, ``provider`` the service's name. ``adjustment_factor`` of bars is null:
        it follows from splits and dividends and from the bars that are stored.
    rejected
        Rows that never fitted (:mod:`resources.providers.rejections`).
    failures
        By symbol, why it is not in the frame although others are.
    """

    frame: pl.DataFrame
    rejected: pl.DataFrame
    failures: Mapping[str, FetchError] = field(default_factory=dict)


@dataclass(frozen=True)
class Probe:
    """What one request told about a service.

    Attributes
    ----------
    delay_s
        Age of the newest datum in seconds; None when the answer does not say.
    detail
        One sentence for a person.
    """

    delay_s: float | None
    detail: str


class Service(Protocol):
    """One outside source. Made from an :class:`Access`; making it asks nothing, imports no SDK and needs no key."""

    profile: Profile
    access: Access

    def fetch(self, ask: Ask) -> Answer:
        """Return the rows, in as few requests as the service allows.

        Raises
        ------
        FetchError
            Nothing else: see :func:`typed_errors`.
        """

    def probe(self) -> Probe:
        """Ask once, cheaply, and return what that showed; raises as ``fetch`` does."""


@contextmanager
def typed_errors(
    access: Access, expected: str, translate: Callable[[Exception], FetchError | None] = lambda _: None
) -> Iterator[None]:
    """Let nothing but a FetchError out, free of secrets.

    Parameters
    ----------
    access
        Whose secrets are struck out.
    expected
        What was asked for, for the message.
    translate
        Turns an exception of the SDK into ours, None when it does not know it: then the answer has not the form that
        the adapter was written for.
    """
    try:
        yield
    except FetchError:
        raise
    except Exception as error:  # noqa: BLE001 an SDK raises what it likes, and none of it may leak
        known = translate(error)
        if known is None:
            lines = access.redact(f"{type(error).__name__}: {error}").splitlines()
            advice = "the answer has a new form: look at the archived bytes and report it"
            known = SchemaDrift(access.service, expected, lines[0][:200], advice)
        # The cause is cut off: its text may hold the key.
        raise known from None
