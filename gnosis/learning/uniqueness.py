"""How unique a label is among the labels of its symbol, and draws of labels that overlap little."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class WeightingError(ValueError):
    """Labels from which no weights can be formed."""


class _Intervals(NamedTuple):
    """Intervals as positions of one long line on which every symbol has its own stretch."""

    start: NDArray[np.int64]
    end: NDArray[np.int64]
    n_positions: int


def _on_one_line(symbol: NDArray[np.int64], start: NDArray[np.int64], end: NDArray[np.int64]) -> _Intervals:
    if not symbol.shape == start.shape == end.shape:
        raise WeightingError(f"expected arrays of one shape, found {symbol.shape}, {start.shape} and {end.shape}")
    if symbol.size == 0:
        return _Intervals(start, end, 0)
    if (end < start).any():
        row = int(np.argmax(end < start))
        raise WeightingError(f"expected intervals that end after they start, found {start[row]} to {end[row]}")
    stretch = int(end.max() - start.min()) + 1
    symbols, code = np.unique(symbol, return_inverse=True)
    offset = code * stretch - start.min()
    return _Intervals(start + offset, end + offset, len(symbols) * stretch)


def _concurrency(intervals: _Intervals, rows: NDArray[np.int64] | slice = slice(None)) -> NDArray[np.int64]:
    """How many of the chosen intervals cover each position."""
    opened = np.bincount(intervals.start[rows], minlength=intervals.n_positions + 1)
    closed = np.bincount(intervals.end[rows] + 1, minlength=intervals.n_positions + 1)
    return np.cumsum(opened - closed)[: intervals.n_positions]


def average_uniqueness(
    symbol: NDArray[np.int64], start: NDArray[np.int64], end: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the average uniqueness of each label among the labels of its symbol (L-3.1).

    Parameters
    ----------
    symbol
        int64, the same number for the same symbol.
    start, end
        int64, first and last bar that each label depends on, both inclusive.

    Returns
    -------
    numpy.ndarray
        float64 in (0, 1]: the mean over the bars of a label of one over the number of labels that cover the bar.

    Raises
    ------
    WeightingError
        Shapes that differ, or an interval that ends before it starts.

    Notes
    -----
    López de Prado (2018), ch. 4.

    Examples
    --------
    >>> one = np.zeros(3, dtype=np.int64)
    >>> average_uniqueness(one, np.array([1, 3, 5]), np.array([3, 4, 6])).round(6).tolist()
    [0.833333, 0.75, 1.0]
    """
    from gnosis.learning.uniqueness_kernel import mean_share

    intervals = _on_one_line(symbol, start, end)
    return mean_share(_concurrency(intervals), intervals.start, intervals.end, 0)


def draw_probabilities(
    symbol: NDArray[np.int64], start: NDArray[np.int64], end: NDArray[np.int64], drawn: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return with what probability the sequential bootstrap draws each label next.

    Parameters
    ----------
    symbol, start, end
        See :func:`average_uniqueness`.
    drawn
        int64, positions of the labels drawn so far, repeats included.

    Returns
    -------
    numpy.ndarray
        float64, sums to 1: in proportion to the average uniqueness that each label would have among those drawn.

    Examples
    --------
    >>> one = np.zeros(3, dtype=np.int64)
    >>> p = draw_probabilities(one, np.array([1, 3, 5]), np.array([3, 4, 6]), np.array([1]))
    >>> (14 * p).round(9).tolist()
    [5.0, 3.0, 6.0]
    """
    from gnosis.learning.uniqueness_kernel import mean_share

    intervals = _on_one_line(symbol, start, end)
    uniqueness = mean_share(_concurrency(intervals, drawn), intervals.start, intervals.end, 1)
    return uniqueness / uniqueness.sum()


def sequential_bootstrap(
    symbol: NDArray[np.int64],
    start: NDArray[np.int64],
    end: NDArray[np.int64],
    n_draws: int,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Draw labels with replacement, each time rather those that overlap little with what was drawn (L-3.1).

    Parameters
    ----------
    symbol, start, end
        See :func:`average_uniqueness`.
    n_draws
        Labels to draw. Each draw looks at every label once.
    rng
        Gives one uniform number per draw.

    Returns
    -------
    numpy.ndarray
        int64 of shape (n_draws,), positions of labels in the order in which they were drawn.

    Raises
    ------
    WeightingError
        No label to draw from, shapes that differ, or an interval that ends before it starts.

    Notes
    -----
    López de Prado (2018), ch. 4.5.

    Examples
    --------
    >>> one = np.zeros(3, dtype=np.int64)
    >>> rng = np.random.default_rng(1)
    >>> sequential_bootstrap(one, np.array([1, 3, 5]), np.array([3, 4, 6]), 6, rng).tolist()
    [1, 2, 0, 2, 0, 1]
    """
    from gnosis.learning.uniqueness_kernel import draw_in_sequence

    intervals = _on_one_line(symbol, start, end)
    if symbol.size == 0:
        raise WeightingError("expected labels to draw from, found none")
    order = np.argsort(intervals.start, kind="stable")
    longest = int((intervals.end - intervals.start).max()) + 1
    numbers = rng.random(n_draws)
    return order[
        draw_in_sequence(intervals.start[order], intervals.end[order], intervals.n_positions, longest, numbers)
    ]
