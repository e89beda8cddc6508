"""Compiled windows and forward pass of the sequence model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from numpy.typing import NDArray

LENGTH = 32
"""Sessions of a window."""
LEVELS = 5
"""Convolutions of width 2 that join a window into one state."""


@njit(cache=True, nogil=True, error_model="numpy")
def windows(
    symbol: NDArray[np.int64], session: NDArray[np.int64], rows: NDArray[np.int64], length: int
) -> NDArray[np.int64]:
    """Return the positions of the last decisions of each row's symbol, by session.

    Parameters
    ----------
    symbol, session
        int64, shape (all rows,), ascending by session.
    rows
        Positions of the rows to look back from.
    length
        Sessions of a window, that of the row included.

    Returns
    -------
    numpy.ndarray
        int64, shape (rows, length), oldest first, the row itself last; -1 for a session without a decision.

    Examples
    --------
    >>> windows(np.array([0, 1, 0, 0]), np.array([1, 1, 2, 4]), np.array([3, 1]), 4).tolist()
    [[0, 2, -1, 3], [-1, -1, -1, 1]]
    """
    previous = np.full(symbol.size, -1, dtype=np.int64)
    newest = np.full(symbol.max() + 1, -1, dtype=np.int64)
    for at in range(symbol.size):
        previous[at] = newest[symbol[at]]
        newest[symbol[at]] = at
    out = np.full((rows.size, length), -1, dtype=np.int64)
    for row in range(rows.size):
        at = rows[row]
        while at >= 0 and session[rows[row]] - session[at] < length:
            out[row, length - 1 - (session[rows[row]] - session[at])] = at
            at = previous[at]
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def network_scores(
    embedded: NDArray[np.float64],
    slots: NDArray[np.int64],
    earlier: NDArray[np.float64],
    later: NDArray[np.float64],
    bias: NDArray[np.float64],
    head: NDArray[np.float64],
    head_bias: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the outputs of the convolutions over each window.

    A compiled loop over rows, as matrix products round a lone row otherwise than one among many (L-12.4).

    Parameters
    ----------
    embedded
        float64, shape (distinct rows, hidden): activations of the input layer.
    slots
        int64, shape (rows, length), length a power of 2: positions in ``embedded``, -1 where masked.
    earlier, later
        float64, shape (levels, hidden, hidden): taps of each convolution, from input to output.
    bias
        float64, shape (levels, hidden).
    head, head_bias
        float64, shapes (hidden, outputs) and (outputs,).

    Returns
    -------
    numpy.ndarray
        float64, shape (rows, outputs).
    """
    length, hidden = slots.shape[1], embedded.shape[1]
    out = np.empty((slots.shape[0], head_bias.size))
    state = np.empty((length, hidden))
    known = np.empty(length, dtype=np.bool_)
    sums = np.empty(hidden)
    for row in range(slots.shape[0]):
        for at in range(length):
            known[at] = slots[row, at] >= 0
            for unit in range(hidden):
                state[at, unit] = embedded[slots[row, at], unit] if known[at] else 0.0
        width = length
        for level in range(bias.shape[0]):
            width //= 2
            for pair in range(width):
                old, new = 2 * pair, 2 * pair + 1
                is_known = known[old] or known[new]
                for unit in range(hidden):
                    sums[unit] = bias[level, unit]
                for source in range(hidden):
                    a, b = state[old, source], state[new, source]
                    for unit in range(hidden):
                        sums[unit] += a * earlier[level, source, unit] + b * later[level, source, unit]
                for unit in range(hidden):
                    state[pair, unit] = max(sums[unit], 0.0) + state[new, unit] if is_known else 0.0
                known[pair] = is_known
        for output in range(head_bias.size):
            total = head_bias[output]
            for unit in range(hidden):
                total += state[0, unit] * head[unit, output]
            out[row, output] = total
    return out
