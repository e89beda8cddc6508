"""The router: which service is asked for what, and what is taken. It never invents a number.

1. What has landed is taken.
2. For the rest services are asked in the order of :mod:`resources.providers.live.ordering`; each answer lands at once.
3. What a service fails on or lacks goes to the next one.
4. Prices are confirmed by a second service, and by a third where two disagree.
5. What nobody could serve is named, with the reason of every service.

A run that is repeated, or goes on after it was killed, returns the same rows.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import polars as pl

from resources.providers.archive import Archive
from resources.providers.live.asking import Asker
from resources.providers.live.cells import NO_SYMBOL, every_cell, symbol_column, without
from resources.providers.live.collection import SPARSE, Collection, Prices, Progress, out_of_reach
from resources.providers.live.errors import UnavailableError
from resources.providers.live.health import HealthLedger
from resources.providers.live.landing import Landing
from resources.providers.live.opinions import Opinions
from resources.providers.live.ordering import Candidate, newest_session, order, reachable
from resources.providers.live.price_check import PRICES, SAME_INSTANT_S, TOLERANCE
from resources.providers.live.quality import merged
from resources.providers.live.retry import Retry
from resources.providers.live.service import Service
from resources.providers.protocol import Source

__all__ = ["Collected", "Progress", "Router"]


@dataclass(frozen=True)
class Collected:
    """Rows of a table, each from one service that really gave it.

    Attributes
    ----------
    frame
        Rows of the table, sorted by key.
    rejected
        Rows that never fitted (:mod:`resources.providers.rejections`).
    events
        Rows of ``raw.quality_events``: who failed, what is missing, which prices are in doubt.
    sources
        Records of the raw material; the bytes are in the archive.
    """

    frame: pl.DataFrame
    rejected: pl.DataFrame
    events: pl.DataFrame
    sources: tuple[Source, ...]


class Router:
    """Asks services for tables; see the module.

    Parameters
    ----------
    services
        One per name.
    ledger
        How they did so far.
    landing
        Where answers land.
    archive
        Where their bytes go.
    clock
        Returns the time, aware.
    attempts
        Tries of one ask at one service, for errors that may pass.
    longest_wait_s
        Longest time for the repeats of one ask.
    is_price_checked
        False to take prices from one service without asking another.
    tolerance
        Relative distance up to which two prices agree.
    same_instant_s
        Seconds that the instants of two tickers may lie apart.
    """

    def __init__(
        self,
        services: Sequence[Service],
        ledger: HealthLedger,
        landing: Landing,
        archive: Archive,
        clock: Callable[[], dt.datetime],
        *,
        attempts: int = 3,
        longest_wait_s: float = 60.0,
        is_price_checked: bool = True,
        tolerance: float = TOLERANCE,
        same_instant_s: float = SAME_INSTANT_S,
    ) -> None:
        self.services = {service.profile.name: service for service in services}
        self.ledger, self.landing, self.clock = ledger, landing, clock
        self.is_price_checked = is_price_checked
        self.prices = Prices(tolerance, same_instant_s)
        self._archive = archive
        self._asker = Asker(ledger, archive, clock, Retry(attempts=attempts, longest_s=longest_wait_s))

    def collect(
        self,
        table: str,
        symbols: Sequence[str],
        sessions: Sequence[dt.date],
        progress: Callable[[Progress], None] | None = None,
        *,
        again: bool = False,
    ) -> Collected:
        """Return the rows of ``symbols`` x ``sessions``.

        Parameters
        ----------
        symbols
            Canonical symbols or series; not used for tables without symbols.
        progress
            Called after each ask, and once when everything had landed before.
        again
            True to ask for everything anew: what is received goes before what had landed.

        Raises
        ------
        UnavailableError
            When no row at all can be had of a table that must have some.
        """
        days = sorted(set(sessions))
        names = [NO_SYMBOL] if symbol_column(table) is None else sorted(set(symbols))
        asked = every_cell(names, days)
        landed = self.landing.read(table, names, days)
        pending = asked if again else without(asked, landed.cells)
        collection = Collection(
            table,
            pending,
            asked.height,
            asker=self._asker,
            landing=self.landing,
            prices=self.prices,
            progress=progress,
            again=again,
        )
        if pending.is_empty():
            if progress is not None:
                progress(Progress(table, asked.height, asked.height, "", 0))
        else:
            try:
                self._serve(collection)
            finally:
                self._archive.settle()
                self.landing.settle()
            landed = self.landing.read(table, names, days)
        missing = without(without(asked, landed.cells), collection.without_news)
        events = merged(pl.concat([landed.events, collection.missing(missing)]))
        if table not in SPARSE and landed.frame.is_empty() and not asked.is_empty():
            raise UnavailableError(table, collection.errors, events)
        return Collected(landed.frame, landed.rejected, events, landed.sources)

    def order_of(self, table: str, sessions: Sequence[dt.date]) -> list[str]:
        """Return the names of the services that would be asked for a table now, best first."""
        return order(self._candidates(table), sessions, self.clock(), self.ledger.leader(table))

    def _serve(self, collection: Collection) -> None:
        table, newest = collection.table, newest_session(self.clock())
        days = collection.pending["session"].unique().sort().to_list()
        ordered = self.order_of(table, days)
        if ordered and ordered[0] != self.ledger.leader(table):
            self.ledger.set_leader(table, ordered[0])
        capable = [service for service in self.services.values() if table in service.profile.capabilities]
        for service in capable:
            name = service.profile.name
            if name not in ordered:
                is_reached = reachable(days, service.profile.capabilities[table], newest)
                error = self._asker.left_alone(name, table) if is_reached else out_of_reach(service, table)
                collection.skip(error, collection.pending, is_failure=bool(is_reached))
        if self.is_price_checked and table in PRICES:
            known = [self.services[name] for name in ordered]
            collection.opinions = Opinions(self._asker, known, table, collection.pending, newest)
        for name in ordered:
            if collection.pending.is_empty():
                return
            collection.serve(self.services[name], newest)

    def _candidates(self, table: str) -> list[Candidate]:
        return [
            Candidate(
                name,
                service.profile.capabilities[table],
                service.profile.cost_usd_per_request,
                self.ledger.health(name, table),
                is_open=self.ledger.open(name, table) is not None,
            )
            for name, service in self.services.items()
            if table in service.profile.capabilities
        ]
