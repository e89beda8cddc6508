"""Wyckoff phase rule: a description of price and volume in a trading range, not a claim of predictive value."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gnosis.engines.indicators import rolling_max, rolling_min

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

LAST_BARS = 5
TEST_BARS = 20


class Range(NamedTuple):
    """Edges of a trading range in $ at each point."""

    low: Floats
    high: Floats


def value_at(values: Floats, symbol: Integers, column: Integers) -> Floats:
    """Return values (symbols, sessions) at the points; NaN before the first session.

    Examples
    --------
    >>> value_at(np.array([[1.0, 2.0]]), np.array([0, 0]), np.array([1, -1])).tolist()
    [2.0, nan]
    """
    return np.where(column >= 0, values[symbol, np.maximum(column, 0)], np.nan)


def extremes(high: Floats, low: Floats, symbol: Integers, column: Integers, window: int, without: int) -> Range:
    """Return lowest low and highest high of the window of each point without its last bars.

    Parameters
    ----------
    high, low
        $, shape (symbols, sessions).
    symbol, column
        Row and column of each point.
    window, without
        The window is the ``window`` bars up to the point, less the last ``without`` of them.

    Examples
    --------
    >>> close = np.array([[1.0, 5.0, 3.0, 9.0]])
    >>> [side.item() for side in extremes(close, close, np.array([0]), np.array([3]), window=3, without=1)]
    [3.0, 5.0]
    """
    length, last = window - without, column - without
    return Range(value_at(rolling_min(low, length), symbol, last), value_at(rolling_max(high, length), symbol, last))


def wyckoff_phase(
    high: Floats,
    low: Floats,
    close: Floats,
    volume: Floats,
    symbol: Integers,
    column: Integers,
    *,
    window: int,
    edges: Range,
    earlier_edges: Range | Callable[[Integers], Range],
    reach: Floats,
) -> Floats:
    """Return the phase at each point as its position in :class:`gnosis.engines.regimes.WyckoffPhase`.

    Parameters
    ----------
    high, low, close, volume
        Adjusted prices in $ and volume in shares of one kind, shape (symbols, sessions), NaN where there is no bar.
    symbol, column
        Row and column of each point, sorted by row; ``column - 1`` is the session before.
    window
        Bars of the trading range.
    edges, earlier_edges
        Range of the window without its last 5 bars, and without its last 20; the second may be a function that gives
        it for some of the points, by their positions: only where it decides is it asked for. Given so, it must be known
        wherever the first and all bars are.
    reach
        ATR(14) in $ of the bar 5 before each point.

    Returns
    -------
    numpy.ndarray
        0 to 4 for A to E; 5, unknown, where no line of the rule applies, where fewer than 146 bars in a row are known,
        and where an edge or ``reach`` is NaN.

    Examples
    --------
    >>> close = np.where(np.arange(146) % 2, 101.0, 99.0)[None]
    >>> bars, point = (close + 0.5, close - 0.5, close, np.ones((1, 146))), (np.array([0]), np.array([145]))
    >>> sides = Range(np.array([98.5]), np.array([101.5]))
    >>> wyckoff_phase(*bars, *point, window=50, edges=sides, earlier_edges=sides, reach=np.array([2.0])).item()
    1.0
    """
    from gnosis.engines.wyckoff_kernel import TO_TEST, UNKNOWN, after_test, phases

    def plain(values: Floats) -> Floats:
        return np.array(values, dtype=np.float64, order="C")

    tops, bottoms, closes, traded = (plain(side) for side in (high, low, close, volume))
    symbol, column = (np.array(place, dtype=np.int64) for place in (symbol, column))
    reach = plain(reach)
    found, otherwise = phases(
        tops, bottoms, closes, traded, symbol, column, window, plain(edges.low), plain(edges.high), reach
    )
    at = np.flatnonzero(found == TO_TEST)
    if isinstance(earlier_edges, Range):
        earlier = Range(earlier_edges.low[at], earlier_edges.high[at])
        unknown = np.isnan(earlier_edges.low + earlier_edges.high)
    else:
        earlier = earlier_edges(at)
        unknown = np.zeros(found.shape, dtype=bool)
    sides = plain(earlier.low), plain(earlier.high)
    found[at] = after_test(tops, bottoms, closes, symbol[at], column[at], *sides, reach[at], otherwise[at])
    return np.where(unknown, UNKNOWN, found)


def wyckoff_phase_of_extremes(
    high: Floats,
    low: Floats,
    close: Floats,
    volume: Floats,
    symbol: Integers,
    column: Integers,
    *,
    window: int,
    atr14: Floats,
) -> Floats:
    """Return the phase with lowest low and highest high as edges; arguments and codes as :func:`wyckoff_phase`.

    Parameters
    ----------
    atr14
        ATR(14) in $ of every bar, shape (symbols, sessions).

    Examples
    --------
    >>> close = np.where(np.arange(146) % 2, 101.0, 99.0)[None]
    >>> bars, point = (close + 0.5, close - 0.5, close, np.ones((1, 146))), (np.array([0]), np.array([145]))
    >>> wyckoff_phase_of_extremes(*bars, *point, window=50, atr14=np.full((1, 146), 2.0)).item()
    1.0
    """
    return wyckoff_phase(
        high,
        low,
        close,
        volume,
        symbol,
        column,
        window=window,
        edges=extremes(high, low, symbol, column, window, LAST_BARS),
        earlier_edges=extremes(high, low, symbol, column, window, TEST_BARS),
        reach=value_at(atr14, symbol, column - LAST_BARS),
    )
