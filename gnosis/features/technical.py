"""Technical features: momentum, range and direction of a symbol's own daily bars."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from gnosis.engines.indicators import directional_index, relative_strength
from gnosis.features.group_rows import library_features
from gnosis.features.panel import read_panel
from gnosis.features.registry import features_of, lookback_of

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection

    from gnosis.features.panel import Rows

# A reference sample needs a quarter of its window, and never fewer than ten values.
ZSCORE_WINDOW = 20
ZSCORE_FEWEST = 10


def technical(bars: pl.DataFrame, sessions: Collection[dt.date] | None = None) -> pl.DataFrame:
    """Compute the technical features of every bar, or of those of some sessions.

    Prices are adjusted (price x adjustment_factor). A bar reads the sessions of its symbol that end with its own and
    were known at its own ``known_at``, which becomes ``as_of``. Windows count exchange sessions: a value whose window
    lacks a session, because the symbol was halted or the bar came late, is null; only the reference sample of
    ``tech_momentum_zscore`` goes on without it.

    Parameters
    ----------
    bars
        Rows of ``raw.equity_bars`` of any symbols and sessions, in any order. To have every value of a session, give it
        ``lookback_of("technical")`` sessions of history.
    sessions
        Sessions whose rows are wanted; all of the bars by default.

    Returns
    -------
    polars.DataFrame
        Rows of ``features.technical``, one per bar, sorted by session and symbol. ``synthetic`` and ``provider`` speak
        of all bars within the lookback.

    Raises
    ------
    ValueError
        When a column is missing, a bar occurs twice or a session is not one of the exchange.

    References
    ----------
    Wilder (1978), New Concepts in Technical Trading Systems (RSI, ATR, DI, ADX); Appel (1979), MACD.

    Examples
    --------
    A price that rises by 1 % a session gains 5.1 % in five of them.

    >>> from gnosis.sessions import schedule
    >>> bars = schedule().head(6).select(
    ...     "session", symbol=pl.lit("SPY"), known_at="close_at", provider=pl.lit("example"), synthetic=pl.lit(True),
    ...     ts="close_at", high=pl.lit(200.0), low=pl.lit(90.0), close=100 * 1.01 ** pl.int_range(6),
    ...     volume=pl.lit(1e6), adjustment_factor=pl.lit(1.0),
    ... )
    >>> [value and round(value, 6) for value in technical(bars)["tech_roc_5"]]
    [None, None, None, None, None, 0.05101]
    """
    panel = read_panel(bars, lookback_of("technical"), sessions)
    computed = technical_values(panel, averages_of(panel.high, panel.low, panel.close))
    columns = [pl.Series(name, values, nan_to_null=True) for name, values in computed.items()]
    return library_features("technical", panel.wanted(panel.keys.with_columns(*columns, known_at="as_of")))


class Averages(NamedTuple):
    """Wilder's averages of 14 of every bar: RSI, average true range in $, +DI, -DI and ADX."""

    rsi: np.ndarray
    mean_range: np.ndarray
    plus_di: np.ndarray
    minus_di: np.ndarray
    adx: np.ndarray


def averages_of(high: np.ndarray, low: np.ndarray, close: np.ndarray) -> Averages:
    """Return the averages of bars that stand one symbol after the other; rows of too short a history are arbitrary."""
    from gnosis.engines import indicators_kernel as kernel

    def wilder(x: np.ndarray) -> np.ndarray:
        return kernel.window_average(x, kernel.WILDER_MOVES, kernel.WILDER_SPAN, kernel.WILDER_WEIGHT)

    up, down, true_range, plus, minus = kernel.moves(high, low, close)
    mean_range = wilder(true_range)
    return Averages(
        relative_strength(wilder(up), wilder(down)),
        mean_range,
        directional_index(wilder(plus), mean_range),
        directional_index(wilder(minus), mean_range),
        kernel.adx(plus, minus),
    )


def technical_values(panel: Rows, averages: Averages) -> dict[str, np.ndarray]:
    """Return the features of every bar by name, NaN where the history is too short.

    Parameters
    ----------
    panel
        Bars that stand one symbol after the other.
    averages
        Of the same bars.
    """
    values = _values(panel, averages)
    for feature in features_of("technical"):
        # The score leaves gaps out by itself; all others need every session of their window.
        if feature.fewest_sessions == feature.lookback_sessions:
            values[feature.name][panel.run < feature.lookback_sessions] = np.nan
    return values


def _values(panel: Rows, averages: Averages) -> dict[str, np.ndarray]:
    from gnosis.engines import indicators_kernel as kernel
    from gnosis.engines.rolling_kernel import MEAN, rolling
    from gnosis.features.indicators import return_score

    close, rsi, mean_range = panel.close, averages.rsi, averages.mean_range
    usual_range = rolling(mean_range, 20, MEAN)
    expansion = mean_range / np.where(usual_range > 0.0, usual_range, np.nan)
    histogram = kernel.macd_histogram(close)
    return {
        "tech_macd_histogram": histogram,
        "tech_macd_histogram_slope": (histogram - _lag(histogram, 3)) / 3.0,
        "tech_rsi_slope": (rsi - _lag(rsi, 3)) / 3.0,
        "tech_atr": mean_range / close,
        "tech_atr_expansion": expansion,
        "tech_roc_5": close / _lag(close, 5) - 1.0,
        "tech_roc_10": close / _lag(close, 10) - 1.0,
        "tech_roc_20": close / _lag(close, 20) - 1.0,
        "tech_momentum_zscore": return_score(
            panel.symbol, panel.position, panel.known_at, close, ZSCORE_WINDOW, ZSCORE_FEWEST
        ),
        "tech_adx": averages.adx.copy(),
        "tech_plus_di": averages.plus_di.copy(),
        "tech_minus_di": averages.minus_di.copy(),
    }


def _lag(x: np.ndarray, rows: int) -> np.ndarray:
    """Return the values ``rows`` bars earlier, NaN where there are none."""
    out = np.full_like(x, np.nan)
    out[rows:] = x[: max(len(x) - rows, 0)]
    return out


__all__ = ["Averages", "averages_of", "technical", "technical_values"]
