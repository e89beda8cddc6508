"""DealerPositioning: net dealer exposures under a sign convention, with the band of what is not known of the sides."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from gnosis.engines import physics
from gnosis.engines.elasticity.inputs import ElasticityInputs
from gnosis.engines.elasticity.labels import absolute, first_label, passed_on, united
from gnosis.engines.elasticity.parameters import ElasticityParameters
from gnosis.engines.points import Floats
from gnosis.engines.protocol import ProcessorResult
from gnosis.engines.regimes import GammaRegime
from gnosis.engines.trailing import History, Series

SUMMED = ["vega_usd_per_volpt", "vomma_usd_per_volpt2", "speed_usd_per_pct2", "zomma_usd_per_pct_volpt"]
FROM_LEVELS = ["gex_usd_per_pct", "dex_usd", "vex_usd_per_volpt", "cex_usd_per_day"]


def sign_agreement(by_bucket: ArrayLike) -> Floats:
    """Return |sum of w sign(x)| with weights |x|/sum |x| over the last axis; NaN where all are 0.

    Examples
    --------
    >>> sign_agreement([[3.0, 1.0, 0.0, 2.0], [3.0, -1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]]).tolist()
    [1.0, 0.5, nan]
    """
    x = np.asarray(by_bucket, dtype=np.float64)
    size = np.abs(x).sum(axis=-1)
    return np.minimum(np.abs(x.sum(axis=-1)) / np.where(size > 0, size, np.nan), 1.0)


def gamma_sign(signed: ArrayLike, gross: ArrayLike) -> Floats:
    """Return signed over unsigned dealer gamma in [-1, 1]; NaN where there is none.

    Examples
    --------
    >>> gamma_sign([2.0, 0.0], [8.0, 0.0]).tolist()
    [0.25, nan]
    """
    whole = np.asarray(gross, dtype=np.float64)
    return np.clip(np.asarray(signed, dtype=np.float64) / np.where(whole > 0, whole, np.nan), -1.0, 1.0)


def gamma_regime(pressure: Series) -> Floats:
    """Return the code of the gamma regime of each value against the quantiles of its own past."""
    g, size = pressure.values, absolute(pressure)
    low, high, small = pressure.quantile(0.2), pressure.quantile(0.8), size.quantile(0.2)
    kind = GammaRegime
    conditions = {
        kind.SHORT_GAMMA_SQUEEZE: (g < low) & (g < 0),
        kind.LONG_GAMMA_COMPRESSION: (g > high) & (g > 0),
        kind.LOW_GAMMA_EXPANSION: np.abs(g) < small,
    }
    return first_label(kind, conditions, ~np.isnan(g) & ~np.isnan(low))


def process(
    inputs: ElasticityInputs,
    history: History,
    parameters: ElasticityParameters,
    earlier: Mapping[str, ProcessorResult],
) -> ProcessorResult:
    """Return the exposures; confidence is the smaller of those of open interest and of the Greek field.

    ``SIGN_UNDETERMINED`` is informative: how sure the sign is says ``gex_p_positive``.
    """
    field, dealer, name = inputs.field, inputs.dealer.values, inputs.convention
    gex, adv, spot = dealer["gex_usd_per_pct"], inputs.daily.adv_usd, inputs.chains.spot
    known = np.where(np.isnan(gex), np.nan, 1.0)
    volume = np.where(adv > 0, adv, np.nan)
    gamma = field.exposures["gex_usd_per_pct"]
    down, at, up = (side.under(name) * known for side in (field.delta_down, field.delta_at, field.delta_up))
    pressure = physics.pressure(spot, down, at, up, volume)
    values = {
        **{column: dealer[column] for column in FROM_LEVELS},
        **{column: field.exposures[column].under(name) * known for column in SUMMED},
        "dealer_gamma_usd_per_unit": 100.0 * gex,
        "hedge_gamma_pressure": gex / volume,
        "hedge_dealer_gamma_sign": gamma_sign(gamma.under(name), gamma.gross()) * known,
        "hedge_pressure_up": pressure.up,
        "hedge_pressure_down": pressure.down,
        "hedge_net_pressure": pressure.net,
        "hedge_mtf_agreement": sign_agreement(field.gamma_by_bucket.under(name)) * known,
        "gex_p10": dealer["gex_p10_usd_per_pct"],
        "gex_p50": dealer["gex_p50_usd_per_pct"],
        "gex_p90": dealer["gex_p90_usd_per_pct"],
        "gex_hard_bound": dealer["gex_bound_usd_per_pct"],
        "gex_p_positive": dealer["gex_positive_probability"],
        "is_sign_undetermined": inputs.dealer.is_undetermined,
    }
    values["hedge_gamma_regime"] = gamma_regime(history.series("hedge_gamma_pressure", values["hedge_gamma_pressure"]))
    confidence = np.minimum(earlier["oi_distribution"].confidence, earlier["greek_field_mapper"].confidence)
    is_naive = name == "naive"
    own = {
        "SIGN_UNDETERMINED": is_naive & ~inputs.is_index & (inputs.dealer.is_undetermined != 0.0),
        "SOURCE_MISSING": np.isnan(adv),
        "SHORT_HISTORY": np.isnan(values["hedge_gamma_regime"]) & ~np.isnan(values["hedge_gamma_pressure"]),
    }
    reasons = united(passed_on(earlier["oi_distribution"], earlier["greek_field_mapper"]), own)
    return ProcessorResult(values, np.where(np.isnan(gex), 0.0, confidence), reasons)
