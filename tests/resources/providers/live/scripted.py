"""Services that do as a script says, and the processes in which they are tried.

Run as ``python scripted.py COMMAND FOLDER ...``: see the functions at the end.
"""

from __future__ import annotations

import datetime as dt
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl

from gnosis.sessions import schedule
from gnosis.tables import TABLES
from resources.providers.archive import Archive
from resources.providers.live.access import Access
from resources.providers.live.breaker import BreakerRules
from resources.providers.live.cells import every_cell
from resources.providers.live.errors import Transient
from resources.providers.live.health import HealthLedger
from resources.providers.live.landing import Landing
from resources.providers.live.rate_limit import RateBudget
from resources.providers.live.router import Router
from resources.providers.live.service import Answer, Ask, Capability, Probe, Profile, Rate
from resources.providers.protocol import conform
from resources.providers.rejections import no_rejections

BARS = "raw.equity_bars"
DIVIDENDS = "raw.dividends"
MACRO = "raw.macro"
NOW = dt.datetime(2012, 12, 28, 23, 30, tzinfo=dt.UTC)
SESSIONS = tuple(schedule().filter(pl.col("close_at") <= NOW)["session"].tail(8))
Script = Callable[[Ask], Answer]


class Clock:
    """A clock that goes only when it is told to."""

    def __init__(self, now: dt.datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> dt.datetime:
        return self.now

    def go(self, seconds: float) -> None:
        self.now += dt.timedelta(seconds=seconds)


def bars(symbols: Sequence[str], sessions: Sequence[dt.date], provider: str, close: float = 10.0) -> pl.DataFrame:
    """One bar per symbol and session."""
    cells = every_cell(symbols, sessions).join(schedule().select("session", ts="close_at"), on="session")
    prices = {name: pl.lit(close) for name in ("open", "high", "low", "close")}
    rows = cells.with_columns(
        **prices,
        volume=pl.lit(100.0),
        adjustment_factor=pl.lit(None, dtype=pl.Float64),
        known_at="ts",
        provider=pl.lit(provider),
        synthetic=pl.lit(False),
    )
    return conform(rows, BARS)


def answer(frame: pl.DataFrame, **failures) -> Answer:
    return Answer(frame, no_rejections(), failures)


class Scripted:
    """A service that answers with ``script(ask)``; every ask is kept in ``asked``, and a body is recorded for it."""

    def __init__(
        self,
        name: str,
        script: Script | None = None,
        *,
        table: str = BARS,
        preference: int = 0,
        max_symbols: int | None = 1,
        max_sessions: int | None = None,
        reaches_back: int | None = None,
        kinds: frozenset[str] | None = None,
        close: float = 10.0,
        clock: Callable[[], dt.datetime] | None = None,
    ) -> None:
        capability = Capability(max_symbols, max_sessions, 0.0, reaches_back, preference, kinds)
        self.profile = Profile(name, name, {table: capability}, (), (), "none")
        self.access = Access(name, clock=clock or Clock(), keys={"EXAMPLE_KEY": "s3cret-key"})
        self.script = script or (lambda ask: answer(bars(ask.symbols, ask.sessions, name, close)))
        self.asked: list[Ask] = []

    def fetch(self, ask: Ask) -> Answer:
        self.asked.append(ask)
        body = f"{self.profile.name} {ask}".encode()
        self.access.recorder.add("GET /bars", body, "https://example.test/bars", self.access.clock())
        return self.script(ask)

    def probe(self) -> Probe:
        return Probe(0.0, "well")


def failing(name: str, error_class=Transient, **rest) -> Callable[[Ask], Answer]:
    """A script that always fails."""

    def script(ask: Ask) -> Answer:
        raise error_class(name, f"bars of {', '.join(ask.symbols)}", "HTTP 503", "asked again later", **rest)

    return script


def make_router(folder: Path, *services: Scripted, clock: Callable[[], dt.datetime] | None = None, **rest) -> Router:
    clock = clock or Clock()
    rules = rest.pop("rules", BreakerRules())
    ledger = HealthLedger(folder / "health.sqlite", clock, rules)
    return Router(services, ledger, Landing(folder / "landed"), Archive(folder / "archive"), clock, **rest)


def wait_for_start() -> None:
    print("ready", flush=True)
    sys.stdin.readline()


def spend(folder: str, n_requests: str) -> None:
    """Spend a shared budget of five a second; says when each request was allowed."""
    budget = RateBudget(Path(folder), "example", [Rate(5, 1.0)], longest_wait_s=30.0)
    wait_for_start()
    for _ in range(int(n_requests)):
        budget.acquire()
        print(time.time(), flush=True)


def record(folder: str, service: str, n_asks: str) -> None:
    """Record asks in a shared ledger, a thousand a second at most."""
    ledger = HealthLedger(Path(folder) / "health.sqlite", Clock())
    wait_for_start()
    for _ in range(int(n_asks)):
        ledger.record(service, BARS, SESSIONS[-1], "ok", n_rows=1)
        print("recorded", flush=True)
        time.sleep(0.001)


def land(folder: str, name: str, n_parts: str) -> None:
    """Land one part per symbol; says which."""
    landing = Landing(Path(folder) / "landed")
    wait_for_start()
    for number in range(int(n_parts)):
        frame = bars([f"{name}{number}"], SESSIONS, name)
        put_bars(landing, frame)
        print(number, flush=True)


def collect(folder: str, n_symbols: str) -> None:
    """Collect bars of symbols one by one, slowly; says each that has landed."""
    slow = Scripted("example")
    slow.script = lambda ask: (time.sleep(0.01), answer(bars(ask.symbols, ask.sessions, "example")))[1]
    router = make_router(Path(folder), slow)
    symbols = [f"S{number:03}" for number in range(int(n_symbols))]
    wait_for_start()
    router.collect(BARS, symbols, SESSIONS, lambda step: print(step.done_cells, flush=True))


def put_bars(landing: Landing, frame: pl.DataFrame, *, again: bool = False, at: dt.datetime = NOW) -> Path:
    return landing.put(
        BARS,
        frame.select("symbol", "session"),
        frame,
        rejected=no_rejections(),
        events=TABLES["raw.quality_events"].empty(),
        sources=(),
        service=frame["provider"][0],
        received_at=at,
        again=again,
    )


if __name__ == "__main__":
    {"spend": spend, "record": record, "land": land, "collect": collect}[sys.argv[1]](*sys.argv[2:])
