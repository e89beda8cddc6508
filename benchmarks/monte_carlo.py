"""Monte Carlo of one idea: 10,000 paths of 20 steps, by model, beside walking each path in Python.

Run it alone: ``python benchmarks/monte_carlo.py``. Medians of 30 rounds on one core; the limit is 20 ms an idea.
"""

from __future__ import annotations

import math
import statistics
import time

import numpy as np

from gnosis.trading.monte_carlo import LinearCosts, LinearEvent, figures, linear_outcomes
from gnosis.trading.price_paths import PathModel, innovations, log_paths, path_model

N_PAIRS, N_STEPS, ROUNDS, LIMIT_MS = 5_000, 20, 30, 20.0
SIGMA = 0.24 / math.sqrt(252)
EVENT, COSTS = LinearEvent(1, math.log(1.06), math.log(0.98)), LinearCosts(0.0005, 0.0005)


def models() -> list[PathModel]:
    """Return one model of each kind; the residuals are those of a Student t."""
    residuals = np.random.default_rng(1).standard_t(4, 504)
    return [PathModel("gbm"), path_model(residuals, np.ones(504)), PathModel("t_jump")]


def simulated(model: PathModel, seed: int) -> dict[str, float]:
    """Return the figures of one idea."""
    paths = log_paths(innovations(model, N_PAIRS, N_STEPS, seed), 0.0, SIGMA)
    return figures(linear_outcomes(paths, EVENT, COSTS, SIGMA, has_gaps=model.name != "gbm"), N_PAIRS)


def walked(seed: int) -> float:
    """Return the share of Gaussian paths that meet the target first, each walked step by step."""
    drawn = innovations(PathModel("gbm"), N_PAIRS, N_STEPS, seed).tolist()
    n_target = 0
    for path in drawn:
        level = 0.0
        for step in path:
            level += SIGMA * step
            if level <= EVENT.stop_log:
                break
            if level >= EVENT.target_log:
                n_target += 1
                break
    return n_target / len(drawn)


def milliseconds(work: object, rounds: int) -> float:
    """Return the median wall time of calling ``work`` with the number of the round."""
    taken = []
    for number in range(rounds):
        start = time.perf_counter()
        work(number)  # type: ignore[operator]
        taken.append(1e3 * (time.perf_counter() - start))
    return statistics.median(taken)


def main() -> None:
    print(f"{2 * N_PAIRS:,} paths x {N_STEPS} steps, with all published figures; limit {LIMIT_MS:g} ms")
    loop = milliseconds(walked, 5)
    print(f"{'walking each path in Python, target only':<44}{loop:8.1f} ms")
    for model in models():
        ours = milliseconds(lambda number, model=model: simulated(model, number), ROUNDS)
        verdict = "kept" if ours < LIMIT_MS else "missed"
        print(f"{model.name:<44}{ours:8.1f} ms   limit {verdict}; the loop takes {loop / ours:.1f} times as long")


if __name__ == "__main__":
    main()
