"""Time the elasticity engine: one chain of 2,000 contracts, and 1,260 sessions of 5 symbols with 170 contracts each.

Run with ``POLARS_MAX_THREADS=1 python benchmarks/engines.py`` for one thread.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable

import numpy as np
import polars as pl

from gnosis.engines import physics
from gnosis.engines.elasticity import elasticity
from gnosis.options.arrays import frozen
from gnosis.options.positioning.exposure import exposure
from gnosis.options.positioning.gamma_profile import smile_slopes
from gnosis.options.positioning.gamma_profile_kernel import add_gamma
from gnosis.options.pricing.black_scholes import greeks
from gnosis.sessions import schedule, shift_session
from gnosis.tables import TABLES

RATE = 0.03


def listed_chains(sessions: list[dt.date], symbols: list[str], n_expiries: int, n_strikes: int) -> pl.DataFrame:
    """Return Greeks of n_expiries x n_strikes x 2 contracts per chain, with a skewed smile."""
    calendar = schedule().filter(pl.col("session").is_in(sessions)).select("session", "chain_at")
    rng = np.random.default_rng(1)
    rows = calendar.join(pl.DataFrame({"symbol": symbols, "spot": 100.0 + 7.0 * np.arange(len(symbols))}), how="cross")
    rows = rows.join(pl.DataFrame({"dte_days": 3 + 9 * np.arange(n_expiries, dtype=np.int64) ** 2}), how="cross")
    rows = rows.join(pl.DataFrame({"moneyness": np.linspace(0.75, 1.25, n_strikes)}), how="cross")
    rows = rows.join(pl.DataFrame({"right": ["C", "P"]}), how="cross")
    tau = rows["dte_days"].to_numpy() / 365
    spot = rows["spot"].to_numpy()
    strike = np.round(spot * rows["moneyness"].to_numpy(), 3)
    forward, discount = spot * np.exp(RATE * tau), np.exp(-RATE * tau)
    k = np.log(strike / forward)
    iv = 0.2 - 0.3 * k + 0.8 * k * k
    values = greeks(spot, strike, tau, forward, discount, iv, (rows["right"] == "C").to_numpy())
    before = {day: shift_session(day, -1) for day in sessions}
    table = TABLES["greeks.option_greeks"].polars_schema
    frame = rows.with_columns(
        **{name: pl.Series(getattr(values, name)) for name in values._fields[1:]},
        expiry=pl.col("session") + pl.duration(days=pl.col("dte_days")),
        settlement=pl.lit("pm"),
        strike=pl.Series(strike),
        root=pl.col("symbol"),
        ts=pl.col("chain_at"),
        mid=pl.Series(values.price),
        tau_years=pl.Series(tau),
        is_tau_floored=pl.lit(False),
        forward=pl.Series(forward),
        forward_source=pl.lit("parity"),
        style=pl.lit("E"),
        exercise_model=pl.lit("closed_form"),
        is_vertical=pl.lit(False),
        is_butterfly=pl.lit(False),
        deliverable_shares=pl.lit(100.0),
        **{name: pl.lit(None, dtype=pl.Float64) for name in ("iv_bid", "iv_ask", "iv_error")},
        discount=pl.Series(discount),
        iv=pl.Series(iv),
        iv_source=pl.lit("own"),
        reason=pl.lit(None, dtype=pl.String),
        open_interest=pl.Series(rng.integers(0, 5000, rows.height).astype(np.float64)),
        oi_session=pl.col("session").replace_strict(before),
        multiplier=pl.lit(100.0),
        known_at=pl.col("chain_at"),
        provider=pl.lit("simulate"),
        synthetic=pl.lit(True),
    )
    return frame.select(list(table)).cast(table)


def daily_bars(sessions: list[dt.date], symbols: list[str]) -> pl.DataFrame:
    """Return bars of random walks."""
    calendar = schedule().filter(pl.col("session").is_in(sessions)).select("session", "close_at")
    rng = np.random.default_rng(2)
    rows = calendar.join(pl.DataFrame({"symbol": symbols}), how="cross").sort("symbol", "session")
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, rows.height)))
    table = TABLES["raw.equity_bars"].polars_schema
    frame = rows.with_columns(
        **{name: pl.Series(close) for name in ("open", "high", "low", "close")},
        ts=pl.col("close_at"),
        known_at=pl.col("close_at"),
        volume=pl.lit(1e6),
        adjustment_factor=pl.lit(1.0),
        provider=pl.lit("simulate"),
        synthetic=pl.lit(True),
    )
    return frame.select(list(table)).cast(table)


def median_ms(call: Callable[[], object], runs: int, warm_ups: int) -> float:
    """Return the median CPU time of ``runs`` calls after ``warm_ups``."""
    times = []
    for _ in range(warm_ups + runs):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return 1000 * float(np.median(times[warm_ups:]))


def arrays_of_one_chain(n_expiries: int, n_strikes: int) -> Callable[[], object]:
    """Return a call of the compiled profile and the works of both conventions, on arrays already in memory."""
    n = n_expiries * n_strikes
    tau = np.repeat((3 + 9 * np.arange(n_expiries) ** 2) / 365, n_strikes)
    k = np.tile(np.log(np.linspace(0.75, 1.25, n_strikes)), n_expiries) - RATE * tau
    iv = 0.2 - 0.3 * k + 0.8 * k * k
    starts, chain = n_strikes * np.arange(n_expiries + 1), np.zeros(n_expiries, dtype=np.int64)
    scale, size = 1 / (100 * np.sqrt(2 * np.pi * tau)), np.full(n, 1e5)
    ratios, logs = physics.PATH_RATIOS, np.log(physics.PATH_RATIOS)
    slope = smile_slopes(starts, k, iv)
    arrays = (starts, chain, k, iv, slope, np.sqrt(tau), scale, size, size, ratios, logs)
    lines = [frozen(values, values.shape) for values in arrays]

    def run() -> object:
        call, put = np.zeros((2, 1, 101))
        add_gamma(*lines, False, call, put)
        return [physics.path_work(100.0, 1e6 + sign * call - put) for sign in (1.0, -1.0)]

    return run


def main() -> None:
    days = schedule()["session"]
    last = int(days.search_sorted(dt.date(2023, 12, 29)))
    history = days[last - 1260 - 20 : last].to_list()

    run = arrays_of_one_chain(10, 100)
    print(f"profile and works, 2,000 contracts as arrays: {median_ms(run, 50, 5):.2f} ms")

    one = listed_chains(history[-1:], ["AAA"], 10, 100)
    bars = daily_bars(history[-21:], ["AAA"])
    sums = exposure(one)
    milliseconds = median_ms(lambda: elasticity(one, sums, bars), 50, 5)
    print(f"elasticity() of one chain, {one.height:,} contracts: {milliseconds:.1f} ms")

    symbols = [f"S{i}" for i in range(5)]
    many = listed_chains(history[20:], symbols, 5, 17)
    bars = daily_bars(history, symbols)
    sums = exposure(many)
    start = time.perf_counter()
    rows = elasticity(many, sums, bars)
    seconds = time.perf_counter() - start
    print(f"elasticity() of {rows.height // 2:,} chains, {many.height:,} contracts: {seconds:.2f} s")


if __name__ == "__main__":
    main()
