"""Seconds of the event engine with full ledger, costs, invariants, round trips and its buy-and-hold beside it.

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

FIRST = dt.date(2012, 1, 3)
LOTS = 100.0
CROSS = Configuration(
    initial_cash_usd=10_000_000.0, slippage="proportional", slippage_bps=5.0, fee_bps=10.0, participation=None
)


def frame_of(prices: dict[str, np.ndarray]) -> pl.DataFrame:
    """Return bars of arrays ``open``, ``high``, ``low``, ``close`` and ``volume`` of shape (sessions, symbols)."""
    n_sessions, n_symbols = prices["close"].shape
    days = schedule().filter(pl.col("session") >= FIRST).head(n_sessions)
    symbols = [f"S{number:03d}" for number in range(n_symbols)]
    return pl.DataFrame(
        {
            "session": days["session"].to_numpy().repeat(n_symbols),
            "symbol": symbols * n_sessions,
            "ts": days["close_at"].dt.replace_time_zone(None).to_numpy().repeat(n_symbols),
            **{name: values.ravel() for name, values in prices.items()},
            "adjustment_factor": 1.0,
            "provider": "benchmark",
            "synthetic": True,
        }
    ).with_columns(
        pl.col("session").cast(pl.Date),
        pl.col("ts").cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
        known_at=pl.col("ts").cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
    )


def random_prices(n_sessions: int, n_symbols: int) -> dict[str, np.ndarray]:
    """Return seeded random bars."""
    rng = np.random.default_rng(5)
    common = 0.004 * rng.normal(0, 1, (n_sessions, 1))
    close = np.round(100 * np.exp(np.cumsum(rng.normal(0.0003, 0.012, (n_sessions, n_symbols)) + common, 0)), 2)
    opened = np.round(np.vstack([close[:1], close[:-1]]) * np.exp(rng.normal(0, 0.003, close.shape)), 2)
    high = np.round(np.maximum(opened, close) * (1 + np.abs(rng.normal(0, 0.004, close.shape))), 2)
    low = np.round(np.minimum(opened, close) * (1 - np.abs(rng.normal(0, 0.004, close.shape))), 2)
    volume = rng.integers(1e5, 1e6, close.shape).astype(float)
    return {"open": opened, "high": high, "low": low, "close": close, "volume": volume}


def crossings(close: np.ndarray, bars: pl.DataFrame, fast: int = 20, slow: int = 50) -> pl.DataFrame:
    """Return 100 shares while the fast average is above the slow one, a row where that changes."""

    def average(window: int) -> np.ndarray:
        total = np.cumsum(np.vstack([np.zeros((1, close.shape[1])), close]), 0)
        return np.vstack([np.full((window - 1, close.shape[1]), np.nan), (total[window:] - total[:-window]) / window])

    with np.errstate(invalid="ignore"):
        wanted = average(fast) > average(slow)
    changed = np.vstack([wanted[:1], wanted[1:] != wanted[:-1]])
    targets = bars.select("session", "symbol").with_columns(target_shares=pl.Series(wanted.ravel() * LOTS))
    return targets.filter(pl.Series(changed.ravel()))


def rebalancing(bars: pl.DataFrame) -> pl.DataFrame:
    """Return a new random weight for every symbol and session after the first 21."""
    rng = np.random.default_rng(0)
    days = bars["session"].unique().sort()
    weights = rng.uniform(-1, 1, bars.height).round(4) / bars["symbol"].n_unique()
    targets = bars.select("session", "symbol").with_columns(target_weight=pl.Series(weights))
    return targets.filter(pl.col("session") > days[20])


def expected_equity(prices: dict[str, np.ndarray], targets: pl.DataFrame, bars: pl.DataFrame) -> float:
    """Return the last equity of the crossing, told again in vectorised floats without a ledger."""
    held = bars.select("session", "symbol").join(targets, on=["session", "symbol"], how="left")
    grid = held.with_columns(pl.col("target_shares").forward_fill().over("symbol").fill_null(0.0))
    wanted = grid["target_shares"].to_numpy().reshape(prices["close"].shape)
    position = np.vstack([np.zeros((1, wanted.shape[1])), wanted[:-1]])
    trade = np.diff(np.vstack([np.zeros((1, wanted.shape[1])), position]), axis=0)
    price = prices["open"] * (1 + 0.0005 * np.sign(trade))
    cash = CROSS.initial_cash_usd - (trade * price + np.abs(trade) * price * 0.001).sum()
    return float(cash + (position[-1] * prices["close"][-1]).sum())


def timed(bars: pl.DataFrame, targets: pl.DataFrame, configuration: Configuration) -> tuple[float, float, pl.DataFrame]:
    """Return wall and CPU seconds of the better of three runs, and the equity."""
    best, best_cpu = np.inf, np.inf
    for _ in range(3):
        start, start_cpu = time.perf_counter(), time.process_time()
        result = run(bars, targets, configuration, recorder=MemoryLedger(), code_sha256="0" * 64)
        best, best_cpu = min(best, time.perf_counter() - start), min(best_cpu, time.process_time() - start_cpu)
    return best, best_cpu, result.equity.with_columns(n_fills=pl.lit(result.fills.height))


def main() -> None:
    schedule()
    print(f"{'workload':<22}{'symbols':>8}{'sessions':>9}{'fills':>9}{'wall s':>9}{'CPU s':>8}{'bars/s':>11}")
    for name, n_symbols, n_sessions in (("crossing", 100, 2_520), ("crossing", 5, 950), ("rebalancing", 100, 2_520)):
        prices = random_prices(n_sessions, n_symbols)
        bars = frame_of(prices)
        if name == "crossing":
            targets, configuration = crossings(prices["close"], bars), CROSS
        else:
            targets, configuration = rebalancing(bars), Configuration()
        wall, cpu, equity = timed(bars, targets, configuration)
        fills = equity["n_fills"][0]
        print(f"{name:<22}{n_symbols:>8}{n_sessions:>9}{fills:>9}{wall:>9.3f}{cpu:>8.3f}{bars.height / wall:>11,.0f}")
        if name == "crossing":
            ours = equity["equity_usd"][-1] + equity["borrow_usd"].sum() + equity["interest_usd"].sum()
            print(f"{'':<22}difference from vectorised floats: {ours - expected_equity(prices, targets, bars):.6f} $")


if __name__ == "__main__":
    main()
