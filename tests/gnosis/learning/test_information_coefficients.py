"""Information coefficients: unequal histories, their errors, and when they alarm."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import pearsonr

from gnosis.learning.information_coefficients import (
    coefficients,
    column_correlations,
    is_alarming,
    mean_with_error,
    strength,
)


def unequal_histories():
    """Return a symbol of 500 sessions without a relation and one of the last 60 with a perfect one."""
    rng = np.random.default_rng(7)
    x, y = rng.normal(size=(2, 500, 2))
    y[:, 1] = x[:, 1]
    x[:440, 1] = np.nan
    return x, y


class TestOverTime:
    def test_is_the_mean_over_symbols_however_long_their_histories(self):
        x, y = unequal_histories()
        expected = (pearsonr(x[:, 0], y[:, 0]).statistic + 1.0) / 2.0
        found = coefficients(x, y, 1)
        assert found["time_series_ic_1"] == pytest.approx(expected, rel=1e-12)
        assert expected > 0.4

    def test_its_error_is_that_of_a_value_per_session_written_out(self):
        x, y = unequal_histories()
        series = []
        a, b = (
            (side - np.nanmean(side, axis=0)) / np.nanstd(side, axis=0) for side in (x, np.where(x == x, y, np.nan))
        )
        per_symbol = [pearsonr(x[:, 0], y[:, 0]).statistic, 1.0]
        for t in range(500):
            there = [k for k in (0, 1) if not math.isnan(x[t, k])]
            of_pairs = sum((a[t, k] * b[t, k] - per_symbol[k]) / (500, 60)[k] for k in there)
            series.append(sum(per_symbol) / 2 + 500 / 2 * of_pairs)
        assert np.mean(series) == pytest.approx(sum(per_symbol) / 2, rel=1e-12)
        found = coefficients(x, y, 5)
        assert found["time_series_ic_5_error"] == pytest.approx(mean_with_error(np.array(series), 4)[1], rel=1e-9)

    def test_never_leaves_the_range_of_a_correlation(self):
        # Wide swings where the other symbol is not yet there once made this 1.9.
        rng = np.random.default_rng(0)
        first = np.r_[rng.normal(size=440) * 1e-3, rng.normal(size=60)]
        second = np.r_[rng.normal(size=440), np.full(60, np.nan)]
        x = np.c_[first, second]
        assert coefficients(x, x, 1)["time_series_ic_1"] == 1.0
        assert coefficients(x, -x, 1)["time_series_ic_1"] == -1.0

    def test_needs_60_sessions_of_a_symbol(self):
        x, y = unequal_histories()
        x[440, 1] = np.nan
        alone = coefficients(x[:, :1], y[:, :1], 1)
        assert coefficients(x, y, 1) == alone

    def test_a_symbol_that_does_not_vary_is_left_out(self):
        x, y = unequal_histories()
        x[:, 1] = 17.3
        assert coefficients(x, y, 1) == coefficients(x[:, :1], y[:, :1], 1)
        assert coefficients(x[:, 1:], y[:, 1:], 1) == {}


@pytest.mark.parametrize("symbols", [10, 11, 13, 37, 100, 499])
def test_a_feature_that_is_the_same_for_all_symbols_has_no_coefficient_across_them(symbols):
    rng = np.random.default_rng(symbols)
    same = np.tile(np.float32(rng.uniform(10, 30, size=(80, 1))).astype(float), (1, symbols))
    found = coefficients(same, rng.normal(size=same.shape), 1)
    assert {name for name in found if not name.startswith("time_series")} == set()


def test_a_perfect_correlation_is_not_beyond_1():
    x = np.random.default_rng(1).normal(size=(50, 500))
    assert np.abs(column_correlations(x, 3.0 * x)).max() <= 1.0


@pytest.mark.parametrize("kind", ["ic", "rank_ic", "time_series_ic"])
@pytest.mark.parametrize(
    ("mean", "error", "alarms"),
    [
        (0.2, 0.0499, True),
        (-0.2, 0.0499, True),
        (0.2, 0.0501, False),
        (0.11, 0.02, False),
        (0.0999, 0.0, False),
        (None, None, False),
    ],
)
@pytest.mark.parametrize("horizon", [1, 5, 20])
def test_when_it_alarms(kind, horizon, mean, error, alarms):
    assert is_alarming({f"{kind}_{horizon}": mean, f"{kind}_{horizon}_error": error}) is alarms


@pytest.mark.parametrize("symbols", [4, 12])
def test_noise_rarely_alarms_and_a_leak_always_does(symbols):
    # Slow features and overlapping outcomes without a relation: 5 to 15 % once alarmed.
    sessions, alarms = 504, 0
    rng = np.random.default_rng(symbols)
    returns = rng.normal(size=(sessions + 20, symbols))
    outcomes = {
        h: np.lib.stride_tricks.sliding_window_view(returns, h, axis=0).sum(axis=-1)[:sessions] for h in (1, 5, 20)
    }
    for number in range(100):
        slowness, steps = (0.0, 0.9, 0.98, 0.995)[number % 4], rng.normal(size=(sessions, symbols))
        values = np.zeros((sessions, symbols))
        for t in range(1, sessions):
            values[t] = slowness * values[t - 1] + steps[t]
        row = {}
        for horizon, outcome in outcomes.items():
            row |= coefficients(values, outcome, horizon)
        alarms += is_alarming(row)
    assert alarms <= 2
    leak = 0.4 * outcomes[5] / math.sqrt(5) + rng.normal(size=(sessions, symbols))
    assert is_alarming(coefficients(leak, outcomes[5], 5))


def test_a_constant_relation_is_infinitely_strong():
    assert strength({"ic_1": 1.0, "ic_1_error": 0.0}) == math.inf


class TestMeanWithError:
    def test_too_few_sessions_have_none(self):
        assert all(map(math.isnan, mean_with_error(np.zeros(59), 1)))

    def test_gaps_are_left_out(self):
        series = np.random.default_rng(1).normal(size=200)
        with_gaps = np.insert(series, [3, 50, 199], np.nan)
        assert mean_with_error(with_gaps, 4) == mean_with_error(series, 4)

    def test_overlap_widens_the_error(self):
        rng = np.random.default_rng(2)
        steps = rng.normal(size=1020)
        overlapping = np.convolve(steps, np.ones(20), "valid")
        naive = overlapping.std(ddof=1) / math.sqrt(overlapping.size)
        assert mean_with_error(overlapping, 19)[1] > 2.5 * naive
