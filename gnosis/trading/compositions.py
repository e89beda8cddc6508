"""Compositions: the votes of a decision in one number, with weights learned from earlier votes and their outcomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gnosis.trading.composer import (
    PENALTIES,
    PRIOR,
    PRIOR_WITH_MODEL,
    chosen_penalty,
    compose,
    conviction_bands,
    learned_weights,
    weight_variance,
)
from gnosis.trading.policies import DIRECTIONAL, Floats
from gnosis.trading.walk_forward import learning_moments, matched

LEAST_OUTCOMES = 250
"""Outcomes from which weights are learned; before, the prior stays in force."""
N_BLOCKS = 4


@dataclass(frozen=True, slots=True)
class Weights:
    """Weights in force and where they come from.

    Attributes
    ----------
    prior, fitted
        By policy.
    variance
        Of each weight, in the order of the policies: inverse curvature of the penalised loss (Laplace).
    penalty
        Observations that the prior is worth; None while it stands alone.
    n_outcomes
        Outcomes learned from.
    """

    prior: Mapping[str, float]
    fitted: Mapping[str, float]
    variance: Floats
    penalty: float | None
    n_outcomes: int

    @classmethod
    def of_prior(cls, prior: Mapping[str, float], n_outcomes: int) -> Weights:
        """Return the prior, as unsure as the weakest penalty holds it."""
        return cls(prior, prior, np.full(len(DIRECTIONAL), 1.0 / min(PENALTIES)), None, n_outcomes)


@dataclass(frozen=True, slots=True, eq=False)
class _Ballots:
    """Votes of many decisions, arrays of shape (decisions, policies)."""

    keys: pl.DataFrame
    odds: Floats
    confidence: Floats
    error: Floats


def compositions(
    votes: pl.DataFrame, past: pl.DataFrame, outcomes: pl.DataFrame, promoted: pl.DataFrame, horizon_bars: int
) -> pl.DataFrame:
    """Return one composition per symbol and session of the votes.

    Weights minimise the log loss of earlier votes, drawn to the prior (Genest and Zidek 1986 for the pool). They are
    learned at the end of each month from outcomes known by then, with the penalty of least loss over purged blocks. The
    earlier votes are those that were published, so that the model's are out of sample.

    Parameters
    ----------
    votes
        Rows with the columns of :data:`gnosis.trading.policy_votes.VOTE` to compose.
    past
        Votes published for earlier sessions.
    outcomes
        Rows of :func:`gnosis.trading.walk_forward.direction_outcomes`.
    promoted
        ``session``, ``symbol`` of the decisions whose model is promoted: their prior gives the model a weight.
    horizon_bars
        Sessions of an outcome: decided every session, each counts one part of so many.

    Returns
    -------
    polars.DataFrame
        ``session``, ``symbol``, ``z``, ``z_se``, ``p_dir``, ``disagreement``, ``confidence``, for each directional
        policy ``prior_<policy>``, ``weight_<policy>``, ``contribution_<policy>``, ``penalty``, ``n_outcomes``,
        ``learned_through``; ``z`` and what follows from it are null where no policy voted.
    """
    ballots, earlier = _ballots(votes), _ballots(past)
    everyone = pl.concat([earlier.keys, ballots.keys])
    rows, told = matched(everyone, outcomes)
    odds = np.concatenate([earlier.odds, ballots.odds])[rows]
    confidence = np.concatenate([earlier.confidence, ballots.confidence])[rows]
    has_vote = np.isfinite(odds).any(axis=1)
    moments = learning_moments(ballots.keys["session"].to_list())
    has_model = ballots.keys.join(promoted.with_columns(flag=True), on=["session", "symbol"], how="left")["flag"]
    is_promoted, cuts = has_model.fill_null(False).to_numpy(), moments["cut"].to_numpy()
    parts = []
    for cut in np.unique(cuts):
        for model in (False, True):
            of = np.flatnonzero((cuts == cut) & (is_promoted == model))
            if of.size == 0:
                continue
            known = has_vote & (told["known"].to_numpy() <= cut)
            weights = walk_forward_weights(
                odds[known],
                confidence[known],
                told.filter(pl.Series(known)),
                PRIOR_WITH_MODEL if model else PRIOR,
                1.0 / horizon_bars,
            )
            parts.append(_composed(ballots, of, weights))
    if not parts:
        parts = [_composed(ballots, np.empty(0, np.int64), Weights.of_prior(PRIOR, 0))]
    found = pl.concat(parts).join(moments.select("session", "learned_through").unique(), on="session", how="left")
    return found.sort("session", "symbol")


def walk_forward_weights(
    odds: Floats, confidence: Floats, outcomes: pl.DataFrame, prior: Mapping[str, float], weight: float
) -> Weights:
    """Return the weights learned from votes whose outcomes are known, or the prior while they are too few.

    Parameters
    ----------
    odds, confidence
        Votes as in :func:`gnosis.trading.composer.compose`.
    outcomes
        ``is_rise``, ``t0`` and ``t1`` of each, in the same order.
    prior
        Weights that no evidence leaves in force.
    weight
        What one outcome counts: of h outcomes that overlap one h-th each.
    """
    from gnosis.learning.purging import FoldsError, embargo_length, split_around

    if len(odds) < LEAST_OUTCOMES:
        return Weights.of_prior(prior, len(odds))
    order = outcomes.with_row_index("row").sort("t0", "row")
    places = order["row"].cast(pl.Int64).to_numpy()
    odds, confidence, is_rise = odds[places], confidence[places], order["is_rise"].to_numpy()
    t0, t1 = order["t0"].to_numpy(), order["t1"].to_numpy()
    block = (np.unique(t0, return_inverse=True)[1] * N_BLOCKS) // np.unique(t0).size
    splits = []
    for number in range(N_BLOCKS):
        try:
            splits.append(split_around(t0, t1, block == number, embargo_length(t0, t1)))
        except FoldsError:
            continue
    if not splits:
        return Weights.of_prior(prior, len(odds))
    penalty = chosen_penalty(odds, confidence, is_rise, prior, splits, weight)
    fitted = learned_weights(odds, confidence, is_rise, prior, penalty, weight)
    variance = weight_variance(odds, confidence, fitted, penalty, weight)
    return Weights(prior, fitted, variance, penalty, len(odds))


def with_bands(compositions: pl.DataFrame, past: pl.DataFrame) -> pl.DataFrame:
    """Return the compositions with ``conviction``, the place of ``|z|`` among those of the sessions before.

    Parameters
    ----------
    compositions
        Rows with ``session`` and ``z``.
    past
        ``session`` and ``z`` of earlier sessions.

    Examples
    --------
    >>> import datetime as dt
    >>> day = {"session": [dt.date(2024, 1, 3)], "z": [0.2]}
    >>> with_bands(pl.DataFrame(day), pl.DataFrame(day).clear())["conviction"].to_list()
    ['unknown']
    """
    from gnosis.sessions import schedule

    both = pl.concat([past.select("session", "z"), compositions.select("session", "z")])
    number = schedule()["session"].search_sorted(both["session"]).cast(pl.Int64).to_numpy()
    bands = conviction_bands(np.abs(both["z"].cast(pl.Float64).fill_null(np.nan).to_numpy()), number)
    return compositions.with_columns(conviction=pl.Series(bands[past.height :].tolist(), dtype=pl.String))


def _ballots(votes: pl.DataFrame) -> _Ballots:
    keys = votes.select("session", "symbol").unique().sort("session", "symbol")
    columns = ("p_up", "confidence", "log_odds_se")
    arrays = []
    for column in columns:
        wide = keys
        for policy in DIRECTIONAL:
            of = votes.filter(pl.col("policy") == policy).select("session", "symbol", pl.col(column).alias(policy))
            wide = wide.join(of, on=["session", "symbol"], how="left", maintain_order="left")
        arrays.append(wide.select(pl.col(p).cast(pl.Float64).fill_null(np.nan) for p in DIRECTIONAL).to_numpy())
    return _Ballots(keys, *arrays)


def _composed(ballots: _Ballots, of: NDArray[np.int64], weights: Weights) -> pl.DataFrame:
    odds, confidence, error = ballots.odds[of], ballots.confidence[of], ballots.error[of]
    found = compose(odds, confidence, weights.fitted)
    weight = np.array([weights.fitted[name] for name in DIRECTIONAL])
    has_vote = np.isfinite(odds)
    said = np.where(has_vote, confidence * (np.log(odds) - np.log1p(-odds)), 0.0)
    variance = np.where(has_vote, weight * confidence * error, 0.0) ** 2 + weights.variance * said**2
    floats = {
        "z": found.z,
        "z_se": np.where(has_vote.any(axis=1), np.sqrt(variance.sum(axis=1)), np.nan),
        "p_dir": found.p_dir,
        "disagreement": found.disagreement,
        "confidence": found.confidence,
        **{f"contribution_{name}": found.contributions[:, i] for i, name in enumerate(DIRECTIONAL)},
    }
    constant = {
        **{f"prior_{name}": float(weights.prior[name]) for name in DIRECTIONAL},
        **{f"weight_{name}": float(weights.fitted[name]) for name in DIRECTIONAL},
    }
    return ballots.keys[of].with_columns(
        *(pl.Series(name, values, dtype=pl.Float64).fill_nan(None) for name, values in floats.items()),
        *(pl.lit(value).alias(name) for name, value in constant.items()),
        penalty=pl.lit(weights.penalty, pl.Float64),
        n_outcomes=pl.lit(weights.n_outcomes, pl.Int64),
    )
