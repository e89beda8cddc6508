"""Kernels of the price indicators: every recursion over a fixed, finite window.

A recursion that started at the first bar ever loaded would give another number for every length of history. Here each
value restarts at the first bar of its own window (Wilder 1978 for the averages of RSI, ATR and ADX; Appel 1979 for
MACD), so it depends on nothing but the bars that its definition names. The windows of neighbouring rows overlap, so a
block of rows steps through its windows together and the processor works on many rows at a time; each row still goes
through the same operations in the same order, whatever its neighbours are.

The series of all symbols stand in one array, one after the other. A window that reaches into the symbol before is
computed like any other; the caller keeps only rows with enough sessions in a row. A NaN in a window makes it NaN.

Examples
--------
>>> ramp = np.arange(1.0, 7.0)
>>> window_average(ramp, 4, 2, 0.5).tolist()
[nan, nan, nan, 3.125, 4.125, 5.125]
"""

from __future__ import annotations

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
        _follow(x[oldest + seed : first + width], length - seed, weight, state[:width])
        out[first : first + width] = state[:width]
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def _follow(x: np.ndarray, steps: int, weight: float, state: np.ndarray) -> None:
    """Let each mean take so many neighbouring values in, the first mean from the first value on."""
    whole = steps - steps % 4
    for k in range(0, whole, 4):
        _take_four(x[k : k + state.size + 3], weight, state)
    for k in range(whole, steps):
        values = x[k : k + state.size]
        for lane in range(state.size):
            state[lane] += (values[lane] - state[lane]) * weight


@njit(cache=True, nogil=True, error_model="numpy")
def _take_four(x: np.ndarray, weight: float, state: np.ndarray) -> None:
    for lane in range(state.size):
        mean = state[lane]
        mean += (x[lane] - mean) * weight
        mean += (x[lane + 1] - mean) * weight
        mean += (x[lane + 2] - mean) * weight
        mean += (x[lane + 3] - mean) * weight
        state[lane] = mean


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
        start = MACD_BARS - SIGNAL_BARS + 1
        _follow(close[oldest + 1 : first + width], start - 1, MACD_FAST_WEIGHT, fast[:width])
        _follow(close[oldest + 1 : first + width], start - 1, MACD_SLOW_WEIGHT, slow[:width])
        for lane in range(width):
            signal[lane] = fast[lane] - slow[lane]
        for k in range(start, MACD_BARS):
            values = close[oldest + k : oldest + k + width]
            for lane in range(width):
                fast[lane] += (values[lane] - fast[lane]) * MACD_FAST_WEIGHT
                slow[lane] += (values[lane] - slow[lane]) * MACD_SLOW_WEIGHT
                signal[lane] += (fast[lane] - slow[lane] - signal[lane]) * SIGNAL_WEIGHT
        for lane in range(width):
            out[first + lane] = (fast[lane] - slow[lane] - signal[lane]) / close[first + lane]
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def moves(
    high: np.ndarray, low: np.ndarray, close: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return up and down moves of the close, true range, and directional moves +DM and -DM of each row.

    NaN in the first row and where a price of the row or of the one before is. A session moves in one direction only,
    the one of the larger new extreme (Wilder 1978).
    """
    n = close.size
    up, down, true_range, plus, minus = np.empty(n), np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    for moved in (up, down, true_range, plus, minus):
        moved[:1] = np.nan
    for t in range(1, n):
        change = close[t] - close[t - 1]
        # A comparison with NaN is false: adding the change times 0 hands a NaN on.
        unknown = change * 0.0
        up[t] = (change if change > 0.0 else 0.0) + unknown
        down[t] = (-change if change < 0.0 else 0.0) + unknown
        widest = high[t] - low[t]
        above = abs(high[t] - close[t - 1])
        below = abs(low[t] - close[t - 1])
        unknown = (widest + above + below) * 0.0
        true_range[t] = max(widest, above, below) + unknown
        higher = high[t] - high[t - 1]
        lower = low[t - 1] - low[t]
        unknown = (higher + lower) * 0.0
        plus[t] = (higher if higher > lower and higher > 0.0 else 0.0) + unknown
        minus[t] = (lower if lower > higher and lower > 0.0 else 0.0) + unknown
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
