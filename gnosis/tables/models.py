"""Tables of the models room: labels, the data set, folds, studies and trained models."""

from __future__ import annotations

from typing import Literal

import dataframely as dy

from gnosis.tables.dictionary import (
    Origin,
    count,
    day,
    flag,
    instant,
    label,
    number,
    numbers,
    text,
)

LABEL_REASONS = ["tail", "gap", "halted", "delisted", "warmup_sigma"]
BARRIER_REASONS = ["gap", "halted", "delisted", "warmup_sigma", "ambiguous_bar"]
HEADS = ["direction", "magnitude", "volatility", "return", "meta"]
MODEL_NAMES = [
    "majority",
    "logistic",
    "ridge",
    "ewma",
    "hist_gradient_boosting",
    "xgboost",
    "lightgbm",
    "sequence",
    "stack",
]
HORIZONS = (1, 5, 20)
"""Holding periods of the labels, in sessions."""
VolatilityEstimator = Literal["close_to_close", "rogers_satchell"]


class Targets(dy.Schema):
    """What a decision is judged by, as labels and data set share it."""

    sigma_bar = number("1/sqrt(session)", "label scale: EWM volatility known at t0, half-life 20", min=0)
    y_ret = number("log return", "from the next open to the close after horizon_bars sessions, dividends included")
    y_dir = dy.Int8(
        nullable=True,
        min=-1,
        max=1,
        metadata={"unit": "class"},
        description="+1, 0, -1 with a dead zone of 0.1 sigma",
    )
    y_mag = number("ratio", "absolute return over sigma_bar sqrt(horizon)", min=0)
    y_vol = number("1/sqrt(year)", "volatility realised from the next open to the end of the horizon", min=0)
    volatility_estimator = label(
        ["close_to_close", "rogers_satchell"], "of y_vol: rogers_satchell below 5 sessions, which is biased low"
    )
    barrier_outcome = dy.Int8(
        nullable=True,
        min=-1,
        max=1,
        metadata={"unit": "class"},
        description="+1 upper barrier hit first, -1 lower, 0 neither within the horizon",
    )
    barrier_exit_price = number("$ forward-adjusted", "price at which the first barrier was met", min=0)
    barrier_return = number("log return", "from the next open to barrier_exit_price")
    barrier_t1 = instant("close of the session that decided the barriers", nullable=True)
    barrier_reason = label(BARRIER_REASONS, "why the barrier label is null")
    side = dy.Int8(
        nullable=True,
        min=-1,
        max=1,
        metadata={"unit": "class"},
        description="side of the primary rule at t0: the sign of the return over 20 sessions; null where there is none",
    )
    y_meta = dy.Int8(
        nullable=True,
        min=0,
        max=1,
        metadata={"unit": "class"},
        description="1 when the primary side earned more than its costs by the barriers, else 0",
    )
    reason = label(LABEL_REASONS, "why y_dir is null")


class ModelsLabels(Targets, Origin):
    """Outcome of each decision, stored under the session in which the outcome became known."""

    session = day("session in which the outcome became known (t1)", primary_key=True)
    symbol = text("symbol of the underlying", primary_key=True)
    horizon_bars = count("horizon", unit="sessions", nullable=False, min=1, primary_key=True)
    signal_session = day("session at whose close the decision was taken", nullable=False, primary_key=True)
    t0 = instant("moment of the decision")
    t1 = instant("end of the interval that the label depends on; the label is known from then on")


class ModelsDataset(Targets, Origin):
    """Feature rows by key with what became of them: what a model may learn from, once label_known_at has passed."""

    horizon_bars = count("horizon", unit="sessions", nullable=False, primary_key=True)
    session = day("signal session: the decision was taken at its close", primary_key=True)
    symbol = text("symbol of the underlying", primary_key=True)
    as_of = instant("knowledge cut-off of the features")
    t0 = instant("moment of the decision; null while the outcome is unknown", nullable=True)
    t1 = instant("end of the interval that the label depends on", nullable=True)
    label_known_at = instant("since when the label is known", nullable=True)
    label_synthetic = flag("true when the label rests on generated data", nullable=True)
    movement_energy = number("1", "hedge_movement_energy at as_of, for the energy weight")
    n_missing = count("features missing in the row", nullable=False)
    confidence = number("ratio", "data quality of the feature row", min=0, max=1)
    feature_row_sha256 = text("hash of the feature values and their missing mask")


def _per_feature(unit: str, description: str) -> dy.List:
    """Return a column with one number per feature in the order of the registry."""
    return dy.List(
        dy.Float64(nullable=True),
        nullable=True,
        metadata={"unit": unit},
        description=f"{description}, in the order of the registry; only for the published model",
    )


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
    n_embargoed = count("training rows removed by the embargo around the test block", nullable=False)
    n_null = count("rows without a label", nullable=False)
    n_test = count("test rows", nullable=False)
    is_complete = flag("true when all test labels are known")
    folds_sha256 = text("hash of the row keys of the fold")
    synthetic = flag("true when any row of the fold rests on generated data")


class ModelsTrained(dy.Schema):
    """Trained models in their native format, calibrated, with what serving needs to know of their training rows."""

    horizon_bars = count("horizon", unit="sessions", nullable=False, primary_key=True)
    head = label(HEADS, "what the model answers", nullable=False, primary_key=True)
    fold = count("fold whose training rows were used", nullable=False, primary_key=True)
    model_name = label(MODEL_NAMES, "kind of model", nullable=False, primary_key=True)
    trained_through = day("last session whose labels were known at training")
    valid_from = day("first session the model may predict")
    model_version = text("head, horizon, fold and first characters of model_sha256")
    model_sha256 = text("hash of the model in its canonical form")
    dataset_sha256 = text("hash of the sorted training rows")
    feature_list_sha256 = text("hash of the ordered feature names and dtypes")
    code_sha256 = text("hash of the code that fitted the model")
    n_train = count("training rows: fitted, stopped on and calibrated on", nullable=False)
    n_fit = count("rows that the model was fitted to", nullable=False)
    n_calibration = count("rows that the calibrator was fitted to", nullable=False)
    n_effective = number("rows", "effective number of fitted rows by their weights (Kish 1965)", min=0)
    energy_weight = label(["kept", "dropped", "unproven"], "whether weighting by movement energy won its ablation")
    seed = count("seed of the fit", unit="seed", nullable=False)
    study_name = text("study whose best parameters were used; null for the fixed ones", nullable=True)
    parameters = text("parameters as canonical JSON")
    class_edges = numbers("ratio", "edges of the magnitude classes from the fitted rows; null for other heads")
    calibrator_id = text("hash of calibrator; null for numbers", nullable=True)
    calibrator = text("calibrator as canonical JSON; null for numbers", nullable=True)
    residual_error = number("unit of the target", "root mean squared error on the calibration rows; null for classes")
    importance = _per_feature("nats", "rise of the log loss on the calibration rows when a feature is permuted")
    feature_low = _per_feature("unit of the feature", "0.1th percentile of the fitted rows")
    feature_high = _per_feature("unit of the feature", "99.9th percentile of the fitted rows")
    model_bytes = dy.Binary(
        nullable=False,
        metadata={"unit": "bytes"},
        description="the model in its canonical native form: UBJ for xgboost, JSON for linear models",
    )
    synthetic = flag("true when any training row rests on generated data")


class ModelsStudies(dy.Schema):
    """Every trial of every hyper-parameter study."""

    study_name = text("head, model, data, search space, fold and seed", primary_key=True)
    trial = count("number of the trial", nullable=False, primary_key=True)
    horizon_bars = count("horizon", unit="sessions", nullable=False)
    head = label(HEADS, "what the model answers", nullable=False)
    fold = count("outer fold whose training rows were used", nullable=False)
    model_name = label(MODEL_NAMES, "kind of model", nullable=False)
    state = label(["complete", "pruned", "failed"], "how the trial ended", nullable=False)
    loss = number("nats, or squared target", "weighted mean loss over the inner folds reported")
    n_inner_folds = count("inner folds reported before it ended", nullable=False)
    is_best = flag("true for the trial whose parameters are used")
    parameters = text("parameters tried, as canonical JSON")
    dataset_sha256 = text("hash of the training rows")
    seed = count("seed of the sampler", unit="seed", nullable=False)
