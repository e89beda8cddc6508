"""Table of the sentiment engine: one row per symbol and session; one mixin per processor."""

from __future__ import annotations

import dataframely as dy

from gnosis.tables.dictionary import Origin, SymbolSession, count, flag, instant, label, number, regime, text
from gnosis.tables.feature_columns import engine_column


class NewsFlow(dy.Schema):
    """What articles and filings say."""

    news_flow_v = number("ratio", "reading", min=-1, max=1)
    news_flow_n_documents = count("documents after de-duplication")
    news_flow_information_mass = number("documents", "sum of confidence x decay", min=0)
    news_flow_newest_known_at = instant("when the newest scored document was known, with its score", nullable=True)
    news_level = number("ratio", "shrunk mean score", min=-1, max=1)
    news_surprise_z = number("ratio", "z-score of news_level over 60 sessions")
    news_count_24h = count("items of 24 hours")
    news_dispersion = number("ratio", "weighted standard deviation of the scores", min=0, max=1)
    news_outlets_24h = count("outlets of 24 hours")
    news_tone = regime(
        "news_tone",
        "percentile rank of news_level: below 0.05, below 0.2, up to 0.8, up to 0.95, above",
    )
    news_flow_confidence = number("ratio", "quality of the data behind this processor", min=0, max=1, nullable=False)
    news_flow_is_proxy = flag("true when a named proxy stands in for the preferred input")
    news_flow_reasons = text("reason codes joined by ','; empty when there is nothing to say")


class XTwitter(dy.Schema):
    """What posts on X say."""

    x_twitter_v = number("ratio", "reading", min=-1, max=1)
    x_twitter_n_documents = count("documents after de-duplication")
    x_twitter_information_mass = number("documents", "sum of confidence x decay", min=0)
    x_twitter_newest_known_at = instant("when the newest scored document was known, with its score", nullable=True)
    x_level = number("ratio", "shrunk mean score", min=-1, max=1)
    x_surprise_z = number("ratio", "z-score of x_level over 60 sessions")
    x_count_24h = count("posts of 24 hours")
    x_author_hhi = number("ratio", "concentration of weight over authors", min=0, max=1)
    x_attention = regime("x_attention", "percentile rank of the log count: below 0.2, up to 0.8, up to 0.97, above")
    x_twitter_confidence = number("ratio", "quality of the data behind this processor", min=0, max=1, nullable=False)
    x_twitter_is_proxy = flag("true when a named proxy stands in for the preferred input")
    x_twitter_reasons = text("reason codes joined by ','; empty when there is nothing to say")


class Reddit(dy.Schema):
    """What posts on Reddit say."""

    reddit_v = number("ratio", "reading", min=-1, max=1)
    reddit_n_documents = count("documents after de-duplication")
    reddit_information_mass = number("documents", "sum of confidence x decay", min=0)
    reddit_newest_known_at = instant("when the newest scored document was known, with its score", nullable=True)
    sent_wsb_score = engine_column("sent_wsb_score")
    reddit_level = number("ratio", "shrunk mean score", min=-1, max=1)
    reddit_surprise_z = number("ratio", "z-score of reddit_level over 60 sessions")
    reddit_count_24h = count("posts of 24 hours")
    reddit_mention_share = number("ratio", "mentions of the symbol over all mentions collected", min=0, max=1)
    reddit_attention = regime(
        "reddit_attention",
        "percentile rank of the log count: below 0.2, up to 0.8, up to 0.97, above",
    )
    reddit_confidence = number("ratio", "quality of the data behind this processor", min=0, max=1, nullable=False)
    reddit_is_proxy = flag("true when a named proxy stands in for the preferred input")
    reddit_reasons = text("reason codes joined by ','; empty when there is nothing to say")


class StockTwits(dy.Schema):
    """What posts on StockTwits say, tagged or scored."""

    stocktwits_v = number("ratio", "reading", min=-1, max=1)
    stocktwits_n_documents = count("documents after de-duplication")
    stocktwits_information_mass = number("documents", "sum of confidence x decay", min=0)
    stocktwits_newest_known_at = instant("when the newest scored document was known, with its score", nullable=True)
    sent_retail_score = engine_column("sent_retail_score")
    stocktwits_level = number("ratio", "shrunk mean score", min=-1, max=1)
    stocktwits_bull = count("posts tagged bullish in 24 hours")
    stocktwits_bear = count("posts tagged bearish in 24 hours")
    stocktwits_untagged = count("untagged posts of 24 hours")
    message_velocity_per_h = number("posts per hour", "posts over collected hours", min=0)
    stocktwits_attention = regime(
        "stocktwits_attention",
        "percentile rank of the log count: below 0.2, up to 0.8, up to 0.97, above",
    )
    stocktwits_confidence = number("ratio", "quality of the data behind this processor", min=0, max=1, nullable=False)
    stocktwits_is_proxy = flag("true when a named proxy stands in for the preferred input")
    stocktwits_reasons = text("reason codes joined by ','; empty when there is nothing to say")


class EarningsTone(dy.Schema):
    """Tone of the last earnings call against earlier ones."""

    earnings_tone_v = number("ratio", "reading", min=-1, max=1)
    earnings_tone_n_documents = count("documents after de-duplication")
    earnings_tone_information_mass = number("documents", "sum of confidence x decay over the last call", min=0)
    earnings_tone_newest_known_at = instant("when the newest scored section was known, with its score", nullable=True)
    tone_prepared = number("ratio", "confidence-weighted mean score of the prepared remarks", min=-1, max=1)
    tone_qa = number("ratio", "the same of questions and answers", min=-1, max=1)
    tone_gap = number("ratio", "tone_qa - tone_prepared", min=-2, max=2)
    tone_surprise_z = number("ratio", "tone against the 2 to 4 calls before")
    earnings_tone = regime("earnings_tone", "tone_surprise_z up to -1, between, from 1")
    earnings_tone_confidence = number(
        "ratio",
        "quality of the data behind this processor",
        min=0,
        max=1,
        nullable=False,
    )
    earnings_tone_is_proxy = flag("true when a named proxy stands in for the preferred input")
    earnings_tone_reasons = text("reason codes joined by ','; empty when there is nothing to say")


class OptionsPositioning(dy.Schema):
    """What option buyers lean to."""

    options_positioning_v = number("ratio", "reading", min=-1, max=1)
    put_call_volume_ratio = number("ratio", "volume of puts over calls, up to 60 days", min=0)
    put_call_oi_ratio_60d = number("ratio", "open interest of puts over calls, up to 60 days", min=0)
    skew_25d_volpts = number("vol points", "volatility of the 25-delta put minus the call, expiry nearest 30 days")
    atm_iv_30d = number("1/sqrt(year)", "volatility at K = F, 30 days, of the elasticity engine", min=0)
    iv_rank = number("ratio", "percentile rank of atm_iv_30d", min=0, max=1)
    term_slope_volpts = number("vol points", "90-day minus 30-day volatility")
    call_volume_share_otm_short = number(
        "ratio",
        "share of volume in out-of-the-money calls up to 35 days",
        min=0,
        max=1,
    )
    positioning = regime("positioning", "percentile rank of the reading: below 0.1, between, above 0.9")
    options_positioning_confidence = number(
        "ratio",
        "quality of the data behind this processor",
        min=0,
        max=1,
        nullable=False,
    )
    options_positioning_is_proxy = flag("true when a named proxy stands in for the preferred input")
    options_positioning_reasons = text("reason codes joined by ','; empty when there is nothing to say")


class FlowAndDarkPool(dy.Schema):
    """Which side trades aggressively, on and off exchange."""

    sent_bid_ask_imbalance = engine_column("sent_bid_ask_imbalance")
    sent_aggressive_buy_ratio = engine_column("sent_aggressive_buy_ratio")
    sent_aggressive_sell_ratio = engine_column("sent_aggressive_sell_ratio")
    sent_net_aggressor_pressure = engine_column("sent_net_aggressor_pressure")
    sent_dix = engine_column("sent_dix")
    sent_gex = engine_column("sent_gex")
    sent_composite_flow_bias = engine_column("sent_composite_flow_bias")
    sent_flow_regime = engine_column("sent_flow_regime")
    dix_source = label(["dix", "short_volume"], "where sent_dix comes from")
    gex_source = label(["dix", "index_chain"], "where sent_gex comes from")
    flow_and_dark_pool_confidence = number(
        "ratio",
        "quality of the data behind this processor",
        min=0,
        max=1,
        nullable=False,
    )
    flow_and_dark_pool_is_proxy = flag("true when a named proxy stands in for the preferred input")
    flow_and_dark_pool_reasons = text("reason codes joined by ','; empty when there is nothing to say")


class TechnicalRegime(dy.Schema):
    """Price, volume and breadth."""

    trend_score = number(
        "ratio",
        "mean of oscillators, votes, operator bias, Keltner position and breadth; at least 3",
        min=-1,
        max=1,
    )
    reversion_score = number("ratio", "sent_bb_mean_reversion_pressure", min=-1, max=1)
    technical_regime_v = number("ratio", "reading: trend x its weight + reversion x its weight", min=-1, max=1)
    sent_wyckoff_phase = engine_column("sent_wyckoff_phase")
    sent_multi_period_regime = engine_column("sent_multi_period_regime")
    sent_volatility_regime = engine_column("sent_volatility_regime")
    sent_demand_supply_ratio = engine_column("sent_demand_supply_ratio")
    sent_spring_detected = engine_column("sent_spring_detected")
    sent_utad_detected = engine_column("sent_utad_detected")
    sent_operator_bias = engine_column("sent_operator_bias")
    sent_wyckoff_strength = engine_column("sent_wyckoff_strength")
    sent_rsi = engine_column("sent_rsi")
    sent_rsi_overbought = engine_column("sent_rsi_overbought")
    sent_rsi_oversold = engine_column("sent_rsi_oversold")
    sent_rsi_energy_decay_slope = engine_column("sent_rsi_energy_decay_slope")
    sent_rsi_divergence = engine_column("sent_rsi_divergence")
    sent_mfi = engine_column("sent_mfi")
    sent_mfi_buy_pressure = engine_column("sent_mfi_buy_pressure")
    sent_mfi_sell_pressure = engine_column("sent_mfi_sell_pressure")
    sent_stoch_k = engine_column("sent_stoch_k")
    sent_stoch_d = engine_column("sent_stoch_d")
    sent_stoch_impulse = engine_column("sent_stoch_impulse")
    sent_stoch_reversion = engine_column("sent_stoch_reversion")
    sent_oscillator_composite = engine_column("sent_oscillator_composite")
    sent_bb_percent_b = engine_column("sent_bb_percent_b")
    sent_bb_bandwidth = engine_column("sent_bb_bandwidth")
    sent_bb_mean_reversion_pressure = engine_column("sent_bb_mean_reversion_pressure")
    sent_bb_squeeze_active = engine_column("sent_bb_squeeze_active")
    sent_keltner_position = engine_column("sent_keltner_position")
    sent_keltner_expansion = engine_column("sent_keltner_expansion")
    sent_keltner_compression = engine_column("sent_keltner_compression")
    sent_keltner_force_boundary = engine_column("sent_keltner_force_boundary")
    sent_squeeze_detected = engine_column("sent_squeeze_detected")
    sent_envelope_score = engine_column("sent_envelope_score")
    sent_advance_decline_ratio = engine_column("sent_advance_decline_ratio")
    sent_pct_above_ma = engine_column("sent_pct_above_ma")
    sent_breadth_thrust = engine_column("sent_breadth_thrust")
    sent_breadth_divergence = engine_column("sent_breadth_divergence")
    sent_risk_regime = engine_column("sent_risk_regime")
    sent_rotation_score = engine_column("sent_rotation_score")
    sent_momentum_energy = engine_column("sent_momentum_energy")
    sent_trend_coherence = engine_column("sent_trend_coherence")
    sent_exhaustion_detected = engine_column("sent_exhaustion_detected")
    sent_buildup_detected = engine_column("sent_buildup_detected")
    sent_volume_trend_correlation = engine_column("sent_volume_trend_correlation")
    sent_energy_per_volume = engine_column("sent_energy_per_volume")
    sent_volume_confirmation = engine_column("sent_volume_confirmation")
    sent_exhaustion_vs_continuation = engine_column("sent_exhaustion_vs_continuation")
    sent_metabolic_load = engine_column("sent_metabolic_load")
    technical_regime_confidence = number(
        "ratio",
        "quality of the data behind this processor",
        min=0,
        max=1,
        nullable=False,
    )
    technical_regime_is_proxy = flag("true when a named proxy stands in for the preferred input")
    technical_regime_reasons = text("reason codes joined by ','; empty when there is nothing to say")


class EnginesSentiment(
    NewsFlow,
    XTwitter,
    Reddit,
    StockTwits,
    EarningsTone,
    OptionsPositioning,
    FlowAndDarkPool,
    TechnicalRegime,
    SymbolSession,
    Origin,
):
    """What is said and positioned about the symbol, how strongly and how surely."""

    as_of = instant("knowledge cut-off of the row")
    fused = number("ratio", "mean reading weighted by weight x confidence", min=-1, max=1)
    sent_bias = engine_column("sent_bias")
    sent_strength = engine_column("sent_strength")
    sent_energy = engine_column("sent_energy")
    sent_confidence = engine_column("sent_confidence")
    sent_top_driver_contribution = engine_column("sent_top_driver_contribution")
    sent_social_volume = engine_column("sent_social_volume")
    agreement = number("ratio", "1 when all readings share a sign", min=0, max=1)
    dispersion = number("ratio", "weighted standard deviation of the readings", min=0, max=1)
    momentum = number("ratio", "fused minus its mean over the 5 sessions before", min=-2, max=2)
    sentiment_regime = regime("sentiment_regime", "percentile rank of fused: below 0.05, 0.35, up to 0.65, 0.95, above")
    contrarian_effect = number("ratio", "estimated effect of extreme readings; null until estimated")
    contrarian_effect_se = number("ratio", "its standard error", min=0)
    sent_gamma_shift_usd_per_unit = number("$ per unit log move", "shift of dealer gamma by sentiment: -kappa s G_c")
    sent_amplification = number("ratio", "D/(D + G - kappa s G_c)", min_exclusive=0)
    sent_price_impulse = number("1/$", "kappa G_c/(D + G - kappa s G_c)^2")
    parameters = text("settings of the engine as JSON, the weights of the readings among them")
    reasons = text("reason codes joined by ','; empty when there is nothing to say")


SENTIMENT_PROCESSORS: dict[str, type[dy.Schema]] = {
    "news_flow": NewsFlow,
    "x_twitter": XTwitter,
    "reddit": Reddit,
    "stocktwits": StockTwits,
    "earnings_tone": EarningsTone,
    "options_positioning": OptionsPositioning,
    "flow_and_dark_pool": FlowAndDarkPool,
    "technical_regime": TechnicalRegime,
}
