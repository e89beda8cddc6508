"""What option buyers lean to: puts against calls, the skew, the level and the slope of volatility."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from gnosis.engines.points import Floats
from gnosis.engines.protocol import ProcessorResult
from gnosis.engines.sentiment.inputs import SentimentInputs
from gnosis.engines.sentiment.parameters import SentimentParameters
from gnosis.engines.sentiment.reading import transformed
from gnosis.engines.trailing import YEAR, History, banded
from gnosis.reasons import SURE


def put_call_ratio(put: ArrayLike, call: ArrayLike) -> Floats:
    """Return puts over calls, NaN without calls.

    Examples
    --------
    >>> put_call_ratio([120.0, 5.0], [100.0, 0.0]).tolist()
    [1.2, nan]
    """
    calls = np.asarray(call, dtype=np.float64)
    return np.asarray(put, dtype=np.float64) / np.where(calls > 0, calls, np.nan)


def positioning_reading(ratio_z: ArrayLike, skew_z: ArrayLike) -> Floats:
    """Return -tanh(mean/2) of the z-scores that are known: many puts and a steep skew are fear.

    Examples
    --------
    >>> positioning_reading([1.0, np.nan, np.nan], [3.0, 2.0, np.nan]).round(4).tolist()
    [-0.7616, -0.7616, nan]
    """
    z = np.stack([np.asarray(ratio_z, dtype=np.float64), np.asarray(skew_z, dtype=np.float64)])
    known = (~np.isnan(z)).sum(axis=0)
    return -np.tanh(np.nansum(z, axis=0) / np.where(known > 0, known, np.nan) / 2.0)


def _log(values: Floats) -> Floats:
    return np.log(np.where(values > 0, values, np.nan))


def process(
    inputs: SentimentInputs,
    history: History,
    parameters: SentimentParameters,
    earlier: Mapping[str, ProcessorResult],
) -> ProcessorResult:
    """Return the reading of option positioning out of z-scores over the symbol's own last 252 sessions."""
    chains, elasticity = inputs.chains, inputs.elasticity
    ratio = put_call_ratio(chains.put_volume, chains.call_volume)
    skew = elasticity["skew_25d_volpts"]
    ratios, skews = history.series("put_call_volume_ratio", ratio), history.series("skew_25d_volpts", skew)
    z = np.stack([transformed(ratios, _log).z(YEAR), skews.z(YEAR)])
    v = positioning_reading(*z)
    total = np.where(chains.total_volume > 0, chains.total_volume, np.nan)
    values = {
        "options_positioning_v": v,
        "put_call_volume_ratio": ratio,
        "put_call_oi_ratio_60d": put_call_ratio(chains.put_oi, chains.call_oi),
        "skew_25d_volpts": skew,
        "atm_iv_30d": elasticity["atm_iv_30d"],
        "iv_rank": history.series("atm_iv_30d", elasticity["atm_iv_30d"]).percentile_rank(),
        "term_slope_volpts": elasticity["term_slope_volpts"],
        "call_volume_share_otm_short": chains.otm_short_call_volume / total,
        "positioning": banded(history.series("options_positioning_v", v).percentile_rank(), below=(0.1,), up_to=(0.9,)),
    }
    n = np.maximum(ratios.count(YEAR), skews.count(YEAR)).astype(np.float64)
    quality = np.nan_to_num(elasticity["hedge_confidence"])
    confidence = quality * (~np.isnan(z)).sum(axis=0) / 2.0 * np.minimum(1.0, n / YEAR)
    has_chain = ~(np.isnan(chains.total_volume) & np.isnan(elasticity["atm_iv_30d"]) & np.isnan(skew))
    reasons = {
        "NO_CHAIN": ~has_chain,
        "LOW_COVERAGE": has_chain & ((quality < SURE) | np.isnan(ratio) | np.isnan(skew)),
        "SHORT_HISTORY": has_chain & (n < YEAR),
    }
    return ProcessorResult(values, confidence, reasons)
