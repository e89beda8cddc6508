"""Compiled loops behind :mod:`gnosis.learning.triple_barrier` and :mod:`gnosis.learning.finer_bars`.

This module imports numba; import it where a kernel is needed, not from the package's front.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from gnosis.learning.obstacles import AMBIGUOUS, NO_SCALE, TRADED

NEITHER, UPPER, LOWER, BOTH = 0, 1, -1, 2


@njit(cache=True, nogil=True, error_model="numpy")
def touched(open_: float, high: float, low: float, upper: float, lower: float) -> tuple[int, float]:
    """Return which barrier a bar meets first and the price there: its open where it opens beyond one (L-2.7)."""
    if open_ >= upper:
        return UPPER, open_
    if open_ <= lower:
        return LOWER, open_
    is_above, is_below = high >= upper, low <= lower
    if is_above and is_below:
        return BOTH, np.nan
    if is_above:
        return UPPER, upper
    if is_below:
        return LOWER, lower
    return NEITHER, np.nan


@njit(cache=True, nogil=True, error_model="numpy")
def first_touches(
    prices: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    state: np.ndarray,
    symbol: np.ndarray,
    signal: np.ndarray,
    upper: np.ndarray,
    lower: np.ndarray,
    horizon: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Scan the sessions after each decision until a barrier is met or something stands in the way.

    Parameters
    ----------
    prices
        Open, high, low and close, float64 of shape (symbols, sessions).
    state
        int8 of that shape, see :mod:`gnosis.learning.obstacles`.
    symbol, signal
        int64, position of each decision in these arrays.
    upper, lower
        float64 barriers of each decision; NaN without a scale.
    horizon
        Sessions until the vertical barrier.

    Returns
    -------
    tuple
        Per decision: outcome (int8), exit price (float64), column of the session that decided or stood in the way
        (int64) and what stood in the way (int8, see :mod:`gnosis.learning.obstacles`).
    """
    open_, high, low, close = prices
    n = symbol.size
    outcome = np.zeros(n, dtype=np.int8)
    price = np.full(n, np.nan)
    column = np.empty(n, dtype=np.int64)
    obstacle = np.zeros(n, dtype=np.int8)
    for row in range(n):
        s = symbol[row]
        for t in range(signal[row] + 1, signal[row] + horizon + 1):
            column[row] = t
            if state[s, t] != TRADED:
                obstacle[row] = state[s, t]
                break
            if np.isnan(upper[row]):
                obstacle[row] = NO_SCALE
                break
            side, at = touched(open_[s, t], high[s, t], low[s, t], upper[row], lower[row])
            if side == BOTH:
                obstacle[row] = AMBIGUOUS
                break
            if side != NEITHER:
                outcome[row], price[row] = side, at
                break
        else:
            price[row] = close[s, signal[row] + horizon]
    return outcome, price, column, obstacle


@njit(cache=True, nogil=True, error_model="numpy")
def first_touches_within(
    prices: tuple[np.ndarray, np.ndarray, np.ndarray],
    ts: np.ndarray,
    start: np.ndarray,
    end: np.ndarray,
    first_ts: np.ndarray,
    length: int,
    factor: np.ndarray,
    upper: np.ndarray,
    lower: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Scan the finer bars of one session for each question; a missing bar ends the scan without an answer.

    Parameters
    ----------
    prices
        Open, high and low as traded, float64 of the bars of all sessions.
    ts
        int64, ends of these bars in microseconds.
    start, end
        int64, the bars of each question are ``[start, end)``, ascending by ``ts``.
    first_ts
        int64, end of the bar that the session of each question starts with.
    length
        Of a bar, in microseconds.
    factor
        float64, adjusts the prices of each question's session.
    upper, lower
        float64 barriers of each question.

    Returns
    -------
    tuple
        Outcome (int8: +1, -1, 0 for no answer) and exit price (float64, NaN for no answer).
    """
    open_, high, low = prices
    n = start.size
    outcome = np.zeros(n, dtype=np.int8)
    price = np.full(n, np.nan)
    for row in range(n):
        for k in range(start[row], end[row]):
            if ts[k] != first_ts[row] + (k - start[row]) * length:
                break
            f = factor[row]
            side, at = touched(open_[k] * f, high[k] * f, low[k] * f, upper[row], lower[row])
            if side == BOTH:
                break
            if side != NEITHER:
                outcome[row], price[row] = side, at
                break
    return outcome, price
