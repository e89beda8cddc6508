"""Numbers of the hedge features that can be checked by hand, each beside what the product gives.

Most are of the reference mini-book: S = 100, r = 5 %, q = 1.5 %, 30 days, volatility 20 %, 100 shares per contract, one
million shares a day, sigma_d = 1 %, so that lambda = 1e-6 $ per share; the expected values are published with it, the
product's are rounded to as many places. Histories are short enough to be ordered in the head.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from enum import StrEnum
from functools import cache, partial

import numpy as np
import polars as pl

from gnosis.engines.elasticity import elasticity
from gnosis.engines.elasticity.charm_decay import charm_regime
from gnosis.engines.elasticity.dealer_positioning import gamma_regime
from gnosis.engines.elasticity.inputs import windows
from gnosis.engines.elasticity.regime_and_flip import (
    jump_risk_regime,
    jump_score,
    primary_regime,
    regime_stability,
    robust_z,
)
from gnosis.engines.elasticity.vanna_flow import correlation, vanna_regime
from gnosis.engines.potential import potential_shape
from gnosis.engines.regimes import CharmRegime, GammaRegime, JumpRiskRegime, PrimaryRegime, VannaRegime
from gnosis.engines.trailing import Series
from gnosis.options.positioning.levels import levels
from gnosis.tables import TABLES
from tests.gnosis.conftest import MINI_BOOK, make_greeks
from tests.gnosis.engines.conftest import make_bars

Check = tuple[object, object]


def row_of(greeks: pl.DataFrame, quotes: pl.DataFrame | None = None) -> dict[str, object]:
    """Return the naive row that the product makes of one chain."""
    made = levels(greeks, ["naive"], threads=1)
    return elasticity(greeks, made, make_bars(), quotes=quotes, conventions=["naive"]).row(0, named=True)


@cache
def mini_book() -> dict[str, object]:
    return row_of(make_greeks(MINI_BOOK))


def published(feature: str, places: int, expected: float, scale: float = 1.0) -> Check:
    """Compare with a published number of so many decimal places."""
    return round(mini_book()[feature] * scale, places), expected


def series(past: Sequence[float], own: float) -> Series:
    """Return one value after a past."""
    return windows(np.array([[*past, own]], dtype=np.float64))


def label(kind: type[StrEnum], code: np.ndarray) -> str:
    return list(kind)[int(code.item())].value


ONE_TO_HUNDRED = range(1, 101)
"""Median 50.5, median distance from it 25; the 20th, 50th and 80th percentiles are 20.8, 50.5 and 80.2."""


def dominant() -> Check:
    """u = (100 - 50.5)/(1.4826 x 25) = 1.34 of charm, |u| of the others below; jump risk is not high."""
    gamma, vanna, charm = (robust_z(series(ONE_TO_HUNDRED, own)) for own in (60.0, 20.0, 100.0))
    return label(PrimaryRegime, primary_regime(np.array([0.0]), gamma, vanna, charm)), "charm_dominant"


def long_gamma() -> Check:
    """81 is positive and above the 80th percentile, 80.2."""
    return label(GammaRegime, gamma_regime(series(ONE_TO_HUNDRED, 81.0))), "long_gamma_compression"


def large_vanna() -> Check:
    """|-81| is above 80.2; VIX is above its own 80th percentile."""
    past = [-float(x) for x in ONE_TO_HUNDRED]
    found = vanna_regime(series(past, -81.0), np.array([40.0]), np.array([1.0]))
    return label(VannaRegime, found), "high_vanna_high_vol"


def near_charm() -> Check:
    """81 is above 80.2, and the days to expiry are below 7."""
    found = charm_regime(series(ONE_TO_HUNDRED, 81.0), np.array([6.9]))
    return label(CharmRegime, found), "high_charm_decay_acceleration"


def jump_risk() -> Check:
    """The sd of 32 ones and 32 minus ones is sqrt(64/63): two terms of 0.4 give 3 z = 1.19, short gamma adds 1."""
    z = series([1.0, -1.0] * 32, 0.4).z(252).item()
    score = jump_score([[z, z, math.nan]], [-0.31])
    return label(JumpRiskRegime, jump_risk_regime(score)), "high_jump_risk"


def two_wells() -> Check:
    """-x^2 + 1000 x^4 is its own fit: a2 = -1 < 0 < a4 = 1000."""
    x = np.linspace(-0.05, 0.05, 41)
    return potential_shape(-(x**2) + 1000 * x**4).name, "double_well"


def quality() -> Check:
    """Of four contracts near the money three have a fresh quote 2 % wide, the fourth none; all have a volatility.

    a = b = 3/4, c = 1, d = 1 - median(0.02, 0.02, 0.02, 1) = 0.98: (0.75 x 0.75 x 1 x 0.98)^(1/4) = 0.55125^(1/4).
    """
    greeks, table = make_greeks(MINI_BOOK), TABLES["raw.option_quotes"]
    sizes = {name: pl.lit(10.0) for name in ("bid_size", "ask_size", "volume")}
    quotes = greeks.filter(pl.col("strike") < 105).with_columns(
        bid=pl.col("mid") * 0.99, ask=pl.col("mid") * 1.01, **sizes
    )
    row = row_of(greeks, quotes.select(list(table.polars_schema)).cast(table.polars_schema))
    return round(row["hedge_confidence"], 9), round(0.55125**0.25, 9)


def stability() -> Check:
    """5 changes over 20 pairs, and a step of ln 2 in the z-score of gamma: (1 - 5/20) x 1/2."""
    regimes = windows(np.array([[0.0] * 16 + [1.0, 2.0, 1.0, 2.0, 1.0]]))
    return round(regime_stability(regimes, series([0.0], math.log(2))).item(), 12), 0.375


def falls_when_fear_rises() -> Check:
    """Of 20 pairs of +-1, both sides with mean 0, 16 are opposite and 4 alike: (4 - 16)/20."""
    returns, changes = [1.0, -1.0] * 10, [1.0, -1.0] * 2 + [-1.0, 1.0] * 8
    return round(correlation(returns, changes, 10).item(), 12), -0.6


def both_signs() -> Check:
    """Calls of 5 days with three times the gamma x open interest of puts of 20 days: |3 - 1|/(3 + 1)."""
    greeks = pl.concat([make_greeks([("C", 100.0, 300.0)], days=5), make_greeks([("P", 100.0, 100.0)], days=20)])
    row = row_of(greeks.with_columns(gamma_per_usd=pl.lit(0.02)))
    return round(row["hedge_mtf_agreement"], 12), 0.5


NUMBERS: dict[str, Callable[[], Check]] = {
    "hedge_pressure_up": partial(published, "hedge_pressure_up", 11, -0.00492744466),
    "hedge_pressure_down": partial(published, "hedge_pressure_down", 11, -0.00359564875),
    "hedge_net_pressure": partial(published, "hedge_net_pressure", 11, -0.00133179592),
    "hedge_elasticity": partial(published, "hedge_elasticity", 11, 1.00429497095),
    # The mean of the two below; its eleventh place is a rounded half.
    "hedge_movement_energy": partial(published, "hedge_movement_energy", 10, 1.0042448680),
    "hedge_elasticity_up": partial(published, "hedge_elasticity_up", 11, 1.00492744466),
    "hedge_elasticity_down": partial(published, "hedge_elasticity_down", 11, 1.00359564875),
    "hedge_movement_energy_up": partial(published, "hedge_movement_energy_up", 11, 1.00513183387),
    "hedge_movement_energy_down": partial(published, "hedge_movement_energy_down", 11, 1.00335790210),
    "hedge_energy_asymmetry": partial(published, "hedge_energy_asymmetry", 11, -0.00088321675),
    # Exposures in $, published to these places, over ADV$ = $100m.
    "hedge_gamma_pressure": partial(published, "hedge_gamma_pressure", 5, 429497.09498, 1e8),
    "hedge_vanna_pressure": partial(published, "hedge_vanna_pressure", 3, 234154.306, 1e8),
    "hedge_charm_pressure": partial(published, "hedge_charm_pressure", 5, -81779.59401, 1e8),
    "hedge_dealer_gamma_sign": partial(published, "hedge_dealer_gamma_sign", 10, 0.2510902361),
    "hedge_primary_regime": dominant,
    "hedge_gamma_regime": long_gamma,
    "hedge_vanna_regime": large_vanna,
    "hedge_charm_regime": near_charm,
    "hedge_jump_risk_regime": jump_risk,
    "hedge_potential_shape": two_wells,
    "hedge_confidence": quality,
    "hedge_regime_stability": stability,
    "hedge_cross_asset_correlation": falls_when_fear_rises,
    "hedge_mtf_agreement": both_signs,
}
