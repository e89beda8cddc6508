"""The moving-average grid in vectorbt with its Rust engine, in the environment of this folder.

Reads the path of an ``.npz`` with opens, closes and windows; runs once for each line on standard input and answers with
seconds of processor and clock, and the highest memory above that before the first run.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import vectorbt

SETS_AT_ONCE = 1_000


def averages(closes: np.ndarray, windows: np.ndarray) -> dict[int, np.ndarray]:
    """Means of whole cents, so that every engine sees the same signal."""
    totals = np.concatenate([[0], np.cumsum(np.rint(closes * 100).astype(np.int64))])
    found = {}
    for window in windows.tolist():
        mean = np.full(closes.size, np.nan)
        mean[window - 1 :] = (totals[window:] - totals[:-window]) / window
        found[window] = mean
    return found


def sweep(world: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    opens, closes, fast, slow = (world[name] for name in ("opens", "closes", "fast", "slow"))
    means = averages(closes, np.unique(np.concatenate([fast, slow])))
    days = pd.date_range("2012-01-02", periods=closes.size, freq="B")
    close, open_ = pd.Series(closes, index=days), pd.Series(opens, index=days)
    equity, drawdown = [], []
    for first in range(0, fast.size, SETS_AT_ONCE):
        part = slice(first, first + SETS_AT_ONCE)
        one = np.stack([means[window] for window in fast[part].tolist()], axis=1)
        other = np.stack([means[window] for window in slow[part].tolist()], axis=1)
        wanted = np.zeros(one.shape)
        wanted[1:] = (one > other)[:-1] * world["shares"]
        changes = np.diff(wanted, axis=0, prepend=0.0) != 0
        portfolio = vectorbt.Portfolio.from_orders(
            close,
            size=np.where(changes, wanted, np.nan),
            size_type="targetamount",
            price=open_,
            fees=float(world["fee"]),
            slippage=float(world["slippage"]),
            init_cash=float(world["cash"]),
            freq="1D",
            engine="rust",
        )
        equity.append(np.asarray(portfolio.final_value()))
        drawdown.append(np.asarray(portfolio.max_drawdown()))
    return np.concatenate(equity), np.concatenate(drawdown)


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    path = Path(sys.argv[1])
    with np.load(path) as stored:
        world = dict(stored)
    few = world | {name: world[name][:100] for name in ("fast", "slow")}
    sweep(few)
    base = peak_mib()
    print(json.dumps({"version": vectorbt.__version__}), flush=True)
    for _ in sys.stdin:
        clock, processor = time.perf_counter(), time.process_time()
        equity, drawdown = sweep(world)
        took = {"cpu_s": time.process_time() - processor, "wall_s": time.perf_counter() - clock}
        np.savez(path.with_name("vectorbt.npz"), equity=equity, drawdown=drawdown)
        print(json.dumps({**took, "mib": peak_mib() - base}), flush=True)


if __name__ == "__main__":
    main()
