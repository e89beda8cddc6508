"""Price, volume and breadth: what daily bars of the symbol, the universe and the index say."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gnosis.engines.points import Floats, Panel, Points
from gnosis.engines.protocol import ProcessorResult
from gnosis.engines.regimes import labels
from gnosis.engines.sentiment import breadth
from gnosis.engines.sentiment.daily_values import DailyValues
from gnosis.engines.sentiment.inputs import SentimentInputs
from gnosis.engines.sentiment.momentum import momentum
from gnosis.engines.sentiment.oscillators import oscillators
from gnosis.engines.sentiment.parameters import SentimentParameters
from gnosis.engines.sentiment.price_bands import price_bands
from gnosis.engines.sentiment.trading_range import trading_range
from gnosis.engines.trailing import History

BARS = 320
"""Sessions whose bars the confidence expects."""

COMPONENTS = 5
LEAST_COMPONENTS = 3


def process(
    inputs: SentimentInputs,
    history: History,
    parameters: SentimentParameters,
    earlier: Mapping[str, ProcessorResult],
) -> ProcessorResult:
    """Return the technical features, the two scores and the reading of every point.

    Everything about one symbol comes from its bars, so neither ``history`` nor ``earlier`` is read.
    """
    values = inputs.bars.compute_all(daily_features)
    values |= {name: inputs.breadth[name] for name in breadth.COLUMNS}
    return of_values(values, parameters)


def of_values(values: dict[str, Floats], parameters: SentimentParameters) -> ProcessorResult:
    """Return the result of the processor from what :func:`daily_features` and the breadth say of every point."""
    values = dict(values)
    vote, coverage = values.pop("vote"), values.pop("coverage")
    parts = np.stack(
        [
            values["sent_oscillator_composite"],
            vote,
            values["sent_operator_bias"],
            np.clip(values["sent_keltner_position"], -1.0, 1.0),
            2.0 * values["sent_advance_decline_ratio"] - 1.0,
        ]
    )
    trend, reversion = trend_score(parts), values["sent_bb_mean_reversion_pressure"]
    regime = values["sent_volatility_regime"]
    v = reading(
        trend,
        reversion,
        _weights(regime, parameters.trend_weight, parameters.trend_weight_by_volatility),
        _weights(regime, parameters.reversion_weight, parameters.reversion_weight_by_volatility),
    )
    values |= {"trend_score": trend, "reversion_score": reversion, "technical_regime_v": v}
    known = (~np.isnan(parts)).sum(axis=0)
    return ProcessorResult(
        values=values,
        confidence=np.where(np.isnan(v), 0.0, known / COMPONENTS * coverage),
        reasons={
            "SHORT_HISTORY": coverage < 1.0,
            "SOURCE_MISSING": np.isnan(parts[-1]) | (known < COMPONENTS) & (coverage == 1.0),
        },
    )


def daily_features(panel: Panel, points: Points) -> dict[str, Floats]:
    """Return what the bars of each point's own symbol say, by column.

    Two more entries serve the scores: ``vote``, the mean vote of ``sent_multi_period_regime``, and ``coverage``, the
    share of the last 320 sessions with a bar.
    """
    daily = DailyValues(panel, points)
    return {
        **oscillators(daily),
        **price_bands(daily),
        **trading_range(daily),
        **momentum(daily),
        "coverage": panel.share_known(points, panel.close, BARS),
    }


def trend_score(components: Floats) -> Floats:
    """Return the mean of the known components, in [-1, 1]; NaN with fewer than 3 of them.

    Parameters
    ----------
    components
        Shape (components, points), each in [-1, 1], NaN where unknown.

    Examples
    --------
    >>> trend_score(np.array([[0.5, 0.5], [1.0, np.nan], [0.0, np.nan], [np.nan, 0.0]])).tolist()
    [0.5, nan]
    """
    known = ~np.isnan(components)
    n = known.sum(axis=0)
    # Component after component: the order of the sum must not depend on the number of points.
    total = np.zeros(components.shape[1])
    for component in np.where(known, components, 0.0):
        total += component
    return np.where(n >= LEAST_COMPONENTS, total / np.maximum(n, 1), np.nan)


def reading(trend: Floats, reversion: Floats, trend_weight: Floats, reversion_weight: Floats) -> Floats:
    """Return clip(trend x its weight + reversion x its weight, -1, 1); a score of weight 0 may be unknown.

    Trend and reversion oppose each other by construction, so their weights are estimated, not fixed.

    Examples
    --------
    >>> one = np.array([1.0])
    >>> reading(0.4 * one, np.nan * one, one, 0.0 * one).tolist(), reading(0.4 * one, one, one, -0.5 * one).round(12)
    ([0.4], array([-0.1]))
    """
    total = np.zeros(trend.shape)
    for score, weight in ((trend, trend_weight), (reversion, reversion_weight)):
        total += np.where(weight == 0.0, 0.0, score * weight)
    return np.where(np.isnan(trend), np.nan, np.clip(total, -1.0, 1.0))


def _weights(regime: Floats, default: float, by_label: Mapping[str, float]) -> Floats:
    """Return the weight of a score at each point by its volatility regime.

    Raises
    ------
    ValueError
        When a label does not exist.
    """
    names = labels("sent_volatility_regime")
    if unknown := sorted(set(by_label) - set(names)):
        raise ValueError(f"weights by volatility: expected labels out of {names}, found {unknown}")
    weights = np.full(regime.shape, default)
    for label, weight in by_label.items():
        weights[regime == names.index(label)] = weight
    return weights
