"""A candidate beside its baselines and a champion on common rows."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from gnosis.learning.comparison import against_baselines, against_champion, comparison
from gnosis.learning.judged import scored
from tests.gnosis.learning.simulated_answers import direction_answers, simulated_dataset


def loss_of(rows: pl.DataFrame) -> dict[tuple, float]:
    """Log loss row by row, in plain Python."""
    kept = rows.select("session", "symbol", "answer", "outcome").iter_rows()
    return {(session, symbol): -np.log(answer[int(outcome)]) for session, symbol, answer, outcome in kept}


def test_a_good_model_is_told_from_its_baselines():
    rows, logits, _ = simulated_dataset()
    answers = direction_answers(rows, logits)
    found = against_baselines(answers, rows, "direction", seed=1)
    assert set(found) == {"majority", "logistic"}
    judged = scored(answers, rows)
    mine = loss_of(judged.filter(pl.col("model_name") == "xgboost"))
    for name, each in found.items():
        other = loss_of(judged.filter(pl.col("model_name") == name))
        assert each.difference == pytest.approx(np.mean([mine[key] - other[key] for key in mine]))
        assert (each.n, each.difference < 0.0) == (len(mine), True)
    assert found["majority"].p_value < 0.05
    assert 0.0 < found["majority"].standard_error < -found["majority"].difference


def test_equal_losses_have_no_error():
    loss = np.random.default_rng(1).random(200)
    found = comparison(loss, loss, np.arange(200), horizon=5, seed=1)
    assert (found.difference, found.standard_error, found.p_value) == (0.0, 0.0, 1.0)


def test_a_champion_is_compared_from_its_first_session_on_and_stays_as_it_is(learned):
    champion = learned.trained.filter(pl.col("model_name") == "xgboost").sort("fold").head(1)
    found = against_champion(learned.features, learned.answers, learned.rows, champion, seed=1)
    known = learned.rows.filter((pl.col("session") >= champion["valid_from"][0]) & pl.col("y_dir").is_not_null())
    assert found.n == known.height
    assert found.difference != 0.0
    newest = learned.trained.filter(pl.col("model_name") == "xgboost").sort("fold").tail(1)
    same = against_champion(learned.features, learned.answers, learned.rows, newest, seed=1)
    assert same.difference == 0.0, "in its own fold the champion is what the pipeline answers with"
    assert same.n < found.n


def test_what_is_not_stored_is_not_compared(learned):
    nobody = learned.trained.clear()
    assert against_champion(learned.features, learned.answers, learned.rows, nobody, seed=1) is None
    assert against_baselines(learned.answers.clear(), learned.rows, "direction", seed=1) == {}
