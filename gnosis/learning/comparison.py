"""Stitched answers of a candidate beside those of its baselines and of the champion, on the same rows (G4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from gnosis.learning.bootstrap import TEST_REPLICATES, Resampling, paired_difference, ratio
from gnosis.learning.evaluation import MIN_MEAN_BLOCK_SESSIONS
from gnosis.learning.evidence import Comparison
from gnosis.learning.head_answers import head_answers
from gnosis.learning.heads import HEADS
from gnosis.learning.judged import Judged, scored
from gnosis.learning.models import PUBLISHED

if TYPE_CHECKING:
    from numpy.typing import NDArray

CHAMPION = "champion"


def comparison(
    mine: NDArray[np.float64], other: NDArray[np.float64], session: NDArray[np.int64], horizon: int, seed: int
) -> Comparison:
    """Return how much less the candidate loses than another model on the same rows.

    Parameters
    ----------
    mine, other
        Losses of the same rows, float64, shape (rows,), at least one row.
    session
        Session of each row, shape (rows,).
    horizon
        In sessions; the mean block of the stationary bootstrap is the horizon, at least 10 sessions.
    seed
        Of the bootstrap.

    Examples
    --------
    >>> loss = np.random.default_rng(1).random(500)
    >>> found = comparison(loss - 0.1, loss, np.arange(500), horizon=5, seed=1)
    >>> round(found.difference, 6), found.p_value < 0.001, found.n
    (-0.1, True, 500)
    """
    block = float(max(horizon, MIN_MEAN_BLOCK_SESSIONS))
    difference, p_value = paired_difference(mine, other, session, block=block, seed=seed)
    resampling = Resampling(session, block, TEST_REPLICATES, np.random.default_rng(seed))
    _, error = resampling.estimate(ratio, resampling.sums(mine - other), resampling.sums(np.ones(mine.size)))
    return Comparison(difference, error, p_value, mine.size)


def against_baselines(answers: pl.DataFrame, rows: pl.DataFrame, head: str, seed: int) -> dict[str, Comparison]:
    """Compare the published family with each baseline on the rows that all of them answered.

    Parameters
    ----------
    answers
        Result of :func:`gnosis.learning.head_answers.head_answers`: each fold's model on its own test sessions.
    rows
        Rows of ``models.dataset`` of one horizon.
    head, seed
        Of the answers, and of the bootstrap.

    Returns
    -------
    dict
        By baseline; empty when no outcome is known yet.
    """
    names = [PUBLISHED, *HEADS[head].baselines]
    judged = _judged(answers.filter((pl.col("head") == head) & pl.col("model_name").is_in(names)), rows)
    if judged is None or PUBLISHED not in judged.answer:
        return {}
    mine = judged.losses(PUBLISHED)
    return {
        name: comparison(mine, judged.losses(name), judged.session, judged.horizon, seed)
        for name in names[1:]
        if name in judged.answer
    }


def against_champion(
    features: pl.DataFrame, answers: pl.DataFrame, rows: pl.DataFrame, champion: pl.DataFrame, seed: int
) -> Comparison | None:
    """Compare the published family's stitched answers with those of a champion that stays as it is.

    Parameters
    ----------
    features, answers, rows, seed
        As of :func:`against_baselines`; ``features`` are what ``answers`` were made from.
    champion
        The row of ``models.trained``: its common rows begin with its ``valid_from``, no session before is out of its
        sample.

    Returns
    -------
    Comparison or None
        None without a common row whose outcome is known, or when the champion is not stored.
    """
    if champion.is_empty():
        return None
    head, horizon = str(champion["head"][0]), int(champion["horizon_bars"][0])
    frozen = head_answers(features, champion, rows, horizon).with_columns(model_name=pl.lit(CHAMPION))
    mine = answers.filter((pl.col("head") == head) & (pl.col("model_name") == PUBLISHED))
    judged = _judged(pl.concat([mine, frozen]), rows)
    if judged is None or {PUBLISHED, CHAMPION} != set(judged.answer):
        return None
    return comparison(judged.losses(PUBLISHED), judged.losses(CHAMPION), judged.session, horizon, seed)


def _judged(answers: pl.DataFrame, rows: pl.DataFrame) -> Judged | None:
    judged = scored(answers, rows)
    return None if judged.is_empty() else Judged.of(judged)


__all__ = ["CHAMPION", "against_baselines", "against_champion", "comparison"]
