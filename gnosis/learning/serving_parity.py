"""Serving parity: what was published against the same rows made anew, bit for bit (G8)."""

from __future__ import annotations

import numpy as np
import polars as pl

from gnosis.learning.evidence import Parity
from gnosis.tables import TABLES

LIVE_SESSIONS = 5
ANSWERS = (
    *(name for name, dtype in TABLES["models.predictions"].polars_schema.items() if dtype == pl.Float64),
    *("model_version", "calibrator_id", "label_spec", "abstain_reason", "n_missing", "model_sha256"),
)
"""Columns of a prediction that a replay has to give again: every number and whose answer it is."""


def serving_parity(stored: pl.DataFrame, replayed: pl.DataFrame, sessions: int = LIVE_SESSIONS) -> Parity:
    """Compare the last published predictions with a replay of the same sessions.

    Parameters
    ----------
    stored, replayed
        Rows of ``models.predictions``: as published, and made anew from the offline feature rows.
    sessions
        How many of the last sessions of ``stored`` to compare.

    Returns
    -------
    gnosis.learning.evidence.Parity
        Sessions and rows compared, rows whose feature hashes differ, rows with an answer that differs in any bit. A
        row that only one side has differs in both.
    """
    key = TABLES["models.predictions"].key
    last = stored["session"].unique().sort().tail(sessions)
    published, anew = (
        rows.filter(pl.col("session").is_in(last.implode())).select(*key, "feature_row_sha256", *ANSWERS).sort(key)
        for rows in (stored, replayed)
    )
    both = published.join(anew.rename(lambda name: name if name in key else f"{name}_anew"), on=key, how="inner")
    lonely = published.height + anew.height - 2 * both.height
    features = ~both.select(pl.col("feature_row_sha256").eq_missing(pl.col("feature_row_sha256_anew"))).to_series()
    answers = np.zeros(both.height, dtype=np.bool_)
    for name in ANSWERS:
        answers |= _differs(both[name], both[f"{name}_anew"])
    return Parity(
        sessions=last.len(),
        rows=both.height + lonely,
        feature_rows_different=int(features.sum()) + lonely,
        predictions_different=int(answers.sum()) + lonely,
    )


def _differs(left: pl.Series, right: pl.Series) -> np.ndarray:
    """Return where two columns differ: floats in any bit, so that 0.0 is not -0.0."""
    if left.dtype != pl.Float64:
        different: np.ndarray = left.ne_missing(right).to_numpy()
        return different
    bits = [side.fill_null(0.0).to_numpy().view(np.int64) for side in (left, right)]
    return (bits[0] != bits[1]) | (left.is_null() != right.is_null()).to_numpy()


__all__ = ["ANSWERS", "LIVE_SESSIONS", "serving_parity"]
