"""The registry of features: each declared once, in the order of the contract.

The schema classes of the feature tables, the column comments in SQL, the column schema in Dagster and the documentation
are generated from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Feature:
    """One feature.

    Attributes
    ----------
    number, name, group, dtype
        As in the contract of the 141 features.
    unit
        Unit of the stored value.
    description
        Definition in words and formula.
    inputs
        Raw tables that the value depends on.
    lookback_sessions
        Sessions of history, the current one included, that are needed and sufficient for a value.
    low, high, is_low_open
        Range of admissible values; None means unbounded.
    categories
        Labels of a category in the order of their integer codes.
    """

    number: int
    name: str
    group: Literal["technical", "regime", "macro"]
    dtype: Literal["float", "int", "bool", "category"]
    unit: str
    description: str
    inputs: tuple[str, ...]
    lookback_sessions: int
    low: float | None = None
    high: float | None = None
    is_low_open: bool = False
    categories: tuple[str, ...] = ()


FEATURES: tuple[Feature, ...] = (
    Feature(
        number=115,
        name="tech_macd_histogram",
        group="technical",
        dtype="float",
        unit="ratio",
        description="(MACD - signal)/C, MACD = EMA12 - EMA26, signal = EMA9 of MACD",
        inputs=("raw equity bars (1d)",),
        lookback_sessions=210,
    ),
    Feature(
        number=116,
        name="tech_macd_histogram_slope",
        group="technical",
        dtype="float",
        unit="ratio",
        description="(h_t - h_{t-3})/3, h = tech_macd_histogram",
        inputs=("raw equity bars (1d)",),
        lookback_sessions=213,
    ),
    Feature(
        number=117,
        name="tech_rsi_slope",
        group="technical",
        dtype="float",
        unit="points per session",
        description="(RSI_t - RSI_{t-3})/3: mean of the last three one-session RSI changes",
        inputs=("raw equity bars (1d)",),
        lookback_sessions=144,
    ),
    Feature(
        number=118,
        name="tech_atr",
        group="technical",
        dtype="float",
        unit="ratio",
        description="Wilder ATR(14)/C",
        inputs=("raw equity bars (1d)",),
        lookback_sessions=141,
        low=0.0,
    ),
    Feature(
        number=119,
        name="tech_atr_expansion",
        group="technical",
        dtype="float",
        unit="ratio",
        description="ATR14 / mean of ATR14 over the last 20 sessions including the current one",
        inputs=("raw equity bars (1d)",),
        lookback_sessions=160,
        low=0.0,
        is_low_open=True,
    ),
    Feature(
        number=120,
        name="tech_roc_5",
        group="technical",
        dtype="float",
        unit="ratio",
        description="C_t/C_{t-5} - 1",
        inputs=("raw equity bars (1d)",),
        lookback_sessions=6,
        low=-1.0,
        is_low_open=True,
    ),
    Feature(
        number=121,
        name="tech_roc_10",
        group="technical",
        dtype="float",
        unit="ratio",
        description="C_t/C_{t-10} - 1",
        inputs=("raw equity bars (1d)",),
        lookback_sessions=11,
        low=-1.0,
        is_low_open=True,
    ),
    Feature(
        number=122,
        name="tech_roc_20",
        group="technical",
        dtype="float",
        unit="ratio",
        description="C_t/C_{t-20} - 1",
        inputs=("raw equity bars (1d)",),
        lookback_sessions=21,
        low=-1.0,
        is_low_open=True,
    ),
    Feature(
        number=123,
        name="tech_momentum_zscore",
        group="technical",
        dtype="float",
        unit="standard deviations",
        description="z20 of the one-session log return",
        inputs=("raw equity bars (1d)",),
        lookback_sessions=22,
    ),
    Feature(
        number=124,
        name="tech_adx",
        group="technical",
        dtype="float",
        unit="points",
        description="Wilder ADX(14)",
        inputs=("raw equity bars (1d)",),
        lookback_sessions=281,
        low=0.0,
        high=100.0,
    ),
    Feature(
        number=125,
        name="tech_plus_di",
        group="technical",
        dtype="float",
        unit="points",
        description="+DI(14), Wilder",
        inputs=("raw equity bars (1d)",),
        lookback_sessions=141,
        low=0.0,
        high=100.0,
    ),
    Feature(
        number=126,
        name="tech_minus_di",
        group="technical",
        dtype="float",
        unit="points",
        description="-DI(14), Wilder",
        inputs=("raw equity bars (1d)",),
        lookback_sessions=141,
        low=0.0,
        high=100.0,
    ),
    Feature(
        number=127,
        name="regime_vix",
        group="regime",
        dtype="float",
        unit="points",
        description="Latest VIX close known at as_of, at most 3 sessions old",
        inputs=("index levels (^VIX)",),
        lookback_sessions=3,
        low=0.0,
        is_low_open=True,
    ),
    Feature(
        number=128,
        name="regime_vix_bucket",
        group="regime",
        dtype="category",
        unit="label",
        description="low if VIX < 15; normal if < 20; elevated if < 30; else crisis",
        inputs=("index levels (^VIX)",),
        lookback_sessions=3,
        categories=("low", "normal", "elevated", "crisis"),
    ),
    Feature(
        number=129,
        name="regime_vix_change",
        group="regime",
        dtype="float",
        unit="ratio",
        description="VIX_t/VIX_{t-1} - 1",
        inputs=("index levels (^VIX)",),
        lookback_sessions=4,
    ),
    Feature(
        number=130,
        name="regime_spx_price_gap",
        group="regime",
        dtype="float",
        unit="log ratio",
        description="ln(SPX / SMA200 of SPX)",
        inputs=("index levels (^GSPC)",),
        lookback_sessions=202,
    ),
    Feature(
        number=131,
        name="regime_spx_realized_vol",
        group="regime",
        dtype="float",
        unit="1/sqrt(year)",
        description="sd of the last 20 SPX daily log returns * sqrt(252)",
        inputs=("index levels (^GSPC)",),
        lookback_sessions=23,
        low=0.0,
    ),
    Feature(
        number=132,
        name="regime_spx_vol_bucket",
        group="regime",
        dtype="category",
        unit="label",
        description="low, medium, high: regime_spx_realized_vol below, between, above the 33rd and 67th percentile of its previous 504 sessions",
        inputs=("index levels (^GSPC)",),
        lookback_sessions=527,
        categories=("low", "medium", "high"),
    ),
    Feature(
        number=133,
        name="regime_market_structure",
        group="regime",
        dtype="category",
        unit="label",
        description="With ADX14 = tech_adx: uptrend or downtrend if ADX > 25, by the sign of SMA50_t - SMA50_{t-10}; chop if ADX < 20; rotation otherwise",
        inputs=("raw equity bars (1d)",),
        lookback_sessions=281,
        categories=("uptrend", "downtrend", "chop", "rotation"),
    ),
    Feature(
        number=134,
        name="regime_session",
        group="regime",
        dtype="category",
        unit="label",
        description="Session containing the row's last instant, America/New_York, half-open intervals: pre (04:00, 09:30], regular (09:30, 16:00], after (16:00, 20:00], closed otherwise; exchange holidays and early closes from the calendar",
        inputs=("raw equity bars (bar end time)",),
        lookback_sessions=1,
        categories=("pre", "regular", "after", "closed"),
    ),
    Feature(
        number=135,
        name="regime_liquidity_time",
        group="regime",
        dtype="category",
        unit="label",
        description="Volume of the row's bar / mean of the same time-of-day bucket over the previous 20 sessions: high if > 1.2, low if < 0.8, else normal",
        inputs=("raw equity bars (5min)",),
        lookback_sessions=21,
        categories=("high", "normal", "low"),
    ),
    Feature(
        number=136,
        name="macro_fed_funds_rate",
        group="macro",
        dtype="float",
        unit="%",
        description="Latest effective federal funds rate observation known at as_of",
        inputs=("macro observations with vintages (DFF)",),
        lookback_sessions=5,
        low=-1.0,
        high=25.0,
    ),
    Feature(
        number=137,
        name="macro_yield_curve",
        group="macro",
        dtype="float",
        unit="percentage points",
        description="DGS10 - DGS2, same reference date, latest known at as_of",
        inputs=("macro observations with vintages (DGS10, DGS2)",),
        lookback_sessions=5,
        low=-5.0,
        high=5.0,
    ),
    Feature(
        number=138,
        name="macro_inflation_rate",
        group="macro",
        dtype="float",
        unit="%",
        description="100*(CPI_m/CPI_{m-12} - 1), m = latest reference month known at as_of, both values read from the vintage current at as_of",
        inputs=("macro observations with vintages (CPIAUCSL)",),
        lookback_sessions=330,
        low=-5.0,
        high=25.0,
    ),
    Feature(
        number=139,
        name="macro_unemployment_rate",
        group="macro",
        dtype="float",
        unit="%",
        description="Latest UNRATE observation in the vintage current at as_of",
        inputs=("macro observations with vintages (UNRATE)",),
        lookback_sessions=80,
        low=0.0,
        high=30.0,
    ),
    Feature(
        number=140,
        name="macro_gdp_growth",
        group="macro",
        dtype="float",
        unit="% per year",
        description="Latest A191RL1Q025SBEA observation (real GDP, quarterly change at annual rate) in the vintage current at as_of",
        inputs=("macro observations with vintages (A191RL1Q025SBEA)",),
        lookback_sessions=170,
        low=-40.0,
        high=40.0,
    ),
    Feature(
        number=141,
        name="macro_credit_spread",
        group="macro",
        dtype="float",
        unit="percentage points",
        description="Latest BAA10Y observation known at as_of",
        inputs=("macro observations with vintages (BAA10Y)",),
        lookback_sessions=5,
        low=0.0,
        high=25.0,
    ),
)


def features_of(group: str) -> tuple[Feature, ...]:
    """Return the features of one group in the order of the contract.

    Examples
    --------
    >>> len(features_of("technical")), len(features_of("regime")), len(features_of("macro"))
    (12, 9, 6)
    """
    return tuple(feature for feature in FEATURES if feature.group == group)
