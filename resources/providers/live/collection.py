"""One round of asking: cells go from service to service until one has answered them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import polars as pl

from resources.providers.live.asking import Asker, Received, described
from resources.providers.live.breaker import NOT_ASKED
from resources.providers.live.cells import CELLS, NO_SYMBOL, among, cells_of, cut_cells, is_among, without
from resources.providers.live.errors import EmptyResult, FetchError
from resources.providers.live.landing import Landing
from resources.providers.live.opinions import Opinions
from resources.providers.live.ordering import reachable
from resources.providers.live.quality import failure_events, merged, missing_events, no_events, reason
from resources.providers.live.service import EVENTS, Answer, Ask, Service

SPARSE = EVENTS | {"raw.macro"}
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
        Cells of sparse tables for which there is nothing yet.
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
        self._is_failure.append(is_failure and type(error).__name__ not in NOT_ASKED)
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
        is_reached = pl.col("session").is_in(list(days))
        beyond = self.pending.filter(~is_reached)
        if not beyond.is_empty():
            self.skip(out_of_reach(service, self.table), beyond, is_failure=False)
        pairs = cut_cells(self.pending.filter(is_reached), self.table, capability)
        left: list[pl.DataFrame] = [beyond]
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

    def missing(self, missing: pl.DataFrame, asked: Sequence[dt.date], at: dt.datetime) -> pl.DataFrame:
        """Return the events of cells that nobody served, with the reasons of every service."""
        faults = pl.concat([pl.DataFrame(schema=FAULTS), *self._faults])
        told = among(faults, missing).select("symbol", "fault").unique().sort("symbol", "fault")
        reasons: dict[str, list[tuple[str, str]]] = {}
        for symbol, fault in told.rows():
            error = self._errors[fault]
            reasons.setdefault(symbol, []).append((error.service, reason(error)))
        return missing_events(self.table, missing, reasons, asked, at)

    def _left_by(self, name: str, ask: Ask, cells: pl.DataFrame, received: Received) -> pl.DataFrame:
        # Land what was answered of the cells, and return the others.
        if received.answer is not None:
            return self._take(name, ask, cells, received, received.answer)
        assert received.error is not None
        self.n_failed += 1
        return self._refused(received.error, cells)

    def _refused(self, error: FetchError, cells: pl.DataFrame) -> pl.DataFrame:
        if self.table in SPARSE and isinstance(error, EmptyResult):
            # Nothing was published so far. It is not landed: more may be known when it is asked again.
            self.without_news = pl.concat([self.without_news, cells])
            return cells.clear()
        self.skip(error, cells)
        return cells

    def _take(self, name: str, ask: Ask, cells: pl.DataFrame, received: Received, answer: Answer) -> pl.DataFrame:
        left = [cells.clear()]
        for symbol, error in sorted(answer.failures.items()):
            left.append(self._refused(error, cells.filter(symbol=symbol)))
        told = cells.filter(~pl.col("symbol").is_in(list(answer.failures))) if answer.failures else cells
        is_whole = told.height == len(ask.symbols or (NO_SYMBOL,)) * len(ask.sessions)
        covered = told
        if self.table not in SPARSE and not (is_whole and received.n_cells == told.height):
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
        if earlier:
            last = covered["session"].sort()[-1]
            moved = failure_events(self.table, last, earlier, name, received.received_at)
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

    def _failed_before(self, cells: pl.DataFrame) -> list[FetchError]:
        if self._earlier.is_empty():
            return []
        numbers = among(self._earlier, cells)["fault"].unique().sort()
        return [self._errors[number] for number in numbers if self._is_failure[number]]


def out_of_reach(service: Service, table: str) -> FetchError:
    """Return why a service is not asked for sessions that it does not have."""
    back = service.profile.capabilities[table].reaches_back_sessions
    found = "a session that has not begun" if back is None else f"a history of {back} sessions"
    return EmptyResult(service.profile.name, f"rows of {table}", found, "add a service that has these sessions")
