"""Declarations of the technical features, in the order of the contract."""

from __future__ import annotations

from gnosis.features.feature import Feature, bars, declare

_CLOSE = bars("close", "adjustment_factor")
_RANGE = bars("high", "low", "close", "adjustment_factor")

FEATURES: tuple[Feature, ...] = (
    declare(
        115,
        "tech_macd_histogram",
        "ratio",
        _CLOSE,
        210,
        "Whether the trend gains or loses pace: distance of MACD from its signal line as a share of the price. "
        "(MACD - signal)/C, MACD = EMA12 - EMA26, signal = EMA9 of MACD.",
        fallback="same",
    ),
    declare(
        116,
        "tech_macd_histogram_slope",
        "ratio per session",
        _CLOSE,
        213,
        "How fast that pace changed over three sessions. (h_t - h_{t-3})/3, h = tech_macd_histogram.",
        fallback="same",
    ),
    declare(
        117,
        "tech_rsi_slope",
        "points per session",
        _CLOSE,
        144,
        "Change of the relative strength index over three sessions, per session. (RSI_t - RSI_{t-3})/3 with Wilder's "
        "RSI(14) = 100 U/(U + D); RSI = 50 when no close moved in its window.",
        fallback="same",
    ),
    declare(
        118,
        "tech_atr",
        "ratio",
        _RANGE,
        141,
        "Usual span of a session as a share of the price: Wilder's average true range. ATR(14)/C.",
        low=0.0,
        fallback="same",
    ),
    declare(
        119,
        "tech_atr_expansion",
        "ratio",
        _RANGE,
        160,
        "Are sessions wider than lately? ATR14 / mean of ATR14 over the last 20 sessions including the current one; "
        "null when no session of the window had any range.",
        low=0.0,
        is_low_open=True,
        fallback="same",
    ),
    declare(
        120,
        "tech_roc_5",
        "ratio",
        _CLOSE,
        6,
        "Return over 5 sessions, dividends included. C_t/C_{t-5} - 1.",
        low=-1.0,
        is_low_open=True,
        fallback="same",
    ),
    declare(
        121,
        "tech_roc_10",
        "ratio",
        _CLOSE,
        11,
        "Return over 10 sessions, dividends included. C_t/C_{t-10} - 1.",
        low=-1.0,
        is_low_open=True,
        fallback="same",
    ),
    declare(
        122,
        "tech_roc_20",
        "ratio",
        _CLOSE,
        21,
        "Return over 20 sessions, dividends included. C_t/C_{t-20} - 1.",
        low=-1.0,
        is_low_open=True,
        fallback="same",
    ),
    declare(
        123,
        "tech_momentum_zscore",
        "standard deviations",
        _CLOSE,
        22,
        "How unusual the session's return is: log return minus the mean of the 20 before it, over their standard "
        "deviation (n-1). Null with fewer than 10 of the 20, or when they are all equal.",
        fewest=12,
        fallback="same",
    ),
    declare(
        124,
        "tech_adx",
        "points",
        _RANGE,
        281,
        "Strength of the trend, up or down alike: Wilder's ADX(14), Wilder mean of DX = 100 |+DI - -DI|/(+DI + -DI); "
        "null when a DX is 0/0, that is while no high or low has moved.",
        low=0.0,
        high=100.0,
        fallback="same",
    ),
    declare(
        125,
        "tech_plus_di",
        "points",
        _RANGE,
        141,
        "Share of the true range that was movement to higher highs: Wilder's +DI(14), 100 x mean +DM / mean TR; "
        "null when the true range is 0 throughout.",
        low=0.0,
        high=100.0,
        fallback="same",
    ),
    declare(
        126,
        "tech_minus_di",
        "points",
        _RANGE,
        141,
        "Share of the true range that was movement to lower lows: Wilder's -DI(14), 100 x mean -DM / mean TR; "
        "null when the true range is 0 throughout.",
        low=0.0,
        high=100.0,
        fallback="same",
    ),
)
