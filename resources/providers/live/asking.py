"""One ask of one service, with everything around it: breaker, repeats, the record of how it went, the archive."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import polars as pl

from gnosis.tables import TABLES
from resources.providers.archive import Archive
from resources.providers.live import errors
from resources.providers.live.breaker import OK, UNUSABLE, Breaker
from resources.providers.live.cells import symbol_column
from resources.providers.live.errors import EmptyResult, FetchError, RateLimited, SchemaDrift, Transient
from resources.providers.live.health import HealthLedger
from resources.providers.live.retry import Retry
from resources.providers.live.service import EVENTS, PUBLISHED, Answer, Ask, Service, typed_errors
from resources.providers.protocol import Source, conform


@dataclass(frozen=True)
class Received:
    """How one ask ended.

    Attributes
    ----------
    answer
        None when there is an error.
    sources
        Every body that came, of failed attempts too; they are in the archive.
    received_at
        When the last body came; the time when none did.
    is_out
        True when the service is not to be asked for this table any more for now.
    n_cells
        Different cells that the rows are about.
    """

    answer: Answer | None
    error: FetchError | None
    sources: tuple[Source, ...]
    received_at: dt.datetime
    is_out: bool = False
    n_cells: int = 0


class Asker:
    """Asks services; what a service sends is archived, and how it did is recorded, whatever happens.

    A service without a key is recorded once per table and not asked again.
    """

    def __init__(
        self, ledger: HealthLedger, archive: Archive, clock: Callable[[], dt.datetime], retry: Retry | None = None
    ) -> None:
        self.ledger, self.archive, self.clock, self.retry = ledger, archive, clock, retry or Retry()
        self._unusable: dict[tuple[str, str], FetchError] = {}

    def ask(self, service: Service, ask: Ask) -> Received:
        """Return how the ask ended; raises nothing that a service does."""
        name = service.profile.name
        unusable = self._unusable.get((name, ask.table))
        if unusable is not None:
            return Received(None, unusable, (), self.clock(), is_out=True)
        admitted = self.ledger.admit(name, ask.table)
        if admitted == "open":
            return Received(None, self.left_alone(name, ask.table), (), self.clock(), is_out=True)
        retry = self.retry if admitted == "closed" else Retry(attempts=1)
        answer, n_cells, error = None, 0, None
        try:
            answer, n_cells = self._repeated(service, ask, retry)
        except FetchError as raised:
            error = raised
        finally:
            sources = self._archived(service, ask.table)
        at = max((source.fetched_at for source in sources if source.fetched_at), default=None) or self.clock()
        is_unusable = type(error).__name__ in UNUSABLE
        if error is not None and is_unusable:
            self._unusable[name, ask.table] = error
        is_out = error is not None and (is_unusable or self.ledger.open(name, ask.table) is not None)
        return Received(answer, error, sources, at, is_out, n_cells)

    def left_alone(self, name: str, table: str) -> FetchError:
        """Return the error of a service whose breaker is open: of the kind of the failure that opened it."""
        breaker = self.ledger.open(name, table) or Breaker("Transient", "another process tries it", self.clock())
        kind = getattr(errors, breaker.kind, None)
        if not (isinstance(kind, type) and issubclass(kind, FetchError)):
            kind = Transient
        advice = "asked again after a pause; `gnosis doctor` shows how it does now"
        return kind(name, f"rows of {table}", f"left alone after [{breaker.detail}]", advice)

    def _repeated(self, service: Service, ask: Ask, retry: Retry) -> tuple[Answer, int]:
        # Symbols that an answer lacks for a reason that may pass are asked for again, they alone.
        parts: list[tuple[Answer, int]] = []
        failures: dict[str, FetchError] = {}
        rest = ask.symbols

        def once() -> None:
            nonlocal rest
            part = self._once(service, replace(ask, symbols=rest))
            parts.append(part)
            for symbol in rest:
                failures.pop(symbol, None)
            failures.update(part[0].failures)
            passing = _passing(part[0])
            rest = tuple(symbol for symbol in rest if symbol in passing)
            if rest:
                raise passing[rest[0]]

        try:
            retry.call(once)
        except FetchError as error:
            if not parts:
                raise
            failures.update(dict.fromkeys(rest, error))
        if len(parts) == 1:
            return replace(parts[0][0], failures=failures), parts[0][1]
        frame = conform(pl.concat([part.frame for part, _ in parts]), ask.table)
        rejected = pl.concat([part.rejected for part, _ in parts])
        return Answer(frame, rejected, failures), sum(n_cells for _, n_cells in parts)

    def _once(self, service: Service, ask: Ask) -> tuple[Answer, int]:
        started = time.perf_counter()
        name = service.profile.name
        try:
            with typed_errors(service.access, described(ask)):
                answer = service.fetch(ask)
                n_cells = _require_contract(name, ask, answer)
        except FetchError as error:
            self._record_failure(service, ask, error, time.perf_counter() - started)
            raise
        latency_s = time.perf_counter() - started
        self.ledger.record(name, ask.table, ask.sessions[-1], OK, latency_s=latency_s, n_rows=answer.frame.height)
        for failure in dict.fromkeys(_passing(answer).values()):
            self._record_failure(service, ask, failure, latency_s)
        return answer, n_cells

    def _record_failure(self, service: Service, ask: Ask, error: FetchError, latency_s: float) -> None:
        is_proper_none = ask.table in PUBLISHED and isinstance(error, EmptyResult)
        self.ledger.record(
            service.profile.name,
            ask.table,
            ask.sessions[-1],
            OK if is_proper_none else type(error).__name__,
            latency_s=latency_s,
            detail=service.access.redact(str(error)),
            retry_after_s=error.retry_after if isinstance(error, RateLimited) else None,
        )

    def _archived(self, service: Service, table: str) -> tuple[Source, ...]:
        sources = service.access.recorder.taken()
        for source in sources:
            self.archive.put(service.profile.name, table, source, settles=False)
        return sources


def described(ask: Ask) -> str:
    """Return what is asked for, in a few words.

    Examples
    --------
    >>> described(Ask("raw.equity_bars", ("A", "B", "C", "D"), (dt.date(2012, 12, 28),)))
    'raw.equity_bars of A, B, C and 1 more for 2012-12-28'
    """
    named = ", ".join(ask.symbols[:3]) + (f" and {len(ask.symbols) - 3} more" if len(ask.symbols) > 3 else "")
    first, last = ask.sessions[0], ask.sessions[-1]
    return f"{ask.table}{' of ' + named if named else ''} for {first if first == last else f'{first} to {last}'}"


def _require_contract(name: str, ask: Ask, answer: Answer) -> int:
    # Returns how many different cells the rows are about.
    frame = answer.frame
    if (frame.columns, frame.dtypes) != _columns(ask.table):
        raise _breach(name, f"the columns of {ask.table}", ", ".join(frame.columns))
    if frame.is_empty():
        if ask.table in EVENTS or answer.failures:
            return 0
        raise EmptyResult(name, described(ask), "no row", "asked again later")
    column = symbol_column(ask.table)
    cell = ["session"] if column is None else ["session", column]
    found = frame.select(pl.col("provider", *cell).unique().implode(), n_cells=pl.struct(cell).n_unique())
    given = found.row(0, named=True)
    if given["provider"] != [name]:
        raise _breach(name, f"rows of {name}", f"rows of {', '.join(map(str, given['provider']))}")
    strange = set(given["session"]) - set(ask.sessions)
    if column is not None:
        strange |= set(given[column]) - set(ask.symbols)
    if strange:
        raise _breach(name, described(ask), ", ".join(sorted(map(str, strange))[:3]))
    return int(given["n_cells"])


def _passing(answer: Answer) -> dict[str, FetchError]:
    return {symbol: error for symbol, error in answer.failures.items() if error.is_temporary}


@cache
def _columns(table: str) -> tuple[list[str], list[pl.DataType]]:
    # Making a schema takes longer than comparing one.
    schema = TABLES[table].polars_schema
    return schema.names(), schema.dtypes()


def _breach(name: str, expected: str, found: str) -> SchemaDrift:
    return SchemaDrift(name, expected, found, "the adapter breaks its contract: report it")
