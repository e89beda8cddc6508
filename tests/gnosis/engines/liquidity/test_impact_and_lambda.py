"""Impact of flow: published values, planted markets, and what selects the regression."""

from __future__ import annotations

import datetime as dt
from statistics import NormalDist

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnosis.engines.liquidity import impact_and_lambda
from gnosis.engines.liquidity.impact_and_lambda import (
    flow_regression,
    permanent_impact_bps,
    temporary_impact_bps,
)
from gnosis.engines.points import daily_points
from gnosis.sessions import sessions_between
from gnosis.simulate.flow import hedged_flow, linear_impact

SESSIONS = sessions_between(dt.date(2019, 4, 2), dt.date(2019, 5, 1))[:20]


@pytest.mark.parametrize(
    ("sigma", "volume", "theta", "permanent", "costs", "temporary"),
    [
        (0.0157, 6.561e6, 1728e6, 19.86, (32.22, 24.64, 18.42), (22.29, 14.71, 8.49)),
        (0.0226, 1.929e6, 168e6, 21.68, (42.93, 32.01, 23.06), (32.09, 21.17, 12.22)),
    ],
)
def test_impacts_of_almgren_thum_hauptmann_and_li(sigma, volume, theta, permanent, costs, temporary):
    lasting = permanent_impact_bps(sigma, 0.1, volume, theta)
    passing = temporary_impact_bps(sigma, 0.1, [0.1, 0.2, 0.5])
    assert lasting == pytest.approx(permanent, abs=5e-3)
    np.testing.assert_allclose(passing, temporary, atol=5e-3)
    np.testing.assert_allclose(lasting / 2 + passing, costs, atol=1e-2)


def test_one_period_of_kyle():
    value, noise = np.random.default_rng(0).standard_normal((2, 400_000))
    flow = 1.0 * value + noise
    slope = flow_regression(flow, value).slope
    assert slope == pytest.approx(0.5, abs=3e-3)
    assert np.var(value - slope * flow) == pytest.approx(0.5, abs=4e-3)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("gamma", [-20e9, 0.0, 20e9])
def test_total_flow_gives_the_planted_depth(seed, gamma):
    frame, truth = hedged_flow(SESSIONS, seed, dealer_gamma_usd_per_unit=gamma)
    move = 1e4 * frame["log_return"].to_numpy()
    depth = 1e10 / flow_regression(frame["signed_flow_usd"].to_numpy() / 1e6, move).slope
    assert depth == pytest.approx(truth.depth_usd_per_unit, rel=0.05)
    assert depth + gamma == pytest.approx(truth.stiffness_usd_per_unit, abs=0.05 * truth.depth_usd_per_unit)
    customers = 1e10 / flow_regression(frame["customer_flow_usd"].to_numpy() / 1e6, move).slope
    assert customers == pytest.approx(truth.stiffness_usd_per_unit, rel=0.05)


@pytest.mark.parametrize("seed", range(5))
def test_constant_impact_is_found_within_three_standard_errors(seed):
    frame, truth = linear_impact(SESSIONS, seed, kyle_lambda_bps_per_musd=1.0)
    found = flow_regression(frame["signed_flow_usd"].to_numpy() / 1e6, 1e4 * frame["log_return"].to_numpy())
    assert abs(found.slope - 1e10 / truth.depth_usd_per_unit) < 3 * found.slope / found.t_stat
    assert found.n == 20 * 78


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(-50, 50), st.floats(-50, 50)), min_size=3, max_size=30), st.randoms())
def test_regression_does_not_mind_signs_or_order(pairs, random):
    x, y = np.array(pairs).T
    if not np.abs(x).max() > 1e-3:
        return
    found = flow_regression(x, y)
    assert flow_regression(-x, -y) == pytest.approx(found, nan_ok=True)
    order = list(range(len(pairs)))
    random.shuffle(order)
    assert flow_regression(x[order], y[order]).slope == pytest.approx(found.slope, rel=1e-9, abs=1e-9)


def test_flows_and_moves_of_different_length_are_refused():
    with pytest.raises(ValueError, match="one move for each flow"):
        flow_regression([1.0, 2.0], [1.0])


def readable(bars, sessions):
    """Slope, t and bars of the definition, straight from the rows of one symbol."""
    rows = bars.filter(pl.col("session").is_in(sessions)).sort("ts")
    before = pl.col("close").shift(1).over("session").fill_null(pl.col("open"))
    change = rows.select((pl.col("close") / before).log()).to_series().to_numpy()
    share = np.array([NormalDist().cdf(z) for z in change / change.std(ddof=1)])
    x = (rows["close"] * rows["volume"]).to_numpy() / 1e6 * (2 * share - 1)
    y = 1e4 * change
    slope = (x @ y) / (x @ x)
    error = np.sqrt(((y - slope * x) ** 2).sum() / (len(x) - 1) / (x @ x))
    root = np.sign(x) * np.sqrt(np.abs(x))
    return slope, slope / error, len(x), (root @ y) / (root @ root)


def test_regression_of_the_last_twenty_sessions(flow_world, process_alone):
    points = daily_points(flow_world.bars, flow_world.days[-2:])
    found = process_alone(impact_and_lambda, points, flow_world.bars, intraday_bars=flow_world.intraday)
    for at, (symbol, session, _) in enumerate(points.frame.iter_rows()):
        last = flow_world.days.index(session) + 1
        own = flow_world.intraday.filter(pl.col("symbol") == symbol)
        slope, t, n, root = readable(own, flow_world.days[last - 20 : last])
        values = {name: found.values[name][at] for name in found.values}
        assert values["liq_kyle_lambda"] == pytest.approx(slope, rel=1e-10)
        assert values["lambda_t_stat"] == pytest.approx(t, rel=1e-9)
        assert values["lambda_n_bars"] == n == 1560
        assert values["hasbrouck_slope"] == pytest.approx(root, rel=1e-10)
        assert values["depth_usd_per_unit"] == pytest.approx(1e10 / slope)
        assert values["lambda_source"] == 0
    assert found.confidence.tolist() == [1.0] * 4
    assert not found.is_proxy.any()
    assert not any(where.any() for where in found.reasons.values())


def test_without_bars_the_linear_law(make_daily, point, process_alone):
    bars = make_daily(n=40)
    found = process_alone(impact_and_lambda, point, bars)
    dollars = (bars["close"] * bars["volume"])[-21:-1].mean()
    sigma = bars["close"].log().diff()[-20:].std()
    values = {name: part[0] for name, part in found.values.items()}
    assert values["liq_kyle_lambda"] == pytest.approx(sigma * 1e10 / dollars)
    assert values["depth_usd_per_unit"] == pytest.approx(dollars / sigma)
    assert values["depth_local_usd_per_unit"] == pytest.approx(2 * dollars * 0.01 / sigma**2)
    returns = (bars["close"] / bars["close"].shift(1) - 1).abs()
    assert values["liq_amihud"] == pytest.approx(1e6 * (returns / (bars["close"] * bars["volume"]))[-20:].mean())
    assert values["lambda_source"] == 1
    assert np.isnan([values["lambda_t_stat"], values["hasbrouck_slope"], values["almgren_permanent_bps"]]).all()
    assert found.confidence.tolist() == pytest.approx([0.3])
    assert {code for code, where in found.reasons.items() if where[0]} == {"NO_INTRADAY", "DEPTH_PROXY"}
    assert found.is_proxy[0]


def test_few_bars_are_insignificant_and_do_not_change_the_confidence_of_those_there(flow_world, process_alone):
    points = daily_points(flow_world.bars, flow_world.days[-1:])
    few = flow_world.intraday.filter(pl.col("session").is_in(flow_world.days[-2:]))
    found = process_alone(impact_and_lambda, points, flow_world.bars, intraday_bars=few)
    assert found.values["lambda_source"].tolist() == [1, 1]
    assert found.values["lambda_n_bars"].tolist() == [156, 156]
    assert found.reasons["LAMBDA_INSIGNIFICANT"].all()
    assert found.reasons["SOURCE_MISSING"].all()
    np.testing.assert_allclose(found.confidence, 0.7 * 0.1 + 0.3)


def test_fewer_than_twenty_one_daily_bars_say_nothing(make_daily, point, process_alone):
    enough = make_daily(n=21)
    assert process_alone(impact_and_lambda, point, enough).values["liq_kyle_lambda"][0] > 0
    for bars in (enough[1:], pl.concat([enough[:9], enough[10:]])):
        found = process_alone(impact_and_lambda, point, bars)
        assert np.isnan([found.values[name][0] for name in ("liq_kyle_lambda", "depth_usd_per_unit")]).all()
        assert np.isnan(found.values["lambda_source"][0])
    assert found.reasons["SHORT_HISTORY"][0]
    assert found.confidence[0] == pytest.approx(0.3 * 19 / 20)


def test_mids_at_the_ends_of_bars_take_the_place_of_closes(flow_world, make_books, process_alone):
    points = daily_points(flow_world.bars.filter(pl.col("symbol") == "AAA"), flow_world.days[-1:])
    own = flow_world.intraday.filter((pl.col("symbol") == "AAA") & (pl.col("session") == flow_world.days[-1]))
    own = own.sort("ts")
    five = flow_world.intraday.filter(pl.col("symbol") == "AAA")
    mid = own["close"].to_numpy()[:, None]
    plain = process_alone(impact_and_lambda, points, flow_world.bars, intraday_bars=five).values
    ts = own["ts"].dt.epoch("us").to_numpy()
    same = make_books(mid * 0.999, 0 * mid + 100, mid * 1.001, 0 * mid + 100, ts=ts)
    found = process_alone(impact_and_lambda, points, flow_world.bars, intraday_bars=five, order_books=same).values
    assert found["liq_kyle_lambda"][0] == pytest.approx(plain["liq_kyle_lambda"][0], rel=1e-9)
    absurd = make_books(mid * 2.999, 0 * mid + 100, mid * 3.001, 0 * mid + 100, ts=ts + 1)
    after = pl.concat([same, absurd])
    later = process_alone(impact_and_lambda, points, flow_world.bars, intraday_bars=five, order_books=after).values
    np.testing.assert_array_equal(later["liq_kyle_lambda"], found["liq_kyle_lambda"])
    still = np.full_like(mid, mid[0, 0])
    quiet = make_books(still * 0.999, 0 * mid + 100, still * 1.001, 0 * mid + 100, ts=ts)
    found = process_alone(impact_and_lambda, points, flow_world.bars, intraday_bars=five, order_books=quiet).values
    assert found["liq_kyle_lambda"][0] < plain["liq_kyle_lambda"][0]


def test_shares_outstanding_give_the_permanent_impact_once_known(make_daily, point, process_alone):
    bars = make_daily(n=40)
    as_of = point.frame["as_of"][0]
    known = pl.DataFrame(
        {"symbol": "AAA", "known_at": [as_of, as_of + dt.timedelta(1)], "shares_outstanding": [1e8, 9e8]}
    )
    found = process_alone(impact_and_lambda, point, bars, shares_outstanding=known)
    volume, sigma = bars["volume"][-21:-1].mean(), bars["close"].log().diff()[-20:].std()
    expected = permanent_impact_bps(sigma, 0.01, volume, 1e8)
    assert found.values["almgren_permanent_bps"][0] == pytest.approx(expected)
    with pytest.raises(ValueError, match="expected the columns"):
        process_alone(impact_and_lambda, point, bars, shares_outstanding=known.drop("known_at"))
    with pytest.raises(ValueError, match="positive numbers"):
        wrong = known.with_columns(shares_outstanding=pl.lit(0.0))
        process_alone(impact_and_lambda, point, bars, shares_outstanding=wrong)
