from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gnosis.backtest.metrics import RETURN_UNITS, benchmark_figures, return_figures
from gnosis.backtest.significance import probabilistic_sharpe_ratio, sharpe_standard_error

R = np.array([0.010, -0.005, 0.007, -0.012, 0.004, 0.015, -0.020, 0.006, 0.009, -0.003, 0.011, -0.008])
B = np.array([0.008, -0.004, 0.005, -0.010, 0.006, 0.010, -0.015, 0.004, 0.007, -0.001, 0.009, -0.006])

PUBLISHED = {
    "total_return": 0.013453515304880925,
    "maximum_drawdown": -0.02,
    "cagr": 0.32397718738432135,
    "longest_drawdown": 4,
    "volatility": 0.16947083417616032,
    "calmar": 16.198859369216052,
    "sharpe": 1.7348117829785092,
    "ulcer_index": 0.009094098316620345,
    "sortino": 2.5320377077111287,
    "var_95": 0.0156,
    "cvar_95": 0.02,
    "skewness": -0.604099308634259,
    "kurtosis": 2.269023856353015,
    "hit_rate": 0.5833333333333334,
    "tail_ratio": 0.8205128205128204,
    "psr_against_zero": 0.6369903326720787,
    "profit_factor_of_returns": 1.2916666666666665,
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_figures(name: str) -> None:
    assert return_figures(R)[name].value == pytest.approx(PUBLISHED[name], rel=1e-12)


def test_published_benchmark_figures() -> None:
    figures = {name: figure.value for name, figure in benchmark_figures(R, B).items()}
    assert figures["beta"] == pytest.approx(1.29379748270779, rel=1e-12)
    assert figures["alpha"] == pytest.approx(-0.05920671277922679, rel=1e-12)
    assert figures["information_ratio"] == pytest.approx(0.47061290894652785, rel=1e-12)
    assert figures["tracking_error"] == pytest.approx(0.04462266036647545, rel=1e-12)


def test_published_probabilistic_sharpe_ratios() -> None:
    assert probabilistic_sharpe_ratio(0.458, 24) == pytest.approx(0.9816749191, abs=5e-11)
    skewed = probabilistic_sharpe_ratio(0.458, 24, skewness=-2.448, kurtosis=10.164)
    assert skewed == pytest.approx(0.9133610839, abs=5e-11)
    deflated = probabilistic_sharpe_ratio(2.5 / 250**0.5, 1250, skewness=-3, kurtosis=10, benchmark=0.1131720019)
    assert deflated == pytest.approx(0.9003968344, abs=1e-9)


def test_every_figure_has_a_unit_and_is_always_there() -> None:
    for returns in (R, np.array([0.01]), np.zeros(5), np.full(5, 0.01)):
        figures = return_figures(returns)
        assert set(figures) == set(RETURN_UNITS)
        for name, figure in figures.items():
            assert figure.unit == RETURN_UNITS[name]
            assert (figure.value is None) == (figure.reason is not None)
            assert figure.value is None or np.isfinite(figure.value)


def test_undefined_figures_are_null_with_a_reason() -> None:
    flat = return_figures(np.zeros(10))
    assert (flat["sharpe"].value, flat["sharpe"].reason) == (None, "returns never vary")
    assert (flat["sortino"].value, flat["sortino"].reason) == (None, "no return below zero")
    assert (flat["calmar"].value, flat["calmar"].reason) == (None, "no drawdown")
    same = benchmark_figures(R, R)
    assert (same["information_ratio"].value, same["tracking_error"].value) == (None, 0.0)
    assert benchmark_figures(R, np.zeros(R.size))["alpha"].value is None


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1.0, -2.0])
def test_unusable_returns_are_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="finite returns above -1"):
        return_figures(np.array([0.01, bad]))


@given(arrays(np.float64, st.integers(2, 60), elements=st.floats(-0.5, 0.5)), st.floats(0.05, 0.9))
@settings(max_examples=60, deadline=None)
def test_scaling_properties(returns: np.ndarray, scale: float) -> None:
    figures, scaled = return_figures(returns), return_figures(returns * scale)
    assert -1 <= figures["maximum_drawdown"].value <= 0
    assert 0 <= figures["ulcer_index"].value <= -figures["maximum_drawdown"].value + 1e-12
    assert figures["cvar_95"].value >= figures["var_95"].value - 1e-12
    assert 0 <= figures["longest_drawdown"].value <= returns.size
    if figures["sharpe"].value is not None and scaled["sharpe"].value is not None and np.ptp(returns) > 1e-6:
        assert scaled["sharpe"].value == pytest.approx(figures["sharpe"].value, rel=1e-6, abs=1e-9)


def test_standard_error_of_the_sharpe_ratio() -> None:
    draws = np.random.default_rng(7).normal(0.05, 1.0, (4000, 250))
    ratios = draws.mean(axis=1) / draws.std(axis=1, ddof=1)
    assert ratios.std() == pytest.approx(sharpe_standard_error(0.05, 250), rel=0.05)
