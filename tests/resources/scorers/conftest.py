"""A network so small that its answers can be worked out by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "profit", "loss", "rose", "fell", "##s", "the", "plan"]
# Columns in the order of id2label: neutral, positive, negative.
ID2LABEL = {"0": "neutral", "1": "positive", "2": "negative"}
EMBEDDING = np.zeros((len(TOKENS), 3), dtype=np.float32)
EMBEDDING[TOKENS.index("profit")] = [0.0, 1.0, 0.0]
EMBEDDING[TOKENS.index("rose")] = [0.0, 1.0, 0.0]
EMBEDDING[TOKENS.index("loss")] = [0.0, 0.0, 1.5]
EMBEDDING[TOKENS.index("fell")] = [0.0, 0.0, 1.0]
EMBEDDING[TOKENS.index("the")] = [0.25, 0.0, 0.0]


def network(
    length="tokens", embedding=EMBEDDING, inputs=("input_ids", "attention_mask", "token_type_ids"), batch="batch"
):
    """Return a model in ONNX form: logits = linear of the sum of the embeddings of the tokens that are not padding."""
    from onnx import TensorProto, helper, numpy_helper

    labels = embedding.shape[1]
    nodes = [
        helper.make_node("Gather", ["embedding", "input_ids"], ["gathered"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "last"], ["column"]),
        helper.make_node("Mul", ["gathered", "column"], ["kept"]),
        helper.make_node("ReduceSum", ["kept", "middle"], ["sum"], keepdims=0),
        helper.make_node("MatMul", ["sum", "weight"], ["logits"]),
    ]
    constants = {
        "embedding": embedding,
        "weight": np.eye(labels, dtype=np.float32),
        "last": np.array([2]),
        "middle": np.array([1]),
    }
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(name, TensorProto.INT64, [batch, length]) for name in inputs],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [batch, labels])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    return model.SerializeToString()


@pytest.fixture
def tiny_network():
    """Return the function that makes a network."""
    return network


@pytest.fixture
def finbert_folder(tmp_path):
    """Return a folder as the operator would fill it."""
    folder = tmp_path / "finbert"
    folder.mkdir()
    (folder / "model.onnx").write_bytes(network())
    (folder / "vocab.txt").write_text("\n".join(TOKENS) + "\n", encoding="utf-8")
    (folder / "config.json").write_text(json.dumps({"id2label": ID2LABEL, "max_position_embeddings": 512}))
    return folder
