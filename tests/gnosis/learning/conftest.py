"""A small simulated market and feature rows, with or without an edge planted in them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl
import pytest

from gnosis.backtest.trials import MemoryLedger
from gnosis.learning import dataset, feature_rows, folds_frame, models, train, walk_forward
from gnosis.learning.folds import Fold
from gnosis.learning.head_answers import head_answers
from gnosis.learning.known_truth import planted_bars, planted_features
from gnosis.learning.labels import labels

CODE = "0" * 64
FEW_ROUNDS = models.PARAMETERS | {"xgboost": models.PARAMETERS["xgboost"] | {"max_rounds": 12, "eta": 0.2}}
"""Parameters that are as good as others for what is not about skill, and fast."""


@dataclass(frozen=True)
class Learned:
    """Everything on the way from bars to answers."""

    bars: pl.DataFrame
    features: pl.DataFrame
    labels: pl.DataFrame
    rows: pl.DataFrame
    folds: list[Fold]
    folds_table: pl.DataFrame
    trained: pl.DataFrame
    answers: pl.DataFrame
    ledger: MemoryLedger


def shuffled_labels(known: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Permute whole outcomes over the rows that have one."""
    outcomes = [name for name in known.columns if name.startswith("y_") or name == "sigma_bar"]
    present = np.flatnonzero(known["y_dir"].is_not_null().to_numpy())
    order = np.arange(known.height)
    order[present] = np.random.default_rng(seed).permutation(present)
    return known.with_columns(known.select(outcomes)[order])


def learn(
    bars: pl.DataFrame,
    features: pl.DataFrame,
    horizon: int = 5,
    shuffle: int | None = None,
    heads: tuple[str, ...] = ("direction",),
    **options: object,
) -> Learned:
    """Walk the whole way; with ``shuffle`` the outcomes are permuted first."""
    known = labels(bars, horizons=(horizon,))
    if shuffle is not None:
        known = shuffled_labels(known, shuffle)
    rows = dataset(features, known)
    folds = walk_forward(rows)
    ledger = MemoryLedger()
    asked = {"horizon": horizon, "heads": heads, "parameters": FEW_ROUNDS} | options
    trained = train(features, rows, folds, recorder=ledger, code_sha256=CODE, **asked)
    answers = head_answers(features, trained, rows, horizon)
    return Learned(bars, features, known, rows, folds, folds_frame(rows, folds), trained, answers, ledger)


@pytest.fixture(scope="session")
def market() -> tuple[pl.DataFrame, pl.DataFrame]:
    """Bars and feature rows of six symbols over 1,000 sessions with a planted edge."""
    bars, signal = planted_bars(6, 1000, seed=11, edge=0.3)
    return bars, feature_rows(planted_features(bars, signal, seed=12))


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
        bars, signal = planted_bars(n_symbols, n_sessions, seed, edge)
        return bars, feature_rows(planted_features(bars, signal, seed + 1, missing))

    return make
