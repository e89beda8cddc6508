"""Votes: what each policy says of a rise, how sure its data are, and what the risk policy forbids."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from gnosis.trading.policies import POLICIES, Floats, PolicyModel, fit_policy, log_odds_error, odds_of_rise
from gnosis.trading.policy_inputs import INPUTS
from gnosis.trading.walk_forward import learning_moments, matched

if TYPE_CHECKING:
    from gnosis.trading.parameters import IdeaParameters

VOTE: dict[str, pl.DataType | type[pl.DataType]] = {
    "session": pl.Date,
    "symbol": pl.String,
    "policy": pl.Enum(POLICIES),
    "p_up": pl.Float64,
    "log_odds_se": pl.Float64,
    "magnitude": pl.Float64,
    "confidence": pl.Float64,
    "policy_veto": pl.String,
    "size_multiplier": pl.Float64,
    "inputs": pl.List(pl.Float64),
    "learned_through": pl.Date,
    "n_learned": pl.Int64,
    "reasons": pl.String,
}
"""Columns of a vote. ``inputs`` are those of :data:`gnosis.trading.policy_inputs.INPUTS` in their order, null where
missing; ``p_up`` is null where the policy does not vote."""

VETOES = ("STORM", "LIQ_CRISIS", "STALE_MODEL", "THIN_DATA")
"""Reasons for which the risk policy forbids an idea, the weightiest first."""
_SURE = 1e-6
_Z_95 = 1.959963984540054
_PHI_0 = math.sqrt(2.0 / math.pi)


def learned_votes(inputs: pl.DataFrame, past: pl.DataFrame, outcomes: pl.DataFrame, horizon_bars: int) -> pl.DataFrame:
    """Return the votes of hedge, liquidity and sentiment, each learned from what its earlier inputs were followed by.

    Parameters
    ----------
    inputs
        Rows of :func:`gnosis.trading.policy_inputs.policy_inputs` to vote on.
    past
        Votes of earlier sessions with the columns of :data:`VOTE`.
    outcomes
        Rows of :func:`gnosis.trading.walk_forward.direction_outcomes`; of each only what was known at the end of the
        month before a session is used for it.
    horizon_bars
        Sessions of an outcome: decided every session, each counts one part of so many.

    Returns
    -------
    polars.DataFrame
        Columns of :data:`VOTE`, one row per policy, symbol and session.

    Examples
    --------
    >>> from gnosis.trading.walk_forward import OUTCOME
    >>> columns = ["session", "symbol", *(f"{p}.{name}" for p in INPUTS for name in (*INPUTS[p], "confidence"))]
    >>> none = pl.DataFrame(schema=dict.fromkeys(columns, pl.Float64) | {"session": pl.Date, "symbol": pl.String})
    >>> learned_votes(none, pl.DataFrame(schema=VOTE), pl.DataFrame(schema=OUTCOME), 5).height
    0
    """
    ordered = inputs.sort("session", "symbol")
    moments = learning_moments(ordered["session"].to_list())
    parts = [_votes_of(policy, ordered, moments, past, outcomes, 1.0 / horizon_bars) for policy in INPUTS]
    return pl.concat(parts).sort("session", "symbol", "policy")


def _votes_of(
    policy: str,
    inputs: pl.DataFrame,
    moments: pl.DataFrame,
    past: pl.DataFrame,
    outcomes: pl.DataFrame,
    weight: float,
) -> pl.DataFrame:
    names = INPUTS[policy]
    new = inputs.select("session", "symbol", *(pl.col(f"{policy}.{name}").alias(name) for name in names))
    earlier = past.filter(pl.col("policy") == policy).select(
        "session", "symbol", *(pl.col("inputs").list.get(i, null_on_oob=True).alias(n) for i, n in enumerate(names))
    )
    both = pl.concat([earlier, new])
    rows, told = matched(both, outcomes)
    seen = _matrix(both, names)[rows]
    is_rise, known = told["is_rise"].to_numpy(), told["known"].to_numpy()
    values, cuts = _matrix(new, names), moments["cut"].to_numpy()
    odds, error, n_learned = np.full(len(values), np.nan), np.full(len(values), np.nan), np.zeros(len(values), np.int64)
    for cut in np.unique(cuts):
        learned = known <= cut
        model: PolicyModel = fit_policy(names, seen[learned], is_rise[learned], weight=weight)
        of = cuts == cut
        odds[of], error[of] = odds_of_rise(model, values[of]), log_odds_error(model, values[of])
        n_learned[of] = model.n_rows
    listed = pl.concat_list(names) if len(new) else pl.lit(None, pl.List(pl.Float64))
    return _frame(
        new.select(
            "session",
            "symbol",
            policy=pl.lit(policy),
            p_up=pl.Series(odds),
            log_odds_se=pl.Series(error),
            confidence=inputs[f"{policy}.confidence"],
            inputs=listed,
            learned_through=moments["learned_through"],
            n_learned=pl.Series(n_learned),
        )
    )


def model_votes(predictions: pl.DataFrame) -> pl.DataFrame:
    """Return the votes of the model, from its calibrated odds of a rise against a fall; absent when it abstains.

    The error of the log odds is that of the published 95 % interval of ``p_up``.

    Parameters
    ----------
    predictions
        Rows of ``models.predictions`` of one horizon.

    Returns
    -------
    polars.DataFrame
        Columns of :data:`VOTE`, one row per symbol and session.
    """
    up, down = pl.col("p_up"), pl.col("p_down")
    reason = pl.when(pl.col("abstain_reason").is_not_null()).then(
        pl.format("ABSTAINS={}", pl.col("abstain_reason").cast(pl.String))
    )
    width = _logit(_inside("p_up_high")) - _logit(_inside("p_up_low"))
    return _frame(
        predictions.select(
            "session",
            "symbol",
            policy=pl.lit("ml"),
            p_up=(up / (up + down)).clip(_SURE, 1.0 - _SURE),
            log_odds_se=width / (2.0 * _Z_95),
            confidence=pl.col("confidence").fill_null(0.0),
            reasons=reason,
        )
    )


def risk_votes(state: pl.DataFrame, parameters: IdeaParameters) -> pl.DataFrame:
    """Return what the risk policy forbids or shortens; it never votes on direction.

    Size is divided by amplification above 1, halved where stiffness decides nothing, and halved while the model is
    degraded by drift.

    Parameters
    ----------
    state
        One row per symbol and session: ``amplification``, ``amplification_regime``, ``liq_regime``, ``model_state``,
        ``movement_energy_confidence``, ``is_unstable``; null where unknown.
    parameters
        The floor of confidence.

    Returns
    -------
    polars.DataFrame
        Columns of :data:`VOTE` with ``policy_veto`` and ``size_multiplier``.
    """
    c = pl.col
    is_thin = c("movement_energy_confidence").fill_null(0.0) < parameters.confidence_floor
    broken = {
        "STORM": c("amplification_regime").cast(pl.String).eq_missing("storm"),
        "LIQ_CRISIS": c("liq_regime").cast(pl.String).eq_missing("Crisis"),
        "STALE_MODEL": c("model_state").cast(pl.String).eq_missing("stale"),
        "THIN_DATA": is_thin if parameters.requires_elasticity else pl.lit(False),
    }
    amplified = pl.when(c("amplification") > 1.0).then(1.0 / c("amplification")).otherwise(1.0)
    unstable = c("is_unstable").fill_null(True)
    degraded = c("model_state").cast(pl.String).eq_missing("degraded")
    said = pl.concat_str(
        *(pl.when(flag).then(pl.lit(code)) for code, flag in broken.items()),
        pl.when(c("amplification") > 1.0).then(pl.format("AMPLIFIES={}", c("amplification").round(4))),
        pl.when(unstable).then(pl.lit("UNSTABLE")),
        pl.when(degraded).then(pl.lit("DEGRADED_MODEL")),
        separator=",",
        ignore_nulls=True,
    )
    return _frame(
        state.select(
            "session",
            "symbol",
            policy=pl.lit("risk"),
            policy_veto=pl.coalesce(*(pl.when(flag).then(pl.lit(code)) for code, flag in broken.items())),
            size_multiplier=amplified
            * pl.when(unstable).then(0.5).otherwise(1.0)
            * pl.when(degraded).then(0.5).otherwise(1.0),
            confidence=c("movement_energy_confidence").fill_null(0.0),
            reasons=pl.when(said != "").then(said),
        )
    )


def votes(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Return the votes of all policies in the order of session, symbol and policy."""
    return pl.concat(parts).sort("session", "symbol", "policy")


def magnitude(p_up: Floats) -> Floats:
    """Return the expected absolute move in units of ``sigma sqrt(h)``: mean of the folded normal (Leone et al. 1961).

    Examples
    --------
    >>> magnitude(np.array([0.5, 0.6, 0.4])).round(4).tolist()
    [0.7979, 0.8234, 0.8234]
    """
    from scipy.special import ndtr, ndtri

    moved = ndtri(p_up)
    return np.asarray(_PHI_0 * np.exp(-0.5 * moved**2) + moved * (1.0 - 2.0 * ndtr(-moved)))


def _frame(rows: pl.DataFrame) -> pl.DataFrame:
    whole = rows.with_columns(pl.lit(None).alias(name) for name in VOTE if name not in rows.columns)
    if "p_up" in rows.columns:
        whole = whole.with_columns(magnitude=pl.Series(magnitude(whole["p_up"].to_numpy())))
    floats = pl.col("p_up", "log_odds_se", "magnitude").cast(pl.Float64).fill_nan(None)
    return whole.with_columns(floats).select(list(VOTE)).cast(VOTE)  # type: ignore[arg-type]


def _matrix(rows: pl.DataFrame, names: Sequence[str]) -> Floats:
    return rows.select(pl.col(name).cast(pl.Float64).fill_null(math.nan) for name in names).to_numpy()


def _inside(column: str) -> pl.Expr:
    return pl.col(column).clip(_SURE, 1.0 - _SURE)


def _logit(probability: pl.Expr) -> pl.Expr:
    return probability.log() - (1.0 - probability).log()
