from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest

from gnosis.sessions import sessions_between
from gnosis.simulate.book import square_root_book
from gnosis.simulate.edges import edge_market
from gnosis.simulate.flow import amplified_returns, bounced_trades, hedged_flow, linear_impact
from gnosis.simulate.sentiment import sentiment_readings

MONTH = sessions_between(dt.date(2012, 1, 3), dt.date(2012, 1, 31))
YEARS = sessions_between(dt.date(2005, 1, 3), dt.date(2012, 12, 31))
SYMBOLS = [f"S{n:02d}" for n in range(10)]


def _slope(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    slope = x @ y / (x @ x)
    residual = y - slope * x
    return slope, float(np.sqrt(residual @ residual / (len(x) - 1) / (x @ x)))


@pytest.mark.parametrize("gamma", [-20e9, 0.0, 20e9])
@pytest.mark.parametrize("seed", range(5))
def test_k1_depth_and_stiffness(seed, gamma):
    frame, truth = hedged_flow(MONTH, seed, dealer_gamma_usd_per_unit=gamma)
    r = frame["log_return"].to_numpy()
    depth = 1 / _slope(frame["signed_flow_usd"].to_numpy(), r)[0]
    stiffness = 1 / _slope(frame["customer_flow_usd"].to_numpy(), r)[0]
    assert depth == pytest.approx(50e9, rel=0.05)
    assert stiffness == pytest.approx(truth.stiffness_usd_per_unit, rel=0.05)


def test_k1_session_alone_and_unstable_book():
    whole, alone = hedged_flow(MONTH, 1)[0], hedged_flow(MONTH[7:8], 1)[0]
    assert whole.filter(session=MONTH[7]).drop("close").equals(alone.drop("close"))
    with pytest.raises(ValueError, match="D \\+ G > 0"):
        hedged_flow(MONTH, 1, dealer_gamma_usd_per_unit=-60e9)


@pytest.mark.parametrize("seed", range(5))
def test_k2_kyle_lambda(seed):
    frame, _ = linear_impact(MONTH, seed, kyle_lambda_bps_per_musd=1.5)
    slope, error = _slope(frame["signed_flow_usd"].to_numpy() / 1e6, frame["log_return"].to_numpy() * 1e4)
    assert abs(slope - 1.5) < 3 * error


@pytest.mark.parametrize("seed", range(3))
def test_k3_roll_spread(seed):
    trades, truth = bounced_trades(YEARS[:250], seed)
    moves = trades["price"].log().diff().drop_nulls().to_numpy()
    roll = 2 * np.sqrt(-np.cov(moves[1:], moves[:-1])[0, 1])
    assert roll == pytest.approx(truth.spread_share, rel=0.05)
    efficient = trades.group_by("session").agg(pl.col("efficient").last()).sort("session")["efficient"].log().diff()
    assert efficient.std() == pytest.approx(truth.daily_volatility, rel=0.15)


@pytest.mark.parametrize("exponent", [1.0, 2.0])
def test_k5_depth_law(exponent):
    book, truth = square_root_book(MONTH[:1], exponent=exponent)
    for side in ("A", "B"):
        half = book.filter(side=side).sort("level")
        distance = (half["price"] - 100).abs().to_numpy() / 100
        within = (half["price"] * half["size"]).cum_sum().to_numpy()
        assert np.polyfit(np.log(distance), np.log(within), 1)[0] == pytest.approx(exponent, rel=0.01)
        assert within[-1] == pytest.approx(truth.depth_usd(distance[-1]), rel=1e-9)
    assert truth.stiffness_usd_per_unit(truth.move / 2) == pytest.approx(
        truth.adv_usd / truth.move, rel=1e-12
    ) or exponent == pytest.approx(1.0)
    with pytest.raises(ValueError, match="mid above"):
        square_root_book(MONTH[:1], mid_usd=0.5)


def test_k6_weights():
    days = YEARS[:2000]
    frame, truth = sentiment_readings(days, 3)
    errors = [(frame[f"reading_{n}"] - frame["latent"]).var() for n in (1, 2, 3)]
    weights = np.divide(1, errors) / np.divide(1, errors).sum()
    assert weights == pytest.approx(truth.weights, abs=0.05)
    alone = sentiment_readings(days[100:101], 3)[0]
    assert alone.equals(frame.filter(session=days[100]))


def _slope_holds(seed: int, effect: float, value: float) -> bool:
    frame, _ = amplified_returns(YEARS[:1000], seed, effect)
    x = frame["predicted_amplification"].to_numpy()
    y = frame["realised_amplification"].to_numpy()
    slope, error = _slope(x - x.mean(), y - y.mean())
    return abs(slope - value) < 1.96 * error


def test_k8_placebo_slope_is_zero_in_its_band():
    assert sum(_slope_holds(seed, 0.0, 0.0) for seed in range(100)) >= 90


def test_k8_planted_effect_is_seen():
    assert sum(_slope_holds(seed, 1.0, 0.0) for seed in range(20)) <= 2
    assert sum(_slope_holds(seed, 1.0, 1.0) for seed in range(20)) >= 16


def _ic(frame: pl.DataFrame, column: str) -> float:
    return frame.select(pl.corr(column, "label")).item()


def test_linear_edge_is_inside_its_interval():
    hits = 0
    for seed in range(20):
        frame = edge_market("linear", SYMBOLS[:3], YEARS, seed, ic=0.05).frame
        hits += abs(_ic(frame, "x01") - 0.05) < 1.96 / np.sqrt(frame.height)
    assert hits >= 17


def test_no_edge_has_no_skill():
    passes = 0
    for seed in range(20):
        frame = edge_market("none", SYMBOLS[:3], YEARS, seed).frame
        passes += _ic(frame, "x01") < 1.645 / np.sqrt(frame.height)
    assert passes >= 17


def test_interaction_edge_needs_both_features():
    frame = edge_market("interaction", SYMBOLS, YEARS, 1, ic=0.1).frame
    band = 3 / np.sqrt(frame.height)
    assert abs(_ic(frame, "x01")) < band
    assert abs(_ic(frame, "x02")) < band
    assert abs(frame.select(pl.corr(pl.col("x01") * pl.col("x02"), "label")).item() - 0.1) < band


def test_regime_edge_changes_sign():
    frame = edge_market("regime", SYMBOLS, YEARS, 1, ic=0.1).frame
    assert _ic(frame.filter(pl.col("x03") > 0), "x01") > 0.05
    assert _ic(frame.filter(pl.col("x03") <= 0), "x01") < -0.05


def test_leak_reads_the_future_and_nothing_else_does():
    world = edge_market("leak", SYMBOLS[:3], YEARS, 1)
    assert _ic(world.frame, "x02") > 0.8
    assert abs(_ic(world.frame, "x01")) < 0.05
    assert world.truth.features == ("x02",)


def test_drift_starts_on_its_day():
    day = YEARS[1000]
    frame = edge_market("drift", SYMBOLS, YEARS, 1, drift_session=day).frame
    before, after = (frame.filter(c)["x05"].mean() for c in (pl.col("session") < day, pl.col("session") >= day))
    assert before == pytest.approx(0, abs=0.1)
    assert after == pytest.approx(1.5, abs=0.1)
    with pytest.raises(ValueError, match="drift_session"):
        edge_market("drift", SYMBOLS, YEARS, 1)


def test_edge_rows_do_not_depend_on_the_range_or_the_other_symbols():
    whole = edge_market("linear", SYMBOLS[:3], YEARS, 1).frame
    alone = edge_market("linear", ["S01"], YEARS[500:501], 1).frame
    assert alone.equals(whole.filter(symbol="S01", session=YEARS[500]))
    assert (whole["label_known_at"] > whole["as_of"]).all()


def test_edge_settings_are_checked():
    with pytest.raises(ValueError, match="expected an edge of"):
        edge_market("cubic", SYMBOLS, YEARS, 1)
    with pytest.raises(ValueError, match=r"\|ic\| < 1"):
        edge_market("linear", SYMBOLS, YEARS, 1, ic=1.0)
    with pytest.raises(ValueError, match="distinct symbols"):
        edge_market("linear", ["A", "A"], YEARS, 1)
