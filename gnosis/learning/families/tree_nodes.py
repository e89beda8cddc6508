"""Compiled walk through the trees of :mod:`gnosis.learning.families.histogram_trees`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_CODES = 256
"""A bit set of categories has eight words of 32 bits."""


@njit(cache=True, nogil=True, inline="always")
def _contains(words: NDArray[np.uint32], code: np.int64) -> bool:
    return (words[code >> 5] >> np.uint32(code & 31)) & np.uint32(1) == np.uint32(1)


@njit(cache=True, nogil=True, error_model="numpy")
def tree_scores(
    features: NDArray[np.float32],
    rows: NDArray[np.int64],
    baseline: NDArray[np.float64],
    root: NDArray[np.int64],
    nodes: NDArray[np.void],
    left_codes: NDArray[np.uint32],
    known_codes: NDArray[np.uint32],
) -> NDArray[np.float64]:
    """Return the baseline plus the leaf of every tree, added in iteration order as scikit-learn does.

    Parameters
    ----------
    features
        float32, shape (rows, features).
    rows
        int64, positions to answer for.
    baseline
        float64, shape (outputs,).
    root
        int64, position of each tree's root in ``nodes``; tree ``i`` adds to output ``i % outputs``.
    nodes
        Of all trees, see :data:`gnosis.learning.families.histogram_trees.NODE`; children are counted from the root.
    left_codes
        uint32, shape (category splits, 8): bit sets of the categories that go left.
    known_codes
        uint32, shape (features, 8): bit sets of the categories seen in training; others go where missing values go.

    Returns
    -------
    numpy.ndarray
        float64, shape (rows, outputs).
    """
    outputs = baseline.size
    out = np.empty((rows.size, outputs))
    for row in range(rows.size):
        for output in range(outputs):
            out[row, output] = baseline[output]
        for tree in range(root.size):
            start = root[tree]
            at = start
            while not nodes[at]["is_leaf"]:
                node = nodes[at]
                number = np.float64(features[rows[row], node["feature"]])
                if np.isnan(number):
                    is_left = node["missing_left"] != 0
                elif node["is_category"]:
                    code = np.int64(number)
                    if code < 0 or code >= MOST_CODES or not _contains(known_codes[node["feature"]], code):
                        is_left = node["missing_left"] != 0
                    else:
                        is_left = _contains(left_codes[node["codes"]], code)
                else:
                    is_left = number <= node["threshold"]
                at = start + np.int64(node["left"] if is_left else node["right"])
            out[row, tree % outputs] += nodes[at]["value"]
    return out
