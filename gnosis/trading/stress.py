"""The stress grid: what a position gains in each cell of jumps of the price, of implied volatility, and of time."""

from __future__ import annotations

from itertools import product

import numpy as np

from gnosis.trading.sizing import Floats

SPOT_MOVES = (-0.20, -0.10, -0.05, -0.02, 0.0, 0.02, 0.05, 0.10, 0.20)
VOLATILITY_MOVES = (-0.25, 0.0, 0.25, 0.50)
SESSIONS = (0, 1, 5)
CELLS = tuple(product(SPOT_MOVES, VOLATILITY_MOVES, SESSIONS))
"""Relative move of the price, relative move of implied volatility, sessions that pass: the columns of a grid."""


def linear_stress(sign: Floats, borrow_per_session: float = 0.0) -> Floats:
    """Return the profit per unit notional of positions in the underlying.

    Parameters
    ----------
    sign
        float64, shape (ideas,): 1 long, -1 short.
    borrow_per_session
        Paid on shorts for each session, ratio of notional.

    Returns
    -------
    numpy.ndarray
        float64, shape (ideas, cells) in the order of :data:`CELLS`.

    Examples
    --------
    >>> grid = linear_stress(np.array([1.0, -1.0]))
    >>> grid.shape, grid.min(axis=1).tolist()
    ((2, 108), [-0.2, -0.2])
    """
    moves = np.array([cell[0] for cell in CELLS])
    held = np.array([cell[2] for cell in CELLS], dtype=np.float64)
    return sign[:, None] * moves - np.where(sign[:, None] < 0.0, borrow_per_session * held, 0.0)
