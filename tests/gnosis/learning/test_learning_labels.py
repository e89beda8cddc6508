"""Labels: section 2 and vectors V1, V2, V3 and V12 of the learning specification."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnosis.learning.bar_grid import BarsError
from gnosis.learning.labels import LOOKBACK_SESSIONS, labels
from gnosis.learning.volatility import ewm_sigma
from gnosis.sessions import schedule
from gnosis.tables import TABLES
from tests.gnosis.learning.daily_bars import V1_CLOSE, V1_OPEN, bars_of, minute_bars, walk_bars

PRICES = ["open", "high", "low", "close"]
NUMBERS = ("y_ret", "sigma_bar", "y_mag", "y_vol", "barrier_return")
CLASSES = ("y_dir", "barrier_outcome", "barrier_reason", "barrier_t1", "side", "y_meta", "reason")


def assert_same_labels(found: pl.DataFrame, expected: pl.DataFrame) -> None:
    for name in NUMBERS:
        np.testing.assert_allclose(found[name].to_numpy(), expected[name].to_numpy(), rtol=1e-9, atol=1e-12)
    for name in CLASSES:
        assert found[name].equals(expected[name]), name


V1_RETURN = [0, 0.009756174945364656, 0.029270382300113237, 0, 0.009569451016150672, 0.023981964686485405]


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
    assert gaps.select("y_ret", "y_dir", "y_mag", "y_vol").null_count().row(0) == (5, 5, 5, 5)
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


def test_realised_volatility_of_the_specification() -> None:
    bars = bars_of(V1_OPEN, V1_CLOSE)
    known = labels(bars, horizons=(5,)).filter(pl.col("signal_session") == bars["session"][1])
    assert known["y_vol"].item() == pytest.approx(0.2287373060630062, rel=1e-9)
    assert known["volatility_estimator"].item() == "close_to_close"


def test_range_volatility_of_the_specification() -> None:
    bars = bars_of([100.0, 100], [100.0, 102], high=[100.0, 103], low=[100.0, 99])
    known = labels(bars, horizons=(1,))
    assert known["y_vol"].item() ** 2 / 252 == pytest.approx(0.0005884131517204425, rel=1e-9)
    assert known["volatility_estimator"].item() == "rogers_satchell"


def test_range_volatility_is_biased_low_on_sampled_days() -> None:
    """V12: 20,000 days of Brownian motion seen at 400 steps."""
    n_symbols, n_days, daily = 10, 2000, 0.01
    rng = np.random.default_rng(12)
    frames = []
    for number in range(n_symbols):
        paths = np.cumsum(rng.normal(0, daily / np.sqrt(400), (n_days + 1, 400)), axis=1)
        highest, lowest = np.maximum(paths.max(axis=1), 0), np.minimum(paths.min(axis=1), 0)
        prices = [50 * np.exp(log) for log in (np.zeros(n_days + 1), paths[:, -1], highest, lowest)]
        frames.append(bars_of(prices[0], prices[1], symbol=f"S{number}", high=prices[2], low=prices[3]))
    known = labels(pl.concat(frames), horizons=(1,))
    assert known.height == 20_000
    assert (known["y_vol"] ** 2).mean() / 252 / daily**2 == pytest.approx(0.904, abs=0.02)


@pytest.mark.parametrize("h", [2, 4, 5, 20])
def test_realised_volatility_by_its_definition(h: int) -> None:
    bars = walk_bars(60, 21)
    o, high, low, c = (np.log(bars[name].to_numpy()) for name in PRICES)
    for row in labels(bars, horizons=(h,)).iter_rows(named=True):
        held = range(bars["session"].index_of(row["signal_session"]) + 1, bars["session"].index_of(row["session"]) + 1)
        if h < 5:
            squares = [(high[j] - o[j]) * (high[j] - c[j]) + (low[j] - o[j]) * (low[j] - c[j]) for j in held]
        else:
            squares = [(c[j] - (o[j] if j == held[0] else c[j - 1])) ** 2 for j in held]
        assert row["y_vol"] == pytest.approx(np.sqrt(252 / h * sum(squares)), rel=1e-9)


def test_a_halted_session_has_no_price() -> None:
    bars = walk_bars(100, 22)
    days = bars["session"].to_list()
    is_halted = pl.col("session") == days[90]
    before = pl.lit(bars["close"][89])
    halted = bars.with_columns(
        *[pl.when(is_halted).then(before).otherwise(name).alias(name) for name in PRICES],
        volume=pl.when(is_halted).then(0.0).otherwise("volume"),
    )
    known, absent = labels(halted, horizons=(5,)), labels(bars.filter(~is_halted), horizons=(5,))
    reasons = known.filter(pl.col("reason") == "halted")
    assert reasons["signal_session"].to_list() == days[85:90]
    assert reasons.select("y_ret", "y_dir", "y_mag", "y_vol").null_count().row(0) == (5, 5, 5, 5)
    # The decision at the close of the halted session is entered at the next open, and nothing else tells it from a gap.
    there = known.filter(pl.col("signal_session") == days[90])
    assert there["y_dir"].item() is not None and there["side"].item() is None
    both = known.filter(pl.col("signal_session") != days[90])
    pieces = ["signal_session", *NUMBERS, "y_dir", "side"]
    assert both.select(pieces).equals(absent.select(pieces))
    quiet = halted.with_columns(volume=pl.when(is_halted).then(None).otherwise("volume"))
    assert labels(quiet, horizons=(5,)).filter(pl.col("reason") == "halted").is_empty()


def test_rounding_of_a_factor_is_no_volatility() -> None:
    factor = [1.0 + 0.1 * (at // 20) for at in range(100)]
    prices = [9.7 / each for each in factor]
    bars = bars_of(prices, prices, factor)
    assert (bars["close"] * bars["adjustment_factor"]).n_unique() > 1
    assert labels(bars, horizons=(1,))["sigma_bar"].null_count() == 99


def test_a_split_changes_no_label() -> None:
    bars = walk_bars(120, 8, spread=0.01)
    number = pl.int_range(pl.len())
    split = bars.with_columns(
        pl.when(number >= 80).then(pl.col(PRICES) / 7).otherwise(pl.col(PRICES)),
        adjustment_factor=pl.when(number >= 80).then(7.0).otherwise(1.0),
    )
    plain = labels(bars)
    assert plain["barrier_outcome"].n_unique() == 4
    assert_same_labels(labels(split), plain)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**31), st.floats(1e-3, 1e3))
def test_the_unit_of_prices_does_not_matter(seed: int, scale: float) -> None:
    bars = walk_bars(120, seed, spread=0.01)
    assert_same_labels(labels(bars.with_columns(pl.col(PRICES) * scale)), labels(bars))


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
    poisoned = bars.with_columns(pl.when(past).then(pl.col(*PRICES, "volume")).otherwise(pl.lit(1e6)))
    assert labels(poisoned).filter(past).equals(expected)


def test_one_night_equals_the_backfill_bit_for_bit() -> None:
    is_old = pl.int_range(pl.len()) < 60
    bars = walk_bars(LOOKBACK_SESSIONS + 200, 10, spread=0.02).with_columns(
        provider=pl.when(is_old).then(pl.lit("backup")).otherwise("provider"), synthetic=is_old
    )
    days = bars["session"].to_list()
    some = bars.filter(pl.int_range(pl.len()) % 3 > 0).tail(100)
    intraday = minute_bars(some, 5, [at % 2 == 0 for at in range(some.height)])
    whole = labels(bars, intraday=intraday)
    assert whole.filter(pl.col("provider") == "minutes+vendor").height > 20
    assert whole.filter(pl.col("barrier_reason") == "ambiguous_bar").height > 20
    for at in (LOOKBACK_SESSIONS + 20, LOOKBACK_SESSIONS + 111, LOOKBACK_SESSIONS + 150, len(days) - 1):
        night = bars.filter(pl.col("session").is_between(days[at - LOOKBACK_SESSIONS - 20], days[at]))
        minutes = intraday.filter(pl.col("session").is_between(days[at - 19], days[at]))
        tonight = pl.col("session") == days[at]
        assert labels(night, intraday=minutes).filter(tonight).equals(whole.filter(tonight))


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
        (lambda bars: bars.drop("volume"), "volume"),
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


@pytest.mark.parametrize("wrong", [{"dead_zone": -0.1}, {"upper_width": 0.0}, {"lower_width": -1.0}])
def test_bad_rules_are_named(wrong: dict) -> None:
    with pytest.raises(ValueError, match="expected a dead zone of 0 or more and positive barrier widths"):
        labels(walk_bars(20, 14), **wrong)


def test_bars_shorter_than_a_horizon_have_no_labels() -> None:
    assert labels(walk_bars(4, 15), horizons=(5,)).is_empty()
    assert labels(walk_bars(5, 15), horizons=(5,)).is_empty()
    assert labels(walk_bars(6, 15), horizons=(5,)).height == 1


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
    bars = aapl.select(*PRICES, "volume", session=pl.col("date").cast(pl.Date), symbol=pl.lit("AAPL")).filter(
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
