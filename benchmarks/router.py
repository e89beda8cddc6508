"""The router beside the bare service on a loopback server in the same run: what archive, ledger and landing cost.

Run as ``python benchmarks/router.py [ASKS]``. Each ask is one symbol of 250 sessions; asks of the router and the bare
service take turns. Figures are milliseconds; the overhead is the router's time for an ask less that of the bare ask
after it, on the wall and of the thread on a processor (which others on the machine do not lengthen). Then the time to
read the coverage of a first backfill.
"""

from __future__ import annotations

import datetime as dt
import json
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import polars as pl

from gnosis.sessions import schedule
from gnosis.tables import TABLES
from resources.providers.archive import Archive
from resources.providers.live.access import Access, utc_now
from resources.providers.live.health import HealthLedger
from resources.providers.live.http import Http
from resources.providers.live.known import at_close
from resources.providers.live.landing import Landing
from resources.providers.live.rate_limit import RateBudget
from resources.providers.live.router import Router
from resources.providers.live.service import Answer, Ask, Capability, Probe, Profile, Rate, typed_errors
from resources.providers.protocol import conform
from resources.providers.rejections import no_rejections

TABLE = "raw.equity_bars"
SESSIONS = tuple(schedule().filter(pl.col("session") < dt.date(2013, 1, 1))["session"].tail(250))


def body(path: str) -> bytes:
    # Every symbol has prices of its own: equal bytes would be archived once.
    first = 10.0 + int.from_bytes(path.encode()) % 7919 / 7
    return json.dumps([{"day": str(day), "close": first + number / 7} for number, day in enumerate(SESSIONS)]).encode()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        content = body(self.path)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


class Example:
    """A service that takes one symbol at a time."""

    profile = Profile("example", "example", {TABLE: Capability(1, None, 0.0)}, (), (), "none")

    def __init__(self, access: Access) -> None:
        self.access = access
        self.http = Http(access, "https://example.test")

    def fetch(self, ask: Ask) -> Answer:
        with typed_errors(self.access, "bars"):
            rows = pl.DataFrame(self.http.get(f"/{ask.symbols[0]}", "bars").json("bars"))
            prices = {name: pl.col("close") for name in ("open", "high", "low")}
            frame = at_close(rows.with_columns(session=pl.col("day").str.to_date())).with_columns(
                **prices,
                symbol=pl.lit(ask.symbols[0]),
                volume=pl.lit(None, dtype=pl.Float64),
                adjustment_factor=pl.lit(None, dtype=pl.Float64),
                provider=pl.lit("example"),
                synthetic=pl.lit(False),
            )
            return Answer(conform(frame, TABLE), no_rejections())

    def probe(self) -> Probe:
        return Probe(0.0, "well")


def clocks() -> tuple[float, float]:
    """Return seconds on the wall and of this thread on a processor."""
    return time.perf_counter(), time.thread_time()


def main(n_asks: int = 200) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base_url = f"http://127.0.0.1:{server.server_port}"
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        budget = RateBudget(home / "budgets", "example", [Rate(100_000, 60.0)], 60.0)
        bare = Example(Access("example", base_url=base_url))
        routed = Example(Access("example", base_url=base_url, gate=budget.acquire))
        ledger = HealthLedger(home / "health.sqlite", utc_now)
        router = Router([routed], ledger, Landing(home / "landed"), Archive(home / "archive"), utc_now)
        symbols = [f"S{number}" for number in range(n_asks)]
        for service in (bare, routed):
            service.fetch(Ask(TABLE, ("warm",), SESSIONS))
        router.collect(TABLE, ["warm"], SESSIONS)
        spent: dict[str, list[tuple[float, float]]] = {"bare service": [], "router": []}
        mark = [clocks()]

        def told(_: object) -> None:
            # Between two asks of the router the bare service is asked, so that both meet the same load.
            for name in ("router", "bare service"):
                if name == "bare service":
                    bare.fetch(Ask(TABLE, ("bare",), SESSIONS))
                before, mark[0] = mark[0], clocks()
                spent[name].append((mark[0][0] - before[0], mark[0][1] - before[1]))

        router.collect(TABLE, symbols, SESSIONS, told)
        table = {name: 1e3 * np.array(times) for name, times in spent.items()}
        table["overhead"] = table["router"] - table["bare service"]
        print(f"{n_asks} asks of {len(SESSIONS)} bars, ms{'':<9} {'p50':>8} {'p95':>8} {'CPU p50':>8} {'CPU p95':>8}")
        for name, times in table.items():
            p50, p95 = np.quantile(times, [0.5, 0.95], axis=0)
            print(f"{name:<34} {p50[0]:8.2f} {p95[0]:8.2f} {p50[1]:8.2f} {p95[1]:8.2f}")
        print(f"router / bare service {np.median(table['router'][:, 0]) / np.median(table['bare service'][:, 0]):.2f}")
        started = time.perf_counter()
        router.collect(TABLE, symbols, SESSIONS)
        print(f"the same again, from what has landed: {1e3 * (time.perf_counter() - started) / n_asks:.2f} ms an ask")
        ledger.close()
        budget.close()
        for service in (bare, routed):
            service.access.close()
        coverage(home)
    server.shutdown()


def coverage(home: Path, n_symbols: int = 500, n_sessions: int = 1300) -> None:
    landing = Landing(home / "backfill")
    days = schedule().filter(pl.col("session") < dt.date(2013, 1, 1))["session"].tail(n_sessions)
    cells = pl.DataFrame({"session": days}).with_columns(symbol=pl.lit(""))
    nothing = {"rejected": no_rejections(), "events": TABLES["raw.quality_events"].empty(), "sources": ()}
    for number in range(n_symbols):
        of_symbol = cells.with_columns(symbol=pl.lit(f"S{number}"))
        landing.put(TABLE, of_symbol, TABLES[TABLE].empty(), service="x", received_at=utc_now(), **nothing)
    started = time.perf_counter()
    n_cells = landing.covered(TABLE).height
    print(f"coverage of {n_cells:,} cells in {n_symbols} parts: {time.perf_counter() - started:.2f} s")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
