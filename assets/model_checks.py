"""Checks of the models room."""

from __future__ import annotations

import datetime as dt

import polars as pl

from assets.checks import Finding, Stored, TableCheck
from assets.label_proof import COMES_OUT_AGAIN
from gnosis.learning.heads import HEADS
from gnosis.learning.information_coefficients import ALARM_IC
from gnosis.learning.label_checks import ambiguous_share, label_faults

FEWEST_MET = 20
MOST_AMBIGUOUS = 0.05


def _faultless(stored: Stored) -> Finding:
    faults = dict(label_faults(stored.rows, max(stored.sessions or [dt.date.min])).rows())
    return Finding(not faults, f"faults of labels: {faults or 'none'}", {"faults": sum(faults.values())})


def _ambiguous_share(stored: Stored) -> Finding:
    shares = ambiguous_share(stored.rows).filter(pl.col("n_met") >= FEWEST_MET).sort("ambiguous_share")
    worst = float(shares["ambiguous_share"][-1]) if shares.height else 0.0
    return Finding(
        worst <= MOST_AMBIGUOUS,
        f"at most {worst:.2%} of the bars that met a barrier of a symbol and horizon met both, undecided by finer bars",
        {"largest_ambiguous_share": worst},
    )


def _trained_before_tested(stored: Stored) -> Finding:
    rows = stored.rows.select(
        late=(pl.col("train_last") >= pl.col("test_first")).sum(), rows=pl.len(), purged=pl.col("n_purged").sum()
    ).collect()
    late, n_rows, purged = rows.row(0)
    return Finding(
        late == 0, f"{n_rows} folds, {purged} rows purged, {late} overlap", {"folds": n_rows, "purged": purged}
    )


def _baselines_fitted(stored: Stored) -> Finding:
    by_fold = stored.rows.group_by("horizon_bars", "head", "fold").agg(pl.col("model_name").cast(pl.String)).collect()
    lacking = [
        f"{head} of fold {fold}"
        for _, head, fold, names in by_fold.iter_rows()
        if not set(HEADS[head].baselines) <= set(names)
    ]
    return Finding(not lacking, f"{by_fold.height} heads of folds, without baselines: {lacking or 'none'}")


def _calibrated_apart(stored: Stored) -> Finding:
    rows = stored.rows.select(
        overlapping=(pl.col("n_fit") + pl.col("n_calibration") > pl.col("n_train")).sum(),
        without=(pl.col("n_calibration") == 0).sum(),
        n=pl.len(),
    ).collect()
    overlapping, without, n = rows.row(0)
    return Finding(
        overlapping + without == 0,
        f"{n} models, {overlapping} calibrated on rows they were fitted to, {without} without calibration rows",
    )


def _enough_rows_count(stored: Stored) -> Finding:
    from gnosis.learning.weights import FEWEST_EFFECTIVE_SHARE

    share = pl.col("n_effective") / pl.col("n_fit")
    rows = stored.rows.select(few=(share < FEWEST_EFFECTIVE_SHARE).sum(), least=share.min(), n=pl.len()).collect()
    few, least, n = rows.row(0)
    return Finding(
        few == 0,
        f"{n} models, {few} of them on an effective number of rows below {FEWEST_EFFECTIVE_SHARE:.0%}, "
        f"least {least or 0.0:.0%}",
        {"least_effective_share": least or 0.0},
    )


def _baselines_scored(stored: Stored) -> Finding:
    by_scope = stored.rows.group_by("horizon_bars", "head", "scope").agg(pl.col("model_name").unique().cast(pl.String))
    lacking = [
        f"{head}, {scope}"
        for _, head, scope, names in by_scope.sort("head", "scope").collect().iter_rows()
        if not set(HEADS[head].baselines) <= set(names)
    ]
    return Finding(not lacking, f"scopes without all baselines: {lacking or 'none'}")


def _not_too_good(stored: Stored) -> Finding:
    alarmed = stored.rows.filter(pl.col("verdict") == "too_good").select("head", "model_name").unique().collect()
    names = sorted(f"{head} by {model}" for head, model in alarmed.iter_rows())
    return Finding(not names, "no score is implausibly good" if not names else f"review {names} for leakage")


def _sums_to_one(stored: Stored) -> Finding:
    answered = stored.rows.filter(pl.col("abstain_reason").is_null())
    sums = {
        "direction": pl.sum_horizontal("p_down", "p_flat", "p_up", ignore_nulls=False),
        "direction before calibration": pl.sum_horizontal("p_down_raw", "p_flat_raw", "p_up_raw", ignore_nulls=False),
        "magnitude": pl.sum_horizontal("mag_p0", "mag_p1", "mag_p2", ignore_nulls=False),
    }
    found = answered.select(
        n=pl.len(), **{name: ((total - 1).abs() > 1e-9).sum() for name, total in sums.items()}
    ).collect()
    n, *wrong = found.row(0)
    return Finding(
        not any(wrong), f"{n} answered rows, {sum(wrong)} whose probabilities do not sum to 1", {"answered": n}
    )


def _no_alarm(stored: Stored) -> Finding:
    alarmed = stored.rows.filter(pl.col("verdict") == "alarm").select("feature").collect()["feature"].to_list()
    return Finding(
        not alarmed,
        f"no information coefficient is more than two standard errors beyond {ALARM_IC}"
        if not alarmed
        else f"review {alarmed} for leakage",
        {"alarms": len(alarmed)},
    )


def _state_named(stored: Stored) -> Finding:
    by_state = stored.rows.group_by("status").len().sort("status").collect()
    counts = {str(status): int(n) for status, n in by_state.iter_rows()}
    degraded = stored.rows.filter(pl.col("model_state") == "degraded").select(pl.col("session").n_unique()).collect()
    n_degraded = int(degraded.item())
    return Finding(
        n_degraded == 0,
        f"{counts}; the model is degraded in {n_degraded} sessions: sizes are halved and a training is asked for",
        {"degraded_sessions": n_degraded} | counts,
    )


def _decided_by_all_gates(stored: Stored) -> Finding:
    wrong = stored.rows.filter((pl.col("decision") == "promote") & pl.col("failed_gates").is_not_null()).collect()
    return Finding(wrong.is_empty(), f"{wrong.height} versions promoted although a gate failed")


LABELS = (
    TableCheck("faultless", "Labels end after they begin, are known no earlier, null with a reason.", _faultless),
    TableCheck(
        "ambiguous_share", "Few bars meet both barriers, so that few outcomes are unknown.", _ambiguous_share, False
    ),
    COMES_OUT_AGAIN,
)
FOLDS = (TableCheck("train_before_test", "No training row reaches into its test block.", _trained_before_tested),)
TRAINED = (
    TableCheck("baselines_fitted", "Every model stands beside its baselines.", _baselines_fitted),
    TableCheck("calibrated_apart", "Calibrators never saw a row that their model was fitted to.", _calibrated_apart),
    TableCheck(
        "enough_rows_count",
        "Weights leave at least 30 % of the rows as an effective number.",
        _enough_rows_count,
        False,
    ),
)
EVALUATION = (
    TableCheck("baselines_present", "Every score stands beside all baselines of its head.", _baselines_scored),
    TableCheck("not_too_good", "No score is so good that a leak is likelier than skill.", _not_too_good),
)
PREDICTIONS = (TableCheck("sums_to_one", "Probabilities of a row sum to one.", _sums_to_one),)
FEATURE_REPORT = (
    TableCheck(
        "no_feature_too_good",
        "No feature has an information coefficient so large that a leak is likelier than skill. A warning, as the "
        "report describes and decides nothing: see in docs/features.md what each named feature is made from and "
        "since when that is known, and use no model that reads it before the cause is found.",
        _no_alarm,
        is_blocking=False,
    ),
)
DRIFT = (
    TableCheck(
        "not_degraded",
        "At most 5 % of the features and no output have drifted from the training rows. A warning: the model is used "
        "on at half size until a training answers.",
        _state_named,
        is_blocking=False,
    ),
)
PROMOTION = (TableCheck("gates_decide", "No version was promoted that failed a gate.", _decided_by_all_gates),)
