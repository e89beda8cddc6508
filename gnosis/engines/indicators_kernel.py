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
BLOCK = 512


@njit(cache=True, nogil=True, error_model="numpy")
def window_average(x: np.ndarray, length: int, seed: int, weight: float) -> np.ndarray:
    """Return, per row, the recursive mean of its last ``length`` values, started at the mean of the first ``seed``.

    EMA_N is ``window_average(x, 6 * N, 1, 2 / (N + 1))``, Wilder_N is ``window_average(x, 10 * N, N, 1 / N)``.
    Rows with fewer than ``length`` values before them are NaN.
    """
    n = x.size
    out = np.full(n, np.nan)
    steps = length - seed
    room, start = np.empty((2, BLOCK + length)), np.empty(BLOCK)
    for first in range(length - 1, n, BLOCK):
        last = min(first + BLOCK, n)
        width = last - first
        discounted_mean(x[first - steps + 1 : last], steps, 1.0 - weight, room, out[first:last])
        own = x[first - length + 1 : last - steps]
        start[:width] = own[:width]
        for k in range(1, seed):
            _add(own[k : k + width], start[:width])
        for lane in range(width):
            start[lane] /= seed
        _join(start[:width], (1.0 - weight) ** steps, out[first:last])
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def discounted_mean(x: np.ndarray, length: int, share: float, room: np.ndarray, out: np.ndarray) -> None:
    """Fill ``out`` with the mean of each ``length`` values of ``x``, weighted 1, ``share``, ... from the newest on.

    Means are joined pair by pair, then pairs of pairs and so on (Kogge & Stone 1973): the values of a window always in
    one and the same order, with as many steps as the length has binary digits. The mean of equal values is that value
    to the bit. ``room`` is (2, x.size) or more.
    """
    ending, wider = room[0, : x.size], room[1, : x.size]
    ending[:] = x
    reach, taken = 1, 0
    while True:
        if length & reach:
            newest = length - 1 - taken
            older = ending[newest : newest + out.size]
            if taken == 0:
                out[:] = older
            else:
                _join(older, share**taken * (1.0 - share**reach) / (1.0 - share ** (taken + reach)), out)
            taken += reach
        if taken == length:
            break
        wider[reach:] = ending[reach:]
        _join(ending[: x.size - reach], share**reach / (1.0 + share**reach), wider[reach:])
        ending, wider = wider, ending
        reach *= 2


@njit(cache=True, nogil=True, error_model="numpy")
def _add(x: np.ndarray, out: np.ndarray) -> None:
    for t in range(out.size):
        out[t] += x[t]


@njit(cache=True, nogil=True, error_model="numpy")
def _join(older: np.ndarray, part: float, out: np.ndarray) -> None:
    """Let older means take ``part`` of the weight."""
    for t in range(out.size):
        out[t] += (older[t] - out[t]) * part


@njit(cache=True, nogil=True, error_model="numpy")
def macd_histogram(close: np.ndarray) -> np.ndarray:
    """Return (MACD - signal)/C per row; NaN in the first 209 rows.

    Both averages run over 210 closes from the first of them, the signal over the last 54 differences.
    """
    n = close.size
    out = np.full(n, np.nan)
    room = np.empty((2, BLOCK + MACD_BARS))
    fast, slow, signal = np.empty(BLOCK), np.empty(BLOCK), np.empty(BLOCK)
    before = MACD_BARS - SIGNAL_BARS
    for first in range(MACD_BARS - 1, n, BLOCK):
        width = min(BLOCK, n - first)
        oldest = first - MACD_BARS + 1
        start, past = close[oldest : oldest + width], close[oldest + 1 : oldest + before + width]
        for weight, mean in ((MACD_FAST_WEIGHT, fast[:width]), (MACD_SLOW_WEIGHT, slow[:width])):
            discounted_mean(past, before, 1.0 - weight, room, mean)
            _join(start, (1.0 - weight) ** before, mean)
        for lane in range(width):
            signal[lane] = fast[lane] - slow[lane]
        for k in range(before + 1, MACD_BARS):
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
    ups_before = window_average(plus, WILDER_MOVES, WILDER_SPAN, WILDER_WEIGHT)
    downs_before = window_average(minus, WILDER_MOVES, WILDER_SPAN, WILDER_WEIGHT)
    p, m, mean = np.empty(BLOCK), np.empty(BLOCK), np.empty(BLOCK)
    for first in range(2 * WILDER_MOVES, n, BLOCK):
        width = min(BLOCK, n - first)
        oldest = first - WILDER_MOVES + 1
        p[:width] = ups_before[oldest - 1 : oldest - 1 + width]
        m[:width] = downs_before[oldest - 1 : oldest - 1 + width]
        mean[:] = 0.0
        for k in range(WILDER_MOVES):
            ups = plus[oldest + k : oldest + k + width]
            downs = minus[oldest + k : oldest + k + width]
            weight = 1.0 / WILDER_SPAN if k >= WILDER_SPAN else 1.0 / (k + 1.0)
            for lane in range(width):
                p[lane] += (ups[lane] - p[lane]) * WILDER_WEIGHT
                m[lane] += (downs[lane] - m[lane]) * WILDER_WEIGHT
                dx = 100.0 * (abs(p[lane] - m[lane]) / (p[lane] + m[lane]))
                # A mean of the first few, then the recursion.
                mean[lane] += (dx - mean[lane]) * weight
        out[first : first + width] = mean[:width]
    return out
