"""Speed of the three engines: one symbol and session in parts, 500 symbols for one session, one symbol for ten years.

Run as ``python benchmarks/engines.py``, with ``--profile`` for the functions in which each call spends its time; it
takes some two minutes and 6 GB. Polars keeps to one thread; only walls and zero-gamma spots of many chains take two.
The tables are random and in memory: reading, scoring of texts and writing are not in the figures.
"""

from __future__ import annotations

import argparse
import os

# Read when the libraries are loaded.
os.environ |= {"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1"}

import datetime as dt
import platform
from collections.abc import Callable, Mapping
from functools import partial

import polars as pl
from engine_world import market
from engine_world.measuring import Used, inner_ms, line, median_ms, peak_mb, profiled
from engine_world.parts import Parts
from engine_world.tables import Tables, elasticity_of, liquidity_of, run, sentiment_of, tables_of
from option_peers.measuring import one_processor

from gnosis.engines.elasticity import elasticity_surface
from gnosis.engines.elasticity import inputs as elasticity_inputs
from gnosis.engines.elasticity import state as elasticity_state
from gnosis.engines.liquidity import inputs as liquidity_inputs
from gnosis.engines.liquidity import state as liquidity_state
from gnosis.engines.points import daily_points
from gnosis.engines.sentiment import state as sentiment_state
from gnosis.engines.sentiment.breadth import universe_breadth
from gnosis.engines.sentiment.dark_index import dark_index
from gnosis.options import levels
from gnosis.options.positioning import levels as level_rows
from gnosis.sessions import sessions_between, shift_session

ENGINE_LIMIT_MS, SURFACE_LIMIT_MS = 10.0, 500.0
UNIVERSE_LIMIT_S, YEARS_LIMIT_S = 10.0, 30.0
LAST = dt.date(2023, 12, 28)
YEAR, YEARS, UNIVERSE = 252, 10, 500
ENGINES = ("liquidity", "elasticity", "sentiment")

# What the engine computes from arrays before its processors run counts as the engine's work.
OF_CONTRACTS = {"sums of Greeks and profile of 263 nodes": (elasticity_inputs, "greek_field")}
OF_LEVELS = {
    "bands of levels(), four expiry sets": (level_rows, "_sums"),
    "zero-gamma spots of levels(), four expiry sets": (level_rows, "zero_gamma"),
    "walls of levels(), four expiry sets": (level_rows, "walls"),
}
OF_INPUTS: dict[str, dict[str, tuple[object, str]]] = {
    "liquidity": {"order books": (liquidity_inputs, "OrderBooks"), "intraday bars": (liquidity_inputs, "_intraday")},
    "elasticity": {"listing and quotes": (elasticity_inputs, "listed_contracts")} | OF_CONTRACTS,
    "sentiment": {"documents, repeats left out": (sentiment_state, "Documents")},
}


def past_of(rows: Mapping[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """Return the rows that each engine stored in the 252 sessions before the last."""
    before = sessions_between(shift_session(LAST, -YEAR), shift_session(LAST, -1))
    return {name: market.stored_rows(rows[name], before) for name in ENGINES}


def market_wide(tables: Tables) -> dict[str, pl.DataFrame]:
    """Return breadth and dark index of the session, which all symbols share."""
    cut_offs = daily_points(tables.bars, tables.sessions).frame
    sessions = sessions_between(shift_session(LAST, -320), LAST)
    universe = market.daily_bars(sessions, [f"S{i:03d}" for i in range(100)])
    return {
        "breadth": universe_breadth(cut_offs, universe, tables.index_levels),
        "dark": dark_index(cut_offs, tables.dix),
    }


def one_session(with_profile: bool) -> None:
    """One symbol and session: each engine in its parts, beside the budget."""
    tables = tables_of(["AAA"], [LAST])
    rows = run(tables).rows
    past = past_of(rows)
    shared = market_wide(tables)
    of_levels, of_liquidity, of_elasticity = (rows[name] for name in ("levels", "liquidity", "elasticity"))
    calls: dict[str, Callable[[], pl.DataFrame]] = {
        "liquidity": partial(liquidity_of, tables, past["liquidity"]),
        "elasticity": partial(elasticity_of, tables, of_levels, of_liquidity, past["elasticity"]),
        "sentiment": partial(sentiment_of, tables, of_elasticity, past["sentiment"], **shared),
    }
    inner = {
        "liquidity": (liquidity_state, ("process", "interpret"), liquidity_state._PROCESS),
        "elasticity": (elasticity_state, ("processed", "interpreted", "rows"), elasticity_state.PROCESSES),
        "sentiment": (sentiment_state, ("process", "interpret"), sentiment_state.PROCESSES),
    }
    print(f"\nOne symbol and session, median CPU of 50 calls after 5\n  rows: {tables.rows()}")
    print(f"  and {YEAR} stored rows of each engine under each convention; breadth and dark index made before")
    for name, call in calls.items():
        parts = Parts(call, *inner[name])
        work = median_ms(parts.done, parts.prepared)
        print(f"\n{name}")
        if name == "elasticity":
            print(line("eight processors and interpreter, two conventions", work, "ms"))
            sums = inner_ms(parts.prepared, OF_CONTRACTS) | inner_ms(
                lambda: levels(tables.chains, threads=1), OF_LEVELS
            )
            for label, value in sums.items():
                print(line(label, value, "ms"))
            print(line("together", work + sum(sums.values()), "ms", ENGINE_LIMIT_MS))
            print(line("levels() out of frames", median_ms(lambda: levels(tables.chains, threads=1)), "ms"))
        else:
            print(line("eight processors and interpreter", work, "ms", ENGINE_LIMIT_MS))
        print(line("inputs out of frames", median_ms(parts.prepared), "ms"))
        for label, value in inner_ms(parts.prepared, OF_INPUTS[name]).items():
            print(line(f"  {label}", value, "ms"))
        print(line("whole call out of frames", median_ms(call), "ms"))
        each = parts.processor_ms()
        total = sum(each.values())
        for processor, value in each.items():
            print(line(f"  {processor}", value, "ms", note=f"{value / total:4.0%} of the processors"))
        if with_profile:
            print(profiled(call))
    surface = partial(elasticity_surface, tables.chains, of_elasticity, 200, 60)
    print("\non request")
    print(
        line(
            "elasticity surface 200 x 60, two conventions",
            median_ms(surface, runs=5, warm_ups=1),
            "ms",
            SURFACE_LIMIT_MS,
        )
    )


def print_used(used: Mapping[str, Used], limit_s: float) -> None:
    for name, took in used.items():
        print(line(name, took.wall_s, "s", note=f"CPU {took.cpu_s:.2f} s"))
    engines = sum((used[name] for name in ENGINES), Used())
    print(line("three engines, wall", engines.wall_s, "s", limit_s, f"CPU {engines.cpu_s:.2f} s"))
    whole = engines + used["levels"]
    print(line("three engines and greeks.levels, wall", whole.wall_s, "s", limit_s, f"CPU {whole.cpu_s:.2f} s"))
    print(line("largest resident set of this process so far", peak_mb(), "MB"))


def universe() -> None:
    """500 symbols for one session."""
    symbols = [f"S{i:03d}" for i in range(UNIVERSE)]
    run(tables_of(symbols[:2], [LAST], 50))
    tables = tables_of(symbols, [LAST])
    past = past_of(run(tables_of(symbols, [LAST], 5)).rows)
    print(f"\n{UNIVERSE} symbols for one session, everything out of frames\n  rows: {tables.rows()}")
    print(f"  and {YEAR} stored rows of each symbol, engine and convention; breadth and dark index within")
    print_used(run(tables, past).used, UNIVERSE_LIMIT_S)


def ten_years() -> None:
    """One symbol for 2,520 sessions."""
    total = dict.fromkeys(("levels", *ENGINES), Used())
    stored: dict[str, pl.DataFrame] = {}
    for year in reversed(range(YEARS)):
        end = shift_session(LAST, -YEAR * year)
        tables = tables_of(["AAA"], sessions_between(shift_session(end, 1 - YEAR), end), n_documents=50)
        made = run(tables, stored)
        stored = {name: made.rows[name] for name in ENGINES}
        total = {name: took + made.used[name] for name, took in total.items()}
    print(f"\nOne symbol for {YEAR * YEARS:,} sessions, a year at a time, everything out of frames")
    print(f"  rows of the last year: {tables.rows()}\n  and the stored rows of the year before")
    print_used(total, YEARS_LIMIT_S)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--profile", action="store_true", help="print where each call spends its time")
    with_profile = parser.parse_args().profile
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    print(f"{platform.machine()}, {os.cpu_count()} processors, load {load}, Python {platform.python_version()}")
    with one_processor():
        one_session(with_profile)
    universe()
    ten_years()


if __name__ == "__main__":
    main()
