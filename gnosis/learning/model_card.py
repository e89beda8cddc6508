"""The model card: what a model is for, what it was made from, what it was worth and where it must not be trusted.

After Mitchell et al. (2019), "Model Cards for Model Reporting".
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import polars as pl

from gnosis.learning.reliability import Z_95

if TYPE_CHECKING:
    from collections.abc import Mapping

PURPOSES = {
    "direction": "probabilities of a fall, of a move inside the dead zone and of a rise, from the next open",
    "magnitude": "probabilities that the absolute return is small, middling or large against its volatility scale",
    "volatility": "volatility expected over the horizon",
    "return": "return expected over the horizon from the next open, in units of its volatility scale",
    "meta": "probability that the primary side earns more than its costs",
}
LIMITATIONS = (
    "Hedge features have no history before the first stored chain: models trained before learnt nothing of them.",
    "Purging controls overlap of labels, not slow common shocks.",
    "Standard errors treat sessions as the unit and symbols of a session as one; they say nothing of data not seen.",
    "Not a recommendation: without a promotion document the predictions feed simulation only.",
)
SYNTHETIC = "Trained on generated data: nothing in this card says anything about a market."
_CALIBRATION = ("ece", "max_bin_error", "recalibration_intercept", "recalibration_slope", "brier", "log_loss")


def model_card(
    *,
    trained: pl.DataFrame,
    folds: pl.DataFrame,
    evaluation: pl.DataFrame,
    importance: pl.DataFrame,
    universe: str,
    configuration: Mapping[str, Any],
    n_trials: int | None,
    hashes: Mapping[str, str],
) -> dict[str, Any]:
    """Describe the newest model of a head (L-10.4).

    Parameters
    ----------
    trained
        Rows of ``models.trained`` of one head, horizon and family, at least one.
    folds, evaluation
        Rows of ``models.folds`` and ``models.evaluation`` of the same head and horizon; scores of other families stand
        beside as baselines.
    importance
        One row per feature: ``feature`` and what it is worth.
    universe
        What the symbols are called together.
    configuration
        Full resolved configuration, label specification included.
    n_trials
        Trials of the ledger; None when they were not counted.
    hashes
        What identifies run, code and data.

    Returns
    -------
    dict
        Values that :func:`gnosis.learning.canonical.canonical_json` can write: no clock, the same card for the same
        model. Intervals are 95 %, from the bootstrap standard errors; a value without an error has a null interval.

    Raises
    ------
    ValueError
        When there is no model, or there are models of several heads, horizons or families.
    """
    if trained.select("head", "horizon_bars", "model_name").n_unique() != 1:
        raise ValueError(
            f"expected models of one head, horizon and family, found {trained.height} models of "
            f"{sorted(set(trained['head']))} and {sorted(set(trained['model_name']))}; filter them first"
        )
    newest = trained.sort("fold").row(-1, named=True)
    own = evaluation.filter(pl.col("model_name") == newest["model_name"])
    verdict = own.filter(pl.col("scope") == "stitched")["verdict"].drop_nulls()
    return {
        "purpose": PURPOSES[newest["head"]],
        "head": newest["head"],
        "horizon_bars": newest["horizon_bars"],
        "universe": universe,
        "synthetic": newest["synthetic"],
        "model": {
            "family": newest["model_name"],
            "version": newest["model_version"],
            "model_sha256": newest["model_sha256"],
            "parameters": json.loads(newest["parameters"]),
            "study": newest["study_name"],
            "seed": newest["seed"],
            "valid_from": str(newest["valid_from"]),
        },
        "data": _data(newest, folds),
        "configuration": configuration,
        "verdict": verdict[0] if verdict.len() else None,
        "metrics": {"stitched": _scores(evaluation, "stitched")},
        "metrics_by_regime": {
            scope: _scores(own, scope)[newest["model_name"]]
            for scope in own["scope"].unique().sort()
            if scope != "stitched" and not scope.startswith(("fold ", "path"))
        },
        "calibration": _calibration(newest, own),
        "features": [
            {name: value if not isinstance(value, float) or value == value else None for name, value in row.items()}
            for row in importance.iter_rows(named=True)
        ],
        "known_limitations": [*([SYNTHETIC] if newest["synthetic"] else []), *LIMITATIONS],
        "n_trials": n_trials,
        "hashes": dict(hashes),
    }


def _data(newest: Mapping[str, Any], folds: pl.DataFrame) -> dict[str, Any]:
    used = folds.filter(pl.col("fold") == newest["fold"])
    return {
        "train_first": str(used["train_first"].min()),
        "train_last": str(used["train_last"].max()),
        "trained_through": str(newest["trained_through"]),
        "test_first": str(folds["test_first"].min()),
        "test_last": str(folds["test_last"].max()),
        "n_folds": folds.height,
        **{name: newest[name] for name in ("n_train", "n_fit", "n_calibration", "n_effective", "energy_weight")},
        **{name: newest[name] for name in ("dataset_sha256", "feature_list_sha256")},
    }


def _scores(evaluation: pl.DataFrame, scope: str) -> dict[str, dict[str, Any]]:
    """Family to metric to value with its 95 % interval and its count."""
    half = Z_95 * pl.col("standard_error")
    rows = evaluation.filter(pl.col("scope") == scope).with_columns(
        low=pl.col("value") - half, high=pl.col("value") + half
    )
    found: dict[str, dict[str, Any]] = {}
    for row in rows.sort("model_name", "metric").iter_rows(named=True):
        kept = {name: row[name] for name in ("value", "low", "high", "n")}
        found.setdefault(row["model_name"], {})[row["metric"]] = kept
    return found


def _calibration(newest: Mapping[str, Any], own: pl.DataFrame) -> dict[str, Any]:
    described = None if newest["calibrator"] is None else json.loads(newest["calibrator"])
    stitched = _scores(own, "stitched").get(newest["model_name"], {})
    return {
        "calibrator_id": newest["calibrator_id"],
        "calibrator": described,
        "scores": {
            metric: stitched[metric] for name in _CALIBRATION for metric in (name, f"{name}_raw") if metric in stitched
        },
    }
