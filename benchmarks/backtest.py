"""Seconds and bars per second of the event engine, buy-and-hold benchmark and all checks included.

Run: python benchmarks/backtest.py
"""

from __future__ import annotations

import datetime as dt
import time

import numpy as np
import polars as pl

from gnosis.backtest import Configuration, run
from gnosis.backtest.trials import MemoryLedger
from gnosis.sessions import schedule


def market(n_symbols: int, n_sessions: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return seeded random bars and a new target weight for every symbol and session after the first 21."""
    rng = np.random.default_rng(0)
    days = schedule().filter(pl.col("session") >= dt.date(2012, 1, 3)).head(n_sessions)
    symbols = [f"S{number:03d}" for number in range(n_symbols)]
    closes = 50 * np.exp(np.cumsum(rng.normal(0, 0.015, (n_sessions, n_symbols)), axis=0))
    opens = closes * np.exp(rng.normal(0, 0.005, closes.shape))
    bars = pl.DataFrame(
        {
            "session": days["session"].to_numpy().repeat(n_symbols),
            "symbol": symbols * n_sessions,
            "ts": days["close_at"].dt.replace_time_zone(None).to_numpy().repeat(n_symbols),
            "open": opens.ravel(),
            "close": closes.ravel(),
            "volume": rng.uniform(1e6, 5e6, closes.size).round(),
            "adjustment_factor": 1.0,
            "provider": "benchmark",
            "synthetic": True,
        }
    ).with_columns(pl.col("session").cast(pl.Date), pl.col("ts").cast(pl.Datetime("us")).dt.replace_time_zone("UTC"))
    bars = bars.with_columns(known_at="ts")
    weights = rng.uniform(-1, 1, bars.height).round(4) / n_symbols
    targets = bars.select("session", "symbol").with_columns(target_weight=pl.Series(weights))
    return bars, targets.filter(pl.col("session") > days["session"][20])


def main() -> None:
    schedule()
    print(f"{'symbols':>8}{'sessions':>9}{'fills':>9}{'seconds':>9}{'bars/s':>10}")
    for n_symbols, n_sessions in ((5, 1_260), (100, 2_520)):
        bars, targets = market(n_symbols, n_sessions)
        start = time.perf_counter()
        result = run(bars, targets, Configuration(), recorder=MemoryLedger(), code_sha256="0" * 64)
        seconds = time.perf_counter() - start
        print(f"{n_symbols:>8}{n_sessions:>9}{result.fills.height:>9}{seconds:>9.2f}{bars.height / seconds:>10,.0f}")


if __name__ == "__main__":
    main()
