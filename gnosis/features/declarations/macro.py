"""Declarations of the macro features, in the order of the contract."""

from __future__ import annotations

from gnosis.features.feature import Feature, declare

_MACRO = ("raw.macro.value",)

FEATURES: tuple[Feature, ...] = (
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
        fallback="null",
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
        fallback="null",
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
        fallback="null",
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
        fallback="null",
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
        fallback="null",
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
        fallback="null",
    ),
)
