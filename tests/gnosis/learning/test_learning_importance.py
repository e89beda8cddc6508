"""Importance: of planted features, row by row against a plain loop, and for models that look back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
import pytest

from gnosis.features import BY_NAME, GROUPS
from gnosis.learning import importance, models
from gnosis.learning.heads import HEADS
from gnosis.learning.importance import calibration_importance, group_ablation, permutation_importance
from gnosis.learning.matrix import FEATURE_NAMES
from gnosis.learning.problem import Inputs, Problem

STRONG, WEAK = FEATURE_NAMES.index("tech_momentum_zscore"), FEATURE_NAMES.index("tech_roc_5")


def inputs_of(n_sessions: int = 300, n_symbols: int = 3, seed: int = 1) -> Inputs:
    rng = np.random.default_rng(seed)
    n = n_sessions * n_symbols
    features = np.zeros((n, len(FEATURE_NAMES)), dtype=np.float32)
    features[:, :40] = rng.normal(size=(n, 40))
    features[:, [STRONG, WEAK]] = rng.normal(size=(n, 2))
    session, symbol = np.repeat(np.arange(n_sessions), n_symbols), np.tile(np.arange(n_symbols), n_sessions)
    return Inputs(features, symbol.astype(np.int64), session.astype(np.int64), np.full(n, 0.01))


@dataclass(frozen=True)
class Line:
    """Answers with a sum of two features, the weak one read ``back`` sessions earlier."""

    back: int = 0

    def predict(self, inputs: Inputs, rows: np.ndarray) -> np.ndarray:
        at = {(a, b): i for i, (a, b) in enumerate(zip(inputs.symbol.tolist(), inputs.session.tolist(), strict=True))}
        before = [at.get((int(inputs.symbol[r]), int(inputs.session[r]) - self.back)) for r in rows]
        weak = [0.0 if r is None else float(inputs.features[r, WEAK]) for r in before]
        return (2.0 * inputs.features[rows, STRONG].astype(float) + np.array(weak))[:, None]


@pytest.mark.parametrize("back", [0, 3])
def test_rise_is_twice_the_squared_weight(back):
    """Permuting x in w x raises the squared error by 2 w^2 var(x)."""
    inputs, rows, line = inputs_of(), np.arange(300, 900), Line(back)
    target = line.predict(inputs, rows)[:, 0]
    rise = calibration_importance(line, inputs, rows, target, HEADS["return"], 1)
    assert len(rise) == 141
    assert (rise[STRONG], rise[WEAK]) == pytest.approx((8.0, 2.0), rel=0.2)
    assert all(value == 0.0 for at, value in enumerate(rise) if at not in (STRONG, WEAK))


def test_several_features_at_once_are_one_at_a_time(monkeypatch):
    inputs, rows, line = inputs_of(), np.arange(300, 900), Line(2)
    target = line.predict(inputs, rows)[:, 0]
    at_once = calibration_importance(line, inputs, rows, target, HEADS["return"], 1)
    monkeypatch.setattr(importance, "_ROWS_AT_ONCE", 1)
    assert calibration_importance(line, inputs, rows, target, HEADS["return"], 1) == at_once


def test_no_more_than_a_thousand_rows_are_asked():
    asked = []

    class Counting(Line):
        def predict(self, inputs: Inputs, rows: np.ndarray) -> np.ndarray:
            asked.append(rows.size)
            return np.zeros((rows.size, 1))

    inputs = inputs_of(1000)
    calibration_importance(Counting(), inputs, np.arange(100, 2900), np.zeros(2800), HEADS["return"], 1)
    assert asked[0] == 934


def problem_of(inputs: Inputs, rows: np.ndarray, target: np.ndarray, name: str = "logistic") -> Problem:
    nothing = np.empty(0, dtype=np.int64)
    settings = models.PARAMETERS[name]
    return Problem(HEADS["direction"], inputs, rows, target[rows], np.ones(rows.size), nothing, nothing, settings, 1)


def classes_of(inputs: Inputs, seed: int = 2) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=len(inputs.session))
    return np.digitize(1.5 * inputs.features[:, STRONG] + noise, [-0.5, 0.5]).astype(float)


def test_leaving_out_the_group_of_the_planted_feature_costs_most():
    inputs = inputs_of()
    target = classes_of(inputs)
    folds = []
    for start in (300, 600):
        test = np.arange(start, start + 300)
        folds.append((problem_of(inputs, np.setdiff1d(np.arange(900), test), target), test, target[test]))
    table = group_ablation("logistic", folds)
    assert table["group"][0] == BY_NAME[FEATURE_NAMES[STRONG]].group and set(table["group"]) == set(GROUPS)
    # Without the group that holds nothing but noise the model overfits less.
    rise = table["loss_increase"]
    assert rise[0] > 0.05 > 3 * rise[1] and rise[-1] < 0.0
    assert table["folds"].to_list() == [2] * len(GROUPS) and table["spread"].min() >= 0.0


def test_permutation_by_fold_judges_each_model_where_it_is_valid(monkeypatch):
    inputs = inputs_of()
    target = classes_of(inputs)
    days = pl.date_range(pl.date(2020, 1, 1), pl.date(2020, 10, 26), eager=True)
    rows = pl.DataFrame({"horizon_bars": 5, "session": days[inputs.session], "y_dir": target.astype(int) - 1})

    class Known:
        @staticmethod
        def of(features, dataset, horizon):
            class Pair:
                pass

            pair = Pair()
            pair.inputs, pair.rows = inputs, dataset
            return pair

    monkeypatch.setattr(importance, "Material", Known)
    model = models.fit("logistic", problem_of(inputs, np.arange(300), target))
    trained = pl.DataFrame({
        "horizon_bars": 5, "head": "direction", "model_name": "logistic", "fold": [0, 1],
        "valid_from": [days[100], days[200]], "class_edges": pl.Series([None, None], dtype=pl.List(pl.Float64)),
        "model_bytes": [model.to_bytes()] * 2,
    })  # fmt: skip
    table = permutation_importance(pl.DataFrame(), rows, trained, HEADS["direction"], model_name="logistic")
    assert table.height == 141 and table["feature"][0] == FEATURE_NAMES[STRONG]
    assert table["loss_increase"][0] > 5 * table["loss_increase"][1:].abs().max()
    assert table["folds"].unique().to_list() == [2] and table["spread"][0] > 0.0
    again = permutation_importance(pl.DataFrame(), rows, trained, HEADS["direction"], model_name="logistic")
    assert table.equals(again)
    one = permutation_importance(pl.DataFrame(), rows, trained.head(1), HEADS["direction"], model_name="logistic")
    assert one["spread"].null_count() == 141
    none = permutation_importance(pl.DataFrame(), rows, trained.clear(), HEADS["direction"], model_name="logistic")
    assert none["loss_increase"].null_count() == 141 and none["folds"].unique().to_list() == [0]
