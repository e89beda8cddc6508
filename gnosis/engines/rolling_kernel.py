"""Statistics of the last values of each row, each over a fixed, finite window.

Sums, extremes and squares are joined pair by pair, then pairs of pairs and so on: the values of a window always in one
and the same order, so that a value depends on its window alone, with a smaller error than one after the other, and with
as many steps as the length has binary digits.

The series of all symbols stand in one array, one after the other. A window that reaches into the symbol before is
computed like any other; the caller keeps only rows with enough sessions in a row. A NaN in a window makes it NaN.

Examples
--------
>>> rolling(np.array([1.0, 2.0, 3.0, 5.0]), 3, MEAN).round(6).tolist()
[nan, nan, 2.0, 3.333333]
"""

from __future__ import annotations

import numpy as np
from numba import njit

STATISTICS = ("sum", "mean", "sd", "max", "min", "slope")
SUM, MEAN, SD, MAX, MIN, SLOPE = range(6)
BLOCK = 1024
"""Rows worked on at a time: a few arrays of them fit into a processor's innermost cache."""


@njit(cache=True, nogil=True, error_model="numpy")
def _fill_joined(x: np.ndarray, length: int, statistic: int, room: np.ndarray, out: np.ndarray) -> None:
    """Fill ``out`` with sum, mean, largest or smallest of each ``length`` values of ``x``."""
    # ``ending`` holds the statistic of the ``reach`` values that end with each.
    ending, wider = room[0, : x.size], room[1, : x.size]
    ending[:] = x
    reach, taken = 1, 0
    while True:
        if length & reach:
            newest = length - 1 - taken
            if taken == 0:
                out[:] = ending[newest : newest + out.size]
            else:
                _join(ending[newest : newest + out.size], out, statistic, out)
            taken += reach
        if taken == length:
            break
        _join(ending[: x.size - reach], ending[reach:], statistic, wider[reach:])
        ending, wider = wider, ending
        reach *= 2
    if statistic == MEAN:
        for t in range(out.size):
            out[t] /= length


@njit(cache=True, nogil=True, error_model="numpy")
def _join(a: np.ndarray, b: np.ndarray, statistic: int, out: np.ndarray) -> None:
    if statistic == MAX:
        for t in range(out.size):
            out[t] = a[t] if a[t] >= b[t] or a[t] != a[t] else b[t]
    elif statistic == MIN:
        for t in range(out.size):
            out[t] = a[t] if a[t] <= b[t] or a[t] != a[t] else b[t]
    else:
        for t in range(out.size):
            out[t] = a[t] + b[t]


@njit(cache=True, nogil=True, error_model="numpy")
def _fill_deviations(x: np.ndarray, length: int, room: np.ndarray, out: np.ndarray) -> None:
    """Fill ``out`` with the standard deviation of each ``length`` values of ``x``."""
    total, squares, wider_total, wider_squares = (
        room[0, : x.size], room[1, : x.size], room[2, : x.size], room[3, : x.size]
    )  # fmt: skip
    mean = np.empty(out.size)
    total[:] = x
    squares[:] = 0.0
    reach, taken = 1, 0
    while True:
        if length & reach:
            newest = length - 1 - taken
            own_total, own_squares = total[newest : newest + out.size], squares[newest : newest + out.size]
            if taken == 0:
                out[:] = own_squares
                for t in range(out.size):
                    mean[t] = own_total[t] / reach
            else:
                _join_older(own_total, own_squares, reach, taken, mean, out)
            taken += reach
        if taken == length:
            break
        _join_neighbours(total, squares, reach, wider_total, wider_squares)
        total, squares, wider_total, wider_squares = wider_total, wider_squares, total, squares
        reach *= 2
    for t in range(out.size):
        out[t] = np.sqrt(out[t] / (length - 1))


@njit(cache=True, nogil=True, error_model="numpy")
def _join_neighbours(
    total: np.ndarray, squares: np.ndarray, reach: int, wider_total: np.ndarray, wider_squares: np.ndarray
) -> None:
    """Join sums and squares about the mean of ``reach`` values each with those of the ``reach`` before."""
    share = 0.5 / reach
    for t in range(total.size - reach):
        apart = total[t + reach] - total[t]
        wider_total[t + reach] = total[t] + total[t + reach]
        wider_squares[t + reach] = squares[t] + squares[t + reach] + apart * apart * share


@njit(cache=True, nogil=True, error_model="numpy")
def _join_older(
    total: np.ndarray, squares: np.ndarray, n_older: int, n: int, mean: np.ndarray, out: np.ndarray
) -> None:
    """Join mean and squares of ``n`` values with sum and squares of the ``n_older`` before them."""
    weight, share = n_older / (n + n_older), n * (n_older / (n + n_older))
    for t in range(out.size):
        apart = total[t] / n_older - mean[t]
        mean[t] += apart * weight
        out[t] = out[t] + squares[t] + apart * apart * share


@njit(cache=True, nogil=True, error_model="numpy")
def _fill_slopes(x: np.ndarray, length: int, out: np.ndarray) -> None:
    """Fill ``out`` with the slope of each ``length`` values of ``x``, from their differences to the oldest."""
    middle, spread = 0.5 * (length - 1), length * (length * length - 1.0) / 12.0
    out[:] = 0.0
    for k in range(1, length):
        _add_weighted(x[k : k + out.size], x[: out.size], k - middle, out)
    for t in range(out.size):
        out[t] /= spread


@njit(cache=True, nogil=True, error_model="numpy")
def _add_weighted(x: np.ndarray, origin: np.ndarray, weight: float, out: np.ndarray) -> None:
    for t in range(out.size):
        out[t] += weight * (x[t] - origin[t])


# With the types named, a caller with numbers in its text does not compile all of this once for each of them.
@njit("float64[::1](float64[::1], int64, int64)", cache=True, nogil=True, error_model="numpy")
def rolling(x: np.ndarray, length: int, statistic: int) -> np.ndarray:
    """Return one statistic (position in ``STATISTICS``) of the last ``length`` values of each row.

    The standard deviation has n - 1 (Chan, Golub & LeVeque 1983) and is exactly 0 when all values are equal; the slope
    is that of least squares per row. NaN where there are fewer values.
    """
    out = np.full(x.size, np.nan)
    room = np.empty((4, BLOCK + length))
    for first in range(length - 1, x.size, BLOCK):
        last = min(first + BLOCK, x.size)
        values, found = x[first - length + 1 : last], out[first:last]
        if statistic == SLOPE:
            _fill_slopes(values, length, found)
        elif statistic == SD:
            _fill_deviations(values, length, room, found)
        else:
            _fill_joined(values, length, statistic, room, found)
    return out
