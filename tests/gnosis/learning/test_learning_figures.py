"""Figures: that what they show is what the rows say."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from gnosis.learning.evaluation import evaluate, scored
from gnosis.learning.figures import calibration_figure, confusion_figure, fold_figure, importance_figure
from gnosis.learning.matrix import FEATURE_NAMES
from gnosis.learning.reliability import reliability
from tests.gnosis.learning.simulated_answers import answers_of, direction_answers, folds_of, simulated_dataset


@pytest.fixture(scope="module")
def market():
    data, logits, _ = simulated_dataset(n_sessions=130)
    return data, direction_answers(data, logits)


@pytest.fixture(scope="module")
def rows(market) -> pl.DataFrame:
    return scored(market[1], market[0]).filter(pl.col("model_name") == "xgboost")


def drawn(figure) -> None:
    FigureCanvasAgg(figure).draw()


def test_calibration_shows_the_bins_before_and_after(rows):
    figure = calibration_figure(rows, "simulated")
    drawn(figure)
    assert figure.get_suptitle() == "simulated" and len(figure.axes) == 6
    panel = figure.axes[2]
    for line, column in zip(panel.containers, ("answer_raw", "answer"), strict=True):
        table = reliability(rows[column].list.get(2).to_numpy(), (rows["outcome"] == 2).to_numpy())
        x, y = line.lines[0].get_data()
        assert x == pytest.approx(table["predicted"].to_numpy()) and y == pytest.approx(table["observed"].to_numpy())
    assert [text.get_text() for text in figure.legends[0].texts] == ["before calibration", "after calibration"]


def test_calibration_of_two_classes_is_one_panel(market):
    data = market[0]
    won = np.linspace(0.2, 0.8, data.height)
    answers = answers_of(data, "meta", "xgboost", np.column_stack([1 - won, won]))
    figure = calibration_figure(scored(answers, data), "simulated")
    drawn(figure)
    assert len(figure.axes) == 2 and "profit" in figure.axes[0].get_title()


def test_confusion_counts_every_row(rows):
    figure = confusion_figure(rows, "simulated")
    drawn(figure)
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert sum(int(text.split("\n")[1].split()[0].replace(",", "")) for text in texts) == rows.height
    called = rows["answer"].list.arg_max()
    right = int(((called == 2) & (rows["outcome"] == 2)).sum())
    assert texts[8].endswith(f"{right:,} rows")


def test_number_heads_have_no_confusion(market):
    data = market[0]
    numbers = scored(answers_of(data, "return", "ridge", np.zeros(data.height)), data)
    with pytest.raises(ValueError, match="its answer is a number"):
        confusion_figure(numbers, "simulated")


def test_importance_shows_the_largest_at_the_top():
    table = pl.DataFrame({"feature": FEATURE_NAMES, "loss_increase": np.linspace(0.1, -0.01, 141), "folds": 3})
    figure = importance_figure(table.with_columns(spread=pl.lit(0.01)), "simulated", top=5)
    drawn(figure)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == list(FEATURE_NAMES[4::-1])
    nothing = table.with_columns(loss_increase=pl.lit(None, pl.Float64), spread=pl.lit(None, pl.Float64))
    figure = importance_figure(nothing, "simulated")
    drawn(figure)
    assert figure.axes[0].texts[0].get_text() == "no fold has been judged yet"


def test_folds_show_every_model_and_the_stitched_value(market):
    data, answers = market
    evaluation = evaluate(answers, data, folds_of(data), replicates=50)
    figure = fold_figure(evaluation, "simulated")
    drawn(figure)
    assert [text.get_text() for text in figure.legends[0].texts] == ["majority", "logistic", "xgboost"]
    left, right = figure.axes
    of_model = evaluation.filter(pl.col("metric") == "log_loss", pl.col("model_name") == "xgboost")
    by_fold = of_model.filter(pl.col("scope").str.starts_with("fold ")).sort("scope")
    assert left.containers[2].lines[0].get_ydata() == pytest.approx(by_fold["value"].to_list())
    stitched = of_model.filter(pl.col("scope") == "stitched")
    assert right.containers[2].lines[0].get_ydata() == pytest.approx(stitched["value"].to_list())
    empty = fold_figure(evaluation.filter(pl.col("scope") == "stitched"), "simulated", "auc")
    drawn(empty)
    assert empty.axes[0].texts[0].get_text() == "no fold has a auc yet"
