"""The models room: outcomes, folds, trained models, their scores beside the baselines, and predictions."""

from __future__ import annotations

import polars as pl

from assets.checks import Finding, Stored, TableCheck
from assets.night import Night, TableRows
from assets.plots import models as plots
from assets.presentation import embedded
from assets.table_asset import table_asset
from gnosis import learning
from gnosis.learning.folds import STEP_SESSIONS, TEST_SESSIONS, TRAIN_SESSIONS
from gnosis.learning.information_coefficients import ALARM_IC
from gnosis.learning.labels import DEAD_ZONE, HALF_LIFE
from gnosis.learning.labels import labels as label_decisions
from gnosis.learning.models import PARAMETERS
from gnosis.learning.training import configuration_of
from gnosis.tables.models import HORIZONS

HORIZON = 5
REPORT_SESSIONS = 504
MATRIX_COLUMNS = [*learning.matrix.KEY, *learning.matrix.ORIGIN, *learning.matrix.FEATURE_NAMES]


def _dataset(night: Night) -> pl.DataFrame:
    features = learning.feature_rows(night.read_all("features.matrix", MATRIX_COLUMNS))
    labels = night.read_all("models.labels").filter(pl.col("horizon_bars") == HORIZON)
    return learning.dataset(features, labels)


def _trained_before_tested(stored: Stored) -> Finding:
    rows = stored.rows.select(
        late=(pl.col("train_last") >= pl.col("test_first")).sum(), rows=pl.len(), purged=pl.col("n_purged").sum()
    ).collect()
    late, n_rows, purged = rows.row(0)
    return Finding(
        late == 0, f"{n_rows} folds, {purged} rows purged, {late} overlap", {"folds": n_rows, "purged": purged}
    )


def _baselines_present(stored: Stored) -> Finding:
    by_scope = stored.rows.group_by("horizon_bars", "scope").agg(pl.col("model_name").n_unique()).collect()
    incomplete = by_scope.filter(pl.col("model_name") < len(PARAMETERS)).height
    return Finding(incomplete == 0, f"{by_scope.height} scopes, {incomplete} without all of {sorted(PARAMETERS)}")


def _not_too_good(stored: Stored) -> Finding:
    alarmed = (
        stored.rows.filter(pl.col("verdict") == "too_good").select("model_name").unique().sort("model_name").collect()
    )
    names = alarmed["model_name"].to_list()
    return Finding(not names, "no score is implausibly good" if not names else f"review {names} for leakage")


def _sums_to_one(stored: Stored) -> Finding:
    total = pl.sum_horizontal("p_down", "p_flat", "p_up")
    rows = stored.rows.filter(pl.col("abstain_reason").is_null()).select(
        wrong=((total - 1).abs() > 1e-9).sum(), n=pl.len()
    )
    wrong, n = rows.collect().row(0)
    return Finding(wrong == 0, f"{n} answered rows, {wrong} whose probabilities do not sum to 1", {"answered": n})


@table_asset("models.labels", reads=("raw.equity_bars",), plots=plots.class_shares)
def labels(night: Night) -> pl.DataFrame:
    """What became of each decision, from the next open on, under the session in which it became known."""
    bars = night.read("raw.equity_bars", lookback=learning.LOOKBACK_SESSIONS + max(HORIZONS))
    return night.only(label_decisions(bars, HORIZONS))


@table_asset(
    "models.folds",
    reads=("features.matrix", "models.labels"),
    plots=plots.folds,
    own_checks=(
        TableCheck("train_before_test", "No training row reaches into its test block.", _trained_before_tested),
    ),
)
def folds(night: Night) -> pl.DataFrame:
    """Rolling walk-forward folds, purged by the end of each label; new sessions never move a boundary."""
    rows = _dataset(night)
    return learning.folds_frame(rows, learning.walk_forward(rows))


@table_asset(
    "models.trained",
    reads=("features.matrix", "models.labels", "models.folds"),
    kinds=("xgboost", "scikitlearn", "parquet"),
    plots=plots.training_rows,
)
def trained(night: Night) -> TableRows:
    """Majority, logistic and XGBoost for every due fold; stored models of unchanged rows are kept as they are."""
    rows = _dataset(night)
    stored = night.stored()
    models = learning.train(rows, learning.walk_forward(rows), stored)
    new = models.join(stored, on=["horizon_bars", "fold", "model_name", "model_sha256"], how="anti").height
    night.say(f"models.trained: {new} new models, {models.height - new} kept")
    return TableRows(models, metadata={"new_models": new, "kept_models": models.height - new})


def _no_alarm(stored: Stored) -> Finding:
    alarmed = stored.rows.filter(pl.col("verdict") == "alarm").select("feature").collect()["feature"].to_list()
    return Finding(
        not alarmed,
        f"no information coefficient is more than two standard errors beyond {ALARM_IC}"
        if not alarmed
        else f"review {alarmed} for leakage",
        {"alarms": len(alarmed)},
    )


@table_asset(
    "models.feature_report",
    reads=("features.matrix", "models.labels"),
    own_checks=(
        TableCheck(
            "no_feature_too_good",
            "No feature has an information coefficient so large that a leak is likelier than skill. A warning, as the "
            "report describes and decides nothing: see in docs/features.md what each named feature is made from and "
            "since when that is known, and use no model that reads it before the cause is found.",
            _no_alarm,
            is_blocking=False,
        ),
    ),
)
def feature_report(night: Night) -> TableRows:
    """What each feature looked like over the last two years of sessions, and what it foretold of the sessions after."""
    rows = night.read("features.matrix", lookback=REPORT_SESSIONS - 1)
    outcomes = night.read("models.labels", lookback=REPORT_SESSIONS - 1)
    report = learning.feature_report(rows, outcomes)
    if report.is_empty():
        return TableRows(report)
    pictures = {
        "information_coefficients": plots.information_coefficients,
        "drift": plots.drift,
        "redundancy": plots.redundancy,
    }
    return TableRows(report, metadata={name: embedded(draw(report), name) for name, draw in pictures.items()})


@table_asset(
    "models.evaluation",
    reads=("features.matrix", "models.labels", "models.folds", "models.trained"),
    kinds=("mlflow", "parquet"),
    plots=plots.scores,
    own_checks=(
        TableCheck("baselines_present", "Every score stands beside both baselines.", _baselines_present),
        TableCheck("not_too_good", "No score is so good that a leak is likelier than skill.", _not_too_good),
    ),
)
def evaluation(night: Night) -> TableRows:
    """Scores on the test rows of every fold and stitched, with bootstrap errors; the training is logged to MLflow."""
    models = night.read_all("models.trained")
    fold_rows = night.read_all("models.folds")
    if models.is_empty():
        night.say("models.evaluation: no model yet, because no fold has enough labelled sessions")
        return TableRows(night.lake.table("models.evaluation").empty())
    rows = _dataset(night)
    outcomes = night.read_all("models.labels").filter(pl.col("horizon_bars") == HORIZON)
    asked = rows.filter(pl.col("session") >= models["valid_from"].min())
    predictions = pl.concat([learning.predict(asked, models, HORIZON, name) for name in sorted(PARAMETERS)])
    judged = learning.scored(predictions, outcomes, fold_rows)
    if judged.is_empty():
        night.say("models.evaluation: no test outcome is known yet")
        return TableRows(night.lake.table("models.evaluation").empty())
    scores = learning.evaluate(predictions, outcomes, fold_rows)
    return TableRows(scores, metadata=_log(night, models, fold_rows, scores, judged, rows))


def _log(
    night: Night,
    models: pl.DataFrame,
    fold_rows: pl.DataFrame,
    scores: pl.DataFrame,
    judged: pl.DataFrame,
    rows: pl.DataFrame,
) -> dict[str, object]:
    from resources.tracking import TrackingError, Training, recorded_run

    run_id = recorded_run(night.tracking, models)
    if run_id is not None:
        return {"mlflow_run_id": run_id}
    training = Training(
        horizon_bars=HORIZON,
        trained=models,
        folds=fold_rows,
        evaluation=scores,
        scored=judged,
        importance=learning.permutation_importance(rows, models, HORIZON),
        configuration={
            "models": configuration_of(models),
            "labels": {"horizon_bars": HORIZON, "half_life": HALF_LIFE, "dead_zone": DEAD_ZONE},
            "folds": {"train": TRAIN_SESSIONS, "test": TEST_SESSIONS, "step": STEP_SESSIONS, "anchored": False},
        },
        tags={"dagster_run_id": night.run_id, "asset": night.table, "session": night.last.isoformat()},
    )
    try:
        return {"mlflow_run_id": night.tracking.log_training(training)}
    except TrackingError as error:
        night.warn(str(error))
        return {"mlflow_error": str(error)}


@table_asset(
    "models.predictions",
    reads=("features.matrix", "models.trained"),
    kinds=("xgboost", "parquet"),
    plots=plots.probabilities,
    own_checks=(TableCheck("sums_to_one", "Probabilities of a row sum to one.", _sums_to_one),),
)
def predictions(night: Night) -> pl.DataFrame:
    """Out-of-sample probabilities by the newest model that was complete before the session's close. Published once."""
    features = learning.feature_rows(night.read("features.matrix", columns=MATRIX_COLUMNS))
    return night.only(learning.predict(features, night.read_all("models.trained"), HORIZON))
