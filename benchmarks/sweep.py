"""10,000 pairs of moving averages over 2,520 bars of one symbol: our sweep beside vectorbt and its Rust engine.

Run ``python benchmarks/sweep.py``. vectorbt lives in an environment of its own, made from ``backtest_peers/uv.lock`` at
the first run. Rounds alternate between processes that were warmed up; medians count, ratios matter. Our sweep is timed
twice: the sweep itself (averages, fills, marks, figures), and the whole call with the trial ledger and the frames.
"""

from __future__ import annotations

import datetime as dt
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

from gnosis.backtest import Configuration
from gnosis.backtest.sweep import exact_averages, moving_average_cross
from gnosis.backtest.sweep_kernel import N_STATES, PREVIOUS, crosses
from gnosis.backtest.trials import MemoryLedger
from gnosis.sessions import schedule

N_SETS, N_BARS, ROUNDS = 10_000, 2_520, 3
CASH, SHARES, SLIPPAGE_BPS, FEE_BPS = 100_000.0, 100, 5.0, 10.0
LIMIT_RATIO, LIMIT_MIB = 150, 200
PEERS = Path(__file__).resolve().parent / "backtest_peers"


def world() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    closes = np.round(100 * np.exp(np.cumsum(rng.normal(0.0003, 0.012, N_BARS))), 2)
    opens = np.round(closes * np.exp(rng.normal(0, 0.003, N_BARS)), 2)
    fast = rng.integers(2, 100, N_SETS)
    slow = fast + rng.integers(1, 150, N_SETS)
    costs = {"slippage": SLIPPAGE_BPS / 1e4, "fee": FEE_BPS / 1e4, "cash": CASH, "shares": SHARES}
    return {"opens": opens, "closes": closes, "fast": fast, "slow": slow, **{k: np.array(v) for k, v in costs.items()}}


def kernel(given: dict[str, np.ndarray]) -> np.ndarray:
    """The sweep without ledger and frames, on one thread."""
    pairs, widths, totals, averages = exact_averages(given["closes"], given["fast"], given["slow"])
    account = (CASH, float(SHARES), SLIPPAGE_BPS / 1e4, FEE_BPS / 1e4)
    states = np.empty((N_SETS, N_STATES))
    none = np.empty((0, N_BARS))
    crosses(given["opens"], given["closes"], averages, totals, widths, pairs, False, account, states, none)
    return states


def whole_call(given: dict[str, np.ndarray]) -> pl.DataFrame:
    days = schedule().filter(pl.col("session") >= dt.date(2012, 1, 3)).head(N_BARS)
    bars = days.select(
        "session",
        symbol=pl.lit("SPY"),
        ts="close_at",
        open=pl.Series(given["opens"]),
        high=pl.Series(np.maximum(given["opens"], given["closes"])),
        low=pl.Series(np.minimum(given["opens"], given["closes"])),
        close=pl.Series(given["closes"]),
        volume=pl.lit(1e6),
        adjustment_factor=pl.lit(1.0),
        known_at="close_at",
        provider=pl.lit("benchmark"),
        synthetic=pl.lit(True),
    )
    costs = Configuration(
        strategy="moving_average_cross",
        slippage="proportional",
        slippage_bps=SLIPPAGE_BPS,
        fee_bps=FEE_BPS,
        participation=None,
        initial_cash_usd=CASH,
    )
    return moving_average_cross(
        bars,
        given["fast"].tolist(),
        given["slow"].tolist(),
        shares=SHARES,
        configuration=costs,
        recorder=MemoryLedger(),
        code_sha256="0" * 64,
    ).sets


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def answer(path: Path) -> None:
    """Run once for each line on standard input, as the peer does."""
    with np.load(path) as stored:
        given = dict(stored)
    kernel(given | {name: given[name][:100] for name in ("fast", "slow")})
    schedule()
    base = peak_mib()
    print(json.dumps({"version": "gnosis"}), flush=True)
    for line in sys.stdin:
        clock, processor = time.perf_counter(), time.process_time()
        if line.strip() == "kernel":
            equity = kernel(given)[:, PREVIOUS]
        else:
            equity = whole_call(given)["final_equity_usd"].to_numpy()
        took = {"cpu_s": time.process_time() - processor, "wall_s": time.perf_counter() - clock}
        np.savez(path.with_name(f"{line.strip()}.npz"), equity=equity)
        print(json.dumps({**took, "mib": peak_mib() - base}), flush=True)


class Worker:
    """A warmed-up process that runs when asked."""

    def __init__(self, command: list[str]) -> None:
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.version = self._read()["version"]

    def _read(self) -> dict[str, float]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"expected an answer, found that the process ended with {self._process.wait()}")
        return dict(json.loads(line))

    def ask(self, what: str) -> dict[str, float]:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{what}\n")
        self._process.stdin.flush()
        return self._read()

    def end(self) -> None:
        self._process.communicate()


def peer_python() -> str:
    """Return the Python of the peers' environment, made from its lock when it is missing."""
    python = PEERS / ".venv" / "bin" / "python"
    if not python.exists():
        uv = Path(sys.executable).with_name("uv")
        own = [str(uv), "sync", "--frozen", "--quiet", "--python", sys.executable, "--no-python-downloads"]
        subprocess.run([*own, "--project", str(PEERS)], check=True)
    return str(python)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "world.npz"
        np.savez(path, **world())
        workers = {
            "kernel": Worker([sys.executable, __file__, str(path)]),
            "whole": Worker([sys.executable, __file__, str(path)]),
            "vectorbt": Worker([peer_python(), str(PEERS / "vectorbt_sweep.py"), str(path)]),
        }
        rounds: dict[str, list[dict[str, float]]] = {name: [] for name in workers}
        for _ in range(ROUNDS):
            for name, worker in workers.items():
                rounds[name].append(worker.ask(name))
        for worker in workers.values():
            worker.end()
        equity = {}
        for name in workers:
            with np.load(path.with_name(f"{name}.npz")) as stored:
                equity[name] = stored["equity"]
    found = {
        name: {what: statistics.median(each[what] for each in rows) for what in rows[0]}
        for name, rows in rounds.items()
    }
    titles = {
        "kernel": "gnosis, the sweep on one thread",
        "whole": "gnosis, with ledger and frames, two threads",
        "vectorbt": f"vectorbt {workers['vectorbt'].version}, Rust engine, 1,000 sets at once",
    }
    print(f"{N_SETS:,} sets x {N_BARS:,} bars, medians of {ROUNDS} alternating rounds")
    print(f"  {'':<52}{'CPU s':>9}{'clock s':>9}{'MiB above base':>16}{'CPU ratio':>11}{'clock ratio':>13}")
    peer = found["vectorbt"]
    for name, row in found.items():
        ratios = peer["cpu_s"] / row["cpu_s"], peer["wall_s"] / row["wall_s"]
        print(
            f"  {titles[name]:<52}{row['cpu_s']:>9.3f}{row['wall_s']:>9.3f}{row['mib']:>16.0f}"
            f"{ratios[0]:>11.0f}{ratios[1]:>13.0f}"
        )
    largest = max(float(np.abs(equity[name] - equity["vectorbt"]).max()) for name in ("kernel", "whole"))
    to_the_cent = all(
        np.array_equal(equity[name].round(2), equity["vectorbt"].round(2)) for name in ("kernel", "whole")
    )
    ratio = peer["cpu_s"] / found["kernel"]["cpu_s"]
    print(f"  final equities {'equal' if to_the_cent else 'NOT EQUAL'} to the cent, largest difference {largest:.1e} $")
    print(f"  limit {LIMIT_RATIO} times: {'reached' if ratio >= LIMIT_RATIO else 'MISSED'}")
    highest = max(found[name]["mib"] for name in ("kernel", "whole"))
    print(f"  limit {LIMIT_MIB} MiB: {'reached' if highest < LIMIT_MIB else 'MISSED'}")


if __name__ == "__main__":
    main() if len(sys.argv) == 1 else answer(Path(sys.argv[1]))
