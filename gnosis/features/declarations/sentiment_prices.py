"""Declarations of the sentiment features made from prices and volumes, in the order of the contract."""

from __future__ import annotations

from functools import partial

from gnosis.features.feature import Feature, bars, declare

_CLOSE = bars("close", "adjustment_factor")
_RANGE = bars("high", "low", "close", "adjustment_factor")
_VOLUME = bars("volume", "adjustment_factor")
_CLOSE_VOLUME = bars("close", "volume", "adjustment_factor")
_RANGE_VOLUME = bars("high", "low", "close", "volume", "adjustment_factor")
_INDEX = ("raw.index_levels.close",)

_declare = partial(declare, producer="technical_regime")

FEATURES: tuple[Feature, ...] = (
    _declare(
        58,
        "sent_wyckoff_phase",
        "label",
        _RANGE_VOLUME,
        146,
        "Where the symbol stands in its trading range of 50 sessions, in Wyckoff's phases. The first that applies, "
        "with a = ATR14_{t-5} and the edges lowest low and highest high of the window without its last 5 bars: E, the "
        "last 3 closes beyond an edge; C, a break of an edge by a/2 in 5 bars that did not hold; D, such a break 5 to "
        "19 bars ago of the edges without 20 bars, the close now in the opposite third and mean volume of 5 bars "
        "above that of 50; A, a move over 3a in the 20 sessions to t-10, then 10 bars within half of it, one with a "
        "volume 2 standard deviations above usual; B, 10 bars inside the edges; else unknown, as with fewer than 146 "
        "whole bars in a row.",
        dtype="category",
        fewest=1,
    ),
    _declare(
        59,
        "sent_multi_period_regime",
        "label",
        _CLOSE,
        61,
        "Do the returns over 2, 4 and 10 weeks agree? Votes sign(R_n) if |R_n| > sd60 sqrt(n) else 0, R_n = log "
        "return over n = 10, 20, 50 sessions: bullish_consensus with at least two +1 and no -1, bearish_consensus "
        "mirrored, mixed otherwise, unknown with fewer than 61 bars in a row.",
        dtype="category",
        fewest=1,
    ),
    _declare(
        60,
        "sent_volatility_regime",
        "label",
        _RANGE,
        261,
        "Is the price range narrow, growing or shrinking? squeeze if sent_squeeze_detected; else expansion if "
        "sent_keltner_expansion; else compression if sent_keltner_compression; else normal.",
        dtype="category",
    ),
    _declare(
        62,
        "sent_demand_supply_ratio",
        "ratio",
        _CLOSE_VOLUME,
        51,
        "Does more volume trade on rising or on falling sessions? Volume of sessions with C_t > C_{t-1} / volume of "
        "those with C_t < C_{t-1}, over 50 sessions, at most 2; 2 when only rising sessions traded, null when neither "
        "did.",
        low=0.0,
        high=2.0,
    ),
    _declare(
        63,
        "sent_spring_detected",
        "bool",
        _RANGE_VOLUME,
        146,
        "A fall below the range on quiet volume that did not hold (Wyckoff's spring): min low of bars t-4..t < L (1 - "
        "0.5 ATR14_{t-5}/C_{t-5}) and C_t > L and mean V(t-4..t) < 1.1 mean V(t-30..t-6), L = min low of bars "
        "t-30..t-6.",
        dtype="bool",
    ),
    _declare(
        64,
        "sent_utad_detected",
        "bool",
        _RANGE_VOLUME,
        146,
        "A rise above the range on heavy volume that did not hold (Wyckoff's upthrust after distribution): max high "
        "of bars t-4..t > U (1 + 0.5 ATR14_{t-5}/C_{t-5}) and C_t < U and mean V(t-4..t) > 1.2 mean V(t-30..t-6), U = "
        "max high of bars t-30..t-6.",
        dtype="bool",
    ),
    _declare(
        65,
        "sent_operator_bias",
        "ratio",
        _RANGE_VOLUME,
        146,
        "Side that large traders seem to take in the trading range, positive when they buy: clip(b sgn(d - 1) + 0.3 "
        "spring - 0.3 utad + 0.3 (d - 1), -1, 1), d = sent_demand_supply_ratio, b = 0.2 in phase B, 0.5 in D, 0.3 in "
        "E, 0 otherwise (sent_wyckoff_phase); null when d is.",
        low=-1.0,
        high=1.0,
    ),
    _declare(
        66,
        "sent_wyckoff_strength",
        "ratio",
        _RANGE_VOLUME,
        150,
        "How clearly the Wyckoff picture shows: 0.5 p + 0.3 |d - 1| + 0.2 max(spring, utad), d = "
        "sent_demand_supply_ratio, p = share of the last 5 sessions whose sent_wyckoff_phase equals today's, 0 when "
        "it is unknown; null when d is.",
        low=0.0,
        high=1.0,
    ),
    _declare(
        67,
        "sent_rsi",
        "points",
        _CLOSE,
        141,
        "How far rises outweigh falls, 50 when they balance: Wilder's relative strength index. RSI(14) = 100 U/(U + "
        "D), U and D = Wilder means of up and down moves; 50 when no close moved in the window.",
        low=0.0,
        high=100.0,
    ),
    _declare(
        68,
        "sent_rsi_overbought",
        "bool",
        _CLOSE,
        141,
        "Rises outweigh falls by more than is usual to last. sent_rsi > 70.",
        dtype="bool",
    ),
    _declare(
        69,
        "sent_rsi_oversold",
        "bool",
        _CLOSE,
        141,
        "Falls outweigh rises by more than is usual to last. sent_rsi < 30.",
        dtype="bool",
    ),
    _declare(
        70,
        "sent_rsi_energy_decay_slope",
        "points per session",
        _CLOSE,
        146,
        "How fast the balance of rises and falls shifted over 5 sessions. (RSI_t - RSI_{t-5})/5, RSI = sent_rsi.",
        low=-20.0,
        high=20.0,
    ),
    _declare(
        71,
        "sent_rsi_divergence",
        "sign",
        _CLOSE,
        161,
        "Does the relative strength index contradict the price? +1 if the least-squares slope of the last 20 closes < "
        "0 and RSI_t - RSI_{t-20} > 10; -1 if the slope > 0 and RSI_t - RSI_{t-20} < -10; else 0.",
        dtype="int",
        low=-1.0,
        high=1.0,
    ),
    _declare(
        72,
        "sent_mfi",
        "points",
        _RANGE_VOLUME,
        15,
        "Relative strength weighed by the money that changed hands: money flow index. MFI(14) = 100 P/(P + N), P and "
        "N = sums of typical price x volume of sessions with rising and falling typical price (H + L + C)/3; 50 when "
        "both are 0.",
        low=0.0,
        high=100.0,
    ),
    _declare(
        73,
        "sent_mfi_buy_pressure",
        "ratio",
        _RANGE_VOLUME,
        21,
        "Money that came in this week against the turnover of four, 0.25 when balanced: min(1, 2 x positive money "
        "flow over 5 sessions / total money flow over 20 sessions); null when no typical price moved in the 20.",
        low=0.0,
        high=1.0,
    ),
    _declare(
        74,
        "sent_mfi_sell_pressure",
        "ratio",
        _RANGE_VOLUME,
        21,
        "Money that went out this week against the turnover of four, 0.25 when balanced: min(1, 2 x negative money "
        "flow over 5 sessions / total money flow over 20 sessions); null when no typical price moved in the 20.",
        low=0.0,
        high=1.0,
    ),
    _declare(
        75,
        "sent_stoch_k",
        "points",
        _RANGE,
        14,
        "Where the close lies in the range of 14 sessions, 0 at its low, 100 at its high. K = 100 (C - LL14)/(HH14 - "
        "LL14), the current session included; null when HH14 = LL14.",
        low=0.0,
        high=100.0,
    ),
    _declare(
        76,
        "sent_stoch_d",
        "points",
        _RANGE,
        16,
        "The same, smoothed: mean of sent_stoch_k over the last 3 sessions; null when one of them is.",
        low=0.0,
        high=100.0,
    ),
    _declare(
        77,
        "sent_stoch_impulse",
        "bool",
        _RANGE,
        17,
        "The close has just turned up within its range. K_t > D_t and K_{t-1} <= D_{t-1}, K = sent_stoch_k, D = "
        "sent_stoch_d; null when one of the four is.",
        dtype="bool",
    ),
    _declare(
        78,
        "sent_stoch_reversion",
        "bool",
        _RANGE,
        17,
        "The close has just turned down within its range. K_t < D_t and K_{t-1} >= D_{t-1}, K = sent_stoch_k, D = "
        "sent_stoch_d; null when one of the four is.",
        dtype="bool",
    ),
    _declare(
        79,
        "sent_oscillator_composite",
        "ratio",
        _RANGE_VOLUME,
        141,
        "Three oscillators in one number, 0 when they balance: 0.4 g(sent_rsi) + 0.3 g(sent_mfi) + 0.3 "
        "g(sent_stoch_k), g(x) = (x - 50)/50; null when sent_stoch_k is.",
        low=-1.0,
        high=1.0,
    ),
    _declare(
        80,
        "sent_bb_percent_b",
        "ratio",
        _CLOSE,
        20,
        "Where the close lies in its Bollinger band, 0 at the lower edge, 1 at the upper, beyond them outside. (C - "
        "lower)/(upper - lower), mean of 20 closes +- 2 standard deviations (n-1); null when all 20 closes are equal.",
    ),
    _declare(
        81,
        "sent_bb_bandwidth",
        "ratio",
        _CLOSE,
        20,
        "Width of the Bollinger band as a share of the price. (upper - lower)/middle, mean of 20 closes +- 2 standard "
        "deviations (n-1).",
        low=0.0,
    ),
    _declare(
        82,
        "sent_bb_mean_reversion_pressure",
        "ratio",
        _CLOSE,
        20,
        "Pull back into the Bollinger band, positive upwards. With b = sent_bb_percent_b: clip((0.8 - b)/0.2, -1, 0) "
        "if b > 0.8; clip((0.2 - b)/0.2, 0, 1) if b < 0.2; else 0; null when b is.",
        low=-1.0,
        high=1.0,
    ),
    _declare(
        83,
        "sent_bb_squeeze_active",
        "bool",
        _CLOSE,
        140,
        "The Bollinger band is much narrower than over half a year. sent_bb_bandwidth < 0.7 x its mean over the "
        "previous 120 sessions.",
        dtype="bool",
    ),
    _declare(
        84,
        "sent_keltner_position",
        "half widths",
        _RANGE,
        201,
        "Distance of the close from the middle of its Keltner channel, 1 at the upper edge, -1 at the lower. (C - "
        "EMA20)/(2 ATR20); null when no session of the window had any range.",
    ),
    _declare(
        85,
        "sent_keltner_expansion",
        "bool",
        _RANGE,
        261,
        "Sessions are wider than over the last quarter. ATR20 > 1.2 x its mean over the previous 60 sessions.",
        dtype="bool",
    ),
    _declare(
        86,
        "sent_keltner_compression",
        "bool",
        _RANGE,
        261,
        "Sessions are narrower than over the last quarter. ATR20 < 0.8 x its mean over the previous 60 sessions.",
        dtype="bool",
    ),
    _declare(
        87,
        "sent_keltner_force_boundary",
        "half widths",
        _RANGE,
        201,
        "Distance of the close to the nearest edge of its Keltner channel. min(2, ||sent_keltner_position| - 1|); "
        "null when the position is.",
        low=0.0,
        high=2.0,
    ),
    _declare(
        88,
        "sent_squeeze_detected",
        "bool",
        _RANGE,
        201,
        "The Bollinger band lies inside the Keltner channel: closes move less than sessions are wide. upper(20, 2) < "
        "EMA20 + 1.5 ATR20 and lower(20, 2) > EMA20 - 1.5 ATR20.",
        dtype="bool",
    ),
    _declare(
        89,
        "sent_envelope_score",
        "ratio",
        _RANGE,
        201,
        "Position in both envelopes in one number: 0.6 sent_bb_mean_reversion_pressure + 0.4 "
        "clip(sent_keltner_position, -1, 1); null when one of them is. It adds a view of reversion and one of trend: "
        "no direction without an estimated weight.",
        low=-1.0,
        high=1.0,
    ),
    _declare(
        97,
        "sent_advance_decline_ratio",
        "ratio",
        _CLOSE,
        2,
        "Share of the moving symbols of the universe that rose. Advancers/(advancers + decliners) among the members "
        "of the session, membership dated; null with fewer than 10 members that have both closes, or when none moved.",
        low=0.0,
        high=1.0,
    ),
    _declare(
        98,
        "sent_pct_above_ma",
        "ratio",
        _CLOSE,
        50,
        "Share of the universe that trades above its mean of 50 sessions. Members with C > SMA50 / members with 50 "
        "closes in a row; null with fewer than 10 of these.",
        low=0.0,
        high=1.0,
    ),
    _declare(
        99,
        "sent_breadth_thrust",
        "bool",
        _CLOSE,
        71,
        "The universe turned from mostly falling to mostly rising within two weeks (Zweig's thrust). EMA10 of "
        "sent_advance_decline_ratio > 0.615 now and < 0.40 on at least one of the previous 10 sessions; null when one "
        "of the 70 ratios is.",
        dtype="bool",
    ),
    _declare(
        100,
        "sent_breadth_divergence",
        "sign",
        (*_CLOSE, *_INDEX),
        70,
        "Does the universe contradict the index? -1 if R20 > 0.5 sd60 sqrt(20) while sent_pct_above_ma fell by more "
        "than 0.10 over 20 sessions; +1 if R20 < -0.5 sd60 sqrt(20) while it rose by more than 0.10; else 0. R20, "
        "sd60 = 20-session log return and daily standard deviation of the S&P 500 up to its latest session known at "
        "as_of, at most two sessions back; null when one of these 61 closes is missing.",
        dtype="int",
        series=("^GSPC",),
        low=-1.0,
        high=1.0,
    ),
    _declare(
        101,
        "sent_risk_regime",
        "label",
        _INDEX,
        123,
        "Does the market seek or shun risk? risk_on if the 20-session return of the S&P 500 > 0 and sd20/sd120 of its "
        "daily log returns < 1.2; risk_off if the return < 0 and the ratio > 1.3; else neutral. At its latest session "
        "known at as_of, at most two sessions back; null when one of the 121 closes is missing.",
        dtype="category",
        fewest=121,
        series=("^GSPC",),
    ),
    _declare(
        102,
        "sent_rotation_score",
        "ratio",
        _CLOSE,
        71,
        "Is money moving from defensive to cyclical sectors? tanh((z60(q) + z60(q_t - q_{t-10}))/2), q = ln(mean "
        "normalised price of XLY, XLI, XLB, XLK / the same of XLP, XLU, XLV), normalised price = close / close on the "
        "first of the 71 sessions; null when a close is missing or a z-score has no spread.",
        low=-1.0,
        high=1.0,
    ),
    _declare(
        103,
        "sent_momentum_energy",
        "%",
        _CLOSE,
        15,
        "Length of the path that the price went in 14 sessions, up or down alike. 100 sum |r|, r = daily log return.",
        low=0.0,
    ),
    _declare(
        104,
        "sent_trend_coherence",
        "ratio",
        _CLOSE,
        21,
        "Share of the path that led somewhere, 1 in a straight trend (Kaufman's efficiency ratio). |sum r| / sum |r| "
        "over 20 sessions; null when no close moved.",
        low=0.0,
        high=1.0,
    ),
    _declare(
        105,
        "sent_exhaustion_detected",
        "bool",
        _CLOSE,
        31,
        "More movement, less direction: a trend may be tiring. sent_momentum_energy > 1.2 x its value 10 sessions ago "
        "and sent_trend_coherence < 0.8 x its value 10 sessions ago; null when a coherence is.",
        dtype="bool",
    ),
    _declare(
        106,
        "sent_buildup_detected",
        "bool",
        _CLOSE,
        31,
        "Less movement, more direction: a trend may be forming. sent_momentum_energy < 0.8 x its value 10 sessions "
        "ago and sent_trend_coherence > 1.2 x its value 10 sessions ago; null when a coherence is.",
        dtype="bool",
    ),
    _declare(
        107,
        "sent_volume_trend_correlation",
        "ratio",
        _CLOSE_VOLUME,
        15,
        "Do large moves come with large volume? Pearson correlation of |r| and log volume over 14 sessions; null when "
        "either is constant or a session had no volume.",
        low=-1.0,
        high=1.0,
    ),
    _declare(
        108,
        "sent_energy_per_volume",
        "log return per usual volume",
        _CLOSE_VOLUME,
        74,
        "Movement for each usual session's volume. sum |r| / sum(V / mean V of the previous 60 sessions) over 14 "
        "sessions; null when nothing traded.",
        low=0.0,
    ),
    _declare(
        109,
        "sent_volume_confirmation",
        "bool",
        _VOLUME,
        60,
        "Volume is higher than over the last quarter. mean V(14) > 1.1 mean V(60).",
        dtype="bool",
    ),
    _declare(
        110,
        "sent_exhaustion_vs_continuation",
        "ratio",
        _CLOSE_VOLUME,
        60,
        "Will the trend, whichever way, rather go on (positive) or end? 0.4 (buildup - exhaustion) + 0.2 if coherence "
        "> 0.7 - 0.2 if coherence < 0.3 + 0.2 (2 confirmation - 1), from sent_buildup_detected, "
        "sent_exhaustion_detected, sent_trend_coherence, sent_volume_confirmation; null when one of them is. Not "
        "directional: multiply by the sign of the trend first.",
        low=-0.8,
        high=0.8,
    ),
    _declare(
        111,
        "sent_metabolic_load",
        "ratio",
        _CLOSE_VOLUME,
        135,
        "How much harder than usual the market works: volatility and volume of 14 sessions against the 120 before. "
        "(sd14(r) / sd120(r) before) x (mean V14 / mean V120 before); null when all 120 returns were equal or nothing "
        "traded.",
        low=0.0,
    ),
)
