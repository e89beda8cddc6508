"""Rows of the trades room from sized candidates: ideas, simulations and legs."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import polars as pl

from gnosis.tables import TABLES
from gnosis.tables.trades import VETOES
from gnosis.trading.policies import DIRECTIONAL
from gnosis.trading.rationale import rationale, wrong_if

if TYPE_CHECKING:
    from gnosis.trading.parameters import IdeaParameters

BEFORE = pl.Enum(["NO_VOTE", "NO_VOLATILITY", "NO_COST", "NO_VOLUME"])
"""Why a symbol has no candidate, the first that applies."""
_POLICY = ("STORM", "LIQ_CRISIS", "STALE_MODEL", "THIN_DATA")


def idea_rows(
    decided: pl.DataFrame, book: pl.DataFrame, findings: pl.DataFrame, parameters: IdeaParameters
) -> pl.DataFrame:
    """Return one row of ``trades.ideas`` per symbol and session, with what keeps it back when something does.

    Parameters
    ----------
    decided
        Every symbol and session with its state; ``before`` tells why it has no candidate.
    book
        The candidates with their sizes.
    findings
        Rows of :func:`gnosis.trading.validation.findings`.
    parameters
        Settings of the run.
    """
    c = pl.col
    codes = findings.group_by("candidate_id", maintain_order=True).agg(
        errors=c("code").filter(c("severity") == "error"), warned=c("code").filter(c("severity") == "warning")
    )
    made = [name for name in book.columns if name not in decided.columns]
    rows = decided.join(book.select("row", *made), on="row", how="left", maintain_order="left").join(
        codes, left_on="idea_id", right_on="candidate_id", how="left", maintain_order="left"
    )
    policy = c("risk_reasons").str.split(",").list.set_intersection(pl.lit(list(_POLICY), pl.List(pl.String)))
    told = pl.concat_list(
        pl.concat_list(c("before").cast(pl.String)),
        policy.fill_null([]),
        pl.concat_list("family_veto"),
        c("errors").fill_null([]),
    )
    rows = rows.with_columns(all_reasons=told.list.drop_nulls().list.unique(maintain_order=True))
    has_edge = (c("net_edge") > 0.0).fill_null(False)
    is_held = c("all_reasons").list.len() == 0
    sign = pl.when(is_held).then(c("side")).otherwise(0)
    rows = rows.with_columns(
        instrument=pl.lit("shares"),
        veto=c("all_reasons").list.first().cast(pl.Enum(VETOES)),
        reasons=pl.when(~is_held).then(c("all_reasons").list.join(",")),
        warnings=pl.when(c("warned").list.len() > 0).then(c("warned").list.join(",")),
        status=pl.when(is_held).then(pl.lit("sized")).otherwise(pl.lit("rejected")),
        action=pl.when(c("policy_veto").is_not_null())
        .then(pl.lit("AVOID"))
        .when(~has_edge)
        .then(pl.lit("NEUTRAL"))
        .when(c("side") > 0)
        .then(pl.lit("LONG"))
        .otherwise(pl.lit("SHORT")),
        target_weight=(sign * c("size_after_lot")).fill_null(0.0),
        quantity=(sign.cast(pl.Int64) * c("units")).fill_null(0),
        target_usd=pl.lit(None, pl.Float64),
        stop_usd=pl.lit(None, pl.Float64),
        conviction=c("conviction").fill_null("unknown"),
        regime=c("amplification_regime").cast(pl.String),
        policies=_voting(),
        parameters_sha256=pl.lit(parameters.sha256),
        is_research_only=~(c("is_promoted") & c("has_model_vote")).fill_null(False),
        known_at=pl.max_horizontal("known_at", "bar_known_at").fill_null(c("as_of")),
        provider=_both("provider", "bar_provider"),
        synthetic=c("synthetic") | c("bar_synthetic").fill_null(False),
    ).with_columns(
        side=pl.when(c("target_weight") > 0.0)
        .then(pl.lit("long"))
        .when(c("target_weight") < 0.0)
        .then(pl.lit("short"))
        .otherwise(pl.lit("flat"))
    )
    schema = TABLES["trades.ideas"].polars_schema
    missing = [pl.lit(None).alias(name) for name in schema if name not in rows.columns]
    whole = rows.with_columns(missing).with_columns(rationale=rationale(), thesis_wrong_if=wrong_if())
    return whole.select(list(schema)).cast(schema).sort(TABLES["trades.ideas"].key)


def simulation_rows(book: pl.DataFrame, ideas: pl.DataFrame, parameters: IdeaParameters) -> pl.DataFrame:
    """Return one row of ``trades.simulations`` per candidate; tail losses are those at the idea's quantity."""
    schema = TABLES["trades.simulations"].polars_schema
    origin = ideas.select("session", "symbol", "instrument", "known_at", "provider", "synthetic", "target_weight")
    rows = book.drop("known_at", "provider", "synthetic", strict=False).join(
        origin, on=["session", "symbol"], how="left", maintain_order="left"
    )
    notional = pl.col("target_weight").abs() * parameters.equity_usd
    whole = rows.with_columns(
        seed=pl.col("seed").cast(pl.String),
        var_95_usd=pl.col("var_95") * notional,
        cvar_95_usd=pl.col("cvar_95") * notional,
    )
    return whole.select(list(schema)).cast(schema).sort(TABLES["trades.simulations"].key)


def leg_rows(ideas: pl.DataFrame, bars: pl.DataFrame) -> pl.DataFrame:
    """Return the one leg of each idea in shares: the bar whose close it was decided at.

    Parameters
    ----------
    ideas
        Rows of ``trades.ideas``.
    bars
        ``session``, ``symbol``, ``close_usd``, ``bar_at`` as known at the decision.
    """
    table = TABLES["trades.legs"]
    schema = table.polars_schema
    own = ideas.filter(pl.col("structure").is_not_null(), pl.col("instrument") == "shares")
    rows = own.join(bars.select("session", "symbol", "close_usd", "bar_at"), on=["session", "symbol"], how="left")
    cited = rows.select(pl.struct("session", "symbol").struct.json_encode()).to_series()
    content = rows.select(pl.struct("session", "symbol", "close_usd", "bar_at").struct.json_encode()).to_series()
    legs = rows.with_columns(
        leg=pl.lit(1),
        right=pl.lit("S"),
        quantity=pl.when(pl.col("structure") == "shares_long").then(1).otherwise(-1),
        multiplier=pl.lit(1.0),
        price_usd="close_usd",
        delta=pl.when(pl.col("structure") == "shares_long").then(1.0).otherwise(-1.0),
        quote_row=cited,
        quote_sha256=pl.Series([hashlib.sha256(text.encode()).hexdigest() for text in content], dtype=pl.String),
    )
    missing = [pl.lit(None).alias(name) for name in schema if name not in legs.columns]
    return legs.with_columns(missing).select(list(schema)).cast(schema).sort(table.key)


def _voting() -> pl.Expr:
    named = [
        pl.when((pl.col(f"contribution_{policy}") != 0.0) & (pl.col(f"weight_{policy}") > 0.0)).then(pl.lit(policy))
        for policy in DIRECTIONAL
    ]
    said = pl.concat_str(named, separator="+", ignore_nulls=True)
    return pl.when(said != "").then(said)


def _both(*names: str) -> pl.Expr:
    listed = pl.concat_list(pl.col(name).str.split("+").fill_null([]) for name in names)
    return listed.list.unique().list.sort().list.join("+")
