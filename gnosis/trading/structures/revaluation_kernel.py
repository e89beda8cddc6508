"""Compiled bounds and zeros of profit and loss on a grid, candidate by candidate."""

from __future__ import annotations

import math

import numpy as np

from gnosis.options.special_functions import vectorised


@vectorised
def bounds(
    worth: np.ndarray,
    place: np.ndarray,
    quantity: np.ndarray,
    shares: np.ndarray,
    grid: np.ndarray,
    outlay: np.ndarray,
    slope: np.ndarray,
    zero: float,
    extremes: np.ndarray,
    crossing_usd: np.ndarray,
    crossing: np.ndarray,
) -> int:
    """Fill the least and the largest profit (candidates, 2) and where profit begins (+1) and ends (-1).

    Profit is linear between the points of ``grid`` and has ``slope`` beyond the last. Returns the largest number of
    crossings of any candidate; those that do not fit into the columns of ``crossing`` are counted and not written.
    """
    points, width, most = grid.size, crossing.shape[1], 0
    pnl = np.empty(points)
    for row in range(place.shape[0]):
        for i in range(points):
            pnl[i] = shares[row] * grid[i] - outlay[row]
        for leg in range(place.shape[1]):
            count = quantity[row, leg]
            if count != 0.0:
                value = worth[place[row, leg]]
                for i in range(points):
                    pnl[i] += count * value[i]
        low, high = math.inf, -math.inf
        for i in range(points):
            low = min(low, pnl[i])
            high = max(high, pnl[i])
        extremes[row, 0], extremes[row, 1] = low, high
        n, side, touched = 0, -1.0, -1.0
        if pnl[0] > zero:
            side = 1.0
        for i in range(points):
            if abs(pnl[i]) <= zero:
                touched = grid[i]
                continue
            now = 1.0 if pnl[i] > 0.0 else -1.0
            if now != side:
                at = touched
                if at < 0.0:
                    at = grid[i - 1] + (grid[i] - grid[i - 1]) * pnl[i - 1] / (pnl[i - 1] - pnl[i])
                if n < width:
                    crossing_usd[row, n], crossing[row, n] = at, now
                n += 1
                side = now
            touched = -1.0
        if slope[row] * side < 0.0:
            if n < width:
                crossing_usd[row, n] = grid[points - 1] - pnl[points - 1] / slope[row]
                crossing[row, n] = -side
            n += 1
        most = max(most, n)
    return most
