"""Tables of the models room: labels, folds, trained models, their scores and their predictions."""

from __future__ import annotations

from typing import Literal, get_args

import dataframely as dy

from gnosis.tables.dictionary import (
    Origin,
    count,
    day,
    flag,
    instant,
    label,
    number,
    text,
)

LABEL_REASONS = ["tail", "gap", "warmup_sigma"]
MODEL_NAMES = ["majority", "logistic", "xgboost"]
HORIZONS = (1, 5, 20)
"""Holding periods of the labels, in sessions."""
DriftStatus = Literal["stable", "watch", "drifted", "insufficient"]
ABSTAIN_REASONS = ["no_model", "too_many_missing"]


class ModelsLabels(Origin):
    """Outcome of each decision, stored under the session in which the outcome became known."""

    session = day("session in which the outcome became known (t1)", primary_key=True)
    symbol = text("symbol of the underlying", primary_key=True)
    horizon_bars = count("horizon", unit="sessions", nullable=False, min=1, primary_key=True)
    signal_session = day(
        "session at whose close the decision was taken",
        nullable=False,
        primary_key=True,
    )
    t0 = instant("moment of the decision")
    t1 = instant("end of the interval that the label depends on; the label is known from then on")
    sigma_bar = number(
        "1/sqrt(session)",
        "label scale: EWM volatility known at t0, half-life 20",
        min=0,
    )
    y_ret = number(
        "log return",
        "from the next open to the close after horizon_bars sessions, dividends included",
    )
    y_dir = dy.Int8(
        nullable=True,
        min=-1,
        max=1,
        metadata={"unit": "class"},
        description="+1, 0, -1 with a dead zone of 0.1 sigma",
    )
    y_mag = number("ratio", "absolute return over sigma_bar sqrt(horizon)", min=0)
    reason = label(LABEL_REASONS, "why the label is null")


class ModelsFolds(dy.Schema):
    """Purged walk-forward folds."""

    horizon_bars = count("horizon", unit="sessions", nullable=False, primary_key=True)
    fold = count("number of the fold in time order", nullable=False, primary_key=True)
    train_first = day("first signal session of the training rows")
    train_last = day("last signal session of the training rows after purging")
    test_first = day("first signal session of the test rows")
    test_last = day("last signal session of the test rows")
    n_train = count("training rows kept", nullable=False)
    n_purged = count(
        "training rows removed because their label interval meets the test block",
        nullable=False,
    )
    n_null = count("rows without a label", nullable=False)
    n_test = count("test rows", nullable=False)
    is_complete = flag("true when all test labels are known")
    folds_sha256 = text("hash of the row keys of the fold")
    synthetic = flag("true when any row of the fold rests on generated data")


class ModelsTrained(dy.Schema):
    """Trained models in their native format; a model is used from the session after trained_through."""

    horizon_bars = count("horizon", unit="sessions", nullable=False, primary_key=True)
    fold = count("fold whose training rows were used", nullable=False, primary_key=True)
    model_name = label(MODEL_NAMES, "kind of model", nullable=False, primary_key=True)
    trained_through = day("last session whose labels were known at training")
    valid_from = day("first session the model may predict")
    model_version = text("horizon, fold and first characters of model_sha256")
    model_sha256 = text("hash of the model in its canonical form")
    dataset_sha256 = text("hash of the sorted training rows")
    feature_list_sha256 = text("hash of the ordered feature names and dtypes")
    n_train = count("training rows", nullable=False)
    seed = count("seed of the fit", unit="seed", nullable=False)
    parameters = text("parameters as canonical JSON")
    model_bytes = dy.Binary(
        nullable=False,
        metadata={"unit": "bytes"},
        description="the model: UBJ for xgboost, canonical JSON for baselines",
    )
    synthetic = flag("true when any training row rests on generated data")


class ModelsEvaluation(dy.Schema):
    """Scores of each model on each fold and on the stitched out-of-sample rows, beside the baselines."""

    horizon_bars = count("horizon", unit="sessions", nullable=False, primary_key=True)
    model_name = label(MODEL_NAMES, "kind of model", nullable=False, primary_key=True)
    scope = text("'stitched' or the fold number", primary_key=True)
    metric = label(
        [
            "log_loss",
            "brier",
            "directional_accuracy",
            "coverage",
            "auc",
            "log_loss_skill",
        ],
        "log_loss_skill is 1 - log loss / log loss of the majority baseline",
        nullable=False,
        primary_key=True,
    )
    value = number("unit of the metric", "value of the metric; null when undefined")
    standard_error = number("unit of the metric", "stationary bootstrap standard error over sessions", min=0)
    n = count("rows scored", nullable=False)
    verdict = label(
        ["skill", "no_skill", "too_good", "insufficient"],
        "of the model on the stitched rows",
    )
    synthetic = flag("true when any row rests on generated data")


class ModelsPredictions(Origin):
    """One out-of-sample prediction per symbol, session and horizon, published once."""

    session = day("session at whose close the prediction was made", primary_key=True)
    symbol = text("symbol of the underlying", primary_key=True)
    horizon_bars = count("horizon", unit="sessions", nullable=False, primary_key=True)
    prediction_id = text("hash of key, model version and feature row")
    as_of = instant("knowledge cut-off of the features")
    model_name = label(MODEL_NAMES, "kind of model")
    model_version = text("version of the model", nullable=True)
    p_down = number("probability", "of a fall beyond the dead zone", min=0, max=1)
    p_flat = number("probability", "of a move inside the dead zone", min=0, max=1)
    p_up = number("probability", "of a rise beyond the dead zone", min=0, max=1)
    n_missing = count("features missing in the row", nullable=False)
    abstain_reason = label(ABSTAIN_REASONS, "why there are no probabilities")
    feature_row_sha256 = text("hash of the feature values and their missing mask")


def _coefficients() -> dict[str, dy.Column]:
    meanings = {
        "ic": "mean over sessions of the correlation across symbols with the outcome after {} sessions",
        "rank_ic": "the same by Spearman's correlation, {} sessions",
        "time_series_ic": "mean over symbols of the correlation over time with the outcome after {} sessions",
    }
    columns: dict[str, dy.Column] = {}
    for horizon in HORIZONS:
        for name, meaning in meanings.items():
            columns[f"{name}_{horizon}"] = number("ratio", meaning.format(horizon), min=-1, max=1)
            columns[f"{name}_{horizon}_error"] = number(
                "ratio", f"Newey-West standard error of {name}_{horizon}", min=0
            )
    columns["ic_label"] = text(
        "label of a category that its coefficients are about, as 1 where it holds and 0 elsewhere: the one whose "
        "largest coefficient is the most standard errors from 0, so the best of several; null for numbers",
        nullable=True,
    )
    return columns


_DESCRIPTION: dict[str, dy.Column] = {
    "feature": text("name of the feature", primary_key=True),
    "number": count("number in the contract", unit="number", nullable=False),
    "group_name": text("group of the feature"),
    "unit": text("unit of the feature"),
    "first_session": day("first session of the rows described"),
    "last_session": day("last session of the rows described"),
    "n_rows": count("sessions x symbols described", nullable=False),
    "missing_share": number("ratio", "share of them without a value", nullable=False, min=0, max=1),
    "n_distinct": count("different values", nullable=False),
    "most_common_share": number("ratio", "share of the most common value among the known ones", min=0, max=1),
    "mean": number("unit of the feature", "mean of the known values; null for categories"),
    "standard_deviation": number("unit of the feature", "sample standard deviation (n-1)", min=0),
    "p01": number("unit of the feature", "1st percentile"),
    "p05": number("unit of the feature", "5th percentile"),
    "p25": number("unit of the feature", "25th percentile"),
    "p50": number("unit of the feature", "median"),
    "p75": number("unit of the feature", "75th percentile"),
    "p95": number("unit of the feature", "95th percentile"),
    "p99": number("unit of the feature", "99th percentile"),
    "autocorrelation_1": number("ratio", "correlation with the value of one session before, pooled", min=-1, max=1),
    "autocorrelation_20": number("ratio", "correlation with the value of 20 sessions before, pooled", min=-1, max=1),
    "psi_20_sessions": number("nats", "population stability of the last 20 sessions against those before", min=0),
    "psi_60_sessions": number("nats", "population stability of the last 60 sessions against those before", min=0),
    "drift": label(
        list(get_args(DriftStatus)),
        "what psi_60_sessions means: below 0.10 stable, up to 0.25 watch, above drifted; a slow feature (see "
        "autocorrelation_20) moves that far within 60 sessions by itself",
    ),
    "nearest_feature": text("other feature with the largest absolute nearest_correlation", nullable=True),
    "nearest_correlation": number(
        "ratio",
        "correlation of the ranks of both, each ranked over all its known rows, over the rows where both are known",
        min=-1,
        max=1,
    ),
}

_VERDICT: dict[str, dy.Column] = {
    "verdict": label(
        ["in_order", "drifted", "alarm", "constant", "empty"],
        "alarm: an information coefficient more than two standard errors beyond 0.10, so that a leak is likelier than "
        "skill; the first that applies of empty, constant, alarm, drifted, in_order",
        nullable=False,
    ),
    "synthetic": flag("true when any row or outcome rests on generated data"),
}

ModelsFeatureReport = type(
    "ModelsFeatureReport",
    (dy.Schema,),
    {
        "__doc__": "Distribution, drift, information coefficients and redundancy of every feature.",
        "__module__": __name__,
        **_DESCRIPTION,
        **_coefficients(),
        **_VERDICT,
    },
)
