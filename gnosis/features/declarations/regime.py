"""Declarations of the regime features, in the order of the contract."""

from __future__ import annotations

from gnosis.features.feature import Feature, bars, declare

_RANGE = bars("high", "low", "close", "adjustment_factor")
_INDEX = ("raw.index_levels.close",)

FEATURES: tuple[Feature, ...] = (
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
        fallback="same",
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
        fallback="same",
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
        fallback="same",
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
        fallback="same",
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
        fallback="same",
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
        fallback="same",
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
        fallback="same",
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
        fallback="regular",
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
        fallback="whole session as one bucket",
    ),
)
