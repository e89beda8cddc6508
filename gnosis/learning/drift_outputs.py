"""Answers of a model beside those for its calibration rows, and what became of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from gnosis.learning.drift import FEWEST_ROWS
from gnosis.learning.drift_windows import WINDOW
from gnosis.learning.matrix import KEY
from gnosis.sessions import schedule

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gnosis.tables.model_scores import DriftStatus

ANSWERS = ("p_down", "p_flat", "p_up", "sigma_hat")
FEWEST_BLOCKS = 3
WATCH_BELOW, DRIFTED_BELOW = 0.05, 0.01
"""Levels of the p-value of realised calibration."""

_SCHEMA = {
    "status": pl.String,
    "calibration_p": pl.Float64,
    "value": pl.Float64,
    "reference_value": pl.Float64,
    "n_rows": pl.Int64,
    "n_reference": pl.Int64,
    "synthetic": pl.Boolean,
}


def calibration_p(gaps: NDArray[np.float64], horizon: int) -> float:
    """Return how likely gaps as large between probabilities and outcomes are when the probabilities are right.

    Four gaps are tested: of each class, and of the probability given to the class that came, whose mean is the mean of
    sum p^2 when probabilities are right and smaller when they are too bold. The p-value is that of Student's t over
    blocks of as many sessions as the horizon has, times four (Bonferroni).

    Parameters
    ----------
    gaps
        Shape (blocks, 4): mean gaps of the blocks, in the order of time.
    horizon
        In sessions. Outcomes of neighbouring sessions overlap, and so do blocks of them: their means correlate by
        (h^2 - 1)/(4 h^2 + 2) when returns of different sessions do not, which the standard error allows for.

    Returns
    -------
    float
        NaN with fewer than three blocks.

    References
    ----------
    Hansen and Hodrick (1980), on the standard error of overlapping outcomes.

    Examples
    --------
    >>> even = np.array([[0.1, 0.0, -0.1, 0.01], [-0.1, 0.01, 0.09, -0.01], [0.02, 0.0, -0.02, 0.0]])
    >>> calibration_p(even, 5), round(calibration_p(even + 0.5, 5), 5)
    (1.0, 0.00023)
    """
    from scipy.stats import t as student

    blocks = gaps.shape[0]
    if blocks < FEWEST_BLOCKS:
        return float("nan")
    correlation = (horizon**2 - 1) / (4 * horizon**2 + 2)
    error = gaps.std(axis=0, ddof=1) * np.sqrt((1 + 2 * correlation * (blocks - 1) / blocks) / blocks)
    mean = gaps.mean(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(mean == 0.0, 0.0, np.abs(mean) / error)
    return float(min(1.0, 4 * 2 * student.sf(t, blocks - 1).min()))


def calibration_status(p: float) -> DriftStatus:
    """Return what the p-value of :func:`calibration_p` means: drifted below 0.01, watch below 0.05.

    Examples
    --------
    >>> [calibration_status(p) for p in (0.2, 0.02, 0.002, float("nan"))]
    ['stable', 'watch', 'drifted', 'insufficient']
    """
    if np.isnan(p):
        return "insufficient"
    return "drifted" if p < DRIFTED_BELOW else "watch" if p < WATCH_BELOW else "stable"


def calibration(
    answers: pl.DataFrame, outcomes: pl.DataFrame, asked: NDArray[np.int64], horizon: int, n_reference: int
) -> pl.DataFrame:
    """Tell whether the outcomes that became known in the last 60 sessions came as often as the answers said.

    Parameters
    ----------
    answers
        ``session``, ``symbol``, ``p_down``, ``p_flat``, ``p_up``, ``synthetic``: out of sample.
    outcomes
        ``session``, ``symbol``, ``y_dir``, ``label_known_at``.
    asked
        Numbers of the exchange sessions to tell about, ascending.
    horizon, n_reference
        In sessions; rows that the model was calibrated on.

    Returns
    -------
    polars.DataFrame
        In the order of ``asked``: ``status``, ``calibration_p``, ``value`` (mean probability given to the class that
        came), ``reference_value`` (what it is when probabilities are right), ``n_rows``, ``n_reference``,
        ``synthetic``.
    """
    judged = (
        answers.join(outcomes, on=KEY, how="inner")
        .drop_nulls(["p_up", "y_dir", "label_known_at"])
        .sort("label_known_at", *KEY)
    )
    # The first session whose close is not before the label was known.
    number = schedule()["close_at"].search_sorted(judged["label_known_at"]).cast(pl.Int64).to_numpy()
    decided = schedule()["session"].search_sorted(judged["session"]).cast(pl.Int64).to_numpy()
    p = judged.select("p_down", "p_flat", "p_up").to_numpy()
    came = np.eye(3)[judged["y_dir"].cast(pl.Int64).to_numpy() + 1]
    given, expected = (p * came).sum(axis=1), (p * p).sum(axis=1)
    gaps = np.column_stack([came - p, given - expected])
    synthetic = judged["synthetic"].to_numpy()
    rows = []
    for now in asked:
        # Of an outcome that took longer than the horizon, a night that reads its window only would not know the answer.
        window = np.flatnonzero((number > now - WINDOW) & (number <= now) & (decided > now - WINDOW - horizon))
        n = window.size
        blocks = _block_means(gaps[window], now - number[window], horizon)
        p_value = calibration_p(blocks, horizon) if n >= FEWEST_ROWS else np.nan
        rows.append(
            {
                "status": calibration_status(p_value),
                "calibration_p": None if np.isnan(p_value) else p_value,
                "value": float(given[window].mean()) if n else None,
                "reference_value": float(expected[window].mean()) if n else None,
                "n_rows": n,
                "n_reference": n_reference,
                "synthetic": bool(synthetic[window].any()),
            }
        )
    return pl.DataFrame(rows, schema=_SCHEMA)


def _block_means(gaps: NDArray[np.float64], age: NDArray[np.int64], horizon: int) -> NDArray[np.float64]:
    """Return the mean gaps of the blocks of ``horizon`` sessions, the newest last; only those with all sessions."""
    ages = np.unique(age)
    blocks, present = np.unique(ages // horizon, return_counts=True)
    whole = blocks[(present == horizon) & ((blocks + 1) * horizon <= WINDOW)]
    return np.array([gaps[age // horizon == block].mean(axis=0) for block in whole[::-1]]).reshape(-1, gaps.shape[1])
