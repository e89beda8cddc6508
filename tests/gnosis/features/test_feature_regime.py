"""Regime features: what was known of the indices, cuts, trading periods and volume."""

from __future__ import annotations

import datetime as dt
import math

import numpy as np
import polars as pl
import pytest

from gnosis.features.codes import labelled
from gnosis.features.regime import regime, trading_period
from gnosis.features.technical import technical
from gnosis.sessions import NEW_YORK
from tests.gnosis.features.twins.hand_made import NO_LEVELS, bars_of, levels_of, regime_row


@pytest.mark.parametrize(
    ("vix", "bucket"),
    [(14.99, "low"), (15.0, "normal"), (19.99, "normal"), (20.0, "elevated"), (29.99, "elevated"), (30.0, "crisis")],
)
def test_vix_bucket(vix: float, bucket: str) -> None:
    assert regime_row(levels_of("^VIX", [vix]))["regime_vix_bucket"] == bucket


def test_vix_change_by_hand() -> None:
    assert regime_row(levels_of("^VIX", [16.0, 20.0]))["regime_vix_change"] == 0.25


@pytest.mark.parametrize(("missing", "found"), [(0, 14.0), (1, 13.0), (2, 12.0), (3, None)])
def test_vix_may_be_two_sessions_old(missing: int, found: float | None) -> None:
    row = regime_row(levels_of("^VIX", [11.0, 12.0, 13.0, 14.0]).head(4 - missing))
    assert row["regime_vix"] == found
    assert row["regime_vix_change"] == (None if found is None else found / (found - 1.0) - 1.0)


def test_change_is_null_when_the_session_before_is_missing() -> None:
    row = regime_row(levels_of("^VIX", [11.0, 12.0, 13.0, 14.0])[[0, 1, 3]])
    assert (row["regime_vix"], row["regime_vix_change"]) == (14.0, None)


def test_level_published_after_the_bar_is_not_used() -> None:
    levels = levels_of("^VIX", [12.0, 13.0, 14.0])
    after = pl.col("known_at") + dt.timedelta(minutes=15)
    row = regime_row(levels.with_columns(known_at=after))
    assert (row["regime_vix"], row["regime_vix_change"]) == (13.0, 13.0 / 12.0 - 1.0)


def test_level_of_a_later_session_is_not_used_by_a_late_bar() -> None:
    bars = bars_of([100.0, 101.0]).head(1)
    late = bars.with_columns(known_at=pl.col("known_at") + dt.timedelta(days=30))
    assert regime_row(levels_of("^VIX", [12.0, 13.0]), late)["regime_vix"] == 12.0


def test_gap_to_the_mean_by_hand() -> None:
    row = regime_row(levels_of("^GSPC", [100.0] * 199 + [300.0]))
    assert row["regime_spx_price_gap"] == pytest.approx(math.log(300.0 / 101.0), rel=1e-12)
    assert regime_row(levels_of("^GSPC", [100.0] * 199))["regime_spx_price_gap"] is None


def test_realized_volatility_by_hand() -> None:
    steps = np.array([0.0] + [0.01, -0.01] * 10)
    row = regime_row(levels_of("^GSPC", 4000.0 * np.exp(np.cumsum(steps))))
    assert row["regime_spx_realized_vol"] == pytest.approx(0.01 * math.sqrt(20.0 / 19.0 * 252.0), rel=1e-9)
    assert regime_row(levels_of("^GSPC", [4000.0] * 20))["regime_spx_realized_vol"] is None


@pytest.mark.parametrize(("scale", "bucket"), [(0.2, "low"), (1.05, "medium"), (3.0, "high")])
def test_volatility_bucket(scale: float, bucket: str) -> None:
    size = np.linspace(0.005, 0.015, 567)
    size[-20:] = 0.01 * scale
    steps = size * np.where(np.arange(567) % 2, 1.0, -1.0)
    assert regime_row(levels_of("^GSPC", 4000.0 * np.exp(np.cumsum(steps))))["regime_spx_vol_bucket"] == bucket


def test_volatility_bucket_leaves_out_what_was_not_known_yet() -> None:
    levels = levels_of("^GSPC", 4000.0 * np.exp(np.cumsum(np.random.default_rng(8).normal(0.0, 0.01, 147))))
    assert regime_row(levels)["regime_spx_vol_bucket"] is not None
    is_late = pl.int_range(pl.len()) == 100
    moment = pl.col("known_at").max() + dt.timedelta(days=1)
    late = regime_row(levels.with_columns(known_at=pl.when(is_late).then(moment).otherwise("known_at")))
    # One level spoils 21 of the 126 volatilities that are needed.
    assert late["regime_spx_vol_bucket"] is None
    assert late["regime_spx_realized_vol"] is not None


def test_market_structure() -> None:
    n = 300
    rise = 1000.0 + np.arange(n)
    swing = 1000.0 + np.where(np.arange(n) % 2, 1.0, -1.0)
    for close, label in ((rise, "uptrend"), (rise[::-1].copy(), "downtrend"), (swing, "chop")):
        assert regime_row(bars=bars_of(close, reach=1.0))["regime_market_structure"] == label
    assert regime_row(bars=bars_of(rise[:280], reach=1.0))["regime_market_structure"] is None


def test_market_structure_rotation_between_the_cuts() -> None:
    rng = np.random.default_rng(11)
    bars = bars_of(1000.0 + np.cumsum(rng.normal(0.0, 2.0, 600)), reach=1.0)
    rows = technical(bars).select("session", "tech_adx").join(labelled(regime(bars, NO_LEVELS)), on="session")
    between = rows.filter(pl.col("tech_adx").is_between(20.0, 25.0))
    assert between.height > 5
    assert (between["regime_market_structure"] == "rotation").all()


@pytest.mark.parametrize(
    ("volume", "label"), [(121.0, "high"), (120.0, "normal"), (80.0, "normal"), (79.0, "low"), (0.0, "low")]
)
def test_liquidity_against_the_usual_volume(volume: float, label: str) -> None:
    bars = bars_of([50.0] * 21, volume=[100.0] * 20 + [volume])
    assert regime_row(bars=bars)["regime_liquidity_time"] == label


def test_liquidity_is_unknown_without_volume() -> None:
    for volume in ([100.0] * 9 + [100.0], [100.0] * 20 + [None], [0.0] * 20 + [5.0], [None] * 11 + [100.0] * 10):
        bars = bars_of([50.0] * len(volume), volume=volume)
        assert regime_row(bars=bars)["regime_liquidity_time"] is None
    enough = bars_of([50.0] * 21, volume=[None] * 10 + [100.0] * 11)
    assert regime_row(bars=enough)["regime_liquidity_time"] == "normal"


def test_split_is_no_rush_of_volume() -> None:
    bars = bars_of([50.0] * 21, volume=[100.0] * 20 + [400.0]).with_columns(
        adjustment_factor=pl.Series([1.0] * 20 + [4.0])
    )
    assert regime_row(bars=bars)["regime_liquidity_time"] == "normal"


@pytest.mark.parametrize(
    ("clock", "period"),
    [
        ("04:00", "closed"),
        ("04:01", "pre"),
        ("09:30", "pre"),
        ("09:31", "regular"),
        ("16:00", "regular"),
        ("16:01", "after"),
        ("20:00", "after"),
        ("20:01", "closed"),
    ],
)
def test_trading_periods_are_half_open(clock: str, period: str) -> None:
    end = dt.datetime.combine(dt.date(2016, 7, 6), dt.time.fromisoformat(clock), NEW_YORK)
    assert trading_period(pl.Series([end]).dt.convert_time_zone("UTC")).to_list() == [period]


def test_trading_period_knows_holidays_and_early_closes() -> None:
    holiday = dt.datetime(2016, 7, 4, 12, 0, tzinfo=NEW_YORK)
    early = dt.datetime(2016, 11, 25, 15, 0, tzinfo=NEW_YORK)
    assert trading_period(pl.Series([holiday, early]).dt.convert_time_zone("UTC")).to_list() == ["closed", "after"]


def test_synthetic_index_makes_the_row_synthetic() -> None:
    levels = levels_of("^VIX", [12.0]).with_columns(synthetic=pl.lit(value=True), provider=pl.lit("made"))
    row = regime_row(levels)
    assert (row["synthetic"], row["provider"]) == (True, "made+tape")
    unseen = levels.with_columns(known_at=pl.col("known_at") + dt.timedelta(hours=1))
    row = regime_row(unseen)
    assert (row["synthetic"], row["provider"]) == (False, "tape")


def test_categories_are_stored_by_their_code() -> None:
    row = regime(bars_of([100.0], reach=1.0), levels_of("^VIX", [31.0])).row(-1, named=True)
    assert (row["regime_vix_bucket"], row["regime_session"], row["regime_liquidity_time"]) == (3, 1, None)


def test_confidence_is_the_share_that_is_known() -> None:
    both = pl.concat([levels_of("^VIX", 15.0 + np.arange(527) % 7), levels_of("^GSPC", 2000.0 + np.arange(527) % 5)])
    bars = bars_of(1000.0 + np.arange(281), reach=1.0)
    whole, alone, young = regime_row(both, bars), regime_row(bars=bars), regime_row(both)
    assert (whole["confidence"], whole["reasons"]) == (1.0, "")
    # The VIX, the S&P 500 and their changes are six of the nine features.
    assert alone["confidence"] == pytest.approx(3 / 9)
    assert alone["reasons"] == "SOURCE_MISSING"
    assert young["confidence"] == pytest.approx(7 / 9)
    assert young["reasons"] == "SHORT_HISTORY"
    assert regime_row()["reasons"] == "SOURCE_MISSING,SHORT_HISTORY"
    # Sixty levels of the index are there; the mean of 200 is young, not missing.
    few = pl.concat([levels_of("^VIX", 15.0 + np.arange(60) % 7), levels_of("^GSPC", 2000.0 + np.arange(60) % 5)])
    assert regime_row(few, bars)["regime_spx_price_gap"] is None
    assert regime_row(few, bars)["reasons"] == "SHORT_HISTORY"
    assert regime_row(levels_of("^VIX", 15.0 + np.arange(60) % 7), bars)["reasons"] == "SOURCE_MISSING"
    assert regime_row()["confidence"] == pytest.approx(1 / 9)


def test_bad_levels_say_what_to_do() -> None:
    levels = levels_of("^VIX", [12.0, 13.0])
    with pytest.raises(ValueError, match=r"found two for \^VIX"):
        regime_row(pl.concat([levels, levels.tail(1)]))
    with pytest.raises(ValueError, match=r"missing are \['known_at'\]"):
        regime_row(levels.drop("known_at"))
    with pytest.raises(ValueError, match=r"in raw.index_levels, found 1 other dates"):
        regime_row(levels.with_columns(session=pl.Series([dt.date(2016, 5, 16), dt.date(2016, 5, 30)])))
