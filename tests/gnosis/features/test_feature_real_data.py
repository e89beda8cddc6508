"""The features on real bars, indices and macro series."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl
import pytest

from gnosis.features.codes import labelled
from gnosis.features.macro import macro
from gnosis.features.regime import regime
from gnosis.features.technical import technical
from gnosis.sessions import UnknownSessionError, schedule
from gnosis.tables import TABLES

pytestmark = pytest.mark.real_data
SPLIT_OF_APPLE = dt.date(2014, 6, 9)


@pytest.fixture(scope="module")
def apple(shared_data: Path) -> pl.DataFrame:
    """Daily bars of AAPL 2012-2016 with the forward-anchored factor of its splits."""
    raw = pl.read_parquet(shared_data / "equities" / "lean_us_daily_raw.parquet").with_columns(
        pl.col("ticker").cast(pl.String), session=pl.col("date").dt.date()
    )
    rows = raw.filter(
        pl.col("ticker") == "AAPL", pl.col("session").is_between(dt.date(2012, 1, 3), dt.date(2016, 12, 30))
    )
    bars = rows.join(schedule(), on="session").with_columns(
        symbol=pl.col("ticker"),
        ts="close_at",
        known_at="close_at",
        volume=pl.col("volume").cast(pl.Float64),
        adjustment_factor=pl.when(pl.col("session") >= SPLIT_OF_APPLE).then(7.0).otherwise(1.0),
        provider=pl.lit("lean"),
        synthetic=pl.lit(value=False),
    )
    schema = TABLES["raw.equity_bars"].polars_schema
    return TABLES["raw.equity_bars"].schema.validate(bars.select(list(schema)).cast(schema))


def levels(path: Path, symbol: str, day: str, close: str) -> pl.DataFrame:
    rows = pl.read_csv(path, try_parse_dates=True).select(session=pl.col(day), close=pl.col(close)).drop_nulls()
    rows = rows.unique("session", keep="first", maintain_order=True)
    return rows.join(schedule(), on="session", how="left").select(
        "session",
        symbol=pl.lit(symbol),
        close="close",
        known_at="close_at",
        provider=pl.lit("cboe"),
        synthetic=pl.lit(value=False),
    )


def test_split_leaves_no_trace(apple: pl.DataFrame) -> None:
    rows = technical(apple)
    TABLES["features.technical"].schema.validate(rows)
    days = rows.filter(pl.col("session").is_between(SPLIT_OF_APPLE, SPLIT_OF_APPLE + dt.timedelta(days=30)))
    assert days["tech_roc_5"].abs().max() < 0.1
    assert days["tech_atr"].is_between(0.005, 0.03).all()
    unadjusted = technical(apple.with_columns(adjustment_factor=pl.lit(1.0)))
    assert unadjusted["tech_roc_5"].min() < -0.8
    assert rows.filter(pl.col("session") >= dt.date(2013, 3, 1)).null_count().sum_horizontal().item() == 0


def test_indices_and_their_holidays(apple: pl.DataFrame, shared_data: Path) -> None:
    vix = levels(shared_data / "equities" / "vix_close_1990_2026.csv", "^VIX", "date", "value")
    with pytest.raises(UnknownSessionError, match="quarantine"):
        regime(apple, vix)
    known = vix.filter(pl.col("known_at").is_not_null())
    rows = regime(apple, known)
    TABLES["features.regime"].schema.validate(rows)
    row = labelled(rows).row(by_predicate=pl.col("session") == dt.date(2015, 8, 24), named=True)
    assert (row["regime_vix"], row["regime_vix_bucket"]) == (40.74, "crisis")
    assert row["regime_vix_change"] == pytest.approx(40.74 / 28.03 - 1.0)
    assert row["regime_spx_price_gap"] is None
    split = rows.filter(pl.col("session").is_between(SPLIT_OF_APPLE, SPLIT_OF_APPLE + dt.timedelta(days=30)))
    assert split["regime_liquidity_time"].n_unique() > 1


def test_market_volatility(shared_data: Path) -> None:
    spx = levels(shared_data / "equities" / "spx_ohlc_2016_2026.csv", "^GSPC", "date", "c")
    bars = spx.with_columns(
        symbol=pl.lit("SPX"), ts="known_at", high="close", low="close", volume=None, adjustment_factor=1.0
    )
    rows = regime(bars, spx)
    row = labelled(rows).row(by_predicate=pl.col("session") == dt.date(2020, 3, 20), named=True)
    assert 0.7 < row["regime_spx_realized_vol"] < 1.2
    assert row["regime_spx_vol_bucket"] == "high"
    assert row["regime_spx_price_gap"] < -0.2


def test_missing_month_of_prices_stays_missing(shared_data: Path) -> None:
    fred = pl.read_parquet(shared_data / "macro" / "fred_long_1980_2025.parquet")
    fred = fred.select(
        pl.col("series_id").cast(pl.String), ref_date=pl.col("date").dt.date(), value="value"
    ).drop_nulls()
    monthly = pl.col("series_id").is_in(["CPIAUCSL", "UNRATE"])
    lag = pl.when(monthly).then(pl.duration(days=45)).otherwise(pl.duration(days=1))
    known_at = (pl.col("ref_date").cast(pl.Datetime("us")) + lag).dt.replace_time_zone("UTC")
    rows = fred.with_columns(known_at=known_at, provider=pl.lit("fred"), synthetic=pl.lit(value=False))
    keys = schedule().filter(pl.col("session").is_between(dt.date(2023, 1, 3), dt.date(2026, 1, 30)))
    found = macro(keys.select("session", symbol=pl.lit("SPY"), as_of="close_at"), rows)
    TABLES["features.macro"].schema.validate(found)
    by_day = {row["session"]: row for row in found.iter_rows(named=True)}
    # January 2023 against January 2022 was first reported as 6.4 %; the file holds later revisions.
    assert by_day[dt.date(2023, 2, 16)]["macro_inflation_rate"] == pytest.approx(6.4, abs=0.15)
    # October 2025 was never published: September stands until November is known, and nothing is put in its place.
    unemployment = dict(fred.filter(pl.col("series_id") == "UNRATE").select("ref_date", "value").iter_rows())
    assert dt.date(2025, 10, 1) not in unemployment
    for day, month in ((dt.date(2025, 12, 10), dt.date(2025, 9, 1)), (dt.date(2025, 12, 17), dt.date(2025, 11, 1))):
        assert by_day[day]["macro_unemployment_rate"] == unemployment[month]
    assert by_day[dt.date(2024, 7, 1)]["macro_yield_curve"] < 0.0
