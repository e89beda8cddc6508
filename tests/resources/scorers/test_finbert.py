"""FinBERT's loader on a network and a vocabulary of eleven tokens."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from resources.scorers import ScorerError, load_finbert

TEXTS = ["Profit rose", "the loss", "plan", "", "profits fell " * 40, "Profit rose https://t.co/a", "the " * 2000]


def softmax(*logits):
    weights = np.exp(np.array(logits))
    return weights / weights.sum()


def edit_config(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_probabilities_are_those_of_the_network_in_the_order_of_the_interface(finbert_folder):
    scorer = load_finbert(finbert_folder)
    assert scorer.name == "finbert"
    found = scorer.score(TEXTS)
    assert found.shape == (len(TEXTS), 3) and np.allclose(found.sum(axis=1), 1)
    assert np.allclose(found[0], softmax(2.0, 0.0, 0.0))
    assert np.allclose(found[1], softmax(0.0, 1.5, 0.25))
    assert np.allclose(found[2], 1 / 3) and np.allclose(found[3], 1 / 3)
    assert (found[5] == found[0]).all()
    assert scorer.score([]).shape == (0, 3)


def test_long_texts_are_cut_at_512_tokens_or_the_positions_of_the_model(finbert_folder):
    assert np.allclose(load_finbert(finbert_folder).score(["the " * 2000])[0], softmax(0.0, 0.0, 0.25 * 510))
    edit_config(finbert_folder, max_position_embeddings=10)
    assert np.allclose(load_finbert(finbert_folder).score(["the " * 2000])[0], softmax(0.0, 0.0, 0.25 * 8))


def test_a_text_is_scored_alike_in_any_company(finbert_folder):
    scorer = load_finbert(finbert_folder)
    together = scorer.score(TEXTS)
    assert (np.vstack([scorer.score([text]) for text in TEXTS]) == together).all()
    assert (scorer.score(TEXTS[::-1])[::-1] == together).all()
    assert (load_finbert(finbert_folder).score(TEXTS) == together).all()


def test_a_network_of_fixed_length_is_given_padding(finbert_folder, tiny_network):
    expected = load_finbert(finbert_folder).score(TEXTS[:4])
    (finbert_folder / "model.onnx").write_bytes(tiny_network(length=16, batch=1))
    assert np.allclose(load_finbert(finbert_folder).score(TEXTS[:4]), expected)
    assert np.allclose(load_finbert(finbert_folder).score(["the " * 2000])[0], softmax(0.0, 0.0, 0.25 * 14))


def test_a_network_without_token_types_is_not_given_any(finbert_folder, tiny_network):
    expected = load_finbert(finbert_folder).score(TEXTS)
    (finbert_folder / "model.onnx").write_bytes(tiny_network(inputs=("input_ids", "attention_mask")))
    assert (load_finbert(finbert_folder).score(TEXTS) == expected).all()


def test_the_tokenizer_may_be_one_file_and_goes_before_the_vocabulary(finbert_folder):
    import tokenizers

    expected = load_finbert(finbert_folder)
    tokenizer = tokenizers.BertWordPieceTokenizer(str(finbert_folder / "vocab.txt"), lowercase=True)
    tokenizer.enable_padding(length=64)
    tokenizer.save(str(finbert_folder / "tokenizer.json"))
    found = load_finbert(finbert_folder)
    assert (found.score(TEXTS) == expected.score(TEXTS)).all()
    assert found.content_hash != expected.content_hash


def test_the_hash_follows_every_file(finbert_folder, tiny_network):
    hashes = [load_finbert(finbert_folder).content_hash]
    assert load_finbert(finbert_folder).content_hash == hashes[0]
    with (finbert_folder / "vocab.txt").open("a") as vocabulary:
        vocabulary.write("[unused1]\n")
    hashes.append(load_finbert(finbert_folder).content_hash)
    edit_config(finbert_folder, model_type="bert")
    hashes.append(load_finbert(finbert_folder).content_hash)
    (finbert_folder / "model.onnx").write_bytes(tiny_network(length="words"))
    hashes.append(load_finbert(finbert_folder).content_hash)
    assert len(set(hashes)) == 4


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(ScorerError, match=r"expected a folder at .*absent, found none; put the model"):
        load_finbert(tmp_path / "absent")


@pytest.mark.parametrize("name", ["model.onnx", "config.json", "vocab.txt"])
def test_a_file_that_is_not_there(finbert_folder, name):
    (finbert_folder / name).unlink()
    with pytest.raises(ScorerError, match=f"expected .*{name} in .*, found .*; put the model"):
        load_finbert(finbert_folder)


@pytest.mark.parametrize(
    "id2label",
    [
        None,
        {"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"},
        {"0": "positive", "1": "negative"},
        {"0": "positive", "1": "negative", "3": "neutral"},
        {"0": "positive", "1": "negative", "2": "neutral", "3": "mixed"},
        ["positive", "negative", "neutral"],
    ],
)
def test_labels_that_are_not_ours(finbert_folder, id2label):
    edit_config(finbert_folder, id2label=id2label)
    with pytest.raises(
        ScorerError, match="expected 'id2label' with the positions 0, 1, 2 of positive, negative, neutral"
    ):
        load_finbert(finbert_folder)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("model.onnx", "not a network", "expected a model in ONNX form, found"),
        ("config.json", "{", "expected JSON, found"),
        ("config.json", "[]", "expected an object, found list"),
        ("vocab.txt", "profit\nloss\n", r"expected the tokens \[PAD\].*found no \[PAD\], \[UNK\], \[CLS\], \[SEP\]"),
        ("tokenizer.json", "{", "expected a tokenizer with a WordPiece model, found"),
        ("tokenizer.json", '{"model": {"type": "BPE", "vocab": {}}}', "expected a WordPiece model, found 'BPE'"),
    ],
)
def test_a_file_that_is_not_what_it_should_be(finbert_folder, name, content, expected):
    (finbert_folder / name).write_text(content)
    with pytest.raises(ScorerError, match=expected):
        load_finbert(finbert_folder)


@pytest.mark.parametrize("name", ["config.json", "vocab.txt", "tokenizer.json"])
def test_a_file_in_another_encoding(finbert_folder, name):
    (finbert_folder / name).write_bytes('{"caf\u00e9": 1}'.encode("latin-1"))
    with pytest.raises(ScorerError, match=f"{name}: expected (JSON|text in UTF-8), found: .*0xe9.*; take the"):
        load_finbert(finbert_folder)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"embedding": np.zeros((11, 2), dtype=np.float32)}, r"expected 3 finite numbers .*, found shape \(1, 2\)"),
        ({"embedding": np.full((11, 3), np.nan, dtype=np.float32)}, "expected 3 finite numbers"),
        (
            {"embedding": np.zeros((4, 3), dtype=np.float32)},
            r"expected a network that takes int64 tokens of shape \(1, 4\)",
        ),
        ({"inputs": ("input_ids", "attention_mask", "pixels")}, "expected int64 inputs among"),
        ({"batch": 7}, "expected input_ids of shape .batch, tokens., found .7, 'tokens'."),
    ],
)
def test_a_network_of_another_shape(finbert_folder, tiny_network, changes, expected):
    (finbert_folder / "model.onnx").write_bytes(tiny_network(**changes))
    with pytest.raises(ScorerError, match=expected):
        load_finbert(finbert_folder)


def test_without_the_packages_it_says_what_to_install(finbert_folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ScorerError, match=r"found them not installed; install 'gnosis\[finbert\]'"):
        load_finbert(finbert_folder)


def test_the_packages_are_imported_when_a_model_is_loaded_only():
    code = "import sys, resources.scorers; print({'onnxruntime', 'tokenizers', 'dagster'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
