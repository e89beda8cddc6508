"""Speed of serving, training and tracking beside the bare libraries, in one run.

Run ``PYTHONPATH=. python benchmarks/learning.py``, with names of parts to run only those: serving, million, training,
sequence, tracking. Ratios matter; absolute figures move with the machine. Calls that are compared alternate, medians
count. The models are fitted to noise with a planted signal, as many rounds as asked for.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from gnosis.learning import models
from gnosis.learning.calibration import fit_calibrator
from gnosis.learning.heads import HEADS
from gnosis.learning.matrix import CATEGORIES, FEATURE_NAMES, feature_list_sha256
from gnosis.learning.problem import Inputs, Problem, TrainedModel
from gnosis.learning.serving import Served

N_CALLS = 10_000
N_PYFUNC_CALLS = 200
N_TURN = 100
N_BULK = 1_000_000
N_TRAINING_ROWS, N_TRAINING_ROUNDS, N_PAIRS = 50_000, 500, 4
N_WINDOWS, N_EPOCHS = 2_000, 100
N_FOLDS = 10
NOTHING = np.empty(0, dtype=np.int64)
LIMITS_US = {"median": 50.0, "p99": 1_000.0}
BULK_LIMIT_S, TRAINING_LIMIT, SEQUENCE_LIMIT_S, TRACKING_LIMIT_S = 5.0, 1.05, 300.0, 3.0


def verdict(value: float, limit: float) -> str:
    return f"limit {limit:g}: {'kept' if value <= limit else 'MISSED'}"


def rows_of(n: int, seed: int) -> Inputs:
    """Noise in every column, codes in the categories, one value in twenty missing; four symbols."""
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((n, len(FEATURE_NAMES)), dtype=np.float32)
    for at, labels in CATEGORIES.items():
        values[:, at] = rng.integers(0, len(labels), n)
    values[rng.random(values.shape, dtype=np.float32) < 0.05] = np.nan
    return Inputs(values, np.arange(n) % 4, np.arange(n) // 4, np.full(n, 0.01))


def target_of(inputs: Inputs, head: str, seed: int) -> np.ndarray:
    """What the head is asked for: the first number of the matrix and noise."""
    signal = np.nan_to_num(inputs.features[:, 0]).astype(np.float64) * 0.3
    value = signal + np.random.default_rng(seed).normal(size=signal.size)
    classes = HEADS[head].n_classes
    if not classes:
        return value
    return np.digitize(value, np.quantile(value, np.arange(1, classes) / classes)).astype(np.float64)


def problem_of(inputs: Inputs, head: str, parameters: dict[str, Any], threads: int = 1) -> Problem:
    n = len(inputs.features)
    target, weights = target_of(inputs, head, 1), np.ones(n)
    return Problem(HEADS[head], inputs, np.arange(n), target, weights, NOTHING, NOTHING, parameters, 7, threads)


def published(
    rounds: int, depth: int, heads: Sequence[str] = tuple(HEADS)
) -> tuple[dict[str, TrainedModel], pl.DataFrame]:
    """Models of heads and their rows of models.trained, as far as serving reads them."""
    inputs, later = rows_of(5_000, 2), rows_of(2_000, 3)
    parameters = {**models.PARAMETERS["xgboost"], "max_rounds": rounds, "max_depth": depth}
    fitted, rows = {}, []
    for name in heads:
        head = HEADS[name]
        fitted[name] = models.fit("xgboost", problem_of(inputs, name, parameters, threads=2))
        calibrator = None
        if head.is_classes:
            days = np.arange(2_000)
            raw = fitted[name].predict(later, days)
            calibrator = fit_calibrator(raw, target_of(later, name, 4).astype(np.int64), days, days)
        rows.append(
            {
                "horizon_bars": 5,
                "head": name,
                "fold": 0,
                "model_name": "xgboost",
                "model_version": f"{name}-h5-f0",
                "feature_list_sha256": feature_list_sha256(),
                "calibrator": calibrator.to_json() if calibrator else None,
                "residual_error": None if calibrator else 1.0,
                "model_bytes": fitted[name].to_bytes(),
            }
        )
    return fitted, pl.DataFrame(rows)


def distribution(calls: dict[str, tuple[int, Callable[[int], object]]]) -> None:
    """Time calls one by one, by turns of a hundred so that each is warm, and print each one's ratio to the first."""
    taken: dict[str, list[int]] = {name: [] for name in calls}
    for first in range(0, max(n for n, _ in calls.values()), N_TURN):
        for name, (n, call) in calls.items():
            for at in range(first, min(first + N_TURN, n)):
                start = time.perf_counter_ns()
                call(at)
                taken[name].append(time.perf_counter_ns() - start)
    own = statistics.median(next(iter(taken.values())))
    for name, found in taken.items():
        median, p95, p99 = (float(np.quantile(found, q)) / 1e3 for q in (0.5, 0.95, 0.99))
        print(
            f"  {name:<46} median {median:9.1f} us  p95 {p95:9.1f}  p99 {p99:9.1f}  {median * 1e3 / own:8.1f} x own  "
            f"({len(found):,} calls)"
        )
        if name.startswith("serving"):
            kept = {"median": median, "p99": p99}
            print("    " + "; ".join(f"{key} {verdict(kept[key], limit)}" for key, limit in LIMITS_US.items()))


def pyfunc_of(booster: Any, folder: Path) -> Any:
    """Load a booster the way MLflow serves it, with a signature."""
    import mlflow.pyfunc
    import mlflow.xgboost
    from mlflow.models import ModelSignature
    from mlflow.types.schema import ColSpec, Schema

    columns = Schema([ColSpec("float", name, required=False) for name in FEATURE_NAMES])
    requirements = ["xgboost"]
    mlflow.xgboost.save_model(
        booster,
        str(folder),
        signature=ModelSignature(inputs=columns),
        pip_requirements=requirements,
        model_format="ubj",
    )
    return mlflow.pyfunc.load_model(str(folder))


def serving() -> None:
    """One row through the serving path beside XGBoost's own calls and MLflow's wrapper."""
    import pandas as pd
    import xgboost as xgb

    print(
        f"\nOne row of {len(FEATURE_NAMES)} features, calibrated, one thread, warm; "
        f"load of the machine {os.getloadavg()[0]:.1f}"
    )
    fitted, rows = published(models.PARAMETERS["xgboost"]["max_rounds"], models.PARAMETERS["xgboost"]["max_depth"])
    inputs = rows_of(1_000, 5)
    values = inputs.features
    direction, every = Served.of(rows.filter(pl.col("head") == "direction")), Served.of(rows)
    booster: xgb.Booster = fitted["direction"].booster  # type: ignore[attr-defined]
    native = booster.inplace_predict(values, predict_type="margin")
    fast = direction.forest.margins(values)
    print(
        f"  margins equal to the native ones bit for bit: {native.tobytes() == fast.tobytes()} ({len(values):,} rows)"
    )
    softmax = booster.inplace_predict(values)
    raw = direction.answers(values, np.full(len(values), 0.01))[:, 3:6]
    print(f"  largest difference to XGBoost's own float32 probabilities: {np.abs(raw - softmax).max():.1e}")
    calls: dict[str, tuple[int, Callable[[int], object]]] = {
        "serving path, direction": (N_CALLS, lambda at: direction.answer(values[at % 1000], 0.01)),
        "serving path, five heads": (N_CALLS, lambda at: every.answer(values[at % 1000], 0.01)),
        "XGBoost inplace_predict, uncalibrated": (
            N_CALLS,
            lambda at: booster.inplace_predict(values[at % 1000 : at % 1000 + 1]),
        ),
    }
    frames = [pd.DataFrame(values[at : at + 1], columns=list(FEATURE_NAMES)) for at in range(100)]
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wrapped = pyfunc_of(booster, Path(folder) / "model")
        calls["MLflow pyfunc, uncalibrated"] = (N_PYFUNC_CALLS, lambda at: wrapped.predict(frames[at % 100]))
        distribution(calls)
    deep = Served.of(published(500, 6, heads=("direction",))[1])
    print("  A model near the end of the search space: 500 rounds of depth 6")
    distribution({"serving path, direction": (N_CALLS, lambda at: deep.answer(values[at % 1000], 0.01))})


def million() -> None:
    """A million rows through the serving path beside XGBoost's own call."""
    print(f"\n{N_BULK:,} rows of {len(FEATURE_NAMES)} features, calibrated direction")
    fitted, rows = published(models.PARAMETERS["xgboost"]["max_rounds"], models.PARAMETERS["xgboost"]["max_depth"])
    served = Served.of(rows.filter(pl.col("head") == "direction"))
    booster: Any = fitted["direction"].booster  # type: ignore[attr-defined]
    values = np.tile(rows_of(10_000, 6).features, (N_BULK // 10_000, 1))
    scale = np.full(N_BULK, 0.01)
    answers: dict[int, bytes] = {}
    for threads in (1, 2):
        start = time.perf_counter()
        answers[threads] = served.answers(values, scale, threads).tobytes()
        own = time.perf_counter() - start
        booster.set_param({"nthread": threads})
        start = time.perf_counter()
        booster.inplace_predict(values)
        native = time.perf_counter() - start
        print(
            f"  {threads} threads: {own:6.2f} s ({verdict(own, BULK_LIMIT_S)}); XGBoost uncalibrated {native:6.2f} s, "
            f"{native / own:.1f} x own"
        )
    print(f"  the same bytes with one and two threads: {answers[1] == answers[2]}")


def training() -> None:
    """A fit of the published family beside the same calls to the bare library."""
    import xgboost as xgb

    print(f"\nXGBoost, {N_TRAINING_ROUNDS} rounds on {N_TRAINING_ROWS:,} x {len(FEATURE_NAMES)}, one thread")
    inputs = rows_of(N_TRAINING_ROWS, 8)
    problem = problem_of(inputs, "return", {**models.PARAMETERS["xgboost"], "max_rounds": N_TRAINING_ROUNDS})
    settings = {name: value for name, value in problem.parameters.items() if name not in ("max_rounds", "patience")}
    settings |= {"objective": "reg:squarederror", "tree_method": "hist", "nthread": 1, "seed": problem.seed}

    def bare() -> bytes:
        data = xgb.QuantileDMatrix(
            inputs.features,
            label=problem.target,
            weight=problem.weights,
            feature_names=list(FEATURE_NAMES),
            feature_types=["c" if at in CATEGORIES else "q" for at in range(len(FEATURE_NAMES))],
            enable_categorical=True,
            max_bin=settings["max_bin"],
            nthread=1,
        )
        return bytes(xgb.train(settings, data, num_boost_round=N_TRAINING_ROUNDS).save_raw(raw_format="ubj"))

    fits = {"gnosis": lambda: models.fit("xgboost", problem).to_bytes(), "library": bare}
    ratios, seconds = [], []
    for turn in range(N_PAIRS):
        taken = {}
        for name in ("gnosis", "library") if turn % 2 else ("library", "gnosis"):
            start = time.process_time()
            fits[name]()
            taken[name] = time.process_time() - start
        ratios.append(taken["gnosis"] / taken["library"])
        seconds.append(taken["gnosis"])
    ratio = statistics.median(ratios)
    print(
        f"  gnosis {statistics.median(seconds):.1f} processor s; gnosis/library, median of {N_PAIRS} pairs {ratio:.3f} "
        f"({verdict(ratio, TRAINING_LIMIT)}), from {min(ratios):.3f} to {max(ratios):.3f}"
    )


def sequence() -> None:
    """All epochs of the sequence model on the sample."""
    print(f"\nSequence model, {N_EPOCHS} epochs on {N_WINDOWS:,} windows, one thread")
    if not models.is_installed("sequence"):
        print("  not installed: uv sync --extra sequence")
        return
    parameters = {**models.PARAMETERS["sequence"], "epochs": N_EPOCHS}
    start = time.perf_counter()
    models.fit("sequence", problem_of(rows_of(N_WINDOWS, 9), "direction", parameters))
    taken = time.perf_counter() - start
    print(f"  {taken:.1f} s ({verdict(taken, SEQUENCE_LIMIT_S)})")


def tracking() -> None:
    """What logging a training takes beyond training: a parent run with nested folds, models registered."""
    from resources.tracking import Tracking
    from tests.resources.trainings import training_of

    print(f"\nMLflow, a parent run with {N_FOLDS} nested folds on SQLite")
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        store = Tracking(Path(folder))
        store.create()
        for name, training in (("first", training_of(n_folds=1)), ("warm", training_of(n_folds=N_FOLDS, seed=5))):
            start = time.perf_counter()
            store.log_training(training)
            taken = time.perf_counter() - start
            print(
                f"  {name}, {training.folds.height} folds: {taken:.2f} s"
                + ("" if name == "first" else f" ({verdict(taken, TRACKING_LIMIT_S)})")
            )


PARTS = {part.__name__: part for part in (serving, million, training, sequence, tracking)}


def main() -> None:
    for name in sys.argv[1:] or PARTS:
        PARTS[name]()


if __name__ == "__main__":
    main()
