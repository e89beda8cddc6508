"""Every family for every head: canonical bytes, answers row by row, and awkward training rows (sections 5, 12, 13)."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gnosis.learning import models
from gnosis.learning.heads import HEADS
from gnosis.learning.matrix import CATEGORIES
from tests.gnosis.learning.problems import EMPTY, PAIRS, fit, fitted, hashes, kept, problem

ROOT = Path(__file__).resolve().parents[3]
CLASS_PAIRS = [(head, name) for head, name in PAIRS if HEADS[head].is_classes]
NUMBER_PAIRS = [(head, name) for head, name in PAIRS if not HEADS[head].is_classes]


@pytest.fixture(autouse=True)
def _installed(request: pytest.FixtureRequest) -> None:
    """Skip a family whose optional libraries are absent."""
    name = getattr(request.node, "callspec", None) and request.node.callspec.params.get("name")
    for library in models.OPTIONAL.get(name, ()):
        pytest.importorskip(library, reason=f"the optional extra of {name} is not installed")


@pytest.mark.parametrize(("head", "name"), PAIRS)
class TestEveryFamily:
    def test_two_trainings_are_the_same_bytes_on_one_or_two_threads(self, head: str, name: str) -> None:
        one = fitted(head, name).to_bytes()
        two = fit(name, problem(head, name, threads=2)).to_bytes()
        assert models.model_sha256(one) == models.model_sha256(two)

    def test_bytes_come_back_as_the_same_model_without_a_pickle(self, head: str, name: str, monkeypatch) -> None:
        def refuse(*_, **__):
            raise AssertionError("a pickle was written or read (L-10.3)")

        asked, model = problem(head, name), fitted(head, name)
        with monkeypatch.context() as patched:
            for function in ("dump", "dumps", "load", "loads"):
                patched.setattr(pickle, function, refuse)
            content = model.to_bytes()
            again = models.load(name, content)
            assert again.to_bytes() == content
        assert np.array_equal(again.predict(asked.inputs, asked.rows), model.predict(asked.inputs, asked.rows))

    def test_answers_have_the_shape_of_the_head(self, head: str, name: str) -> None:
        asked, model = problem(head, name), fitted(head, name)
        answers = model.predict(asked.inputs, asked.rows)
        assert answers.dtype == np.float64
        assert answers.shape == (asked.rows.size, HEADS[head].n_classes or 1)
        assert np.isfinite(answers).all()
        if HEADS[head].is_classes:
            assert (answers > 0).all() and (answers < 1).all()
            assert np.abs(answers.sum(axis=1) - 1).max() < 1e-9

    def test_an_answer_does_not_depend_on_the_other_rows_asked_for(self, head: str, name: str) -> None:
        asked, model = problem(head, name), fitted(head, name)
        many = model.predict(asked.inputs, asked.rows)
        mixed = np.array([299, 3, 150, 3])
        assert np.array_equal(model.predict(asked.inputs, mixed), many[mixed])
        for at in range(0, 300, 13):
            assert np.array_equal(model.predict(asked.inputs, asked.rows[at : at + 1]), many[at : at + 1])
        assert model.predict(asked.inputs, asked.rows[:0]).shape == (0, many.shape[1])

    def test_later_rows_change_no_answer(self, head: str, name: str) -> None:
        asked, model = problem(head, name), fitted(head, name)
        poisoned = asked.inputs.features.copy()
        poisoned[200:] = 1e6
        earlier = asked.rows[:200]
        answers = model.predict(replace(asked.inputs, features=poisoned), earlier)
        assert np.array_equal(answers, model.predict(asked.inputs, earlier))

    def test_missing_and_unknown_values_get_an_answer(self, head: str, name: str) -> None:
        asked, model = problem(head, name), fitted(head, name)
        features = asked.inputs.features.copy()
        features[0] = np.nan
        features[1, list(CATEGORIES)] = 200.0
        assert np.isfinite(model.predict(replace(asked.inputs, features=features), asked.rows[:2])).all()

    def test_a_feature_without_training_values_is_not_looked_at(self, head: str, name: str) -> None:
        asked, model = problem(head, name), fitted(head, name)
        features = asked.inputs.features.copy()
        features[:, EMPTY] = 9.0
        answers = model.predict(replace(asked.inputs, features=features), asked.rows)
        assert np.array_equal(answers, model.predict(asked.inputs, asked.rows))

    def test_one_training_row_is_enough(self, head: str, name: str) -> None:
        asked = problem(head, name)
        model = fit(name, kept(asked, np.array([40])))
        assert np.isfinite(model.predict(asked.inputs, asked.rows)).all()
        again = models.load(name, model.to_bytes())
        assert np.array_equal(again.predict(asked.inputs, asked.rows), model.predict(asked.inputs, asked.rows))


@pytest.mark.parametrize(("head", "name"), CLASS_PAIRS)
class TestEveryClassifier:
    def test_a_class_absent_from_training_is_improbable_not_an_error(self, head: str, name: str) -> None:
        asked = problem(head, name)
        only = kept(asked, np.flatnonzero(asked.target == 1.0))
        answers = fit(name, only).predict(asked.inputs, asked.rows)
        chance = 1.0 / HEADS[head].n_classes
        # The two epochs of the sequence model leave it near chance.
        assert (answers[:, 1] > (chance if name == "sequence" else 0.85)).all()
        assert np.abs(answers.sum(axis=1) - 1).max() < 1e-9


@pytest.mark.parametrize(("head", "name"), NUMBER_PAIRS)
class TestEveryRegressor:
    def test_a_target_that_never_varies_is_answered(self, head: str, name: str) -> None:
        asked = problem(head, name)
        answers = fit(name, replace(asked, target=np.full(300, -2.5))).predict(asked.inputs, asked.rows)
        assert np.abs(answers + 2.5).max() < (0.1 if name == "sequence" else 1e-6)


@pytest.mark.heavy
def test_another_process_fits_the_same_bytes() -> None:
    code = "import json; from tests.gnosis.learning.problems import hashes; print(json.dumps(hashes()))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    assert json.loads(done.stdout) == hashes()


@pytest.mark.parametrize("name", ["logistic", "hist_gradient_boosting", "xgboost", "lightgbm"])
def test_the_planted_edge_is_found(name: str) -> None:
    asked = problem("direction", name, n=900)
    # The settings of the product, with fewer bins for speed.
    settings = {**models.PARAMETERS[name], **({"max_bin": 32} if name == "xgboost" else {})}
    model = models.fit(name, replace(asked, parameters=settings))
    probe = np.zeros((2, asked.inputs.features.shape[1]), dtype=np.float32)
    probe[:, 0] = [-2.0, 2.0]
    low, high = model.predict(replace(asked.inputs, features=probe), np.arange(2))
    assert low[0] > 0.6 and high[2] > 0.6


@pytest.mark.parametrize("name", ["xgboost", "lightgbm", "sequence"])
def test_the_seed_is_the_only_chance(name: str) -> None:
    asked = problem("meta", name)
    assert models.fit(name, replace(asked, seed=8)).to_bytes() != fitted("meta", name).to_bytes()


@pytest.mark.parametrize("name", ["majority", "logistic"])
def test_baselines_know_no_chance(name: str) -> None:
    assert models.fit(name, replace(problem("meta", name), seed=8)).to_bytes() == fitted("meta", name).to_bytes()


def test_an_absent_library_removes_its_family_only(monkeypatch) -> None:
    monkeypatch.setattr(models, "find_spec", lambda library: None if library in ("lightgbm", "torch") else object())
    assert [name for name in models.FAMILIES if not models.is_installed(name)] == ["lightgbm", "sequence"]


def test_every_family_has_parameters_and_what_is_searched_is_one_of_them() -> None:
    assert list(models.PARAMETERS) == list(models.FAMILIES)
    assert {name for head in HEADS.values() for name in head.models} == set(models.FAMILIES)
    for name, space in models.SEARCH_SPACES.items():
        assert set(space) <= set(models.PARAMETERS[name])
        for limits in space.values():
            assert limits["kind"] in ("int", "float") and limits["low"] < limits["high"]
            assert not limits["log"] or limits["low"] > 0


def test_wrong_requests_are_named() -> None:
    asked = problem("direction")
    with pytest.raises(ValueError, match="expected one of the families"):
        models.fit("oracle", asked)
    with pytest.raises(ValueError, match="for head direction, found 'ridge'"):
        models.fit("ridge", asked)
    with pytest.raises(ValueError, match="expected as many rows, targets and weights"):
        models.fit("majority", replace(asked, target=asked.target[:-1]))
    with pytest.raises(ValueError, match="expected finite targets and positive weights"):
        models.fit("majority", replace(asked, target=np.where(asked.rows == 3, np.nan, asked.target)))
    with pytest.raises(ValueError, match="expected finite targets and positive weights"):
        models.fit("majority", replace(asked, weights=np.zeros(300)))
    with pytest.raises(ValueError, match="call fit_stack"):
        models.fit("stack", asked)
