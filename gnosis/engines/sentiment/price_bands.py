"""Bands around the price of daily bars: Bollinger (20, 2) and Keltner (20, 2), features 60 and 80 to 89."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from gnosis.engines import indicators as bars
from gnosis.engines.points import Floats
from gnosis.engines.regimes import VolatilityRegime
from gnosis.engines.sentiment.daily_values import DailyValues, flag, positive


def price_bands(daily: DailyValues) -> dict[str, Floats]:
    """Return the features 60 and 80 to 89 at the points, by column."""
    panel, at = daily.panel, daily.at
    close = at(panel.close)
    band = panel.bollinger
    bandwidth = band.bandwidth
    width, usual_width = at(bandwidth), at(bars.reference_mean(bandwidth, 120))
    upper, lower = at(band.upper), at(band.lower)
    percent_b = at(band.percent_b(panel.close))
    pressure = reversion_pressure(percent_b)

    centre = at(panel.ema20)
    reach, usual_reach = at(panel.atr20), at(bars.reference_mean(panel.atr20, 60))
    position = (close - centre) / positive(2.0 * reach)
    expansion = flag(reach > 1.2 * usual_reach, reach, usual_reach)
    compression = flag(reach < 0.8 * usual_reach, reach, usual_reach)
    inside = (upper < centre + 1.5 * reach) & (lower > centre - 1.5 * reach)
    squeeze = flag(inside, upper, lower, centre, reach)
    return {
        "sent_bb_percent_b": percent_b,
        "sent_bb_bandwidth": width,
        "sent_bb_mean_reversion_pressure": pressure,
        "sent_bb_squeeze_active": flag(width < 0.7 * usual_width, width, usual_width),
        "sent_keltner_position": position,
        "sent_keltner_expansion": expansion,
        "sent_keltner_compression": compression,
        "sent_keltner_force_boundary": np.minimum(2.0, np.abs(np.abs(position) - 1.0)),
        "sent_squeeze_detected": squeeze,
        "sent_envelope_score": 0.6 * pressure + 0.4 * np.clip(position, -1.0, 1.0),
        "sent_volatility_regime": volatility_regime(squeeze, expansion, compression),
    }


def reversion_pressure(percent_b: ArrayLike) -> Floats:
    """Return the pull back into the band: down to -1 above 0.8 of it, up to 1 below 0.2, 0 between.

    Examples
    --------
    >>> reversion_pressure([1.1, 0.9, 0.5, 0.1, -0.3]).round(12).tolist()
    [-1.0, -0.5, 0.0, 0.5, 1.0]
    """
    b = np.asarray(percent_b, dtype=np.float64)
    # Adding 0 makes a negative zero positive.
    return np.clip((0.8 - b) / 0.2, -1.0, 0.0) + np.clip((0.2 - b) / 0.2, 0.0, 1.0) + 0.0


def volatility_regime(squeeze: Floats, expansion: Floats, compression: Floats) -> Floats:
    """Return the position of the label in ``VolatilityRegime``: the first of three flags that is set, else normal.

    Examples
    --------
    >>> flags = [1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0]
    >>> [list(VolatilityRegime)[int(code)].value for code in volatility_regime(*map(np.array, flags))]
    ['squeeze', 'expansion', 'normal']
    """
    labels = list(VolatilityRegime)
    found = np.full(squeeze.shape, float(labels.index(VolatilityRegime.NORMAL)))
    found[compression == 1.0] = labels.index(VolatilityRegime.COMPRESSION)
    found[expansion == 1.0] = labels.index(VolatilityRegime.EXPANSION)
    found[squeeze == 1.0] = labels.index(VolatilityRegime.SQUEEZE)
    found[np.isnan(squeeze + expansion + compression)] = np.nan
    return found
