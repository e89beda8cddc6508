"""Outcomes drawn from known probabilities, and answers of models that know them more or less well."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl

from gnosis.sessions import schedule
from gnosis.tables import TABLES

SCALE = 0.02


def softmax(score: np.ndarray) -> np.ndarray:
    odds = np.exp(score)
    return odds / odds.sum(axis=1, keepdims=True)


def simulated_dataset(n_sessions: int = 300, n_symbols: int = 4, seed: int = 1, edge: float = 0.6, horizon: int = 5):
    """Rows of models.dataset, the true logits of the direction (rows, 3), and what is knowable, scaled by ``edge``."""
    rng = np.random.default_rng(seed)
    days = schedule().filter(pl.col("session") >= dt.date(2015, 6, 1)).head(n_sessions).select("session", "close_at")
    symbols = pl.DataFrame({"symbol": [f"S{at:02d}" for at in range(n_symbols)]})
    rows = days.join(symbols, how="cross").sort("session", "symbol")
    n = rows.height
    signal = rng.normal(size=n)
    logits = np.column_stack([-edge * signal, np.full(n, -1.0), edge * signal])
    outcome = (rng.random(n)[:, None] > softmax(logits).cumsum(axis=1)).sum(axis=1).clip(0, 2)
    size = np.abs(rng.normal(size=n)) + 0.1
    y_ret = (outcome - 1) * size * SCALE
    columns = {
        "horizon_bars": pl.lit(horizon),
        "as_of": pl.col("close_at"), "t0": pl.col("close_at"), "known_at": pl.col("close_at"),
        "t1": pl.col("close_at") + pl.duration(days=7), "label_known_at": pl.col("close_at") + pl.duration(days=7),
        "label_synthetic": pl.lit(True), "synthetic": pl.lit(True), "provider": pl.lit("simulated"),
        "sigma_bar": pl.lit(SCALE / np.sqrt(horizon)),
        "y_ret": pl.Series(y_ret), "y_dir": pl.Series(outcome - 1), "y_mag": pl.Series(size),
        "y_vol": pl.Series(np.exp(rng.normal(size=n, scale=0.3) + 0.4 * signal - 1.5)),
        "side": pl.Series(np.where(signal > 0, 1, -1)),
        "y_meta": pl.Series((outcome == np.where(signal > 0, 2, 0)).astype(int)),
        "n_missing": pl.lit(0), "confidence": pl.lit(1.0), "feature_row_sha256": pl.lit("0"),
    }  # fmt: skip
    schema = TABLES["models.dataset"].polars_schema
    frame = rows.with_columns(**columns)
    absent = [pl.lit(None).cast(dtype).alias(name) for name, dtype in schema.items() if name not in frame.columns]
    return frame.with_columns(absent).select(list(schema)).cast(dict(schema)), logits, signal


def answers_of(
    dataset: pl.DataFrame,
    head: str,
    model_name: str,
    answer: np.ndarray,
    answer_raw: np.ndarray | None = None,
    edges: tuple[float, float] | None = None,
    test_sessions: int = 63,
) -> pl.DataFrame:
    """The frame of answers of one model: ``answer`` of shape (rows, classes) or (rows,)."""
    values = np.asarray(answer, dtype=float).reshape(dataset.height, -1)
    raw = values if answer_raw is None else np.asarray(answer_raw, dtype=float).reshape(dataset.height, -1)
    return dataset.select(
        "horizon_bars",
        head=pl.lit(head),
        model_name=pl.lit(model_name),
        model_version=pl.lit(f"{head}-{model_name}"),
        fold=fold_of(dataset, test_sessions),
        session="session",
        symbol="symbol",
        answer_raw=pl.Series(raw.tolist(), dtype=pl.List(pl.Float64)),
        answer=pl.Series(values.tolist(), dtype=pl.List(pl.Float64)),
        class_edges=pl.lit(None if edges is None else list(edges), dtype=pl.List(pl.Float64)),
    )


def fold_of(dataset: pl.DataFrame, test_sessions: int) -> pl.Series:
    return (dataset["session"].rle_id() // test_sessions).cast(pl.Int64)


def folds_of(dataset: pl.DataFrame, test_sessions: int = 63) -> pl.DataFrame:
    """As much of models.folds as evaluation reads."""
    return (
        dataset.with_columns(fold=fold_of(dataset, test_sessions))
        .group_by("horizon_bars", "fold", maintain_order=True)
        .agg(test_first=pl.col("session").min(), test_last=pl.col("session").max())
    )


def direction_answers(dataset: pl.DataFrame, logits: np.ndarray, seed: int = 5) -> pl.DataFrame:
    """Base rate, a weak logistic model and a good model that is overconfident before calibration."""
    rng = np.random.default_rng(seed)
    n = dataset.height
    counts = np.bincount(dataset["y_dir"].to_numpy() + 1, minlength=3)
    base = np.tile(counts / n, (n, 1))
    noisy = softmax(0.5 * logits + rng.normal(scale=0.2, size=logits.shape))
    return pl.concat(
        [
            answers_of(dataset, "direction", "majority", base),
            answers_of(dataset, "direction", "logistic", noisy),
            answers_of(dataset, "direction", "xgboost", softmax(logits), softmax(2.0 * logits)),
        ]
    )
