"""Speed of implied volatility, Greeks and whole chains on one thread, beside vollib and plain numpy in the same run.

Run ``python benchmarks/options.py``. Ratios matter; absolute figures move with the machine. Every engine gets the same
contracts; rounds alternate over the engines and the median of the process times counts. vollib works contract by
contract and gets a sample.
"""

from __future__ import annotations

import datetime as dt
import statistics
import time
import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import polars as pl
from scipy.special import ndtr

from gnosis.options import carry_forward, discount_factor, exposure, greeks, implied_vol, option_greeks, price
from gnosis.sessions import schedule
from gnosis.tables import TABLES

N = 1_000_000
N_VOLLIB = 2_000
ROUNDS = 5
SPOT, RATE, CARRY = 6000.0, 0.043, 0.013


class Book(NamedTuple):
    strike: np.ndarray
    tau: np.ndarray
    forward: np.ndarray
    discount: np.ndarray
    iv: np.ndarray
    is_call: np.ndarray
    price: np.ndarray


def index_book(n: int, seed: int = 7) -> Book:
    """An index chain out of the money: hours to two years, strikes within 4 standard deviations, a smile."""
    generator = np.random.default_rng(seed)
    tau = np.where(generator.random(n) < 0.25, generator.uniform(0.1, 7, n), generator.uniform(7, 730, n)) / 365
    k = generator.uniform(-4, 2.5, n) * 0.18 * np.sqrt(tau)
    iv = np.clip(0.16 - 0.2 * k / np.sqrt(tau + 0.08) + generator.normal(0, 0.01, n), 0.08, 1.2)
    forward, discount = carry_forward(SPOT, tau, RATE, CARRY), discount_factor(RATE, tau)
    strike = forward * np.exp(k)
    is_call = strike >= forward
    return Book(strike, tau, forward, discount, iv, is_call, price(SPOT, strike, tau, forward, discount, iv, is_call))


def numpy_greeks(book: Book) -> list[np.ndarray]:
    """Price and ten Greeks as the textbook writes them."""
    side, k, tau, v = np.where(book.is_call, 1.0, -1.0), book.strike, book.tau, book.iv
    root, total = np.sqrt(tau), v * np.sqrt(tau)
    d1 = (np.log(SPOT / k) + (RATE - CARRY + v * v / 2) * tau) / total
    d2 = d1 - total
    eq, er = np.exp(-CARRY * tau), np.exp(-RATE * tau)
    density = eq * np.exp(-d1 * d1 / 2) / np.sqrt(2 * np.pi)
    delta, leg = side * eq * ndtr(side * d1), side * k * er * ndtr(side * d2)
    gamma, vega = density / (SPOT * total), SPOT * density * root
    return [
        SPOT * delta - leg,
        delta,
        gamma,
        vega,
        -SPOT * density * v / (2 * root) - RATE * leg + CARRY * SPOT * delta,
        tau * leg,
        -density * d2 / v,
        CARRY * delta - density * (2 * (RATE - CARRY) * tau - d2 * total) / (2 * tau * total),
        vega * d1 * d2 / v,
        -gamma * (d1 / total + 1) / SPOT,
        gamma * (d1 * d2 - 1) / v,
    ]


def numpy_implied_vol(book: Book) -> np.ndarray:
    """Newton steps inside a shrinking bracket, all contracts together."""
    side, root = np.where(book.is_call, 1.0, -1.0), np.sqrt(book.tau)
    low, high = np.full(book.tau.size, 1e-4), np.full(book.tau.size, 5.0)
    v = np.full(book.tau.size, 0.3)
    x = np.log(book.forward / book.strike)
    for _ in range(60):
        d1 = x / (v * root) + v * root / 2
        gap = (
            book.discount * side * (book.forward * ndtr(side * d1) - book.strike * ndtr(side * (d1 - v * root)))
            - book.price
        )
        low, high = np.where(gap < 0, v, low), np.where(gap < 0, high, v)
        vega = book.discount * book.forward * np.exp(-d1 * d1 / 2) / np.sqrt(2 * np.pi) * root
        step = v - gap / np.maximum(vega, 1e-300)
        following = np.where((step > low) & (step < high), step, (low + high) / 2)
        if np.abs(following - v).max() < 1e-12:
            return following
        v = following
    return v


def vollib_calls(book: Book) -> tuple[Callable[[], object], Callable[[], object]]:
    """Implied volatility, and price with the five Greeks that vollib has."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from vollib.black_scholes_merton import black_scholes_merton
        from vollib.black_scholes_merton.greeks import analytical
        from vollib.black_scholes_merton.implied_volatility import implied_volatility
    rows = [
        ("c" if call else "p", k, t, v, p)
        for call, k, t, v, p in zip(
            *(column[:N_VOLLIB].tolist() for column in (book.is_call, book.strike, book.tau, book.iv, book.price)),
            strict=True,
        )
    ]
    functions = [black_scholes_merton] + [
        getattr(analytical, name) for name in ("delta", "gamma", "vega", "theta", "rho")
    ]
    return (
        lambda: [implied_volatility(p, SPOT, k, t, RATE, CARRY, flag) for flag, k, t, _, p in rows],
        lambda: [[f(flag, SPOT, k, t, RATE, v, CARRY) for f in functions] for flag, k, t, v, _ in rows],
    )


def rates_per_second(calls: dict[str, tuple[int, Callable[[], object]]]) -> dict[str, float]:
    """Contracts per second of process time, median over alternating rounds after one warm-up."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(ROUNDS + 1):
        for name, (_, call) in calls.items():
            start = time.process_time()
            call()
            if turn:
                seconds[name].append(time.process_time() - start)
    return {name: n / statistics.median(seconds[name]) for name, (n, _) in calls.items()}


def report(title: str, rates: dict[str, float]) -> None:
    own = next(iter(rates.values()))
    print(title)
    for name, rate in rates.items():
        print(f"  {name:<46} {rate:>14,.0f} contracts/s   own/this {own / rate:10.1f}")


def chains(n_sessions: int = 252, n_strikes: int = 109, n_expiries: int = 20) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A year of quotes of one symbol, some 1.1 million rows, with a Treasury yield per session."""
    calendar = schedule().filter(pl.col("session") >= dt.date(2018, 1, 2)).head(n_sessions)
    right, settlement = pl.Enum(["C", "P"]), pl.Enum(["am", "pm"])
    grid = (
        calendar.select("session", ts="chain_at")
        .join(pl.DataFrame({"days": [3 + 7 * i for i in range(n_expiries)]}), how="cross")
        .join(pl.DataFrame({"strike": np.linspace(75, 125, n_strikes)}), how="cross")
        .join(pl.DataFrame({"right": ["C", "P"]}, schema={"right": right}), how="cross")
        .with_columns(expiry=pl.col("session") + pl.duration(days=pl.col("days")))
    )
    tau = grid["days"].to_numpy() / 365
    strike = grid["strike"].to_numpy()
    mid = price(
        100,
        strike,
        tau,
        carry_forward(100, tau, 0.02),
        discount_factor(0.02, tau),
        0.25,
        (grid["right"] == "C").to_numpy(),
    )
    quotes = grid.with_columns(
        known_at="ts",
        provider=pl.lit("generated"),
        synthetic=True,
        symbol=pl.lit("XYZ"),
        root=pl.lit("XYZ"),
        settlement=pl.lit("pm", dtype=settlement),
        bid=pl.Series((mid - 0.02).clip(0)),
        ask=pl.Series(mid + 0.02),
        bid_size=None,
        ask_size=None,
        volume=None,
        open_interest=100.0,
        oi_session=None,
        multiplier=100.0,
        style=pl.lit("A"),
        spot=100.0,
    )
    macro = calendar.select(
        "session",
        series_id=pl.lit("DGS3MO"),
        ref_date=pl.col("session") - pl.duration(days=1),
        known_at="open_at",
        value=2.0,
        is_vintage=True,
        provider=pl.lit("generated"),
        synthetic=True,
    )
    tables = TABLES["raw.option_quotes"].polars_schema, TABLES["raw.macro"].polars_schema
    return quotes.select(list(tables[0])).cast(tables[0]), macro.select(list(tables[1])).cast(tables[1])


def main() -> None:
    book = index_book(N)
    arguments = (book.strike, book.tau, book.forward, book.discount)
    error = np.abs(implied_vol(book.price, *arguments, book.is_call) - book.iv)
    print(f"{N:,} contracts; round trip: {(error < 1e-9).mean():.4%} within 1e-9, largest error {np.nanmax(error):.1e}")

    vollib_iv, vollib_greeks = vollib_calls(book)
    out = np.empty((11, N))
    report(
        "Implied volatility",
        rates_per_second(
            {
                "gnosis": (N, lambda: implied_vol(book.price, *arguments, book.is_call)),
                "numpy, Newton in a bracket": (N, lambda: numpy_implied_vol(book)),
                "vollib, contract by contract": (N_VOLLIB, vollib_iv),
            }
        ),
    )
    report(
        "Price and ten Greeks",
        rates_per_second(
            {
                "gnosis, into memory of the caller": (
                    N,
                    lambda: greeks(SPOT, *arguments, book.iv, book.is_call, out=out),
                ),
                "gnosis, fresh memory": (N, lambda: greeks(SPOT, *arguments, book.iv, book.is_call)),
                "numpy": (N, lambda: numpy_greeks(book)),
                "vollib, contract by contract, five Greeks": (N_VOLLIB, vollib_greeks),
            }
        ),
    )
    quotes, macro = chains()
    found = option_greeks(quotes, macro)
    report(
        f"Frames of {quotes.height:,} quotes, process time of all threads",
        rates_per_second(
            {
                "option_greeks": (quotes.height, lambda: option_greeks(quotes, macro)),
                "exposure, two conventions": (quotes.height, lambda: exposure(found)),
            }
        ),
    )


if __name__ == "__main__":
    main()
