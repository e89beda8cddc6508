"""The sentence that tells a person what an idea is and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from gnosis.trading.trailing import VOLATILITY_RETURNS

if TYPE_CHECKING:
    from gnosis.trading.parameters import IdeaParameters


def rationale(parameters: IdeaParameters) -> pl.Expr:
    """Return the sentence for a person, every figure with its unit."""

    def percent(value: pl.Expr) -> pl.Expr:
        return (value * 100).round(1).cast(pl.String)

    odds = pl.format(
        "P(up) {} % against P(down) {} % over {} sessions",
        percent(pl.col("p_up")),
        percent(pl.col("p_down")),
        pl.col("horizon_bars"),
    )
    energy = (
        pl.when(pl.col("energy_ratio").is_not_null())
        .then(
            pl.format(
                "movement energy {} against a median of {} over {} earlier sessions (size x {})",
                pl.col("hedge_movement_energy").round(4).cast(pl.String),
                pl.col("energy_median").round(4).cast(pl.String),
                pl.col("n_energies"),
                pl.col("energy_scale").round(2).cast(pl.String),
            )
        )
        .otherwise(pl.lit("movement energy or its history unknown, so it does not change the size"))
    )
    held = pl.format(
        "{} {} % of equity from the next open: {}; volatility {} % a year (size x {}); {}{}.",
        pl.when(pl.col("side") == "long").then(pl.lit("Long")).otherwise(pl.lit("Short")),
        (pl.col("target_weight").abs() * 100).round(2).cast(pl.String),
        odds,
        percent(pl.col("volatility_per_year")),
        pl.col("volatility_scale").round(2).cast(pl.String),
        energy,
        pl.when(pl.col("model_scale") < 1.0)
        .then(pl.format("; the model is degraded by drift (size x {})", pl.col("model_scale")))
        .otherwise(pl.lit("")),
    )
    floor = f"{parameters.confidence_floor:g}"
    reasons = {
        "no_prediction": pl.format(
            "Flat: there is no prediction ({}).", pl.col("abstain_reason").cast(pl.String).fill_null("no probabilities")
        ),
        "stale_model": pl.lit("Flat: the model in force is too old to be believed; train a newer one."),
        "no_volatility": pl.lit(
            f"Flat: no volatility from {VOLATILITY_RETURNS} daily returns known at the decision and not older than "
            f"{parameters.max_bar_age_days} days."
        ),
        "storm": pl.lit("Flat: dealer hedging feeds moves so strongly (regime storm) that odds do not hold."),
        "low_confidence": pl.format(
            "Flat: confidence in the elasticity row is {}, below the floor of " + floor + ".",
            pl.col("elasticity_confidence").round(3).cast(pl.String).fill_null("unknown"),
        ),
        "no_edge": pl.format(
            "Flat: {}, a difference of {} points, inside the threshold of "
            + f"{parameters.edge_threshold * 100:g} points.",
            odds,
            percent(pl.col("edge")),
        ),
    }
    sentence = held
    for veto, reason in reasons.items():
        sentence = pl.when(pl.col("veto") == veto).then(reason).otherwise(sentence)
    return sentence
