"""Compiled loops of the sweep: sixteen parameter sets at a time walk over the bars side by side.

This module imports numba; import it where a kernel is needed, not from the package's front.

The sets of a block are the lanes of vector registers. What they want is kept as one bit per lane and bar, so that the
signals of a whole sweep never exist at once. Each lane is summed in the order of time: no figure depends on threads, on
the block a set falls in, or on the width of the registers.
"""

from __future__ import annotations

import numpy as np
from numba import njit

LANES = 16
CASH, SHARES, PREVIOUS, PEAK, LOW, LOW_PEAK, SUM, SQUARES, FEES, FILLS, LOWEST_CASH = range(11)
N_STATES = 11


@njit(cache=True, nogil=True, error_model="numpy")
def _add_above(
    one: np.ndarray, other: np.ndarray, totals: np.ndarray, windows: tuple[int, int], mask: np.ndarray, lane: int
) -> None:
    """Set the bit of a lane at every bar before which, at the last close, one average was above the other.

    Averages that are equal as floats are compared as whole numbers, from the running totals of the prices.
    """
    ties = 0
    for t in range(one.size - 1):
        mask[t + 1] |= np.int32(one[t] > other[t]) << lane
        ties += one[t] == other[t]
    if ties == 0:
        return
    n_one, n_other = windows
    for t in range(one.size - 1):
        if one[t] == other[t]:
            of_one = (totals[t + 1] - totals[t + 1 - n_one]) * n_other
            of_other = (totals[t + 1] - totals[t + 1 - n_other]) * n_one
            mask[t + 1] |= np.int32(of_one > of_other) << lane


@njit(cache=True, nogil=True, error_model="numpy")
def _walk(
    opens: np.ndarray,
    closes: np.ndarray,
    masks: np.ndarray,
    shares: float,
    slippage: float,
    fee: float,
    state: np.ndarray,
    curves: np.ndarray,
    keep: int,
) -> None:
    """Trade at the opens, mark at the closes; ``curves`` gets the equity of every bar when ``keep`` is 1, not 0."""
    longs, shorts = masks[0], masks[1]
    before_long, before_short = np.int32(0), np.int32(0)
    for t in range(opens.size):
        is_long, is_short, close = longs[t], shorts[t], closes[t]
        curve = curves[t * keep]
        if is_long != before_long or is_short != before_short:
            buy, sell = opens[t] * (1.0 + slippage), opens[t] * (1.0 - slippage)
            for j in range(LANES):
                target = shares if (is_long >> j) & 1 else 0.0
                target = -shares if (is_short >> j) & 1 else target
                quantity = target - state[SHARES * LANES + j]
                value = quantity * (buy if quantity > 0 else sell)
                paid = abs(value) * fee
                cash = state[CASH * LANES + j] - value - paid
                state[CASH * LANES + j] = cash
                state[SHARES * LANES + j] = target
                state[FEES * LANES + j] += paid
                state[FILLS * LANES + j] += 1.0 if quantity != 0 else 0.0
                lowest = state[LOWEST_CASH * LANES + j]
                state[LOWEST_CASH * LANES + j] = cash if cash < lowest else lowest
            before_long, before_short = is_long, is_short
        for j in range(LANES):
            equity = state[CASH * LANES + j] + state[SHARES * LANES + j] * close
            change = equity / state[PREVIOUS * LANES + j] - 1.0
            peak = state[PEAK * LANES + j]
            peak = equity if equity > peak else peak
            # The deepest equity / peak, compared by cross multiplication to save the division.
            is_deeper = equity * state[LOW_PEAK * LANES + j] < state[LOW * LANES + j] * peak
            state[PREVIOUS * LANES + j] = equity
            state[PEAK * LANES + j] = peak
            state[LOW * LANES + j] = equity if is_deeper else state[LOW * LANES + j]
            state[LOW_PEAK * LANES + j] = peak if is_deeper else state[LOW_PEAK * LANES + j]
            state[SUM * LANES + j] += change
            state[SQUARES * LANES + j] += change * change
            curve[j] = equity


@njit(cache=True, nogil=True, error_model="numpy")
def _block(
    opens: np.ndarray,
    closes: np.ndarray,
    masks: np.ndarray,
    account: tuple[float, float, float, float],
    out: np.ndarray,
    curves: np.ndarray,
) -> None:
    """Walk one block from its masks; ``out`` and ``curves`` may be narrower than the block."""
    cash, shares, slippage, fee = account
    state = np.zeros(N_STATES * LANES)
    for start in (CASH, PREVIOUS, PEAK, LOW, LOW_PEAK, LOWEST_CASH):
        state[start * LANES : (start + 1) * LANES] = cash
    keep = 1 if curves.shape[0] else 0
    kept = np.empty((opens.size if keep else 1, LANES))
    _walk(opens, closes, masks, shares, slippage, fee, state, kept, keep)
    for j in range(out.shape[0]):
        for name in range(N_STATES):
            out[j, name] = state[name * LANES + j]
    for j in range(curves.shape[0]):
        curves[j] = kept[:, j]


@njit(cache=True, nogil=True, error_model="numpy")
def crosses(
    opens: np.ndarray,
    closes: np.ndarray,
    averages: np.ndarray,
    totals: np.ndarray,
    windows: np.ndarray,
    pairs: np.ndarray,
    is_short_below: bool,
    account: tuple[float, float, float, float],
    out: np.ndarray,
    curves: np.ndarray,
) -> None:
    """Fill ``out`` with what became of each pair of averages.

    Parameters
    ----------
    opens, closes
        float64, shape (bars,), $.
    averages
        float64, shape (windows, bars): means of the prices as whole numbers; NaN before a window is full.
    totals
        int64, shape (bars + 1,): running totals of those whole numbers, from 0.
    windows
        int64, shape (windows,): bars in each average.
    pairs
        int64, shape (sets, 2): rows of ``averages``, fast and slow.
    is_short_below
        Whether a set is short, and not flat, while its fast average is below the slow one.
    account
        Initial cash in $, shares held, slippage and fee as shares of the price.
    out
        float64, shape (sets, ``N_STATES``).
    curves
        float64, shape (sets, bars) to be filled with equity in $, or (0, bars).
    """
    masks = np.empty((2, opens.size), dtype=np.int32)
    for first in range(0, pairs.shape[0], LANES):
        last = min(first + LANES, pairs.shape[0])
        masks[:] = 0
        for k in range(first, last):
            fast, slow = pairs[k]
            widths = (windows[fast], windows[slow])
            _add_above(averages[fast], averages[slow], totals, widths, masks[0], k - first)
            if is_short_below:
                _add_above(averages[slow], averages[fast], totals, widths[::-1], masks[1], k - first)
        _block(opens, closes, masks, account, out[first:last], curves[first:last])


@njit(cache=True, nogil=True, error_model="numpy")
def signals(
    opens: np.ndarray,
    closes: np.ndarray,
    wanted: np.ndarray,
    account: tuple[float, float, float, float],
    out: np.ndarray,
    curves: np.ndarray,
) -> None:
    """Fill ``out`` with what became of each column of ``wanted``: int8, shape (bars, sets), 1 long, 0 flat, -1 short.

    The rest is as for :func:`crosses`.
    """
    masks = np.empty((2, opens.size), dtype=np.int32)
    for first in range(0, wanted.shape[1], LANES):
        last = min(first + LANES, wanted.shape[1])
        masks[:] = 0
        for t in range(opens.size - 1):
            for k in range(first, last):
                masks[0, t + 1] |= np.int32(wanted[t, k] > 0) << (k - first)
                masks[1, t + 1] |= np.int32(wanted[t, k] < 0) << (k - first)
        _block(opens, closes, masks, account, out[first:last], curves[first:last])
