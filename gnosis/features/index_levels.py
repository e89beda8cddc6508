"""Levels of one index laid out over the exchange calendar, and what was known of them at a moment."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numba import njit

from gnosis.features.panel import microseconds, origin_codes, require_columns, session_positions

NEVER = np.iinfo(np.int64).max
SESSIONS_PER_YEAR = 252.0


@dataclass(frozen=True)
class IndexLevels:
    """Closes of one index, one element per exchange session from ``first`` on.

    Attributes
    ----------
    first
        Calendar rank of the first element.
    close
        Closing level (points); NaN where there is none.
    known_at
        First moment it could have been known, microseconds since 1970 UTC; the largest integer where there is none.
    origin
        Code of provider and synthetic flag; -1 where there is none.
    """

    first: int
    close: np.ndarray
    known_at: np.ndarray
    origin: np.ndarray


def read_index_levels(
    levels: pl.DataFrame, symbols: tuple[str, ...], first: int, last: int
) -> tuple[dict[str, IndexLevels], list[tuple[str, bool]]]:
    """Lay out rows of ``raw.index_levels`` over the sessions with calendar ranks ``first`` to ``last``.

    Returns
    -------
    tuple
        One layout per symbol, and the (provider, synthetic) pairs in the order of their codes.

    Raises
    ------
    ValueError
        When a column is missing, an index has two levels for one session or a session is not one of the exchange.
    """
    require_columns(levels, "raw.index_levels", ["session", "symbol", "close", "known_at", "provider", "synthetic"])
    rows = levels.filter(pl.col("symbol").is_in(list(symbols)))
    repeated = rows.filter(pl.struct("symbol", "session").is_duplicated()).sort("symbol", "session")
    if not repeated.is_empty():
        raise ValueError(
            "expected one row of raw.index_levels per symbol and session, found two for "
            f"{repeated['symbol'][0]} on {repeated['session'][0]}; keep the version known at the time"
        )
    origin, names = origin_codes(rows)
    rows = rows.with_columns(
        rank=session_positions(rows["session"], "raw.index_levels") - first, origin=pl.Series(origin, dtype=pl.Int64)
    ).filter(pl.col("rank").is_between(0, last - first))
    layouts = {}
    for symbol in symbols:
        own = rows.filter(pl.col("symbol") == symbol)
        rank = own["rank"].to_numpy()
        layout = IndexLevels(
            first,
            np.full(last - first + 1, np.nan),
            np.full(last - first + 1, NEVER),
            np.full(last - first + 1, -1, dtype=np.int64),
        )
        layout.close[rank] = own["close"].to_numpy()
        layout.known_at[rank] = microseconds(own["known_at"])
        layout.origin[rank] = own["origin"].to_numpy()
        layouts[symbol] = layout
    return layouts, names


@njit(cache=True, nogil=True, error_model="numpy")
def latest_known(known_at: np.ndarray, rank: np.ndarray, as_of: np.ndarray, sessions: int) -> np.ndarray:
    """Return the rank of the latest level known at each cut-off among the last ``sessions`` sessions, or -1."""
    out = np.full(rank.size, -1, np.int64)
    for i in range(rank.size):
        for back in range(sessions):
            if rank[i] - back >= 0 and known_at[rank[i] - back] <= as_of[i]:
                out[i] = rank[i] - back
                break
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def known_of_all(known_at: np.ndarray, length: int) -> np.ndarray:
    """Return when the last of the ``length`` levels up to each session became known."""
    out = np.full(known_at.size, NEVER)
    for t in range(length - 1, known_at.size):
        latest = known_at[t]
        for value in known_at[t - length + 1 : t]:
            latest = max(latest, value)
        out[t] = latest
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def gap_to_mean(close: np.ndarray, length: int) -> np.ndarray:
    """Return ln(level / mean of the last ``length`` levels); NaN where one is missing."""
    out = np.full(close.size, np.nan)
    for t in range(length - 1, close.size):
        total = 0.0
        for value in close[t - length + 1 : t + 1]:
            total += value
        out[t] = np.log(close[t] * length / total)
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def realized_vol(close: np.ndarray, length: int) -> np.ndarray:
    """Return the standard deviation (n-1) of the last ``length`` daily log returns, per year; NaN where one is missing.

    Unit 1/sqrt(year), 252 sessions a year.
    """
    steps = np.full(close.size, np.nan)
    for t in range(1, close.size):
        steps[t] = np.log(close[t] / close[t - 1])
    out = np.full(close.size, np.nan)
    for t in range(length, close.size):
        mean = 0.0
        for value in steps[t - length + 1 : t + 1]:
            mean += value
        mean /= length
        squares = 0.0
        for value in steps[t - length + 1 : t + 1]:
            squares += (value - mean) * (value - mean)
        out[t] = np.sqrt(squares / (length - 1) * SESSIONS_PER_YEAR)
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def bucket_in_history(
    values: np.ndarray,
    known_at: np.ndarray,
    anchor: np.ndarray,
    as_of: np.ndarray,
    window: int,
    fewest: int,
    lower: float,
    upper: float,
) -> np.ndarray:
    """Place values among their own past: 0 below the lower, 1 between, 2 above the upper quantile, -1 unknown.

    The reference sample are the ``window`` values before the anchor that were known at the cut-off; quantiles are
    interpolated linearly between order statistics.
    """
    out = np.full(anchor.size, -1, np.int64)
    sample = np.empty(window)
    for i in range(anchor.size):
        a = anchor[i]
        if a < 0 or known_at[a] > as_of[i]:
            continue
        count = 0
        for j in range(max(0, a - window), a):
            if known_at[j] <= as_of[i]:
                sample[count] = values[j]
                count += 1
        if count < fewest:
            continue
        ordered = np.sort(sample[:count])
        out[i] = 1
        if values[a] < _quantile(ordered, lower):
            out[i] = 0
        elif values[a] > _quantile(ordered, upper):
            out[i] = 2
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def _quantile(ordered: np.ndarray, share: float) -> float:
    place = share * (ordered.size - 1)
    below = int(place)
    if below + 1 >= ordered.size:
        return ordered[-1]
    return ordered[below] + (place - below) * (ordered[below + 1] - ordered[below])


@njit(cache=True, nogil=True, error_model="numpy")
def origins_known(
    origin: np.ndarray, known_at: np.ndarray, rank: np.ndarray, as_of: np.ndarray, window: int
) -> np.ndarray:
    """Return the origins, one bit per code, of the last ``window`` sessions' levels known at each cut-off."""
    out = np.zeros(rank.size, np.int64)
    for i in range(rank.size):
        for j in range(max(0, rank[i] - window + 1), rank[i] + 1):
            if known_at[j] <= as_of[i]:
                out[i] |= 1 << origin[j]
    return out
