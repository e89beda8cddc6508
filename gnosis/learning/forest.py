"""Boosted trees read once from XGBoost's own format, evaluated without XGBoost and equal to it bit for bit."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gnosis.learning.forest_arrays import Nodes, Trees
from gnosis.learning.forest_kernel import add_margins, add_row_margins, logit_margins
from gnosis.learning.ubjson import read_ubjson
from gnosis.options.arrays import frozen, in_ranges

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

OBJECTIVES = ("multi:softprob", "binary:logistic", "reg:squarederror")
DEEPEST = 12
"""Levels of a tree: a complete one of more takes more memory than it is worth."""
_VERSIONS = ((3, 1), (3, 2))
"""Releases of XGBoost whose margins were found equal; another may store the base score otherwise."""


class UnsupportedModelError(ValueError):
    """A native model that the fast path would not answer bit for bit as XGBoost does."""


@dataclass(frozen=True)
class Forest:
    """One or more boosted models that read the same features.

    Attributes
    ----------
    n_features
        Width of a row.
    base
        float32, shape (margins,): margins before the first tree.
    nodes, trees
        See :class:`Nodes` and :class:`Trees`.
    objective
        One of :data:`OBJECTIVES` for each model.
    """

    n_features: int
    base: NDArray[np.float32]
    nodes: Nodes
    trees: Trees
    objective: tuple[str, ...]

    @classmethod
    def from_ubj(cls, content: bytes) -> Forest:
        """Read a model as ``Booster.save_raw("ubj")`` writes it.

        Raises
        ------
        UnsupportedModelError
            When the model is of a kind whose margins are not those of :meth:`margins`: another version or objective,
            another booster than ``gbtree``, trees with vectors as leaves, or categories that XGBoost would recode.
        UbjsonError
            When the bytes are not those of a model.
        """
        model = read_ubjson(content)
        learner = model["learner"]
        booster = learner["gradient_booster"]
        objective = str(learner["objective"]["name"])
        _require("version", tuple(model["version"][:2]), _VERSIONS)
        _require("objective", objective, OBJECTIVES)
        _require("booster", str(booster["name"]), ("gbtree",))
        trees = booster["model"]["trees"]
        _require("recoded categories", len(booster["model"].get("cats", {}).get("enc", [])), (0,))
        for tree in trees:
            _require("size_leaf_vector", tree["tree_param"]["size_leaf_vector"], ("0", "1"))
        parameters = learner["learner_model_param"]
        base = np.array(json.loads(parameters["base_score"]), dtype=np.float32).reshape(-1)
        if objective == "binary:logistic":
            base = logit_margins(base)
        nodes, filled = _completed(trees, np.array(booster["model"]["tree_info"], dtype=np.int64))
        return cls(int(parameters["num_feature"]), base, nodes, filled, (objective,))

    @classmethod
    def joined(cls, forests: Sequence[Forest]) -> Forest:
        """Return the forests as one whose margins are theirs side by side.

        Raises
        ------
        UnsupportedModelError
            When they read rows of different width.
        """
        for forest in forests:
            _require("features", forest.n_features, (forests[0].n_features,))
        node, leaf, word, group = (
            np.cumsum([0, *sizes])
            for sizes in zip(
                *((f.nodes.feature.size, f.trees.leaf.size, f.nodes.categories.size, f.base.size) for f in forests),
                strict=True,
            )
        )
        nodes = [
            forest.nodes._replace(category_start=forest.nodes.category_start + np.int32(word[at]))
            for at, forest in enumerate(forests)
        ]
        trees = [
            forest.trees._replace(
                first_node=forest.trees.first_node + node[at],
                first_leaf=forest.trees.first_leaf + leaf[at],
                group=forest.trees.group + group[at],
            )
            for at, forest in enumerate(forests)
        ]
        return cls(
            n_features=forests[0].n_features,
            base=np.concatenate([forest.base for forest in forests]),
            nodes=Nodes(*map(np.concatenate, zip(*nodes, strict=True))),
            trees=Trees(*map(np.concatenate, zip(*trees, strict=True))),
            objective=tuple(name for forest in forests for name in forest.objective),
        )

    def margins(self, features: NDArray[np.float32], threads: int = 1) -> NDArray[np.float32]:
        """Return what ``Booster.inplace_predict(features, predict_type="margin")`` returns, bit for bit.

        Parameters
        ----------
        features
            float32, shape (rows, n_features), C-contiguous, NaN where missing, categories as codes.
        threads
            No result depends on it.

        Returns
        -------
        numpy.ndarray
            float32, shape (rows, margins).

        Raises
        ------
        ValueError
            When ``features`` has another dtype, width or order.
        """
        if features.dtype != np.float32 or features.ndim != 2 or features.shape[1] != self.n_features:
            raise ValueError(
                f"expected float32 features of shape (rows, {self.n_features}), found {features.dtype} of shape "
                f"{features.shape}; make them with gnosis.learning.matrix.as_array"
            )
        if not features.flags.c_contiguous:
            raise ValueError("expected C-contiguous features, found another order; pass numpy.ascontiguousarray(...)")
        features = frozen(features, features.shape)
        out = np.tile(self.base, (features.shape[0], 1))
        if features.shape[0] == 1:
            add_row_margins(self.nodes, self.trees, features[0], out[0])
            return out

        def run(first: int, last: int) -> bool:
            add_margins(self.nodes, self.trees, features, out, first, last)
            return True

        in_ranges(run, features.shape[0], threads)
        return out


def _require(what: str, found: Any, expected: tuple[Any, ...]) -> None:
    if found not in expected:
        raise UnsupportedModelError(
            f"{what}: expected {' or '.join(map(str, expected))}, found {found}; serving would differ from XGBoost, so "
            "train models.trained with gnosis.learning.models"
        )


def _completed(trees: list[dict[str, Any]], group: NDArray[np.int64]) -> tuple[Nodes, Trees]:
    """Return the trees filled up to complete ones."""
    places = [_places(tree) for tree in trees]
    depths = np.array([len(levels) - 1 for levels in places], dtype=np.int64)
    first_node = np.cumsum([0, *(2**depths - 1)])
    first_leaf = np.cumsum([0, *(2**depths)])
    nodes = Nodes(
        feature=np.zeros(first_node[-1], dtype=np.int32),
        threshold=np.full(first_node[-1], np.nan, dtype=np.float32),
        missing_right=np.zeros(first_node[-1], dtype=np.uint8),
        category_start=np.zeros(first_node[-1], dtype=np.int32),
        category_words=np.zeros(first_node[-1], dtype=np.int32),
        categories=np.empty(0, dtype=np.uint32),
    )
    leaf = np.empty(first_leaf[-1], dtype=np.float32)
    words: list[NDArray[np.uint32]] = []
    for at, tree in enumerate(trees):
        part = slice(first_node[at], first_node[at + 1])
        leaf[first_leaf[at] : first_leaf[at + 1]] = np.asarray(tree["split_conditions"])[places[at][-1]]
        inner = np.concatenate([np.empty(0, dtype=np.int64), *places[at][:-1]])
        splits = np.asarray(tree["left_children"])[inner] != -1
        nodes.feature[part] = np.where(splits, np.asarray(tree["split_indices"])[inner], 0)
        nodes.threshold[part] = np.where(splits, np.asarray(tree["split_conditions"])[inner], np.nan)
        nodes.missing_right[part] = splits & (np.asarray(tree["default_left"])[inner] == 0)
        spans = (tree["categories_nodes"], tree["categories_segments"], tree["categories_sizes"])
        for node, first, size in zip(*spans, strict=True):
            bits = _bits(np.asarray(tree["categories"][first : first + size], dtype=np.int64))
            place = first_node[at] + np.flatnonzero(inner == node)[0]
            # Any number will do but NaN, which would say that nothing is asked.
            nodes.threshold[place] = 0.0
            nodes.category_start[place], nodes.category_words[place] = sum(map(len, words)), bits.size
            words.append(bits)
    return nodes._replace(categories=np.concatenate([*words, nodes.categories])), Trees(
        first_node=first_node[:-1],
        first_leaf=first_leaf[:-1],
        depth=depths,
        group=group,
        has_categories=np.array([len(tree["categories_nodes"]) > 0 for tree in trees], dtype=np.bool_),
        leaf=leaf,
    )


def _places(tree: dict[str, Any]) -> list[NDArray[np.int64]]:
    """Return, level by level, which native node stands at each place of the complete tree; a leaf stays where it is."""
    left, right = (np.asarray(tree[name], dtype=np.int64) for name in ("left_children", "right_children"))
    levels = [np.zeros(1, dtype=np.int64)]
    while (left[levels[-1]] != -1).any():
        if len(levels) > DEEPEST:
            raise UnsupportedModelError(
                f"expected trees of at most {DEEPEST} levels, found a deeper one; lower max_depth of the model"
            )
        above = np.repeat(levels[-1], 2)
        below = np.column_stack([left[levels[-1]], right[levels[-1]]]).ravel()
        levels.append(np.where(below == -1, above, below))
    return levels


def _bits(codes: NDArray[np.int64]) -> NDArray[np.uint32]:
    """Return a set of category codes as bits.

    Examples
    --------
    >>> _bits(np.array([0, 3, 33])).tolist()
    [9, 2]
    """
    bits = np.zeros(int(codes.max()) // 32 + 1, dtype=np.uint32)
    np.bitwise_or.at(bits, codes >> 5, np.uint32(1) << (codes & 31).astype(np.uint32))
    return bits
