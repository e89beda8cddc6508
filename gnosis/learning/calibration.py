"""Calibration: what turns the probabilities of a model into frequencies, learned on rows that the model never saw."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from gnosis.learning.calibrator import Calibrator, Method, calibrator_from_json
from gnosis.learning.isotonic import fit_isotonic
from gnosis.learning.metrics import row_log_loss
from gnosis.learning.platt import NoLineError, fit_platt
from gnosis.learning.reliability import equal_mass_bins

if TYPE_CHECKING:
    from numpy.typing import NDArray

METHODS: tuple[Method, ...] = ("identity", "platt", "isotonic")
FEWEST_ISOTONIC_ROWS = 1_000
FEWEST_OF_RARER_CLASS = 100


def fit_calibrator(
    probabilities: NDArray[np.float64],
    outcome: NDArray[np.int64],
    t0: NDArray[np.int64],
    t1: NDArray[np.int64],
) -> Calibrator:
    """Fit the method that loses least on later rows of the slice, then fit it anew on the whole slice (L-7.2).

    Parameters
    ----------
    probabilities
        Of the model for rows that it never saw, float64 of shape (rows, classes).
    outcome
        Class that happened, int64 of shape (rows,).
    t0, t1
        Decision and end of the label of each row, int64 microseconds. The second half of the decisions chooses; rows of
        the first half whose label ends in the second are left out of the choice.

    Returns
    -------
    Calibrator
        Platt scaling, isotonic regression (with at least 1,000 rows, 100 of the rarer side of every class) or, with
        its reason, the identity. It is the identity too when neither method loses less than leaving things as they are.

    Raises
    ------
    ValueError
        Arrays that do not belong together, or values that are no probabilities or classes.

    References
    ----------
    Platt (1999); Zadrozny and Elkan (2002).

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> p, day = rng.uniform(0.01, 0.99, 2000), np.arange(2000)
    >>> happened = (rng.random(2000) < 0.3 + 0.4 * p).astype(np.int64)
    >>> calibrator = fit_calibrator(np.column_stack([1 - p, p]), happened, day, day + 5)
    >>> calibrator.method, calibrator.apply(np.array([[0.1, 0.9]])).round(2).tolist()
    ('platt', [[0.33, 0.67]])
    """
    _require(probabilities, outcome, t0, t1)
    moments = np.unique(t0)
    if moments.size < 2:
        identity = _fit("identity", probabilities, outcome)
        return replace(identity, reason=f"expected 2 decisions to choose a method by, found {moments.size}")
    begin = moments[moments.size // 2]
    earlier, later = np.flatnonzero(t1 < begin), np.flatnonzero(t0 >= begin)
    fitted: dict[Method, Calibrator] = {}
    losses: dict[Method, float] = {}
    impossible: list[str] = []
    for method in METHODS:
        try:
            whole = _fit(method, probabilities, outcome)
            part = _fit(method, probabilities[earlier], outcome[earlier], is_part=True)
        except NoLineError as error:
            impossible.append(f"{method}: {error}")
            continue
        fitted[method] = whole
        losses[method] = float(row_log_loss(part.apply(probabilities[later]), outcome[later]).mean())
    # The first of equals is the identity.
    best = min(losses, key=lambda method: losses[method])
    if best != "identity":
        return fitted[best]
    told = [f"{method} loses {loss:.6f} nats on later rows" for method, loss in losses.items()]
    return replace(fitted[best], reason="; ".join([*(told if len(told) > 1 else []), *impossible]))


def _fit(
    method: Method, probabilities: NDArray[np.float64], outcome: NDArray[np.int64], *, is_part: bool = False
) -> Calibrator:
    """Fit one method; a part of a slice that has rows enough for isotonic regression may have fewer."""
    classes = range(probabilities.shape[1])
    happened = [outcome == at for at in classes]
    maps: list[tuple[tuple[float, ...], tuple[float, ...]]] = []
    if method == "isotonic" and not is_part:
        rarer = min(min(int(each.sum()), int((~each).sum())) for each in happened)
        if outcome.size < FEWEST_ISOTONIC_ROWS or rarer < FEWEST_OF_RARER_CLASS:
            raise NoLineError(
                f"expected {FEWEST_ISOTONIC_ROWS} rows and {FEWEST_OF_RARER_CLASS} of the rarer class, found "
                f"{outcome.size} and {rarer}"
            )
    for at in classes:
        column = np.ascontiguousarray(probabilities[:, at], dtype=np.float64)
        if method == "platt":
            intercept, slope = fit_platt(column, happened[at])
            maps.append(((intercept,), (slope,)))
        elif method == "isotonic":
            if np.unique(column).size < 2:
                raise NoLineError("expected probabilities that vary, found a constant or no rows")
            corners, levels = fit_isotonic(column, happened[at])
            maps.append((tuple(corners.tolist()), tuple(levels.tolist())))
    bins = [_bins(probabilities[:, at], happened[at]) for at in classes]
    return Calibrator(
        method=method,
        reason=None,
        n=outcome.size,
        maps=tuple(maps),
        bin_starts=tuple(starts for starts, _, _ in bins),
        bin_counts=tuple(counts for _, counts, _ in bins),
        bin_happened=tuple(of_class for _, _, of_class in bins),
    )


def _bins(
    probability: NDArray[np.float64], happened: NDArray[np.bool_]
) -> tuple[tuple[float, ...], tuple[int, ...], tuple[int, ...]]:
    """Return where each bin of equal mass but the first begins, its rows, and those of the class."""
    place = equal_mass_bins(probability)
    starts = np.full(place.max(initial=-1) + 1, np.inf)
    np.minimum.at(starts, place, probability)
    counts = np.bincount(place)
    of_class = np.bincount(place, weights=happened).astype(np.int64)
    return tuple(starts[1:].tolist()), tuple(counts.tolist()), tuple(of_class.tolist())


def _require(
    probabilities: NDArray[np.float64], outcome: NDArray[np.int64], t0: NDArray[np.int64], t1: NDArray[np.int64]
) -> None:
    if probabilities.ndim != 2 or probabilities.shape[1] < 2:
        raise ValueError(f"expected probabilities of shape (rows, 2 or more classes), found {probabilities.shape}")
    if not outcome.shape == t0.shape == t1.shape == probabilities.shape[:1]:
        raise ValueError(
            f"expected outcome, t0 and t1 of shape ({len(probabilities)},) like the probabilities, found "
            f"{outcome.shape}, {t0.shape} and {t1.shape}"
        )
    if not ((probabilities >= 0.0) & (probabilities <= 1.0)).all():
        raise ValueError("expected probabilities between 0 and 1, found others; look at the model's answers")
    if not ((outcome >= 0) & (outcome < probabilities.shape[1])).all():
        raise ValueError(
            f"expected classes 0 to {probabilities.shape[1] - 1}, found {outcome.min()} to {outcome.max()}; leave out "
            "rows without an outcome"
        )
    if (t1 < t0).any():
        raise ValueError(f"expected t1 at or after t0, found {int((t1 < t0).sum())} labels that end before they begin")


__all__ = ["Calibrator", "calibrator_from_json", "fit_calibrator"]
