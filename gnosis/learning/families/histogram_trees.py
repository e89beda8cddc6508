"""Histogram gradient boosting of scikit-learn, stored as arrays of tree nodes and answered from them (L-13.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gnosis.learning.canonical import pack, unpack
from gnosis.learning.families.answers import ABSENT_SCORE, softmax, taken
from gnosis.learning.families.tree_nodes import MOST_CODES, tree_scores
from gnosis.learning.matrix import CATEGORIES, FEATURE_NAMES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gnosis.learning.problem import Inputs, Problem

NODE = np.dtype(
    [
        ("value", "<f8"),
        ("threshold", "<f8"),
        ("feature", "<u4"),
        ("left", "<u4"),
        ("right", "<u4"),
        ("codes", "<u4"),
        ("is_leaf", "u1"),
        ("is_category", "u1"),
        ("missing_left", "u1"),
    ]
)
_IS_CATEGORY = np.array([at in CATEGORIES for at in range(len(FEATURE_NAMES))])
# The encoder of scikit-learn moves the categories before the numbers.
_ORDER = np.concatenate([np.flatnonzero(_IS_CATEGORY), np.flatnonzero(~_IS_CATEGORY)])


@dataclass(frozen=True)
class HistogramTrees:
    """Trees on the histogram of each feature; missing values choose their side, categories are sets of codes.

    Attributes
    ----------
    n_classes
        Of the head; 0 for a number.
    classes
        Classes seen in training, of which the trees give the scores; empty for a number.
    baseline
        float64: score before any tree, one per output.
    root
        int64, position of each tree's root in ``nodes``.
    nodes
        :data:`NODE`, of all trees in iteration order.
    left_codes, known_codes
        uint32 bit sets, see :func:`gnosis.learning.families.tree_nodes.tree_scores`.
    """

    n_classes: int
    classes: tuple[int, ...]
    baseline: NDArray[np.float64]
    root: NDArray[np.int64]
    nodes: NDArray[np.void]
    left_codes: NDArray[np.uint32]
    known_codes: NDArray[np.uint32]

    @classmethod
    def fit(cls, problem: Problem) -> HistogramTrees:
        """Fit ``max_iter`` rounds; the parameters are those of scikit-learn, which never stops early here."""
        features = taken(problem.inputs.features, problem.rows)
        classes = tuple(np.unique(problem.target.astype(np.int64)).tolist()) if problem.head.is_classes else ()
        if len(classes) == 1:
            return cls._of([], np.zeros(1), [], problem.head.n_classes, classes)
        model = _fitted(features, problem)
        encoder = model._preprocessor.named_transformers_["encoder"]
        known = [codes[~np.isnan(codes)].astype(np.int64) for codes in encoder.categories_]
        trees = [tree for round_ in model._predictors for tree in round_]
        return cls._of(trees, np.ravel(model._baseline_prediction), known, problem.head.n_classes, classes)

    @classmethod
    def _of(
        cls,
        trees: list[Any],
        baseline: NDArray[np.float64],
        known: list[NDArray[np.int64]],
        n_classes: int,
        classes: tuple[int, ...],
    ) -> HistogramTrees:
        """Concatenate the trees of scikit-learn over its encoded columns as trees over registry features and codes."""
        nodes, left_codes = [np.empty(0, dtype=NODE)], [np.empty((0, MOST_CODES // 32), dtype=np.uint32)]
        n_splits = 0
        for tree in trees:
            node = np.zeros(tree.nodes.size, dtype=NODE)
            splits = tree.nodes["is_leaf"] == 0
            node["is_leaf"] = tree.nodes["is_leaf"]
            node["value"][~splits] = tree.nodes["value"][~splits]
            for ours, theirs in (("left", "left"), ("right", "right"), ("missing_left", "missing_go_to_left")):
                node[ours][splits] = tree.nodes[theirs][splits]
            node["feature"][splits] = _ORDER[tree.nodes["feature_idx"][splits]]
            by_code = splits & (tree.nodes["is_categorical"] == 1)
            node["is_category"][by_code] = 1
            node["threshold"][splits & ~by_code] = tree.nodes["num_threshold"][splits & ~by_code]
            node["codes"][by_code] = n_splits + np.arange(by_code.sum())
            n_splits += int(by_code.sum())
            for encoded in tree.nodes[by_code]:
                words = tree.raw_left_cat_bitsets[encoded["bitset_idx"]]
                bits = np.unpackbits(words.astype("<u4").view(np.uint8), bitorder="little").astype(bool)
                codes = known[encoded["feature_idx"]]
                left_codes.append(_bit_set(codes[bits[: codes.size]])[None])
            nodes.append(node)
        known_codes = np.zeros((len(FEATURE_NAMES), MOST_CODES // 32), dtype=np.uint32)
        for at, codes in zip(_ORDER, known, strict=False):
            known_codes[at] = _bit_set(codes)
        sizes = np.array([node.size for node in nodes], dtype=np.int64)
        return cls(
            n_classes=n_classes,
            classes=classes,
            baseline=np.asarray(baseline, dtype=np.float64),
            root=np.cumsum(sizes)[:-1],
            nodes=np.concatenate(nodes),
            left_codes=np.concatenate(left_codes),
            known_codes=known_codes,
        )

    def scores(self, inputs: Inputs, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the sum of baseline and leaves, shape (rows, outputs), equal to scikit-learn's to the bit."""
        return tree_scores(
            inputs.features, rows, self.baseline, self.root, self.nodes, self.left_codes, self.known_codes
        )

    def predict(self, inputs: Inputs, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the probabilities of the classes or the number, shape (rows, classes or 1)."""
        scores = self.scores(inputs, rows)
        if not self.n_classes:
            return scores
        every = np.full((rows.size, self.n_classes), ABSENT_SCORE)
        if len(self.classes) == 2:
            every[:, self.classes[0]] = 0.0
            every[:, self.classes[1]] = scores[:, 0]
        else:
            every[:, list(self.classes)] = scores
        return softmax(every)

    def to_bytes(self) -> bytes:
        """Return a JSON header and the arrays in little-endian order."""
        header = {
            "model": "hist_gradient_boosting",
            "n_classes": self.n_classes,
            "classes": self.classes,
            "baseline": self.baseline.tolist(),
        }
        blocks = {
            "known_codes": self.known_codes.astype("<u4").tobytes(),
            "left_codes": self.left_codes.astype("<u4").tobytes(),
            "nodes": self.nodes.tobytes(),
            "root": self.root.astype("<i8").tobytes(),
        }
        return pack(header, blocks)

    @classmethod
    def from_bytes(cls, content: bytes) -> HistogramTrees:
        """Read what :meth:`to_bytes` wrote."""
        header, stored = unpack(content)
        # Writable copies: a loop over read-only arrays would have to be compiled once more.
        blocks = {name: bytearray(block) for name, block in stored.items()}
        return cls(
            n_classes=header["n_classes"],
            classes=tuple(header["classes"]),
            baseline=np.array(header["baseline"], dtype=np.float64),
            root=np.frombuffer(blocks["root"], dtype="<i8"),
            nodes=np.frombuffer(blocks["nodes"], dtype=NODE),
            left_codes=np.frombuffer(blocks["left_codes"], dtype="<u4").reshape(-1, MOST_CODES // 32),
            known_codes=np.frombuffer(blocks["known_codes"], dtype="<u4").reshape(-1, MOST_CODES // 32),
        )


def _fitted(features: NDArray[np.float32], problem: Problem) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from threadpoolctl import threadpool_limits

    # scikit-learn finds no bins for a column without any value; a constant one has none to be split at either.
    features = np.where(np.isnan(features).all(axis=0), np.float32(0.0), features)
    kind = HistGradientBoostingClassifier if problem.head.is_classes else HistGradientBoostingRegressor
    model = kind(
        **problem.parameters,
        categorical_features=_IS_CATEGORY,
        early_stopping=False,
        random_state=problem.seed,
    )
    with threadpool_limits(limits=problem.threads):
        model.fit(features, problem.target, sample_weight=problem.weights)
    return model


def _bit_set(codes: NDArray[np.int64]) -> NDArray[np.uint32]:
    bits = np.zeros(MOST_CODES, dtype=np.uint8)
    bits[codes] = 1
    return np.packbits(bits, bitorder="little").view("<u4").astype(np.uint32)
