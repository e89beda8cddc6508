"""Checks of the models room."""

from __future__ import annotations

import datetime as dt
import hashlib
import json

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


def _outcomes_known_before_the_test(stored: Stored) -> Finding:
    """The rows of each fold are those whose outcome was known before its test block, counted anew from the data set."""
    folds = stored.rows.select("horizon_bars", "fold", "train_first", "train_last", "test_first", "n_train", "n_purged")
    dataset = stored.lake.scan("models.dataset")
    decided = dataset.group_by("horizon_bars", test_first="session").agg(pl.col("as_of").min().alias("tested_from"))
    labelled = dataset.filter(pl.col("y_dir").is_not_null()).select(
        "horizon_bars", "session", known=pl.max_horizontal("t1", "label_known_at")
    )
    within = pl.col("session").is_between("train_first", "train_last") & (pl.col("known") < pl.col("tested_from"))
    counted = (
        folds.join(decided, on=["horizon_bars", "test_first"], how="left")
        .join(labelled, on="horizon_bars", how="left")
        .group_by("horizon_bars", "fold", "n_train", "n_purged", overlaps=pl.col("train_last") >= pl.col("test_first"))
        .agg(n_known=within.sum())
        .collect()
    )
    wrong = counted.filter(pl.col("overlaps") | (pl.col("n_known") != pl.col("n_train"))).sort("horizon_bars", "fold")
    purged = int(counted["n_purged"].sum())
    named = [f"fold {row['fold']}: {row['n_train']} rows, {row['n_known']} known" for row in wrong.to_dicts()[:5]]
    return Finding(
        wrong.is_empty(),
        f"{counted.height} folds, {purged} rows purged, with rows whose outcome was not known: {named or 'none'}",
        {"folds": counted.height, "purged": purged},
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


def _features_as_stored(stored: Stored) -> Finding:
    """Predictions answered the feature rows that the lake keeps, and are known no earlier than those."""
    from gnosis.learning.matrix import as_array, feature_row_sha256, feature_rows

    rows = stored.rows.select("session", "symbol", "known_at", "feature_row_sha256").collect()
    sessions = rows["session"].unique()
    matrix = stored.lake.scan("features.matrix").filter(pl.col("session").is_in(sessions.implode())).collect()
    matrix = feature_rows(matrix)
    hashes = pl.Series("stored_sha256", feature_row_sha256(as_array(matrix)), dtype=pl.String)
    beside = matrix.select("session", "symbol", stored_at="known_at").with_columns(hashes)
    both = rows.join(beside, on=["session", "symbol"], how="left")
    other = both.filter(pl.col("feature_row_sha256").ne_missing(pl.col("stored_sha256"))).height
    early = both.filter(pl.col("known_at") < pl.col("stored_at")).height
    return Finding(
        other + early == 0,
        f"{both.height} predictions, {other} of other features than those stored, {early} known before their features",
        {"compared": both.height},
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


def _documents_verify(stored: Stored) -> Finding:
    """Every row says what its document says, and the gates of a promotion are stored and passed (L-11.4)."""
    gates = stored.lake.read("models.gates", columns=["document_sha256", "passed"])
    faults = []
    rows = stored.rows.collect()
    for row in rows.iter_rows(named=True):
        content, number = json.loads(row["document"]), row["decision_number"]
        if hashlib.sha256(row["document"].encode()).hexdigest() != row["document_sha256"]:
            faults.append(f"the document of decision {number} has another hash")
        told = (content["decision"], content["partition"], content["horizon_bars"], content["head"])
        if told != (row["decision"], row["session"].isoformat(), row["horizon_bars"], row["head"]):
            faults.append(f"decision {number} is not that of its document")
        if row["decision"] == "rollback":
            continue
        own = gates.filter(pl.col("document_sha256") == row["document_sha256"])["passed"].to_list()
        if sorted(own) != sorted(gate["pass"] for gate in content["gates"]):
            faults.append(f"the gates of decision {number} are not those of its document")
    return Finding(not faults, f"{rows.height} decisions with their documents, faults: {faults[:5] or 'none'}")


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
FOLDS = (
    TableCheck(
        "train_before_test",
        "The outcome of every training row was known before its test block began.",
        _outcomes_known_before_the_test,
    ),
)
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
PREDICTIONS = (
    TableCheck("sums_to_one", "Probabilities of a row sum to one.", _sums_to_one),
    TableCheck(
        "features_as_stored",
        "Predictions answered the stored feature rows and are known no earlier. A warning: what was published stays "
        "when features are made anew.",
        _features_as_stored,
        is_blocking=False,
    ),
)
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
PROMOTION = (
    TableCheck("gates_decide", "No version was promoted that failed a gate.", _decided_by_all_gates),
    TableCheck("documents_verify", "Every decision is that of its document and its gates.", _documents_verify),
)
