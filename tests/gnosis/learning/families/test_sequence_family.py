"""The sequence model: windows, masks, determinism and the one thing only it can learn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gnosis.learning import models
from gnosis.learning.families.sequence import LENGTH, Sequence
from gnosis.learning.families.sequence_network import windows
from gnosis.learning.problem import Inputs
from tests.gnosis.learning.problems import NOTHING, fitted, problem

torch = pytest.importorskip("torch", reason="the optional extra sequence is not installed")
pytest.importorskip("safetensors", reason="the optional extra sequence is not installed")


def test_windows_by_a_plain_twin() -> None:
    rng = np.random.default_rng(3)
    rows = sorted({(int(s), int(k)) for s, k in zip(rng.integers(0, 90, 300), rng.integers(0, 4, 300), strict=True)})
    session, symbol = (np.array(column) for column in zip(*rows, strict=True))
    where = {row: at for at, row in enumerate(rows)}
    found = windows(symbol, session, np.arange(len(rows)), LENGTH)
    for at, (day, name) in enumerate(rows):
        assert found[at].tolist() == [where.get((day - back, name), -1) for back in range(LENGTH - 1, -1, -1)]


def test_the_stored_weights_answer_as_torch_does() -> None:
    from gnosis.learning.families.sequence_fit import forward

    asked, model = problem("direction"), fitted("direction", "sequence")
    assert isinstance(model, Sequence)
    every = np.arange(asked.rows.size)
    # A hole in the history of each symbol.
    rows = every[(every < 200) | (every >= 215)]
    inputs = Inputs(*(getattr(asked.inputs, name)[rows] for name in ("features", "symbol", "session", "sigma_bar")))
    around = windows(inputs.symbol, inputs.session, np.arange(rows.size), LENGTH)
    assert (around[-1] < 0).sum() == 3
    design = torch.from_numpy(model.preparation.design(inputs.features, np.arange(rows.size)).astype(np.float32))
    weights = {name: torch.from_numpy(value.copy()) for name, value in model.weights.items()}
    ours = model.scores(inputs, np.arange(rows.size))
    assert np.abs(ours - forward(weights, design, around).numpy()).max() < 1e-5
    assert np.ptp(ours, axis=0).min() > 1e-3


def test_history_counts_up_to_31_sessions_back_of_the_same_symbol_only() -> None:
    asked, model = problem("return"), fitted("return", "sequence")
    last = asked.rows[-1:]
    before = model.predict(asked.inputs, last)
    moved = {}
    for back in (0, 1, 31, 32):
        for other in (0, 1):
            features = asked.inputs.features.copy()
            features[last[0] - 5 * back - other] += 3.0
            moved[back, other] = not np.array_equal(
                model.predict(replace(asked.inputs, features=features), last), before
            )
    assert moved == {(back, other): back < 32 and not other for back in (0, 1, 31, 32) for other in (0, 1)}


def test_a_lagged_edge_is_found_and_stopping_refits_all_rows() -> None:
    asked = problem("meta", "sequence", n=600)
    signal = np.random.default_rng(4).normal(size=600)
    features = np.zeros_like(asked.inputs.features)
    features[:, 0] = signal
    lagged = np.concatenate([np.zeros(15), signal[:-15]])
    learnt = replace(
        asked,
        inputs=replace(asked.inputs, features=features),
        target=(lagged > 0.0).astype(np.float64),
        parameters={
            **models.PARAMETERS["sequence"],
            "hidden": 16,
            "epochs": 25,
            "learning_rate": 3e-3,
            "batch_size": 64,
        },
    )
    fresh = np.random.default_rng(5).normal(size=600)
    features = np.zeros_like(features)
    features[:, 0] = fresh
    answers = models.fit("sequence", learnt).predict(replace(learnt.inputs, features=features), asked.rows[15:])
    assert ((answers[:, 1] > 0.5) == (fresh[:-15] > 0.0)).mean() > 0.8


def test_more_epochs_after_the_best_are_not_fitted() -> None:
    asked = problem("meta", "sequence")
    noise = np.random.default_rng(6).permutation(asked.target)
    settings = {**asked.parameters, "patience": 2, "learning_rate": 0.03}
    stopped = models.fit("sequence", replace(asked, target=noise, parameters={**settings, "epochs": 40}))
    alone = [
        models.fit(
            "sequence",
            replace(asked, target=noise, earlier=NOTHING, later=NOTHING, parameters={**settings, "epochs": epochs}),
        ).to_bytes()
        for epochs in range(1, 9)
    ]
    assert stopped.to_bytes() in alone


def test_the_world_is_left_as_it_was() -> None:
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    asked = problem("return", "sequence")
    one = models.fit("sequence", asked).to_bytes()
    assert torch.get_num_threads() == threads and torch.equal(torch.get_rng_state(), state)
    torch.set_num_threads(2)
    try:
        torch.manual_seed(99)
        assert models.fit("sequence", asked).to_bytes() == one
        with pytest.raises(ValueError, match="could not convert"):
            models.fit("sequence", replace(asked, parameters={**asked.parameters, "dropout": "much"}))
        assert torch.get_num_threads() == 2, "also after an error"
    finally:
        torch.set_num_threads(threads)
        torch.set_rng_state(state)


def test_the_file_is_plain_safetensors_with_sorted_weights() -> None:
    from safetensors.numpy import load

    content = fitted("direction", "sequence").to_bytes()
    tensors = load(content)
    assert sorted(tensors) == ["bias", "earlier", "head", "head_bias", "input", "input_bias", "later"]
    assert {value.dtype for value in tensors.values()} == {np.dtype(np.float32)}
