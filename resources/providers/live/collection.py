"""One round of asking: cells go from service to service until one has answered them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from resources.providers.live.asking import Asker, Received, described
from resources.providers.live.breaker import UNUSABLE
from resources.providers.live.cells import CELLS, NO_SYMBOL, among, cells_of, cut_cells, is_among, is_of_kind, without
from resources.providers.live.errors import EmptyResult, FetchError, NotFound
from resources.providers.live.landing import Landing
from resources.providers.live.opinions import Opinions
from resources.providers.live.ordering import newest_session, reachable
from resources.providers.live.quality import failure_events, merged, missing_events, no_events
from resources.providers.live.service import EVENTS, PUBLISHED, Answer, Ask, Service

SPARSE = EVENTS | PUBLISHED
"""Tables in which a symbol that was answered may have no row in a session: nothing happened, nothing was published."""

FAULTS = pl.Schema({"symbol": pl.String, "session": pl.Date, "fault": pl.Int64})


@dataclass(frozen=True)
class Progress:
    """How far a collection is.

    Attributes
    ----------
    done_cells, all_cells
        Symbols x sessions that are answered, and all of them.
    service
        Who was asked last; empty when everything had landed before.
    n_failed
        Asks that failed.
    """

    table: str
    done_cells: int
    all_cells: int
    service: str
    n_failed: int


@dataclass(frozen=True)
class Prices:
    """How prices are compared: tolerance (relative), and seconds that instants of tickers may lie apart."""

    tolerance: float
    same_instant_s: float


class Collection:
    """The cells of one table that have not landed, on their way through the services.

    Parameters
    ----------
    pending
        Cells to be answered.
    all_cells
        Number of cells asked for, those that landed before included.
    again
        Land before what had landed.

    Attributes
    ----------
    opinions
        Who confirms prices; None when they are not confirmed.
    without_news
        Cells for which nothing was published, or nothing happened, yet.
    """

    def __init__(
        self,
        table: str,
        pending: pl.DataFrame,
        all_cells: int,
        *,
        asker: Asker,
        landing: Landing,
        prices: Prices,
        progress: Callable[[Progress], None] | None,
        again: bool,
    ) -> None:
        self.table, self.pending, self.all_cells = table, pending, all_cells
        self.asker, self.landing, self.prices = asker, landing, prices
        self.opinions: Opinions | None = None
        self.again = again
        self.without_news = pending.clear()
        self.n_failed = 0
        self._n_done = all_cells - pending.height
        self._progress = progress
        self._errors: list[FetchError] = []
        self._is_failure: list[bool] = []
        self._faults: list[pl.DataFrame] = []
        self._earlier = pl.DataFrame(schema=FAULTS)

    @property
    def errors(self) -> tuple[FetchError, ...]:
        """The first error of each service, in the order of asking."""
        return tuple({error.service: error for error in reversed(self._errors)}.values())[::-1]

    def skip(self, error: FetchError, cells: pl.DataFrame, *, is_failure: bool = True) -> None:
        """Note why a service did not serve some cells; a failure is told with the answer of the next service."""
        self._errors.append(error)
        self._is_failure.append(is_failure and type(error).__name__ not in UNUSABLE)
        self._faults.append(cells.select(*CELLS, fault=pl.lit(len(self._errors) - 1, dtype=pl.Int64)))

    def serve(self, service: Service, newest: dt.date) -> None:
        """Ask one service for what is pending, and land what it answers.

        Parameters
        ----------
        newest
            Newest session of now.
        """
        self._earlier = pl.concat([pl.DataFrame(schema=FAULTS), *self._faults])
        capability = service.profile.capabilities[self.table]
        days = reachable(self.pending["session"].unique().sort().to_list(), capability, newest)
        is_reached = self.pending["session"].is_in(list(days))
        is_its_kind = is_of_kind(self.pending, self.table, capability)
        beyond, strange = self.pending.filter(is_its_kind & ~is_reached), self.pending.filter(~is_its_kind)
        if not beyond.is_empty():
            self.skip(out_of_reach(service, self.table), beyond, is_failure=False)
        if not strange.is_empty():
            self.skip(_of_another_kind(service, self.table), strange, is_failure=False)
        pairs = cut_cells(self.pending.filter(is_its_kind & is_reached), self.table, capability)
        left: list[pl.DataFrame] = [beyond, strange]
        out: FetchError | None = None
        for ask, cells in pairs:
            if out is not None:
                self.skip(out, cells)
                left.append(cells)
                continue
            received = self.asker.ask(service, ask)
            left.append(self._left_by(service.profile.name, ask, cells, received))
            self._n_done += cells.height - left[-1].height
            if self._progress is not None:
                name = service.profile.name
                self._progress(Progress(self.table, self._n_done, self.all_cells, name, self.n_failed))
            out = received.error if received.is_out else None
        self.pending = pl.concat(left)

    def missing(self, missing: pl.DataFrame) -> pl.DataFrame:
        """Return the events of cells that nobody served, with the reasons of every service."""
        faults = pl.concat([pl.DataFrame(schema=FAULTS), *self._faults])
        return missing_events(self.table, missing, faults, self._errors)

    def _left_by(self, name: str, ask: Ask, cells: pl.DataFrame, received: Received) -> pl.DataFrame:
        # Land what was answered of the cells, and return the others.
        if received.answer is not None:
            return self._take(name, ask, cells, received, received.answer)
        assert received.error is not None
        self.n_failed += not self._is_proper_none(received.error)
        return self._refused(received.error, cells)

    def _refused(self, error: FetchError, cells: pl.DataFrame) -> pl.DataFrame:
        if self._is_proper_none(error):
            # Nothing was published so far. It is not landed: more may be known when it is asked again.
            self.without_news = pl.concat([self.without_news, cells])
            return cells.clear()
        self.skip(error, cells)
        return cells

    def _is_proper_none(self, error: FetchError) -> bool:
        return self.table in PUBLISHED and isinstance(error, EmptyResult)

    def _take(self, name: str, ask: Ask, cells: pl.DataFrame, received: Received, answer: Answer) -> pl.DataFrame:
        left = [cells.clear()]
        for symbol, error in sorted(answer.failures.items()):
            left.append(self._refused(error, cells.filter(symbol=symbol)))
        told = cells.filter(~pl.col("symbol").is_in(list(answer.failures))) if answer.failures else cells
        is_whole = told.height == len(ask.symbols or (NO_SYMBOL,)) * len(ask.sessions)
        covered = told
        if self.table in EVENTS:
            # Where nothing happened so far, something still may: it is landed once the next session has begun.
            is_open = pl.col("session") >= newest_session(received.received_at)
            unsure = without(told.filter(is_open), cells_of(answer.frame, self.table))
            self.without_news = pl.concat([self.without_news, unsure])
            told = covered = without(told, unsure)
            is_whole &= unsure.is_empty()
        elif self.table not in SPARSE and not (is_whole and received.n_cells == told.height):
            covered = among(told, cells_of(answer.frame, self.table))
        if covered.height < told.height:
            lack = EmptyResult(name, described(ask), "no row of it", "asked again later")
            left.append(without(told, covered))
            self.skip(lack, left[-1], is_failure=False)
        if covered.is_empty():
            return pl.concat(left)
        is_whole &= covered.height == told.height
        rows = answer.frame
        if not is_whole:
            rows = rows.filter(is_among(cells_of(rows, self.table), covered))
        events, sources, alone = no_events(), received.sources, None
        if self.opinions is not None and not rows.is_empty():
            opinion = self.opinions.check(rows, received, self.prices.tolerance, self.prices.same_instant_s)
            rows, events, alone = opinion.checked.frame, opinion.checked.events, opinion.alone
            sources = (*sources, *opinion.sources)
        earlier = self._failed_before(covered)
        if not earlier.is_empty():
            moved = failure_events(self.table, earlier, self._errors, name, received.received_at)
            events = merged(pl.concat([events, moved]))
        self.landing.put(
            self.table,
            covered,
            rows,
            rejected=answer.rejected,
            events=events,
            sources=sources,
            service=name,
            received_at=received.received_at,
            alone=alone,
            again=self.again,
        )
        return pl.concat(left)

    def _failed_before(self, cells: pl.DataFrame) -> pl.DataFrame:
        # Sessions and failures of those who were asked before.
        failures = [fault for fault, is_failure in enumerate(self._is_failure) if is_failure]
        failed = self._earlier.filter(pl.col("fault").is_in(failures))
        return among(failed, cells).select("session", "fault").unique()


def out_of_reach(service: Service, table: str) -> FetchError:
    """Return why a service is not asked for sessions that it does not have."""
    back = service.profile.capabilities[table].reaches_back_sessions
    found = "a session that has not begun" if back is None else f"a history of {back} sessions"
    return EmptyResult(service.profile.name, f"rows of {table}", found, "add a service that has these sessions")


def _of_another_kind(service: Service, table: str) -> FetchError:
    kinds = " and ".join(sorted(service.profile.capabilities[table].kinds or ()))
    return NotFound(
        service.profile.name, f"rows of {table}", f"a service of {kinds} only", "add one that has this symbol"
    )
