"""Tables of the models room that judge: scores, the report on features, drift, gates and promotion."""

from __future__ import annotations

from typing import Literal, get_args

import dataframely as dy

from gnosis.tables.dictionary import count, day, flag, instant, label, number, text
from gnosis.tables.models import HEADS, HORIZONS, MODEL_NAMES

DriftStatus = Literal["stable", "watch", "drifted", "insufficient"]
METRICS = [
    "log_loss",
    "log_loss_raw",
    "log_loss_skill",
    "log_loss_skill_raw",
    "brier",
    "brier_raw",
    "brier_skill",
    "brier_skill_raw",
    "ece",
    "ece_raw",
    "max_bin_error",
    "max_bin_error_raw",
    "recalibration_intercept",
    "recalibration_intercept_raw",
    "recalibration_slope",
    "recalibration_slope_raw",
    "directional_accuracy",
    "coverage",
    "auc",
    "rmse",
    "mae",
    "r_squared",
    "qlike",
    "ic",
    "rank_ic",
    "icir",
    "ic_t",
    "time_series_ic",
    "sharpe",
]
GATES = ["G1", "G2", "G3", "G4", "G5", "G6", "G7", "G8", "G9", "G10"]


class ModelsEvaluation(dy.Schema):
    """Scores of each model by fold, stitched and by market state, out of sample, beside the baselines."""

    horizon_bars = count("horizon", unit="sessions", nullable=False, primary_key=True)
    head = label(HEADS, "what the model answers", nullable=False, primary_key=True)
    model_name = label(MODEL_NAMES, "kind of model", nullable=False, primary_key=True)
    scope = text(
        "'stitched', 'fold N', 'year Y', a state such as 'vix high', 'path N' or 'paths': their mean", primary_key=True
    )
    metric = label(
        METRICS,
        "those with _raw are before calibration; skills are 1 - loss / loss of the majority baseline",
        nullable=False,
        primary_key=True,
    )
    value = number("unit of the metric", "value of the metric; null when undefined")
    standard_error = number(
        "unit of the metric",
        "stationary bootstrap standard error over sessions; of 'paths' the standard deviation over the paths",
        min=0,
    )
    n = count("rows scored", nullable=False)
    verdict = label(["skill", "no_skill", "too_good", "insufficient"], "of the model on the stitched rows")
    synthetic = flag("true when any row rests on generated data")


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


class ModelsDrift(dy.Schema):
    """How far each feature and each output of the model in force has moved from its training rows."""

    session = day("session at whose close drift was measured", primary_key=True)
    horizon_bars = count("horizon", unit="sessions", nullable=False, primary_key=True)
    kind = label(["feature", "output"], "what the subject is", nullable=False, primary_key=True)
    subject = text("feature, or output: p_down, p_flat, p_up, sigma_hat, abstentions, calibration", primary_key=True)
    model_version = text("model of the direction whose training rows are the reference")
    psi_20_sessions = number("nats", "population stability of the last 20 sessions against the reference", min=0)
    psi_60_sessions = number("nats", "population stability of the last 60 sessions against the reference", min=0)
    psi_usual_20_sessions = number(
        "nats",
        "largest population stability of 20 sessions inside the reference, every tenth, against the rest of it, rows "
        "without a value left out; null with fewer than five of them",
        min=0,
    )
    psi_usual_60_sessions = number("nats", "the same of 60 sessions inside the reference", min=0)
    is_unusual = flag(
        "true when psi_20_sessions is above 0.25 and psi_usual_20_sessions, or where 20 sessions have too few rows the "
        "same of 60; null without either",
        nullable=True,
    )
    status = label(
        list(get_args(DriftStatus)),
        "what psi_60_sessions means: below 0.10 stable, up to 0.25 watch, above drifted; drifted from 0.10 on where "
        "is_unusual; of calibration, what calibration_p means: below 0.05 watch, below 0.01 drifted",
        nullable=False,
    )
    ks_statistic = number("ratio", "Kolmogorov-Smirnov distance, rows thinned by the look-back", min=0, max=1)
    ks_p = number("probability", "its p-value", min=0, max=1)
    ks_p_holm = number("probability", "the p-value by Holm over the features of the session", min=0, max=1)
    is_shape_change = flag("true when Holm-significant at 5 % while the status is stable", nullable=True)
    calibration_p = number(
        "probability",
        "of gaps as large between calibrated probabilities and outcomes by chance; only for the subject calibration",
        min=0,
        max=1,
    )
    missing_share = number("ratio", "share missing in the last 60 sessions", min=0, max=1)
    value = number("unit of the subject", "mean over the last 60 sessions")
    reference_value = number("unit of the subject", "mean over the reference")
    n_rows = count("rows of the last 60 sessions", nullable=False)
    n_reference = count("rows of the reference", nullable=False)
    model_state = label(
        ["ok", "degraded", "insufficient"],
        "of the model in that session: degraded when more than 5 % of the features or any output drifted and "
        "is_unusual, or the calibration drifted",
        nullable=False,
    )
    known_at = instant("close of the session")
    synthetic = flag("true when any row rests on generated data")


class ModelsGates(dy.Schema):
    """Every gate of every promotion document: what was measured, against which limit, on how much."""

    horizon_bars = count("horizon", unit="sessions", nullable=False, primary_key=True)
    head = label(HEADS, "what the model answers", nullable=False, primary_key=True)
    model_version = text("candidate", primary_key=True)
    document_sha256 = text("promotion document", primary_key=True)
    gate = label(GATES, "gate of the contract", nullable=False, primary_key=True)
    statistic = text("what was measured", primary_key=True)
    value = number("unit of the statistic", "value measured; null when there was too little data")
    comparator = label(
        ["<", "<=", "==", ">=", ">"], "how value stands to threshold when the gate passes", nullable=False
    )
    threshold = number("unit of the statistic", "limit", nullable=False)
    n = count("cases behind the value", nullable=False)
    passed = flag("true when the gate passed; too little data does not pass")
    reason = text("why it failed; null when it passed", nullable=True)
    evidence_sha256 = text("hash of what the value was computed from", nullable=True)


class ModelsPromotion(dy.Schema):
    """Decisions about the champion: promotions, rejections and rollbacks, appended and never changed."""

    horizon_bars = count("horizon", unit="sessions", nullable=False, primary_key=True)
    head = label(HEADS, "what the model answers", nullable=False, primary_key=True)
    decision_number = count("order of the decisions, from 1", nullable=False, min=1, primary_key=True)
    session = day("last session known to the decision; the champion predicts from the next session on")
    model_version = text("version that the decision is about")
    decision = label(["promote", "reject", "rollback"], "what was decided", nullable=False)
    champion = text("champion after the decision; null when there is none", nullable=True)
    previous = text("champion that a rollback returns to; null when there is none", nullable=True)
    failed_gates = text("gates that failed, joined by ','; null when none did", nullable=True)
    document = text("promotion document as canonical JSON")
    document_sha256 = text("hash of document")
    synthetic = flag("true when the model or its gates rest on generated data")
