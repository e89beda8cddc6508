"""Probability of backtest overfitting: B-12.7, vectors V7 and V9, and a slow twin of the loop."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest

from gnosis.backtest.overfitting import Overfitting, probability_of_overfitting
from gnosis.backtest.significance import Insufficient


def noise(seed: int, edge: float = 0.0) -> np.ndarray:
    returns = np.random.default_rng(seed).standard_normal((1000, 50))
    returns[:, 0] += edge
    return returns


def slow_cscv(returns: list[list[float]], n_blocks: int) -> tuple[list[float], list[float], list[float]]:
    """CSCV by the text: every half, every Sharpe ratio from the returns themselves, ranks by counting."""

    def sharpe(values: list[float]) -> float:
        mean = sum(values) / len(values)
        return mean / math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))

    size = len(returns) // n_blocks
    blocks = [returns[at * size : (at + 1) * size] for at in range(n_blocks)]
    ranks, inside, outside = [], [], []
    for chosen in combinations(range(n_blocks), n_blocks // 2):
        halves = [[row for at in range(n_blocks) if (at in chosen) == side for row in blocks[at]] for side in (1, 0)]
        first, second = ([sharpe(list(column)) for column in zip(*half, strict=True)] for half in halves)
        best = first.index(max(first))
        below = sum(value < second[best] for value in second)
        equal = sum(value == second[best] for value in second)
        ranks.append((below + (equal + 1) / 2) / (len(second) + 1))
        inside.append(first[best])
        outside.append(second[best])
    return ranks, inside, outside


def test_single_draws_of_the_specification() -> None:
    assert probability_of_overfitting(noise(0), 10).probability == 83 / 252
    assert probability_of_overfitting(noise(0, 0.15), 10).probability == 7 / 252


def test_means_of_the_specification() -> None:
    pure = [probability_of_overfitting(noise(seed), 10).probability for seed in range(20)]
    edge = [probability_of_overfitting(noise(seed, 0.15), 10).probability for seed in range(20)]
    assert np.mean(pure) == pytest.approx(0.475, abs=5e-4)
    assert np.mean(edge) == pytest.approx(0.086, abs=5e-4)
    assert (min(pure), max(pure)) == (pytest.approx(0.05, abs=5e-3), pytest.approx(0.76, abs=5e-3))


def test_splits_of_the_specification() -> None:
    found = probability_of_overfitting(noise(1), 16)
    assert (found.n_splits, found.logits.size, found.n_rows) == (12_870, 12_870, 992)
    assert probability_of_overfitting(noise(1), 10).n_splits == 252


@pytest.mark.parametrize("seed", range(3))
def test_the_loop_is_its_slow_twin(seed) -> None:
    rng = np.random.default_rng(seed)
    returns = 0.01 * rng.standard_normal((63, 7)) + rng.normal(0, 0.003, 7)
    ranks, inside, outside = slow_cscv(returns[:60].tolist(), 6)
    found = probability_of_overfitting(returns, 6)
    assert found.logits == pytest.approx([math.log(rank / (1 - rank)) for rank in ranks])
    assert found.probability == sum(rank <= 0.5 for rank in ranks) / 20
    assert found.probability_of_loss == sum(value < 0 for value in outside) / 20
    assert found.slope == pytest.approx(np.polyfit(inside, outside, 1)[0])


def test_equals_share_their_rank() -> None:
    """Every configuration twice: the best is tied with its copy out of sample, and the ranks stay symmetric."""
    returns = np.random.default_rng(2).standard_normal((80, 4))
    single, double = (probability_of_overfitting(each, 4) for each in (returns, np.repeat(returns, 2, axis=1)))
    rank = 1 / (1 + np.exp(-single.logits)) * 5
    assert 1 / (1 + np.exp(-double.logits)) * 9 == pytest.approx(2 * rank - 0.5)


def test_configurations_that_are_all_the_same_are_a_coin() -> None:
    column = np.random.default_rng(4).standard_normal((200, 1))
    found = probability_of_overfitting(np.repeat(column, 5, axis=1), 4)
    assert (found.logits == 0).all()
    assert found.probability == 1.0


def test_a_steady_edge_is_found_however_far_the_returns_are_from_zero() -> None:
    returns = 0.01 * noise(3)
    shifted = probability_of_overfitting(returns + np.linspace(0, 5, 50), 8)
    assert shifted.probability == 0.0
    assert shifted.probability_of_loss == 0.0


@pytest.mark.parametrize(
    ("returns", "found", "needed", "unit"),
    [
        (noise(0)[:, :1], 1, 2, "configurations"),
        (noise(0)[:79], 79, 80, "returns"),
        (np.column_stack([noise(0), np.r_[np.zeros(496), np.ones(248), np.zeros(256)]]), 1000, None, "returns"),
    ],
)
def test_too_little_is_no_number(returns, found, needed, unit) -> None:
    answer = probability_of_overfitting(returns)
    assert isinstance(answer, Insufficient)
    assert (answer.statistic, answer.found, answer.needed, answer.unit) == ("pbo", found, needed, unit)


def test_one_that_trades_seldom_still_has_a_ratio_in_every_half() -> None:
    seldom = np.zeros(1000)
    seldom[::40] = np.random.default_rng(8).standard_normal(25)
    assert isinstance(probability_of_overfitting(np.column_stack([noise(0), seldom])), Overfitting)


def test_impossible_requests_are_named() -> None:
    with pytest.raises(ValueError, match="even number of blocks"):
        probability_of_overfitting(noise(0), 15)
    with pytest.raises(ValueError, match="finite returns"):
        probability_of_overfitting(np.where(noise(0) > 3, np.nan, noise(0)))
