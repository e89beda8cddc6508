"""Kernels of the price indicators: every recursion over a fixed, finite window.

A recursion that started at the first bar ever loaded would give another number for every length of history. Here each
value restarts at the first bar of its own window (Wilder 1978 for the averages of RSI, ATR and ADX; Appel 1979 for
MACD), so it depends on nothing but the bars that its definition names. The windows of neighbouring rows overlap, so a
block of rows steps through its windows together and the processor works on many rows at a time; each row still goes
through the same operations in the same order, whatever its neighbours are.

The series of all symbols stand in one array, one after the other. A window that reaches into the symbol before is
computed like any other; the caller keeps only rows with enough sessions in a row (:func:`visible_history`).

Examples
--------
>>> ramp = np.arange(1.0, 7.0)
>>> window_average(ramp, 4, 2, 0.5).tolist()
[nan, nan, nan, 3.125, 4.125, 5.125]
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

WILDER_SPAN = 14
WILDER_MOVES = 10 * WILDER_SPAN
WILDER_WEIGHT = 1.0 / WILDER_SPAN
MACD_BARS = 210
MACD_FAST_WEIGHT = 2.0 / 13.0
MACD_SLOW_WEIGHT = 2.0 / 27.0
SIGNAL_BARS = 54
SIGNAL_WEIGHT = 2.0 / 10.0
BLOCK = 128
# Log returns carry a rounding error of about 2e-16: a smaller spread than this is no spread.
NO_SPREAD = 1e-14


@njit(cache=True, nogil=True, error_model="numpy")
def visible_history(
    symbol: np.ndarray, position: np.ndarray, known_at: np.ndarray, origin: np.ndarray, window: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return how many sessions in a row each row may read, and from which origins the rows of its window come.

    Parameters
    ----------
    symbol, position, known_at, origin
        int64 arrays of one length, sorted by symbol and position.
    window
        Sessions that a row may read, its own included.

    Returns
    -------
    run, origins
        int64 arrays. ``run`` counts consecutive sessions up to ``window``; ``origins`` has the bit of each origin set
        that occurs among the visible rows of the window, with gaps or without.
    """
    n = symbol.size
    run = np.empty(n, np.int64)
    origins = np.empty(n, np.int64)
    plain = 0
    consecutive = 0
    for t in range(n):
        same = t > 0 and symbol[t] == symbol[t - 1]
        plain = plain + 1 if same and origin[t] == origin[t - 1] and known_at[t] >= known_at[t - 1] else 1
        consecutive = consecutive + 1 if same and position[t] == position[t - 1] + 1 else 1
        if plain >= window:
            run[t] = min(consecutive, window)
            origins[t] = 1 << origin[t]
            continue
        length = 1
        mask = 1 << origin[t]
        j = t - 1
        while j >= 0 and symbol[j] == symbol[t] and position[t] - position[j] < window:
            if known_at[j] <= known_at[t]:
                mask |= 1 << origin[j]
                if position[t] - position[j] == length:
                    length += 1
            j -= 1
        run[t] = length
        origins[t] = mask
    return run, origins


@njit(cache=True, nogil=True, error_model="numpy")
def window_average(x: np.ndarray, length: int, seed: int, weight: float) -> np.ndarray:
    """Return, per row, the recursive mean of its last ``length`` values, started at the mean of the first ``seed``.

    EMA_N is ``window_average(x, 6 * N, 1, 2 / (N + 1))``, Wilder_N is ``window_average(x, 10 * N, N, 1 / N)``.
    Rows with fewer than ``length`` values before them are NaN.
    """
    n = x.size
    out = np.full(n, np.nan)
    state = np.empty(BLOCK)
    for first in range(length - 1, n, BLOCK):
        width = min(BLOCK, n - first)
        oldest = first - length + 1
        state[:] = 0.0
        for k in range(seed):
            values = x[oldest + k : oldest + k + width]
            for lane in range(width):
                state[lane] += values[lane]
        for lane in range(width):
            state[lane] /= seed
        for k in range(seed, length):
            values = x[oldest + k : oldest + k + width]
            for lane in range(width):
                state[lane] += (values[lane] - state[lane]) * weight
        out[first : first + width] = state[:width]
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def macd_histogram(close: np.ndarray) -> np.ndarray:
    """Return (MACD - signal)/C per row; NaN in the first 209 rows.

    Both averages run over 210 closes from the first of them, the signal over the last 54 differences.
    """
    n = close.size
    out = np.full(n, np.nan)
    fast = np.empty(BLOCK)
    slow = np.empty(BLOCK)
    signal = np.empty(BLOCK)
    for first in range(MACD_BARS - 1, n, BLOCK):
        width = min(BLOCK, n - first)
        oldest = first - MACD_BARS + 1
        fast[:width] = close[oldest : oldest + width]
        slow[:width] = close[oldest : oldest + width]
        for k in range(1, MACD_BARS):
            values = close[oldest + k : oldest + k + width]
            for lane in range(width):
                fast[lane] += (values[lane] - fast[lane]) * MACD_FAST_WEIGHT
                slow[lane] += (values[lane] - slow[lane]) * MACD_SLOW_WEIGHT
            if k == MACD_BARS - SIGNAL_BARS:
                for lane in range(width):
                    signal[lane] = fast[lane] - slow[lane]
            elif k > MACD_BARS - SIGNAL_BARS:
                for lane in range(width):
                    signal[lane] += (fast[lane] - slow[lane] - signal[lane]) * SIGNAL_WEIGHT
        for lane in range(width):
            out[first + lane] = (fast[lane] - slow[lane] - signal[lane]) / close[first + lane]
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def moves(
    high: np.ndarray, low: np.ndarray, close: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return up and down moves of the close, true range, and directional moves +DM and -DM of each row; row 0 is 0.

    A session moves in one direction only, the one of the larger new extreme (Wilder 1978).
    """
    n = close.size
    up, down, true_range, plus, minus = np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n)
    for t in range(1, n):
        change = close[t] - close[t - 1]
        up[t] = max(change, 0.0)
        down[t] = max(-change, 0.0)
        true_range[t] = max(high[t] - low[t], abs(high[t] - close[t - 1]), abs(low[t] - close[t - 1]))
        higher = high[t] - high[t - 1]
        lower = low[t - 1] - low[t]
        if higher > lower and higher > 0.0:
            plus[t] = higher
        elif lower > higher and lower > 0.0:
            minus[t] = lower
    return up, down, true_range, plus, minus


@njit(cache=True, nogil=True, error_model="numpy")
def adx(plus: np.ndarray, minus: np.ndarray) -> np.ndarray:
    """Return Wilder's ADX(14) per row from directional moves; NaN in the first 280 rows and where a DX is 0/0.

    The directional means run over 280 moves, DX comes from the last 140, ADX is their Wilder mean. The true range
    cancels in DX.
    """
    n = plus.size
    out = np.full(n, np.nan)
    p = np.empty(BLOCK)
    m = np.empty(BLOCK)
    mean = np.empty(BLOCK)
    for first in range(2 * WILDER_MOVES, n, BLOCK):
        width = min(BLOCK, n - first)
        oldest = first - 2 * WILDER_MOVES + 1
        p[:] = 0.0
        m[:] = 0.0
        mean[:] = 0.0
        for k in range(2 * WILDER_MOVES):
            ups = plus[oldest + k : oldest + k + width]
            downs = minus[oldest + k : oldest + k + width]
            if k < WILDER_SPAN:
                for lane in range(width):
                    p[lane] += ups[lane] * WILDER_WEIGHT
                    m[lane] += downs[lane] * WILDER_WEIGHT
                continue
            for lane in range(width):
                p[lane] += (ups[lane] - p[lane]) * WILDER_WEIGHT
                m[lane] += (downs[lane] - m[lane]) * WILDER_WEIGHT
            if k < WILDER_MOVES:
                continue
            if k < WILDER_MOVES + WILDER_SPAN:
                for lane in range(width):
                    mean[lane] += 100.0 * (abs(p[lane] - m[lane]) / (p[lane] + m[lane]))
                if k == WILDER_MOVES + WILDER_SPAN - 1:
                    for lane in range(width):
                        mean[lane] /= WILDER_SPAN
            else:
                for lane in range(width):
                    dx = 100.0 * (abs(p[lane] - m[lane]) / (p[lane] + m[lane]))
                    mean[lane] += (dx - mean[lane]) * WILDER_WEIGHT
        out[first : first + width] = mean[:width]
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def trailing_sum(x: np.ndarray, length: int) -> np.ndarray:
    """Return the sum of the last ``length`` values of each row, added from the oldest on; NaN where there are fewer."""
    n = x.size
    out = np.full(n, np.nan)
    for t in range(length - 1, n):
        total = 0.0
        for value in x[t - length + 1 : t + 1]:
            total += value
        out[t] = total
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def return_score(
    symbol: np.ndarray, position: np.ndarray, known_at: np.ndarray, close: np.ndarray, window: int, fewest: int
) -> np.ndarray:
    """Return each row's log return in standard deviations from the mean of the ``window`` sessions before it.

    Returns of sessions that are missing, or that were not known at the row's cut-off, are left out of the reference
    sample. NaN when the row's own return is unknown, fewer than ``fewest`` are left or they are all equal.
    """
    n = close.size
    out = np.full(n, np.nan)
    step = np.full(n, np.nan)
    for t in range(1, n):
        if symbol[t] == symbol[t - 1] and position[t] == position[t - 1] + 1:
            step[t] = math.log(close[t] / close[t - 1])
    sample = np.empty(window)
    for t in range(1, n):
        if math.isnan(step[t]) or known_at[t - 1] > known_at[t]:
            continue
        count = 0
        j = t - 1
        while j > 0 and symbol[j] == symbol[t] and position[t] - position[j] <= window:
            if not math.isnan(step[j]) and known_at[j] <= known_at[t] and known_at[j - 1] <= known_at[t]:
                sample[count] = step[j]
                count += 1
            j -= 1
        if count < fewest:
            continue
        mean = 0.0
        for value in sample[:count]:
            mean += value
        mean /= count
        squares = 0.0
        for value in sample[:count]:
            squares += (value - mean) * (value - mean)
        spread = math.sqrt(squares / (count - 1))
        if spread > NO_SPREAD:
            out[t] = (step[t] - mean) / spread
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def ratio_to_usual(
    symbol: np.ndarray, position: np.ndarray, known_at: np.ndarray, x: np.ndarray, window: int, fewest: int
) -> np.ndarray:
    """Return each row's value over the mean of the ``window`` sessions before it.

    Sessions that are missing, NaN or not known at the row's cut-off are left out of the mean. NaN when the row's own
    value is, when fewer than ``fewest`` are left or when their mean is 0.
    """
    n = x.size
    out = np.full(n, np.nan)
    for t in range(1, n):
        count = 0
        total = 0.0
        j = t - 1
        while j >= 0 and symbol[j] == symbol[t] and position[t] - position[j] <= window:
            if not math.isnan(x[j]) and known_at[j] <= known_at[t]:
                total += x[j]
                count += 1
            j -= 1
        if count >= fewest and total > 0.0:
            out[t] = x[t] / (total / count)
    return out
