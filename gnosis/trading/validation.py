"""Validation of candidates: typed findings with the limit and the value, of which any error keeps an idea back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import polars as pl

Severity: TypeAlias = Literal["error", "warning"]

Z_80 = 1.2815515655446004
"""One-sided 90 % quantile of the normal law: the lower end of an interval of 80 %."""


@dataclass(frozen=True, slots=True)
class ValidationLimits:
    """Limits of one run; they are stored with it.

    Attributes
    ----------
    schema_version
        Of this document.
    quote_age_minutes, chain_age_minutes, model_age_sessions
        Oldest quote, chain and model at the decision.
    vix
        Highest level of the VIX, in points, for what is not long volatility.
    days_before_event
        Calendar days between the planned exit and the next scheduled earnings.
    open_ideas, legs
        Most open ideas with this one, and most legs of one idea.
    confidence
        Least combined confidence without a warning.
    sign_low, sign_high
        Probabilities of the dealer sign between which it counts as undetermined.
    disagreement_rank, sentiment_rank
        Trailing ranks, 0 to 1, beyond which policies conflict and sentiment is crowded.
    cost_share
        Largest share of the gross edge that the spread, and that the impact may cost.
    """

    schema_version: int = 1
    quote_age_minutes: float = 15.0
    chain_age_minutes: float = 60.0
    model_age_sessions: int = 10
    vix: float = 50.0
    days_before_event: int = 7
    open_ideas: int = 5
    legs: int = 10
    confidence: float = 0.5
    sign_low: float = 0.1
    sign_high: float = 0.9
    disagreement_rank: float = 0.9
    sentiment_rank: float = 0.95
    cost_share: float = 0.5

    def __post_init__(self) -> None:
        if not self.sign_low < self.sign_high:
            raise ValueError(f"expected sign_low below sign_high, found {self.sign_low} and {self.sign_high}")


CANDIDATE = {
    "candidate_id": pl.String,
    "policy_veto": pl.String,
    "is_killed": pl.Boolean,
    "net_edge": pl.Float64,
    "net_edge_se": pl.Float64,
    "gross_edge": pl.Float64,
    "spread_cost": pl.Float64,
    "impact_cost": pl.Float64,
    "is_new": pl.Boolean,
    "units": pl.Int64,
    "breached_cap": pl.String,
    "quote_age_minutes": pl.Float64,
    "chain_age_minutes": pl.Float64,
    "model_age_sessions": pl.Int64,
    "is_quoted": pl.Boolean,
    "is_unstable": pl.Boolean,
    "stiffness_low": pl.Float64,
    "stiffness_high": pl.Float64,
    "is_short_gamma": pl.Boolean,
    "liq_regime": pl.String,
    "risk": pl.String,
    "is_permitted": pl.Boolean,
    "vix": pl.Float64,
    "is_long_volatility": pl.Boolean,
    "is_event_driven": pl.Boolean,
    "days_exit_to_event": pl.Int64,
    "open_ideas": pl.Int64,
    "legs": pl.Int64,
    "needs_borrow": pl.Boolean,
    "borrow_rate_per_year": pl.Float64,
    "opens_short_options": pl.Boolean,
    "is_pin_window": pl.Boolean,
    "confidence": pl.Float64,
    "disagreement_rank": pl.Float64,
    "drift_state": pl.String,
    "p_dealers_long_gamma": pl.Float64,
    "sentiment_rank": pl.Float64,
}
"""Columns of a candidate. Null means unknown, except where the candidate has no such thing: ``policy_veto``,
``breached_cap``, ``chain_age_minutes`` and ``is_quoted`` without options, ``model_age_sessions`` and ``drift_state``
without a model, ``days_exit_to_event`` without a scheduled event."""


@dataclass(frozen=True, slots=True)
class _Rule:
    code: str
    severity: Severity
    is_broken: pl.Expr
    value: pl.Expr
    limit: str
    message: str


def rules(limits: ValidationLimits) -> tuple[_Rule, ...]:
    """Return every rule with its limit, errors first; codes are unique.

    Examples
    --------
    >>> [rule.code for rule in rules(ValidationLimits())][:3]
    ['RISK_VETO', 'KILL_SWITCH', 'NO_EDGE']
    """
    c = pl.col
    low_edge = c("net_edge") - Z_80 * c("net_edge_se")
    # Where the sign is known, both ends of the band of stiffness lie on the same side of zero.
    reaches_zero = c("stiffness_low") * c("stiffness_high") <= 0.0
    bearable = limits.cost_share * c("gross_edge")

    def error(code: str, is_broken: pl.Expr, value: pl.Expr, limit: str, message: str) -> _Rule:
        return _Rule(code, "error", is_broken, value, limit, message)

    def warning(code: str, is_broken: pl.Expr, value: pl.Expr, limit: str, message: str) -> _Rule:
        return _Rule(code, "warning", is_broken, value, limit, message)

    return (
        error("RISK_VETO", c("policy_veto").is_not_null(), c("policy_veto"), "none", "a policy vetoes"),
        error("KILL_SWITCH", ~_is(~c("is_killed")), c("is_killed"), "off", "the kill switch is on or cannot be read"),
        error(
            "NO_EDGE",
            ~(_is(c("net_edge") > 0.0) & (_is(~c("is_new")) | _is(low_edge > 0.0))),
            low_edge,
            "0",
            "the edge after costs, or the lower end of its 80 % interval for a new position, is not above zero",
        ),
        error("ZERO_SIZE", ~_is(c("units") != 0), c("units"), "1", "no unit is left after the caps"),
        error("CAP_BREACH", c("breached_cap").is_not_null(), c("breached_cap"), "none", "a cap is exceeded"),
        error(
            "STALE_QUOTE",
            ~_is(c("quote_age_minutes") <= limits.quote_age_minutes),
            c("quote_age_minutes"),
            f"{limits.quote_age_minutes:g} minutes",
            "the quote is older than the limit, or its age is unknown",
        ),
        error(
            "STALE_CHAIN",
            _is(c("chain_age_minutes") > limits.chain_age_minutes),
            c("chain_age_minutes"),
            f"{limits.chain_age_minutes:g} minutes",
            "the option chain is older than the limit",
        ),
        error(
            "STALE_MODEL",
            _is(c("model_age_sessions") > limits.model_age_sessions) | _is(c("drift_state") == "stale"),
            c("model_age_sessions"),
            f"{limits.model_age_sessions} sessions",
            "the model is older than the limit or stale by drift",
        ),
        error(
            "CROSSED_OR_EMPTY_QUOTE",
            _is(~c("is_quoted")),
            c("is_quoted"),
            "two-sided",
            "a leg has no valid two-sided quote",
        ),
        error(
            "UNSTABLE_SHORT_GAMMA",
            ~_is(~c("is_short_gamma")) & ~(_is(~c("is_unstable")) & _is(~reaches_zero)),
            c("stiffness_low"),
            "stiffness away from 0",
            "short gamma while the market is unstable, or its stiffness may be zero or is unknown",
        ),
        error(
            "LIQ_CRISIS",
            ~_is(c("liq_regime") != "Crisis") | (_is(c("liq_regime") == "Stressed") & ~_is(c("risk") == "defined")),
            c("liq_regime"),
            "Stressed",
            "liquidity is in crisis, stressed for what has no defined risk, or unknown",
        ),
        error(
            "VOL_CEILING",
            ~_is(c("is_long_volatility")) & ~_is(c("vix") <= limits.vix),
            c("vix"),
            f"{limits.vix:g} points",
            "the VIX is above the limit, or unknown, and the position is not long volatility",
        ),
        error(
            "EVENT_WINDOW",
            _is(c("days_exit_to_event") < limits.days_before_event) & ~_is(c("is_event_driven")),
            c("days_exit_to_event"),
            f"{limits.days_before_event} days",
            "the planned exit is too near the next scheduled earnings",
        ),
        error(
            "UNDEFINED_RISK",
            ~(_is(c("risk") != "unlimited") | _is(c("is_permitted"))),
            c("risk"),
            "large",
            "the loss is unlimited and no policy permits it",
        ),
        error(
            "TOO_MANY",
            ~(_is(c("open_ideas") <= limits.open_ideas) & _is(c("legs") <= limits.legs)),
            c("open_ideas"),
            f"{limits.open_ideas} ideas, {limits.legs} legs",
            "too many open ideas or legs",
        ),
        error(
            "BORROW",
            ~_is(~c("needs_borrow")) & c("borrow_rate_per_year").is_null(),
            c("borrow_rate_per_year"),
            "a borrow rate",
            "a short sale without a rate to borrow at",
        ),
        error(
            "PIN_WINDOW",
            ~_is(~c("opens_short_options")) & ~_is(~c("is_pin_window")),
            c("is_pin_window"),
            "outside",
            "short options would be opened inside the pin window",
        ),
        warning(
            "LOW_CONFIDENCE",
            ~_is(c("confidence") >= limits.confidence),
            c("confidence"),
            f"{limits.confidence:g}",
            "the data behind the votes are thin",
        ),
        warning(
            "POLICY_CONFLICT",
            _is(c("disagreement_rank") > limits.disagreement_rank),
            c("disagreement_rank"),
            f"{limits.disagreement_rank:g}",
            "the policies disagree more than they usually do",
        ),
        warning(
            "DRIFT_WATCH", _is(c("drift_state") == "watch"), c("drift_state"), "none", "the model's inputs are drifting"
        ),
        warning(
            "SIGN_UNDETERMINED",
            ~_is(~c("p_dealers_long_gamma").is_between(limits.sign_low, limits.sign_high)),
            c("p_dealers_long_gamma"),
            f"{limits.sign_low:g} to {limits.sign_high:g}",
            "whether dealers are long gamma is not determined",
        ),
        warning(
            "WIDE_SPREAD",
            ~_is(c("spread_cost") <= bearable),
            c("spread_cost"),
            f"{limits.cost_share:g} of the gross edge",
            "the spread takes most of the gross edge",
        ),
        warning(
            "HIGH_IMPACT",
            ~_is(c("impact_cost") <= bearable),
            c("impact_cost"),
            f"{limits.cost_share:g} of the gross edge",
            "the impact takes most of the gross edge",
        ),
        warning(
            "CROWDED_SENTIMENT",
            _is(c("sentiment_rank") > limits.sentiment_rank),
            c("sentiment_rank"),
            f"{limits.sentiment_rank:g}",
            "sentiment is extreme among its own past",
        ),
    )


def findings(candidates: pl.DataFrame, limits: ValidationLimits) -> pl.DataFrame:
    """Return every broken rule of every candidate; a rule whose input is unknown counts as broken.

    Parameters
    ----------
    candidates
        Rows with the columns of :data:`CANDIDATE`.
    limits
        Limits of the run.

    Returns
    -------
    polars.DataFrame
        ``candidate_id``, ``code``, ``severity``, ``limit``, ``value`` (as text, null when unknown) and ``message``, in
        the order of the candidates and of the rules.

    Raises
    ------
    ValueError
        For missing columns or candidates that share an identifier.

    Examples
    --------
    >>> found = findings(pl.DataFrame(schema=CANDIDATE), ValidationLimits())
    >>> found.columns
    ['candidate_id', 'code', 'severity', 'limit', 'value', 'message']
    """
    if missing := [name for name in CANDIDATE if name not in candidates.columns]:
        raise ValueError(f"expected the columns of a candidate, missing {missing}")
    if candidates["candidate_id"].is_duplicated().any():
        raise ValueError("expected one row per candidate_id, found several that share one")
    ordered = candidates.select(list(CANDIDATE)).with_row_index("row")
    parts = [
        ordered.filter(rule.is_broken).select(
            "row",
            "candidate_id",
            number=pl.lit(number),
            code=pl.lit(rule.code),
            severity=pl.lit(rule.severity),
            limit=pl.lit(rule.limit),
            value=rule.value.cast(pl.String),
            message=pl.lit(rule.message),
        )
        for number, rule in enumerate(rules(limits))
    ]
    return pl.concat(parts).sort("row", "number").drop("row", "number")


def _is(condition: pl.Expr) -> pl.Expr:
    """Return the condition, False where it is unknown."""
    return condition.fill_null(False)
