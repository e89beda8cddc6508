"""Compiled estimate of the spread from daily bars, behind :mod:`gnosis.engines.liquidity.spread_estimator`."""

from __future__ import annotations

import numpy as np
from numba import njit

from gnosis.engines.pairwise_kernel import BLOCK, PARTS, add_term, window_sums

SERIES = 10
R1, R2, R3, R4, R5, TAU, OPEN_HIGH, OPEN_LOW, CLOSE_HIGH, CLOSE_LOW = range(SERIES)
COUNTS = (TAU, OPEN_HIGH, OPEN_LOW, CLOSE_HIGH, CLOSE_LOW)
"""Series of 0 and 1: differences of their running sums are exact."""


@njit(cache=True, nogil=True, error_model="numpy")
def edge_terms(o: np.ndarray, h: np.ndarray, low: np.ndarray, c: np.ndarray, before: int) -> np.ndarray:
    """Return what every pair of neighbouring bars says, from log prices; NaN where a price that it needs is missing."""
    n = o.size
    terms = np.full((SERIES, before + n + BLOCK), np.nan)
    h1, low1, c1 = np.nan, np.nan, np.nan
    for t in range(n):
        i = before + t
        eta, eta1 = (h[t] + low[t]) / 2.0, (h1 + low1) / 2.0
        o0 = o[t]
        terms[R1, i] = eta - o0
        terms[R2, i] = o0 - eta1
        terms[R3, i] = eta - c1
        terms[R4, i] = c1 - eta1
        terms[R5, i] = o0 - c1
        unknown = (h[t] + low[t] + c1) * 0.0
        tau = (1.0 if h[t] != low[t] or low[t] != c1 else 0.0) + unknown
        terms[TAU, i] = tau
        terms[OPEN_HIGH, i] = tau * ((1.0 if o0 != h[t] else 0.0) + (o0 + h[t]) * 0.0)
        terms[OPEN_LOW, i] = tau * ((1.0 if o0 != low[t] else 0.0) + (o0 + low[t]) * 0.0)
        terms[CLOSE_HIGH, i] = tau * ((1.0 if c1 != h1 else 0.0) + (c1 + h1) * 0.0)
        terms[CLOSE_LOW, i] = tau * ((1.0 if c1 != low1 else 0.0) + (c1 + low1) * 0.0)
        h1, low1, c1 = h[t], low[t], c[t]
    return terms


@njit(cache=True, nogil=True, error_model="numpy")
def run_up(x: np.ndarray, out: np.ndarray) -> None:
    """Fill ``out`` (2, x.size + 1) with sum and number of the known values before each."""
    total, n = 0.0, 0.0
    for t in range(x.size):
        is_known = x[t] == x[t]
        total += x[t] if is_known else 0.0
        n += 1.0 if is_known else 0.0
        out[0, t + 1], out[1, t + 1] = total, n


@njit(cache=True, nogil=True, error_model="numpy")
def edge_spreads(o: np.ndarray, h: np.ndarray, low: np.ndarray, c: np.ndarray, bars: int) -> np.ndarray:
    """Return the signed EDGE estimate from the last ``bars`` bars of each, log prices of shape (symbols, sessions)."""
    out = np.full(o.shape, np.nan)
    length = bars - 1
    parts = np.empty((PARTS + 1, BLOCK))
    term = np.empty(BLOCK)
    sums = np.empty((SERIES, 2, BLOCK))
    products = np.empty((4, PARTS + 1, BLOCK))
    counts = np.empty((2, BLOCK))
    x1, x2 = np.empty(BLOCK), np.empty(BLOCK)
    square1, square2 = np.empty(BLOCK), np.empty(BLOCK)
    to_open, to_close = np.empty(BLOCK), np.empty(BLOCK)
    m1, m3, m5 = np.empty(BLOCK), np.empty(BLOCK), np.empty(BLOCK)
    running = np.zeros((SERIES, 2, length + o.shape[1] + BLOCK))
    for symbol in range(o.shape[0]):
        terms = edge_terms(o[symbol], h[symbol], low[symbol], c[symbol], length - 1)
        for series in COUNTS:
            run_up(terms[series], running[series])
        for first in range(0, o.shape[1], BLOCK):
            width = min(BLOCK, o.shape[1] - first)
            for series in (R1, R3, R5):
                window_sums(terms[series], first, length, parts, term, sums[series])
            for series in COUNTS:
                before, after = running[series, :, first:], running[series, :, first + length :]
                for lane in range(BLOCK):
                    sums[series, 0, lane] = after[0, lane] - before[0, lane]
                    sums[series, 1, lane] = after[1, lane] - before[1, lane]
            for lane in range(BLOCK):
                p_open = _mean(sums, OPEN_HIGH, lane) + _mean(sums, OPEN_LOW, lane)
                p_close = _mean(sums, CLOSE_HIGH, lane) + _mean(sums, CLOSE_LOW, lane)
                is_defined = sums[TAU, 0, lane] >= 2.0 and p_open > 0.0 and p_close > 0.0
                share = _mean(sums, TAU, lane) if is_defined else np.nan
                to_open[lane] = -4.0 / p_open if is_defined else np.nan
                to_close[lane] = 4.0 / p_close if is_defined else np.nan
                m1[lane] = _mean(sums, R1, lane) / share
                m3[lane] = _mean(sums, R3, lane) / share
                m5[lane] = _mean(sums, R5, lane) / share
            counts[:] = 0.0
            n1, n2 = counts[0], counts[1]
            for k in range(length):
                a, b = first + k, first + k + BLOCK
                r1, r2, r3 = terms[R1, a:b], terms[R2, a:b], terms[R3, a:b]
                r4, r5, tau = terms[R4, a:b], terms[R5, a:b], terms[TAU, a:b]
                for lane in range(BLOCK):
                    d1 = r1[lane] - tau[lane] * m1[lane]
                    d3 = r3[lane] - tau[lane] * m3[lane]
                    d5 = r5[lane] - tau[lane] * m5[lane]
                    left = to_open[lane] * d1
                    one = left * r2[lane] - to_close[lane] * d3 * r4[lane]
                    two = left * r5[lane] - to_close[lane] * d5 * r4[lane]
                    n1[lane] += 1.0 if one == one else 0.0
                    n2[lane] += 1.0 if two == two else 0.0
                    x1[lane] = one if one == one else 0.0
                    x2[lane] = two if two == two else 0.0
                    square1[lane] = x1[lane] * x1[lane]
                    square2[lane] = x2[lane] * x2[lane]
                add_term(products[0], k, length, x1)
                add_term(products[1], k, length, x2)
                add_term(products[2], k, length, square1)
                add_term(products[3], k, length, square2)
            for lane in range(width):
                if n1[lane] == 0.0 or n2[lane] == 0.0:
                    continue
                e1 = (0.0 + products[0, PARTS, lane]) / n1[lane]
                e2 = (0.0 + products[1, PARTS, lane]) / n2[lane]
                v1 = (0.0 + products[2, PARTS, lane]) / n1[lane] - e1 * e1
                v2 = (0.0 + products[3, PARTS, lane]) / n2[lane] - e2 * e2
                both = v1 + v2
                square = (v2 * e1 + v1 * e2) / both if both > 0.0 else (e1 + e2) / 2.0
                out[symbol, first + lane] = np.sign(square) * np.sqrt(abs(square))
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def _mean(sums: np.ndarray, series: int, lane: int) -> float:
    return sums[series, 0, lane] / (sums[series, 1, lane] if sums[series, 1, lane] > 0.0 else np.nan)
