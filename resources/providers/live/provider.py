"""The live provider: today's market through the router, as the same tables that the offline providers give."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from gnosis.listings import listing_breaks
from gnosis.sessions import last_completed_session
from resources.providers.archive import Archive
from resources.providers.errors import UnknownTableError
from resources.providers.live.access import Access, utc_now
from resources.providers.live.allowance import Allowance
from resources.providers.live.configuration import LiveConfiguration
from resources.providers.live.errors import UnavailableError
from resources.providers.live.health import HealthLedger
from resources.providers.live.landing import Landing
from resources.providers.live.quality import merged
from resources.providers.live.rate_limit import RateBudget
from resources.providers.live.router import Collected, Progress, Router
from resources.providers.live.service import UNITED, Rate, Service
from resources.providers.protocol import Fetched, conform
from resources.providers.rejections import BEFORE_LISTING, rejected_rows, require_covered
from resources.providers.services import SERVICES, make_service

EARLIEST = dt.date(2000, 1, 3)
"""First session for which a run can be asked for; how far back a table really goes is each service's."""

UNUSED = ("MissingKeyError", "MissingPackageError", "NotConfigured")
"""Errors of services that nobody has set up: where every service adds its own, they are not missed."""

FIRST_ASKED = -1
"""Preference of the service that the user names as provider."""


class LiveProvider:
    """Live services behind one router.

    Parameters
    ----------
    configuration
        Symbols and services.
    home
        Folder of the product: what was received is landed, archived and counted below it.
    variables
        Environment variables in which keys are looked for.
    first
        Service that is asked first; None to leave the order to the router.
    clock
        Returns the time.
    """

    first_session = EARLIEST
    gives_adjustment_factors = False
    may_lack = True

    def __init__(
        self,
        configuration: LiveConfiguration,
        home: Path,
        variables: Mapping[str, str],
        first: str | None = None,
        clock: Callable[[], dt.datetime] = utc_now,
    ) -> None:
        self.name = first or "live"
        self.configuration = configuration
        self.clock = clock
        folder = home / "live"
        self.services = [
            _service(name, configuration, folder, variables, clock, is_first=name == first)
            for name in configuration.names(first)
        ]
        self.ledger = HealthLedger(folder / "health.sqlite", clock)
        self.landing = Landing(folder / "landed")
        self._archive = Archive(home / "archive")
        self.router = self._router(self.services, self.landing)

    @property
    def tables(self) -> frozenset[str]:
        """Tables that any of the services has and the configuration does not leave out."""
        served = {table for service in self.services for table in service.profile.capabilities}
        return frozenset(table for table in served if self.configuration.symbols_of(table))

    @property
    def origins(self) -> frozenset[str]:
        """Names that the rows' column ``provider`` may have: of every service, configured or not."""
        return frozenset({*SERVICES, *(service.profile.name for service in self.services)})

    @property
    def last_session(self) -> dt.date:
        """The last session that has closed."""
        return last_completed_session(self.clock())

    @property
    def coverage(self) -> Mapping[str, tuple[dt.date, dt.date]]:
        """The same range for every table: what no service has is missing, with the reasons."""
        return dict.fromkeys(sorted(self.tables), (EARLIEST, self.last_session))

    def fetch(
        self,
        table: str,
        sessions: Sequence[dt.date],
        *,
        again: bool = False,
        progress: Callable[[Progress], None] | None = None,
    ) -> Fetched:
        """Return the rows of ``table``: those that have landed before, and for the rest those that services give now.

        Parameters
        ----------
        again
            True to ask for everything anew; what is received then goes before what had landed.
        progress
            Called after each ask.

        Raises
        ------
        UnknownTableError, SessionNotCoveredError
            When the request does not fit the provider.
        UnavailableError
            When no service gave anything of a table that must have rows.
        """
        if table not in self.tables:
            raise UnknownTableError(self.name, table, sorted(self.tables))
        asked = require_covered(self.name, table, sessions, (EARLIEST, self.last_session))
        symbols = self.configuration.symbols_of(table)
        try:
            if table in UNITED:
                collected = self._united(table, symbols, tuple(asked), again=again, progress=progress)
            else:
                collected = self.router.collect(table, symbols, tuple(asked), again=again, progress=progress)
        except UnavailableError as error:
            self.landing.note(table, tuple(asked), error.events)
            raise
        self.landing.note(table, tuple(asked), collected.events)
        frame, rejected = collected.frame, collected.rejected
        if table == "raw.equity_bars":
            frame, another = listing_breaks(frame, listed_from=self.configuration.listed_from)
            set_aside = rejected_rows(another, date="session", rule=BEFORE_LISTING, provider=self.name)
            rejected = pl.concat([rejected, set_aside])
        return Fetched(conform(frame, table), rejected, collected.sources)

    def note(self, table: str, sessions: Sequence[dt.date], events: pl.DataFrame) -> None:
        """Keep doubts about a table that showed only beside what is stored."""
        self.landing.note(f"{table}#stored", tuple(sessions), events)

    def quality_events(self, sessions: Sequence[dt.date]) -> pl.DataFrame:
        """Return the rows of ``raw.quality_events`` for ``sessions``: what fetching their tables left in doubt."""
        return conform(self.landing.noted(tuple(sessions)), "raw.quality_events")

    def health(self) -> pl.DataFrame:
        """Return the rows of ``raw.provider_health``: how the services did since this home began."""
        return conform(self.ledger.summary(), "raw.provider_health")

    def close(self) -> None:
        """Close every connection."""
        for service in self.services:
            service.access.close()
        self.ledger.close()

    def _router(self, services: Sequence[Service], landing: Landing) -> Router:
        return Router(
            services,
            self.ledger,
            landing,
            self._archive,
            self.clock,
            attempts=self.configuration.attempts,
            longest_wait_s=self.configuration.longest_wait_s,
            is_price_checked=self.configuration.is_price_checked,
        )

    def _united(
        self,
        table: str,
        symbols: Sequence[str],
        sessions: Sequence[dt.date],
        *,
        again: bool,
        progress: Callable[[Progress], None] | None,
    ) -> Collected:
        # Each service is asked for all symbols and lands apart: an answer of one says nothing about another.
        parts = [
            self._router([service], Landing(self.landing.folder / "apart" / service.profile.name)).collect(
                table, symbols, sessions, again=again, progress=progress
            )
            for service in self.services
            if table in service.profile.capabilities
        ]
        is_unused = pl.any_horizontal(pl.col("detail").str.contains(f" {kind}:", literal=True) for kind in UNUSED)
        events = merged(pl.concat([part.events for part in parts]).filter(~is_unused))
        sources = tuple(source for part in parts for source in part.sources)
        frame = conform(pl.concat([part.frame for part in parts]), table)
        return Collected(frame, pl.concat([part.rejected for part in parts]), events, sources)


def _service(
    name: str,
    configuration: LiveConfiguration,
    folder: Path,
    variables: Mapping[str, str],
    clock: Callable[[], dt.datetime],
    *,
    is_first: bool,
) -> Service:
    said = configuration.of(name)
    # What a service can do follows from its options; what it needs must be known before it is reached.
    profile = make_service(Access(name, options=said.options)).profile
    rates = profile.rates if said.rates is None else tuple(Rate(*rate) for rate in said.rates)
    budget = RateBudget(folder / "budgets", name, rates, configuration.longest_wait_s)
    access = Access(
        service=name,
        base_url=said.base_url,
        timeout_s=said.timeout_s,
        keys={variable: variables[variable] for variable in profile.variables if variables.get(variable)},
        options=said.options,
        clock=clock,
        gate=budget.acquire,
        allowance=Allowance(folder / "budgets" / "allowances.sqlite", name),
        closers=[budget.close],
    )
    service = make_service(access)
    if is_first:
        leading = {
            table: replace(capability, preference=FIRST_ASKED)
            for table, capability in service.profile.capabilities.items()
        }
        service.profile = replace(service.profile, capabilities=leading)
    return service
