"""How often the backtest room tells the truth about markets of which everything is known.

Run ``PYTHONPATH=. python benchmarks/backtest_truth.py [MARKETS]``, with names of parts to run only those: planted,
placebo, costs, edge, no_edge. Beside each rate stand the fewest and the most markets that its nominal rate explains at
99 % on each side; a rate is marked where it lies outside. 200 markets of everything take about ten minutes on one core.
"""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gnosis.backtest import Configuration
from tests.gnosis.backtest import test_backtest_known_truth as truth

SESSIONS = 504
RESAMPLES = 2000
PLACEBOS = 10
EDGE = 0.3
"""Mean of the next return in its standard deviations, before costs."""
FIRST_SEED = 10_000
"""The fast tests have the seeds below."""


@dataclass(frozen=True)
class Nominal:
    """The rate that a statement should hold at, and which side of it is an error."""

    rate: float
    is_least: bool = True
    is_most: bool = True


Found = dict[str, list[bool]]
"""By statement, whether it held."""

NOMINAL = {
    "interval of the Sharpe ratio holds the planted one": Nominal(0.95, is_most=False),
    "interval of the Sharpe ratio lies below the planted one": Nominal(0.025, is_least=False),
    "interval of the Sharpe ratio lies above the planted one": Nominal(0.025, is_least=False),
    "PSR of a placebo of at least 0.95": Nominal(0.05),
    "DSR of the best placebo of at least 0.95": Nominal(0.05, is_least=False),
    "SPA of the placebos rejects at 0.05": Nominal(0.05, is_least=False),
    "with costs: PSR of a placebo of at least 0.95": Nominal(0.05, is_least=False),
    "with costs: DSR of the best placebo of at least 0.95": Nominal(0.05, is_least=False),
    "without edge: DSR of at least 0.95": Nominal(0.05, is_least=False),
    "without edge: SPA rejects at 0.05": Nominal(0.05, is_least=False),
}
"""Statements that are not here are told without bounds: power has no nominal rate, and costs help whoever trades less,
so that placebos are no draws of the null hypothesis of the SPA against buy-and-hold."""


def planted(seed: int) -> Found:
    """A Sharpe ratio known after costs."""
    worth = truth.true_sharpe_per_year(EDGE)
    _, low, high = truth.published_sharpe(SESSIONS, seed, EDGE, RESAMPLES)
    return {
        "interval of the Sharpe ratio holds the planted one": [low <= worth <= high],
        "interval of the Sharpe ratio lies below the planted one": [high < worth],
        "interval of the Sharpe ratio lies above the planted one": [low > worth],
    }


def _placebos(seed: int, configuration: Configuration, before: str) -> Found:
    found = truth.judged_placebos(SESSIONS, seed, PLACEBOS, configuration)
    return {
        f"{before}PSR of a placebo of at least 0.95": [chance >= 0.95 for chance in found["psr"]],
        f"{before}DSR of the best placebo of at least 0.95": [found["dsr_all_trials"][0] >= 0.95],
        f"{before}SPA of the placebos rejects at 0.05": [found["spa_consistent_p"][0] <= 0.05],
    }


def placebo(seed: int) -> Found:
    """Coins on a random walk, for nothing."""
    return _placebos(seed, truth.FREE, "")


def costs(seed: int) -> Found:
    """The same coins, who pay."""
    return _placebos(seed, truth.COSTLY, "with costs: ")


def _signal(seed: int, planted_edge: float, before: str) -> Found:
    told = truth.judged_signal(SESSIONS, seed, planted_edge)
    return {
        f"{before}DSR of at least 0.95": [told["dsr_all_trials"] >= 0.95],
        f"{before}DSR by effective trials of at least 0.95": [told["dsr_effective_trials"] >= 0.95],
        f"{before}SPA rejects at 0.05": [told["spa_consistent_p"] <= 0.05],
    }


def edge(seed: int) -> Found:
    """A planted edge beside twenty coins."""
    return _signal(seed, EDGE, "planted edge: ")


def no_edge(seed: int) -> Found:
    """A signal that knows nothing beside twenty coins."""
    return _signal(seed, 0.0, "without edge: ")


PARTS: dict[str, Callable[[int], Found]] = {
    "planted": planted,
    "placebo": placebo,
    "costs": costs,
    "edge": edge,
    "no_edge": no_edge,
}


def main(arguments: list[str]) -> None:
    n_markets = next((int(each) for each in arguments if each.isdigit()), 200)
    print(f"{'statement':<58} {'held':>6} {'of':>6} {'rate':>7} {'fewest':>7} {'most':>6}")
    for part in [each for each in arguments if each in PARTS] or list(PARTS):
        begun = time.perf_counter()
        found: Found = defaultdict(list)
        for seed in range(FIRST_SEED, FIRST_SEED + n_markets):
            for statement, values in PARTS[part](seed).items():
                found[statement].extend(values)
        for statement, values in found.items():
            print(told(statement, values))
        print(f"{part} took {time.perf_counter() - begun:.0f} s", flush=True)


def told(statement: str, values: list[bool]) -> str:
    """Return the line of a statement, marked where its rate is not the nominal one."""
    held, n = int(np.sum(values)), len(values)
    line = f"{statement:<58} {held:6d} {n:6d} {held / n:7.3f}"
    if statement not in NOMINAL:
        return line
    nominal = NOMINAL[statement]
    least, most = truth.binomial_range(n, nominal.rate)
    is_outside = (nominal.is_least and held < least) or (nominal.is_most and held > most)
    bounds = f" {least if nominal.is_least else '':>7} {most if nominal.is_most else '':>6}"
    return line + bounds + (" outside" if is_outside else "")


if __name__ == "__main__":
    main(sys.argv[1:])
