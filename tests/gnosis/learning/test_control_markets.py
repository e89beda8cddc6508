"""The pipeline finds what was planted and nothing where outcomes belong to other sessions (G3, L-14)."""

from __future__ import annotations

import numpy as np
import pytest

from gnosis.learning import control_markets
from gnosis.learning.control_markets import controls
from gnosis.learning.known_truth import PLANTED_FEATURE, planted_bars, planted_features
from gnosis.learning.matrix import FEATURE_NAMES
from gnosis.learning.placebo import PlaceboError
from gnosis.tables import TABLES
from tests.gnosis.learning.conftest import CODE, FEW_ROUNDS

QUICK = FEW_ROUNDS["xgboost"]
NOTHING_FOUND = {"loss_less_base_rate": 0.0, "p_value": 1.0, "correlation_with_signal": 0.0}


def test_what_was_planted_is_found_and_exchanged_outcomes_are_not(learned):
    """The market itself has an edge: only the exchange of its outcomes takes it away."""
    found = controls(learned.features, learned.rows, parameters=QUICK, code_sha256=CODE, seed=3)
    assert found.log_loss >= found.base_rate_low
    assert found.is_edge_detected
    assert found.planted["correlation_with_signal"] > 0.3
    assert found.n > 500


def test_nothing_is_found_where_nothing_was_planted(learned, monkeypatch):
    """Whatever the exchanged outcomes give."""
    monkeypatch.setattr(control_markets, "EDGE", 0.0)
    found = controls(learned.features, learned.rows, parameters=QUICK, code_sha256=CODE, seed=3)
    assert not found.is_edge_detected


def test_an_edge_that_is_not_taken_away_is_seen(learned, monkeypatch):
    monkeypatch.setattr(control_markets, "placebo_labels", lambda rows, _: rows)
    monkeypatch.setattr(control_markets, "_planted", lambda *_: (NOTHING_FOUND, 0))
    found = controls(learned.features, learned.rows, parameters=QUICK, code_sha256=CODE, seed=3)
    assert found.log_loss < found.base_rate_low


def test_too_few_sessions_are_refused(learned):
    few = learned.rows.head(6 * 300)
    with pytest.raises(PlaceboError, match="expected sessions enough to train"):
        controls(learned.features.head(6 * 300), few, parameters=QUICK, code_sha256=CODE, seed=3)


def test_the_signal_is_known_before_the_move_it_foretells():
    bars, signal = planted_bars(3, 800, seed=4, edge=0.5)
    assert set(bars.schema) == set(TABLES["raw.equity_bars"].polars_schema)
    moves = np.diff(np.log(bars.sort("symbol", "session")["close"].to_numpy().reshape(3, 800)), axis=1)
    ahead = [np.corrcoef(signal[at, :-1], moves[at])[0, 1] for at in range(3)]
    assert min(ahead) > 0.3
    flat, _ = planted_bars(3, 800, seed=4)
    assert not flat.equals(bars)


def test_codes_of_planted_categories_are_those_of_the_registry():
    bars, signal = planted_bars(2, 60, seed=1)
    rows = planted_features(bars, signal, seed=2, missing=0.0)
    assert sorted(rows["sent_bias"].unique()) == [-1, 0, 1]
    assert rows.select(FEATURE_NAMES).null_count().sum_horizontal().item() == 0
    assert np.allclose(rows[PLANTED_FEATURE].to_numpy(), signal.T.ravel(), atol=1e-6)
