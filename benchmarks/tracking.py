"""What tracking adds to a training: a parent run with ten nested folds in MLflow's SQLite store.

Run ``python benchmarks/tracking.py``. The first log of a home imports MLflow and creates its store; later ones count
against the limit, with and without a study of hyper-parameters in one fold.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from resources.tracking import Tracking
from tests.resources.trainings import training_of

FOLDS = 10
ROUNDS = 5
LIMIT_S = 3.0


def logged_s(tracking: Tracking, seed: int, *, with_study: bool) -> tuple[float, float]:
    """Return wall and CPU seconds of logging one new training."""
    training = training_of(n_folds=FOLDS, seed=seed, with_study=with_study)
    wall, cpu = time.perf_counter(), time.process_time()
    tracking.log_training(training)
    return time.perf_counter() - wall, time.process_time() - cpu


def main() -> None:
    """Print the seconds of the first log and of later ones beside the limit."""
    with tempfile.TemporaryDirectory() as folder:
        tracking = Tracking(Path(folder))
        wall, cpu = logged_s(tracking, 0, with_study=False)
        print(f"first log of a home, imports and store included: {wall:.2f} s wall, {cpu:.2f} s CPU")
        for label, with_study in (("later log", False), ("later log with a study of 30 trials", True)):
            seeds = range(1 + ROUNDS * with_study, 1 + ROUNDS * (1 + with_study))
            rounds = [logged_s(tracking, seed, with_study=with_study) for seed in seeds]
            wall, cpu = (statistics.median(figures) for figures in zip(*rounds, strict=True))
            verdict = "yes" if wall < LIMIT_S else "NO"
            print(
                f"{label}, parent and {FOLDS} folds: {wall:.2f} s wall, {cpu:.2f} s CPU; limit {LIMIT_S} s: {verdict}"
            )


if __name__ == "__main__":
    main()
