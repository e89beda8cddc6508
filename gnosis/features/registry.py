"""The registry of features: each declared once, in the order of the contract.

The schema classes of the feature tables, the column comments in SQL, the column lineage in Dagster, the windows of the
functions that compute them and the tests that hold them are all taken from here.
"""

from __future__ import annotations

from gnosis.features.feature import Feature, bars, declare

_CLOSE = bars("close", "adjustment_factor")
_RANGE = bars("high", "low", "close", "adjustment_factor")
_INDEX = ("raw.index_levels.close",)
_MACRO = ("raw.macro.value",)

FEATURES: tuple[Feature, ...] = (
    declare(
        115,
        "tech_macd_histogram",
        "ratio",
        _CLOSE,
        210,
        "Whether the trend gains or loses pace: distance of MACD from its signal line as a share of the price. "
        "(MACD - signal)/C, MACD = EMA12 - EMA26, signal = EMA9 of MACD.",
    ),
    declare(
        116,
        "tech_macd_histogram_slope",
        "ratio per session",
        _CLOSE,
        213,
        "How fast that pace changed over three sessions. (h_t - h_{t-3})/3, h = tech_macd_histogram.",
    ),
    declare(
        117,
        "tech_rsi_slope",
        "points per session",
        _CLOSE,
        144,
        "Change of the relative strength index over three sessions, per session. (RSI_t - RSI_{t-3})/3 with Wilder's "
        "RSI(14) = 100 U/(U + D); RSI = 50 when no close moved in its window.",
    ),
    declare(
        118,
        "tech_atr",
        "ratio",
        _RANGE,
        141,
        "Usual span of a session as a share of the price: Wilder's average true range. ATR(14)/C.",
        low=0.0,
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
    ),
    declare(
        127,
        "regime_vix",
        "points",
        _INDEX,
        3,
        "Expected volatility of the S&P 500 over 30 days, in points: latest VIX close known at as_of, of "
        "the current session or one of the two before it; null when older.",
        fewest=1,
        series=("^VIX",),
        low=0.0,
        is_low_open=True,
    ),
    declare(
        128,
        "regime_vix_bucket",
        "label",
        _INDEX,
        3,
        "The VIX in four bands by market convention: low below 15, normal below 20, elevated below 30, else crisis.",
        fewest=1,
        series=("^VIX",),
        categories=("low", "normal", "elevated", "crisis"),
    ),
    declare(
        129,
        "regime_vix_change",
        "ratio",
        _INDEX,
        4,
        "Change of the VIX from the session before, as a share. VIX_t/VIX_{t-1} - 1 at the session of "
        "regime_vix; null when the level of the session before it is missing.",
        fewest=2,
        series=("^VIX",),
    ),
    declare(
        130,
        "regime_spx_price_gap",
        "log ratio",
        _INDEX,
        202,
        "Distance of the S&P 500 from its mean of 200 sessions. ln(SPX/SMA200) at its latest session known "
        "at as_of, at most two sessions back; null when one of the 200 closes is missing.",
        fewest=200,
        series=("^GSPC",),
    ),
    declare(
        131,
        "regime_spx_realized_vol",
        "1/sqrt(year)",
        _INDEX,
        23,
        "Volatility that the S&P 500 showed over the last 20 sessions, per year. Standard deviation (n-1) "
        "of 20 daily log returns x sqrt(252); null when one of the 21 closes is missing.",
        fewest=21,
        series=("^GSPC",),
        low=0.0,
    ),
    declare(
        132,
        "regime_spx_vol_bucket",
        "label",
        _INDEX,
        527,
        "That volatility against its own two years: low, medium or high when below, between or above the "
        "33rd and 67th percentile of the 504 sessions before; null with fewer than 126 of them.",
        fewest=147,
        series=("^GSPC",),
        categories=("low", "medium", "high"),
    ),
    declare(
        133,
        "regime_market_structure",
        "label",
        _RANGE,
        281,
        "How the symbol trades. With ADX14 = tech_adx: uptrend or downtrend if ADX > 25, by the sign of "
        "SMA50_t - SMA50_{t-10}; chop if ADX < 20; rotation otherwise.",
        categories=("uptrend", "downtrend", "chop", "rotation"),
    ),
    declare(
        134,
        "regime_session",
        "label",
        bars("ts"),
        1,
        "Part of the trading day that the bar ends in, New York time: pre (04:00, open], regular "
        "(open, close], after (close, 20:00], closed otherwise; open and close from the exchange calendar, holidays "
        "and early closes included. Always regular for daily bars.",
        categories=("pre", "regular", "after", "closed"),
    ),
    declare(
        135,
        "regime_liquidity_time",
        "label",
        bars("volume", "adjustment_factor"),
        21,
        "Volume against its usual level: split-adjusted volume (volume/adjustment_factor) over its mean of "
        "the previous 20 sessions, the whole session as one bucket: high if > 1.2, low if < 0.8, else normal. Null "
        "with fewer than 10 of the 20 or without volume in all of them.",
        fewest=11,
        categories=("high", "normal", "low"),
    ),
    declare(
        136,
        "macro_fed_funds_rate",
        "%",
        _MACRO,
        5,
        "Overnight interest rate of the United States: latest effective federal funds rate (DFF) known at as_of; "
        "null when its date is older than 5 sessions.",
        fewest=1,
        series=("DFF",),
        low=-1.0,
        high=25.0,
    ),
    declare(
        137,
        "macro_yield_curve",
        "percentage points",
        _MACRO,
        5,
        "Slope of the Treasury curve, negative when inverted: DGS10 - DGS2 at the latest date for which both are known "
        "at as_of; null when that date is older than 5 sessions.",
        fewest=1,
        series=("DGS10", "DGS2"),
        low=-5.0,
        high=5.0,
    ),
    declare(
        138,
        "macro_inflation_rate",
        "%",
        _MACRO,
        330,
        "Consumer prices against a year before: 100 (CPI_m/CPI_{m-12} - 1), m = latest month known at as_of, both "
        "values from the vintage current at as_of; null when month m-12 is missing or began over 330 sessions ago.",
        fewest=1,
        series=("CPIAUCSL",),
        low=-5.0,
        high=25.0,
    ),
    declare(
        139,
        "macro_unemployment_rate",
        "%",
        _MACRO,
        80,
        "Share of the labour force without work: latest UNRATE in the vintage current at as_of; null when its month "
        "began more than 80 sessions ago.",
        fewest=1,
        series=("UNRATE",),
        low=0.0,
        high=30.0,
    ),
    declare(
        140,
        "macro_gdp_growth",
        "% per year",
        _MACRO,
        170,
        "Growth of the economy: latest A191RL1Q025SBEA (real GDP, quarterly change at annual rate) in the vintage "
        "current at as_of; null when its quarter began more than 170 sessions ago.",
        fewest=1,
        series=("A191RL1Q025SBEA",),
        low=-40.0,
        high=40.0,
    ),
    declare(
        141,
        "macro_credit_spread",
        "percentage points",
        _MACRO,
        5,
        "What Baa companies pay above the ten-year Treasury: latest BAA10Y known at as_of; null when its date is older "
        "than 5 sessions.",
        fewest=1,
        series=("BAA10Y",),
        low=0.0,
        high=25.0,
    ),
)
BY_NAME: dict[str, Feature] = {feature.name: feature for feature in FEATURES}


def features_of(group: str) -> tuple[Feature, ...]:
    """Return the features of one group in the order of the contract.

    Examples
    --------
    >>> len(features_of("technical")), len(features_of("regime")), len(features_of("macro"))
    (12, 9, 6)
    """
    return tuple(feature for feature in FEATURES if feature.group == group)


def lookback_of(group: str) -> int:
    """Return the exchange sessions, the current one included, that suffice for every feature of the group.

    Examples
    --------
    >>> lookback_of("technical"), lookback_of("regime"), lookback_of("macro")
    (281, 527, 330)
    """
    return max(feature.lookback_sessions for feature in features_of(group))


__all__ = ["BY_NAME", "FEATURES", "Feature", "features_of", "lookback_of"]
