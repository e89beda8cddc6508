"""Reality check and superior predictive ability: B-12.8 and vector V8; ``arch`` on the same resamples is the oracle."""

from __future__ import annotations

import numpy as np
import pytest

from gnosis.backtest.predictive_ability import superior_predictive_ability
from gnosis.backtest.resampling import stationary_indices
from gnosis.backtest.resampling_kernel import long_run_variances
from gnosis.backtest.significance import Insufficient


def dependent(seed: int, n: int = 300, models: int = 6, drift: float = 0.0) -> np.ndarray:
    shocks = np.random.default_rng(seed).standard_normal((n + 1, models)) * np.linspace(0.5, 3, models)
    return shocks[1:] + 0.4 * shocks[:-1] + np.linspace(-0.6, 0.2, models) + drift


def of_arch(excess: np.ndarray, block: int, resamples: int, seed: int):
    """``arch`` compares mean losses and studentises nothing, whatever it is told; the seed gives our resamples."""
    from arch.bootstrap import SPA

    test = SPA(np.zeros(len(excess)), -excess, block_size=block, reps=resamples, seed=np.random.default_rng(seed))
    test.compute()
    return test


def test_resamples_are_those_of_arch() -> None:
    from arch.bootstrap import StationaryBootstrap

    rows = np.arange(50)
    theirs = [data[0][0] for data in StationaryBootstrap(5, rows, seed=np.random.default_rng(9)).bootstrap(20)]
    assert np.array_equal(stationary_indices(50, 5, 20, seed=9), np.array(theirs))


@pytest.mark.parametrize("seed", range(4))
def test_variances_are_those_of_arch(seed) -> None:
    excess = dependent(seed)
    theirs = of_arch(excess, 7, 2, 0)._loss_diff_var
    assert long_run_variances(excess - excess.mean(axis=0), 1 / 7) == pytest.approx(theirs, rel=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_p_values_are_those_of_arch(seed) -> None:
    """On excesses that have one long-run variance studentising changes no order, and both tests are the same."""
    excess = dependent(seed)
    error = np.sqrt(of_arch(excess, 7, 2, 0)._loss_diff_var)
    found = superior_predictive_ability(excess, seed=seed, resamples=400, mean_block=7)
    theirs = of_arch(excess / error, 7, 400, seed).pvalues
    assert (found.lower, found.consistent, found.upper) == tuple(theirs[["lower", "consistent", "upper"]])
    assert found.reality_check == of_arch(excess, 7, 400, seed).pvalues["upper"]
    assert 0 < found.lower < found.upper < 1


def test_noise_is_rejected_about_as_often_as_it_should_be() -> None:
    rejected = 0
    for seed in range(200):
        excess = np.random.default_rng(seed).standard_normal((250, 10))
        found = superior_predictive_ability(excess, seed=seed, resamples=400)
        assert found.lower <= found.consistent <= found.upper
        rejected += found.consistent < 0.05
    assert 2 <= rejected <= 20


def test_one_better_model_is_found() -> None:
    excess = np.random.default_rng(11).standard_normal((1000, 20))
    excess[:, 13] += 0.3
    found = superior_predictive_ability(excess, seed=1, resamples=2000)
    assert found.consistent < 0.01
    assert found.best == 13


def test_bad_models_do_not_shield_a_good_one() -> None:
    """Hansen (2005): the reality check loses its power to hopeless models of great variance, this test does not."""
    rng = np.random.default_rng(12)
    good = rng.standard_normal((500, 1)) + 0.12
    hopeless = 20 * rng.standard_normal((500, 30)) - 6
    found = superior_predictive_ability(np.hstack([good, hopeless]), seed=1, resamples=1000)
    assert found.consistent < 0.05 < found.reality_check


def test_no_better_model_is_no_evidence() -> None:
    excess = np.random.default_rng(13).standard_normal((200, 3)) - 2
    found = superior_predictive_ability(excess, seed=1, resamples=100)
    assert (found.lower, found.consistent, found.upper, found.reality_check) == (1, 1, 1, 1)
    assert (found.statistic, found.best) == (0, None)


def test_a_model_equal_to_the_benchmark_changes_nothing() -> None:
    excess = dependent(3)
    with_copy = superior_predictive_ability(np.column_stack([np.zeros(300), excess]), seed=1, resamples=200)
    without = superior_predictive_ability(excess, seed=1, resamples=200)
    assert (with_copy.consistent, with_copy.best) == (without.consistent, without.best + 1)
    assert superior_predictive_ability(np.zeros((300, 2)), seed=1).consistent == 1


def test_too_little_is_no_number() -> None:
    short = superior_predictive_ability(dependent(0)[:29], seed=1)
    assert isinstance(short, Insufficient)
    assert (short.statistic, short.found, short.needed) == ("spa", 29, 30)
    assert superior_predictive_ability(np.empty((300, 0)), seed=1).unit == "models"
    with pytest.raises(ValueError, match="finite excess"):
        superior_predictive_ability(np.full((300, 2), np.inf), seed=1)


def test_a_model_without_an_error_is_told_and_not_left_out() -> None:
    found = superior_predictive_ability(np.column_stack([dependent(0)[:, 0], np.full(300, 0.1)]), seed=1)
    assert found == Insufficient("spa", 300, None, "returns", "the excess performance of models 1 has no error")
