"""The strategy that a model implies, by a fixed rule: what its probabilities would have earned after costs (G7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from gnosis.learning.bar_grid import BarGrid

if TYPE_CHECKING:
    from numpy.typing import NDArray

EDGE_THRESHOLD = 0.05
"""p_up - p_down beyond which the strategy holds a position."""
BPS = 1e-4


def derived_strategy_returns(
    predictions: pl.DataFrame, bars: pl.DataFrame, *, cost_bps: float, edge_threshold: float = EDGE_THRESHOLD
) -> pl.DataFrame:
    """Return what holding the sign of p_up - p_down from open to open earns, bar by bar.

    A prediction of session t decides the position from the open of t+1 to the open of t+2: long, short or, within the
    threshold or without an answer, flat. Every symbol predicted in a session has the same share of equity. A symbol
    that does not trade at an open keeps its position, and its move counts at its next open. The rule is fixed: a
    threshold chosen by what it earns would be a trial of its own.

    Parameters
    ----------
    predictions
        ``session``, ``symbol``, ``p_up`` and ``p_down`` of one model and horizon.
    bars
        Rows of ``raw.equity_bars`` of these symbols.
    cost_bps
        Basis points of the traded value, per side.
    edge_threshold
        Probability.

    Returns
    -------
    polars.DataFrame
        ``session`` (of the open at which the bar begins), ``net_return`` and ``gross_return`` (simple, of equity),
        ``turnover`` (traded value over equity) and ``n_symbols``, sorted; from the open after the first prediction to
        the last open that another one follows.

    Raises
    ------
    ValueError
        For repeated keys, symbols without bars or a negative cost.

    Examples
    --------
    >>> import datetime as dt
    >>> days = [dt.date(2024, 1, day) for day in (2, 3, 4)]
    >>> at = dt.datetime(2024, 1, 4, 22, tzinfo=dt.UTC)
    >>> bars = pl.DataFrame({"session": days, "symbol": "ABC", "open": [10.0, 10.0, 11.0], "high": 12.0, "low": 9.0,
    ...     "close": 10.0, "volume": 5.0, "adjustment_factor": 1.0, "known_at": at, "provider": "a",
    ...     "synthetic": False})
    >>> said = pl.DataFrame({"session": days[:1], "symbol": "ABC", "p_up": 0.6, "p_down": 0.2})
    >>> derived_strategy_returns(said, bars, cost_bps=10.0)["net_return"].round(6).to_list()
    [0.099]
    """
    if cost_bps < 0.0:
        raise ValueError(f"expected costs of at least 0 basis points, found {cost_bps}")
    if predictions.select("session", "symbol").is_duplicated().any():
        raise ValueError("expected one prediction per session and symbol, found repeated keys; give one model's")
    strangers = predictions.filter(~pl.col("symbol").is_in(bars["symbol"].unique().implode()))
    if strangers.height:
        raise ValueError(f"expected bars of every predicted symbol, found none of {strangers['symbol'][0]}")
    said = predictions.select("session", "symbol", edge=pl.col("p_up") - pl.col("p_down"))
    grid = BarGrid(bars.join(said.select("symbol").unique(), on="symbol", how="semi"))
    wanted, n_symbols = _wanted(said, grid, edge_threshold)
    trades = np.isfinite(grid.open)
    # The weight of an open is that of the session before, or what is held already where there is no open.
    decided = np.concatenate([np.zeros((len(grid.symbols), 1)), wanted[:, :-1]], axis=1)
    weights, price = _carried(decided, trades), _carried(grid.open, trades)
    has_price = price[:, :-1] > 0.0
    moves = np.where(has_price, price[:, 1:] / np.where(has_price, price[:, :-1], 1.0) - 1.0, 0.0)
    gross = (weights[:, :-1] * moves).sum(axis=0)
    turnover = np.abs(np.diff(weights, axis=1, prepend=0.0)).sum(axis=0)[:-1]
    frame = pl.DataFrame(
        {
            "session": grid.exchange["session"].head(gross.size),
            "net_return": gross - turnover * cost_bps * BPS,
            "gross_return": gross,
            "turnover": turnover,
            "n_symbols": np.concatenate([[0], n_symbols[:-2]]) if gross.size else np.zeros(0, dtype=np.int64),
        }
    )
    return frame.filter(pl.col("session") > said["session"].min())


def _wanted(said: pl.DataFrame, grid: BarGrid, edge_threshold: float) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the wanted weights of shape (symbols, sessions) and the symbols predicted in each session."""
    inside = said.filter(pl.col("session").is_in(grid.exchange["session"].implode()))
    row = grid.symbols.search_sorted(inside["symbol"]).to_numpy()
    column = grid.exchange["session"].search_sorted(inside["session"]).to_numpy()
    edge = inside["edge"].fill_null(0.0).to_numpy()
    n_symbols = np.bincount(column, minlength=grid.exchange.height)
    wanted = np.zeros((len(grid.symbols), grid.exchange.height))
    wanted[row, column] = np.where(np.abs(edge) > edge_threshold, np.sign(edge), 0.0) / n_symbols[column]
    return wanted, n_symbols


def _carried(values: NDArray[np.float64], known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return values of shape (symbols, sessions), each from the last session that has one; 0 before the first."""
    latest = np.maximum.accumulate(np.where(known, np.arange(values.shape[1]), -1), axis=1)
    carried = np.take_along_axis(values, np.maximum(latest, 0), axis=1)
    return np.where(latest >= 0, carried, 0.0)


__all__ = ["EDGE_THRESHOLD", "derived_strategy_returns"]
