"""A stored model comes out again from its rows, whatever the threads (L-13.3)."""

from __future__ import annotations

import polars as pl
import pytest

from gnosis.learning.refit import RefitError, refitted_hashes


@pytest.fixture(scope="module")
def model(learned):
    return learned.trained.filter(pl.col("model_name") == "xgboost").sort("fold").row(-1, named=True)


def test_two_fits_and_the_stored_model_are_the_same_bytes(learned, model):
    found = refitted_hashes(learned.features, learned.rows, model)
    assert set(found) == {"model_sha256", "predictions_sha256", "stored_model_sha256"}
    assert all(first == second for first, second in found.values())
    assert found["stored_model_sha256"][0] == model["model_sha256"]


def test_another_seed_is_another_model(learned, model):
    found = refitted_hashes(learned.features, learned.rows, model | {"seed": model["seed"] + 1})
    assert found["model_sha256"][0] == found["model_sha256"][1]
    assert found["stored_model_sha256"][0] != found["stored_model_sha256"][1]


def test_a_model_without_training_rows_is_refused(learned, model):
    with pytest.raises(RefitError, match="found none of fold 99; train"):
        refitted_hashes(learned.features, learned.rows, model | {"fold": 99})
