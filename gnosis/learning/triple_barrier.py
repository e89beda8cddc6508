"""The triple barrier: which of two prices a position meets first, and when, or neither within its horizon."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from gnosis.learning.finer_bars import decided_by_finer_bars
from gnosis.learning.obstacles import AMBIGUOUS, TRADED

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gnosis.learning.bar_grid import BarGrid

UPPER_WIDTH = 1.0
LOWER_WIDTH = 1.0


@dataclass(frozen=True)
class BarrierOutcomes:
    """What met each position first; arrays have one element per decision.

    Attributes
    ----------
    outcome
        int8: +1 upper, -1 lower, 0 neither within the horizon or unknown.
    exit_price
        float64, $ forward-adjusted: the barrier, the open beyond it or the last close; NaN when unknown.
    log_return
        float64, from the entry to the exit price; NaN when unknown.
    column
        int64: session of the grid that decided, or in which something stood in the way.
    obstacle
        int8: why the outcome is unknown, see :mod:`gnosis.learning.obstacles`; 0 when it is known.
    finer
        One row per decision that a bar of minutes decided: ``row`` (its position here), ``known_at``, ``provider`` and
        ``synthetic`` of the minutes.
    """

    outcome: NDArray[np.int8]
    exit_price: NDArray[np.float64]
    log_return: NDArray[np.float64]
    column: NDArray[np.int64]
    obstacle: NDArray[np.int8]
    finer: pl.DataFrame


def barriers(
    entry: NDArray[np.float64],
    sigma: NDArray[np.float64],
    horizon: int,
    upper_width: float = UPPER_WIDTH,
    lower_width: float = LOWER_WIDTH,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the upper and the lower barrier in the unit of ``entry``.

    Parameters
    ----------
    entry
        Entry prices.
    sigma
        1/sqrt(session), of the same shape.
    horizon
        In sessions.
    upper_width, lower_width
        Log distances from the entry in units of ``sigma * sqrt(horizon)``.

    Examples
    --------
    >>> upper, lower = barriers(np.array([101.0]), np.array([0.012]), 5)
    >>> upper.round(6).tolist(), lower.round(6).tolist()
    ([103.746802], [98.325923])
    """
    scale = sigma * np.sqrt(horizon)
    return entry * np.exp(upper_width * scale), entry * np.exp(-lower_width * scale)


def barrier_outcomes(
    grid: BarGrid,
    symbol: NDArray[np.int64],
    signal: NDArray[np.int64],
    sigma: NDArray[np.float64],
    horizon: int,
    *,
    upper_width: float = UPPER_WIDTH,
    lower_width: float = LOWER_WIDTH,
    intraday: pl.DataFrame | None = None,
) -> BarrierOutcomes:
    """Return what met each position first: the upper barrier, the lower one or the end of its horizon (L-2.7).

    A position is entered at the open after its decision. A bar that opens beyond a barrier is left at its open. One
    that touches both is decided by bars of minutes where they are given and complete up to the touch. A session without
    trades hides what happened in it, but not what a barrier met before it.

    Parameters
    ----------
    grid
        Daily bars.
    symbol, signal
        Position of each decision in the grid, at least ``horizon`` sessions before its end.
    sigma
        1/sqrt(session), scale of each decision, NaN where unknown.
    horizon
        In sessions: the vertical barrier is the close of the last.
    upper_width, lower_width
        See :func:`barriers`.
    intraday
        Rows of ``raw.intraday_bars``. None: a bar that touches both barriers stays undecided.

    Raises
    ------
    ValueError
        When ``intraday`` lacks a column of its table or has one of another dtype.

    Notes
    -----
    López de Prado (2018), ch. 3.

    Examples
    --------
    >>> import datetime as dt
    >>> from gnosis.learning.bar_grid import BarGrid
    >>> days = [dt.date(2024, 1, 2), dt.date(2024, 1, 3), dt.date(2024, 1, 4)]
    >>> bars = pl.DataFrame({"session": days, "symbol": "ABC", "open": [100.0, 100, 104], "high": [100.0, 101, 105],
    ...     "low": [100.0, 99, 103], "close": [100.0, 101, 104], "volume": 1.0, "adjustment_factor": 1.0,
    ...     "known_at": dt.datetime(2024, 1, 5, tzinfo=dt.UTC), "provider": "a", "synthetic": True})
    >>> one = np.zeros(1, dtype=np.int64)
    >>> met = barrier_outcomes(BarGrid(bars), one, one, np.array([0.02]), 2)
    >>> met.outcome.tolist(), met.exit_price.tolist(), met.column.tolist()
    ([1], [104.0], [2])
    """
    from gnosis.learning.triple_barrier_kernel import first_touches

    entry = grid.open[symbol, signal + 1]
    upper, lower = barriers(entry, sigma, horizon, upper_width, lower_width)
    prices = (grid.open, grid.high, grid.low, grid.close)
    outcome, price, column, obstacle = first_touches(prices, grid.state, symbol, signal, upper, lower, horizon)
    torn = np.flatnonzero(obstacle == AMBIGUOUS)
    asked = pl.DataFrame(
        {
            "row": torn,
            "symbol": grid.symbols.gather(symbol[torn]),
            "session": grid.exchange["session"].gather(column[torn]),
            "open_at": grid.exchange["open_at"].gather(column[torn]),
            "adjustment_factor": grid.factor[symbol[torn], column[torn]],
            "upper": upper[torn],
            "lower": lower[torn],
        }
    )
    finer = decided_by_finer_bars(asked, intraday)
    decided = finer["row"].to_numpy()
    outcome[decided], price[decided] = finer["outcome"].to_numpy(), finer["exit_price"].to_numpy()
    obstacle[decided] = TRADED
    return BarrierOutcomes(
        outcome=outcome,
        exit_price=price,
        log_return=np.log(price) - np.log(entry),
        column=column,
        obstacle=obstacle,
        finer=finer.drop("outcome", "exit_price"),
    )
