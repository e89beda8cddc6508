"""Oscillators of daily bars: relative strength, money flow and stochastics, features 67 to 79."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from gnosis.engines import indicators as bars
from gnosis.engines.points import Floats
from gnosis.engines.sentiment.daily_values import DailyValues, flag, positive

DIVERGENCE = 10.0
"""Points of RSI over 20 sessions beyond which it diverges from the trend of closes."""


def oscillators(daily: DailyValues) -> dict[str, Floats]:
    """Return the features 67 to 79 at the points, by column."""
    panel, at = daily.panel, daily.at
    rsi = panel.rsi
    now, week, month = at(rsi), at(rsi, 5), at(rsi, 20)
    slope = at(bars.rolling_slope(panel.close, 20))
    change = now - month
    diverges = np.where((slope < 0.0) & (change > DIVERGENCE), 1.0, 0.0)
    diverges[(slope > 0.0) & (change < -DIVERGENCE)] = -1.0
    diverges[np.isnan(slope + change)] = np.nan

    positive_flow, negative_flow = bars.money_flow(panel.high, panel.low, panel.close, daily.volume)
    mfi = bars.relative_strength(at(bars.rolling_sum(positive_flow, 14)), at(bars.rolling_sum(negative_flow, 14)))
    total = at(bars.rolling_sum(positive_flow + negative_flow, 20))

    stochastic = bars.stochastic_k(panel.high, panel.low, panel.close)
    smooth = bars.rolling_mean(stochastic, 3)
    k, d, k_before, d_before = at(stochastic), at(smooth), at(stochastic, 1), at(smooth, 1)
    crossing = (k, d, k_before, d_before)
    return {
        "sent_rsi": now,
        "sent_rsi_overbought": flag(now > 70.0, now),
        "sent_rsi_oversold": flag(now < 30.0, now),
        "sent_rsi_energy_decay_slope": (now - week) / 5.0,
        "sent_rsi_divergence": diverges,
        "sent_mfi": mfi,
        "sent_mfi_buy_pressure": flow_pressure(at(bars.rolling_sum(positive_flow, 5)), total),
        "sent_mfi_sell_pressure": flow_pressure(at(bars.rolling_sum(negative_flow, 5)), total),
        "sent_stoch_k": k,
        "sent_stoch_d": d,
        "sent_stoch_impulse": flag((k > d) & (k_before <= d_before), *crossing),
        "sent_stoch_reversion": flag((k < d) & (k_before >= d_before), *crossing),
        "sent_oscillator_composite": oscillator_composite(now, mfi, k),
    }


def centred(oscillator: ArrayLike) -> Floats:
    """Return g(x) = (x - 50)/50, strictly increasing from -1 at 0 to 1 at 100.

    Examples
    --------
    >>> centred([0.0, 50.0, 80.0, 100.0]).tolist()
    [-1.0, 0.0, 0.6, 1.0]
    """
    return (np.asarray(oscillator, dtype=np.float64) - 50.0) / 50.0


def oscillator_composite(rsi: ArrayLike, mfi: ArrayLike, stochastic_k: ArrayLike) -> Floats:
    """Return 0.4 g(RSI) + 0.3 g(MFI) + 0.3 g(K), in [-1, 1]; NaN where one of them is.

    Examples
    --------
    >>> oscillator_composite(75.0, 50.0, 100.0).round(12).item()
    0.5
    """
    mixed = 0.4 * centred(rsi) + 0.3 * centred(mfi) + 0.3 * centred(stochastic_k)
    return np.clip(mixed, -1.0, 1.0)


def flow_pressure(one_side_5: Floats, both_sides_20: Floats) -> Floats:
    """Return min(1, 2 x money flow of one side over 5 sessions / that of both sides over 20); 0.25 is neutral.

    Examples
    --------
    >>> flow_pressure(np.array([12.5, 90.0]), np.array([100.0, 100.0])).tolist()
    [0.25, 1.0]
    """
    return np.minimum(2.0 * one_side_5 / positive(both_sides_20), 1.0)
