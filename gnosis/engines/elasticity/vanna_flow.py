"""VannaFlow: what dealers trade when volatility moves, and how volatility answers to the return."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gnosis.engines.elasticity.inputs import WINDOW, ElasticityInputs, windows
from gnosis.engines.elasticity.labels import absolute, first_label, passed_on, united
from gnosis.engines.elasticity.parameters import ElasticityParameters
from gnosis.engines.points import Floats
from gnosis.engines.protocol import ProcessorResult
from gnosis.engines.regimes import VannaRegime
from gnosis.engines.trailing import History, Series, least

CHAIN, VIX = 0.0, 1.0


def _moments(x: Floats, y: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Return the number of pairs, and the sums of squares and products about the means, along the last axis."""
    is_pair = ~(np.isnan(x) | np.isnan(y))
    n = is_pair.sum(axis=-1).astype(np.float64)
    whole = np.where(n > 0, n, np.nan)
    means = (np.where(is_pair, part, 0.0).sum(axis=-1) / whole for part in (x, y))
    dx, dy = (np.where(is_pair, part - mean[..., None], 0.0) for part, mean in zip((x, y), means, strict=True))
    return n, (dx * dx).sum(axis=-1), (dx * dy).sum(axis=-1), (dy * dy).sum(axis=-1)


def spot_vol_beta(returns_pct: ArrayLike, changes_volpts: ArrayLike, least_pairs: int = 15) -> tuple[Floats, Floats]:
    """Return the least-squares slope, in vol points per 1 %, of changes of volatility on returns, and the pairs.

    Parameters
    ----------
    returns_pct, changes_volpts
        Along the last axis; a pair with a NaN is left out.
    least_pairs
        Pairs that the slope needs; NaN with fewer, or where all returns are equal.

    Examples
    --------
    >>> slope, pairs = spot_vol_beta([1.0, -1.0, 2.0, np.nan], [-0.5, 0.5, -1.0, 3.0], least_pairs=3)
    >>> round(slope.item(), 12), pairs.item()
    (-0.5, 3.0)
    """
    x, y = (np.asarray(part, dtype=np.float64) for part in (returns_pct, changes_volpts))
    n, xx, xy, _ = _moments(x, y)
    return np.where(n >= least_pairs, xy / np.where(xx > 0, xx, np.nan), np.nan), n


def correlation(x: ArrayLike, y: ArrayLike, least_pairs: int) -> Floats:
    """Return the Pearson correlation along the last axis, NaN with fewer pairs or where one side does not move.

    Examples
    --------
    >>> correlation([1.0, 2.0, 3.0], [2.0, 1.0, 0.0], 3).round(12).item()
    -1.0
    """
    n, xx, xy, yy = _moments(np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64))
    size = np.sqrt(xx) * np.sqrt(yy)
    return np.where(n >= least_pairs, np.clip(xy / np.where(size > 0, size, np.nan), -1.0, 1.0), np.nan)


def vanna_regime(pressure: Series, vix: Floats, vix_is_high: Floats) -> Floats:
    """Return the code of the vanna regime of each value against the quantiles of its own past.

    Parameters
    ----------
    pressure
        Vanna pressure over time.
    vix, vix_is_high
        VIX, and whether it is above its own trailing 80th percentile; NaN where unknown. They matter for large values.
    """
    size = absolute(pressure)
    v, high, middle = size.values, size.quantile(0.8), size.median()
    kind = VannaRegime
    is_large = v > high
    conditions = {
        kind.HIGH_VANNA_HIGH_VOL: is_large & (vix_is_high == 1.0),
        kind.HIGH_VANNA_LOW_VOL: is_large,
        kind.VANNA_FLOW: v > middle,
    }
    is_known = ~np.isnan(v) & ~np.isnan(high) & ~(is_large & (np.isnan(vix) | np.isnan(vix_is_high)))
    return first_label(kind, conditions, is_known)


def above_own_quantile(window: Floats, share: float) -> Floats:
    """Return 1 where the last value of each row exceeds the quantile of the 252 before it, NaN where unknown.

    Examples
    --------
    >>> above_own_quantile(np.arange(100.0)[None, :], 0.8).tolist()
    [1.0]
    """
    own = windows(window)
    cut = own.quantile(share)
    return np.where(np.isnan(cut) | np.isnan(own.values), np.nan, own.values > cut)


def _beta(
    inputs: ElasticityInputs, history: History, parameters: ElasticityParameters, atm: Floats
) -> tuple[Floats, Floats, Floats]:
    """Return slope, pairs and source."""
    length = parameters.beta_sessions
    returns = 100.0 * inputs.daily.returns[:, -length:]
    chain = history.series("atm_iv_30d", atm).trailing(length + 1)
    has_chain = (~np.isnan(chain)).sum(axis=1) >= parameters.least_chain_sessions
    window = np.where(has_chain[:, None], 100.0 * chain, inputs.vix[:, -length - 1 :])
    slope, pairs = spot_vol_beta(returns, np.diff(window, axis=1), parameters.least_beta_pairs)
    return slope, pairs, np.where(np.isnan(slope), np.nan, np.where(has_chain, CHAIN, VIX))


def _with_vix(inputs: ElasticityInputs) -> Floats:
    changes = np.diff(inputs.vix[:, -WINDOW - 1 :], axis=1)
    return correlation(inputs.daily.returns[:, -WINDOW:], changes, least(WINDOW))


def process(
    inputs: ElasticityInputs,
    history: History,
    parameters: ElasticityParameters,
    earlier: Mapping[str, ProcessorResult],
) -> ProcessorResult:
    """Return the flows of volatility; confidence is that of the dealer positioning.

    Never a proxy: the chain, from which the flows follow, is the preferred input. Where VIX answers for the symbol's
    own volatility ``spot_vol_beta_source`` says so. The exposure adjusted for the usual answer of volatility has a
    confidence of its own: that of the flows times pairs/60.
    """
    dealer = earlier["dealer_positioning"]
    vex, gex = (np.asarray(dealer.values[name]) for name in ("vex_usd_per_volpt", "gex_usd_per_pct"))
    adv = np.where(inputs.daily.adv_usd > 0, inputs.daily.adv_usd, np.nan)
    atm = np.asarray(earlier["greek_field_mapper"].values["atm_iv_30d"])
    slope, pairs, source = _beta(inputs, history, parameters, atm)
    adjusted = gex + slope * vex
    sure = dealer.confidence * np.minimum(1.0, pairs / parameters.beta_sessions)
    vix = inputs.vix[:, -1]
    pressure = vex / adv
    regime = vanna_regime(
        history.series("hedge_vanna_pressure", pressure),
        vix,
        inputs.once("vix_is_high", lambda: above_own_quantile(inputs.vix, 0.8)),
    )
    values: dict[str, Floats] = {
        "hedge_vanna_pressure": pressure,
        "vanna_flow_usd_volpt_down": vex,
        "spot_vol_beta_volpts_per_pct": slope,
        "spot_vol_beta_pairs": pairs,
        "spot_vol_beta_source": source,
        "gex_vol_adjusted_usd_per_pct": adjusted,
        "gex_vol_adjusted_confidence": np.where(np.isnan(adjusted), 0.0, sure),
        "hedge_cross_asset_correlation": inputs.once("correlation", lambda: _with_vix(inputs)),
        "hedge_vanna_regime": regime,
    }
    lacks_history: NDArray[np.bool_] = np.isnan(slope) | np.isnan(regime)
    own = {"SHORT_HISTORY": lacks_history & ~np.isnan(vex), "SOURCE_MISSING": np.isnan(vix) | np.isnan(adv)}
    reasons = united(passed_on(dealer), own)
    return ProcessorResult(values, np.where(np.isnan(vex), 0.0, dealer.confidence), reasons)
