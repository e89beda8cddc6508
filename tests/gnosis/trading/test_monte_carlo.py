"""Monte Carlo of linear ideas: closed forms, mirror images, costs, seeds and antithetic pairs."""

from __future__ import annotations

import datetime as dt
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from gnosis.trading.monte_carlo import (
    HORIZON,
    STOP,
    TARGET,
    LinearCosts,
    LinearEvent,
    Outcomes,
    figures,
    linear_outcomes,
)
from gnosis.trading.price_paths import PathModel, decision_seed, innovations, log_paths, path_model

FREE = LinearCosts(0.0, 0.0)
SIGMA = 0.24 / math.sqrt(252)
LONG = LinearEvent(1, math.log(1.06), math.log(0.98))
AS_OF = dt.datetime(2024, 6, 21, 20, tzinfo=dt.UTC)


def residual_model() -> PathModel:
    generator = np.random.default_rng(5)
    return path_model(0.01 * generator.standard_t(4, 504), np.full(504, 0.01))


def paths_of(model: PathModel, drift: float, n_pairs: int = 20_000, n_steps: int = 20, seed: int = 3) -> np.ndarray:
    return log_paths(innovations(model, n_pairs, n_steps, seed), drift, SIGMA)


@pytest.mark.parametrize(
    ("mu", "target", "stop", "horizon"), [(0.0, 0.238537, 0.738078, 0.023384), (0.20, 0.289871, 0.685602, 0.024527)]
)
def test_barriers_of_the_closed_form_are_met(mu, target, stop, horizon):
    drift = (mu - 0.24**2 / 2.0) / 252
    paths = paths_of(PathModel("gbm"), drift, n_pairs=200_000)
    found = figures(linear_outcomes(paths, LONG, FREE, SIGMA), 200_000)
    assert (found["p_target"], found["p_stop"], found["p_horizon"]) == pytest.approx((target, stop, horizon), abs=0.006)
    bare = figures(linear_outcomes(paths, LONG, FREE, SIGMA, is_shifted=False), 200_000)
    assert stop - bare["p_stop"] > 0.07


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize(
    "model", [PathModel("gbm"), PathModel("t_jump"), residual_model()], ids=lambda model: model.name
)
def test_a_price_without_drift_earns_nothing_before_costs(model, side):
    drawn = innovations(model, 40_000, 20, 11)
    # The price, not its logarithm, has no drift: the mean of exp(step) is one.
    drift = -math.log(np.exp(SIGMA * drawn).mean())
    paths = log_paths(drawn, drift, SIGMA)
    event = LinearEvent(side, side * 0.06, side * -0.04)
    found = figures(linear_outcomes(paths, event, FREE, SIGMA, has_gaps=model.name != "gbm"), 40_000)
    assert abs(found["expectancy"]) <= 4.0 * found["expectancy_se"] + 5e-4


@settings(deadline=None, max_examples=25)
@given(drift=st.floats(-0.003, 0.003), target=st.floats(0.01, 0.1), stop=st.floats(0.01, 0.1), seed=st.integers(0, 99))
def test_a_short_on_the_mirrored_market_has_the_odds_of_the_long(drift, target, stop, seed):
    drawn = innovations(PathModel("gbm"), 200, 10, seed)
    long = linear_outcomes(log_paths(drawn, drift, SIGMA), LinearEvent(1, target, -stop), FREE, SIGMA)
    short = linear_outcomes(log_paths(-drawn, -drift, SIGMA), LinearEvent(-1, -target, stop), FREE, SIGMA)
    assert np.array_equal(long.ended_by, short.ended_by)
    assert np.array_equal(long.bars_held, short.bars_held)
    assert np.array_equal(long.adverse_log, short.adverse_log)


@settings(deadline=None, max_examples=25)
@given(entry=st.floats(0, 0.01), leave=st.floats(0, 0.01), borrow=st.floats(0, 1e-3), side=st.sampled_from([1, -1]))
def test_costs_shift_the_mean_by_what_they_are_expected_to_be(entry, leave, borrow, side):
    paths = paths_of(PathModel("t_jump"), 0.0, n_pairs=200)
    event = LinearEvent(side, side * 0.05, side * -0.03)
    free = linear_outcomes(paths, event, FREE, SIGMA)
    paid = linear_outcomes(paths, event, LinearCosts(entry, leave, borrow), SIGMA)
    relative = 1.0 + side * free.returns
    expected = free.returns.mean() - entry - leave * relative.mean() - borrow * free.bars_held.mean()
    assert paid.returns.mean() == pytest.approx(expected, abs=1e-12)


@settings(deadline=None, max_examples=40)
@given(
    target=st.floats(0.005, 0.1), stop=st.floats(0.005, 0.1), side=st.sampled_from([1, -1]), seed=st.integers(0, 999)
)
def test_outcomes_agree_with_walking_each_path(target, stop, side, seed):
    paths = paths_of(PathModel("gbm"), 0.0005, n_pairs=20, n_steps=12, seed=seed)
    event = LinearEvent(side, side * target, -side * stop)
    found = linear_outcomes(paths, event, LinearCosts(0.001, 0.002), SIGMA, is_shifted=False)
    for row, path in enumerate(paths):
        kind, held, exit_log = HORIZON, len(path), path[-1]
        for step, level in enumerate(path):
            if side * level <= -stop or side * level >= target:
                kind = STOP if side * level <= -stop else TARGET
                held, exit_log = step + 1, event.stop_log if kind == STOP else event.target_log
                break
        adverse = max(0.0, -(side * path[: held - 1]).min(initial=0.0), -side * exit_log)
        assert (found.ended_by[row], found.bars_held[row]) == (kind, held)
        assert found.adverse_log[row] == pytest.approx(adverse, abs=1e-15)
        expected = side * math.expm1(exit_log) - 0.001 - 0.002 * math.exp(exit_log)
        assert found.returns[row] == pytest.approx(expected, abs=1e-14)


def test_a_step_that_meets_both_barriers_counts_as_a_stop():
    narrow = LinearEvent(1, 0.001, -0.001)
    found = linear_outcomes(np.array([[0.0]]), narrow, FREE, sigma_per_bar=0.1)
    assert found.ended_by.tolist() == [STOP]


def test_a_gap_through_the_stop_is_paid_by_a_model_with_gaps_only():
    jump = np.array([[0.01, -0.15]])
    kept = linear_outcomes(jump, LONG, FREE, SIGMA)
    paid = linear_outcomes(jump, LONG, FREE, SIGMA, has_gaps=True)
    assert kept.returns.tolist() == pytest.approx([-0.02])
    assert paid.returns.tolist() == pytest.approx([math.expm1(-0.15)])
    assert (kept.adverse_log[0], paid.adverse_log[0]) == pytest.approx((-math.log(0.98), 0.15))


def test_figures_of_hand_made_outcomes():
    returns = np.concatenate([np.full(5, -0.10), np.linspace(-0.05, 0.05, 95)])
    outcomes = Outcomes(returns, np.full(100, HORIZON, np.int8), np.full(100, 4), np.linspace(0.0, 0.1, 100))
    found = figures(outcomes, 50)
    assert found["cvar_95"] == pytest.approx(0.10)
    assert found["var_95"] == pytest.approx(-np.quantile(returns, 0.05))
    assert found["p_horizon"] == 1.0
    assert found["adverse_log_median"] == pytest.approx(0.05)
    pairs = (returns[:50] + returns[50:]) / 2.0
    assert found["expectancy_se"] == pytest.approx(pairs.std(ddof=1) / math.sqrt(50))


@pytest.mark.parametrize(
    "model", [PathModel("gbm"), PathModel("t_jump"), residual_model()], ids=lambda model: model.name
)
def test_pairs_mirror_each_other_and_have_unit_variance(model):
    drawn = innovations(model, 20_000, 20, seed=2)
    first, second = drawn[:20_000], drawn[20_000:]
    assert abs(drawn.mean()) < 0.01
    assert drawn.std() == pytest.approx(1.0, rel=0.02)
    assert np.corrcoef(first.ravel(), second.ravel())[0, 1] < -0.9


def test_a_decision_always_has_the_same_paths_and_no_other_decision_has_them():
    asked = ("SPY", AS_OF, 5, "direction-3")
    seed = decision_seed(*asked)
    assert np.array_equal(paths_of(PathModel("gbm"), 0.0, seed=seed), paths_of(PathModel("gbm"), 0.0, seed=seed))
    others = [("QQQ", *asked[1:]), ("SPY", AS_OF + dt.timedelta(days=1), 5, "direction-3"), (*asked[:2], 10, asked[3])]
    assert len({seed, *(decision_seed(*other) for other in others)}) == 4
    new_york = AS_OF.astimezone(dt.timezone(dt.timedelta(hours=-4)))
    assert decision_seed("SPY", new_york, 5, "direction-3") == seed


def test_residuals_are_those_of_the_trailing_bars_with_unknown_ones_left_out():
    returns = np.arange(600.0)
    returns[-3] = math.nan
    volatility = np.full(600, 2.0)
    volatility[-4] = 0.0
    model = path_model(returns, volatility)
    kept = np.delete(np.arange(96.0, 600.0), [500, 501]) / 2.0
    assert np.allclose(model.residuals, (kept - kept.mean()) / kept.std())


def test_gaussian_paths_end_as_the_normal_distribution_says():
    ends = np.sort(paths_of(PathModel("gbm"), 0.001, n_pairs=50_000)[:, -1])
    share = norm.cdf(ends, 20 * 0.001, SIGMA * math.sqrt(20))
    assert np.abs(share - (np.arange(ends.size) + 0.5) / ends.size).max() < 0.006


@pytest.mark.parametrize(
    ("attempt", "said"),
    [
        (lambda: LinearEvent(0, 0.1, -0.1), "side 1 or -1"),
        (lambda: LinearEvent(-1, 0.1, -0.1), "target on the side of the gain"),
        (lambda: PathModel("fhs"), "residuals for fhs"),
        (lambda: PathModel("t_jump", degrees_of_freedom=2.0), "above 2"),
        (lambda: innovations(PathModel("gbm"), 0, 5, 1), "at least one pair"),
        (lambda: log_paths(np.zeros((1, 1)), 0.0, 0.0), "positive volatility"),
        (lambda: path_model(np.zeros(3), np.zeros(2)), "one volatility per return"),
        (lambda: linear_outcomes(np.zeros(3), LONG, FREE, SIGMA), r"shape \(paths, steps\)"),
        (lambda: decision_seed("SPY", AS_OF.replace(tzinfo=None), 5, "m"), "time zone"),
        (lambda: figures(Outcomes(np.zeros(3), np.zeros(3, np.int8), np.ones(3, int), np.zeros(3)), 2), "4 outcomes"),
    ],
)
def test_bad_input_is_refused(attempt, said):
    with pytest.raises(ValueError, match=said):
        attempt()
