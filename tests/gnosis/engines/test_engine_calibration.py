"""The nightly falsification: no effect is found where there is none, and a planted one is."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnosis.engines.calibration import LEAST_PAIRS, WINDOW_SESSIONS, calibration, newey_west_slope
from gnosis.sessions import schedule, sessions_between, shift_session
from gnosis.simulate.flow import amplified_returns
from gnosis.tables import TABLES

DAYS = sessions_between(dt.date(2009, 1, 2), dt.date(2011, 1, 14))
SEEDS = range(100)


def as_table(frame, name):
    schema = TABLES[name].polars_schema
    zero = {pl.Float64: 0.0, pl.Int64: 0, pl.String: "", pl.Boolean: False}
    required = TABLES[name].schema.columns()
    missing = [
        pl.lit(None if required[column].nullable else zero.get(dtype.base_type())).alias(column)
        for column, dtype in schema.items()
        if column not in frame.columns
    ]
    return frame.with_columns(missing).select(list(schema)).cast(schema)


def market(days=DAYS, seeds=SEEDS, effect=0.0, **walls):
    """Return elasticity rows and bars of one symbol per seed; the prediction stands in the session before."""
    closes = schedule().select("session", "close_at")
    before = pl.Series([shift_session(day, -1) for day in days])
    states, bars = [], []
    for seed in seeds:
        frame = amplified_returns(days, seed, effect)[0].with_columns(symbol=pl.lit(f"S{seed:03d}"))
        price = 100 * np.exp(np.cumsum(frame["log_return"].to_numpy()))
        bars.append(frame.select("session", "symbol", close=pl.Series(price)))
        states.append(
            frame.select(
                session=before,
                symbol="symbol",
                amplification="predicted_amplification",
                sigma_d=pl.col("expected_move") / np.sqrt(2 / np.pi),
                spot=pl.Series(np.append(100.0, price[:-1])),
            )
        )
    elasticity = pl.concat(states).join(closes, on="session").with_columns(as_of="close_at", known_at="close_at")
    elasticity = elasticity.with_columns(
        chain_ts=pl.col("close_at"), sign_convention=pl.lit("naive"), revaluation=pl.lit("sticky_moneyness"),
        provider=pl.lit("simulate"), synthetic=True, parameters=pl.lit("{}"), **walls,
        hedge_gamma_pressure=1 - pl.col("amplification"),
    )  # fmt: skip
    daily = pl.concat(bars).join(closes, on="session").with_columns(
        ts="close_at", known_at="close_at", open="close", high="close", low="close", volume=1e6, adjustment_factor=1.0,
        provider=pl.lit("simulate"), synthetic=True,
    )  # fmt: skip
    return as_table(elasticity, "engines.elasticity"), as_table(daily, "raw.equity_bars")


@pytest.fixture(scope="module")
def placebo():
    elasticity, bars = market()
    return calibration(elasticity, bars, sessions=[elasticity["session"].max()])


def of(rows, test):
    return rows.filter(pl.col("test") == test)


def test_a_placebo_market_has_no_effect_at_the_nominal_rate(placebo):
    """K8: at least 90 of 100 fixed seeds have 0 in their 95 % interval."""
    rows = of(placebo, "range_on_amplification")
    contains = rows.filter((pl.col("interval_low") <= 0) & (pl.col("interval_high") >= 0))
    assert rows.height == 100
    assert contains.height >= 90
    assert rows.filter(pl.col("verdict") == "no_effect").height == contains.height
    assert rows["estimate"].is_not_null().all()


def test_a_planted_effect_is_found_with_its_sign():
    elasticity, bars = market(seeds=range(20), effect=1.0)
    rows = calibration(elasticity, bars, sessions=[elasticity["session"].max()])
    slope = of(rows, "range_on_amplification")
    assert (slope["verdict"] == "as_predicted").mean() > 0.8
    assert slope["estimate"].mean() == pytest.approx(1.0, abs=0.25)
    assert (of(rows, "range_on_gamma_pressure")["verdict"] == "as_predicted").mean() > 0.8
    turned = calibration(
        elasticity.with_columns(hedge_gamma_pressure=-pl.col("hedge_gamma_pressure")),
        bars,
        sessions=[elasticity["session"].max()],
    )
    assert (of(turned, "range_on_gamma_pressure")["verdict"] == "against_prediction").mean() > 0.8


def test_a_window_holds_the_last_504_outcomes():
    elasticity, bars = market(seeds=[3])
    row = of(calibration(elasticity, bars), "range_on_amplification").sort("session").row(-1, named=True)
    assert row["n"] == WINDOW_SESSIONS
    assert row["reasons"] == ""
    assert row["first_session"] == shift_session(row["session"], 1 - WINDOW_SESSIONS)


def test_few_pairs_give_no_estimate_and_say_so():
    elasticity, bars = market(seeds=[3], days=DAYS[: LEAST_PAIRS + 2])
    rows = of(calibration(elasticity, bars), "range_on_amplification").sort("session")
    few = rows.filter(pl.col("n") < LEAST_PAIRS)
    assert few.height == LEAST_PAIRS + 1
    assert few["estimate"].null_count() == few.height
    assert set(few["verdict"]) == {"too_few"}
    assert set(few["reasons"]) == {"SHORT_HISTORY"}
    assert rows["estimate"][-1] is not None


def test_one_night_equals_the_backfill_and_the_future_changes_nothing():
    elasticity, bars = market(seeds=[3, 4])
    every = calibration(elasticity, bars)
    day = DAYS[-40]
    assert every.filter(pl.col("session") == day).equals(
        calibration(
            elasticity.filter(pl.col("session").is_between(shift_session(day, -WINDOW_SESSIONS), day)),
            bars.filter(pl.col("session").is_between(shift_session(day, -WINDOW_SESSIONS - 1), day)),
            sessions=[day],
        )
    )
    garbage = bars.with_columns(
        close=pl.when(pl.col("session") > day).then(pl.col("close") * 1e3).otherwise("close"),
        high=pl.when(pl.col("session") > day).then(pl.col("high") * 1e3).otherwise("high"),
    )
    until = pl.col("session") <= day
    assert every.filter(until).equals(
        calibration(elasticity, garbage.sample(fraction=1, shuffle=True, seed=1)).filter(until)
    )


def test_below_the_flip_is_compared_with_above():
    elasticity, bars = market(seeds=[5], nearest_flip=pl.col("spot") * (1 + 0.01 * (pl.col("amplification") - 1)))
    row = of(calibration(elasticity, bars), "volatility_across_flip").sort("session").row(-1, named=True)
    # The estimate holds volatility fixed, the means do not.
    assert row["estimate"] == pytest.approx(row["mean_treated"] - row["mean_reference"], abs=0.01)
    assert row["r_squared"] is None


def test_walls_that_always_hold_beat_placebos_that_never_do():
    elasticity, bars = market(seeds=[6], call_wall=pl.col("spot") * 1.02, put_wall=pl.lit(None, dtype=pl.Float64))
    # Every session touches 2.5 % on both sides; it closes at its low, so the wall above holds and the placebo breaks.
    before = elasticity.sort("session")["spot"].to_numpy()
    touched = bars.sort("session").with_columns(
        high=pl.Series(before * 1.025), low=pl.Series(before * 0.975), close=pl.Series(before * 0.975)
    )
    row = of(calibration(elasticity, touched), "wall_hold_rate").sort("session").row(-1, named=True)
    assert (row["mean_treated"], row["mean_reference"], row["estimate"]) == (1.0, 0.0, pytest.approx(1.0))
    assert row["n"] == 2 * WINDOW_SESSIONS


def test_a_split_moves_neither_walls_nor_outcomes():
    elasticity, bars = market(seeds=[7], call_wall=pl.col("spot") * 1.005)
    day = DAYS[250]
    split = pl.when(pl.col("session") >= day).then(2.0).otherwise(1.0)
    halved = bars.with_columns(
        *(pl.col(name) / split for name in ("open", "high", "low", "close")), adjustment_factor=split
    )
    chains = elasticity.with_columns(pl.col(name) / split for name in ("spot", "call_wall"))
    every, other = calibration(elasticity, bars), calibration(chains, halved)
    columns = ["n", "estimate", "standard_error"]
    for name in columns:
        np.testing.assert_allclose(every[name].cast(pl.Float64), other[name].cast(pl.Float64), rtol=1e-9)


def idle_dealers(seed, gamma_over_depth, n=504):
    """Return ln A, y and ln sigma_d of a market whose volatility wanders and in which dealers do nothing."""
    rng = np.random.default_rng(seed)
    log_vol = np.zeros(n + 100)
    for t in range(1, log_vol.size):
        log_vol[t] = 0.97 * log_vol[t - 1] + 0.08 * rng.standard_normal()
    returns = 0.01 * np.exp(log_vol) * rng.standard_normal(log_vol.size)
    sigma = np.lib.stride_tricks.sliding_window_view(returns, 20).std(axis=1, ddof=1)
    depth = np.exp(np.cumsum(0.015 * rng.standard_normal(sigma.size))) / sigma
    gamma = gamma_over_depth * depth.mean() * np.exp(0.3 * rng.standard_normal(sigma.size))
    is_stable = (depth + gamma > 0)[:-1]
    amplification = np.where(is_stable, depth[:-1] / np.where(is_stable, (depth + gamma)[:-1], 1.0), np.nan)
    y = np.abs(returns[20:]) / (sigma[:-1] * np.sqrt(2 / np.pi))
    return np.log(amplification[is_stable]), y[is_stable], np.log(sigma[:-1][is_stable])


@pytest.mark.parametrize("gamma_over_depth", [0.3, -0.3])
def test_volatility_that_reverts_is_not_taken_for_dealers(gamma_over_depth):
    markets = [idle_dealers(seed, gamma_over_depth) for seed in range(100)]
    held = [newey_west_slope(x, y, sigma) for x, y, sigma in markets]
    free = [newey_west_slope(x, y) for x, y, _ in markets]
    assert sum(abs(slope) <= 1.96 * error for slope, error, _ in held) >= 88
    assert sum(abs(slope) <= 1.96 * error for slope, error, _ in free) < 80


def naive_newey_west(x, y, control, lags):
    design = np.stack([np.ones_like(x), x, control], axis=1)
    inverse = np.linalg.inv(design.T @ design)
    residual = y - design @ (inverse @ design.T @ y)
    scores = design * residual[:, None]
    middle = scores.T @ scores
    for lag in range(1, lags + 1):
        cross = scores[lag:].T @ scores[:-lag]
        middle += (1 - lag / (lags + 1)) * (cross + cross.T)
    return (inverse @ design.T @ y)[1], np.sqrt((inverse @ middle @ inverse)[1, 1] * x.size / (x.size - 3))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(20, 300))
def test_slope_and_error_are_those_of_the_matrix_formula(seed, n):
    rng = np.random.default_rng(seed)
    x = np.cumsum(rng.standard_normal(n)) * 0.1 + 5
    y = rng.standard_normal(n) * (1 + 0.2 * np.abs(x)) + 0.3 * x
    control = rng.standard_normal(n) + 0.3 * x
    slope, error, _ = newey_west_slope(x, y, control)
    expected = naive_newey_west(x, y, control, int(4 * (n / 100) ** (2 / 9)))
    np.testing.assert_allclose([slope, error], expected, rtol=1e-7)


def test_a_slope_needs_pairs():
    with pytest.raises(ValueError, match=r"expected arrays of one length, at least 4, found shapes \[\(2,\)"):
        newey_west_slope(np.zeros(2), np.zeros(2))
