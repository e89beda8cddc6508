"""Registry of the regime labels: one enumeration per regime, shared by producers, consumers and encoders.

The stored code of a label is its position in the enumeration; :data:`FIRST_CODE` names the exception. Cuts are
percentiles of the symbol's own trailing 252 sessions unless the enumeration says otherwise.
"""

from __future__ import annotations

from enum import StrEnum


class OiConcentration(StrEnum):
    """Whether open interest sits on few strikes."""

    DIFFUSE = "diffuse"
    NORMAL = "normal"
    CONCENTRATED = "concentrated"


class SkewRegime(StrEnum):
    """Steepness of the 30-day 25-delta skew."""

    FLAT = "flat"
    NORMAL = "normal"
    STEEP = "steep"


class GammaRegime(StrEnum):
    """Size and sign of dealer gamma against its own history."""

    SHORT_GAMMA_SQUEEZE = "short_gamma_squeeze"
    LONG_GAMMA_COMPRESSION = "long_gamma_compression"
    LOW_GAMMA_EXPANSION = "low_gamma_expansion"
    NEUTRAL = "neutral"


class VannaRegime(StrEnum):
    """Size of dealer vanna against its own history, and the level of volatility."""

    HIGH_VANNA_HIGH_VOL = "high_vanna_high_vol"
    HIGH_VANNA_LOW_VOL = "high_vanna_low_vol"
    VANNA_FLOW = "vanna_flow"
    NEUTRAL = "neutral"


class CharmRegime(StrEnum):
    """Size of dealer charm against its own history, and how near the expiries are."""

    HIGH_CHARM_DECAY_ACCELERATION = "high_charm_decay_acceleration"
    CHARM_DECAY_DOMINANT = "charm_decay_dominant"
    NEUTRAL = "neutral"


class AmplificationRegime(StrEnum):
    """What dealer hedging does to a move; the cuts are economic, as amplification is free of scale.

    Examples
    --------
    >>> [label.value for label in AmplificationRegime]
    ['damping', 'neutral', 'amplifying', 'storm']
    """

    DAMPING = "damping"
    NEUTRAL = "neutral"
    AMPLIFYING = "amplifying"
    STORM = "storm"


class PotentialShape(StrEnum):
    """Shape of the work against the price within 5 %."""

    QUADRATIC = "quadratic"
    CUBIC = "cubic"
    DOUBLE_WELL = "double_well"
    QUARTIC = "quartic"


class JumpRiskRegime(StrEnum):
    """Jump risk by a score that is a sum of z-scores, so its cuts 1 and 2 are relative already."""

    CONTINUOUS_DIFFUSION = "continuous_diffusion"
    MODERATE_JUMP_RISK = "moderate_jump_risk"
    HIGH_JUMP_RISK = "high_jump_risk"


class PrimaryRegime(StrEnum):
    """Which hedging dominates."""

    JUMP_RISK_DOMINANT = "jump_risk_dominant"
    GAMMA_DOMINANT = "gamma_dominant"
    VANNA_DOMINANT = "vanna_dominant"
    CHARM_DOMINANT = "charm_dominant"
    NEUTRAL = "neutral"


class BookPressure(StrEnum):
    """Side on which the book is heavier."""

    SELL_PRESSURE = "sell_pressure"
    BALANCED = "balanced"
    BUY_PRESSURE = "buy_pressure"


class DepthRegime(StrEnum):
    """Displayed depth against average volume."""

    THIN = "thin"
    NORMAL = "normal"
    DEEP = "deep"


class CostRegime(StrEnum):
    """Cost of an order of 1 % of average volume."""

    CHEAP = "cheap"
    NORMAL = "normal"
    EXPENSIVE = "expensive"


class ImpactRegime(StrEnum):
    """Price impact per dollar."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


class SpreadRegime(StrEnum):
    """Bid-ask spread."""

    TIGHT = "tight"
    NORMAL = "normal"
    WIDE = "wide"


class ToxicityRegime(StrEnum):
    """Imbalance of volume buckets."""

    NORMAL = "normal"
    ELEVATED = "elevated"
    TOXIC = "toxic"


class ShortFlowRegime(StrEnum):
    """Five-session share of short sales in off-exchange volume."""

    DISTRIBUTION = "distribution"
    NEUTRAL = "neutral"
    ACCUMULATION = "accumulation"


class LiquidityRegime(StrEnum):
    """Liquidity score, one minus a mean of percentile ranks, cut at 0.8, 0.6, 0.4 and 0.2."""

    ABUNDANT = "Abundant"
    NORMAL = "Normal"
    THIN = "Thin"
    STRESSED = "Stressed"
    CRISIS = "Crisis"


class WyckoffPhase(StrEnum):
    """Phase of a trading range, a description of price and volume without a claim of predictive value."""

    A = "A"
    B = "B"
    C = "C"
    D = "D"
    E = "E"
    UNKNOWN = "unknown"


class NewsTone(StrEnum):
    """Level of the news against its own history."""

    VERY_NEGATIVE = "very_negative"
    NEGATIVE = "negative"
    NEUTRAL = "neutral"
    POSITIVE = "positive"
    VERY_POSITIVE = "very_positive"


class Attention(StrEnum):
    """Number of posts of one source against its own history."""

    QUIET = "quiet"
    NORMAL = "normal"
    ELEVATED = "elevated"
    VIRAL = "viral"


class EarningsTone(StrEnum):
    """Tone of an earnings call against the company's earlier ones, cut at one standard deviation."""

    DETERIORATING = "deteriorating"
    STABLE = "stable"
    IMPROVING = "improving"


class Positioning(StrEnum):
    """What option buyers lean to."""

    FEARFUL = "fearful"
    NEUTRAL = "neutral"
    GREEDY = "greedy"


class FlowRegime(StrEnum):
    """Lean of trading flow."""

    BULLISH_FLOW = "bullish_flow"
    BEARISH_FLOW = "bearish_flow"
    BALANCED_FLOW = "balanced_flow"


class MultiPeriodRegime(StrEnum):
    """Agreement of returns over 10, 20 and 50 sessions."""

    BULLISH_CONSENSUS = "bullish_consensus"
    BEARISH_CONSENSUS = "bearish_consensus"
    MIXED = "mixed"
    UNKNOWN = "unknown"


class VolatilityRegime(StrEnum):
    """State of the price bands."""

    SQUEEZE = "squeeze"
    EXPANSION = "expansion"
    COMPRESSION = "compression"
    NORMAL = "normal"


class RiskRegime(StrEnum):
    """State of the broad market by its return and the ratio of its volatilities."""

    RISK_ON = "risk_on"
    NEUTRAL = "neutral"
    RISK_OFF = "risk_off"


class SentimentBias(StrEnum):
    """Sign of the fused sentiment beyond 0.15."""

    BEARISH = "bearish"
    NEUTRAL = "neutral"
    BULLISH = "bullish"


class SentimentRegime(StrEnum):
    """Fused sentiment against its own history."""

    EXTREME_BEARISH = "extreme_bearish"
    BEARISH = "bearish"
    NEUTRAL = "neutral"
    BULLISH = "bullish"
    EXTREME_BULLISH = "extreme_bullish"


DAMPING_BELOW = 0.98
NEUTRAL_UP_TO = 1.02
AMPLIFYING_UP_TO = 1.2

REGIMES: dict[str, type[StrEnum]] = {
    "oi_concentration": OiConcentration,
    "skew_regime": SkewRegime,
    "hedge_gamma_regime": GammaRegime,
    "hedge_vanna_regime": VannaRegime,
    "hedge_charm_regime": CharmRegime,
    "amplification_regime": AmplificationRegime,
    "hedge_potential_shape": PotentialShape,
    "hedge_jump_risk_regime": JumpRiskRegime,
    "hedge_primary_regime": PrimaryRegime,
    "book_pressure": BookPressure,
    "depth_regime": DepthRegime,
    "cost_regime": CostRegime,
    "impact_regime": ImpactRegime,
    "spread_regime": SpreadRegime,
    "toxicity_regime": ToxicityRegime,
    "short_flow_regime": ShortFlowRegime,
    "liq_wyckoff_phase": WyckoffPhase,
    "liq_regime": LiquidityRegime,
    "news_tone": NewsTone,
    "x_attention": Attention,
    "reddit_attention": Attention,
    "stocktwits_attention": Attention,
    "earnings_tone": EarningsTone,
    "positioning": Positioning,
    "sent_flow_regime": FlowRegime,
    "sent_wyckoff_phase": WyckoffPhase,
    "sent_multi_period_regime": MultiPeriodRegime,
    "sent_volatility_regime": VolatilityRegime,
    "sent_risk_regime": RiskRegime,
    "sent_bias": SentimentBias,
    "sentiment_regime": SentimentRegime,
}
"""The enumeration behind every regime column of the engines room, by the name of the column."""

FIRST_CODE = {"sent_bias": -1}
"""Code of the first label where it is not 0."""


def labels(column: str) -> list[str]:
    """Return the labels of a regime column in the order of their codes.

    Examples
    --------
    >>> labels("depth_regime")
    ['thin', 'normal', 'deep']
    """
    return [label.value for label in REGIMES[column]]


def codes(column: str) -> dict[str, int]:
    """Return the stored code of every label of a regime column.

    Examples
    --------
    >>> codes("sent_bias")
    {'bearish': -1, 'neutral': 0, 'bullish': 1}
    """
    first = FIRST_CODE.get(column, 0)
    return {label: first + position for position, label in enumerate(labels(column))}
