"""Speed and accuracy of implied volatility, Greeks and whole chains beside other libraries, in one run.

Run ``uv sync --group bench`` once, then ``python benchmarks/options.py``. Ratios matter; absolute figures move with the
machine. Every library gets the same contracts in the form it likes best; rounds alternate over the libraries and the
median of the process times counts, on one processor. vollib works contract by contract and numpy's solver is slow:
both get samples.
"""

from __future__ import annotations

import importlib.util
import os

# Read when the libraries are loaded.
os.environ |= {"RAYON_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")

import statistics
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import numpy as np
from option_peers import accuracy, chains, libraries
from option_peers.chains import Book, Lines
from option_peers.measuring import Call, compare, one_processor, seconds

from gnosis.options import Greeks, chain_analytics, exposure, greeks, implied_vol, levels
from gnosis.options.pricing.implied_vol import IV_REASONS
from gnosis.options.pricing.strike_grid import (
    N_ROWS,
    GridGreeks,
    StrikeExposure,
    grid_exposure,
    grid_greeks,
    grid_implied_vol,
)

N = 1_000_000
N_NUMPY_SOLVER = 50_000
N_VOLLIB = 2_000
TESTS = Path(__file__).resolve().parents[1] / "tests" / "gnosis" / "options"
FIRST_CALL = """
import time
start = time.perf_counter()
from gnosis.options import greeks, implied_vol
imported = time.perf_counter()
implied_vol([2.4, 3.1], [100, 105], 30 / 365, 100.0, 0.99, True)
greeks(100, [100, 105], 30 / 365, 100.0, 0.99, 0.2, True)
print(imported - start, time.perf_counter() - imported)
"""


def from_tests(name: str) -> ModuleType:
    """Return a module that the tests share."""
    spec = importlib.util.spec_from_file_location(name, TESTS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def solve(book: Book, threads: int = 1) -> np.ndarray:
    return implied_vol(book.price, book.strike, book.tau, book.forward, book.discount, book.is_call, threads=threads).iv


def price_and_greeks(book: Book, out: np.ndarray | None, threads: int = 1) -> Greeks:
    return greeks(
        book.spot,
        book.strike,
        book.tau,
        book.forward,
        book.discount,
        book.iv,
        book.is_call,
        out=out,
        threads=threads,
    )


def single_contracts(book: Book, grid: object, oracles: ModuleType) -> None:
    """Implied volatility and Greeks of single contracts beside the peers."""
    verdicts = accuracy.implied_vol_verdicts(grid, oracles)
    sample, few = book.take(slice(N_NUMPY_SOLVER)), book.take(slice(N_VOLLIB))
    found = implied_vol(book.price, book.strike, book.tau, book.forward, book.discount, book.is_call)
    is_solved = found.reason == IV_REASONS.index("solved")
    is_out = book.is_call == (book.strike >= book.forward)
    error = np.abs(found.iv - book.iv)[is_solved]
    print(
        f"\nRealistic chain of {N:,}: {is_solved[is_out].mean():.2%} solved out of the money, "
        f"{is_solved[~is_out].mean():.2%} in the money, the rest flagged; largest error {error.max():.1e}, at most "
        f"{(error / found.error[is_solved]).max():.2f} of the bound returned with it"
    )
    calls = {"gnosis, with error bound and reason": Call(N, lambda: solve(book), 10)}
    missing = []
    engine = libraries.iv_engine_implied_vol(book)
    if engine is None:
        missing.append("iv-engine")
    else:
        calls["iv-engine, calls and puts split"] = Call(N, engine)
    calls["pyvolr, calls and puts split"] = Call(N, libraries.pyvolr_implied_vol(book))
    calls["numpy, Newton in a bracket"] = Call(N_NUMPY_SOLVER, libraries.numpy_implied_vol(sample))
    calls["vollib, contract by contract"] = Call(N_VOLLIB, libraries.vollib_implied_vol(few, oracles))
    compare(
        "Implied volatility, one thread",
        calls,
        {"iv-engine, calls and puts split": 8},
        verdicts,
        tuple(missing),
    )

    verdicts = accuracy.greeks_verdicts(grid, oracles)
    out = np.empty((len(Greeks._fields), N))
    calls = {
        "gnosis, price and 10, fresh memory": Call(N, lambda: price_and_greeks(book, None)),
        "gnosis, price and 10, memory of the caller": Call(N, lambda: price_and_greeks(book, out), 10),
        "pyvolr, price and 5, calls and puts split": Call(N, libraries.pyvolr_greeks(book)),
        "pyvolr and numpy, price and 8": Call(N, libraries.pyvolr_and_numpy_greeks(book)),
    }
    limits, missing = {"pyvolr, price and 5, calls and puts split": 7.0}, []
    for n, label in ((N, "1,000,000"), (100_000, "100,000")):
        compiled = libraries.jax_greeks(book.take(slice(n)))
        if compiled is None:
            missing.append(f"JAX, price and 8, {label} at a time")
        else:
            calls[f"JAX, price and 8, {label} at a time"] = Call(n, compiled)
            limits[f"JAX, price and 8, {label} at a time"] = 2.5
    calls["numpy, price and 10"] = Call(N, libraries.numpy_greeks(book))
    calls["vollib, price and 5, contract by contract"] = Call(N_VOLLIB, libraries.vollib_greeks(few, oracles))
    compare("Price and Greeks, one thread", calls, limits, verdicts, tuple(missing))


def solve_lines(lines: Lines) -> np.ndarray:
    prices = lines.call_price, lines.put_price
    return grid_implied_vol(*prices, lines.strike, lines.tau, lines.forward, lines.discount, lines.starts).iv


def value_lines(lines: Lines, iv: np.ndarray, out: np.ndarray | None) -> GridGreeks:
    terms = lines.tau, lines.forward, lines.discount, lines.starts
    return grid_greeks(chains.SPOT, lines.strike, iv, *terms, out=out)


def chain_shaped() -> None:
    """The calls over strike lines beside the own calls over the same contracts one by one."""
    lines, book = chains.chain(500, 1000)
    n = book.tau.size
    out, single = np.empty((N_ROWS, lines.strike.size)), np.empty((len(Greeks._fields), n))
    compare(
        f"Implied volatility of a chain, {n:,} contracts, one thread",
        {
            "gnosis, strike lines": Call(n, lambda: solve_lines(lines)),
            "gnosis, contract by contract": Call(n, lambda: solve(book)),
        },
        {"gnosis, contract by contract": 2},
    )
    compare(
        f"Price and ten Greeks of a chain, {n:,} contracts, one thread",
        {
            "gnosis, strike lines, memory of the caller": Call(n, lambda: value_lines(lines, lines.iv, out)),
            "gnosis, strike lines, fresh memory": Call(n, lambda: value_lines(lines, lines.iv, None)),
            "gnosis, contract by contract": Call(n, lambda: price_and_greeks(book, single)),
        },
        {"gnosis, contract by contract": 2},
    )


def exposure_by_strike() -> None:
    """8,000 contracts from prices to gamma, vanna, charm and delta exposure by strike."""
    lines, book = chains.chain(20, 200)
    n = book.tau.size
    interest = np.random.default_rng(3).integers(0, 5000, n).astype(np.float64)
    by_line = np.ascontiguousarray(interest.reshape(-1, 2).T)
    strike_number = np.tile(np.repeat(np.arange(200), 2), 20)
    terms = lines.strike, lines.tau, lines.forward, lines.discount, lines.starts

    def own() -> StrikeExposure:
        return grid_exposure(chains.SPOT, lines.call_price, lines.put_price, *terms, by_line, 1.0)

    peer = libraries.pyvolr_exposure_by_strike(book, strike_number, 100.0 * interest)
    rates = compare(
        "8,000 contracts from prices to exposures by strike, one thread",
        {"gnosis, strike lines": Call(n, own, 20), "pyvolr and numpy": Call(n, peer, 20)},
        {"pyvolr and numpy": 8},
    )
    print("  " + ", ".join(f"{name} {1000 * n / rate:.2f} ms" for name, rate in rates.items()) + " (limit about 1 ms)")
    found, other = own(), peer()
    difference = np.abs(found.gex_usd_per_pct - other[0]).max() / np.abs(other[0]).max()
    print(
        f"  gamma exposures differ by {difference:.1e} of the largest; {found.n_without_iv.sum()} contracts without iv"
    )


def two_threads(book: Book) -> None:
    """Wall time of two threads beside one."""
    if (os.cpu_count() or 1) < 2:
        print("\nTwo threads: this machine has one processor")
        return
    out = np.empty((len(Greeks._fields), N))
    wall = seconds(
        {
            "iv 1": Call(N, lambda: solve(book), 10),
            "iv 2": Call(N, lambda: solve(book, threads=2), 10),
            "greeks 1": Call(N, lambda: price_and_greeks(book, out), 10),
            "greeks 2": Call(N, lambda: price_and_greeks(book, out, threads=2), 10),
        },
        time.perf_counter,
    )
    print("\nTwo threads against one, wall time (limit 1.8; idle processors needed)")
    print(f"  implied volatility {wall['iv 1'] / wall['iv 2']:.2f}, Greeks {wall['greeks 1'] / wall['greeks 2']:.2f}")


def first_call() -> None:
    """A fresh process with the compilation cache that an earlier process left."""
    measured = []
    for _ in range(4):
        done = subprocess.run([sys.executable, "-c", FIRST_CALL], capture_output=True, text=True, check=True)
        measured.append([float(word) for word in done.stdout.split()])
    imported, called = (statistics.median(column) for column in zip(*measured[1:], strict=True))
    print(
        f"\nFresh process: import {imported:.2f} s, first implied volatility and Greeks {called:.2f} s wall (limit 2 s)"
    )


def whole_chains() -> None:
    """From raw quotes to levels: one full index chain, and 58 sessions of it."""
    for n_sessions, limit in ((1, 1.0), (58, 60.0)):
        quotes, macro = chains.quotes(n_sessions)
        parts = dict.fromkeys(("chain_analytics", "exposure", "levels"), 0.0)
        walls = []
        for turn in range(4 if n_sessions == 1 else 1):
            at = [time.perf_counter()]
            found = chain_analytics(quotes, macro).greeks
            at.append(time.perf_counter())
            exposure(found)
            at.append(time.perf_counter())
            told = levels(found, index_symbols=("SPX",))
            at.append(time.perf_counter())
            if turn or n_sessions > 1:
                walls.append(at[-1] - at[0])
                parts = dict(zip(parts, np.diff(at), strict=True))
        wall = statistics.median(walls)
        print(
            f"\n{n_sessions} session(s), {quotes.height:,} raw quotes to exposures and levels: {wall:.2f} s wall "
            f"(limit {limit:.0f} s: {'reached' if wall <= limit else 'MISSED'})\n  last: "
            + ", ".join(f"{name} {value:.2f} s" for name, value in parts.items())
            + f"; {found['iv'].count():,} volatilities, {told.height} rows of levels with {told['n_flips'].sum()} flips"
        )


def main() -> None:
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    print(f"{os.cpu_count()} processors, load {load}; medians of process time unless wall is said")
    hard_grid, oracles = from_tests("hard_grid"), from_tests("oracles")
    listed = hard_grid.index_contracts(N, np.random.default_rng(7))
    book = chains.book_of(listed.strike, listed.tau_years, listed.iv, listed.is_call)
    # First, because threads that the peers leave behind take turns with ours.
    two_threads(book)
    with one_processor():
        single_contracts(book, hard_grid.hard_grid(accuracy.N_HARD), oracles)
        chain_shaped()
        exposure_by_strike()
    first_call()
    whole_chains()


if __name__ == "__main__":
    main()
