"""Real short volume files and daily bars: what the engine says of IWM around the spring of 2020."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest

from gnosis.engines.liquidity import liquidity
from gnosis.engines.off_exchange import OffExchange
from gnosis.engines.points import daily_points
from gnosis.sessions import schedule
from gnosis.tables import TABLES

pytestmark = pytest.mark.real_data
FIRST, LAST = dt.date(2018, 6, 1), dt.date(2020, 6, 30)
SYMBOLS = ["SPY", "IWM"]


def as_table(frame, name, provider):
    schema = TABLES[name].polars_schema
    return frame.with_columns(provider=pl.lit(provider), synthetic=pl.lit(False)).select(list(schema)).cast(schema)


@pytest.fixture(scope="module")
def closes():
    return schedule().select("session", ts="close_at")


@pytest.fixture(scope="module")
def bars(shared_data, closes):
    rows = pl.read_parquet(shared_data / "equities" / "lean_us_daily_raw.parquet").with_columns(
        session=pl.col("date").dt.date(), symbol=pl.col("ticker").cast(pl.String)
    )
    rows = rows.filter(pl.col("symbol").is_in(SYMBOLS) & pl.col("session").is_between(FIRST, LAST))
    rows = rows.join(closes, on="session", how="inner").with_columns(known_at="ts", adjustment_factor=pl.lit(1.0))
    return as_table(rows, "raw.equity_bars", "lean")


@pytest.fixture(scope="module")
def shorts(shared_data, closes):
    rows = pl.read_parquet(shared_data / "positioning" / "finra_short_volume_gme_etfs_2010_2021.parquet").select(
        session=pl.col("Date").dt.date(),
        symbol=pl.col("Symbol").cast(pl.String),
        short_volume=pl.col("Short Volume"),
        short_exempt_volume=pl.col("Short Exempt Volume"),
        total_volume=pl.col("Total Volume"),
    )
    rows = rows.filter(pl.col("symbol").is_in(SYMBOLS) & pl.col("session").is_between(FIRST, LAST))
    # One row per trade reporting facility: the file of a session is their sum.
    rows = rows.group_by("session", "symbol").agg(pl.all().sum()).join(closes, on="session", how="inner")
    rows = rows.with_columns(known_at=pl.col("ts") + pl.duration(hours=2))
    return as_table(rows, "raw.short_volume", "finra")


@pytest.fixture(scope="module")
def rows(bars, shorts):
    return liquidity(bars, shorts=shorts)


def test_rows_keep_the_contract_and_ranges(rows, bars):
    assert rows.height == bars.height
    assert TABLES["engines.liquidity"].schema.is_valid(rows)
    assert rows["provider"].unique().sort().to_list() == ["finra+lean", "lean"]


def test_shares_of_short_and_off_exchange_volume_are_those_of_the_file(rows, shorts, bars):
    own = rows.filter(pl.col("symbol") == "IWM").sort("session")
    file = shorts.filter(pl.col("symbol") == "IWM").select(
        "session", share=pl.col("short_volume") / pl.col("total_volume")
    )
    joined = own.join(file.sort("session"), on="session", how="left").sort("session")
    followed = (joined["share"].shift(1) - joined["liq_short_volume_ratio"]).drop_nulls()
    assert followed.len() > 500
    assert followed.abs().max() == 0.0
    assert own["liq_short_volume_ratio"].drop_nulls().is_between(0.2, 0.95).all()
    assert own["liq_off_exchange_ratio"].drop_nulls().is_between(0.05, 0.6).all()
    assert own["liq_dark_pool_pressure"].drop_nulls().len() > 200


def test_the_crash_of_2020_costs_more_than_the_year_before(rows):
    own = rows.filter(pl.col("symbol") == "IWM")
    crash = own.filter(pl.col("session").is_between(dt.date(2020, 3, 9), dt.date(2020, 3, 31)))
    calm = own.filter(pl.col("session").is_between(dt.date(2019, 11, 1), dt.date(2020, 1, 31)))
    for name in ("liq_friction_cost", "liq_kyle_lambda", "liq_amihud"):
        assert crash[name].mean() > 2 * calm[name].mean(), name
    assert crash["liq_score"].max() < 0.4
    assert set(crash["liq_regime"].drop_nulls()) <= {"Stressed", "Crisis"}
    assert crash["depth_usd_per_unit"].mean() < calm["depth_usd_per_unit"].mean()
    assert set(crash["cost_regime"]) == {"expensive"}


def test_files_are_read_from_the_evening_after(bars, shorts):
    points = daily_points(bars, [LAST])
    assert points.symbols == ("IWM", "SPY")
    np.testing.assert_array_equal(OffExchange(points, shorts).age, [1.0, np.nan])
