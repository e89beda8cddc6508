"""Scores: vectors V10, the bootstrap, and the three verdicts on markets whose truth is known."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from gnosis.learning import evaluate, permutation_importance, scored
from gnosis.learning.figures import calibration_figure, confusion_figure, importance_figure
from gnosis.learning.metrics import (
    Ranking,
    bootstrap_counts,
    expected_calibration_error,
    reliability,
    row_brier,
    row_log_loss,
)
from gnosis.tables import TABLES

V10_P = np.array([0.9, 0.8, 0.7, 0.6, 0.55, 0.4, 0.35, 0.3, 0.2, 0.1])
V10_Y = np.array([1, 1, 0, 1, 1, 0, 1, 0, 0, 0])
BOTH = np.column_stack([1 - V10_P, V10_P])


def test_scores_of_the_specification() -> None:
    # The multi-class Brier score counts both classes, hence twice the binary one.
    assert row_brier(BOTH, V10_Y).mean() == pytest.approx(2 * 0.1625, rel=1e-12)
    assert row_log_loss(BOTH, V10_Y).mean() == pytest.approx(0.488696625499502, rel=1e-12)
    assert Ranking(BOTH, V10_Y).area(np.ones(10)) == pytest.approx(0.84, rel=1e-12)
    assert expected_calibration_error(V10_P, V10_Y == 1, bins=5) == pytest.approx(0.13, rel=1e-12)
    assert 1 - row_brier(BOTH, V10_Y).mean() / row_brier(np.full((10, 2), 0.5), V10_Y).mean() == pytest.approx(0.35)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.integers(5, 40))
def test_area_against_every_pair(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    score = rng.integers(0, 6, n) / 5.0
    outcome = np.concatenate([[0, 1], rng.integers(0, 2, n - 2)])
    weights = rng.integers(0, 4, n).astype(float)
    weights[:2] = 1.0
    above = (score[:, None] > score[None, :]) + 0.5 * (score[:, None] == score[None, :])
    pairs = (weights * (outcome == 1))[:, None] * (weights * (outcome == 0))[None, :]
    expected = (above * pairs).sum() / pairs.sum()
    assert Ranking(np.column_stack([1 - score, score]), outcome).area(weights) == pytest.approx(expected, rel=1e-12)


def test_area_without_a_class_is_undefined() -> None:
    assert np.isnan(Ranking(BOTH, np.ones(10, dtype=int)).area(np.ones(10)))


def test_reliability_keeps_ties_together_and_counts_everything() -> None:
    table = reliability(np.repeat([0.2, 0.6], [70, 30]), np.arange(100) % 5 == 0, bins=10)
    assert table["n"].to_list() == [70, 30]
    assert table["predicted"].to_list() == pytest.approx([0.2, 0.6])
    wilson = binomtest(14, 70).proportion_ci(method="wilson")
    assert table.row(0)[3:] == pytest.approx((wilson.low, wilson.high), rel=1e-9)


def test_bootstrap_draws_whole_series_in_blocks() -> None:
    counts = bootstrap_counts(50, 10.0, 200, np.random.default_rng(1))
    assert counts.shape == (200, 50) and (counts.sum(axis=1) == 50).all()
    assert np.array_equal(counts, bootstrap_counts(50, 10.0, 200, np.random.default_rng(1)))
    assert counts.mean(axis=0) == pytest.approx(np.ones(50), abs=0.3)


def test_bootstrap_error_of_a_mean_against_its_formula() -> None:
    """AR(1) with coefficient 0.5 and unit variance: the error of the mean is sqrt((1 + 0.5) / (1 - 0.5) / n)."""
    rng = np.random.default_rng(5)
    n = 4000
    values = np.zeros(n)
    for t in range(1, n):
        values[t] = 0.5 * values[t - 1] + np.sqrt(0.75) * rng.normal()
    counts = bootstrap_counts(n, 40.0, 600, rng)
    found = (counts @ values / n).std(ddof=1)
    assert found == pytest.approx(np.sqrt(3 / n), rel=0.15)


def metric(evaluation: pl.DataFrame, model: str, name: str, scope: str = "stitched") -> dict:
    wanted = (pl.col("model_name") == model) & (pl.col("metric") == name) & (pl.col("scope") == scope)
    return evaluation.filter(wanted).row(0, named=True)


@pytest.fixture(scope="module")
def evaluation(learned) -> pl.DataFrame:
    return evaluate(learned.predictions, learned.labels, learned.folds_table)


def test_planted_edge_is_detected(evaluation) -> None:
    found = metric(evaluation, "xgboost", "log_loss_skill")
    assert found["value"] > 2 * found["standard_error"] > 0
    assert metric(evaluation, "xgboost", "auc")["value"] > 0.54
    assert found["verdict"] == "skill"


def test_shuffled_labels_score_as_chance(market, walk) -> None:
    learned = walk(*market, shuffle=3)
    evaluation = evaluate(learned.predictions, learned.labels, learned.folds_table)
    for name in ("logistic", "xgboost"):
        area = metric(evaluation, name, "auc")
        assert area["value"] == pytest.approx(0.5, abs=3 * area["standard_error"])
        assert metric(evaluation, name, "log_loss_skill")["value"] < 0.005
        assert area["verdict"] == "no_skill"


def test_a_leak_raises_the_alarm(simulate, walk) -> None:
    """A feature that holds the outcome itself: far too good to be true."""
    bars, features = simulate(2, 900, 31)
    from gnosis.learning.labels import labels

    outcome = labels(bars, horizons=(5,)).select("symbol", "y_ret", pl.col("signal_session").alias("session"))
    leaky = features.join(outcome, on=["session", "symbol"], how="left").with_columns(tech_roc_5="y_ret").drop("y_ret")
    learned = walk(bars, leaky.sort("session", "symbol"))
    evaluation = evaluate(learned.predictions, learned.labels, learned.folds_table)
    assert metric(evaluation, "xgboost", "auc")["verdict"] == "too_good"
    assert metric(evaluation, "majority", "auc")["verdict"] == "no_skill"


def test_evaluation_table(evaluation, learned) -> None:
    table = TABLES["models.evaluation"]
    table.schema.validate(evaluation)
    assert evaluation.equals(evaluation.sort(table.key))
    again = evaluate(
        learned.predictions.sample(fraction=1.0, shuffle=True, seed=2), learned.labels, learned.folds_table
    )
    assert again.equals(evaluation)
    scopes = {"stitched", *map(str, learned.folds_table["fold"])}
    assert set(evaluation["scope"]) == scopes
    assert evaluation["synthetic"].all()


def test_stitched_is_the_sum_of_the_folds(evaluation) -> None:
    parts = evaluation.filter(
        (pl.col("model_name") == "xgboost") & (pl.col("metric") == "log_loss") & (pl.col("scope") != "stitched")
    )
    whole = metric(evaluation, "xgboost", "log_loss")
    assert parts["n"].sum() == whole["n"]
    assert (parts["value"] * parts["n"]).sum() / whole["n"] == pytest.approx(whole["value"], rel=1e-12)


def test_majority_has_no_skill_over_itself(evaluation) -> None:
    assert metric(evaluation, "majority", "log_loss_skill")["value"] == 0.0
    assert metric(evaluation, "majority", "auc", "0")["value"] == 0.5


def test_only_common_rows_with_known_outcomes_are_scored(learned) -> None:
    rows = scored(learned.predictions, learned.labels, learned.folds_table)
    last = learned.bars["session"].unique().sort()[-6]
    assert rows["session"].max() == last
    some = learned.predictions.filter((pl.col("model_name") != "xgboost") | (pl.col("symbol") != "S00"))
    fewer = scored(some, learned.labels, learned.folds_table)
    assert "S00" not in fewer["symbol"].to_list()
    assert fewer.group_by("model_name").len()["len"].n_unique() == 1


def test_missing_baselines_or_few_sessions_are_insufficient(learned) -> None:
    alone = learned.predictions.filter(pl.col("model_name") == "xgboost")
    judged = evaluate(alone, learned.labels, learned.folds_table)
    assert judged["verdict"].unique().to_list() == ["insufficient"]
    assert metric(judged, "xgboost", "log_loss_skill")["value"] is None
    first = learned.predictions["session"].unique().sort()[:30]
    short = learned.predictions.filter(pl.col("session").is_in(first.implode()))
    assert evaluate(short, learned.labels, learned.folds_table)["verdict"].unique().to_list() == ["insufficient"]


def test_predictions_outside_every_fold_are_named(learned) -> None:
    with pytest.raises(ValueError, match="inside a test block"):
        evaluate(learned.predictions, learned.labels, learned.folds_table.tail(1))


def test_nothing_to_score_is_an_empty_table(learned) -> None:
    empty = evaluate(learned.predictions.clear(), learned.labels, learned.folds_table)
    assert empty.is_empty() and empty.schema == TABLES["models.evaluation"].polars_schema


def test_importance_finds_the_planted_feature(learned) -> None:
    table = permutation_importance(learned.rows, learned.trained)
    assert table["feature"][0] == "tech_momentum_zscore"
    assert table["log_loss_increase"][0] > 5 * table["log_loss_increase"][1:].abs().max()
    assert table.equals(permutation_importance(learned.rows, learned.trained))


def test_figures_show_their_title(learned) -> None:
    rows = scored(learned.predictions, learned.labels, learned.folds_table).filter(pl.col("model_name") == "xgboost")
    figures = [
        calibration_figure(rows, "simulated"),
        confusion_figure(rows, "simulated"),
        importance_figure(permutation_importance(learned.rows, learned.trained), "simulated"),
    ]
    assert [figure.get_suptitle() for figure in figures] == ["simulated"] * 3
    counts = [int(text.get_text().split()[0]) for text in figures[1].axes[0].texts]
    assert sum(counts) == rows.height
