"""Compiled loops behind :mod:`gnosis.engines.calibration`: regressions over trailing windows with Newey-West errors."""

from __future__ import annotations

import numpy as np
from numba import njit

from gnosis.engines.points import Floats, Integers


@njit(cache=True, nogil=True, error_model="numpy")
def newey_west_lags(n: int) -> int:
    """Return the number of lags floor(4 (n/100)^(2/9)) of Newey & West (1994)."""
    return int(np.floor(4.0 * (n / 100.0) ** (2.0 / 9.0)))


@njit(cache=True, nogil=True, error_model="numpy")
def slope(x: Floats, y: Floats, control: Floats) -> tuple[float, float, float]:
    """Return slope, Newey-West standard error and partial R2 of y on x beside 1 and a control, pairs in time order.

    NaN when x does not vary, or not beyond the control. A control that does not vary is left out.
    """
    n = x.size
    of_x, of_y, of_control = x - x.mean(), y - y.mean(), control - control.mean()
    regressors = 2.0
    square = (of_control * of_control).sum()
    largest = (of_x * of_x).sum()
    if square > 1e-24 * max(1.0, control.mean() ** 2) * n:
        regressors = 3.0
        # Frisch & Waugh (1933): what the control explains is taken from both sides.
        of_x = of_x - (of_x * of_control).sum() / square * of_control
        of_y = of_y - (of_y * of_control).sum() / square * of_control
    sxx = (of_x * of_x).sum()
    if not (sxx > 1e-24 * max(1.0, x.mean() ** 2) * n and sxx > 1e-12 * largest):
        return np.nan, np.nan, np.nan
    b = (of_x * of_y).sum() / sxx
    residual = of_y - b * of_x
    score = residual * of_x
    long_run = (score * score).sum()
    lags = newey_west_lags(n)
    for lag in range(1, lags + 1):
        cross = 0.0
        for i in range(lag, n):
            cross += score[i] * score[i - lag]
        long_run += 2.0 * (1.0 - lag / (lags + 1.0)) * cross
    error = np.sqrt(max(long_run, 0.0) * n / (n - regressors)) / sxx
    total = (of_y * of_y).sum()
    return b, error, 1.0 - (residual * residual).sum() / total if total > 0.0 else np.nan


@njit(cache=True, nogil=True, error_model="numpy")
def trailing_slopes(
    x: Floats,
    y: Floats,
    control: Floats,
    said_at: Integers,
    symbol: Integers,
    column: Integers,
    as_of: Integers,
    window: int,
    fewest: int,
    out: Floats,
) -> None:
    """Fill n, slope, error, R2, mean of y at x > 0 and at x = 0, and the first column used, for each point.

    ``x`` and ``y`` have shape (symbols, sessions, pairs per session), ``control`` and ``said_at`` (symbols, sessions).
    ``said_at`` is when x became known; what became known after the cut-off ``as_of`` of a point is not read. Windows
    hold the ``window`` sessions up to the point.
    """
    pairs = x.shape[2]
    xs, ys, controls = np.empty(window * pairs), np.empty(window * pairs), np.empty(window * pairs)
    for i in range(symbol.size):
        n = 0
        first = -1
        for j in range(max(column[i] - window + 1, 0), column[i] + 1):
            if said_at[symbol[i], j] > as_of[i] or np.isnan(control[symbol[i], j]):
                continue
            for k in range(pairs):
                if not (np.isnan(x[symbol[i], j, k]) or np.isnan(y[symbol[i], j, k])):
                    xs[n], ys[n], controls[n] = x[symbol[i], j, k], y[symbol[i], j, k], control[symbol[i], j]
                    n += 1
                    if first < 0:
                        first = j
        out[i, :] = np.nan
        out[i, 0] = n
        out[i, 6] = first
        if n < fewest:
            continue
        out[i, 1], out[i, 2], out[i, 3] = slope(xs[:n], ys[:n], controls[:n])
        n_treated, treated, reference = 0, 0.0, 0.0
        for k in range(n):
            if xs[k] > 0.0:
                n_treated += 1
                treated += ys[k]
            else:
                reference += ys[k]
        if n_treated:
            out[i, 4] = treated / n_treated
        if n > n_treated:
            out[i, 5] = reference / (n - n_treated)


@njit(cache=True, nogil=True, error_model="numpy")
def trailing_members(
    members: Integers, said_at: Integers, symbol: Integers, column: Integers, as_of: Integers, window: int
) -> Integers:
    """Return the union of bit sets over the sessions of each window that were known at the cut-off of the point."""
    out = np.zeros(symbol.size, np.int64)
    for i in range(symbol.size):
        for j in range(max(column[i] - window + 1, 0), column[i] + 1):
            if said_at[symbol[i], j] <= as_of[i]:
                out[i] |= members[symbol[i], j]
    return out
