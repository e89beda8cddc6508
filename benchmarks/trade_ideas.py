"""Ideas of one evening for 500 symbols upon a year of published votes, beside simulating each with whole arrays.

Run it alone: ``python -m benchmarks.trade_ideas``. The limit is 60 s; 8,000 paths of 5 sessions an idea. The peer is
the same simulation by :func:`gnosis.trading.monte_carlo.linear_outcomes`, which walks every path to its end.
"""

from __future__ import annotations

import time

import numpy as np
import polars as pl

from gnosis.trading.first_exits_kernel import first_exits
from gnosis.trading.ideas import Past
from gnosis.trading.monte_carlo import BARRIER_SHIFT, LinearCosts, LinearEvent, linear_outcomes
from gnosis.trading.parameters import IdeaParameters
from gnosis.trading.price_paths import PathModel, innovations, log_paths
from tests.gnosis.trading.idea_world import IdeaWorld, idea_world

SYMBOLS, YEAR, LIMIT_S = 500, 252, 60.0
PUBLISHED = ("trades.policy_votes", "trades.compositions", "trades.ideas")


def published(world: IdeaWorld) -> Past:
    """Return a year of votes and ideas, drawn once for few symbols and repeated for all."""
    few = idea_world(YEAR, symbols=4, edge=0.3, seed=1).ideas()
    names = sorted(world.predictions["symbol"].unique())
    parts = []
    for name in PUBLISHED:
        rows = few[name]
        copies = [
            rows.filter(pl.col("symbol") == f"S{number % 4}").with_columns(
                symbol=pl.lit(symbol),
                **({"idea_id": pl.col("idea_id") + symbol} if "idea_id" in rows.columns else {}),
            )
            for number, symbol in enumerate(names)
        ]
        parts.append(pl.concat(copies))
    last = world.sessions[-1]
    return Past(*(rows.filter(pl.col("session") < last) for rows in parts))


def simulation_ratio() -> float:
    """Return how much CPU the compiled walk saves against whole arrays, medians of 50 ideas."""
    drawn, sigma = innovations(PathModel("t_jump"), 4_000, 5, 7), 0.015
    event = LinearEvent(1, 0.03, -0.03)
    out = (np.empty(8_000), np.empty(8_000, np.int8), np.empty(8_000, np.int64), np.empty(8_000))

    def compiled() -> None:
        first_exits(drawn, 1e-4, sigma, 1, 0.03, -0.03, BARRIER_SHIFT * sigma, True, *out)

    def arrays() -> None:
        linear_outcomes(log_paths(drawn, 1e-4, sigma), event, LinearCosts(0.0, 0.0), sigma, has_gaps=True)

    compiled()
    spent = []
    for run in (arrays, compiled):
        begun = time.process_time()
        for _ in range(50):
            run()
        spent.append(time.process_time() - begun)
    return spent[0] / spent[1]


def main() -> None:
    """Print the figures."""
    world = idea_world(YEAR, symbols=SYMBOLS, edge=0.3, seed=2)
    last = world.sessions[-1]
    evening = world.until(last, first=last)
    evening = IdeaWorld(
        evening.predictions, evening.tables, evening.bars, evening.labels, evening.signal, IdeaParameters()
    )
    past = published(world)
    few = idea_world(30, symbols=2, seed=3)
    few.ideas()  # compiles
    wall, cpu = time.perf_counter(), time.process_time()
    made = evening.ideas(past)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    rows = made["trades.ideas"]
    print(f"{rows.height} ideas of {last}, {past.votes.height:,} votes and {past.ideas.height:,} ideas before them")
    print(f"{wall:.1f} s wall, {cpu:.1f} CPU-s (limit {LIMIT_S:.0f} s); {(rows['quantity'] != 0).sum()} held")
    print(f"simulation: {simulation_ratio():.1f} times less CPU than whole arrays")


if __name__ == "__main__":
    main()
