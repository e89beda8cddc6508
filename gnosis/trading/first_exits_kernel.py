"""Compiled walk of simulated paths up to the first barrier that each meets."""

from __future__ import annotations

import math

import numba as nb
import numpy as np

from gnosis.trading.sizing import Floats

HORIZON, TARGET, STOP = 0, 1, 2


@nb.njit(cache=True, nogil=True)
def first_exits(
    drawn: Floats,
    drift: float,
    sigma: float,
    side: int,
    target_log: float,
    stop_log: float,
    shift: float,
    has_gaps: bool,
    relative: Floats,
    ended_by: np.ndarray,
    held: np.ndarray,
    adverse: Floats,
) -> None:
    """Write exit price over entry, barrier met, bars held and worst log move of each path into the last four arrays.

    Barriers that decide are ``shift`` nearer to the entry than those that set the price; a path of a model with gaps
    leaves at its own price. When one step meets both, the stop counts.

    Parameters
    ----------
    drawn
        float64, shape (paths, steps): innovations in volatilities of a bar.
    """
    near_target = max(side * target_log - shift, 0.0)
    near_stop = min(side * stop_log + shift, 0.0)
    n_paths, n_steps = drawn.shape
    for path in range(n_paths):
        level, worst = 0.0, 0.0
        kind, last = HORIZON, n_steps - 1
        for step in range(n_steps):
            level += drawn[path, step] * sigma + drift
            gained = side * level
            if gained <= near_stop:
                kind, last = STOP, step
                break
            if gained >= near_target:
                kind, last = TARGET, step
                break
            if step < n_steps - 1:
                worst = min(worst, gained)
        exit_log = level
        if not has_gaps:
            if kind == STOP:
                exit_log = stop_log
            elif kind == TARGET:
                exit_log = target_log
        relative[path] = math.exp(exit_log)
        ended_by[path] = kind
        held[path] = last + 1
        adverse[path] = -min(worst, side * exit_log, 0.0)
