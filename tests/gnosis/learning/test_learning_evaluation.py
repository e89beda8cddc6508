"""Evaluation on outcomes whose probabilities are known: verdicts, scopes, and what is refused."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest

from gnosis.learning.evaluation import evaluate, path_distribution, scored
from gnosis.learning.metrics import row_log_loss
from gnosis.tables import TABLES
from tests.gnosis.learning.simulated_answers import (
    SCALE,
    answers_of,
    direction_answers,
    folds_of,
    simulated_dataset,
    softmax,
)


def metric(evaluation: pl.DataFrame, model: str, name: str, scope: str = "stitched", head: str = "direction") -> dict:
    wanted = (pl.col("model_name") == model) & (pl.col("metric") == name) & (pl.col("scope") == scope)
    return evaluation.filter(wanted & (pl.col("head") == head)).row(0, named=True)


@pytest.fixture(scope="module")
def market():
    """An edge that is there and within reason."""
    return simulated_dataset(edge=0.2)


@pytest.fixture(scope="module")
def answers(market) -> pl.DataFrame:
    return direction_answers(*market[:2])


@pytest.fixture(scope="module")
def states(market) -> pl.DataFrame:
    days = market[0].select("session", "symbol")
    return days.with_columns(
        vix=pl.Series(np.resize([14.9, 15.0, 25.0, 25.1], days.height)),
        liquidity_regime=pl.Series(np.resize(["thin", "deep", None], days.height)),
        movement_energy=pl.Series(np.arange(days.height, dtype=float)),
    )


@pytest.fixture(scope="module")
def evaluation(market, answers, states) -> pl.DataFrame:
    return evaluate(answers, market[0], folds_of(market[0]), states=states)


def test_planted_edge_is_skill(evaluation):
    found = metric(evaluation, "xgboost", "log_loss_skill")
    assert found["value"] > 2 * found["standard_error"] > 0
    assert found["verdict"] == "skill"
    assert metric(evaluation, "majority", "log_loss")["verdict"] == "no_skill"


def test_calibration_is_told_before_and_after(evaluation):
    value = {name: metric(evaluation, "xgboost", name)["value"] for name in evaluation["metric"].cast(pl.String)}
    assert value["recalibration_slope_raw"] == pytest.approx(0.5, abs=0.15)
    assert value["recalibration_slope"] == pytest.approx(1.0, abs=0.3)
    for name in ("log_loss", "brier", "ece", "max_bin_error"):
        assert value[name] < value[f"{name}_raw"]
    assert value["brier_skill_raw"] < value["brier_skill"]


def test_answers_without_a_relation_have_no_skill(market):
    data, logits, _ = market
    shuffled = np.random.default_rng(3).permutation(logits)
    found = evaluate(direction_answers(data, shuffled), data, folds_of(data))
    for name in ("logistic", "xgboost"):
        area = metric(found, name, "auc")
        assert area["value"] == pytest.approx(0.5, abs=3 * area["standard_error"])
        assert area["verdict"] == "no_skill"


def test_a_leak_raises_the_alarm(market):
    data, logits, _ = market
    known = softmax(2.0 * np.eye(3)[data["y_dir"].to_numpy() + 1])
    leaky = answers_of(data, "direction", "xgboost", known)
    honest = direction_answers(data, logits).filter(pl.col("model_name") != "xgboost")
    found = evaluate(pl.concat([honest, leaky]), data, folds_of(data))
    assert metric(found, "xgboost", "auc")["verdict"] == "too_good"
    assert metric(found, "logistic", "auc")["verdict"] != "too_good"


def test_a_coefficient_across_ten_symbols_beyond_a_tenth_is_too_good():
    data, _, signal = simulated_dataset(n_sessions=100, n_symbols=10, edge=0.25)
    n = data.height
    noise = np.random.default_rng(2).normal(size=n)
    frames = [answers_of(data, "return", name, 0.01 * noise) for name in ("majority", "ridge")]
    found = evaluate(pl.concat([*frames, answers_of(data, "return", "xgboost", signal)]), data, folds_of(data))
    assert metric(found, "xgboost", "ic", head="return")["value"] > 0.1
    assert metric(found, "xgboost", "ic", head="return")["verdict"] == "too_good"
    assert metric(found, "ridge", "ic", head="return")["verdict"] == "no_skill"


def test_table_is_the_same_whatever_the_order(market, answers, states, evaluation):
    table = TABLES["models.evaluation"]
    table.schema.validate(evaluation)
    assert evaluation.equals(evaluation.sort(table.key))
    mixed = answers.sample(fraction=1.0, shuffle=True, seed=2)
    data = market[0].sample(fraction=1.0, shuffle=True, seed=3)
    assert evaluate(mixed, data, folds_of(market[0]), states=states.reverse()).equals(evaluation)
    assert evaluation["synthetic"].all()


def test_stitched_is_the_sum_of_the_parts(evaluation):
    whole = metric(evaluation, "xgboost", "log_loss")
    of_model = evaluation.filter((pl.col("model_name") == "xgboost") & (pl.col("metric") == "log_loss"))
    for kind in ("fold", "year", "vix", "energy"):
        parts = of_model.filter(pl.col("scope").str.starts_with(f"{kind} "))
        assert parts.height >= 2 and parts["n"].sum() == whole["n"]
        assert (parts["value"] * parts["n"]).sum() / whole["n"] == pytest.approx(whole["value"], rel=1e-12)


def test_market_states_are_cut_where_the_specification_says(evaluation):
    n = {scope: metric(evaluation, "xgboost", "log_loss", scope)["n"] for scope in evaluation["scope"].unique()}
    assert (n["vix low"], n["vix middle"], n["vix high"]) == (300, 600, 300)
    assert (n["liquidity deep"], n["liquidity thin"]) == (400, 400) and "liquidity null" not in n
    assert (n["energy low"], n["energy middle"], n["energy high"]) == (400, 400, 400)


def test_without_states_there_are_no_scopes_of_states(market, answers):
    found = evaluate(answers, market[0], folds_of(market[0]), replicates=20)
    assert {scope.split()[0] for scope in found["scope"]} == {"stitched", "fold", "year"}


def test_scores_of_a_scope_are_those_of_its_rows(market, evaluation):
    data, logits, _ = market
    outcome = data["y_dir"].cast(pl.Int64).to_numpy() + 1
    in_2016 = (data["session"].dt.year() == 2016).to_numpy()
    loss = row_log_loss(softmax(logits), outcome)[in_2016].mean()
    assert metric(evaluation, "xgboost", "log_loss", "year 2016")["value"] == pytest.approx(loss, rel=1e-12)


def test_only_common_rows_with_known_outcomes_are_scored(market, answers):
    data = market[0].with_columns(y_dir=pl.when(pl.col("symbol") != "S01").then(pl.col("y_dir")))
    some = answers.with_columns(
        answer=pl.when((pl.col("model_name") != "xgboost") | (pl.col("symbol") != "S00")).then(pl.col("answer"))
    )
    rows = scored(some, data)
    assert set(rows["symbol"]) == {"S02", "S03"}
    assert rows.group_by("model_name").len()["len"].n_unique() == 1
    assert rows.equals(rows.sort("model_name", "session", "symbol"))


def test_missing_baselines_or_few_sessions_are_insufficient(market, answers):
    data = market[0]
    alone = evaluate(answers.filter(pl.col("model_name") == "xgboost"), data, folds_of(data))
    assert alone["verdict"].unique().to_list() == ["insufficient"]
    assert metric(alone, "xgboost", "log_loss_skill")["value"] is None
    first = data["session"].unique().sort()[:30]
    short = evaluate(answers.filter(pl.col("session").is_in(first.implode())), data, folds_of(data))
    assert short["verdict"].unique().to_list() == ["insufficient"]


def test_a_scope_of_few_sessions_has_values_without_errors(market, answers):
    first = market[0]["session"].unique().sort()[:19]
    found = evaluate(answers.filter(pl.col("session").is_in(first.implode())), market[0], folds_of(market[0]))
    row = metric(found, "xgboost", "log_loss")
    assert row["value"] is not None and row["standard_error"] is None


def test_numbers_are_judged_by_their_loss(market):
    data, _, signal = market
    rng = np.random.default_rng(4)
    truth = np.log(data["y_vol"].to_numpy())
    n = data.height
    frames = [
        answers_of(data, "volatility", "majority", np.full(n, truth.mean())),
        answers_of(data, "volatility", "ewma", truth.mean() + 0.1 * signal),
        answers_of(data, "volatility", "ridge", truth.mean() + 0.2 * signal),
        answers_of(data, "volatility", "xgboost", truth.mean() + 0.4 * signal),
        answers_of(data, "volatility", "lightgbm", truth.mean() + 0.15 * signal + 0.01 * rng.normal(size=n)),
    ]
    found = evaluate(pl.concat(frames), data, folds_of(data))
    stitched = found.filter((pl.col("scope") == "stitched") & (pl.col("metric") == "rmse"))
    verdicts = dict(stitched.select(pl.col("model_name", "verdict").cast(pl.String)).iter_rows())
    # LightGBM beats the mean and EWMA, but not the ridge regression.
    assert verdicts == {
        "majority": "no_skill", "ewma": "skill", "ridge": "skill", "xgboost": "skill", "lightgbm": "no_skill"
    }  # fmt: skip
    assert metric(found, "xgboost", "r_squared", head="volatility")["value"] == pytest.approx(0.64, abs=0.08)
    assert metric(found, "majority", "r_squared", head="volatility")["value"] == 0.0
    assert metric(found, "xgboost", "qlike", head="volatility")["value"] > 0.0
    assert "ece" not in found["metric"].to_list()


def test_magnitude_is_judged_by_the_edges_of_its_fold(market):
    data = market[0]
    size = data["y_mag"].to_numpy()
    answer = np.tile([0.2, 0.3, 0.5], (data.height, 1))
    rows = scored(answers_of(data, "magnitude", "majority", answer, edges=(0.5, 1.0)), data)
    assert rows["outcome"].to_list() == [0.0 if x <= 0.5 else 1.0 if x <= 1.0 else 2.0 for x in size]
    other = answers_of(data, "magnitude", "xgboost", answer, edges=(0.4, 1.0))
    with pytest.raises(ValueError, match="different class_edges"):
        scored(pl.concat([answers_of(data, "magnitude", "majority", answer, edges=(0.5, 1.0)), other]), data)


def test_two_classes_are_judged_by_the_second(market):
    data = market[0]
    won = data["y_meta"].to_numpy().mean()
    answer = np.tile([1 - won, won], (data.height, 1))
    found = evaluate(answers_of(data, "meta", "majority", answer), data, folds_of(data))
    assert metric(found, "majority", "brier", head="meta")["value"] == pytest.approx(won * (1 - won))


def test_answers_for_the_training_rows_are_named(market, answers):
    data = market[0]
    late = folds_of(data).with_columns(pl.col("test_first") + dt.timedelta(days=30))
    with pytest.raises(ValueError, match="at or after the first test session"):
        evaluate(answers, data, late)
    with pytest.raises(ValueError, match="at or after the first test session"):
        evaluate(answers, data, folds_of(data).head(1))


def test_what_cannot_be_judged_is_refused(market, answers):
    data = market[0]
    with pytest.raises(ValueError, match="one answer per model"):
        scored(pl.concat([answers, answers]), data)
    with pytest.raises(ValueError, match="expected answer of 3 numbers for head direction"):
        evaluate(answers_of(data, "direction", "majority", np.full(data.height, 1.0)), data, folds_of(data))
    with pytest.raises(ValueError, match="expected finite answer"):
        evaluate(answers_of(data, "return", "majority", np.full(data.height, np.nan)), data, folds_of(data))


def test_nothing_to_score_is_an_empty_table(market, answers):
    found = evaluate(answers.clear(), market[0], folds_of(market[0]))
    assert found.is_empty() and found.schema == TABLES["models.evaluation"].polars_schema


def test_distribution_over_paths():
    data, logits, _ = simulated_dataset(n_sessions=80, n_symbols=12, edge=0.25)
    rng = np.random.default_rng(5)
    said = [softmax(logits + 0.3 * rng.normal(size=logits.shape)) for _ in range(4)]
    paths = pl.concat([
        answers_of(data, "direction", "xgboost", p).with_columns(path=pl.lit(at, pl.Int64)) for at, p in enumerate(said)
    ])  # fmt: skip
    found = path_distribution(paths, data)
    rows = {row["metric"]: row for row in found.iter_rows(named=True)}
    outcome = data["y_dir"].cast(pl.Int64).to_numpy() + 1
    losses = [row_log_loss(p, outcome).mean() for p in said]
    assert rows["log_loss"]["values"] == pytest.approx(losses) and rows["log_loss"]["n_paths"] == 4
    assert rows["log_loss"]["standard_deviation"] == pytest.approx(np.std(losses, ddof=1))
    gains = [(p[:, 2] - p[:, 0]) * data["y_ret"].to_numpy() for p in said]
    by_session = [each.reshape(80, 12).mean(axis=1) for each in gains]
    sharpes = [each.mean() / each.std(ddof=1) * np.sqrt(252 / 5) for each in by_session]
    assert rows["sharpe"]["values"] == pytest.approx(sharpes)
    realised = data["y_ret"].to_numpy() / SCALE
    ics = [
        np.mean([np.corrcoef((p[:, 2] - p[:, 0])[s], realised[s])[0, 1] for s in np.arange(960).reshape(80, 12)])
        for p in said
    ]
    assert rows["ic"]["values"] == pytest.approx(ics)
    assert path_distribution(paths.reverse(), data).equals(found)
