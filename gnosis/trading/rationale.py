"""The sentences that tell a person what an idea is, why, and what would prove it wrong."""

from __future__ import annotations

import polars as pl

from gnosis.trading.policies import DIRECTIONAL


def rationale() -> pl.Expr:
    """Return one sentence per idea from its own columns, every figure with its unit."""
    c = pl.col
    said = pl.format(
        "{} by {}: votes in log odds {} add up to {} (conviction {})",
        c("structure").str.replace_all("_", " "),
        _percent(c("target_weight").abs(), 2),
        pl.concat_str([_contribution(policy) for policy in DIRECTIONAL], separator=", ", ignore_nulls=True),
        _signed(c("z"), 3),
        c("conviction"),
    )
    odds = pl.format(
        "target before stop {} (80 % interval {} to {}, without a view {}) within {} sessions",
        _percent(c("p_event")),
        _percent(c("p_low")),
        _percent(c("p_high")),
        _percent(c("p_baseline")),
        c("horizon_bars"),
    )
    edge = pl.format(
        "edge {} bp with an error of {} bp after {} bp of costs",
        _signed(c("net_edge") * 1e4, 1),
        (c("net_edge_se") * 1e4).round(1),
        (c("cost_estimate") * 1e4).round(1),
    )
    size = pl.format(
        "size: Kelly {} x share {} x sureness {}, volatility allows {}, energy x {}, risk x {}{}",
        _percent(c("kelly_fraction")),
        c("kelly_share"),
        c("estimation_shrinkage").round(3),
        _percent(c("volatility_fraction")),
        c("energy_factor").round(3),
        c("size_multiplier").round(3),
        pl.when(c("binding_cap").is_not_null())
        .then(pl.format(", cut by the cap on {}", c("binding_cap").cast(pl.String)))
        .otherwise(pl.lit("")),
    )
    whole = pl.concat_str([said, odds, edge, size], separator="; ") + "."
    against = pl.format("Nothing held ({}).", c("reasons").str.replace_all(",", ", "))
    stated = pl.when(c("p_event").is_not_null()).then(pl.format("{} Stated all the same: {}; {}.", against, odds, edge))
    return pl.when(c("veto").is_null()).then(whole).otherwise(pl.coalesce(stated, against))


def wrong_if() -> pl.Expr:
    """Return what would prove an idea wrong; null without an event."""
    moved = [_signed((pl.col(name).exp() - 1.0) * 100.0, 2) for name in ("stop_log", "target_log")]
    return pl.format(
        "within {} sessions the price moves {} % from the next open before it moves {} %, or does neither",
        pl.col("horizon_bars"),
        *moved,
    )


def _contribution(policy: str) -> pl.Expr:
    value = pl.col(f"contribution_{policy}")
    return pl.when(value != 0.0).then(pl.format(policy + " {}", _signed(value, 3)))


def _percent(value: pl.Expr, digits: int = 1) -> pl.Expr:
    return pl.format("{} %", (value * 100.0).round(digits))


def _signed(value: pl.Expr, digits: int) -> pl.Expr:
    rounded = value.round(digits)
    return pl.concat_str([pl.when(rounded >= 0.0).then(pl.lit("+")).otherwise(pl.lit("")), rounded.cast(pl.String)])
