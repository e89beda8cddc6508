"""Sharpe statistics: section 12.2 and vector V6 of the backtest specification, and the mistakes of B-12.11."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from gnosis.backtest.metrics import return_figures
from gnosis.backtest.significance import (
    deflated_sharpe_ratio,
    effective_number,
    effective_trials,
    expected_maximum,
    minimum_backtest_years,
    minimum_track_record,
    probabilistic_sharpe_ratio,
)

DAILY = 2.5 / math.sqrt(250)
VARIANCE = 0.5 / 250
SKEWED = {"skewness": -3.0, "kurtosis": 10.0}
MONTHLY = {"skewness": -2.448, "kurtosis": 10.164}


def test_deflated_sharpe_of_the_specification() -> None:
    assert math.sqrt(VARIANCE) * expected_maximum(100) == pytest.approx(0.1131720019, rel=1e-9)
    cases = [(100, SKEWED, 0.9003968344), (46, SKEWED, 0.9505017069), (88, {}, 0.9504908167)]
    for n_trials, moments, expected in cases:
        found = deflated_sharpe_ratio(DAILY, 1250, n_trials=n_trials, trial_variance=VARIANCE, **moments)
        assert found == pytest.approx(expected, rel=1e-9)


def test_probabilistic_sharpe_of_the_specification() -> None:
    assert probabilistic_sharpe_ratio(0.458, 24) == pytest.approx(0.9816749191, rel=1e-9)
    assert probabilistic_sharpe_ratio(0.458, 24, **MONTHLY) == pytest.approx(0.9133610839, rel=1e-9)


def test_minimum_lengths_of_the_specification() -> None:
    assert minimum_track_record(0.458, **MONTHLY) == pytest.approx(34.5575059, rel=1e-8)
    assert minimum_track_record(0.458) == pytest.approx(15.2508069, rel=1e-8)
    assert minimum_backtest_years(1.0, 45) == pytest.approx(4.9980870, rel=1e-8)


@pytest.mark.parametrize(("n", "expected"), [(10, 1.5745983), (45, 2.2356402), (100, 2.5306029), (1000, 3.2551215)])
def test_expected_maximum_of_the_specification(n, expected) -> None:
    assert expected_maximum(n) == pytest.approx(expected, rel=5e-8)


def test_effective_number_of_the_specification() -> None:
    assert effective_number(100, 0.5) == 50.5


def test_one_trial_is_the_probabilistic_ratio_against_zero() -> None:
    deflated = deflated_sharpe_ratio(0.1, 500, n_trials=1, trial_variance=0.3, **SKEWED)
    assert deflated == probabilistic_sharpe_ratio(0.1, 500, **SKEWED)


@given(st.floats(1, 1e6), st.floats(1, 1e6))
def test_more_trials_never_make_a_result_likelier(one, other) -> None:
    few, many = sorted([one, other])
    assert 0 <= expected_maximum(few) <= expected_maximum(many)


def test_the_track_record_is_where_the_probabilistic_ratio_reaches_its_confidence() -> None:
    length = minimum_track_record(0.1, benchmark=0.02, confidence=0.99, **SKEWED)
    at = (length - 1) * (0.1 - 0.02) ** 2 / (1 + 3 * 0.1 + 9 / 4 * 0.01)
    assert stats.norm.cdf(math.sqrt(at)) == pytest.approx(0.99)
    assert minimum_track_record(0.02, benchmark=0.02) is None
    with pytest.raises(ValueError, match="confidence"):
        minimum_track_record(0.1, confidence=0.05)


def test_an_annual_ratio_where_a_daily_one_belongs_claims_certainty() -> None:
    """B-12.11: the same returns, 0.05 per day or 0.79 per year, do not give the same probability."""
    daily = 0.05
    right = probabilistic_sharpe_ratio(daily, 500)
    assert right == pytest.approx(0.868, abs=1e-3)
    assert probabilistic_sharpe_ratio(daily * math.sqrt(252), 500) > 1 - 1e-12
    returns = np.random.default_rng(3).normal(size=500)
    returns = 0.01 * ((returns - returns.mean()) / returns.std(ddof=1) + daily)
    figures = return_figures(returns)
    moments = {"skewness": figures["skewness"].value, "kurtosis": figures["kurtosis"].value}
    expected = probabilistic_sharpe_ratio(daily, 500, **moments)
    assert figures["psr_against_zero"].value == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("excess", [0.0, 0.9, 7.164 - 3])
def test_an_excess_kurtosis_is_refused(excess) -> None:
    skewness = 0.0 if excess < 1 else -2.448
    with pytest.raises(ValueError, match="add 3"):
        probabilistic_sharpe_ratio(0.4, 24, skewness=skewness, kurtosis=excess)
    with pytest.raises(ValueError, match="add 3"):
        minimum_track_record(0.4, skewness=skewness, kurtosis=excess)


def test_correlated_trials_are_not_counted_as_independent() -> None:
    """B-12.11: a hundred copies of one idea are one trial, a hundred ideas are a hundred."""
    rng = np.random.default_rng(5)
    common, own = rng.standard_normal((2000, 1)), rng.standard_normal((2000, 100))
    copies = effective_trials(np.repeat(common, 100, axis=1))
    assert copies == pytest.approx(1.0)
    assert 95 < effective_trials(own) <= 100
    half = effective_trials(common + own)
    correlation = np.corrcoef(common + own, rowvar=False)[np.triu_indices(100, 1)].mean()
    assert half == pytest.approx(correlation + (1 - correlation) * 100)
    assert half == pytest.approx(50.5, abs=2)


def test_clusters_count_where_the_mean_correlation_hides_them() -> None:
    """Two ideas, each tried often and opposite to the other: their mean correlation alone would say more."""
    rng = np.random.default_rng(6)
    ideas = rng.standard_normal((1000, 4))
    tries = np.repeat(ideas, [60, 1, 1, 1], axis=1) + 1e-3 * rng.standard_normal((1000, 63))
    mean = np.corrcoef(tries, rowvar=False)[np.triu_indices(63, 1)].mean()
    assert effective_trials(tries) == pytest.approx(max(4.0, mean + (1 - mean) * 63))
    assert effective_trials(tries) >= 4


def test_unknown_and_idle_trials_count_as_one_each() -> None:
    returns = np.random.default_rng(7).standard_normal((500, 3))
    base = effective_trials(returns)
    assert effective_trials(returns, 40) == pytest.approx(base + 40)
    assert effective_trials(np.column_stack([returns, np.zeros(500)])) == pytest.approx(base + 1)
    assert effective_trials(np.zeros((500, 2))) == 2
    with pytest.raises(ValueError, match="finite returns"):
        effective_trials(np.full((500, 2), np.nan))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: expected_maximum(0.5), "at least 1 trial"),
        (lambda: deflated_sharpe_ratio(0.1, 10, n_trials=2, trial_variance=-1.0), "variance"),
        (lambda: minimum_backtest_years(0.0, 10), "above 0"),
        (lambda: probabilistic_sharpe_ratio(0.1, 1), "at least 2 returns"),
    ],
)
def test_impossible_figures_are_named(call, message) -> None:
    with pytest.raises(ValueError, match=message):
        call()
