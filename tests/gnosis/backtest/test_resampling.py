"""The stationary bootstrap and the intervals made with it: B-12.9."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gnosis.backtest.metrics import return_figures
from gnosis.backtest.resampling import bootstrap_intervals, mean_block_length, stationary_indices
from gnosis.backtest.resampling_kernel import resampled_figures
from gnosis.backtest.significance import Insufficient


def autoregressive(seed: int, n: int, persistence: float) -> np.ndarray:
    shocks = np.random.default_rng(seed).standard_normal(n)
    values = np.zeros(n)
    for t in range(1, n):
        values[t] = persistence * values[t - 1] + shocks[t]
    return values


@pytest.mark.parametrize("n", [30, 100, 1250])
@pytest.mark.parametrize("persistence", [-0.5, 0.0, 0.3, 0.9, 0.999])
def test_block_lengths_are_those_of_arch(n, persistence) -> None:
    from arch.bootstrap import optimal_block_length

    values = autoregressive(n, n, persistence)
    theirs = optimal_block_length(values)["stationary"].item()
    assert mean_block_length(values) == pytest.approx(max(1.0, theirs), rel=1e-9)


def test_blocks_have_their_mean_length_and_run_around_the_end() -> None:
    indices = stationary_indices(1000, 8.0, 200, seed=1)
    assert (indices.min(), indices.max()) == (0, 999)
    follows = (indices[:, 1:] == (indices[:, :-1] + 1) % 1000).mean()
    assert 1 / (1 - follows) == pytest.approx(8.0, rel=0.02)
    assert np.bincount(indices.ravel()).std() / 200 < 0.3
    assert np.array_equal(indices, stationary_indices(1000, 8.0, 200, seed=1))
    assert not np.array_equal(indices, stationary_indices(1000, 8.0, 200, seed=2))


def test_figures_of_a_resample_are_those_of_its_returns() -> None:
    returns = np.random.default_rng(2).normal(0.001, 0.02, 60)
    indices = stationary_indices(60, 3.0, 20, seed=3)
    for row, found in zip(indices, resampled_figures(returns, indices), strict=True):
        figures = return_figures(returns[row])
        assert found[0] * math.sqrt(252) == pytest.approx(figures["sharpe"].value, rel=1e-9)
        assert np.expm1(found[1] * 252 / 60) == pytest.approx(figures["cagr"].value, rel=1e-9)
        assert found[2] == pytest.approx(figures["maximum_drawdown"].value, rel=1e-9)


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    truth = 0.05 * math.sqrt(252)
    covered = 0
    for seed in range(100):
        returns = np.random.default_rng(seed).normal(0.0005, 0.01, 500)
        found = bootstrap_intervals(returns, seed=seed, resamples=300)["sharpe"]
        covered += found.low <= truth <= found.high
    assert covered >= 87


def test_dependence_widens_the_interval() -> None:
    smooth = 0.01 * autoregressive(4, 2000, 0.6) * math.sqrt(1 - 0.36)
    shuffled = np.random.default_rng(5).permutation(smooth)
    widths = [
        (found := bootstrap_intervals(each, seed=1, resamples=500)["sharpe"]).high - found.low
        for each in (smooth, shuffled)
    ]
    assert widths[0] > 1.5 * widths[1]


def test_resamples_without_a_ratio_are_left_out_and_counted() -> None:
    returns = np.zeros(40)
    returns[7] = 0.01
    found = bootstrap_intervals(returns, seed=1, resamples=400)
    assert found["sharpe"].n_resamples < 400
    assert found["cagr"].n_resamples == found["maximum_drawdown"].n_resamples == 400
    assert math.isfinite(found["sharpe"].low)


def test_too_little_is_no_number() -> None:
    short = bootstrap_intervals(np.full(29, 0.01), seed=1)
    assert isinstance(short, Insufficient)
    assert (short.found, short.needed) == (29, 30)
    assert bootstrap_intervals(np.full(300, 0.01), seed=1).reason == "all returns are the same"
    with pytest.raises(ValueError, match="above -1"):
        bootstrap_intervals(np.full(300, -1.0), seed=1)
    with pytest.raises(ValueError, match="at least 30 values"):
        mean_block_length(np.zeros(29))
    with pytest.raises(ValueError, match="of at least 1"):
        stationary_indices(10, 0.5, 10, seed=1)
