"""Table of the sentiment engine: one row per symbol and session; one mixin per processor."""

from __future__ import annotations

import dataframely as dy

from gnosis.tables.dictionary import Origin, SymbolSession, count, flag, instant, label, number, regime, text


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
    sent_wsb_score = number(
        "ratio",
        "engagement-weighted mean score of wallstreetbets posts of 24 hours, shrunk by 5",
        min=-1,
        max=1,
    )
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
    sent_retail_score = number("ratio", "(bull - bear)/(bull + bear + 5) of tagged posts of 24 hours", min=-1, max=1)
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

    sent_bid_ask_imbalance = number(
        "ratio",
        "mean imbalance at the best level over the last 30 minutes, or mean CLV of 10 bars",
        min=-1,
        max=1,
    )
    sent_aggressive_buy_ratio = number(
        "ratio",
        "share of volume in bars with buy probability above 0.6, last 30 minutes or 10 daily bars",
        min=0,
        max=1,
    )
    sent_aggressive_sell_ratio = number(
        "ratio",
        "share of volume in bars with buy probability below 0.4, same bars",
        min=0,
        max=1,
    )
    sent_net_aggressor_pressure = number(
        "ratio",
        "signed over total volume of the last 30 minutes, or of 10 daily bars",
        min=-1,
        max=1,
    )
    sent_dix = number(
        "ratio",
        "dark index of the last published session; without the file, dollar-weighted short share of the index members",
        min=0,
        max=1,
    )
    sent_gex = number("ratio", "vendor gamma over its trailing standard deviation; positive means dealers long gamma")
    sent_composite_flow_bias = number(
        "ratio",
        "0.7 sent_net_aggressor_pressure + 0.3 tanh(z-score of sent_dix among values of its source / 2)",
        min=-1,
        max=1,
    )
    sent_flow_regime = regime(
        "sent_flow_regime",
        "sent_composite_flow_bias against its trailing 20th and 80th percentiles",
    )
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
    sent_wyckoff_phase = regime(
        "sent_wyckoff_phase",
        "phase rule on 50 sessions with the edges of highest high and lowest low",
    )
    sent_multi_period_regime = regime(
        "sent_multi_period_regime",
        "votes of returns over 10, 20 and 50 sessions beyond one standard deviation",
    )
    sent_volatility_regime = regime("sent_volatility_regime", "squeeze, else Keltner expansion or compression")
    sent_demand_supply_ratio = number(
        "ratio",
        "volume of up bars over volume of down bars of 50 sessions, clipped to 2",
        min=0,
        max=2,
    )
    sent_spring_detected = flag(
        "lows broke the range by half an ATR on light volume and the close is back inside",
        nullable=True,
    )
    sent_utad_detected = flag(
        "highs broke the range by half an ATR on heavy volume and the close is back inside",
        nullable=True,
    )
    sent_operator_bias = number("ratio", "sum of demand, spring and phase terms, clipped", min=-1, max=1)
    sent_wyckoff_strength = number(
        "ratio",
        "persistence of the phase, imbalance of demand, spring or upthrust",
        min=0,
        max=1,
    )
    sent_rsi = number(
        "0 to 100",
        "Wilder RSI(14): 100*U/(U + D), U and D = Wilder means of up and down moves; 50 when both are 0",
        min=0,
        max=100,
    )
    sent_rsi_overbought = flag("sent_rsi > 70", nullable=True)
    sent_rsi_oversold = flag("sent_rsi < 30", nullable=True)
    sent_rsi_energy_decay_slope = number("points per session", "(RSI_t - RSI_{t-5})/5", min=-20, max=20)
    sent_rsi_divergence = count("slope of closes over 20 sessions against a change of RSI beyond 10", min=-1, max=1)
    sent_mfi = number(
        "0 to 100",
        "Money flow index(14): 100*P/(P + N), P and N = sums of typical price*volume on bars with rising"
        " and falling typical price; 50 when both are 0",
        min=0,
        max=100,
    )
    sent_mfi_buy_pressure = number(
        "ratio",
        "min(1, 2*positive money flow over 5 sessions / total money flow over 20 sessions)",
        min=0,
        max=1,
    )
    sent_mfi_sell_pressure = number(
        "ratio",
        "min(1, 2*negative money flow over 5 sessions / total money flow over 20 sessions)",
        min=0,
        max=1,
    )
    sent_stoch_k = number(
        "0 to 100",
        "100*(C - LL14)/(HH14 - LL14) including the current bar; null when HH14 = LL14",
        min=0,
        max=100,
    )
    sent_stoch_d = number("0 to 100", "Mean of sent_stoch_k over the current and the 2 previous bars", min=0, max=100)
    sent_stoch_impulse = flag("1 if K_t > D_t and K_{t-1} <= D_{t-1}", nullable=True)
    sent_stoch_reversion = flag("1 if K_t < D_t and K_{t-1} >= D_{t-1}", nullable=True)
    sent_oscillator_composite = number("ratio", "0.4*g(RSI) + 0.3*g(MFI) + 0.3*g(K), g(x) = (x - 50)/50", min=-1, max=1)
    sent_bb_percent_b = number(
        "ratio",
        "(C - lower)/(upper - lower), Bollinger(20, 2) with sample standard deviation; null when the "
        "band has zero width",
    )
    sent_bb_bandwidth = number("ratio", "(upper - lower)/middle of the Bollinger band (20, 2)", min=0)
    sent_bb_mean_reversion_pressure = number(
        "ratio",
        "With b = sent_bb_percent_b: clip((0.8 - b)/0.2, -1, 0) if b > 0.8; clip((0.2 - b)/0.2, 0, 1) if"
        " b < 0.2; else 0",
        min=-1,
        max=1,
    )
    sent_bb_squeeze_active = flag("1 if sent_bb_bandwidth < 0.7*its mean over the previous 120 sessions", nullable=True)
    sent_keltner_position = number("ratio", "(C - EMA20)/(2*ATR20)")
    sent_keltner_expansion = flag("1 if ATR20 > 1.2*its mean over the previous 60 sessions", nullable=True)
    sent_keltner_compression = flag("1 if ATR20 < 0.8*its mean over the previous 60 sessions", nullable=True)
    sent_keltner_force_boundary = number(
        "ratio",
        "min(2, | |sent_keltner_position| - 1 |): distance to the nearest channel edge in half widths",
        min=0,
        max=2,
    )
    sent_squeeze_detected = flag(
        "1 if Bollinger upper(20,2) < EMA20 + 1.5*ATR20 and Bollinger lower(20,2) > EMA20 - 1.5*ATR20",
        nullable=True,
    )
    sent_envelope_score = number(
        "ratio",
        "0.6*sent_bb_mean_reversion_pressure + 0.4*clip(sent_keltner_position, -1, 1)",
        min=-1,
        max=1,
    )
    sent_advance_decline_ratio = number(
        "ratio",
        "Advancers/(advancers + decliners) among the universe members of the session; null with fewer "
        "than 10 such members",
        min=0,
        max=1,
    )
    sent_pct_above_ma = number(
        "ratio",
        "Share of the universe with close > its 50-session mean; null with fewer than 10 members",
        min=0,
        max=1,
    )
    sent_breadth_thrust = flag(
        "1 if EMA10 of sent_advance_decline_ratio > 0.615 now and < 0.40 on at least one of the previous"
        " 10 sessions (Zweig)",
        nullable=True,
    )
    sent_breadth_divergence = count(
        "direction of the index over 20 sessions against the change of sent_pct_above_ma",
        min=-1,
        max=1,
    )
    sent_risk_regime = regime(
        "sent_risk_regime",
        "return of the index over 20 sessions and its short over long volatility",
    )
    sent_rotation_score = number(
        "ratio",
        "tanh of z-scores of the log ratio of cyclical to defensive sector funds",
        min=-1,
        max=1,
    )
    sent_momentum_energy = number("%", "100*sum of |r| over 14 sessions", min=0)
    sent_trend_coherence = number(
        "ratio",
        "|sum r| / sum |r| over 20 sessions (efficiency ratio); null when the denominator is 0",
        min=0,
        max=1,
    )
    sent_exhaustion_detected = flag(
        "1 if sent_momentum_energy > 1.2*its value 10 sessions ago and sent_trend_coherence < 0.8*its "
        "value 10 sessions ago",
        nullable=True,
    )
    sent_buildup_detected = flag(
        "1 if sent_momentum_energy < 0.8*its value 10 sessions ago and sent_trend_coherence > 1.2*its "
        "value 10 sessions ago",
        nullable=True,
    )
    sent_volume_trend_correlation = number(
        "ratio",
        "Pearson correlation of |r| and log volume over 14 sessions; null when either is constant",
        min=-1,
        max=1,
    )
    sent_energy_per_volume = number(
        "ratio",
        "sum |r| / sum (V / mean V of the previous 60 sessions) over 14 sessions",
        min=0,
    )
    sent_volume_confirmation = flag("1 if mean V(14) > 1.1*mean V(60)", nullable=True)
    sent_exhaustion_vs_continuation = number(
        "ratio",
        "0.4*(buildup - exhaustion) + 0.2*1[coherence > 0.7] - 0.2*1[coherence < 0.3] + "
        "0.2*(2*confirmation - 1) from sent_buildup_detected, sent_exhaustion_detected, "
        "sent_trend_coherence, sent_volume_confirmation",
        min=-0.8,
        max=0.8,
    )
    sent_metabolic_load = number(
        "ratio",
        "(sd of r over 14 sessions / sd over the 120 sessions before them) * (mean V over 14 / mean V "
        "over the 120 before)",
        min=0,
    )
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
    sent_bias = regime("sent_bias", "bearish up to -0.15, bullish from 0.15 of the fused reading")
    sent_strength = number("ratio", "absolute fused reading", min=0, max=1)
    sent_energy = number("ratio", "sent_metabolic_load x mean squared reading / 2", min=0)
    sent_confidence = number("ratio", "weighted sum of the confidences of the eight processors", min=0, max=1)
    sent_top_driver_contribution = number(
        "ratio",
        "signed share of the reading with the largest contribution",
        min=-1,
        max=1,
    )
    sent_social_volume = number("ratio", "z-score over 30 sessions of the log number of posts of 24 hours")
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
