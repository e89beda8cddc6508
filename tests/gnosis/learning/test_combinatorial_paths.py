"""Scores over the paths of combinatorial cross-validation, and what else a training hands to the tracking store."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from gnosis.learning import combinatorial_paths, importance, refit
from gnosis.learning.combinatorial_paths import OVER_PATHS, path_scores
from gnosis.learning.drift import population_stability
from gnosis.learning.drift_reference import drift_reference
from gnosis.learning.refit import RefitError, ablation_by_group
from gnosis.learning.training_rows import training_rows
from gnosis.learning.vault import first_vault_session
from gnosis.tables import TABLES

FEW = {"horizon": 5, "n_groups": 4, "n_tested": 2}
MODELS = ["logistic", "majority", "xgboost"]


@pytest.fixture(scope="module")
def last(learned):
    return learned.bars["session"].max()


@pytest.fixture(scope="module")
def scores(learned, last):
    return path_scores(learned.features, learned.rows, learned.trained, last, **FEW)


def test_every_path_of_the_published_model_and_its_baselines_is_scored(learned, last, scores):
    table = TABLES["models.evaluation"]
    assert scores.schema == table.polars_schema
    assert scores.equals(scores.sort(table.key))
    assert scores["model_name"].cast(pl.String).unique().sort().to_list() == MODELS
    # Four groups, two tested: three paths.
    assert scores["scope"].unique().sort().to_list() == ["path 1", "path 2", "path 3", OVER_PATHS]
    assert scores["metric"].cast(pl.String).unique().sort().to_list() == ["ic", "log_loss", "sharpe"]
    outside = learned.rows.filter(pl.col("session") < first_vault_session(last), pl.col("y_dir").is_not_null())
    assert outside.height - 6 * 6 <= scores["n"][0] <= outside.height


def test_the_mean_and_the_spread_are_those_of_the_paths(scores):
    each = scores.filter(pl.col("scope") != OVER_PATHS, pl.col("value").is_not_null())
    by_hand = each.group_by("model_name", "metric").agg(mean=pl.col("value").mean(), spread=pl.col("value").std())
    told = scores.filter(scope=OVER_PATHS).join(by_hand, on=["model_name", "metric"], how="inner")
    assert told.height == 2 * len(MODELS)
    assert told["value"].to_list() == pytest.approx(told["mean"].to_list(), rel=1e-12)
    assert told["standard_error"].to_list() == pytest.approx(told["spread"].to_list(), rel=1e-9)
    assert scores["verdict"].null_count() == scores.height


def test_a_planted_edge_is_found_on_every_path(scores):
    loss = scores.filter(pl.col("scope") != OVER_PATHS, metric="log_loss").pivot(
        "model_name", values="value", index="scope"
    )
    assert (loss["xgboost"] < loss["majority"]).all()


def test_no_session_of_the_vault_is_looked_at(learned, last, scores):
    """Rows of the vault may say anything: nothing changes."""
    is_inside = pl.col("session") >= first_vault_session(last)
    changed = learned.rows.with_columns(
        y_dir=pl.when(is_inside).then(-pl.col("y_dir")).otherwise("y_dir").cast(pl.Int8),
        y_ret=pl.when(is_inside).then(9.0).otherwise("y_ret"),
    )
    assert path_scores(learned.features, changed, learned.trained, last, **FEW).equals(scores)


def test_threads_change_nothing_and_a_missing_baseline_leaves_it_out(learned, last, scores):
    args = (learned.features, learned.rows)
    assert path_scores(*args, learned.trained, last, **FEW, threads=1).equals(scores)
    without = learned.trained.filter(pl.col("model_name") != "logistic")
    assert path_scores(*args, without, last, **FEW).is_empty()
    assert path_scores(*args, learned.trained.clear(), last, **FEW).is_empty()
    early = learned.bars["session"].unique().sort()[140]
    assert path_scores(*args, learned.trained, early, **FEW).is_empty()


def test_the_default_are_ten_groups_two_of_them_tested():
    assert (combinatorial_paths.N_GROUPS, combinatorial_paths.N_TESTED) == (10, 2)


@pytest.fixture(scope="module")
def model(learned):
    return learned.trained.filter(pl.col("model_name") == "xgboost").sort("fold").row(-1, named=True)


def test_without_the_group_of_the_edge_a_model_loses_most(learned, model, monkeypatch):
    monkeypatch.setattr(refit, "INNER_FOLDS", 2)
    monkeypatch.setattr(importance, "GROUPS", ("macro", "technical"))
    found = ablation_by_group(learned.features, learned.rows, model)
    assert found["group"].to_list() == ["technical", "macro"]
    assert found["loss_increase"][0] > 0.02 > abs(found["loss_increase"][1])
    assert found["folds"].unique().to_list() == [2]
    with pytest.raises(RefitError, match="found none of fold 99"):
        ablation_by_group(learned.features, learned.rows, model | {"fold": 99})


@pytest.mark.parametrize("name", ["tech_roc_5", "regime_vix_bucket", "sent_rsi_oversold", "liq_n_voids"])
def test_the_reference_of_drift_gives_the_index_of_stored_rows(learned, model, name):
    """The index of any rows follows from the stored bins and shares alone."""
    rows = training_rows(
        model["model_version"], learned.features, learned.rows, learned.folds_table, learned.trained, horizon=5
    )
    assert rows.height >= model["n_train"]
    bins = drift_reference(rows).filter(feature=name)
    assert bins["n"].sum() == rows.height
    assert bins["share"].sum() == pytest.approx(1.0, abs=1e-12)
    reference, actual = (
        part[name].cast(pl.Float32).cast(pl.Float64).fill_null(float("nan")).to_numpy()
        for part in (rows, learned.features.tail(600))
    )
    is_discrete = name != "tech_roc_5"
    known = bins.filter(~pl.col("is_missing"))["from_value"]
    place = known.search_sorted(actual) if is_discrete else np.searchsorted(known[1:].to_numpy(), actual, "right")
    place = np.where(np.isnan(actual), bins.height - 1, np.asarray(place))
    n = np.bincount(place.astype(np.int64), minlength=bins.height)
    share = (n + 0.5) / (actual.size + 0.5 * bins.height)
    expected = bins["share"].to_numpy()
    index = float(((share - expected) * np.log(share / expected)).sum())
    assert index == pytest.approx(population_stability(reference, actual, is_discrete=is_discrete), rel=1e-12)
