"""Contracts of a realistic index chain: as arrays, as a grid of expiry x strike x right, and as raw quotes."""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

import numpy as np
import polars as pl

from gnosis.options import carry_forward, discount_factor, price
from gnosis.sessions import schedule
from gnosis.tables import TABLES

SPOT, RATE, CARRY = 6000.0, 0.043, 0.013


class Book(NamedTuple):
    """Contracts as arrays of one length; one rate and one carry yield for all of them."""

    strike: np.ndarray
    tau: np.ndarray
    forward: np.ndarray
    discount: np.ndarray
    iv: np.ndarray
    is_call: np.ndarray
    price: np.ndarray
    rate: np.ndarray
    carry: np.ndarray
    spot: np.ndarray

    def take(self, rows: np.ndarray | slice) -> Book:
        """Return a part of the book in memory of its own."""
        return Book(*(np.ascontiguousarray(column[rows]) for column in self))


def smile(k: np.ndarray, tau: np.ndarray) -> np.ndarray:
    """Volatility of an index by log-moneyness."""
    skew = k / np.sqrt(tau + 0.08)
    return np.clip(0.16 - 0.18 * skew + 0.22 * skew**2, 0.08, 1.2)


def book_of(strike: np.ndarray, tau: np.ndarray, iv: np.ndarray, is_call: np.ndarray) -> Book:
    """Return the book with forward, discount factor and price of every contract."""
    forward, discount = carry_forward(SPOT, tau, RATE, CARRY), discount_factor(RATE, tau)
    value = price(SPOT, strike, tau, forward, discount, iv, is_call)
    same = np.ones(tau.size)
    return Book(strike, tau, forward, discount, iv, is_call, value, RATE * same, CARRY * same, SPOT * same)


class Lines(NamedTuple):
    """The chain of one symbol by strike line: expiry x strike, each with a call and a put.

    ``strike``, ``iv`` and the prices have one number per line, sorted by expiry; ``tau``, ``forward`` and ``discount``
    one per expiry, whose lines begin at ``starts``.
    """

    strike: np.ndarray
    iv: np.ndarray
    call_price: np.ndarray
    put_price: np.ndarray
    tau: np.ndarray
    forward: np.ndarray
    discount: np.ndarray
    starts: np.ndarray


def chain(n_expiries: int, n_strikes: int) -> tuple[Lines, Book]:
    """Return a chain by line and, call before put of each line, by contract.

    Expiries from two hours to two years, strikes of 50-175 % of spot, dense around it.
    """
    days = np.geomspace(2 / 24, 730, n_expiries)
    listed = np.sort(SPOT * np.exp(np.linspace(-1, 1, n_strikes) ** 3 * 0.6 - 0.05))
    strike, tau = np.tile(listed, n_expiries), np.repeat(days / 365, n_strikes)
    iv = smile(np.log(strike / SPOT), tau)
    is_call = np.tile([True, False], strike.size)
    book = book_of(np.repeat(strike, 2), np.repeat(tau, 2), np.repeat(iv, 2), is_call)
    starts = np.arange(n_expiries + 1) * n_strikes
    first = 2 * starts[:-1]
    return (
        Lines(
            strike,
            iv,
            book.price[::2].copy(),
            book.price[1::2].copy(),
            book.tau[first],
            book.forward[first],
            book.discount[first],
            starts,
        ),
        book,
    )


def quotes(n_sessions: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return raw quotes of an index, 25 expiries x 400 strikes x 2 rights a session, and a Treasury yield per session.

    Twenty expiries settle in the afternoon, five third Fridays in the morning. Spreads widen with the price and far
    wings have no bid.
    """
    calendar = schedule().with_columns(oi_session=pl.col("session").shift(1))
    calendar = calendar.filter(pl.col("session") >= dt.date(2019, 1, 2)).head(n_sessions + 250)
    sessions = calendar["session"].to_list()
    listed = []
    for i, session in enumerate(sessions[:n_sessions]):
        listed += [(session, sessions[i + ahead], "pm") for ahead in [0, 1, 2, 3, 4, *range(6, 111, 7)][:20]]
        third_fridays = [day for day in sessions[i + 1 : i + 200] if day.weekday() == 4 and 15 <= day.day <= 21]
        listed += [(session, day, "am") for day in third_fridays[:5]]
    generator = np.random.default_rng(11)
    strike = np.concatenate([np.arange(2400.0, 5000, 25), np.arange(5000.0, 6200, 5), np.arange(6200.0, 7600, 25)])
    grid = (
        pl.DataFrame(listed, schema=["session", "expiry", "settlement"], orient="row")
        .join(calendar.select("session", "oi_session", ts="chain_at"), on="session", how="left", maintain_order="left")
        .join(pl.DataFrame({"strike": strike}), how="cross")
        .join(pl.DataFrame({"right": ["C", "P"]}), how="cross")
    )
    days = (grid["expiry"] - grid["session"]).dt.total_days().to_numpy()
    tau = np.maximum(days, 1 / 24) / 365
    listed_strike = grid["strike"].to_numpy()
    mid = price(
        SPOT,
        listed_strike,
        tau,
        carry_forward(SPOT, tau, RATE, CARRY),
        discount_factor(RATE, tau),
        smile(np.log(listed_strike / SPOT), tau),
        (grid["right"] == "C").to_numpy(),
    )
    half = np.maximum(0.025, 0.01 * np.sqrt(mid))
    frame = grid.with_columns(
        known_at="ts",
        provider=pl.lit("generated"),
        synthetic=True,
        symbol=pl.lit("SPX"),
        root=pl.when(pl.col("settlement") == "am").then(pl.lit("SPX")).otherwise(pl.lit("SPXW")),
        bid=pl.Series(np.maximum(mid - half, 0)),
        ask=pl.Series(mid + half),
        open_interest=pl.Series(generator.integers(0, 5000, grid.height).astype(float)),
        multiplier=100.0,
        style=pl.lit("E"),
        spot=SPOT,
    )
    macro = calendar.head(n_sessions).select(
        "session",
        series_id=pl.lit("DGS3MO"),
        ref_date=pl.col("session") - pl.duration(days=1),
        known_at="open_at",
        value=200 * float(np.expm1(RATE / 2)),
        is_vintage=True,
        provider=pl.lit("generated"),
        synthetic=True,
    )
    return as_table(frame, "raw.option_quotes"), as_table(macro, "raw.macro")


def as_table(frame: pl.DataFrame, name: str) -> pl.DataFrame:
    """Return the frame with exactly the columns of a table; those it has not are null."""
    schema = TABLES[name].polars_schema
    missing = [pl.lit(None, dtype=dtype).alias(column) for column, dtype in schema.items() if column not in frame]
    return frame.with_columns(missing).select(list(schema)).cast(schema)
