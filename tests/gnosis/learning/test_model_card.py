"""The model card: what a reader must find on it, and that it is the same for the same model."""

from __future__ import annotations

import polars as pl
import pytest

from gnosis.learning.canonical import canonical_json
from gnosis.learning.heads import HEADS
from gnosis.learning.model_card import LIMITATIONS, PURPOSES, SYNTHETIC, model_card
from resources.tracking import Training
from tests.resources.trainings import training_of


@pytest.fixture(scope="module")
def training() -> Training:
    return training_of(n_folds=2)


def _card(training: Training, **other: object) -> dict:
    given = {
        "trained": training.published,
        "folds": training.folds,
        "evaluation": training.evaluation,
        "importance": training.importance,
        "universe": "sample",
        "configuration": training.configuration,
        "n_trials": 37,
        "hashes": {"git_commit": "abc"},
    }
    return model_card(**{**given, **other})


def test_it_describes_the_newest_model(training):
    card, newest = _card(training), training.published.row(-1, named=True)
    assert (card["model"]["version"], card["model"]["model_sha256"]) == (
        newest["model_version"],
        newest["model_sha256"],
    )
    assert card["model"]["parameters"]["max_rounds"] == 5
    assert (card["data"]["train_first"], card["data"]["test_last"]) == ("2012-04-02", "2015-06-29")
    assert (card["data"]["n_folds"], card["data"]["n_fit"], card["data"]["n_calibration"]) == (2, 90, 25)
    assert card["configuration"]["labels"] == {"horizon_bars": 5, "dead_zone": 0.1}
    assert (card["universe"], card["n_trials"], card["hashes"]) == ("sample", 37, {"git_commit": "abc"})


def test_metrics_have_intervals_beside_the_baseline_and_by_regime(training):
    card = _card(training)
    score = card["metrics"]["stitched"]["xgboost"]["log_loss"]
    assert (score["value"], score["n"]) == (0.9, 120)
    assert (score["low"], score["high"]) == pytest.approx((0.8804003601545997, 0.9195996398454003), rel=1e-12)
    assert set(card["metrics"]["stitched"]) == {"majority", "xgboost"}
    assert set(card["metrics_by_regime"]) == {"vix high"}
    assert card["metrics_by_regime"]["vix high"]["log_loss"]["low"] is None
    assert card["verdict"] == "no_skill"
    assert set(card["calibration"]["scores"]) == {"ece", "log_loss", "log_loss_raw"}
    assert card["calibration"]["calibrator"]["method"] == "identity"
    assert card["features"][0].keys() == {"feature", "loss_increase", "spread", "folds"}
    assert len(card["features"]) == 141


def test_generated_data_and_limits_are_named(training):
    assert _card(training)["known_limitations"] == [SYNTHETIC, *LIMITATIONS]
    real = training.published.with_columns(synthetic=pl.lit(value=False))
    assert _card(training, trained=real)["known_limitations"] == list(LIMITATIONS)


def test_the_same_model_has_the_same_card(training):
    shuffled = training.evaluation.sample(fraction=1.0, shuffle=True, seed=1)
    again = _card(training, evaluation=shuffled, trained=training.published.reverse())
    assert canonical_json(again) == canonical_json(_card(training))


def test_what_is_not_known_is_null(training):
    card = _card(
        training, evaluation=training.evaluation.clear(), importance=training.importance.clear(), n_trials=None
    )
    assert (card["verdict"], card["n_trials"], card["features"]) == (None, None, [])
    assert (card["metrics"], card["metrics_by_regime"], card["calibration"]["scores"]) == ({"stitched": {}}, {}, {})


def test_models_of_two_families_are_refused(training):
    with pytest.raises(ValueError, match="expected models of one head, horizon and family, found 4 models"):
        _card(training, trained=training.trained)


def test_every_head_has_a_purpose():
    assert set(PURPOSES) == set(HEADS)
