"""Trainings as MLflow runs: what is handed over, and what is shown of it in Dagster."""

from __future__ import annotations

import hashlib
import re
import resource
from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl

from gnosis import learning
from gnosis.backtest.trials import count_trials
from gnosis.learning.fitting import DESCRIPTION
from gnosis.learning.folds import STEP_SESSIONS, TEST_SESSIONS, TRAIN_SESSIONS
from gnosis.learning.heads import HEADS, PUBLISHED
from gnosis.learning.labels import DEAD_ZONE, HALF_LIFE
from gnosis.learning.material import trial_family
from gnosis.learning.matrix import FEATURE_NAMES
from gnosis.learning.training import configuration_of
from resources.code_identity import code_sha256, git_state, lock_sha256

if TYPE_CHECKING:
    from collections.abc import Mapping

    from assets.fit_clock import FitClock
    from assets.night import Night

TIMED_CALLS = 200


def universe_of(rows: pl.DataFrame) -> str:
    """Return the short name of the symbols trained on, as registered models have it.

    Examples
    --------
    >>> universe_of(pl.DataFrame({"symbol": ["SPY", "AAPL"]}))
    'aapl-spy'
    """
    symbols = rows["symbol"].unique().sort()
    name = re.sub(r"[^a-z0-9-]", "_", "-".join(symbols).lower())
    return name if len(name) <= 40 else f"{len(symbols)}-symbols-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def tags_of(night: Night) -> dict[str, str]:
    """Return where a training came from (L-10.2)."""
    commit, dirty = git_state()
    return {
        "dagster_run_id": night.run_id,
        "asset": "models.trained",
        "partition": night.last.isoformat(),
        "git_commit": commit,
        "dirty": dirty,
        "code_sha256": code_sha256(),
        "lock_sha256": lock_sha256(),
        "model_family": PUBLISHED,
        "threads": "1",
    }


def log(
    night: Night,
    horizon: int,
    features: pl.DataFrame,
    rows: pl.DataFrame,
    trained: pl.DataFrame,
    folds: pl.DataFrame,
    evaluation: pl.DataFrame,
    judged: pl.DataFrame,
    *,
    with_ablation: bool,
) -> Mapping[str, object]:
    """Log each head's training that is not logged yet, register its models, and return links to show in Dagster.

    ``with_ablation`` fits the newest model of the direction without each group of features: thirty fits.
    """
    from resources.tracking import TrackingError, Training, recorded_run

    configuration = {
        "labels": {"horizon_bars": horizon, "half_life": HALF_LIFE, "dead_zone": DEAD_ZONE},
        "folds": {"train": TRAIN_SESSIONS, "test": TEST_SESSIONS, "step": STEP_SESSIONS, "anchored": False},
        "fitting": DESCRIPTION,
    }
    studies, ledger = night.read_all("models.studies"), night.ledger.rows()
    shown: dict[str, object] = {}
    for head in HEADS:
        models = trained.filter(pl.col("head") == head)
        if models.is_empty():
            continue
        run_id = recorded_run(night.tracking, models)
        if run_id is None:
            training = Training(
                horizon_bars=horizon,
                head=head,
                universe=universe_of(rows),
                trained=models,
                folds=folds,
                studies=studies.filter(pl.col("head") == head),
                evaluation=evaluation.filter(pl.col("head") == head),
                scored=judged.filter(pl.col("head") == head),
                importance=learning.permutation_importance(features, rows, models, HEADS[head]),
                configuration={**configuration, "models": configuration_of(models)},
                tags=tags_of(night),
                dagster_url=night.tracking.dagster_url,
                example=features.select(FEATURE_NAMES).tail(3),
                tables=_tables(features, rows, trained, folds, horizon, head, with_ablation=with_ablation),
                measured=_measured(night, features, rows, trained, models),
                n_trials=count_trials(ledger, trial_family(rows["symbol"], horizon, head)),
            )
            try:
                run_id = night.tracking.log_training(training)
            except TrackingError as error:
                night.warn(str(error))
                return {**shown, "mlflow_error": str(error)}
        shown[f"mlflow_run_{head}"] = dg.MetadataValue.url(night.tracking.run_url(run_id))
    return shown


def remember_fitting(night: Night, horizon: int, rows: pl.DataFrame, trained: pl.DataFrame, clock: FitClock) -> None:
    """Keep how long the fits of each head took until its training is logged."""
    from resources.tracking import remember_figures

    for head in HEADS:
        models = trained.filter((pl.col("horizon_bars") == horizon) & (pl.col("head") == head))
        seconds = clock.seconds.get(trial_family(rows["symbol"], horizon, head))
        if seconds is not None and models.height:
            remember_figures(night.tracking, models, {"fit_s": seconds})


def _tables(
    features: pl.DataFrame,
    rows: pl.DataFrame,
    trained: pl.DataFrame,
    folds: pl.DataFrame,
    horizon: int,
    head: str,
    *,
    with_ablation: bool,
) -> dict[str, pl.DataFrame]:
    """Return what drift is measured against and, for the direction, what each group of features is worth."""
    from gnosis.learning.drift_reference import drift_reference
    from gnosis.learning.refit import ablation_by_group
    from gnosis.learning.training_rows import training_rows

    # The other heads serve beside the direction, whose training rows are the reference of all.
    model = _newest_published(trained, "direction")
    if model is None:
        return {}
    learnt = training_rows(model["model_version"], features, rows, folds, trained, horizon=horizon)
    tables = {"drift_reference": drift_reference(learnt)}
    if with_ablation and head == "direction":
        tables["ablation"] = ablation_by_group(features, rows, model)
    return tables


def _measured(
    night: Night, features: pl.DataFrame, rows: pl.DataFrame, trained: pl.DataFrame, models: pl.DataFrame
) -> dict[str, float]:
    """Return figures of the training: seconds of its fits as far as they were timed, memory, and time of an answer."""
    from assets.gates_of_serving import latency
    from resources.tracking import recorded_figures

    measured = recorded_figures(night.tracking, models)
    # Linux counts in KiB; it is the most that this process has held, whatever for.
    measured["process_peak_memory_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    model = _newest_published(trained, "direction")
    if model is not None:
        together = trained.filter((pl.col("fold") == model["fold"]) & (pl.col("model_name") == PUBLISHED))
        timed = latency(together, features, rows, calls=TIMED_CALLS)
        measured |= {"native_median_ms": timed.native_median_ms, "answer_p95_ms": timed.answer_p95_ms}
    return measured


def _newest_published(trained: pl.DataFrame, head: str) -> dict[str, Any] | None:
    own = trained.filter((pl.col("head") == head) & (pl.col("model_name") == PUBLISHED)).sort("fold")
    return own.row(-1, named=True) if own.height else None
