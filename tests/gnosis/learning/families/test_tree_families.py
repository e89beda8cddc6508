"""Trees: histogram gradient boosting, XGBoost and LightGBM against their own libraries."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gnosis.learning import models
from gnosis.learning.families import histogram_trees
from gnosis.learning.families.histogram_trees import HistogramTrees
from gnosis.learning.families.xgboost_trees import XgboostTrees
from gnosis.learning.matrix import CATEGORIES, FEATURE_NAMES
from tests.gnosis.learning.problems import EMPTY, NOTHING, fitted, problem


def probe() -> np.ndarray:
    """Rows never seen, with missing values and categories without a training row."""
    features = problem("direction", n=400, seed=9).inputs.features.copy()
    features[::3, list(CATEGORIES)] = 7.0
    return features


@pytest.mark.parametrize("head", ["direction", "meta", "return"])
def test_histogram_trees_equal_scikit_learn_to_the_bit(head: str, monkeypatch) -> None:
    """Unseen codes, codes left out of training, missing values and splits by category."""
    asked = problem(head, "hist_gradient_boosting", n=600)
    # An edge in categories with a gap in their codes, so that sets of codes decide.
    at = next(at for at, names in CATEGORIES.items() if len(names) == 6)
    features = asked.inputs.features.copy()
    features[features[:, at] == 2, at] = 3
    lean = np.isin(features[:, at], [1, 4]) + 0.2 * features[:, 0]
    target = np.digitize(lean, [0.1, 0.9]) if head == "direction" else (lean > 0.5) if head == "meta" else lean
    kept = np.isfinite(lean)
    native = []
    real = histogram_trees._fitted

    def spy(*arguments):
        native.append(real(*arguments))
        return native[-1]

    monkeypatch.setattr(histogram_trees, "_fitted", spy)
    rows = np.flatnonzero(kept)
    model = models.fit(
        "hist_gradient_boosting",
        replace(
            asked,
            inputs=replace(asked.inputs, features=features),
            rows=rows,
            target=np.asarray(target, dtype=np.float64)[kept],
            weights=asked.weights[kept],
            parameters={**asked.parameters, "max_iter": 15, "min_samples_leaf": 10, "max_bins": 31},
        ),
    )
    assert isinstance(model, HistogramTrees)
    assert (model.nodes["is_category"] == 1).sum() > 5, "no split by category is tried"
    asked_for = probe()
    asked_for[:200, at] = np.arange(200) % 9 - 1
    inputs = replace(asked.inputs, features=asked_for)
    (library,) = native
    assert np.array_equal(model.scores(inputs, np.arange(400)), library._raw_predict(asked_for))
    if head == "return":
        assert np.array_equal(model.predict(inputs, np.arange(400))[:, 0], library.predict(asked_for))
    else:
        assert np.abs(model.predict(inputs, np.arange(400)) - library.predict_proba(asked_for)).max() < 1e-15


def test_histogram_trees_of_two_of_three_classes() -> None:
    asked = problem("direction", "hist_gradient_boosting")
    target = np.where(asked.target == 1.0, 0.0, asked.target)
    settings = {**asked.parameters, "max_iter": 30, "min_samples_leaf": 20}
    model = models.fit("hist_gradient_boosting", replace(asked, target=target, parameters=settings))
    answers = model.predict(asked.inputs, asked.rows)
    assert (answers[:, 1] < 1e-15).all()
    assert (answers.argmax(axis=1) == target).mean() > 0.6


@pytest.mark.parametrize("head", ["direction", "meta", "volatility"])
def test_xgboost_answers_are_its_native_ones(head: str) -> None:
    import xgboost as xgb

    model = fitted(head, "xgboost")
    booster = xgb.Booster()
    booster.load_model(bytearray(model.to_bytes()))
    features = probe()
    inputs = replace(problem(head).inputs, features=features)
    answers = model.predict(inputs, np.arange(400))
    native = booster.inplace_predict(features).astype(np.float64)
    if head == "volatility":
        assert np.array_equal(answers[:, 0], native)
    else:
        assert np.abs((answers[:, 1] if head == "meta" else answers) - native).max() < 2e-7


def test_xgboost_fits_what_the_bare_library_fits() -> None:
    import xgboost as xgb

    asked = replace(problem("direction", "xgboost"), earlier=NOTHING, later=NOTHING)
    features, rounds = asked.inputs.features, asked.parameters["max_rounds"]
    bare = xgb.train(
        {
            **{name: value for name, value in asked.parameters.items() if name not in ("max_rounds", "patience")},
            "objective": "multi:softprob",
            "num_class": 3,
            "tree_method": "hist",
            "nthread": 2,
            "seed": asked.seed,
        },
        xgb.DMatrix(
            features,
            label=asked.target,
            weight=asked.weights,
            feature_names=list(FEATURE_NAMES),
            feature_types=["c" if at in CATEGORIES else "q" for at in range(141)],
            enable_categorical=True,
        ),
        num_boost_round=rounds,
    )
    model = models.fit("xgboost", asked)
    assert isinstance(model, XgboostTrees)
    margins = bare.inplace_predict(features, predict_type="margin")
    assert np.array_equal(model.margins(asked.inputs, asked.rows), margins)


@pytest.mark.parametrize("name", ["xgboost", "lightgbm"])
def test_the_later_slice_only_counts_the_rounds(name: str) -> None:
    if name == "lightgbm":
        pytest.importorskip("lightgbm", reason="the optional extra lightgbm is not installed")
    asked = replace(problem("direction", name), parameters={**models.PARAMETERS[name], "max_rounds": 60, "patience": 5})
    noise = asked.target.copy()
    noise[asked.later] = np.random.default_rng(2).permutation(noise[asked.later])
    rounds = {
        label: _rounds(models.fit(name, each))
        for label, each in {
            "stopped": replace(asked, target=noise),
            "all": replace(asked, target=noise, earlier=NOTHING, later=NOTHING),
        }.items()
    }
    assert 1 <= rounds["stopped"] < rounds["all"] == 60
    exactly = replace(
        asked,
        target=noise,
        earlier=NOTHING,
        later=NOTHING,
        parameters={**asked.parameters, "max_rounds": rounds["stopped"]},
    )
    assert models.fit(name, exactly).to_bytes() == models.fit(name, replace(asked, target=noise)).to_bytes()


def _rounds(model) -> int:
    booster = model.booster
    return booster.num_boosted_rounds() if hasattr(booster, "num_boosted_rounds") else booster.current_iteration()


def test_lightgbm_answers_are_its_native_ones() -> None:
    lightgbm = pytest.importorskip("lightgbm", reason="the optional extra lightgbm is not installed")
    features = probe()
    for head in ("direction", "meta", "return"):
        model = fitted(head, "lightgbm")
        native = lightgbm.Booster(model_str=model.to_bytes().decode()).predict(features)
        answers = model.predict(replace(problem(head).inputs, features=features), np.arange(400))
        assert np.abs((answers if head == "direction" else answers[:, -1]) - native).max() < 1e-15


def test_lightgbm_text_holds_its_settings_but_no_thread_count() -> None:
    pytest.importorskip("lightgbm", reason="the optional extra lightgbm is not installed")
    text = fitted("direction", "lightgbm").to_bytes().decode()
    assert "num_threads" not in text
    assert "[deterministic: 1]" in text and "[force_row_wise: 1]" in text and "[bagging_freq: 1]" in text
    assert FEATURE_NAMES[EMPTY] in text


def test_lightgbm_refuses_a_fraction_of_rows_that_it_would_not_take() -> None:
    pytest.importorskip("lightgbm", reason="the optional extra lightgbm is not installed")
    asked = problem("meta", "lightgbm")
    with pytest.raises(ValueError, match="expected bagging_freq of at least 1"):
        models.fit("lightgbm", replace(asked, parameters={**asked.parameters, "bagging_freq": 0}))
    with pytest.raises(ValueError, match="expected the text of a LightGBM model"):
        models.load("lightgbm", b"tree")
