"""One real session of SPX and SPXW options: an index without volume, ten thousand contracts, two roots per expiry."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

from gnosis.engines.elasticity import elasticity
from gnosis.engines.elasticity.listing import LISTED
from gnosis.engines.physics import PATH_RATIOS
from gnosis.options import levels, option_greeks
from gnosis.options.positioning.gamma_profile import gamma_profiles
from gnosis.sessions import schedule, shift_session
from gnosis.tables import TABLES

pytestmark = pytest.mark.real_data
SESSION = dt.date(2019, 5, 1)


def table(frame, name):
    schema = TABLES[name].polars_schema
    return frame.select(list(schema)).cast(schema)


@pytest.fixture(scope="module")
def quotes(shared_data):
    path = shared_data / "options" / "spx_cboe_chain_daily_2019-04-25_2019-07-22.parquet"
    quotes = (
        pl.scan_parquet(path)
        .filter(pl.col("quote_date").dt.date() == SESSION, pl.col("expiration").dt.date() >= SESSION)
        .select(
            *("bid", "ask", "spot", "strike", "open_interest"),
            root=pl.col("root").cast(pl.String),
            right=pl.col("right").cast(pl.String),
            expiry=pl.col("expiration").dt.date(),
        )
        .collect()
        .with_columns(
            settlement=pl.when(pl.col("root") == "SPX").then(pl.lit("am")).otherwise(pl.lit("pm")),
            **{name: pl.lit(None) for name in ("bid_size", "ask_size", "volume", "deliverable_shares")},
            **{name: pl.lit(schedule().filter(session=SESSION)["chain_at"].item()) for name in ("ts", "known_at")},
            session=pl.lit(SESSION),
            symbol=pl.lit("^SPX"),
            oi_session=pl.lit(shift_session(SESSION, -1)),
            multiplier=100.0,
            style=pl.lit("E"),
            provider=pl.lit("cboe"),
            synthetic=False,
        )
    )
    return table(quotes, "raw.option_quotes")


@pytest.fixture(scope="module")
def chain(shared_data, quotes):
    day = pl.col("date").dt.date()
    rates = (
        pl.scan_parquet(shared_data / "macro" / "fred_long_1980_2025.parquet")
        .with_columns(pl.col("series_id").cast(pl.String))
        .filter(pl.col("series_id").str.starts_with("DGS"), pl.col("value").is_not_nan(), day.dt.year() == 2019)
        .select(
            *("series_id", "value"),
            session=day,
            ref_date=day,
            known_at=(pl.col("date") + pl.duration(days=1)).dt.replace_time_zone("UTC"),
            is_vintage=False,
            provider=pl.lit("fred"),
            synthetic=False,
        )
        .collect()
    )
    return option_greeks(quotes, table(rates, "raw.macro"))


def test_gamma_is_published_and_depth_is_not_invented(chain, quotes):
    made = levels(chain, index_symbols=["^SPX"])
    found = elasticity(
        chain,
        made,
        TABLES["raw.equity_bars"].empty(),
        quotes=quotes,
        index_symbols=["^SPX"],
        listing=chain.select(LISTED),
    )
    TABLES["engines.elasticity"].schema.validate(found)
    numbers = found.select(pl.col(pl.Float64).is_finite().fill_null(True).all())
    assert all(numbers.row(0))
    naive, long = found.filter(sign_convention="naive"), found.filter(sign_convention="customer_long")
    assert 0 < naive["gex_usd_per_pct"].item() < -long["gex_usd_per_pct"].item() < 1e12
    assert naive.select("depth_usd_per_unit", "amplification", "energy_up_usd").row(0) == (None, None, None)
    assert "SOURCE_MISSING" in naive["reasons"].item()
    assert naive["elasticity_field_confidence"].item() == 0.0
    assert naive["dealer_positioning_confidence"].item() > 0.7
    assert naive["provider"].item() == "cboe+fred"
    # VIX closed at 14.80 on that day: above the volatility at the money, as puts below it cost more.
    assert 0.09 < naive["atm_iv_30d"].item() < 0.13
    assert naive["term_slope_volpts"].item() > 0
    assert 2 < naive["skew_25d_volpts"].item() < 8
    for name in TABLES["engines.elasticity"].polars_schema:
        if name.endswith("_reasons"):
            own = found.filter(pl.col(name.replace("_reasons", "_confidence")) < 0.8)
            assert (own[name].str.len_chars() > 0).all(), name


def test_both_revaluations_agree_at_spot_and_part_away_from_it(chain):
    moneyness, strike = (gamma_profiles(chain, PATH_RATIOS, name) for name in ("sticky_moneyness", "sticky_strike"))
    assert moneyness.call[0, 50] == pytest.approx(strike.call[0, 50], rel=1e-12)
    assert moneyness.call[0, 0] != pytest.approx(strike.call[0, 0], rel=1e-4)
