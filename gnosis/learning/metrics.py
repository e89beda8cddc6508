"""Scores of answers against what happened, row by row or over all rows (L-7.5, section 8)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from gnosis.learning.information_coefficients import FEWEST_SYMBOLS, column_correlations

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Log loss of a probability of zero is infinite; 1e-12 costs 27.6 nats, more than any model of use ever pays.
SMALLEST_PROBABILITY = 1e-12


def row_log_loss(probabilities: NDArray[np.float64], outcome: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return minus the log probability of what happened, in nats per row.

    Parameters
    ----------
    probabilities
        Shape (rows, classes).
    outcome
        Class that happened, shape (rows,).

    Examples
    --------
    >>> float(row_log_loss(np.array([[0.1, 0.2, 0.7]]), np.array([2]))[0].round(6))
    0.356675
    """
    chosen = np.take_along_axis(probabilities, outcome[:, None], axis=1)[:, 0]
    loss: NDArray[np.float64] = -np.log(np.maximum(chosen, SMALLEST_PROBABILITY))
    return loss


def row_brier(probabilities: NDArray[np.float64], outcome: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the squared distance of the probabilities from what happened (Brier 1950).

    With two classes that of the second, 0 to 1; with more the sum over classes, 0 to 2.

    Examples
    --------
    >>> float(row_brier(np.array([[0.1, 0.2, 0.7]]), np.array([2]))[0].round(6))
    0.14
    >>> float(row_brier(np.array([[0.1, 0.9]]), np.array([1]))[0].round(6))
    0.01
    """
    happened = np.eye(probabilities.shape[1])[outcome]
    judged = slice(1, None) if probabilities.shape[1] == 2 else slice(None)
    squared: NDArray[np.float64] = ((probabilities - happened)[:, judged] ** 2).sum(axis=1)
    return squared


def row_qlike(log_volatility: NDArray[np.float64], answer: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the QLIKE loss of a variance forecast: ``ratio - ln ratio - 1`` of realised to expected variance.

    Parameters
    ----------
    log_volatility, answer
        Natural logarithm of the realised and of the expected volatility, shape (rows,).

    References
    ----------
    Patton (2011).

    Examples
    --------
    >>> row_qlike(np.log([0.2, 0.2]), np.log([0.2, 0.1])).round(6).tolist()
    [0.0, 1.613706]
    """
    log_ratio = 2.0 * (log_volatility - answer)
    loss: NDArray[np.float64] = np.expm1(log_ratio) - log_ratio
    return loss


def placements(score: NDArray[np.float64], positive: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the share of rows of the other outcome that each row stands on the right side of, ties one half.

    A positive row stands right above a negative one. The mean over the positive rows is the area under the ROC curve,
    and so is the mean over the negative rows (DeLong, DeLong and Clarke-Pearson 1988).

    Parameters
    ----------
    score, positive
        Shape (rows,).

    Returns
    -------
    numpy.ndarray
        Shape (rows,); NaN when there is one outcome only.

    Examples
    --------
    >>> placements(np.array([0.9, 0.8, 0.3, 0.8]), np.array([True, False, False, True])).tolist()
    [1.0, 0.75, 1.0, 0.75]
    """
    n_other = np.where(positive, (~positive).sum(), positive.sum())
    if not n_other.all():
        return np.full(score.size, np.nan)
    place = np.empty(score.size)
    for mine, sign in ((positive, 1.0), (~positive, -1.0)):
        others = np.sort(sign * score[~mine])
        asked = sign * score[mine]
        place[mine] = np.searchsorted(others, asked, "left") + np.searchsorted(others, asked, "right")
    return place / (2.0 * n_other)


def auc(probabilities: NDArray[np.float64], outcome: NDArray[np.int64]) -> float:
    """Return the probability that a random positive scores above a random negative, ties one half.

    With two classes the second is the positive one; with more it is the mean of one class against the rest. NaN when a
    class never or always happened (Hanley and McNeil 1982).

    Examples
    --------
    >>> up = np.array([0.9, 0.8, 0.3, 0.8])
    >>> auc(np.column_stack([1 - up, up]), np.array([1, 0, 0, 1]))
    0.875
    """
    areas = [placements(probabilities[:, at], outcome == at)[outcome == at] for at in judged_classes(probabilities)]
    return float(np.mean([area.mean() if area.size else np.nan for area in areas]))


def judged_classes(probabilities: NDArray[np.float64]) -> list[int]:
    """Return the classes that are judged one against the rest: of two the second says it all.

    Examples
    --------
    >>> judged_classes(np.zeros((1, 2))), judged_classes(np.zeros((1, 3)))
    ([1], [0, 1, 2])
    """
    n_classes = probabilities.shape[1]
    return [1] if n_classes == 2 else list(range(n_classes))


def daily_coefficients(
    answer: NDArray[np.float64],
    realised: NDArray[np.float64],
    session: NDArray[np.int64],
    symbol: NDArray[np.int64],
    *,
    ranked: bool = False,
    fewest: int = FEWEST_SYMBOLS,
) -> NDArray[np.float64]:
    """Return, session by session, the correlation across symbols of answers with what was realised.

    Parameters
    ----------
    answer, realised
        Shape (rows,), no NaN.
    session, symbol
        Numbers from 0, shape (rows,); each pair once.
    ranked
        Spearman's correlation, average ranks for ties, in place of Pearson's.
    fewest
        Symbols that a session needs.

    Returns
    -------
    numpy.ndarray
        Shape (sessions,); NaN for sessions with fewer symbols or where a side does not vary.

    Examples
    --------
    >>> answer = np.array([0.02, -0.01, 0.005, 0.03, -0.02, 0.01])
    >>> realised = np.array([0.015, -0.005, -0.01, 0.02, -0.03, 0.0])
    >>> one_day, symbols = np.zeros(6, dtype=int), np.arange(6)
    >>> daily_coefficients(answer, realised, one_day, symbols, fewest=6).round(6).tolist()
    [0.929509]
    """
    from scipy.stats import rankdata

    shape = (int(symbol.max(initial=-1)) + 1, int(session.max(initial=-1)) + 1)
    sides = [np.full(shape, np.nan), np.full(shape, np.nan)]
    for side, values in zip(sides, (answer, realised), strict=True):
        side[symbol, session] = values
    wide = np.flatnonzero(np.bincount(session, minlength=shape[1]) >= fewest)
    daily = np.full(shape[1], np.nan)
    if wide.size:
        sides = [side[:, wide] for side in sides]
        if ranked:
            sides = [rankdata(side, axis=0, nan_policy="omit") for side in sides]
        daily[wide] = column_correlations(*sides)
    return daily


def information_ratio(daily: NDArray[np.float64]) -> float:
    """Return the mean of the daily coefficients over their standard deviation (n - 1): the ICIR; NaN below two.

    Examples
    --------
    >>> daily = np.array([0.05, 0.04, 0.02, -0.01, -0.03, -0.02, 0.01, 0.03, 0.05, 0.06])
    >>> round(information_ratio(daily), 6)
    0.632456
    """
    known = daily[~np.isnan(daily)]
    spread = float(known.std(ddof=1)) if known.size > 1 else 0.0
    return float(known.mean()) / spread if spread > 0.0 else math.nan
