"""``gnosis doctor``: asks each configured live service once and says how it is, and what to do."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl
from rich import box
from rich.table import Table as Grid

from resources.providers.live.errors import (
    AuthError,
    EntitlementError,
    FetchError,
    MissingKeyError,
    MissingPackageError,
    NotConfigured,
    NotFound,
    RateLimited,
    SchemaDrift,
    Transient,
)
from resources.providers.live.service import typed_errors

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

    from resources.providers.live.health import HealthLedger
    from resources.providers.live.service import Service

STATUS: dict[type[FetchError], str] = {
    MissingKeyError: "skipped",
    MissingPackageError: "skipped",
    NotConfigured: "skipped",
    AuthError: "key refused",
    EntitlementError: "not entitled",
    RateLimited: "rate limited",
    NotFound: "not found",
    SchemaDrift: "schema drift",
    Transient: "no answer",
}
"""Word for each error, the first class that fits."""

REFUSALS = ("AuthError", "EntitlementError", "SchemaDrift")
"""Kinds of failures that a person can do something about."""


@dataclass(frozen=True)
class Diagnosis:
    """How one service is.

    Attributes
    ----------
    status
        ``ok`` or one of :data:`STATUS`.
    delay_s
        Age of its newest datum; None when unknown.
    took_s
        Wall seconds of the one request.
    detail
        What it said, or what to do.
    """

    service: str
    status: str
    delay_s: float | None
    took_s: float
    tables: tuple[str, ...]
    detail: str

    @property
    def is_faulty(self) -> bool:
        """True when something should be done: not for a service that nobody has a key for."""
        return self.status not in ("ok", "skipped")


def diagnose(service: Service, ledger: HealthLedger) -> Diagnosis:
    """Ask a service once. One that answers is no longer left alone, whatever ``ledger`` has against it."""
    started = time.perf_counter()
    tables = tuple(sorted(service.profile.capabilities))
    try:
        with typed_errors(service.access, "an answer to a probe"):
            probe = service.probe()
    except FetchError as error:
        word = next((word for kind, word in STATUS.items() if isinstance(error, kind)), "no rows")
        told = str(error).removeprefix(f"{error.service}: ")
        return Diagnosis(service.profile.name, word, None, time.perf_counter() - started, tables, told)
    took_s = time.perf_counter() - started
    detail = "; ".join([probe.detail, *_refused_tables(service.profile.name, ledger)])
    ledger.reset(service.profile.name)
    return Diagnosis(service.profile.name, "ok", probe.delay_s, took_s, tables, detail)


def _refused_tables(service: str, ledger: HealthLedger) -> list[str]:
    """Return what single tables met when they were last asked for: a probe shows neither plan nor form of them."""
    last = (
        ledger.summary()
        .filter(pl.col("service") == service)
        .sort("known_at", maintain_order=True)
        .unique("table_name", keep="last", maintain_order=True)
        .filter(pl.col("status").is_in(REFUSALS))
        .sort("table_name")
    )
    return [
        f"when {table.removeprefix('raw.')} was last asked for, {known_at:%Y-%m-%d %H:%M} UTC: {status}"
        for table, status, known_at in last.select("table_name", "status", "known_at").iter_rows()
    ]


def show(console: Console, diagnoses: Iterable[Diagnosis]) -> bool:
    """Print a line per service as it is asked; return True when none is faulty."""
    grid = Grid("service", "status", "newest datum", "took", "tables", "what it says or needs", box=box.SIMPLE_HEAD)
    is_well = True
    for found in diagnoses:
        is_well = is_well and not found.is_faulty
        tables = ", ".join(name.removeprefix("raw.") for name in found.tables)
        grid.add_row(found.service, found.status, _age(found.delay_s), f"{found.took_s:.1f} s", tables, found.detail)
    console.print(grid)
    return is_well


def _age(seconds: float | None) -> str:
    """Return an age as a person says it.

    Examples
    --------
    >>> _age(930.0), _age(200_000.0), _age(None)
    ('16 min', '2.3 days', '')
    """
    if seconds is None:
        return ""
    for unit, length in (("days", 86_400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}" if unit == "min" else f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} s"
