"""Labels: section 2 and vectors V1 and V3 of the learning specification."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnosis.learning.labels import LOOKBACK_SESSIONS, BarsError, ewm_sigma, labels
from gnosis.sessions import schedule
from gnosis.tables import TABLES

V1_OPEN = [100.0, 101, 102, 101, 103, 104, 103, 105]
V1_CLOSE = [101.0, 102, 101, 103, 104, 103, 105, 105.5]
V1_RETURN = [0, 0.009756174945364656, 0.029270382300113237, 0, 0.009569451016150672, 0.023981964686485405]


def bars_of(open_: list[float], close: list[float], factor: list[float] | None = None, symbol: str = "ABC"):
    days = schedule().filter(pl.col("session") >= dt.date(2014, 1, 2)).head(len(open_))
    return days.select(
        "session",
        symbol=pl.lit(symbol),
        open=pl.Series(open_, dtype=pl.Float64),
        close=pl.Series(close, dtype=pl.Float64),
        adjustment_factor=pl.Series(factor or [1.0] * len(open_)),
        known_at=pl.col("close_at") + pl.duration(hours=1),
        provider=pl.lit("vendor"),
        synthetic=pl.lit(False),
    )


def walk_bars(n_sessions: int, seed: int, symbol: str = "ABC") -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.01, n_sessions)))
    open_ = close * np.exp(rng.normal(0, 0.003, n_sessions))
    return bars_of(open_.tolist(), close.tolist(), symbol=symbol)


def test_forward_return_of_the_specification() -> None:
    known = labels(bars_of(V1_OPEN, V1_CLOSE), horizons=(2,))
    assert known["y_ret"].to_list() == pytest.approx(V1_RETURN, rel=1e-9, abs=1e-15)
    assert known["reason"].unique().to_list() == ["warmup_sigma"]


def test_direction_of_the_specification() -> None:
    # 61 bars that alternate by one return give sigma_t = 0.012 exactly at the first of the eight bars of V1.
    step = 0.012
    before = [101.0 * np.exp(step * (at % 2)) for at in range(60)]
    known = labels(bars_of(before + V1_OPEN, before + V1_CLOSE), horizons=(2,), min_observations=1)
    first = known.filter(pl.col("t0") == known["t0"].unique().sort()[60])
    assert first["sigma_bar"].item() == pytest.approx(0.012, rel=1e-9)
    assert known.tail(6)["y_dir"].to_list() == [0, 1, 1, 0, 1, 1]


def test_scale_of_the_specification() -> None:
    sigma = ewm_sigma(np.array([[0.01, -0.02, 0.015]]), half_life=2, min_observations=3)
    assert np.isnan(sigma[0, :2]).all()
    assert sigma[0, 2] == pytest.approx(0.015898062844899023, rel=1e-9)


def test_scale_against_the_infinite_sum() -> None:
    returns = np.random.default_rng(1).normal(0, 0.01, 2000)
    weights = 0.5 ** (np.arange(2000) / 20)
    expected = np.sqrt((weights * returns[::-1] ** 2).sum() / weights.sum())
    assert ewm_sigma(returns[None, :])[0, -1] == pytest.approx(expected, rel=1e-6)


def test_the_tail_has_no_rows_and_the_row_sits_in_the_session_of_its_outcome() -> None:
    bars = walk_bars(80, 2)
    known = labels(bars)
    days = bars["session"].to_list()
    for h in (1, 5, 20):
        part = known.filter(pl.col("horizon_bars") == h)
        assert part["signal_session"].to_list() == days[:-h]
        assert part["session"].to_list() == days[h:]
    assert (known["t1"] > known["t0"]).all()
    assert (known["known_at"] >= known["t1"]).all()
    TABLES["models.labels"].schema.validate(known)
    assert known.equals(known.sort(TABLES["models.labels"].key))


def test_magnitude_is_the_return_in_units_of_its_scale() -> None:
    known = labels(walk_bars(120, 3), horizons=(5,)).filter(pl.col("reason").is_null())
    expected = known["y_ret"].abs() / (known["sigma_bar"] * np.sqrt(5.0))
    assert known["y_mag"].to_numpy() == pytest.approx(expected.to_numpy(), rel=1e-14)
    inside = known["y_mag"] <= 0.1
    assert (known.filter(inside)["y_dir"] == 0).all()
    assert (known.filter(~inside)["y_dir"] == known.filter(~inside)["y_ret"].sign().cast(pl.Int8)).all()


def test_a_missing_session_is_a_gap_for_every_window_across_it() -> None:
    bars = walk_bars(100, 4)
    days = bars["session"].to_list()
    known = labels(bars.filter(pl.col("session") != days[90]), horizons=(5,))
    gaps = known.filter(pl.col("reason") == "gap")
    assert gaps["signal_session"].to_list() == days[85:90]
    assert gaps["session"].to_list() == days[90:95]
    assert gaps.select("y_ret", "y_dir", "y_mag").null_count().row(0) == (5, 5, 5)
    assert days[90] not in known["signal_session"].to_list()
    assert (known["y_dir"].is_null() == known["reason"].is_not_null()).all()


def test_a_symbol_that_stops_trading_leaves_gaps_once_their_time_has_come() -> None:
    bars = pl.concat([walk_bars(100, 5, "ABC"), walk_bars(90, 6, "OLD")])
    days = sorted(bars["session"].unique())
    old = labels(bars, horizons=(5,)).filter(pl.col("symbol") == "OLD")
    assert old.filter(pl.col("reason") == "gap")["signal_session"].to_list() == days[85:90]


def test_the_first_sixty_returns_are_warmup() -> None:
    known = labels(walk_bars(100, 7), horizons=(1,))
    warm = known["reason"] == "warmup_sigma"
    assert warm.fill_null(False).to_list() == [True] * 60 + [False] * 39
    assert known["y_ret"].null_count() == 0
    assert known.filter(warm.fill_null(False))["y_dir"].null_count() == 60


def test_a_price_that_never_moves_has_no_scale() -> None:
    known = labels(bars_of([10.0] * 80, [10.0] * 80), horizons=(1,))
    assert known["sigma_bar"].null_count() == known.height
    assert known["reason"].unique().to_list() == ["warmup_sigma"]


def test_a_split_changes_no_label() -> None:
    bars = walk_bars(100, 8)
    number = pl.int_range(pl.len())
    split = bars.with_columns(
        pl.when(number >= 80).then(pl.col("open", "close") / 7).otherwise(pl.col("open", "close")),
        adjustment_factor=pl.when(number >= 80).then(7.0).otherwise(1.0),
    )
    plain, with_split = labels(bars), labels(split)
    for name in ("y_ret", "sigma_bar", "y_mag"):
        np.testing.assert_allclose(with_split[name].to_numpy(), plain[name].to_numpy(), rtol=1e-9, atol=1e-12)
    assert with_split["y_dir"].equals(plain["y_dir"])


def test_who_is_entitled_to_a_dividend() -> None:
    """A dividend of 2 $ with ex-date in session 5 of a price that falls by exactly that (L-2.3)."""
    open_ = [100.0] * 5 + [98.0] * 5
    factor = [1.0] * 5 + [100 / 98] * 5
    known = labels(bars_of(open_, open_, factor), horizons=(2,))
    days = known["signal_session"].to_list()
    by_signal = dict(zip(days, known["y_ret"].to_list(), strict=True))
    # Bought at the open of the ex-date or later: not entitled, and the price does not move.
    assert by_signal[days[4]] == pytest.approx(0.0, abs=1e-15)
    # Bought the day before: the price falls by 2 $, the dividend makes up for it.
    assert by_signal[days[3]] == pytest.approx(0.0, abs=1e-15)
    unadjusted = labels(bars_of(open_, open_), horizons=(2,))
    assert unadjusted["y_ret"][3] == pytest.approx(np.log(0.98))


def test_adjustments_after_the_outcome_do_not_reach_the_label() -> None:
    bars = walk_bars(100, 9)
    later = bars.with_columns(adjustment_factor=pl.when(pl.int_range(pl.len()) >= 70).then(3.0).otherwise(1.0))
    cut = bars["session"][69]
    assert labels(bars).filter(pl.col("session") <= cut).equals(labels(later).filter(pl.col("session") <= cut))


@settings(max_examples=15, deadline=None)
@given(st.integers(30, 140), st.integers(0, 2**31))
def test_truncation_and_poison_change_nothing(cut: int, seed: int) -> None:
    bars = pl.concat([walk_bars(150, seed, "ABC"), walk_bars(150, seed + 1, "XYZ")])
    day = bars["session"].unique().sort()[cut]
    past = pl.col("session") <= day
    expected = labels(bars).filter(past)
    assert labels(bars.filter(past)).equals(expected)
    poisoned = bars.with_columns(pl.when(past).then(pl.col("open", "close")).otherwise(pl.lit(1e6)))
    assert labels(poisoned).filter(past).equals(expected)


def test_one_night_equals_the_backfill_bit_for_bit() -> None:
    bars = walk_bars(LOOKBACK_SESSIONS + 200, 10)
    whole = labels(bars)
    days = bars["session"].to_list()
    for at in (LOOKBACK_SESSIONS + 20, LOOKBACK_SESSIONS + 111, len(days) - 1):
        night = bars.filter(pl.col("session").is_between(days[at - LOOKBACK_SESSIONS - 20], days[at]))
        tonight = pl.col("session") == days[at]
        assert labels(night).filter(tonight).equals(whole.filter(tonight))


def test_order_of_rows_and_company_of_symbols_do_not_matter() -> None:
    one, two = walk_bars(120, 11, "ABC"), walk_bars(120, 12, "XYZ")
    both = labels(pl.concat([two, one]).sample(fraction=1.0, shuffle=True, seed=3))
    assert both.filter(pl.col("symbol") == "ABC").equals(labels(one))


def test_origin_is_that_of_the_inputs() -> None:
    bars = walk_bars(100, 13)
    number = pl.int_range(pl.len())
    mixed = bars.with_columns(
        provider=pl.when(number >= 95).then(pl.lit("backup")).otherwise(pl.lit("vendor")),
        synthetic=number >= 98,
    )
    known = labels(mixed, horizons=(1,))
    assert known["provider"].to_list() == ["vendor"] * 94 + ["backup+vendor"] * 5
    assert known["synthetic"].to_list() == [False] * 97 + [True] * 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda bars: bars.drop("adjustment_factor"), "adjustment_factor"),
        (lambda bars: pl.concat([bars, bars.head(1)]), "one bar per symbol and session"),
        (
            lambda bars: bars.with_columns(session=pl.col("session").replace(dt.date(2014, 1, 8), dt.date(2014, 1, 5))),
            "2014-01-05",
        ),
    ],
)
def test_bad_bars_are_named(change, message: str) -> None:
    with pytest.raises(BarsError, match=message):
        labels(change(walk_bars(20, 14)))


def test_bad_horizons_and_no_bars() -> None:
    with pytest.raises(BarsError, match="at least one session"):
        labels(walk_bars(20, 15), horizons=(0,))
    empty = labels(walk_bars(20, 15).clear())
    assert empty.is_empty() and empty.schema == TABLES["models.labels"].polars_schema


@pytest.mark.real_data
def test_real_bars_around_a_split(shared_data) -> None:
    """AAPL split 7:1 on 2014-06-09; labels across it are ordinary returns."""
    raw = pl.read_parquet(shared_data / "equities" / "lean_us_daily_raw.parquet")
    aapl = raw.filter(pl.col("ticker").cast(pl.String) == "AAPL")
    bars = aapl.select("open", "close", session=pl.col("date").cast(pl.Date), symbol=pl.lit("AAPL")).filter(
        pl.col("session").is_between(dt.date(2013, 1, 2), dt.date(2014, 12, 31))
    )
    bars = bars.join(schedule(), on="session").with_columns(
        adjustment_factor=pl.when(pl.col("session") >= dt.date(2014, 6, 9)).then(7.0).otherwise(1.0),
        known_at="close_at",
        provider=pl.lit("lean"),
        synthetic=pl.lit(False),
    )
    known = labels(bars, horizons=(5,)).filter(pl.col("y_dir").is_not_null())
    assert known.height > 400
    across = known.filter(pl.col("signal_session").is_between(dt.date(2014, 6, 2), dt.date(2014, 6, 6)))
    assert across["y_ret"].abs().max() < 0.1
