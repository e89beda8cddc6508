"""Known truth: a small market whose edge was planted, so that a pipeline that finds nothing in it is broken (L-14)."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from gnosis.features.registry import BY_NAME
from gnosis.learning.matrix import FEATURE_NAMES
from gnosis.sessions import schedule
from gnosis.tables import TABLES

if TYPE_CHECKING:
    from numpy.typing import NDArray

FIRST_SESSION = dt.date(2012, 1, 3)
PLANTED_FEATURE = "tech_momentum_zscore"
"""The feature that holds the signal; all others are noise."""
PERSISTENCE = 0.9
SIGMA = 0.01
CONFIDENCE = 0.9


def planted_bars(
    n_symbols: int, n_sessions: int, seed: int, edge: float = 0.0
) -> tuple[pl.DataFrame, NDArray[np.float64]]:
    """Return bars that walk at random but for what a signal known at each close says of the next session.

    Parameters
    ----------
    n_symbols, n_sessions
        Size of the market; its first session is 2012-01-03.
    seed
        The only source of randomness.
    edge
        Mean move of the next session, in its standard deviations of 1 %, per unit of the signal; 0 plants nothing.

    Returns
    -------
    tuple of polars.DataFrame and numpy.ndarray
        Rows of ``raw.equity_bars``, sorted, each opening at the close before; and the signal, float64 of shape
        (symbols, sessions), of unit variance and a correlation of 0.9 from one session to the next.

    Examples
    --------
    >>> bars, signal = planted_bars(2, 500, seed=1, edge=0.5)
    >>> move = bars.filter(pl.col("symbol") == "S01")["close"].log().diff().to_numpy()[1:]
    >>> bars.height, round(float(np.corrcoef(signal[1, :-1], move)[0, 1]), 2)
    (1000, 0.48)
    """
    rng = np.random.default_rng(seed)
    days = schedule().filter(pl.col("session") >= FIRST_SESSION).head(n_sessions)
    noise = rng.normal(size=(n_symbols, n_sessions))
    innovation = rng.normal(size=(n_symbols, n_sessions))
    signal = np.zeros((n_symbols, n_sessions))
    for t in range(1, n_sessions):
        signal[:, t] = PERSISTENCE * signal[:, t - 1] + np.sqrt(1.0 - PERSISTENCE**2) * innovation[:, t]
    moves = SIGMA * noise
    moves[:, 1:] += SIGMA * edge * signal[:, :-1]
    close = 100.0 * np.exp(np.cumsum(moves, axis=1))
    open_ = np.concatenate([np.full((n_symbols, 1), 100.0), close[:, :-1]], axis=1)
    frames = [
        days.select(
            "session",
            symbol=pl.lit(f"S{at:02d}"),
            known_at="close_at",
            provider=pl.lit("simulated"),
            synthetic=pl.lit(True),
            ts="close_at",
            open=pl.Series(open_[at]),
            high=pl.Series(np.maximum(open_[at], close[at])),
            low=pl.Series(np.minimum(open_[at], close[at])),
            close=pl.Series(close[at]),
            volume=pl.lit(1e6),
            adjustment_factor=pl.lit(1.0),
        )
        for at in range(n_symbols)
    ]
    table = TABLES["raw.equity_bars"]
    bars = pl.concat(frames).select(list(table.polars_schema)).cast(table.polars_schema).sort(table.key)
    return bars, signal


def planted_features(bars: pl.DataFrame, signal: NDArray[np.float64], seed: int, missing: float = 0.03) -> pl.DataFrame:
    """Return rows of the matrix as far as models read it: the signal in one feature and noise in all others.

    Parameters
    ----------
    bars, signal
        Result of :func:`planted_bars`.
    seed
        Of the noise.
    missing
        Share of the values of each feature that are null.

    Returns
    -------
    polars.DataFrame
        ``session``, ``symbol``, ``known_at``, ``provider``, ``synthetic``, ``as_of``, ``confidence`` and every feature
        of the registry with its dtype, sorted; :data:`PLANTED_FEATURE` holds the signal.

    Examples
    --------
    >>> bars, signal = planted_bars(2, 4, seed=1)
    >>> rows = planted_features(bars, signal, seed=2, missing=0.0)
    >>> bool(np.allclose(rows[PLANTED_FEATURE].to_numpy(), signal.T.ravel())), len(FEATURE_NAMES)
    (True, 141)
    """
    rng = np.random.default_rng(seed)
    planted = signal.T.ravel()
    dtypes = TABLES["features.matrix"].polars_schema
    columns = {}
    for name in FEATURE_NAMES:
        feature = BY_NAME[name]
        absent = rng.random(bars.height) < missing
        if feature.categories:
            values = pl.Series(feature.first_code + rng.integers(0, len(feature.categories), bars.height))
        elif feature.dtype == "bool":
            values = pl.Series(rng.random(bars.height) < 0.5)
        elif feature.dtype == "int":
            values = pl.Series(rng.integers(0, 3, bars.height))
        elif name == "hedge_movement_energy":
            values = pl.Series(np.exp(rng.normal(size=bars.height)))
        else:
            values = pl.Series(planted if name == PLANTED_FEATURE else rng.normal(size=bars.height))
        columns[name] = pl.select(pl.when(pl.Series(~absent)).then(values).cast(dtypes[name])).to_series()
    keys = bars.select(
        "session", "symbol", "known_at", "provider", "synthetic", as_of="known_at", confidence=pl.lit(CONFIDENCE)
    )
    return keys.with_columns(**columns).sort("session", "symbol")


__all__ = ["PLANTED_FEATURE", "planted_bars", "planted_features"]
