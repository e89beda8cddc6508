"""The one hedge feature that needs no chain is there without one, with the origin of what it was made from."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest

from gnosis.features.hedge import hedge
from gnosis.sessions import schedule
from gnosis.tables import TABLES

NAME = "hedge_cross_asset_correlation"
DAYS = schedule().filter(pl.col("session") <= dt.date(2019, 6, 28)).tail(40)
MOVES = np.random.default_rng(3).normal(0.0, 0.02, (2, DAYS.height))
CLOSE, VIX = 100.0 * np.exp(np.cumsum(MOVES[0])), 15.0 + np.cumsum(MOVES[1])


def rows(table, **columns):
    frame = DAYS.with_columns(ts="close_at", known_at="close_at", **columns)
    empty = [pl.lit(None, dtype).alias(name) for name, dtype in TABLES[table].polars_schema.items()
             if name not in frame.columns]  # fmt: skip
    schema = TABLES[table].polars_schema
    return frame.with_columns(empty).select(list(schema)).cast(schema)


@pytest.fixture
def bars():
    prices = {name: pl.Series(CLOSE) for name in ("open", "high", "low", "close")}
    return rows(
        "raw.equity_bars",
        symbol=pl.lit("AAA"),
        volume=pl.lit(1e6),
        adjustment_factor=pl.lit(1.0),
        provider=pl.lit("tape"),
        synthetic=pl.lit(value=False),
        **prices,
    )


@pytest.fixture
def levels():
    return rows(
        "raw.index_levels",
        symbol=pl.lit("^VIX"),
        close=pl.Series(VIX),
        provider=pl.lit("index"),
        synthetic=pl.lit(value=True),
    )


def made(bars, levels, sessions=None):
    return hedge(bars, TABLES["engines.elasticity"].empty(), levels, sessions)


def test_it_is_the_correlation_of_returns_with_changes_of_the_vix(bars, levels):
    last = made(bars, levels).row(-1, named=True)
    expected = np.corrcoef(np.diff(np.log(CLOSE))[-20:], np.diff(VIX)[-20:])[0, 1]
    assert last[NAME] == pytest.approx(expected, rel=1e-12)
    assert (last["provider"], last["synthetic"]) == ("index+tape", True)
    assert (last["confidence"], last["reasons"]) == (0.0, "NO_CHAIN")
    assert all(last[name] is None for name in last if name.startswith("hedge_") and name != NAME)


def test_a_night_has_the_bits_of_all_sessions(bars, levels):
    day = DAYS["session"][-1]
    night = made(bars.tail(23), levels.tail(23), [day])
    assert night.equals(made(bars, levels).filter(session=day))


def test_it_begins_with_ten_pairs(bars, levels):
    found = made(bars, levels)[NAME]
    assert found.is_null().to_list() == [True] * 10 + [False] * 30


def test_a_level_known_later_does_not_count(bars, levels):
    late = levels.with_columns(known_at=pl.col("known_at") + pl.duration(days=90))
    row = made(bars, late).row(-1, named=True)
    assert (row[NAME], row["provider"], row["synthetic"]) == (None, "tape", False)
