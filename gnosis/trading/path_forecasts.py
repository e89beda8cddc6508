"""Volatility of a bar and how its surprises are spread, from the bars that were known at each decision."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from gnosis.learning.bar_grid import BarGrid, shifted
from gnosis.learning.labels import LOOKBACK_SESSIONS
from gnosis.learning.volatility import ewm_sigma
from gnosis.trading.price_paths import RESIDUAL_BARS, PathModel, path_model

BARS_LOOKBACK_SESSIONS = LOOKBACK_SESSIONS + RESIDUAL_BARS + 1
"""Sessions of ``raw.equity_bars`` read before a decision; more history changes no bit."""


@dataclass(frozen=True, slots=True, eq=False)
class PathForecasts:
    """What paths of a decision are drawn from.

    Attributes
    ----------
    rows
        ``session``, ``symbol``, ``sigma_per_bar`` (1/sqrt(session), the scale of the labels), ``close_usd`` (as
        traded), ``bar_at`` (instant of the bar), ``bar_known_at``, ``bar_provider``, ``bar_synthetic``, as the
        decisions; null where the bar, or one in the window of its volatility, was not known.
    models
        Path model of each row, None without a volatility.
    log_returns
        float64, shape (symbols, sessions) with ``symbols`` and ``sessions`` as their names: adjusted log returns.
    symbols, sessions
        Names of the rows and columns.
    """

    rows: pl.DataFrame
    models: list[PathModel | None]
    log_returns: np.ndarray
    symbols: list[str]
    sessions: pl.Series


def path_forecasts(decisions: pl.DataFrame, bars: pl.DataFrame) -> PathForecasts:
    """Return the volatility and the path model of each decision.

    Parameters
    ----------
    decisions
        ``session``, ``symbol``, ``as_of``.
    bars
        Rows of ``raw.equity_bars`` of their sessions and :data:`BARS_LOOKBACK_SESSIONS` before.

    Examples
    --------
    >>> import datetime as dt
    >>> from gnosis.tables import TABLES
    >>> none = pl.DataFrame(schema={"session": pl.Date, "symbol": pl.String, "as_of": pl.Datetime("us", "UTC")})
    >>> path_forecasts(none, TABLES["raw.equity_bars"].empty()).models
    []
    """
    own = decisions.select("session", "symbol", "as_of").join(
        bars.select(
            "session",
            "symbol",
            close_usd="close",
            bar_at="ts",
            bar_known_at="known_at",
            bar_provider="provider",
            bar_synthetic="synthetic",
        ),
        on=["session", "symbol"],
        how="left",
        maintain_order="left",
    )
    is_known = pl.col("bar_known_at") <= pl.col("as_of")
    told = [name for name in own.columns if name not in ("session", "symbol", "as_of")]
    own = own.with_columns(pl.when(is_known).then(name).alias(name) for name in told)
    if bars.is_empty() or decisions.is_empty():
        empty = np.empty((0, 0))
        rows = own.with_columns(sigma_per_bar=pl.lit(None, pl.Float64)).drop("as_of")
        return PathForecasts(rows, [None] * own.height, empty, [], pl.Series(dtype=pl.Date))
    grid = BarGrid(bars)
    close = np.log(grid.close)
    returns = close - shifted(close, 1, np.nan)
    sigma = ewm_sigma(returns)
    forecast = shifted(sigma, 1, np.nan)
    learnt = grid.integers(pl.col("known_at").dt.epoch("us"))
    sessions = grid.exchange["session"]
    column = sessions.search_sorted(own["session"]).cast(pl.Int64).to_numpy()
    names = grid.symbols.to_list()
    place = {name: number for number, name in enumerate(names)}
    known_by = own["as_of"].dt.epoch("us").to_numpy()
    has_bar = own["close_usd"].is_not_null().to_numpy()
    scales, models = np.full(own.height, np.nan), []
    for row, symbol in enumerate(own["symbol"].to_list()):
        model = None
        if has_bar[row]:
            line, end = place[symbol], int(column[row]) + 1
            window = slice(max(end - RESIDUAL_BARS, 0), end)
            late = learnt[line, window] > known_by[row]
            if not late[-LOOKBACK_SESSIONS:].any() and sigma[line, end - 1] > 0.0:
                scales[row] = sigma[line, end - 1]
                model = path_model(np.where(late, np.nan, returns[line, window]), forecast[line, window])
        models.append(model)
    rows = own.with_columns(sigma_per_bar=pl.Series(scales).fill_nan(None)).drop("as_of")
    return PathForecasts(rows, models, returns, names, sessions)
