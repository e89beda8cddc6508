"""Small worlds for the liquidity engine: order books minute by minute and daily bars with a range."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest

from gnosis.engines.liquidity import depth_profile, order_book_imbalance, slippage_field, spread_estimator
from gnosis.engines.liquidity.inputs import LiquidityInputs
from gnosis.engines.liquidity.parameters import LiquidityParameters
from gnosis.engines.points import Points
from gnosis.engines.trailing import History
from gnosis.sessions import schedule, sessions_between, shift_session
from gnosis.tables import TABLES

SESSION = dt.date(2019, 5, 1)
BOOK_PROCESSORS = {
    "spread_estimator": spread_estimator,
    "order_book_imbalance": order_book_imbalance,
    "depth_profile": depth_profile,
    "slippage_field": slippage_field,
}


def as_table(frame, name):
    schema = TABLES[name].polars_schema
    return frame.with_columns(provider=pl.lit("venue"), synthetic=pl.lit(False)).select(list(schema)).cast(schema)


def books_of(bid_price, bid_size, ask_price, ask_size, *, symbol="AAA", session=SESSION, ts=None):
    """Rows of snapshots from arrays (snapshots, levels); one a minute up to the close unless instants are given."""
    sides = [np.atleast_2d(np.asarray(side, dtype=float)) for side in (bid_price, bid_size, ask_price, ask_size)]
    n, levels = sides[0].shape
    close = schedule().filter(pl.col("session") == session)["close_at"].dt.epoch("us").item()
    instants = close - 60_000_000 * np.arange(n)[::-1] if ts is None else np.asarray(ts)
    part = {"ts": np.repeat(instants, levels), "level": np.tile(np.arange(1, levels + 1), n)}
    frames = [
        pl.DataFrame({**part, "side": [side] * (n * levels), "price": price.ravel(), "size": size.ravel()})
        for side, price, size in (("B", *sides[:2]), ("A", *sides[2:]))
    ]
    rows = pl.concat(frames).filter(pl.col("price").is_not_nan())
    rows = rows.with_columns(
        pl.from_epoch("ts", "us").dt.replace_time_zone("UTC"), session=session, symbol=pl.lit(symbol)
    )
    return as_table(rows.with_columns(known_at="ts"), "raw.order_books").sort(
        "session", "symbol", "ts", "side", "level"
    )


def random_books(n=390, levels=10, seed=0, mid=100.0, **which):
    rng = np.random.default_rng(seed)
    middle = mid * np.exp(np.cumsum(2e-4 * rng.standard_normal(n)))[:, None]
    steps = np.cumsum(rng.uniform(0.5, 1.5, (2, n, levels)), axis=2) * 1e-4
    sizes = rng.integers(1, 20, (2, n, levels)) * 100.0
    return books_of(middle * (1 - steps[0]), sizes[0], middle * (1 + steps[1]), sizes[1], **which)


def daily_bars(n=61, seed=0, symbol="AAA", last=SESSION, close=100.0, volume=1e6):
    rng = np.random.default_rng(seed)
    days = sessions_between(shift_session(last, 1 - n), last)
    ends = schedule().filter(pl.col("session").is_in(days))["close_at"]
    path = close * np.exp(np.cumsum(0.01 * rng.standard_normal(n + 1)))
    first, final = path[:-1] * np.exp(0.002 * rng.standard_normal(n)), path[1:]
    frame = pl.DataFrame(
        {
            "session": days,
            "ts": ends,
            "known_at": ends,
            "open": first,
            "high": np.maximum(first, final) * (1 + 0.004 * rng.random(n)),
            "low": np.minimum(first, final) * (1 - 0.004 * rng.random(n)),
            "close": final,
            "volume": volume * rng.uniform(0.7, 1.3, n),
        }
    )
    return as_table(frame.with_columns(symbol=pl.lit(symbol), adjustment_factor=pl.lit(1.0)), "raw.equity_bars")


def minute_bars(high, low, volume, *, symbol="AAA", session=SESSION):
    """Bars of one minute up to the close."""
    n = len(volume)
    close = schedule().filter(pl.col("session") == session)["close_at"].dt.epoch("us").item()
    ts = pl.from_epoch(pl.Series(close - 60_000_000 * np.arange(n)[::-1]), "us").dt.replace_time_zone("UTC")
    frame = pl.DataFrame({"ts": ts, "known_at": ts, "high": high, "low": low, "volume": volume}).cast({"volume": float})
    frame = frame.with_columns(
        open="low", close="high", session=session, symbol=pl.lit(symbol), frequency=pl.lit("1min")
    )
    return as_table(frame, "raw.intraday_bars")


def point_at_close(symbol="AAA", session=SESSION):
    close = schedule().filter(pl.col("session") == session)["close_at"].item()
    return Points.of(pl.DataFrame({"symbol": [symbol], "session": [session], "as_of": [close]}))


def results_of(points, bars, books=None, intraday=None, parameters=None, stored=None):
    """Results of the processors that read books, by name."""
    inputs = LiquidityInputs.of(points, bars, order_books=books, intraday_bars=intraday)
    history, settings = History(points, stored), parameters or LiquidityParameters()
    found = {}
    for name, processor in BOOK_PROCESSORS.items():
        found[name] = processor.process(inputs, history, settings, found)
    return found


@pytest.fixture(scope="session")
def make_books():
    """Factory of raw.order_books rows from arrays of levels."""
    return books_of


@pytest.fixture(scope="session")
def make_random_books():
    """Factory of a session of random books."""
    return random_books


@pytest.fixture(scope="session")
def make_daily():
    """Factory of raw.equity_bars rows with a range."""
    return daily_bars


@pytest.fixture(scope="session")
def make_minutes():
    """Factory of raw.intraday_bars rows of one minute."""
    return minute_bars


@pytest.fixture(scope="session")
def point():
    """Point of symbol AAA at the close."""
    return point_at_close()


@pytest.fixture(scope="session")
def run_books():
    """Runner of the processors that read books."""
    return results_of


class FlowWorld:
    """A year and a half of generated daily bars of two symbols, 61 sessions of 5-minute bars, shorts, books, trades."""

    def __init__(self, symbols=("AAA", "BBB"), n=330, intraday=61, last=SESSION):
        from gnosis import simulate

        self.days = sessions_between(shift_session(last, 1 - n), last)
        self.bars = simulate.market("daily", list(symbols), self.days, seed=7).bars
        recent = self.days[-intraday:]
        bars = self.table("raw.intraday_bars", simulate.intraday_bars(self.bars, seed=7, sessions=recent))
        self.intraday = bars.filter(pl.col("frequency") == "5min")
        self.shorts = self.table("raw.short_volume", simulate.short_volume(self.bars, seed=7)[0])
        self.books = self.table("raw.order_books", simulate.order_books(self.bars, seed=7, sessions=recent[-2:])[0])

    @staticmethod
    def table(name, frame):
        schema = TABLES[name].polars_schema
        return frame.select(list(schema)).cast(schema)

    @property
    def inputs(self):
        return {"intraday": self.intraday, "books": self.books, "shorts": self.shorts}


@pytest.fixture(scope="session")
def flow_world():
    """Generated market with every input of the liquidity engine but trades."""
    return FlowWorld()


@pytest.fixture(scope="session")
def process_alone():
    """Runner of one processor on one point, or on the given points, without earlier results."""

    def run(processor, points, bars, *, stored=None, parameters=None, earlier=None, **inputs):
        found = LiquidityInputs.of(points, bars, **inputs)
        return processor.process(found, History(points, stored), parameters or LiquidityParameters(), earlier or {})

    return run
