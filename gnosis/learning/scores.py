"""Every score of the specification with its bootstrap error, for the answers of one model on one set of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gnosis.learning.bootstrap import Resampling, ratio
from gnosis.learning.information_coefficients import FEWEST_SESSIONS, mean_with_error
from gnosis.learning.metrics import (
    daily_coefficients,
    information_ratio,
    judged_classes,
    placements,
    row_brier,
    row_log_loss,
    row_qlike,
)
from gnosis.learning.platt import NoLineError, fit_line, line_terms, logits, newton_step
from gnosis.learning.reliability import equal_mass_bins

if TYPE_CHECKING:
    from numpy.typing import NDArray

Scores = dict[str, tuple[float, float]]
"""Value and standard error by metric; NaN where undefined."""

UNDEFINED = (np.nan, np.nan)


def class_scores(
    resampling: Resampling,
    answer: NDArray[np.float64],
    answer_raw: NDArray[np.float64],
    base: NDArray[np.float64] | None,
    outcome: NDArray[np.int64],
) -> Scores:
    """Score probabilities before (``_raw``) and after calibration.

    Parameters
    ----------
    resampling
        Of these rows.
    answer, answer_raw
        Calibrated and uncalibrated probabilities, shape (rows, classes).
    base
        Those of the base rate, calibrated; the skills are undefined without.
    outcome
        Class that happened, shape (rows,).
    """
    one = resampling.sums(np.ones(outcome.size))
    losses = {"log_loss": row_log_loss, "brier": row_brier}
    found: Scores = {"auc": _area(resampling, answer, outcome)}
    for suffix, probabilities in (("", answer), ("_raw", answer_raw)):
        for name, loss in losses.items():
            mine = resampling.sums(loss(probabilities, outcome))
            found[f"{name}{suffix}"] = resampling.estimate(ratio, mine, one)
            skill = UNDEFINED
            if base is not None:
                skill = resampling.estimate(_skill, mine, resampling.sums(loss(base, outcome)))
            found[f"{name}_skill{suffix}"] = skill
        found |= {f"{name}{suffix}": each for name, each in _bins(resampling, probabilities, outcome).items()}
        found |= {f"{name}{suffix}": each for name, each in _recalibration(resampling, probabilities, outcome).items()}
    return found


def number_scores(
    resampling: Resampling,
    answer: NDArray[np.float64],
    base: NDArray[np.float64] | None,
    outcome: NDArray[np.float64],
    *,
    is_log_volatility: bool,
) -> Scores:
    """Score numbers; arrays of shape (rows,), ``base`` the training mean (R squared is undefined without)."""
    one = resampling.sums(np.ones(outcome.size))
    squares = resampling.sums((answer - outcome) ** 2)
    found: Scores = {
        "rmse": resampling.estimate(lambda above, below: np.sqrt(ratio(above, below)), squares, one),
        "mae": resampling.estimate(ratio, resampling.sums(np.abs(answer - outcome)), one),
        "r_squared": UNDEFINED,
    }
    if base is not None:
        found["r_squared"] = resampling.estimate(_skill, squares, resampling.sums((base - outcome) ** 2))
    if is_log_volatility:
        found["qlike"] = resampling.estimate(ratio, resampling.sums(row_qlike(outcome, answer)), one)
    return found


def direction_scores(resampling: Resampling, called: NDArray[np.int64], moved: NDArray[np.int64]) -> Scores:
    """Score sides, -1, 0 or +1 of shape (rows,): rows that moved beyond the dead zone and were not called flat.

    ``coverage`` is their share of all rows.
    """
    takes_side = ((called != 0) & (moved != 0)).astype(np.float64)
    counted = resampling.sums(takes_side)
    return {
        "directional_accuracy": resampling.estimate(ratio, resampling.sums(takes_side * (called == moved)), counted),
        "coverage": resampling.estimate(ratio, counted, resampling.sums(np.ones(moved.size))),
    }


def coefficient_scores(
    resampling: Resampling,
    answer: NDArray[np.float64],
    realised: NDArray[np.float64],
    symbol: NDArray[np.int64],
    horizon: int,
) -> Scores:
    """Return the information coefficients of an answer; arrays of shape (rows,), symbols numbered from 0.

    ``ic_t`` rests on Newey and West with ``horizon - 1`` lags at least; the error given for it is that of the mean in
    the same unit.
    """
    found: Scores = {}
    for name, ranked in (("ic", False), ("rank_ic", True)):
        daily = daily_coefficients(answer, realised, resampling.session, symbol, ranked=ranked)
        known = ~np.isnan(daily)
        parts = np.where(known, daily, 0.0), known.astype(np.float64)
        found[name] = resampling.estimate(ratio, *parts)
        if name == "ic":
            _, spread = resampling.estimate(_information_ratio, parts[0], parts[0] ** 2, parts[1])
            found["icir"] = information_ratio(daily), spread
            mean, error = mean_with_error(daily, horizon - 1)
            found["ic_t"] = (mean / error, found["ic"][1] / error) if error > 0.0 else UNDEFINED
    found["time_series_ic"] = _over_time(resampling, answer, realised, symbol)
    return found


def _skill(loss: NDArray[np.float64], base: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1.0 - ratio(loss, base)


def _information_ratio(
    total: NDArray[np.float64], squares: NDArray[np.float64], n: NDArray[np.float64]
) -> NDArray[np.float64]:
    mean = total / n
    return mean / np.sqrt((squares - n * mean * mean) / (n - 1.0))


def _area(
    resampling: Resampling, probabilities: NDArray[np.float64], outcome: NDArray[np.int64]
) -> tuple[float, float]:
    """Area under the ROC curve; its replicates are linear in the placements (DeLong et al. 1988)."""
    classes = judged_classes(probabilities)
    positive = np.column_stack([outcome == at for at in classes])
    place = np.column_stack([placements(probabilities[:, at], outcome == at) for at in classes])
    if np.isnan(place).any():
        return UNDEFINED
    areas = np.array([place[positive[:, at], at].mean() for at in range(len(classes))])

    def area(
        ups: NDArray[np.float64], n_up: NDArray[np.float64], downs: NDArray[np.float64], n_down: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        return (ratio(ups, n_up) + ratio(downs, n_down) - areas).mean(axis=1)

    sides = [values.astype(np.float64) for values in (place * positive, positive, place * ~positive, ~positive)]
    return resampling.estimate(area, *[_by_column(resampling, side) for side in sides])


def _bins(resampling: Resampling, probabilities: NDArray[np.float64], outcome: NDArray[np.int64]) -> Scores:
    """Expected calibration error and largest error of a bin; the mean and the largest over the classes judged."""
    classes = judged_classes(probabilities)
    distances, sizes = [], []
    for at in classes:
        place = equal_mass_bins(probabilities[:, at])
        n_bins = int(place.max()) + 1
        distances.append(resampling.sums(probabilities[:, at] - (outcome == at), place, n_bins))
        sizes.append(resampling.sums(np.ones(outcome.size), place, n_bins))
    distance, size = np.hstack(distances), np.hstack(sizes)
    return {
        "ece": resampling.estimate(lambda gap, n: np.abs(gap).sum(axis=1) / n.sum(axis=1), distance, size),
        "max_bin_error": resampling.estimate(
            lambda gap, n: (np.abs(gap) / np.where(n > 0.0, n, np.inf)).max(axis=1), distance, size
        ),
    }


def _recalibration(resampling: Resampling, probabilities: NDArray[np.float64], outcome: NDArray[np.int64]) -> Scores:
    """Line ``logit P(y) = intercept + slope logit p``, one intercept per class judged and a common slope.

    The intercept given is the mean over the classes. A replicate is one Newton step away from the line of all rows
    (Davidson and MacKinnon 1999).
    """
    names = ("recalibration_intercept", "recalibration_slope")
    classes = judged_classes(probabilities)
    score = logits(probabilities[:, classes])
    target = (outcome[:, None] == np.array(classes)).astype(np.float64)
    try:
        intercepts, slope = fit_line(score, target)
    except NoLineError:
        return dict.fromkeys(names, UNDEFINED)
    terms = line_terms(score, target, intercepts, slope)
    parts = [_by_column(resampling, term) if term.ndim == 2 else resampling.sums(term) for term in terms]
    return {
        names[0]: resampling.estimate(lambda *sums: (intercepts + newton_step(*sums)[0]).mean(axis=1), *parts),
        names[1]: resampling.estimate(lambda *sums: slope + newton_step(*sums)[1], *parts),
    }


def _by_column(resampling: Resampling, values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.column_stack([resampling.sums(np.ascontiguousarray(column)) for column in values.T])


def _over_time(
    resampling: Resampling, answer: NDArray[np.float64], realised: NDArray[np.float64], symbol: NDArray[np.int64]
) -> tuple[float, float]:
    """Mean over symbols with at least 60 rows of the correlation over time."""
    n_symbols = int(symbol.max()) + 1
    sides = [_standardised(values, symbol, n_symbols) for values in (answer, realised)]
    counted = np.bincount(symbol, minlength=n_symbols) >= FEWEST_SESSIONS
    for side in sides:
        counted &= np.bincount(symbol, weights=np.isfinite(side), minlength=n_symbols) > 0
    if not counted.any():
        return UNDEFINED
    x, y = (np.where(counted[symbol], side, 0.0) for side in sides)

    def coefficient(*sums: NDArray[np.float64]) -> NDArray[np.float64]:
        n, sum_x, sum_y, sum_xx, sum_yy, sum_xy = (each[:, counted] for each in sums)
        spread = np.sqrt((n * sum_xx - sum_x * sum_x) * (n * sum_yy - sum_y * sum_y))
        return ((n * sum_xy - sum_x * sum_y) / spread).mean(axis=1)

    terms = (np.ones(x.size), x, y, x * x, y * y, x * y)
    return resampling.estimate(coefficient, *[resampling.sums(term, symbol, n_symbols) for term in terms])


def _standardised(values: NDArray[np.float64], symbol: NDArray[np.int64], n_symbols: int) -> NDArray[np.float64]:
    """Values of each symbol less their mean in standard deviations; NaN where they do not vary."""
    count = np.bincount(symbol, minlength=n_symbols)
    mean = np.bincount(symbol, weights=values, minlength=n_symbols) / np.maximum(count, 1)
    left = values - mean[symbol]
    spread = np.sqrt(np.bincount(symbol, weights=left * left, minlength=n_symbols) / np.maximum(count, 1))
    largest = np.zeros(n_symbols)
    np.maximum.at(largest, symbol, np.abs(values))
    # Answers in single precision that are all the same differ by some 1e-7 of their size.
    varies = spread > 1e-6 * largest
    scaled: NDArray[np.float64] = left / np.where(varies, spread, np.nan)[symbol]
    return scaled
