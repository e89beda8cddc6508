"""RegimeAndFlip: where hedging changes sign, the walls, jump risk, and which hedging dominates."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.typing import ArrayLike

from gnosis.engines.elasticity.inputs import WINDOW, ElasticityInputs, windows
from gnosis.engines.elasticity.labels import first_label, passed_on, united
from gnosis.engines.elasticity.parameters import ElasticityParameters
from gnosis.engines.points import Floats
from gnosis.engines.protocol import ProcessorResult
from gnosis.engines.regimes import JumpRiskRegime, PrimaryRegime
from gnosis.engines.trailing import YEAR, History, Series
from gnosis.engines.volatility import trailing_sd

FROM_LEVELS = [
    "nearest_flip",
    "n_flips",
    "flip_distance_sd",
    "profile_sign",
    "flip_zone_low",
    "flip_zone_high",
    "call_wall",
    "put_wall",
    "gamma_wall",
    "oi_wall",
]
SHORT_GAMMA_BELOW = -0.3
STABILITY_SESSIONS = 20


def jump_score(z_terms: ArrayLike, gamma_sign: ArrayLike) -> Floats:
    """Return 3 x the mean of the known z-scores, + 1 for short gamma (sign below -0.3); NaN with fewer than two.

    Parameters
    ----------
    z_terms
        Shape (points, 3): volatility of VIX, VIX, skew of the short expiry.
    gamma_sign
        Signed over unsigned dealer gamma; NaN is not short.

    Examples
    --------
    >>> jump_score([[1.0, 0.5, np.nan], [1.0, np.nan, np.nan]], [-0.5, 0.0]).tolist()
    [3.25, nan]
    """
    z = np.asarray(z_terms, dtype=np.float64)
    is_known = ~np.isnan(z)
    n = is_known.sum(axis=-1)
    mean = np.where(is_known, z, 0.0).sum(axis=-1) / np.where(n >= 2, n, np.nan)
    return 3.0 * mean + (np.asarray(gamma_sign, dtype=np.float64) < SHORT_GAMMA_BELOW)


def jump_risk_regime(score: Floats) -> Floats:
    """Return the code of the jump risk: continuous below 1, moderate up to 2, high above.

    Examples
    --------
    >>> jump_risk_regime(np.array([0.9, 1.0, 2.0, 2.1, np.nan])).tolist()
    [0.0, 1.0, 1.0, 2.0, nan]
    """
    kind = JumpRiskRegime
    return first_label(
        kind, {kind.CONTINUOUS_DIFFUSION: score < 1, kind.MODERATE_JUMP_RISK: score <= 2}, ~np.isnan(score)
    )


def primary_regime(jump_risk: Floats, gamma: Floats, vanna: Floats, charm: Floats) -> Floats:
    """Return the code of the hedging that dominates.

    Parameters
    ----------
    jump_risk
        Code of the jump risk regime.
    gamma, vanna, charm
        Robust z-scores of the pressures; ties go to gamma, then vanna. NaN is the answer where one of them or the jump
        risk is unknown, unless the jump risk is high.

    Examples
    --------
    >>> found = primary_regime(np.array([2.0, 0.0, 0.0]), np.array([np.nan, 1.0, 0.9]), *np.array([[0, -1, 0]] * 2))
    >>> [list(PrimaryRegime)[int(code)].value for code in found]
    ['jump_risk_dominant', 'gamma_dominant', 'neutral']
    """
    sizes = np.abs(np.stack([gamma, vanna, charm], axis=-1))
    most = sizes.max(axis=-1)
    kind = PrimaryRegime
    is_high = jump_risk == list(JumpRiskRegime).index(JumpRiskRegime.HIGH_JUMP_RISK)
    conditions = {
        kind.JUMP_RISK_DOMINANT: is_high,
        kind.NEUTRAL: most < 1,
        kind.GAMMA_DOMINANT: sizes[..., 0] == most,
        kind.VANNA_DOMINANT: sizes[..., 1] == most,
        kind.CHARM_DOMINANT: sizes[..., 2] == most,
    }
    return first_label(kind, conditions, is_high | (~np.isnan(most) & ~np.isnan(jump_risk)))


def robust_z(series: Series) -> Floats:
    """Return (x - median)/mad against the 252 sessions before; NaN where mad is 0."""
    mad = series.mad()
    return (series.values - series.median()) / np.where(mad > 0, mad, np.nan)


def regime_stability(regime: Series, gamma_z: Series) -> Floats:
    """Return (1 - changes over the last 20 pairs of sessions/20) x exp(-|change of the gamma z-score|).

    NaN where one of the 21 regimes or one of the two z-scores is unknown.
    """
    steps = np.diff(regime.trailing(STABILITY_SESSIONS + 1), axis=1)
    changes = np.where(np.isnan(steps), np.nan, steps != 0).sum(axis=1)
    return (1.0 - changes / STABILITY_SESSIONS) * np.exp(-np.abs(gamma_z.values - gamma_z.lag(1)))


def _vix_terms(vix: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the volatility of VIX, its z-score and that of VIX."""
    sd = trailing_sd(np.diff(np.log(vix), axis=1), WINDOW)
    return sd[:, -1], windows(sd).z(YEAR), windows(vix).z(YEAR)


def process(
    inputs: ElasticityInputs,
    history: History,
    parameters: ElasticityParameters,
    earlier: Mapping[str, ProcessorResult],
) -> ProcessorResult:
    """Return flips, walls and regimes; confidence is that of dealer positioning x min(1, stored sessions/252).

    Without a root there are no flips, which is an answer and not an unknown.
    """
    dealer = earlier["dealer_positioning"]
    vix_sd, *z_of_vix = inputs.once("vix", lambda: _vix_terms(inputs.vix))
    short_skew = np.asarray(earlier["greek_field_mapper"].values["skew_25d_10d_volpts"])
    z_terms = np.stack([*z_of_vix, history.series("skew_25d_10d_volpts", short_skew).z(YEAR)], axis=1)
    score = jump_score(z_terms, np.asarray(dealer.values["hedge_dealer_gamma_sign"]))
    risk = jump_risk_regime(score)
    pressures = {
        "hedge_gamma_pressure": dealer,
        "hedge_vanna_pressure": earlier["vanna_flow"],
        "hedge_charm_pressure": earlier["charm_decay"],
    }
    gamma, vanna, charm = (
        robust_z(history.series(name, np.asarray(result.values[name]))) for name, result in pressures.items()
    )
    primary = primary_regime(risk, gamma, vanna, charm)
    stability = regime_stability(
        history.series("hedge_primary_regime", primary), history.series("gamma_pressure_u", gamma)
    )
    values: dict[str, Floats | pl.Series] = {
        "flips": inputs.dealer.flips,
        **{name: inputs.dealer.values[name] for name in FROM_LEVELS},
        "jump_score": score,
        "vix": inputs.vix[:, -1],
        "vix_change_sd": vix_sd,
        "gamma_pressure_u": gamma,
        "hedge_jump_risk_regime": risk,
        "hedge_primary_regime": primary,
        "hedge_regime_stability": stability,
    }
    share = np.minimum(1.0, history.sessions() / YEAR)
    own = {
        "SOURCE_MISSING": np.isnan(inputs.vix[:, -1]),
        "SHORT_HISTORY": (share < 1) | np.isnan(primary) | np.isnan(stability),
    }
    reasons = united(passed_on(dealer), own)
    is_known = ~np.isnan(np.asarray(dealer.values["gex_usd_per_pct"]))
    return ProcessorResult(values, np.where(is_known, dealer.confidence * share, 0.0), reasons)
