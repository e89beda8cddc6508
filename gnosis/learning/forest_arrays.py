"""Boosted trees as flat arrays."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Nodes(NamedTuple):
    """Inner nodes of all trees, each tree filled up to a complete one: the children of node i are 2 i + 1 and 2 i + 2.

    Below a leaf that is higher than its tree is deep, all nodes have a NaN threshold and all leaves its value.

    Attributes
    ----------
    feature
        int32, shape (nodes,): position of the feature that a node asks for.
    threshold
        float32, shape (nodes,): values below it go left.
    missing_right
        uint8, shape (nodes,): 1 when a missing value goes right.
    category_start, category_words
        int32, shape (nodes,): bits of the categories that go right within ``categories``; no words for a number.
    categories
        uint32, shape (words,): bit ``c`` of a node's words is category ``c``.
    """

    feature: NDArray[np.int32]
    threshold: NDArray[np.float32]
    missing_right: NDArray[np.uint8]
    category_start: NDArray[np.int32]
    category_words: NDArray[np.int32]
    categories: NDArray[np.uint32]


class Trees(NamedTuple):
    """Trees in the order in which their leaves are added.

    Attributes
    ----------
    first_node, first_leaf
        int64, shape (trees,): where its nodes and its leaves begin.
    depth
        int64, shape (trees,): levels of inner nodes; ``2**depth`` leaves.
    group
        int64, shape (trees,): margin that the leaf is added to.
    has_categories
        bool, shape (trees,): true when any node asks for a category.
    leaf
        float32, shape (leaves,): what each leaf adds.
    """

    first_node: NDArray[np.int64]
    first_leaf: NDArray[np.int64]
    depth: NDArray[np.int64]
    group: NDArray[np.int64]
    has_categories: NDArray[np.bool_]
    leaf: NDArray[np.float32]
