"""Speed of all options structures over one chain of 20,000 contracts beside a loop over candidates, in one run.

Run ``python benchmarks/structures.py``. From quotes and a fitted surface to a ranking: every admissible combination
inside five delta points is priced at bid and ask, bounded exactly (later legs revalued on 450 prices), given both
probabilities of profit, margin and Greeks, and scored by expected log growth under a forecast. The loop does a sample
of the same candidates one by one, with numpy over prices, and has to agree. Ratios matter; absolute figures move with
the machine. The limit is one second of wall time with two threads.
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from gnosis.trading.structures import (
    STRUCTURES,
    Execution,
    OptionChain,
    PriceForecast,
    RankedCandidates,
    SizeRule,
    candidate_frame,
    lognormal_forecast,
    margin_rule,
    option_chain,
    ranked_candidates,
)
from tests.gnosis.trading.structures.flat_market import frames, skewed_slice
from tests.gnosis.trading.structures.naive_candidates import grids_of, naive_candidate

DAYS = [*range(1, 46, 2), *range(50, 96, 5), *range(110, 511, 25)]
STRIKES = np.arange(50.0, 150.0, 0.5)
FEE_USD = 0.65
LIMIT_SECONDS = 1.0
ROUNDS = 7
SAMPLE = 200


def main() -> int:
    """Print the figures; 1 when the limit is missed or the loop disagrees."""
    quotes, greeks, surface = frames(DAYS, strikes=STRIKES, half_spread=0.01, style="A", smile=skewed_slice)
    execution, size = Execution(fee_usd_per_contract=FEE_USD), SizeRule()

    def run(threads: int) -> tuple[OptionChain, PriceForecast, RankedCandidates, pl.DataFrame]:
        chain = option_chain(quotes, greeks, surface)
        forecast = lognormal_forecast(chain, 0.05, 0.17)
        rule = margin_rule(chain.session)
        ranked = ranked_candidates(chain, STRUCTURES, forecast, execution, rule, size, threads=threads)
        return chain, forecast, ranked, candidate_frame(chain, ranked, forecast)

    chain, forecast, ranked, frame = run(1)
    walls: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(ROUNDS):
        for threads, taken in walls.items():
            start = time.perf_counter()
            run(threads)
            taken.append(time.perf_counter() - start)
    found = frame["structure"].n_unique()
    print(f"{quotes.height:,} contracts, {found} structures with candidates, {frame.height:,} candidates")
    for threads, taken in walls.items():
        print(f"  {threads} thread(s): median {statistics.median(taken):.3f} s, best {min(taken):.3f} s")

    rows = np.sort(np.random.default_rng(5).choice(frame.height, SAMPLE, replace=False))
    grids = grids_of(chain, forecast, ranked)
    start = time.perf_counter()
    naive = [
        naive_candidate(chain, forecast, ranked, row, grids[int(ranked.candidates.near[row])], size, FEE_USD)
        for row in rows
    ]
    each = (time.perf_counter() - start) / SAMPLE
    own = statistics.median(walls[2]) / frame.height
    print(
        f"  loop over candidates: {1e6 * each:.0f} us each, gnosis {1e6 * own:.1f} us: {each / own:.0f} times as fast"
    )
    growth = np.array([row[-2] for row in naive])
    difference = float(np.abs(growth - ranked.scores.log_growth[rows]).max())
    print(f"  expected log growth differs from the loop by at most {difference:.1e}")
    return int(statistics.median(walls[2]) > LIMIT_SECONDS or difference > 1e-4)


if __name__ == "__main__":
    raise SystemExit(main())
