"""Compiled loops behind :mod:`gnosis.learning.forest`: rows through trees, in the arithmetic of XGBoost."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from gnosis.learning.forest_arrays import Nodes, Trees

LANES = 64
"""Rows that go through a tree side by side."""
SIDE_BY_SIDE = 6
"""Levels that are asked of all rows at all their nodes: comparing eight rows at once beats looking one node up."""
LARGEST_CATEGORY = np.float32(16_777_216.0)
"""Codes from here on are no categories to XGBoost, as floats no longer count one by one."""
WORD = np.float32(32.0)


@njit(cache=True, nogil=True, error_model="numpy")
def logit_margins(probability: np.ndarray) -> np.ndarray:
    """Return base scores as margins by the single-precision logarithm of the C library, as XGBoost does."""
    out = np.empty(probability.size, np.float32)
    one = np.float32(1.0)
    for at in range(probability.size):
        out[at] = -math.log(one / probability[at] - one)
    return out


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _number_goes_right(nodes: Nodes, node: np.uint64, value: np.float32) -> np.uint64:
    is_missing = np.uint64(value != value)
    return np.uint64(value >= nodes.threshold[node]) | (is_missing & np.uint64(nodes.missing_right[node]))


@njit(cache=True, nogil=True, error_model="numpy")
def _goes_right(nodes: Nodes, node: np.uint64, value: np.float32) -> np.uint64:
    """Return 1 when a value goes to the right child of a node, 0 when to the left one."""
    words = nodes.category_words[node]
    if words == 0:
        return _number_goes_right(nodes, node, value)
    if value != value:
        return np.uint64(nodes.missing_right[node])
    if value < 0.0 or value >= LARGEST_CATEGORY:
        return np.uint64(0)
    code = np.int64(value)
    if code >> 5 >= words:
        return np.uint64(0)
    return np.uint64((np.int64(nodes.categories[nodes.category_start[node] + (code >> 5)]) >> (code & 31)) & 1)


@njit(cache=True, nogil=True, error_model="numpy")
def add_row_margins(nodes: Nodes, trees: Trees, row: np.ndarray, margins: np.ndarray) -> None:
    """Add the leaf of every tree to the margins of one row, in the order of the trees.

    Parameters
    ----------
    nodes, trees
        The forest.
    row
        float32, shape (features,).
    margins
        float32, shape (groups,), holding the base margins.
    """
    one = np.uint64(1)
    for tree in range(trees.depth.size):
        first, depth = np.uint64(trees.first_node[tree]), trees.depth[tree]
        node = np.uint64(0)
        # Every path of a complete tree has the same length: nothing for the processor to guess wrong.
        if trees.has_categories[tree]:
            for _ in range(depth):
                at = first + node
                node = node + node + one + _goes_right(nodes, at, row[np.uint64(nodes.feature[at])])
        else:
            for _ in range(depth):
                at = first + node
                node = node + node + one + _number_goes_right(nodes, at, row[np.uint64(nodes.feature[at])])
        leaf = np.uint64(trees.first_leaf[tree]) + node + one - (one << np.uint64(depth))
        margins[np.uint64(trees.group[tree])] += trees.leaf[leaf]


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _descend(nodes: Nodes, root: int, level: int, values: np.ndarray, place: np.ndarray, taken: np.ndarray) -> None:
    """Move every lane from its place in a level to its place in the next one."""
    for lane in range(LANES):
        taken[lane] = 0
    for at in range(1 << level):
        node = root + (1 << level) - 1 + at
        threshold, feature = nodes.threshold[node], nodes.feature[node]
        missing_right, words = nodes.missing_right[node], nodes.category_words[node]
        here = np.uint32(at)
        if threshold != threshold:
            continue
        if words == 0 and missing_right:
            for lane in range(LANES):
                taken[lane] |= np.uint32(place[lane] == here) & np.uint32(not values[feature, lane] < threshold)
        elif words == 0:
            for lane in range(LANES):
                taken[lane] |= np.uint32(place[lane] == here) & np.uint32(values[feature, lane] >= threshold)
        elif words == 1:
            bits = nodes.categories[nodes.category_start[node]]
            for lane in range(LANES):
                value = values[feature, lane]
                is_code = value >= np.float32(0.0) and value < WORD
                code = np.uint32(np.int32(value if is_code else np.float32(0.0)))
                found = (bits >> code) & np.uint32(is_code)
                right = np.uint32(missing_right) if value != value else found
                taken[lane] |= np.uint32(place[lane] == here) & right
        else:
            for lane in range(LANES):
                right = np.uint32(_goes_right(nodes, np.uint64(node), values[feature, lane]))
                taken[lane] |= np.uint32(place[lane] == here) & right
    for lane in range(LANES):
        place[lane] = (place[lane] << np.uint32(1)) | taken[lane]


@njit(cache=True, nogil=True, error_model="numpy")
def _descend_further(nodes: Nodes, trees: Trees, tree: int, level: int, values: np.ndarray, place: np.ndarray) -> None:
    """Move every lane from its place in a level to its leaf, one lane after the other."""
    one, root, depth = np.uint64(1), np.uint64(trees.first_node[tree]), trees.depth[tree]
    above, leaves = (one << np.uint64(level)) - one, (one << np.uint64(depth)) - one
    if trees.has_categories[tree]:
        for lane in range(LANES):
            node = np.uint64(place[lane]) + above
            for _ in range(level, depth):
                at = root + node
                node = node + node + one + _goes_right(nodes, at, values[np.uint64(nodes.feature[at]), lane])
            place[lane] = np.uint32(node - leaves)
    else:
        for lane in range(LANES):
            node = np.uint64(place[lane]) + above
            for _ in range(level, depth):
                at = root + node
                node = node + node + one + _number_goes_right(nodes, at, values[np.uint64(nodes.feature[at]), lane])
            place[lane] = np.uint32(node - leaves)


@njit(cache=True, nogil=True, error_model="numpy")
def add_margins(nodes: Nodes, trees: Trees, features: np.ndarray, out: np.ndarray, first: int, last: int) -> None:
    """Add the leaf of every tree to the margins of rows ``first`` to ``last``, in the order of the trees.

    Parameters
    ----------
    nodes, trees
        The forest.
    features
        float32, shape (rows, features), C-contiguous.
    out
        float32, shape (rows, groups), holding the base margins.
    first, last
        Range of rows.
    """
    width, groups = features.shape[1], out.shape[1]
    values = np.zeros((width, LANES), np.float32)
    margins = np.zeros((groups, LANES), np.float32)
    place, taken = np.empty(LANES, np.uint32), np.empty(LANES, np.uint32)
    for start in range(first, last, LANES):
        used = min(LANES, last - start)
        for lane in range(used):
            for at in range(width):
                values[at, lane] = features[start + lane, at]
            for group in range(groups):
                margins[group, lane] = out[start + lane, group]
        for tree in range(trees.depth.size):
            side_by_side = min(trees.depth[tree], SIDE_BY_SIDE)
            for lane in range(LANES):
                place[lane] = 0
            for level in range(side_by_side):
                _descend(nodes, trees.first_node[tree], level, values, place, taken)
            if trees.depth[tree] > side_by_side:
                _descend_further(nodes, trees, tree, side_by_side, values, place)
            group, leaves = trees.group[tree], np.uint64(trees.first_leaf[tree])
            for lane in range(LANES):
                margins[group, lane] += trees.leaf[leaves + np.uint64(place[lane])]
        for lane in range(used):
            for group in range(groups):
                out[start + lane, group] = margins[group, lane]
