"""One real session of SPX and SPXW options against the volatilities and gammas that came with it."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from gnosis.options import exposure, option_greeks
from gnosis.sessions import schedule
from gnosis.tables import TABLES

pytestmark = pytest.mark.real_data
SESSION = dt.date(2019, 5, 1)
QUOTES, MACRO = TABLES["raw.option_quotes"], TABLES["raw.macro"]


@pytest.fixture(scope="module")
def vendor(shared_data: Path) -> pl.DataFrame:
    """The vendor's rows with our column names; SPX settles in the morning, SPXW in the afternoon."""
    return (
        pl.scan_parquet(shared_data / "options" / "spx_cboe_chain_daily_2019-04-25_2019-07-22.parquet")
        .filter(pl.col("quote_date").dt.date() == SESSION)
        .select(
            "bid",
            "ask",
            "spot",
            session=pl.col("quote_date").dt.date(),
            symbol=pl.lit("^SPX"),
            expiry=pl.col("expiration").dt.date(),
            root=pl.col("root").cast(pl.String),
            right=pl.col("right").cast(pl.Enum(["C", "P"])),
            strike=pl.col("strike").cast(pl.Float64),
            open_interest=pl.col("open_interest").cast(pl.Float64),
            vendor_iv="iv",
            vendor_gamma="gamma",
        )
        .with_columns(
            settlement=pl.when(pl.col("root") == "SPX")
            .then(pl.lit("am"))
            .otherwise(pl.lit("pm"))
            .cast(pl.Enum(["am", "pm"]))
        )
        .filter(pl.col("expiry") >= pl.col("session"))
        .collect()
    )


@pytest.fixture(scope="module")
def found(vendor: pl.DataFrame, shared_data: Path) -> pl.DataFrame:
    quotes = vendor.join(schedule().select("session", ts="chain_at"), on="session").with_columns(
        known_at="ts",
        provider=pl.lit("cboe"),
        synthetic=False,
        oi_session=None,
        multiplier=100.0,
        style=pl.lit("E"),
        bid_size=None,
        ask_size=None,
        volume=None,
    )
    day = pl.col("date").dt.date()
    rates = (
        pl.scan_parquet(shared_data / "macro" / "fred_long_1980_2025.parquet")
        .with_columns(pl.col("series_id").cast(pl.String))
        .filter(pl.col("series_id").str.starts_with("DGS") & pl.col("value").is_not_nan())
        .select(
            "series_id",
            "value",
            session=day,
            ref_date=day,
            known_at=(pl.col("date") + pl.duration(days=1)).dt.replace_time_zone("UTC"),
            is_vintage=False,
            provider=pl.lit("fred"),
            synthetic=False,
        )
        .collect()
    )
    return option_greeks(
        quotes.select(list(QUOTES.polars_schema)).cast(QUOTES.polars_schema),
        rates.select(list(MACRO.polars_schema)).cast(MACRO.polars_schema),
    )


def test_every_contract_comes_back_valid(vendor, found):
    assert found.height == vendor.height > 10_000
    TABLES["greeks.option_greeks"].schema.validate(found, cast=False)
    assert found.filter(pl.col("iv").is_null() & pl.col("reason").is_null()).is_empty()
    assert found["provider"].unique().to_list() == ["cboe+fred"]


def test_morning_and_afternoon_roots_keep_their_own_forwards(found):
    both = (
        found.group_by("expiry", "settlement")
        .agg(pl.col("forward").first(), pl.col("tau_years").first(), pl.col("forward").n_unique().alias("n"))
        .filter(pl.len().over("expiry") == 2)
        .sort("expiry", "settlement")
    )
    assert both.height >= 4
    assert both["n"].to_list() == [1] * both.height
    morning, afternoon = (both.filter(pl.col("settlement") == half) for half in ("am", "pm"))
    np.testing.assert_allclose((afternoon["tau_years"] - morning["tau_years"]) * 8760, 6.5, rtol=1e-9)
    np.testing.assert_allclose(morning["forward"], afternoon["forward"], rtol=5e-4)
    assert (morning["forward"] != afternoon["forward"]).any()


@pytest.mark.parametrize("root", ["SPX", "SPXW"])
def test_gamma_and_volatility_agree_with_the_vendor(vendor, found, root):
    key = QUOTES.key
    is_out = (pl.col("right") == "C") == (pl.col("strike") >= pl.col("forward"))
    compared = found.join(vendor.select(*key, "vendor_iv", "vendor_gamma"), on=key).filter(
        is_out
        & (pl.col("root") == root)
        & ((pl.col("strike") / pl.col("spot") - 1).abs() <= 0.1)
        & (pl.col("dte_days") > 5)
        & (pl.col("vendor_gamma") > 8e-4)
    )
    assert compared.height > 300
    assert 0.98 < (compared["gamma_per_usd"] / compared["vendor_gamma"]).median() < 1.02
    assert abs((compared["iv"] - compared["vendor_iv"]).median()) < 0.001


def test_exposure_of_the_chain(found):
    table = exposure(found)
    TABLES["greeks.exposure"].schema.validate(table, cast=False)
    counted = table.filter(pl.col("sign_convention") == "naive")["n_contracts"].sum()
    assert counted == found.filter((pl.col("open_interest") > 0) & (pl.col("reason").ne_missing("settled"))).height
    net = table.group_by("sign_convention").agg(pl.col("gex_usd_per_pct").sum()).sort("sign_convention")
    naive, customer_long = net["gex_usd_per_pct"]
    assert naive > 0 > customer_long
    assert abs(naive) < abs(customer_long)
