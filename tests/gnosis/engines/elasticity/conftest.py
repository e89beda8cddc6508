"""Small worlds for the elasticity engine: chains with levels, quotes, bars and VIX."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest

from gnosis.engines.elasticity import elasticity
from gnosis.engines.elasticity.state import READ_BACK
from gnosis.options.positioning.levels import levels
from gnosis.sessions import schedule, sessions_between, shift_session
from gnosis.tables import TABLES

SESSION = dt.date(2019, 5, 1)
ALL = ("naive", "customer_long", "inverted")


def skewed(k):
    return 0.2 - 0.4 * k + 1.5 * k * k


@pytest.fixture(scope="session")
def elasticity_of():
    """Return the engine's rows with levels made from the same Greeks."""

    def make(greeks, bars, conventions=ALL, index_symbols=(), revaluation="sticky_moneyness", **others):
        made = levels(greeks, conventions, index_symbols, revaluation=revaluation, threads=1)
        return elasticity(
            greeks,
            made,
            bars,
            conventions=conventions,
            index_symbols=index_symbols,
            revaluation=revaluation,
            **others,
        )

    return make


@pytest.fixture(scope="session")
def quotes_of():
    """Return quotes around the mid price of every contract."""

    def make(greeks, half_spread=0.01):
        table = TABLES["raw.option_quotes"]
        sizes = {name: pl.lit(10.0) for name in ("bid_size", "ask_size", "volume")}
        frame = greeks.with_columns(
            bid=pl.col("mid") * (1 - half_spread), ask=pl.col("mid") * (1 + half_spread), **sizes
        )
        return frame.select(list(table.polars_schema)).cast(table.polars_schema)

    return make


@pytest.fixture(scope="session")
def vix_of():
    """Return closes of VIX for the last n sessions."""

    def make(closes, last=SESSION):
        days = sessions_between(shift_session(last, 1 - len(closes)), last)
        at = schedule().filter(pl.col("session").is_in(days))["close_at"]
        table = TABLES["raw.index_levels"]
        frame = pl.DataFrame({"session": days, "close": np.asarray(closes, dtype=float), "ts": at, "known_at": at})
        frame = frame.with_columns(
            symbol=pl.lit("^VIX"),
            provider=pl.lit("cboe"),
            synthetic=False,
            **{name: pl.col("close") for name in ("open", "high", "low")},
        )
        return frame.select(list(table.polars_schema)).cast(table.polars_schema)

    return make


@pytest.fixture(scope="session")
def world(book, bars):
    """Three sessions of two symbols, with expiries of today, three and thirty days."""
    sessions = [shift_session(SESSION, by) for by in (-2, -1, 0)]
    chains, history = [], []
    for i, symbol in enumerate(("AAA", "BBB")):
        spot = 100.0 + 55.5 * i
        history.append(bars(symbol=symbol, n=80, sigma_d=0.013 + 0.01 * i, close=spot, adv_usd=3e8))
        for j, session in enumerate(sessions):
            for days in (3, 30):
                contracts = [
                    (r, round(spot * m, 2), 100.0 * (n + i + j + 1) * (2 if r == "C" else 1))
                    for r in "CP"
                    for n, m in enumerate((0.9, 0.97, 1.0, 1.04, 1.1))
                ]
                chains.append(book(contracts, session=session, symbol=symbol, spot=spot + j, days=days, smile=skewed))
    return pl.concat(chains), pl.concat(history)


@pytest.fixture(scope="session")
def row_of():
    """Return one row of a frame as a dictionary."""

    def one(frame, convention="naive", symbol="AAA", session=SESSION):
        here = (pl.col("sign_convention") == convention) & (pl.col("symbol") == symbol) & (pl.col("session") == session)
        return frame.filter(here).row(0, named=True)

    return one


@pytest.fixture(scope="session")
def whole(world, elasticity_of, quotes_of, vix_of):
    """Return the engine with every input but liquidity, whose parts can be replaced."""
    greeks, bars = world
    closes = 15 + 3 * np.sin(np.arange(300) / 7.0) + np.random.default_rng(3).normal(0, 0.4, 300)
    given = {"greeks": greeks, "bars": bars, "quotes": quotes_of(greeks), "index_levels": vix_of(closes)}

    def run(**parts):
        frames = given | parts
        return elasticity_of(frames.pop("greeks"), frames.pop("bars"), **frames)

    return run


@pytest.fixture(scope="session")
def stored_past(whole):
    """Return 100 stored sessions before those of the world, with random values of what is read back."""
    rows = whole()
    first = rows["session"].min()
    days = pl.DataFrame({"session": sessions_between(shift_session(first, -100), shift_session(first, -1))})
    past = rows.filter(pl.col("session") == first).drop("session").join(days, how="cross")
    rng = np.random.default_rng(11)
    regimes = rows.schema["hedge_primary_regime"].categories.to_list()
    drawn = {name: pl.Series(rng.normal(0.0, 0.01, past.height)) for name in READ_BACK}
    drawn |= {
        "atm_iv_30d": pl.Series(rng.uniform(0.1, 0.4, past.height)),
        "hedge_primary_regime": pl.Series(rng.choice(regimes[:2], past.height)),
    }
    return past.with_columns(**drawn).select(rows.columns).cast(rows.schema)
