"""The composer: votes of all policies in one number, with weights that start at a stated prior and are learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gnosis.trading.policies import DIRECTIONAL, Floats

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gnosis.learning.purging import Split

PRIOR = {"hedge": 0.40, "liquidity": 0.30, "sentiment": 0.30, "ml": 0.0}
PRIOR_WITH_MODEL = {"hedge": 0.24, "liquidity": 0.18, "sentiment": 0.18, "ml": 0.40}
BANDS = ("none", "weak", "moderate", "strong")
PERCENTILES = (0.20, 0.50, 0.80)
PENALTIES = (10.0, 30.0, 100.0, 300.0, 1000.0)
"""Candidates for the weight of the prior, in observations."""
MOST_STEPS, LEAST_STEP = 50, 1e-12


@dataclass(frozen=True, slots=True)
class Composition:
    """What the policies say together, shape (rows,) unless said otherwise.

    Attributes
    ----------
    z
        Weighted sum of the log odds; NaN where no policy voted.
    p_dir
        Probability of a rise.
    contributions
        float64, shape (rows, policies): what each policy adds to ``z``; 0 where it did not vote.
    disagreement
        Weighted standard deviation of the log odds of those that voted.
    confidence
        Weighted mean of their confidences; the weight of those that did not vote counts as confidence 0.
    """

    z: Floats
    p_dir: Floats
    contributions: Floats
    disagreement: Floats
    confidence: Floats


def compose(odds: Floats, confidence: Floats, weights: Mapping[str, float]) -> Composition:
    """Combine votes: ``z = sum_k w_k c_k logit(p_k)`` (logarithmic pooling, Genest and Zidek 1986).

    Parameters
    ----------
    odds
        float64, shape (rows, policies) in the order of :data:`~gnosis.trading.policies.DIRECTIONAL`: probability of a
        rise; NaN where a policy did not vote.
    confidence
        float64, same shape, 0 to 1: quality of the data behind the vote.
    weights
        One weight per policy, at least 0; with all of them 0 nothing was found to follow, and the odds are even.

    Raises
    ------
    ValueError
        For shapes or weights that do not fit, or probabilities outside (0, 1).

    Examples
    --------
    >>> votes, quality = np.array([[0.60, 0.55, 0.48, 0.58]]), np.array([[0.8, 0.6, 0.5, 0.9]])
    >>> found = compose(votes, quality, PRIOR_WITH_MODEL)
    >>> round(float(found.z[0]), 9), round(float(found.p_dir[0]), 9)
    (0.208516313, 0.551941019)
    """
    weight = _weights(weights)
    logits, sure = _votes(odds, confidence)
    has_vote = np.isfinite(logits)
    contributions = np.where(has_vote, weight * sure * logits, 0.0)
    z = np.where(has_vote.any(axis=1), contributions.sum(axis=1), np.nan)
    voting = np.where(has_vote, weight, 0.0)
    total = voting.sum(axis=1)
    shown = np.where(has_vote, logits, 0.0)
    mean = _ratio((voting * shown).sum(axis=1), total)
    spread = _ratio((voting * (shown - mean[:, None]) ** 2).sum(axis=1), total)
    return Composition(
        z,
        1.0 / (1.0 + np.exp(-z)),
        contributions,
        np.sqrt(spread),
        (voting * np.where(has_vote, sure, 0.0)).sum(axis=1) / (weight.sum() or 1.0),
    )


def learned_weights(
    odds: Floats,
    confidence: Floats,
    is_rise: NDArray[np.bool_],
    prior: Mapping[str, float],
    penalty: float,
    weight: float = 1.0,
) -> dict[str, float]:
    """Return the weights of least summed log loss plus ``penalty / 2 * |w - prior|^2``, none of them negative.

    Parameters
    ----------
    odds, confidence
        Votes as in :func:`compose`; those of the model must be out of fold. A policy that did not vote adds nothing.
    is_rise
        bool, shape (rows,): outcome of each row, known at the decision.
    prior
        Weights that no evidence leaves in force.
    penalty
        Weight of the prior, in observations, above 0.
    weight
        What one outcome counts: of h outcomes that overlap one h-th each.

    Raises
    ------
    ValueError
        For shapes that do not fit or a penalty that is not positive.

    Examples
    --------
    >>> generator = np.random.default_rng(3)
    >>> p = np.column_stack([generator.uniform(0.3, 0.7, 4_000), *[np.full(4_000, 0.5)] * 3])
    >>> rises = generator.uniform(size=4_000) < p[:, 0]
    >>> found = learned_weights(p, np.ones(p.shape), rises, PRIOR, penalty=30.0)
    >>> round(found["hedge"], 2), round(found["liquidity"], 2)
    (1.0, 0.3)
    """
    if not penalty > 0.0:
        raise ValueError(f"expected a positive penalty, found {penalty}")
    logits, sure = _votes(odds, confidence)
    if is_rise.shape != (len(logits),):
        raise ValueError(f"expected one outcome per row, found {is_rise.shape} for {len(logits)} rows")
    design = np.where(np.isfinite(logits), sure * logits, 0.0)
    sign = np.where(is_rise, 1.0, -1.0)
    start = _weights(prior)

    def loss(found: Floats) -> float:
        drawn = found - start
        return float(weight * np.logaddexp(0.0, -sign * (design @ found)).sum() + 0.5 * penalty * drawn @ drawn)

    # Projected Newton (Bertsekas 1982): weights at zero that the loss would push below it stay there.
    found, least = start, loss(start)
    for _ in range(MOST_STEPS):
        p = 1.0 / (1.0 + np.exp(-(design @ found)))
        slope = weight * np.einsum("n,ni->i", p - is_rise, design) + penalty * (found - start)
        bent = weight * np.einsum("ni,n,nj->ij", design, p * (1.0 - p), design) + penalty * np.eye(start.size)
        is_free = (found > 0.0) | (slope < 0.0)
        step = np.zeros(start.size)
        step[is_free] = np.linalg.solve(bent[np.ix_(is_free, is_free)], slope[is_free])
        while loss(np.maximum(found - step, 0.0)) > least and np.abs(step).max() > LEAST_STEP:
            step = step / 2.0
        moved = np.maximum(found - step, 0.0)
        change = np.abs(moved - found).max()
        found, least = moved, min(loss(moved), least)
        if change <= LEAST_STEP:
            break
    return dict(zip(DIRECTIONAL, found.tolist(), strict=True))


def weight_variance(
    odds: Floats, confidence: Floats, weights: Mapping[str, float], penalty: float, weight: float = 1.0
) -> Floats:
    """Return the variance of each learned weight: inverse curvature of the penalised loss (Laplace), shape (policies,).

    Parameters
    ----------
    odds, confidence
        Votes that the weights were learned from.
    weights, penalty, weight
        What was learned, with which penalty, and what one outcome counted.

    Examples
    --------
    >>> even = np.full((100, 4), 0.5)
    >>> weight_variance(even, np.ones(even.shape), PRIOR, penalty=10.0).tolist()
    [0.1, 0.1, 0.1, 0.1]
    """
    logits, sure = _votes(odds, confidence)
    design = np.where(np.isfinite(logits), sure * logits, 0.0)
    p = 1.0 / (1.0 + np.exp(-(design @ _weights(weights))))
    curvature = weight * (design * (p * (1.0 - p))[:, None]).T @ design + penalty * np.eye(len(DIRECTIONAL))
    return np.asarray(np.diag(np.linalg.inv(curvature)))


def chosen_penalty(
    odds: Floats,
    confidence: Floats,
    is_rise: NDArray[np.bool_],
    prior: Mapping[str, float],
    splits: Sequence[Split],
    weight: float = 1.0,
) -> float:
    """Return the penalty of least mean log loss over purged splits; the largest, nearest to the prior, among equals.

    Raises
    ------
    ValueError
        Without any split.

    Examples
    --------
    >>> from gnosis.learning.purging import Split
    >>> p, half = np.full((40, 4), 0.5), np.arange(20)
    >>> chosen_penalty(p, np.ones(p.shape), np.arange(40) % 2 == 0, PRIOR, [Split(half, half + 20, 0, 0, 0)])
    1000.0
    """
    if not splits:
        raise ValueError("expected at least one purged split to choose the penalty by, found none")
    losses = []
    for penalty in PENALTIES:
        total = 0.0
        for split in splits:
            fitted = learned_weights(
                odds[split.train], confidence[split.train], is_rise[split.train], prior, penalty, weight
            )
            z = np.nan_to_num(compose(odds[split.test], confidence[split.test], fitted).z)
            total += float(np.logaddexp(0.0, np.where(is_rise[split.test], -z, z)).mean())
        losses.append(total)
    best = min(losses)
    return max(penalty for penalty, loss in zip(PENALTIES, losses, strict=True) if loss <= best + 1e-12)


def conviction_bands(strength: Floats, session_number: NDArray[np.int64], sessions: int = 252) -> NDArray[np.str_]:
    """Return the band of each ``|z|`` among those of the whole universe over the sessions before its own.

    Parameters
    ----------
    strength
        float64, shape (rows,): ``|z|``, NaN where no policy voted.
    session_number
        int64, shape (rows,): number of the session in the exchange calendar.
    sessions
        Length of the window; the session itself is not in it.

    Returns
    -------
    numpy.ndarray
        ``strong`` from the 80th percentile on, ``moderate`` from the 50th, ``weak`` from the 20th, else ``none``;
        ``unknown`` without a vote or with no session before.

    Raises
    ------
    ValueError
        For arrays of different shapes.

    Examples
    --------
    >>> conviction_bands(np.array([0.1, 0.2, 0.3, 0.4, 0.25]), np.array([1, 1, 1, 1, 2])).tolist()
    ['unknown', 'unknown', 'unknown', 'unknown', 'moderate']
    """
    if strength.shape != session_number.shape:
        raise ValueError(f"expected one session per row, found {session_number.shape} for {strength.shape}")
    order = np.argsort(session_number, kind="stable")
    numbers, ordered = session_number[order], strength[order]
    bands = np.full(strength.shape, "unknown", dtype="<U8")
    for number in np.unique(numbers):
        first, begin, end = np.searchsorted(numbers, (number - sessions, number, number + 1))
        before = ordered[first:begin]
        before = before[np.isfinite(before)]
        if before.size == 0:
            continue
        limits = np.quantile(before, PERCENTILES)
        rows = order[begin:end]
        seen = rows[np.isfinite(strength[rows])]
        bands[seen] = np.array(BANDS)[np.searchsorted(limits, strength[seen], side="right")]
    return bands


def _weights(weights: Mapping[str, float]) -> Floats:
    found = np.array([weights.get(name, np.nan) for name in DIRECTIONAL])
    if not (found >= 0.0).all():
        raise ValueError(f"expected a weight of at least 0 for each of {DIRECTIONAL}, found {dict(weights)}")
    return found


def _votes(odds: Floats, confidence: Floats) -> tuple[Floats, Floats]:
    if odds.ndim != 2 or odds.shape[1] != len(DIRECTIONAL) or confidence.shape != odds.shape:
        raise ValueError(
            f"expected odds and confidences of shape (rows, {len(DIRECTIONAL)}), found {odds.shape}, {confidence.shape}"
        )
    if ((odds <= 0.0) | (odds >= 1.0)).any():
        raise ValueError(f"expected probabilities within (0, 1), found {np.nanmin(odds)} to {np.nanmax(odds)}")
    has_vote = np.isfinite(odds)
    if not ((confidence >= 0.0) & (confidence <= 1.0))[has_vote].all():
        raise ValueError("expected a confidence between 0 and 1 for every vote")
    return np.log(odds) - np.log1p(-odds), confidence


def _ratio(value: Floats, total: Floats) -> Floats:
    return np.divide(value, total, out=np.full(value.shape, np.nan), where=total > 0.0)
