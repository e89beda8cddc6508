"""A small simulated market and feature rows, with or without an edge planted in them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl
import pytest

from gnosis.features.registry import BY_NAME
from gnosis.learning import dataset, feature_rows, folds_frame, predict, train, walk_forward
from gnosis.learning.labels import labels
from gnosis.learning.matrix import FEATURE_NAMES
from gnosis.sessions import schedule
from gnosis.tables import TABLES


def simulated_bars(n_symbols: int, n_sessions: int, seed: int, edge: float = 0.0) -> tuple[pl.DataFrame, np.ndarray]:
    """Geometric random walks; a persistent signal known at each close moves the next session by ``edge`` sigma."""
    rng = np.random.default_rng(seed)
    days = schedule().filter(pl.col("session") >= dt.date(2012, 1, 3)).head(n_sessions)
    noise = rng.normal(size=(n_symbols, n_sessions))
    signal = np.zeros((n_symbols, n_sessions))
    innovation = rng.normal(size=(n_symbols, n_sessions))
    for t in range(1, n_sessions):
        signal[:, t] = 0.9 * signal[:, t - 1] + np.sqrt(1 - 0.81) * innovation[:, t]
    moves = 0.01 * noise
    moves[:, 1:] += 0.01 * edge * signal[:, :-1]
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
    return pl.concat(frames).select(list(table.polars_schema)).cast(dict(table.polars_schema)).sort(table.key), signal


def simulated_features(bars: pl.DataFrame, signal: np.ndarray, seed: int, missing: float = 0.03) -> pl.DataFrame:
    """Rows of the matrix as far as models read it: noise in every column, ``signal`` in tech_momentum_zscore."""
    rng = np.random.default_rng(seed)
    planted = signal.T.ravel()
    dtypes = TABLES["features.matrix"].polars_schema
    columns = {}
    for name in FEATURE_NAMES:
        feature = BY_NAME[name]
        absent = rng.random(bars.height) < missing
        if feature.categories:
            values = pl.Series(rng.integers(0, len(feature.categories), bars.height))
        else:
            values = pl.Series(planted if name == "tech_momentum_zscore" else rng.normal(size=bars.height))
        columns[name] = pl.select(pl.when(pl.Series(~absent)).then(values).cast(dtypes[name])).to_series()
    keys = bars.select("session", "symbol", "known_at", "provider", "synthetic", as_of="known_at")
    return keys.with_columns(**columns).sort("session", "symbol")


@dataclass(frozen=True)
class Learned:
    """Everything on the way from bars to predictions."""

    bars: pl.DataFrame
    features: pl.DataFrame
    labels: pl.DataFrame
    rows: pl.DataFrame
    folds: list
    folds_table: pl.DataFrame
    trained: pl.DataFrame
    predictions: pl.DataFrame


def learn(bars: pl.DataFrame, features: pl.DataFrame, horizon: int = 5, shuffle: int | None = None) -> Learned:
    """Walk the whole way; with ``shuffle`` the classes are permuted over sessions first."""
    known = labels(bars, horizons=(horizon,))
    if shuffle is not None:
        classes = known["y_dir"].to_numpy().copy()
        present = np.flatnonzero(known["y_dir"].is_not_null().to_numpy())
        classes[present] = np.random.default_rng(shuffle).permutation(classes[present])
        known = known.with_columns(y_dir=pl.Series(classes).fill_nan(None).cast(pl.Int8))
    rows = dataset(features, known)
    folds = walk_forward(rows)
    trained = train(rows, folds)
    asked = features.filter(pl.col("session") >= trained["valid_from"].min())
    predictions = pl.concat([predict(asked, trained, horizon, name) for name in ("majority", "logistic", "xgboost")])
    return Learned(bars, features, known, rows, folds, folds_frame(rows, folds), trained, predictions)


@pytest.fixture(scope="session")
def market() -> tuple[pl.DataFrame, pl.DataFrame]:
    """Bars and feature rows of six symbols over 1,000 sessions with a planted edge."""
    bars, signal = simulated_bars(6, 1000, seed=11, edge=0.3)
    return bars, feature_rows(simulated_features(bars, signal, seed=12))


@pytest.fixture(scope="session")
def learned(market: tuple[pl.DataFrame, pl.DataFrame]) -> Learned:
    return learn(*market)


@pytest.fixture(scope="session")
def walk() -> Callable[..., Learned]:
    """The function that walks the whole way."""
    return learn


@pytest.fixture(scope="session")
def simulate() -> Callable[..., tuple[pl.DataFrame, pl.DataFrame]]:
    """A function that makes bars and feature rows."""

    def make(n_symbols: int, n_sessions: int, seed: int, edge: float = 0.0, missing: float = 0.03):
        bars, signal = simulated_bars(n_symbols, n_sessions, seed, edge)
        return bars, feature_rows(simulated_features(bars, signal, seed + 1, missing))

    return make
