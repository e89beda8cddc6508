"""The models room: outcomes, data set, folds, trained models, their scores, predictions, drift and promotion."""

from __future__ import annotations

from functools import partial

import polars as pl

from assets import model_checks as checks
from assets.fit_clock import FitClock
from assets.label_proof import READS, made_labels
from assets.night import Night, TableRows
from assets.plots import models as plots
from assets.table_asset import table_asset
from gnosis import learning
from gnosis.features.codes import labelled
from gnosis.learning import matrix
from gnosis.tables import TABLES
from resources.code_identity import code_sha256
from resources.lake.parquet import encode, sha256

HORIZON = 5
REPORT_SESSIONS = 504
FAMILIES_TAG = "gnosis/families"
TRIALS_TAG = "gnosis/trials"
THREADS = 2
MATRIX_COLUMNS = [*matrix.KEY, *matrix.ORIGIN, "confidence", *matrix.FEATURE_NAMES]


def _feature_rows(night: Night) -> pl.DataFrame:
    return learning.feature_rows(night.read_all("features.matrix", MATRIX_COLUMNS))


def _is_whole(night: Night) -> bool:
    """Return whether the run trains every family, as the weekly training does."""
    return night.tags.get(FAMILIES_TAG) == "all"


def _of_horizon(night: Night) -> pl.DataFrame:
    return night.read_all("models.dataset").filter(pl.col("horizon_bars") == HORIZON)


@table_asset(
    "models.labels",
    reads=READS,
    plots=plots.class_shares,
    own_checks=checks.LABELS,
)
def labels(night: Night) -> pl.DataFrame:
    """What became of each decision, from the next open on, under the session in which it became known."""
    return made_labels(night)


@table_asset("models.dataset", reads=("features.matrix", "models.labels"), plots=plots.known_labels)
def dataset(night: Night) -> TableRows:
    """Feature rows by key beside what became of them; its hash names what models were trained on."""
    rows = learning.dataset(_feature_rows(night), night.read_all("models.labels"))
    return TableRows(rows, metadata={"dataset_sha256": sha256(encode(TABLES["models.dataset"], rows))})


@table_asset("models.folds", reads=("models.dataset",), plots=plots.folds, own_checks=checks.FOLDS)
def folds(night: Night) -> pl.DataFrame:
    """Rolling walk-forward folds, purged by the end of each label; new sessions never move a boundary."""
    rows = _of_horizon(night)
    return learning.folds_frame(rows, learning.walk_forward(rows))


@table_asset(
    "models.trained",
    "models.studies",
    reads=("features.matrix", "models.dataset", "models.folds"),
    feedback=("models.promotion",),
    kinds=("xgboost", "scikitlearn", "parquet"),
    plots={"models.trained": plots.training_rows, "models.studies": plots.studies},
    own_checks={"models.trained": checks.TRAINED},
)
def trained(night: Night) -> dict[str, TableRows]:
    """Every family of every head for each due fold; stored models of unchanged rows are kept as they are.

    A night fits the published family beside its baselines. The run tag ``gnosis/families: all`` asks for every family,
    ``gnosis/trials: N`` for a study of N configurations where a fold has none yet; the weekly training sets both.
    """
    from assets.model_tracking import remember_fitting
    from gnosis.learning import models as families
    from gnosis.learning.training import EVERY, NIGHTLY

    features, rows = _feature_rows(night), night.read_all("models.dataset")
    stored, studies = night.stored(), night.stored("models.studies")
    due = learning.walk_forward(rows.filter(pl.col("horizon_bars") == HORIZON))
    tuned = learning.tune(
        features,
        rows,
        due,
        horizon=HORIZON,
        n_trials=int(night.tags.get(TRIALS_TAG, "0")),
        recorder=night.ledger,
        code_sha256=code_sha256(),
        stored=studies,
    )
    clock = FitClock(night.ledger)
    models = learning.train(
        features,
        rows,
        due,
        horizon=HORIZON,
        recorder=clock,
        code_sha256=code_sha256(),
        already_trained=stored,
        studies=tuned,
        families=EVERY if _is_whole(night) else NIGHTLY,
        threads=THREADS,
        frozen=_folds_of_champions(night, stored),
    )
    identity = ["horizon_bars", "head", "fold", "model_name", "model_sha256"]
    new = models.join(stored, on=identity, how="anti").height
    night.say(f"models.trained: {new} new models, {models.height - new} kept")
    remember_fitting(night, HORIZON, rows, models, clock)
    figures = {
        "new_models": new,
        "kept_models": models.height - new,
        "families_not_installed": [name for name in EVERY if not families.is_installed(name)],
    }
    return {
        "models.trained": TableRows(models, metadata=figures),
        "models.studies": TableRows(tuned, metadata={"new_trials": tuned.height - studies.height}),
    }


@table_asset(
    "models.feature_report",
    reads=("features.matrix", "models.labels"),
    own_checks=checks.FEATURE_REPORT,
)
def feature_report(night: Night) -> TableRows:
    """What each feature looked like over the last two years of sessions, and what it foretold of the sessions after."""
    from gnosis.learning.feature_report import feature_report as describe_features

    rows = night.read("features.matrix", lookback=REPORT_SESSIONS - 1)
    outcomes = night.read("models.labels", lookback=REPORT_SESSIONS - 1)
    report = describe_features(rows, outcomes)
    if report.is_empty():
        return TableRows(report)
    pictures = (plots.information_coefficients, plots.drift, plots.redundancy)
    return TableRows(report, more_pictures={draw.__name__: partial(draw, report) for draw in pictures})


def _folds_of_champions(night: Night, stored: pl.DataFrame) -> list[int]:
    """Return the folds of every version ever promoted, whatever became of their rows.

    The champion serves as it was promoted, and a rollback finds the one before it as it was.
    """
    promoted = night.read_all("models.promotion").filter(pl.col("decision") == "promote")["model_version"]
    of_champions = (pl.col("horizon_bars") == HORIZON) & pl.col("model_version").is_in(promoted.implode())
    return stored.filter(of_champions)["fold"].unique().sort().to_list()


def _states(features: pl.DataFrame) -> pl.DataFrame:
    """Market states by which scores are told apart, as they were known at the decision."""
    return labelled(features.select(*matrix.KEY, "regime_vix", "liq_regime", "hedge_movement_energy")).select(
        *matrix.KEY,
        vix=pl.col("regime_vix").cast(pl.Float64),
        liquidity_regime=pl.col("liq_regime").cast(pl.String),
        movement_energy=pl.col("hedge_movement_energy").cast(pl.Float64),
    )


@table_asset(
    "models.evaluation",
    reads=("features.matrix", "models.dataset", "models.folds", "models.trained", "models.studies"),
    kinds=("mlflow", "parquet"),
    plots=plots.scores,
    own_checks=checks.EVALUATION,
)
def evaluation(night: Night) -> TableRows:
    """Scores on the test rows of every fold, stitched and by market state; the training is logged to MLflow.

    The weekly training also scores the paths of combinatorial cross-validation; nights keep what it found.
    """
    from assets.model_tracking import log
    from gnosis.learning.head_answers import head_answers

    models = night.read_all("models.trained")
    if models.is_empty():
        night.say("models.evaluation: no model yet, because no fold has enough labelled sessions")
        return TableRows(night.lake.table("models.evaluation").empty())
    features, rows, fold_rows = _feature_rows(night), _of_horizon(night), night.read_all("models.folds")
    answers = head_answers(features, models, rows, HORIZON)
    judged = learning.scored(answers, rows)
    if judged.is_empty():
        night.say("models.evaluation: no test outcome is known yet")
        return TableRows(night.lake.table("models.evaluation").empty())
    scores = learning.evaluate(answers, rows, fold_rows, states=_states(features))
    scores = pl.concat([scores, _over_paths(night, features, rows, models)]).sort(night.lake.table(night.table).key)
    shown = log(night, HORIZON, features, rows, models, fold_rows, scores, judged, with_ablation=_is_whole(night))
    return TableRows(scores, metadata=shown)


def _over_paths(night: Night, features: pl.DataFrame, rows: pl.DataFrame, models: pl.DataFrame) -> pl.DataFrame:
    """Return the scores over the paths of combinatorial cross-validation: made by the weekly training, then kept."""
    from gnosis.learning.combinatorial_paths import path_scores

    if not _is_whole(night):
        return night.stored().filter(pl.col("scope").str.starts_with("path"))
    return path_scores(features, rows, models, night.last, horizon=HORIZON, threads=THREADS)


@table_asset(
    "models.drift",
    reads=("raw.equity_bars", "features.matrix", "models.dataset", "models.folds", "models.trained"),
    feedback=("models.promotion",),
    plots=plots.drifted_share,
    own_checks=checks.DRIFT,
)
def drift(night: Night) -> pl.DataFrame:
    """How far features and outputs of the model in force have moved from its training rows."""
    from gnosis.learning.drift_rows import drift as measured_drift

    return measured_drift(
        _feature_rows(night),
        night.read_all("models.dataset"),
        night.read_all("models.folds"),
        night.read_all("models.trained"),
        night.read_all("models.promotion"),
        night.sessions,
        horizon=HORIZON,
    )


@table_asset(
    "models.predictions",
    reads=("raw.equity_bars", "features.matrix", "models.trained", "models.drift"),
    feedback=("models.promotion",),
    kinds=("xgboost", "parquet"),
    plots=plots.probabilities,
    own_checks=checks.PREDICTIONS,
)
def predictions(night: Night) -> pl.DataFrame:
    """Out-of-sample answers of every head by the champion, or by the newest model complete before the close.

    Published once. Before there is a champion ``is_promoted`` is false: such rows may feed simulation only.
    """
    features = learning.feature_rows(night.read("features.matrix", columns=MATRIX_COLUMNS))
    bars = night.read("raw.equity_bars", lookback=learning.LOOKBACK_SESSIONS)
    return night.only(
        learning.predict(
            features,
            night.read_all("models.trained"),
            night.read_all("models.promotion"),
            night.read("models.drift", lookback=1),
            learning.known_at_decision(bars, night.sessions),
            horizon=HORIZON,
            code_sha256=code_sha256(),
        )
    )


@table_asset(
    "models.promotion",
    "models.gates",
    reads=(
        "raw.equity_bars",
        "features.matrix",
        "models.dataset",
        "models.folds",
        "models.trained",
        "models.evaluation",
        "models.predictions",
        "models.drift",
    ),
    kinds=("mlflow", "parquet"),
    plots={"models.gates": plots.gates},
    own_checks={"models.promotion": checks.PROMOTION},
)
def promotion(night: Night) -> dict[str, TableRows]:
    """The gates of the newest model and the decision they make; judged in the weekly training only."""
    from assets.promoting import promote

    return promote(night, HORIZON)
