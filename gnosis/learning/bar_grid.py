"""Daily bars laid out as arrays of symbols by exchange sessions, and window sums that repeat bit for bit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from gnosis.learning.obstacles import HALTED, NO_BAR, TRADED
from gnosis.sessions import schedule

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PRICES = ("open", "high", "low", "close")
COLUMNS = ("session", "symbol", *_PRICES, "volume", "adjustment_factor", "known_at", "provider", "synthetic")
_UNKNOWN = np.iinfo(np.int64).min


class BarsError(ValueError):
    """Bars from which no labels can be formed."""


def shifted(values: NDArray, by: int, fill: float) -> NDArray:
    """Move the columns of a (symbols, sessions) array ``by`` sessions to the right.

    Examples
    --------
    >>> shifted(np.array([[1, 2, 3]]), 2, 0).tolist()
    [[0, 0, 1]]
    """
    moved = np.full_like(values, fill)
    if by < values.shape[1]:
        moved[:, by:] = values[:, : values.shape[1] - by]
    return moved


def trailing_sum(values: NDArray, window: int, decay: float = 1.0) -> NDArray:
    """Sum ``decay**i * values[:, t-i]`` over ``i < window``.

    Element by element and in the same order whatever the frame's start, hence exact repetition; no running total.

    Raises
    ------
    ValueError
        When the window is not a power of two: the sum is formed by doubling.

    Examples
    --------
    >>> trailing_sum(np.array([[1.0, 1.0, 1.0, 1.0]]), 4, decay=0.5).tolist()
    [[1.0, 1.5, 1.75, 1.875]]
    """
    if window < 1 or window & (window - 1):
        raise ValueError(f"expected a window that is a power of two, found {window}")
    total, width = values, 1
    while width < window:
        total = total + decay**width * shifted(total, width, 0)
        width *= 2
    return total


def trailing_max(values: NDArray, window: int, lowest: float) -> NDArray:
    """Return the maximum of ``values[:, t-i]`` over ``i < window``.

    Examples
    --------
    >>> trailing_max(np.array([[3, 1, 2, 0]]), 3, lowest=0).tolist()
    [[3, 3, 3, 2]]
    """
    highest, width = values, 1
    while 2 * width <= window:
        highest = np.maximum(highest, shifted(highest, width, lowest))
        width *= 2
    if width < window:
        highest = np.maximum(highest, shifted(highest, window - width, lowest))
    return highest


class BarGrid:
    """Bars of some symbols over every exchange session from the first to the last of them.

    Parameters
    ----------
    bars
        Rows of ``raw.equity_bars``, at least one, any order.

    Attributes
    ----------
    symbols
        Symbols in order: the first axis of every array.
    exchange
        Rows of :func:`gnosis.sessions.schedule`: the second axis.
    state
        int8: ``TRADED``, ``NO_BAR`` or ``HALTED``, see :mod:`gnosis.learning.obstacles`.
    has_bar
        bool: there is a bar, traded or halted.
    open, high, low, close
        float64, $ forward-adjusted; NaN unless traded. The last price of a halted share is nobody's price.
    factor
        float64: adjusts the prices of each bar.

    Raises
    ------
    BarsError
        Missing columns, days that are not sessions or repeated keys.

    Examples
    --------
    >>> import datetime as dt
    >>> at = dt.datetime(2024, 1, 5, 22, tzinfo=dt.UTC)
    >>> bars = pl.DataFrame({"session": [dt.date(2024, 1, 2), dt.date(2024, 1, 4), dt.date(2024, 1, 5)],
    ...     "symbol": "ABC", "open": 10.0, "high": [12.0, 10, 11], "low": [9.0, 10, 10], "close": [11.0, 10, 10],
    ...     "volume": [5.0, 0, None], "adjustment_factor": 2.0, "known_at": at, "provider": "a", "synthetic": False})
    >>> grid = BarGrid(bars)
    >>> grid.state.tolist(), grid.close.tolist()
    ([[0, 1, 2, 0]], [[22.0, nan, nan, 20.0]])
    """

    def __init__(self, bars: pl.DataFrame) -> None:
        self.bars = _require(bars)
        self.exchange = schedule().filter(pl.col("session").is_between(bars["session"].min(), bars["session"].max()))
        self.symbols = bars["symbol"].unique().sort()
        self._row = self.symbols.search_sorted(bars["symbol"]).to_numpy()
        self._column = self.exchange["session"].search_sorted(bars["session"]).to_numpy()
        self.factor = self.floats(pl.col("adjustment_factor"))
        adjusted = [self.floats(pl.col(name)) * self.factor for name in _PRICES]
        is_traded = np.isfinite(np.sum(adjusted, axis=0))
        is_halted = is_traded & (self.floats(pl.col("volume")) == 0.0) & (adjusted[1] == adjusted[2])
        self.state = np.where(is_halted, HALTED, np.where(is_traded, TRADED, NO_BAR)).astype(np.int8)
        self.has_bar = self.state != NO_BAR
        self.open, self.high, self.low, self.close = (np.where(is_halted, np.nan, prices) for prices in adjusted)

    def floats(self, expression: pl.Expr) -> NDArray[np.float64]:
        """Return an expression of the bars as float64, NaN where there is no bar."""
        return self._fill(self.bars.select(expression).to_series().cast(pl.Float64).to_numpy(), np.nan)

    def integers(self, expression: pl.Expr) -> NDArray[np.int64]:
        """Return an expression of the bars as int64, the least one where there is no bar."""
        return self._fill(self.bars.select(expression).to_series().cast(pl.Int64).to_numpy(), _UNKNOWN)

    def _fill(self, values: NDArray, missing: float) -> NDArray:
        grid = np.full((len(self.symbols), self.exchange.height), missing, dtype=values.dtype)
        grid[self._row, self._column] = values
        return grid

    def origin(self, window: int) -> tuple[NDArray[np.int64], NDArray[np.int64], list[str]]:
        """Return what is known of the bars of each trailing window.

        Returns
        -------
        tuple
            Latest ``known_at`` in microseconds; a bit set, one bit per provider and the highest for ``synthetic``; the
            providers in the order of their bits.
        """
        known = trailing_max(self.integers(pl.col("known_at").dt.epoch("us")), window, _UNKNOWN)
        providers = sorted({part for name in self.bars["provider"].unique() for part in name.split("+")})
        sources = [pl.col("provider").str.split("+").list.contains(name) for name in providers]
        bits = np.zeros(known.shape, dtype=np.int64)
        for position, source in enumerate([*sources, pl.col("synthetic")]):
            used = np.maximum(self.integers(source), 0)
            bits |= trailing_max(used, window, 0) << position
        return known, bits, providers


def _require(bars: pl.DataFrame) -> pl.DataFrame:
    absent = [name for name in COLUMNS if name not in bars.columns]
    if absent:
        raise BarsError(f"expected columns {list(COLUMNS)}, found none of {absent}; pass rows of raw.equity_bars")
    unknown = bars.filter(~pl.col("session").is_in(schedule()["session"].implode()))
    if unknown.height:
        raise BarsError(
            f"expected sessions of XNYS only, found {unknown.height} rows of other days, first "
            f"{unknown['symbol'][0]} {unknown['session'][0]}; clean raw.equity_bars before labelling"
        )
    duplicated = bars.filter(bars.select("session", "symbol").is_duplicated())
    if duplicated.height:
        raise BarsError(
            f"expected one bar per symbol and session, found {duplicated.height} rows sharing a key, first "
            f"{duplicated['symbol'][0]} {duplicated['session'][0]}; remove the repeats"
        )
    return bars
